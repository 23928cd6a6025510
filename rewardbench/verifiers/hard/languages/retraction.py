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
    turn: int


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
        if change.kind == "undo":
            before = [n for n, earlier in enumerate(self.changes) if earlier.turn == change.turn - 1]
            return self.entry_of(place, before[0])
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
        source = change.places[0] if place == change.places[1] else change.places[1]
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
    for n, turn in enumerate(turns[1:-1]):
        for line in turn.split("\n"):
            plan.changes.append(_read_change(line, list(initial), language, n))
    return plan


def _read_change(line: str, labels: Sequence[str], language: str, turn: int) -> ReadChange:
    lexicon = read_lexicon(language, "retraction")
    kinds = [kind for kind, pattern in lexicon["changes"] if matches(pattern, line)]
    if not kinds:
        raise ValueError(f"no change in {line!r}")
    places = tuple(dict.fromkeys(label for _, label in mentions(line, labels)))
    entries: tuple[str, ...] = ()
    for pattern in lexicon["entries"].get(kinds[0], ()):
        match = re.search(pattern, line, re.IGNORECASE)
        if match and not entries:
            entries = match.groups()
    needed = {"set": (1, 1), "cancel": (1, 0), "restore": (1, 0), "swap": (2, 0), "move": (2, 0), "replace": (0, 2)}
    if (len(places), len(entries)) != needed.get(kinds[0], (0, 0)):
        raise ValueError(f"{kinds[0]} with {places} and {entries} in {line!r}")
    return ReadChange(kinds[0], places, entries, turn)


def mentions(text: str, names: Sequence[str]) -> list[tuple[int, str]]:
    """List the places in a text where a name begins, with the name, in order of the text."""
    places = []
    for name in names:
        for match in re.finditer(rf"(?<!\d){re.escape(name)}(?!\d)", text, re.IGNORECASE):
            places.append((match.start(), name))
    return sorted(places)


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
    if sorted(label for _, label in labels) != sorted(plan.initial):
        return False
    ends = [start for start, _ in labels[1:]] + [len(cell.response)]
    for (start, label), end in zip(labels, ends, strict=True):
        line = cell.response[start:end].split("\n")[0]
        stated = [entry for _, entry in mentions(line, known)]
        entry = plan.entry_of(label, len(plan.changes))
        if stated != ([entry] if entry else []) or matches(free, line) == bool(entry):
            return False
    return True


verify_turns = cell_by_cell(agrees_with_turns)
