"""What a verifier is asked and what it answers; nothing of how it finds out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PASS, FAIL = "pass", "fail"


@dataclass(frozen=True)
class Cell:
    """A response held against what one prompt asks for.

    `check` is what the verifier of its kind needs to know of that prompt; `right` says whether the response is one
    of those that should pass.
    """

    row: str
    check: Mapping[str, Any]
    response: str
    right: bool
    prompt: str = ""


Verifier = Callable[[Sequence[Cell]], list[str]]
"""For each cell PASS, FAIL, or in words why it could not be decided: a check that breaks is never a wrong answer."""


class Broken(Exception):
    """A check that cannot be run as it stands, in words."""


def each(holds: Callable[[Cell], bool]) -> Verifier:
    """A verifier that decides one cell after the other."""

    def decide(cell: Cell) -> str:
        try:
            return PASS if holds(cell) else FAIL
        except Exception as error:  # a check is data: whatever is wrong with it is told, and the others go on
            return f"its check breaks: {type(error).__name__}: {error}"

    return lambda cells: [decide(cell) for cell in cells]


def faults(cells: Iterable[Cell], outcomes: Iterable[str]) -> list[tuple[str, str]]:
    """The row, and one sentence, of every cell that did not come out as it should."""
    pairs = zip(cells, outcomes, strict=True)
    return [(cell.row, _say(cell, outcome)) for cell, outcome in pairs if outcome != (PASS if cell.right else FAIL)]


def _say(cell: Cell, outcome: str) -> str:
    kind = "right" if cell.right else "wrong"
    told = {PASS: "passes", FAIL: "fails"}.get(outcome, outcome)
    return f"the {kind} response {cell.response[:60]!r} {told}"
