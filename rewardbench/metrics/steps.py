"""Aggregate the scores of a solution's steps, which process reward models give."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from rewardbench.types import Aggregation


def mean(scores: Sequence[float]) -> float:
    """Return the mean, exactly rounded."""
    return math.fsum(scores) / len(scores)


def last(scores: Sequence[float]) -> float:
    """Return the score of the last step."""
    return scores[-1]


AGGREGATIONS: Mapping[Aggregation, Callable[[Sequence[float]], float]] = {
    "min": min,
    "product": math.prod,
    "last": last,
    "mean": mean,
}


def aggregate(step_scores: Sequence[float], aggregation: Aggregation) -> float:
    """Return the score of a solution from those of its steps; NaN if one of them is.

    >>> [aggregate((0.5, 0.25, 1.0), way) for way in ("min", "product", "last", "mean")]
    [0.25, 0.125, 1.0, 0.5833333333333334]
    """
    if any(map(math.isnan, step_scores)):
        return math.nan
    return AGGREGATIONS[aggregation](step_scores)
