"""The interface of verifiers: the cells to check, and their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PASS, FAIL = "pass", "fail"


@dataclass(frozen=True)
class Cell:
    """A response with the check of one prompt.

    `check` holds the data that the verifier of its kind needs; `right` is True if the response should pass.
    """

    row: str
    check: Mapping[str, Any]
    response: str
    right: bool
    prompt: str = ""


Verifier = Callable[[Sequence[Cell]], list[str]]
"""Returns PASS, FAIL, or the reason why a cell could not be decided; a broken check is never a wrong answer."""


class Broken(Exception):
    """A check that cannot be run; the message says why."""


def each(holds: Callable[[Cell], bool]) -> Verifier:
    """Build a verifier that decides one cell after another."""

    def decide(cell: Cell) -> str:
        try:
            return PASS if holds(cell) else FAIL
        except Exception as error:  # a check is data: report any error in it, and go on
            return f"its check breaks: {type(error).__name__}: {error}"

    return lambda cells: [decide(cell) for cell in cells]


def faults(cells: Iterable[Cell], outcomes: Iterable[str]) -> list[tuple[str, str]]:
    """List the row and a description of every cell with an unexpected outcome."""
    pairs = zip(cells, outcomes, strict=True)
    return [(cell.row, _say(cell, outcome)) for cell, outcome in pairs if outcome != (PASS if cell.right else FAIL)]


def _say(cell: Cell, outcome: str) -> str:
    """Describe an unexpected outcome."""
    kind = "right" if cell.right else "wrong"
    verb = {PASS: "passes", FAIL: "fails"}.get(outcome, outcome)
    return f"the {kind} response {cell.response[:60]!r} {verb}"
