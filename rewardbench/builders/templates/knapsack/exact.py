"""The exact solution of a knapsack, by dynamic programming over the items still open and the room left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rewardbench.verifiers.arithmetic import best_worth


class Knapsack(NamedTuple):
    """What can be packed, name to (weight, worth), and how much weight fits; each item once."""

    capacity: int
    items: Mapping[str, tuple[int, int]]


Table = list[list[int]]
"""[items open + 1, room + 1]: the most worth that items n, n + 1, ... can still bring where so much room is left."""


def value_table(pairs: Sequence[tuple[int, int]], capacity: int) -> Table:
    """The table of (weight, worth) pairs.

    >>> value_table([(4, 10), (3, 7)], 5)
    [[0, 0, 0, 7, 10, 10], [0, 0, 0, 7, 7, 7], [0, 0, 0, 0, 0, 0]]
    """
    table = [[0] * (capacity + 1)]
    for weight, worth in reversed(pairs):
        below = table[0]
        taken = [below[room - weight] + worth if room >= weight else 0 for room in range(capacity + 1)]
        table.insert(0, [max(both) for both in zip(below, taken, strict=True)])
    return table


def best_packing(sack: Knapsack) -> tuple[str, ...]:
    """The names of a best packing, in the order of the items; where there are several, one of them.

    >>> best_packing(Knapsack(6, {"tent": (4, 10), "stove": (3, 7), "rope": (3, 7)}))
    ('stove', 'rope')
    """
    table = value_table(list(sack.items.values()), sack.capacity)
    room, packed = sack.capacity, []
    for n, (name, (weight, _)) in enumerate(sack.items.items()):
        if table[n][room] > table[n + 1][room]:
            packed.append(name)
            room -= weight
    return tuple(packed)


def is_unique(sack: Knapsack) -> bool:
    """Whether no other packing is worth as much as the best one."""
    return best_worth(sack.items, sack.capacity)[1] == 1


def greedy_packing(sack: Knapsack) -> tuple[str, ...]:
    """What fits, taken by worth per weight: the tempting answer.

    >>> greedy_packing(Knapsack(6, {"tent": (4, 10), "stove": (3, 7), "rope": (3, 7)}))
    ('tent',)
    """
    room, packed = sack.capacity, set()
    for name in sorted(sack.items, key=lambda name: -sack.items[name][1] / sack.items[name][0]):
        if sack.items[name][0] <= room:
            packed.add(name)
            room -= sack.items[name][0]
    return tuple(name for name in sack.items if name in packed)
