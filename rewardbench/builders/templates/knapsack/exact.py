"""Solve a knapsack exactly, by dynamic programming over the undecided items and the remaining capacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rewardbench.verifiers.arithmetic import best_worth


class Knapsack(NamedTuple):
    """A weight limit, and the items by name with their (weight, worth); each item can be packed once."""

    capacity: int
    items: Mapping[str, tuple[int, int]]


ValueTable = list[list[int]]
"""[undecided items + 1, capacity + 1]: the largest worth that items n, n + 1, ... add within a remaining capacity."""


def value_table(pairs: Sequence[tuple[int, int]], capacity: int) -> ValueTable:
    """Compute the table of items given as (weight, worth).

    >>> value_table([(4, 10), (3, 7)], 5)
    [[0, 0, 0, 7, 10, 10], [0, 0, 0, 7, 7, 7], [0, 0, 0, 0, 0, 0]]
    """
    table = [[0] * (capacity + 1)]
    for weight, worth in reversed(pairs):
        without_item = table[0]
        row = list(without_item)
        for remaining in range(weight, capacity + 1):
            row[remaining] = max(row[remaining], without_item[remaining - weight] + worth)
        table.insert(0, row)
    return table


def best_packing(knapsack: Knapsack) -> tuple[str, ...]:
    """Return the names of a best packing, in the order of the items; if there are several, one of them.

    >>> best_packing(Knapsack(6, {"tent": (4, 10), "stove": (3, 7), "rope": (3, 7)}))
    ('stove', 'rope')
    """
    table = value_table(list(knapsack.items.values()), knapsack.capacity)
    remaining, packed = knapsack.capacity, []
    for n, (name, (weight, _)) in enumerate(knapsack.items.items()):
        if table[n][remaining] > table[n + 1][remaining]:
            packed.append(name)
            remaining -= weight
    return tuple(packed)


def is_unique(knapsack: Knapsack) -> bool:
    """Return True if no other packing is worth as much as the best one."""
    return best_worth(knapsack.items, knapsack.capacity)[1] == 1


def greedy_packing(knapsack: Knapsack) -> tuple[str, ...]:
    """Pack items by worth per weight as long as they fit: the tempting answer.

    >>> greedy_packing(Knapsack(6, {"tent": (4, 10), "stove": (3, 7), "rope": (3, 7)}))
    ('tent',)
    """

    def worth_per_weight(name: str) -> float:
        weight, worth = knapsack.items[name]
        return worth / weight

    remaining, packed = knapsack.capacity, set()
    for name in sorted(knapsack.items, key=worth_per_weight, reverse=True):
        weight, _ = knapsack.items[name]
        if weight <= remaining:
            packed.add(name)
            remaining -= weight
    return tuple(filter(packed.__contains__, knapsack.items))
