"""Second program for plans: read the list and every change in the turns, and trace each slot back to its entry."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rewardbench.verifiers.cells import Cell, cell_by_cell
from rewardbench.verifiers.hard.languages.lexicon import matches, read_lexicon

LIST_LINE = re.compile(r"^(?:[-•] )?(.+?) ?(?:: |：)(\S.*)$")


@dataclass(frozen=True)
class ReadChange:
    """A change as the prompt words it."""

    kind: str
    places: tuple[str, ...]
    entries: tuple[str, ...]


@dataclass
class ReadPlan:
    """The list of the first turn, and the changes of the others."""

    initial: dict[str, str]
    changes: list[ReadChange] = field(default_factory=list)

    def entry_of(self, place: str, count: int) -> str:
        """Return the entry of a slot after the first `count` changes; empty text for a free slot."""
        if count == 0:
            return self.initial[place]
        change = self.changes[count - 1]
        if change.kind == "replace":
            entry = self.entry_of(place, count - 1)
            return change.entries[1] if entry == change.entries[0] else entry
        if place not in change.places:
            return self.entry_of(place, count - 1)
        if change.kind == "set":
            return change.entries[0]
        if change.kind == "cancel" or (change.kind == "move" and place == change.places[0]):
            return ""
        if change.kind == "restore":
            return self.initial[place]
        source = change.places[change.places.index(place) - 1]
        return self.entry_of(source, count - 1)


def read_plan(cell: Cell, language: str) -> ReadPlan:
    """Read the list and all changes of a prompt.

    Raises:
        ValueError: if a line of a turn is no change that the lexicon knows.
    """
    turns = [message["content"] for message in cell.messages if message["role"] == "user"]
    initial = {}
    for line in turns[0].split("\n"):
        match = LIST_LINE.match(line)
        if match:
            initial[match[1].lower()] = match[2]
    plan = ReadPlan(initial)
    for turn in turns[1:-1]:
        plan.changes.append(_read_change(turn, list(initial), language))
    return plan


def _read_change(line: str, labels: Sequence[str], language: str) -> ReadChange:
    lexicon = read_lexicon(language, "retraction")
    kind = next((kind for kind, pattern in lexicon["changes"] if matches(pattern, line)), "")
    if not kind:
        raise ValueError(f"no change in {line!r}")
    places = tuple(dict.fromkeys(mentions(line, labels).values()))
    entries: tuple[str, ...] = ()
    for pattern in lexicon["entries"].get(kind, ()):
        match = re.search(pattern, line, re.IGNORECASE)
        if match and not entries:
            entries = match.groups()
    needed = {
        "set": (1, 1),
        "cancel": (1, 0),
        "restore": (1, 0),
        "swap": (2, 0),
        "move": (2, 0),
        "replace": (0, 2),
    }
    if (len(places), len(entries)) != needed[kind]:
        raise ValueError(f"{kind} with {places} and {entries} in {line!r}")
    return ReadChange(kind, places, entries)


def mentions(text: str, names: Sequence[str]) -> dict[int, str]:
    """Return the names in a text by the position where they begin, in order of the text."""
    places = {}
    for name in names:
        for match in re.finditer(rf"(?<!\d){re.escape(name)}(?!\d)", text, re.IGNORECASE):
            places[match.start()] = name
    return dict(sorted(places.items()))


def agrees_with_turns(cell: Cell) -> bool:
    """Return True if the response gives every slot the entry that the turns leave it."""
    language = cell.check["language"]
    plan = read_plan(cell, language)
    known = [*plan.initial.values()]
    for change in plan.changes:
        known += change.entries
    known = list(dict.fromkeys(known))
    free = read_lexicon(language, "retraction")["free"]
    labels = mentions(cell.response, list(plan.initial))
    if sorted(labels.values()) != sorted(plan.initial):
        return False
    for start, label in labels.items():
        line = cell.response[start:].split("\n")[0]
        stated = list(mentions(line, known).values())
        entry = plan.entry_of(label, len(plan.changes))
        if stated != ([entry] if entry else []) or matches(free, line) == bool(entry):
            return False
    return True


verify_turns = cell_by_cell(agrees_with_turns)
