"""Second program for rule-by-list on the upper rungs: follows the place of each name through all rounds."""

from __future__ import annotations

import re

from rewardbench.verifiers.cells import BrokenCheck
from rewardbench.verifiers.hard.rule_by_list_names import key_of, named_in, split_label

LINES = (
    re.compile(r"(?m)^\d+\. (?P<label>[^:\n]+): (?P<step>\d+)$"),
    re.compile(r"(?m)^(?P<label>[^|\n]+) \| (?P<step>\d+)$"),
)
"""Entries as a numbered list and as a table."""
PIECE = r"[^,:|\n]+ \d+"
IN_LINE = re.compile(rf"(?m)^{PIECE}(?:, {PIECE})+$")
"""Entries in a line."""
ROUNDS = re.compile(
    r"There have been (\d+) rounds since|Up to now, (\d+) rounds have|All in all (\d+) rounds are|"
    r"Number of rounds so far: (\d+)\."
)
KINDS = {
    "both": r"In every round two entries move\.|A round has two moves\.|; after that, the entry in last place is moved",
    "alternating": r"In odd rounds|The rounds alternate|Odd rounds, such as",
}
RULES = (
    (True, r"name only [\w ]+? that are in the (first|last) (\d+) places of the list now"),
    (True, r"Name no [\w ]+? other than those in the (first|last) (\d+) places of the list as it is today"),
    (True, r"may name the [\w ]+? that the (first|last) (\d+) places of the present list hold, and no others"),
    (False, r"name none of the [\w ]+? that are in the (first|last) (\d+) places of the list now"),
    (False, r"Do not name any [\w ]+? in the (first|last) (\d+) places of the list as it is today"),
    (False, r"The [\w ]+? that the (first|last) (\d+) places of the present list hold must not be named"),
)
"""Sentences of the rule, and whether they allow the names in these places."""


def is_rotating(system: str) -> bool:
    """Return True if a system message says how many rounds there have been."""
    return ROUNDS.search(system) is not None


class _NamePlaces:
    """The place of each name, from 1."""

    def __init__(self, system: str) -> None:
        self.steps: dict[str, int] = {}
        self.names: dict[str, str] = {}
        for pattern in LINES:
            for match in pattern.finditer(system):
                self._add(match["label"], int(match["step"]))
        for line in IN_LINE.findall(system):
            for piece in line.split(", "):
                label, step = piece.rsplit(" ", 1)
                self._add(label, int(step))
        self.places = dict(zip(self.steps, range(1, len(self.steps) + 1), strict=True))

    def _add(self, label: str, step: int) -> None:
        name, alias = split_label(label)
        if name in self.steps:
            raise BrokenCheck(f"{name} is on the list twice")
        self.steps[name] = step
        for key in filter(None, (name, alias)):
            self.names[key_of(key)] = name

    def at(self, place: int) -> str:
        """Return the name in a place."""
        return next(name for name, other in self.places.items() if other == place)

    def shift(self, start: int, end: int) -> None:
        """Move the name in one place to another, and those between by one."""
        direction = 1 if end > start else -1
        for name, place in self.places.items():
            if place == start:
                self.places[name] = end
            elif start < place <= end or end <= place < start:
                self.places[name] = place - direction

    def play(self, kind: str, n: int) -> None:
        """Play the round of a number."""
        last = len(self.places)
        if kind != "alternating" or n % 2 == 1:
            self.shift(1, 1 + self.steps[self.at(1)])
        if kind == "both" or (kind == "alternating" and n % 2 == 0):
            self.shift(last, last - self.steps[self.at(last)])


def _read_kind(system: str) -> str:
    kinds = [kind for kind, pattern in KINDS.items() if re.search(pattern, system)]
    if len(kinds) != 1:
        raise BrokenCheck(f"{len(kinds)} kinds of rounds in the prompt")
    return kinds[0]


def _read_rule(system: str) -> tuple[bool, str, int]:
    """Return whether the rule allows the names in some places, from which end, and the number of the places."""
    readings: list[tuple[bool, str, int]] = []
    for is_permission, pattern in RULES:
        for match in re.finditer(pattern, system):
            readings.append((is_permission, match[1], int(match[2])))
    if len(readings) != 1:
        raise BrokenCheck(f"{len(readings)} rules in the prompt: {readings}")
    return readings[0]


def obeys_places(system: str, reply: str) -> bool:
    """Return True if a reply obeys the rule of a system message on the places of a list."""
    is_permission, end, number = _read_rule(system)
    kind = _read_kind(system)
    (digits,) = filter(None, ROUNDS.findall(system)[0])
    places = _NamePlaces(system)
    for n in range(1, int(digits) + 1):
        places.play(kind, n)
    for name in named_in(reply, places.names):
        place = places.places[name]
        is_ruled = place <= number if end == "first" else place > len(places.places) - number
        if is_ruled != is_permission:
            return False
    return True
