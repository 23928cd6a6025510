"""The interface of verifiers: the cells to check, and their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.types import Messages, Tools

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
    """The contents of the prompt's messages, one after another."""
    messages: Messages = ()
    """The prompt."""
    calls: Messages = ()
    """The response as messages, if it calls tools; `response` is then their JSON."""
    tools: Tools = ()


Verifier = Callable[[Sequence[Cell]], list[str]]
"""Returns PASS, FAIL, or the reason why a cell could not be decided; a broken check is never a wrong answer."""


class BrokenCheck(Exception):
    """A check that cannot be run; the message says why."""


def cell_by_cell(passes: Callable[[Cell], bool]) -> Verifier:
    """Build a verifier that decides one cell after another.

    Args:
        passes: returns True if the response of a cell passes its check; any error is reported as the outcome.
    """

    def decide(cell: Cell) -> str:
        try:
            return PASS if passes(cell) else FAIL
        except Exception as error:  # a check is data: report any error in it, and go on
            return f"its check breaks: {type(error).__name__}: {error}"

    return lambda cells: list(map(decide, cells))


def faults(cells: Iterable[Cell], outcomes: Iterable[str]) -> list[tuple[str, str]]:
    """List the row and a description of every cell with an unexpected outcome."""
    unexpected: list[tuple[str, str]] = []
    for cell, outcome in zip(cells, outcomes, strict=True):
        if outcome != (PASS if cell.right else FAIL):
            unexpected.append((cell.row, _describe(cell, outcome)))
    return unexpected


def _describe(cell: Cell, outcome: str) -> str:
    """Describe an unexpected outcome."""
    kind = "right" if cell.right else "wrong"
    verb = {PASS: "passes", FAIL: "fails"}.get(outcome, outcome)
    return f"the {kind} response {cell.response[:60]!r} {verb}"
