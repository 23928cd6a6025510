"""Metrics of process reward models: the score of a solution from those of its steps, and its first wrong step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rewardbench.stats.harmonic import harmonic_value
from rewardbench.types import Aggregation

ERROR, CORRECT = "error", "correct"
"""Endings of the subsets into which solutions with labelled steps are divided: with a wrong step, or without."""


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


def step_subset(subset: str, first_error: int) -> str:
    """Return the name of the subset of a solution.

    >>> step_subset("math", 3), step_subset("math", -1)
    ('math-error', 'math-correct')
    """
    return f"{subset}-{CORRECT if first_error < 0 else ERROR}"


def section_of_steps(subset: str) -> str:
    """Return the section of a subset that `step_subset` named.

    >>> section_of_steps("math-error")
    'math'
    """
    return subset.removesuffix(f"-{ERROR}").removesuffix(f"-{CORRECT}")


def right_thresholds(step_scores: Sequence[float], first_error: int) -> tuple[float, float]:
    """Return the thresholds t at which the first step that scores below t is the first wrong one: low < t <= high.

    A step of which there is no score, or one that is NaN, leaves no such threshold.

    >>> right_thresholds([0.9, 0.8, 0.1, 0.7], 2), right_thresholds([0.9, 0.8], -1)
    ((0.1, 0.8), (-inf, 0.8))

    Args:
        step_scores: of one solution: [steps].
        first_error: index of its first wrong step; -1 if all are right.
    """
    if first_error >= len(step_scores) or not step_scores or any(map(math.isnan, step_scores)):
        return math.inf, -math.inf
    if first_error < 0:
        return -math.inf, min(step_scores)
    return step_scores[first_error], min(step_scores[:first_error], default=math.inf)


def finds_first_error(step_scores: Sequence[float], first_error: int, threshold: float) -> bool:
    """Return True if the first step that scores below the threshold is the first wrong one.

    >>> [finds_first_error([0.9, 0.2, 0.1], label, 0.5) for label in (1, 2, -1)]
    [True, False, False]
    """
    low, high = right_thresholds(step_scores, first_error)
    return low < threshold <= high


def step_margin(step_scores: Sequence[float], first_error: int, threshold: float) -> float:
    """Return by how much the threshold, or a score, must move before the prediction changes; negative if it is wrong.

    >>> round(step_margin([0.9, 0.8, 0.1], 2, 0.5), 3), round(step_margin([0.9, 0.8], 1, 0.5), 3)
    (0.3, -0.3)
    """
    low, high = right_thresholds(step_scores, first_error)
    return min(threshold - low, high - threshold)


def best_threshold(solutions: Sequence[tuple[Sequence[float], int]]) -> tuple[float, float] | None:
    """Find the threshold with the highest F1.

    ProcessBench chooses so the threshold of models whose scores are no probabilities, on its subset GSM8K.

    >>> best_threshold([([0.9, 0.3], 1), ([0.8, 0.4], -1), ([0.7], 0)])
    (0.35, 0.6666666666666666)

    Args:
        solutions: the scores of the steps and the index of the first wrong one, of each solution.

    Returns:
        The threshold, in the middle of the range with this F1, and the F1; None without both kinds of solutions.
    """
    ranges = np.array([right_thresholds(step_scores, first_error) for step_scores, first_error in solutions])
    is_error = np.array([first_error >= 0 for _, first_error in solutions], dtype=bool)
    if not is_error.any() or is_error.all():
        return None
    edges = np.unique(ranges[np.isfinite(ranges)])
    if not len(edges):
        return None
    middles = (edges[1:] + edges[:-1]) / 2
    best = (math.nan, -1.0)
    for threshold in [*middles.tolist(), float(edges[-1]) + 1, float(edges[0]) - 1]:
        is_right = (ranges[:, 0] < threshold) & (threshold <= ranges[:, 1])
        value = harmonic_value(float(is_right[is_error].mean()), float(is_right[~is_error].mean()))
        if value > best[1]:
            best = (threshold, value)
    return best
