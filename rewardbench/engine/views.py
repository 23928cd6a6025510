"""Expand an item into calls of a pointwise, pairwise or listwise scorer, and collect the scores of its completions.

A hash of the item's id decides the order in which completions are shown, so a scorer cannot learn from positions which
completion is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations, permutations

from rewardbench.errors import InputError
from rewardbench.metrics import labels_steps
from rewardbench.metrics.steps import aggregate
from rewardbench.types import Aggregation, Item, ItemScores, Messages, Score, Suite, View


@dataclass(frozen=True)
class ScorerCall:
    """One call of a scorer."""

    shown: tuple[int, ...]
    """Indices of the completions shown, in this order."""

    def completions(self, item: Item) -> tuple[Messages, ...]:
        """Return the completions in the order shown."""
        return tuple(item.completions[index] for index in self.shown)


@dataclass(frozen=True)
class CollectedScores:
    """The scores of an item's completions, in the item's order."""

    scores: tuple[float, ...]
    order_inconsistency: float | None = None
    """For pairwise scorers, the share of pairs whose winner depends on the order shown; for listwise scorers 1 if the
    best completion depends on it, else 0. None for others, for one order only, and for items with a score that is NaN.
    A tie (.5) in both orders is consistent; a tie in one order only is not."""
    position_bias: float | None = None
    """For pairwise and listwise scorers: how often the completion shown first is preferred, minus what chance gives, on
    average over the orders. It is 0 for a scorer that does not see the order, if all orders are shown."""
    step_scores: tuple[tuple[float, ...], ...] = ()
    """For stepwise scorers, the scores of each completion's steps."""


def expand(item: Item, view: View, orders: int | None = None) -> tuple[ScorerCall, ...]:
    """Return the calls that score an item.

    Pointwise and stepwise: one call per completion. Pairwise: two calls per pair, one in each order. Listwise: one call
    per rotation of the completions.

    Args:
        item: the item.
        view: the view of the scorer.
        orders: how many orders are shown, of each pair or of all completions; None: all of these. A hash of the item's
            id decides which come first.

    Raises:
        InputError: if the item has a single completion, and the view needs several.

    >>> item = Item("a", "all", (), ((), (), ()))
    >>> [len(expand(item, view)) for view in ("pointwise", "pairwise", "listwise")]
    [3, 6, 3]
    """
    order = shown_order(item)
    if view in ("pointwise", "stepwise"):
        return tuple(ScorerCall((index,)) for index in order)
    if len(order) < 2:
        raise InputError(f"A {view} scorer compares completions, and the item has one.")
    if view == "pairwise":
        pairs = permutations(order, 2) if orders != 1 else combinations(order, 2)
        return tuple(map(ScorerCall, pairs))
    rotations = [(*order[n:], *order[:n]) for n in range(len(order))]
    return tuple(map(ScorerCall, rotations[:orders]))


def shown_order(item: Item) -> tuple[int, ...]:
    """Return the indices of an item's completions in the order of a hash of its id."""
    item_id = item.id.encode("utf-8", "surrogatepass")

    def position(index: int) -> bytes:
        return blake2b(b"%d " % index + item_id, digest_size=8).digest()

    return tuple(sorted(range(len(item.completions)), key=position))


def collect(
    item: Item,
    view: View,
    call_scores: Sequence[Score],
    aggregation: Aggregation = "min",
    orders: int | None = None,
) -> CollectedScores:
    """Return the scores of an item's completions.

    Pairwise: the win rate of a completion against the others, over both orders. Listwise: its mean over the rotations.

    Args:
        item: the item.
        view: the view of the scorer.
        call_scores: the scores of the item's calls, in the order of `expand`.
        aggregation: how the scores of steps become one, in the stepwise view.
        orders: how many orders were shown, as in `expand`.

    Raises:
        InputError: if a score is not of the type that a scorer of this view must return.
    """
    calls = expand(item, view, orders)
    if view == "pairwise":
        return _collect_pairs(item, calls, call_scores)
    if view == "stepwise":
        return _collect_steps(item, calls, call_scores, aggregation)
    scores: list[list[float]] = [[] for _ in item.completions]
    for call, score in zip(calls, call_scores, strict=True):
        values = score if isinstance(score, tuple) else (score,)
        if len(values) != len(call.shown):
            raise InputError(
                f"The {view} scorer returned {len(values)} scores for a call that shows {len(call.shown)} completions: "
                "run() must return one per completion."
            )
        for index, value in zip(call.shown, values, strict=True):
            scores[index].append(value)
    if view == "pointwise":
        return CollectedScores(tuple(value for (value,) in scores))
    means = tuple(_sum(values) / len(values) for values in scores)
    if not all(map(math.isfinite, means)):
        return CollectedScores(means)
    return CollectedScores(means, _listwise_inconsistency(calls, call_scores), _first_preference(call_scores))


