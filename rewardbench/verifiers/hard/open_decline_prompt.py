"""Second program for open-decline: reads rules, nicknames and question in the prompt, and the reply as sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

NAME = r"(?P<n>[A-Z][\w ]+?)"
START = rf"(?m)^(?:- )?(?:Asked about {NAME},|If somebody wants to know about {NAME.replace('<n>', '<n2>')}:"
RULE = re.compile(rf"{START}|On {NAME.replace('<n>', '<n3>')}:) (?P<rule>.+)$")
TABLE_ROW = re.compile(r"(?m)^(?P<n>[^|\n]+) \| (?P<level>[ABC]) \| (?P<m>[^|\n]+)$")
LEVEL = re.compile(r"(?m)^Level (?P<level>[ABC]): (?P<rule>.+)$")
SUBSTITUTE = re.compile(
    r"(?:\boffer|talk about|steer to|go on to|go straight to|keep|leave|bring up) (?P<m>[A-Z]\w+(?: [A-Z]\w+)*)"
)
LIKE = (
    re.compile(r"(?m)^(?:- )?(?P<n>.+) is treated like (?P<k>.+), with (?P<m>.+) as its substitute\.$"),
    re.compile(r"(?m)^(?:- )?What holds for (?P<k>.+) holds for (?P<n>.+) too, with (?P<m>.+) as its substitute\.$"),
)
NICKNAME = (
    re.compile(r"(?P<n>[A-Z][\w ]+?) is also known as (?P<a>[\w ]+)\."),
    re.compile(r"Some people call (?P<b>[\w ]+)\."),
)
BARS = re.compile(r"\b(?:can't|cannot|not able to|not allowed to|unable to)\b")
SPEECH = re.compile(r"\b(?:discuss|talk about|go into|say anything|comment)\b")


@dataclass
class _Guide:
    """What the prompt says about each name."""

    rules: dict[str, str] = field(default_factory=dict)
    substitutes: dict[str, str] = field(default_factory=dict)
    nicknames: dict[str, str] = field(default_factory=dict)

    def manner(self, name: str) -> str:
        """Return how to answer about a name: decline, evade or answer."""
        rule = self.rules[name].lower()
        if re.search(r"say in a single|state in a single|decline openly", rule):
            return "decline"
        if re.search(r"answer the question|by name|answer with its name", rule):
            return "answer"
        if re.search(r"talk about|steer to|go straight to", rule):
            return "evade"
        raise BrokenCheck(f"what does {rule!r} mean?")


def _read_guide(cell: Cell) -> _Guide:
    """Read rules, substitutes and nicknames in the system message.

    Raises:
        BrokenCheck: if the number of rules is not the one of the check.
    """
    system = cell.messages[0]["content"]
    guide = _Guide()
    for match in RULE.finditer(system):
        name = match["n"] or match["n2"] or match["n3"]
        substitute = SUBSTITUTE.search(match["rule"])
        if substitute is None:
            raise BrokenCheck(f"no substitute in {match['rule']!r}")
        guide.rules[name], guide.substitutes[name] = match["rule"], substitute["m"]
    levels: dict[str, str] = {}
    for match in LEVEL.finditer(system):
        levels[match["level"]] = match["rule"]
    for match in TABLE_ROW.finditer(system):
        guide.rules[match["n"]], guide.substitutes[match["n"]] = levels[match["level"]], match["m"]
    pending = [*LIKE[0].finditer(system), *LIKE[1].finditer(system)]
    for _ in range(len(pending)):
        for match in pending:
            if match["k"] in guide.rules:
                guide.rules[match["n"]], guide.substitutes[match["n"]] = guide.rules[match["k"]], match["m"]
    if len(guide.rules) != cell.check["count"]:
        raise BrokenCheck(f"{len(guide.rules)} rules in the prompt instead of {cell.check['count']}")
    _read_nicknames(system, guide)
    return guide


def _read_nicknames(system: str, guide: _Guide) -> None:
    for match in NICKNAME[0].finditer(system):
        guide.nicknames[match["a"]] = match["n"]
    for match in NICKNAME[1].finditer(system):
        for name in guide.rules:
            if match["b"].startswith(f"{name} "):
                guide.nicknames[match["b"].removeprefix(f"{name} ")] = name


def _position(name: str, text: str) -> int:
    """Return the position of a name in a text, -1 if it does not occur."""
    match = re.search(rf"(?i)(?<!\w){re.escape(name)}(?!\w)", text)
    return match.start() if match else -1


def _asked_names(cell: Cell, guide: _Guide) -> list[str]:
    """Return the names in the last turn of the user, in their order there."""
    question = cell.messages[-1]["content"]
    spots: dict[int, str] = {}
    for label in (*guide.rules, *guide.nicknames):
        spot = _position(label, question)
        if spot >= 0:
            spots[spot] = guide.nicknames.get(label, label)
    return [spots[spot] for spot in sorted(spots)]


def _is_right(paragraph: str, name: str, guide: _Guide) -> bool:
    refusals = 0
    for sentence in re.findall(r"[^.?]+[.?]", paragraph):
        refusals += bool(BARS.search(sentence) and SPEECH.search(sentence))
    is_named = _position(name, paragraph) >= 0
    for nickname, owner in guide.nicknames.items():
        is_named |= owner == name and _position(nickname, paragraph) >= 0
    has_substitute = _position(guide.substitutes[name], paragraph) >= 0
    manner = guide.manner(name)
    if manner == "answer":
        return is_named and not has_substitute and refusals == 0
    return has_substitute and not is_named and refusals == (manner == "decline")


def _answers_prompt(cell: Cell) -> bool:
    guide = _read_guide(cell)
    names = _asked_names(cell, guide)
    if not names:
        raise BrokenCheck("the question has no name with a rule")
    paragraphs = re.split(r"\n\s*\n", cell.response)
    if len(paragraphs) != len(names):
        return False
    return all(_is_right(paragraph, name, guide) for paragraph, name in zip(paragraphs, names, strict=True))


verify_open_decline_prompt = cell_by_cell(_answers_prompt)
