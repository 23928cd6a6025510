"""Break the score of a suite down by the values of a column, such as the rung of a ladder or the level of style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from rewardbench.metrics.grading import GradedItem
from rewardbench.metrics.means import GradedSuite
from rewardbench.metrics.units import estimate
from rewardbench.types import Estimate, Suite

LADDER = "rung"
"""The column whose values are sizes, 1 and up, for which there is a reach."""
REACHED = 0.5
"""Lowest accuracy at which a rung counts as reached."""
LEVELS = ("easy", "normal", "hard")
"""Levels of style, as RM-Bench counts them."""


def break_down(suite: Suite, items: Sequence[GradedItem]) -> list[Estimate]:
    """Compute the score of a suite, and of each subset, for each value of the columns of its breakdowns.

    The estimates are named `COLUMN.VALUE` and `SUBSET/COLUMN.VALUE`. Rungs and levels are in ascending order, other
    values in the order in which they first occur.
    """
    totals: list[Estimate] = []
    subsets: list[Estimate] = []
    for column, metric in suite.breakdowns.items():
        by_value: dict[str, list[GradedItem]] = {}
        for item in items:
            value = dict(item.columns)[column]
            if value:
                by_value.setdefault(value, []).append(item)
        for value in sorted(by_value, key=_sort_key):
            graded = GradedSuite(suite, by_value[value])
            means = graded.pair_means() if metric == "pair" else graded.group_means(metric)
            totals.append(estimate(f"{column}.{value}", means.total.mean, means.total.units))
            for subset, measured in means.subsets.items():
                if measured.units:
                    name = f"{subset}/{column}.{value}"
                    subsets.append(estimate(name, measured.mean, measured.units, measured.section))
    return totals + subsets


def _sort_key(value: str) -> float:
    if value in LEVELS:
        return LEVELS.index(value)
    return int(value) if value.isdecimal() else inf


def reaches(breakdowns: Iterable[Estimate]) -> dict[str, int]:
    """Return the reach of each subset that has rungs: the highest rung up to which no accuracy is below 50 %.

    >>> shares = {"rules/rung.1": 0.9, "rules/rung.2": 0.5, "rules/rung.3": 0.4, "rules/rung.4": 0.6, "sum/rung.1": 0.1}
    >>> reaches(Estimate(name, 25, share) for name, share in shares.items())
    {'rules': 2, 'sum': 0}
    """
    rungs: dict[str, dict[int, float]] = {}
    for breakdown in breakdowns:
        subset, slash, label = breakdown.name.rpartition("/")
        column, _, value = label.partition(".")
        if slash and column == LADDER and value.isdecimal():
            rungs.setdefault(subset, {})[int(value)] = breakdown.value or 0.0
    reach: dict[str, int] = {}
    for subset, shares in rungs.items():
        rung = 0
        while shares.get(rung + 1, 0.0) >= REACHED:
            rung += 1
        reach[subset] = rung
    return reach
