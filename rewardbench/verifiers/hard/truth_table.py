"""Decide arguments by truth tables: every world, that is, every choice of which names are true, is tried.

A premise is a list of literals and the allowed numbers of true ones. `Ana` is true if the name is, `-Ana` if it is not:

    [["Ana", "Bo", "Chen"], [2]]          exactly two of Ana, Bo and Chen
    [["-Ana", "Bo", "Chen"], [1, 2, 3]]   if Ana, then Bo or Chen

A set of worlds is the number whose bit w is set if world w is in it; in world w the names of the bits of w are true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rewardbench.verifiers.cells import BrokenCheck

CountedLiterals = Sequence[Sequence[str] | Sequence[int]]
"""Literals, and the allowed numbers of true ones."""


def columns_of(names: Sequence[str]) -> dict[str, int]:
    """Return of each name the worlds in which it is true."""
    columns = {}
    for place, name in enumerate(names):
        worlds, width = ((1 << (1 << place)) - 1) << (1 << place), 2 << place
        while width < 1 << len(names):
            worlds |= worlds << width
            width *= 2
        columns[name] = worlds
    return columns


def worlds_with(literals: Iterable[str], counts: Iterable[int], columns: Mapping[str, int], worlds: int) -> int:
    """Return those of the worlds in which the number of true literals is one of the counts."""
    by_count = [worlds]
    for literal in literals:
        column = columns[literal.lstrip("-")]
        if literal.startswith("-"):
            column = worlds & ~column
        raised = [0]
        for place, group in enumerate(by_count):
            raised.append(group & column)
            by_count[place] = group & ~column | raised[place]
        by_count.append(raised[-1])
    total = 0
    for count in counts:
        total |= by_count[count]
    return total


def follows(premises: Sequence[CountedLiterals], conclusion: str) -> bool:
    """Return True if the conclusion, a literal, is true in all worlds in which all premises are."""
    literals = {conclusion}
    for counted, _ in premises:
        literals.update(map(str, counted))
    names = {literal.lstrip("-") for literal in literals}
    columns = columns_of(sorted(names))
    worlds = (1 << (1 << len(names))) - 1
    for counted, counts in premises:
        worlds = worlds_with(map(str, counted), map(int, counts), columns, worlds)
    if not worlds:
        raise BrokenCheck("no world satisfies the premises")
    return not worlds_with([conclusion], [0], columns, worlds)
