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
    "ends": _both_ends,
    "turns": _in_turn,
}
"""What changes in the order of a list in its round `n`, counted from 1.

With the first entry alone moving, small numbers would stay in front, and the last entry where it is.
"""


def rotate(order: Sequence[str], steps: Distances, move: str, rounds: int) -> list[str]:
    """Return the order of a list after some rounds.

    >>> rotate(["a", "b", "c"], {"a": 1, "b": 2, "c": 1}, "turns", 1)
    ['b', 'a', 'c']
    """
    names = list(order)
    for n in range(1, rounds + 1):
        MOVES[move](names, steps, n)
    return names


def allowed_names(check: Mapping[str, Any]) -> set[str]:
    """Return the names that a rule allows, about classes or about places in an order."""
    ruled = _names_of_classes(check) if "classes" in check else _names_in_places(check)
    return ruled if check["form"] == "only" else set(_all_names(check)) - ruled


def _all_names(check: Mapping[str, Any]) -> list[str]:
    return list(check["entries"] if "classes" in check else check["order"])


def _names_of_classes(check: Mapping[str, Any]) -> set[str]:
    """Return the names of the classes of a rule."""
    names: set[str] = set()
    for name, classes in check["entries"].items():
        if not set(classes).isdisjoint(check["classes"]):
            names.add(name)
    return names


def _names_in_places(check: Mapping[str, Any]) -> set[str]:
    """Return the names in the places of a rule."""
    names = rotate(check["order"], check["steps"], check["move"], check["rounds"])
    return set(names[: check["bound"]] if check["end"] == "first" else names[-check["bound"] :])


def _obeys_list(cell: Cell) -> bool:
    names: set[str] = set()
    spoken = [(name, name) for name in _all_names(cell.check)]
    for text, name in [*spoken, *cell.check["aliases"].items()]:
        if mentions(cell.response, [text]):
            names.add(name)
    if not names:
        raise BrokenCheck("the reply has no name of the list")
    return names <= allowed_names(cell.check)


verify_rule_by_list = cell_by_cell(_obeys_list)
