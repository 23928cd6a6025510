"""First program for scopes: interprets rules on names, given as data, for a reply in parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from rewardbench.verifiers.cells import Cell, cell_by_cell
from rewardbench.verifiers.names import mentions

WEEKEND = ("Saturday", "Sunday")
ADULT_AGE = 18


class ChatFacts(TypedDict):
    """What the conditions of rules depend on."""

    turn: int
    """Number of the reply, from 1."""
    age: int
    is_member: bool
    day: str
    used: list[str]
    """Names that the user has used."""
    measures: dict[str, int]
    """Counts over the conversation, such as "user letter e"."""


class SpeechRule(TypedDict):
    """A rule on one name."""

    kind: str
    """`avoid`, `use`, or `only` (in a region and nowhere else)."""
    name: str
    conditions: list[list[str]]
    """Each a condition of `CONDITIONS`, and a number for some; or one of `COUNTS`, a measure and a threshold."""
    region: str
    """`opening`, `closing`, `upper`, `lower`; empty for the reply as a whole."""
    unless: list[list[str]]
    """Conditions of the exception; empty without one."""


SpeechCondition = Callable[[ChatFacts, str, int], bool]
CONDITIONS: Mapping[str, SpeechCondition] = {
    "always": lambda facts, name, n: True,
    "until": lambda facts, name, n: facts["turn"] < n,
    "from": lambda facts, name, n: facts["turn"] >= n,
    "minor": lambda facts, name, n: facts["age"] < ADULT_AGE,
    "adult": lambda facts, name, n: facts["age"] >= ADULT_AGE,
    "member": lambda facts, name, n: facts["is_member"],
    "guest": lambda facts, name, n: not facts["is_member"],
    "workday": lambda facts, name, n: facts["day"] not in WEEKEND,
    "weekend": lambda facts, name, n: facts["day"] in WEEKEND,
    "unnamed": lambda facts, name, n: name not in facts["used"],
    "named": lambda facts, name, n: name in facts["used"],
}


COUNTS: Mapping[str, Callable[[int, int], bool]] = {"below": int.__lt__, "reached": int.__ge__}
"""Conditions on a count over the conversation and a threshold."""


def applies(rule: SpeechRule, facts: ChatFacts) -> bool:
    """Return True if all conditions of a rule hold, and not its exception."""
    if rule["unless"] and _hold(rule["unless"], rule["name"], facts):
        return False
    return _hold(rule["conditions"], rule["name"], facts)


def _hold(conditions: Sequence[Sequence[str]], name: str, facts: ChatFacts) -> bool:
    """Return True if all conditions hold."""
    for condition, *values in conditions:
        if condition in COUNTS:
            measure, threshold = values
            holds = COUNTS[condition](facts["measures"][measure], int(threshold))
        else:
            holds = CONDITIONS[condition](facts, name, int(values[0]) if values else 0)
        if not holds:
            return False
    return True


@dataclass(frozen=True)
class ReplyParts:
    """A reply of an opening, a list and a closing."""

    opening: str
    items: Sequence[str]
    closing: str

    @property
    def regions(self) -> dict[str, str]:
        """The text of each region."""
        middle = len(self.items) // 2
        return {
            "opening": self.opening,
            "upper": "\n".join(self.items[:middle]),
            "lower": "\n".join(self.items[middle:]),
            "closing": self.closing,
        }


def split_reply(text: str) -> ReplyParts:
    """Split a reply at its blank lines into opening, list and closing."""
    opening, items, closing = text.split("\n\n")
    return ReplyParts(opening, items.split("\n"), closing)


def follows_rule(rule: SpeechRule, facts: ChatFacts, regions: Mapping[str, str]) -> bool:
    """Return True if a reply follows a rule."""
    if not applies(rule, facts):
        return True
    places: set[str] = set()
    for region, text in regions.items():
        if mentions(text, [rule["name"]]):
            places.add(region)
    if rule["kind"] == "use":
        return bool(places)
    if rule["kind"] == "only":
        return places <= {rule["region"]}
    return rule["region"] not in places if rule["region"] else not places


def broken_speech_rules(text: str, rules: Sequence[SpeechRule], facts: ChatFacts) -> list[SpeechRule]:
    """Return the rules that a reply breaks."""
    regions = split_reply(text).regions
    return [rule for rule in rules if not follows_rule(rule, facts, regions)]


def _follows_all(cell: Cell) -> bool:
    return not broken_speech_rules(cell.response, cell.check["rules"], cell.check["facts"])


verify_scopes = cell_by_cell(_follows_all)
