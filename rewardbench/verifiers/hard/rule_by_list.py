"""First program for rule-by-list: the names in a reply against the names that the rule allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell
from rewardbench.verifiers.names import mentions

Distances = Mapping[str, int]
"""How many places each entry moves."""


def _down(names: list[str], distance: int) -> None:
    """Move the first entry down."""
    names.insert(distance, names.pop(0))


def _up(names: list[str], distance: int) -> None:
    """Move the last entry up."""
    names.insert(len(names) - 1 - distance, names.pop())


def _both_ends(names: list[str], steps: Distances, n: int) -> None:
    _down(names, steps[names[0]])
    _up(names, steps[names[-1]])


def _in_turn(names: list[str], steps: Distances, n: int) -> None:
    if n % 2:
        _down(names, steps[names[0]])
    else:
        _up(names, steps[names[-1]])


MOVES: Mapping[str, Callable[[list[str], Distances, int], None]] = {
    "top": lambda names, steps, n: _down(names, steps[names[0]]),
    "below": lambda names, steps, n: _down(names, steps[names[1]]),
    "ends": _both_ends,
    "turns": _in_turn,
}
"""What changes in the order of a list in its round `n`, counted from 1."""


def rotate(order: Sequence[str], steps: Distances, move: str, rounds: int) -> list[str]:
    """Return the order of a list after some rounds.

    >>> rotate(["a", "b", "c"], {"a": 1, "b": 2, "c": 1}, "top", 2)
    ['a', 'c', 'b']
    """
    names = list(order)
    for n in range(1, rounds + 1):
        MOVES[move](names, steps, n)
    return names


def allowed_names(check: Mapping[str, Any]) -> set[str]:
    """Return the names that a rule allows, about classes or about places in an order."""
    is_only = check["form"] == "only"
    if "move" not in check:
        classes = set(check["classes"])
        return {name for name, listed in check["entries"].items() if bool(classes & set(listed)) == is_only}
    names = rotate(check["order"], check["steps"], check["move"], check["rounds"])
    bound = check["bound"]
    ruled = names[:bound] if check["end"] == "first" else names[-bound:]
    return {name for name in names if (name in ruled) == is_only}


def _obeys_list(cell: Cell) -> bool:
    names = cell.check.get("order") or list(cell.check["entries"])
    named = [name for name in names if mentions(cell.response, [name])]
    named += [name for alias, name in cell.check["aliases"].items() if mentions(cell.response, [alias])]
    if not named:
        raise BrokenCheck("the reply has no name of the list")
    return set(named) <= allowed_names(cell.check)


verify_rule_by_list = cell_by_cell(_obeys_list)
