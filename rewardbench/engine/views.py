"""How the completions of an item become calls of a scorer, and the scores of the calls become scores of completions.

A scorer never learns which completion the data calls right: completions are shown in an order that a hash of the item's
id decides, and scores are mapped back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import permutations

from rewardbench.errors import InputError
from rewardbench.types import Item, Messages, Score, View


@dataclass(frozen=True)
class Call:
    """One call of a scorer: the completions that it shows, in order, by their index in the item."""

    shown: tuple[int, ...]

    def completions(self, item: Item) -> tuple[Messages, ...]:
        """Return the completions in the order shown."""
        return tuple(item.completions[index] for index in self.shown)


@dataclass(frozen=True)
class Collected:
    """The scores of an item's completions, in the item's order.

    `order_inconsistency`, of a pairwise scorer, is the share of pairs whose two orders give different winners.
    """

    scores: tuple[float, ...]
    order_inconsistency: float | None = None


def expand(item: Item, view: View) -> tuple[Call, ...]:
    """Return the calls that score an item.

    Pointwise: one call a completion. Pairwise: every pair in both orders. Listwise: every rotation of all completions.

    Raises:
        InputError: if the item has too few completions for the view.

    >>> item = Item("a", "all", (), ((), (), ()))
    >>> [len(expand(item, view)) for view in ("pointwise", "pairwise", "listwise")]
    [3, 6, 3]
    """
    order = shown_order(item)
    if view == "pointwise":
        return tuple(Call((index,)) for index in order)
    if len(order) < 2:
        raise InputError(f"A {view} scorer compares completions, and the item has one.")
    if view == "pairwise":
        return tuple(Call(pair) for pair in permutations(order, 2))
    return tuple(Call((*order[n:], *order[:n])) for n in range(len(order)))


def shown_order(item: Item) -> tuple[int, ...]:
    """Return the indices of an item's completions in an order that a hash of its id decides."""
    name = item.id.encode("utf-8", "surrogatepass")
    digests = [blake2b(b"%d " % n + name, digest_size=8).digest() for n in range(len(item.completions))]
    return tuple(sorted(range(len(digests)), key=digests.__getitem__))


def collect(item: Item, view: View, scores: Sequence[Score]) -> Collected:
    """Return the scores of an item's completions from those of its calls, in the order of `expand`.

    Pairwise: the win rate of a completion against the others, over both orders. Listwise: its mean over the rotations.

    Raises:
        InputError: if a score is not what a scorer of this view returns.
    """
    calls = expand(item, view)
    if view == "pairwise":
        return _collect_pairs(item, calls, scores)
    totals: list[list[float]] = [[] for _ in item.completions]
    for call, score in zip(calls, scores, strict=True):
        values = score if isinstance(score, tuple) else (score,)
        if len(values) != len(call.shown):
            raise InputError(
                f"The {view} scorer returned {len(values)} scores for a call that shows {len(call.shown)} completions: "
                "run() must return one a completion."
            )
        for index, value in zip(call.shown, values, strict=True):
            totals[index].append(value)
    if view == "pointwise":
        return Collected(tuple(value for (value,) in totals))
    return Collected(tuple(_sum(values) / len(values) for values in totals))


def _collect_pairs(item: Item, calls: Sequence[Call], scores: Sequence[Score]) -> Collected:
    """Return win rates, and the share of pairs whose two orders give different winners."""
    first_wins: dict[tuple[int, ...], float] = {}
    wins: list[list[float]] = [[] for _ in item.completions]
    for call, score in zip(calls, scores, strict=True):
        if isinstance(score, tuple) or score < 0 or score > 1:
            raise InputError(
                f"The pairwise scorer returned {score}: run() must return the probability, 0 to 1, that the first "
                "completion is better than the second."
            )
        first_wins[call.shown] = score
        first, second = call.shown
        wins[first].append(score)
        wins[second] += [1, -score]
    disagreements = 0
    for (first, second), score in first_wins.items():
        swapped = 1 - first_wins[second, first]
        disagreements += first < second and _winner(score) != _winner(swapped)
    games = 2 * (len(wins) - 1)
    return Collected(tuple(_sum(terms) / games for terms in wins), 2 * disagreements / len(calls))


def _sum(values: Sequence[float]) -> float:
    """Return the sum of values, rounded once, so that scores that are equal stay equal in every order."""
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


def _winner(probability: float) -> int:
    """Return 1 if the completion with this probability wins, -1 if the other does, 0 for a tie."""
    return (probability > 0.5) - (probability < 0.5)
