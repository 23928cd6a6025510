"""Second program for scopes: reads rules and facts in the prompt, and the reply sentence by sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rewardbench.types import Messages
from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell
from rewardbench.verifiers.hard.scopes_counts import holds_count, is_count

SCOPE = r"(?P<s>(?:at any|while|before|from|to users|to members|on Saturdays|unless|once|in the)\b[^.]*?)"
READINGS = (
    ("not", re.compile(rf"Never mention (?P<n>[\w' ]+?) {SCOPE}\.")),
    ("not", re.compile(rf"Do not bring up (?P<n>[\w' ]+?) {SCOPE}\.")),
    ("not", re.compile(rf"Keep quiet about (?P<n>[\w' ]+?) {SCOPE}\.")),
    ("must", re.compile(rf"Mention (?P<n>[\w' ]+?) in every reply {SCOPE}\.")),
    ("must", re.compile(rf"Every reply must contain the name (?P<n>[\w' ]+?) {SCOPE}\.")),
    ("must", re.compile(rf"Bring up (?P<n>[\w' ]+?) in each reply {SCOPE}\.")),
    ("solely", re.compile(rf"Mention (?P<n>[\w' ]+?) only {SCOPE}\.")),
    ("solely", re.compile(rf"The name (?P<n>[\w' ]+?) may stand {SCOPE} and nowhere else\.")),
    ("solely", re.compile(rf"Bring up (?P<n>[\w' ]+?) {SCOPE} at most, never elsewhere\.")),
)
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth"
).split()
PHRASES = re.compile(
    r"at any time|before your \w+ reply|from your \w+ reply on\b|"
    r"to (?:users|members)(?: under 18| of 18 and over)?(?: who are not members)?|"
    r"from Monday to Friday|on Saturdays and Sundays|"
    r"unless the user has already used that name|once the user has used that name|"
    r"in the (?:opening|closing|first half of a list|second half of a list)"
)


@dataclass(frozen=True)
class _Chat:
    """What the prompt says, and the place of each sentence of the reply."""

    replies: int
    """Number of the reply that follows."""
    age: int
    is_member: bool
    day: str
    user_text: str
    messages: Messages

    def has_used(self, name: str) -> bool:
        """Return True if the user has used a name."""
        return _occurs(name, self.user_text)

    def holds(self, phrase: str, name: str) -> bool:
        """Return True if the condition of a phrase holds."""
        counted = re.search(r"(before|from) your (\w+) reply", phrase)
        if counted:
            reached = self.replies >= ORDINALS.index(counted.group(2)) + 1
            return reached == (counted.group(1) == "from")
        if phrase.startswith("to "):
            is_of_age = self.age < 18 if "under 18" in phrase else self.age >= 18 or "18" not in phrase
            is_in_group = self.is_member if "to members" in phrase else not (self.is_member and "not" in phrase)
            return is_of_age and is_in_group
        answers = {
            "at any time": True,
            "from Monday to Friday": not self.day.startswith("S"),
            "on Saturdays and Sundays": self.day.startswith("S"),
            "unless the user has already used that name": not self.has_used(name),
            "once the user has used that name": self.has_used(name),
        }
        return answers[phrase]


def _occurs(name: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE) is not None


def _only_match(pattern: str, text: str, what: str) -> re.Match[str]:
    matches = list(re.finditer(pattern, text))
    if len(matches) != 1:
        raise BrokenCheck(f"{len(matches)} statements on {what}")
    return matches[0]


def _read_chat(cell: Cell) -> _Chat:
    user_text, replies = "", 1
    for message in cell.messages:
        if message["role"] == "user":
            user_text += message["content"] + "\n"
        replies += message["role"] == "assistant"
    text = cell.messages[0]["content"] + "\n" + user_text
    age = _only_match(r"(?i)\b(?:is|user:|i am|i'm|turned) (\d+)\b", text, "the age")
    status = _only_match(r"(?i)(not a|no|is a|been a|im a|user:) member\b", text, "membership").group(1).lower()
    day = _only_match(r"(?:Today is|Current day:) (\w+day)\b", text, "the day")
    return _Chat(replies, int(age.group(1)), status not in ("not a", "no"), day.group(1), user_text, cell.messages)


def _read_rules(cell: Cell) -> list[tuple[str, str, str]]:
    """Return kind, name and scope of each rule.

    Raises:
        BrokenCheck: if their number is not the one of the check.
    """
    system = cell.messages[0]["content"]
    rules = []
    for kind, pattern in READINGS:
        for match in pattern.finditer(system):
            rules.append((kind, match["n"].removeprefix("the "), match["s"]))
    if len(rules) != cell.check["count"]:
        raise BrokenCheck(f"{len(rules)} rules in the prompt instead of {cell.check['count']}: {rules}")
    return rules


def _places(reply: str, name: str) -> set[str]:
    """Return where a name occurs in a reply: opening, closing, first or second half of the list."""
    lines = list(filter(None, reply.split("\n")))
    bullets = re.findall(r"(?m)^-.*$", reply)
    places = set()
    for line in lines:
        if not _occurs(name, line):
            continue
        if line in bullets:
            half = "first" if 2 * bullets.index(line) < len(bullets) else "second"
            places.add(f"{half} half of a list")
        else:
            places.add("opening" if line == lines[0] else "closing")
    return places


def _is_followed(kind: str, name: str, scope: str, situation: _Chat, reply: str) -> bool:
    if is_count(scope):
        return not (holds_count(scope, situation.messages) and _places(reply, name))
    phrases = PHRASES.findall(scope)
    if " ".join(phrases) != scope:
        raise BrokenCheck(f"what does {scope!r} mean?")
    region = ""
    for phrase in phrases:
        if phrase.startswith("in the "):
            region = phrase.removeprefix("in the ")
        elif not situation.holds(phrase, name):
            return True
    places = _places(reply, name)
    if kind == "must":
        return bool(places)
    if kind == "solely":
        return not places - {region}
    return region not in places if region else not places


def _follows_prompt(cell: Cell) -> bool:
    situation = _read_chat(cell)
    return all(_is_followed(kind, name, scope, situation, cell.response) for kind, name, scope in _read_rules(cell))


verify_scopes_prompt = cell_by_cell(_follows_prompt)