def _listwise_inconsistency(calls: Sequence[ScorerCall], call_scores: Sequence[Score]) -> float | None:
    """Return 1 if the set of best completions differs between two orders, else 0; None for one order."""
    winners: set[frozenset[int]] = set()
    for call, values in zip(calls, call_scores, strict=True):
        if isinstance(values, tuple):
            best = max(values)
            winners.add(frozenset(index for index, value in zip(call.shown, values, strict=True) if value == best))
    return None if len(calls) < 2 else float(len(winners) > 1)


def _first_preference(call_scores: Sequence[Score]) -> float:
    """Return how often the completion shown first is the best, minus 1 / completions; ties are shared."""
    terms: list[float] = []
    for values in call_scores:
        if isinstance(values, tuple):
            best = max(values)
            share = (values[0] == best) / values.count(best)
            terms.append(share - 1 / len(values))
    return _sum(terms) / len(terms)


def _collect_steps(
    item: Item, calls: Sequence[ScorerCall], call_scores: Sequence[Score], aggregation: Aggregation
) -> CollectedScores:
    """Return the aggregated score of each completion, and the scores of its steps."""
    steps: list[tuple[float, ...]] = [()] * len(item.completions)
    for call, values in zip(calls, call_scores, strict=True):
        if not isinstance(values, tuple) or not values:
            raise InputError(f"The stepwise scorer returned {values}: run() must return a tuple with a score per step.")
        named = item.completions[call.shown[0]][-1].get("steps", ())
        if named and len(values) != len(named):
            raise InputError(f"The stepwise scorer returned {len(values)} scores for {len(named)} steps.")
        steps[call.shown[0]] = values
    return CollectedScores(tuple(aggregate(scores, aggregation) for scores in steps), step_scores=tuple(steps))


def _collect_pairs(item: Item, calls: Sequence[ScorerCall], probabilities: Sequence[Score]) -> CollectedScores:
    """Return win rates, and the share of pairs whose winner depends on the order; None if a probability is NaN."""
    first_wins: dict[tuple[int, ...], float] = {}
    wins: list[list[float]] = [[] for _ in item.completions]
    for call, probability in zip(calls, probabilities, strict=True):
        if isinstance(probability, tuple) or probability < 0 or probability > 1:
            raise InputError(
                f"The pairwise scorer returned {probability}: run() must return the probability, 0 to 1, that the "
                "first completion is better than the second."
            )
        first_wins[call.shown] = probability
        first, second = call.shown
        wins[first].append(probability)
        wins[second] += [1, -probability]
    comparisons = 2 * len(calls) / len(wins)
    win_rates = tuple(_sum(terms) / comparisons for terms in wins)
    if any(map(math.isnan, first_wins.values())):
        return CollectedScores(win_rates)
    position_bias = _sum(list(first_wins.values())) / len(calls) - 0.5
    has_one_order = len(calls) < len(wins) * (len(wins) - 1)
    if has_one_order:
        return CollectedScores(win_rates, None, position_bias)
    disagreements = 0
    for (first, second), probability in first_wins.items():
        disagreements += first < second and _winner(probability) != -_winner(first_wins[second, first])
    return CollectedScores(win_rates, 2 * disagreements / len(calls), position_bias)


def _sum(values: Sequence[float]) -> float:
    """Return the exactly rounded sum, which does not depend on the order of the values."""
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


TIE = 1e-12
"""Distance from .5 within which a probability is a tie, since rounding moves it in one order and not in the other."""


def _winner(probability: float) -> int:
    """Return 1 if the completion with this probability wins, -1 if the other does, 0 for a tie."""
    return (probability > 0.5 + TIE) - (probability < 0.5 - TIE)


def check_view(suite: Suite, view: View, name: str) -> None:
    """Check that a suite with labelled steps is scored by a model that scores steps.

    Args:
        suite: the data.
        view: of the model.
        name: of the model.

    Raises:
        InputError: if the model gives one score per response.
    """
    if labels_steps(suite) and view != "stepwise":
        raise InputError(
            f"{suite.name} labels the steps of solutions, and {name} gives one score per response: pass a process "
            "reward model (see rewardbench models)."
        )


def check_any_scored(suite: Suite, items: Sequence[ItemScores], name: str, notes: Sequence[str] = ()) -> None:
    """Check that at least one item was scored.

    Args:
        suite: the data.
        items: scores of its items.
        name: of the model.
        notes: what else helps to understand why, as sentences.

    Raises:
        InputError: if none was, with the reason of the first item.
    """
    if any(item.reason is None for item in items):
        return
    first = items[0]
    hint = ""
    if any(first.tokens) and str(first.reason).startswith("the score of "):  # no reason of a judge
        hint = f" {name} has broken weights, or overflows in this dtype: try --torch_dtype float32."
    raise InputError(
        f"None of the {len(items)} items of {suite.name} could be scored; the first, {first.id}: "
        f"{' '.join([str(first.reason).rstrip('.') + '.' + hint, *notes])}"
    )
