"""Harmonic means of two accuracies, such as ProcessBench's F1: their interval, and their difference by cluster."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from math import sqrt

from rewardbench.stats.intervals import Mean, cluster_interval


def harmonic_value(first: float, second: float) -> float:
    """Return the harmonic mean of two values, which is 0 if one of them is.

    >>> harmonic_value(0.25, 0.75), harmonic_value(0.0, 0.0)
    (0.375, 0.0)
    """
    total = first + second
    return 2 * first * second / total if total else 0.0


def harmonic(first: Mean, second: Mean) -> Mean:
    """Compute the harmonic mean of two means, with its interval.

    Means without a common cluster are independent: the limits are recovered from theirs, as in `combine`, by the
    distances over which each moves the harmonic mean. Otherwise the variance follows from the influences, which are
    those of the delta method. A cluster weighs half its weight in its own mean, whatever the model.

    >>> a, b = Mean(0.5, 0.3, 0.7, {"x": 0.0}), Mean(0.5, 0.4, 0.6, {"y": 0.0})
    >>> f1 = harmonic(a, b)
    >>> f1.value, round(f1.low, 3), round(f1.high, 3)
    (0.5, 0.363, 0.595)
    """
    value = harmonic_value(first.value, second.value)
    total = first.value + second.value
    slopes = (2 * (second.value / total) ** 2, 2 * (first.value / total) ** 2) if total else (0.0, 0.0)
    influences = _sum_by_cluster(first.influences, second.influences, *slopes)
    weights = _sum_by_cluster(first.weights, second.weights, 0.5, 0.5)
    contributions = {cluster: value * weight + influences.get(cluster, 0.0) for cluster, weight in weights.items()}
    if len(influences) < len(first.influences) + len(second.influences):
        low, high = cluster_interval(value, influences)
    else:
        low = value - _distance(value, (first.low, second.value), (first.value, second.low))
        high = value + _distance(value, (first.high, second.value), (first.value, second.high))
        high = high if total else harmonic_value(first.high, second.high)  # neither moves it without the other
    low, high = min(max(low, 0.0), value), max(min(high, 1.0), value)
    return Mean(value, low, high, influences, contributions, weights, (first, second))


def _distance(value: float, first_moved: tuple[float, float], second_moved: tuple[float, float]) -> float:
    """Return how far the harmonic mean moves if both means move, as the root of the sum of squares."""
    return sqrt((harmonic_value(*first_moved) - value) ** 2 + (harmonic_value(*second_moved) - value) ** 2)


def _sum_by_cluster(
    first: Mapping[Hashable, float], second: Mapping[Hashable, float], first_factor: float, second_factor: float
) -> dict[Hashable, float]:
    sums = {cluster: first_factor * amount for cluster, amount in first.items()}
    for cluster, amount in second.items():
        sums[cluster] = sums.get(cluster, 0.0) + second_factor * amount
    return sums


def pairable(first: Mean, second: Mean) -> tuple[Mean, Mean]:
    """Return two means with contributions whose differences sum to the difference of their values.

    Means that are not harmonic are so already. For harmonic means h of (a, b) and k of (c, d),
    h - k = A (a - c) + B (b - d), exactly, with A = 2 bd / ((a + b)(c + d)) and B = 2 ac / ((a + b)(c + d)). A cluster
    with the same credit under both models then contributes nothing.

    >>> from rewardbench.stats.intervals import mean
    >>> one = harmonic(mean([1, 0], "wx"), mean([1, 1], "yz"))
    >>> better, worse = pairable(one, harmonic(mean([1, 0], "wx"), mean([1, 0], "yz")))
    >>> steps = {cluster: better.contributions[cluster] - worse.contributions[cluster] for cluster in "wxyz"}
    >>> [cluster for cluster, step in steps.items() if step], abs(sum(steps.values()) - (1 / 6)) < 1e-12
    (['z'], True)
    """
    if first.parts is None or second.parts is None:
        return first, second
    factors = [_share(first.parts, n) * _share(second.parts, n) * 2 for n in (1, 0)]
    return _with_factors(first, factors), _with_factors(second, factors)


def _share(parts: tuple[Mean, Mean], index: int) -> float:
    """Return the share of one value in the sum of both; half if both are 0, as for equal values near 0."""
    total = parts[0].value + parts[1].value
    return parts[index].value / total if total else 0.5


def _with_factors(mean: Mean, factors: list[float]) -> Mean:
    first, second = mean.parts or (mean, mean)
    total = sum(factors) or 1.0
    shares = [factor / total if sum(factors) else 0.5 for factor in factors]
    contributions = _sum_by_cluster(first.contributions, second.contributions, *factors)
    weights = _sum_by_cluster(first.weights, second.weights, *shares)
    return replace(mean, contributions=contributions, weights=weights)
