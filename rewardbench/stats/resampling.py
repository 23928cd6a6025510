"""The cluster bootstrap: intervals of weighted means over strata whose clusters are resampled with replacement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import fsum, nan, sqrt

import numpy as np

from rewardbench.stats.differences import PairedDifference
from rewardbench.stats.intervals import COVERAGE, Interval, Mean, normal, sum_of_squares

RESAMPLES = 10_000
MANY_STRATA = 1_000
"""Number of strata beyond which their weighted sum is taken to be normal."""
FEW_CLUSTERS = 250
"""Largest stratum for which the counts of a resample are drawn by cluster, once for all means; they fit in 8 bits."""
_CELLS = 10**7
"""Random numbers in memory at a time."""
_BLOCK = 2**16
"""Counts that are multiplied at a time: BLAS starts threads for more, which takes longer on a busy machine."""


def bootstrap(strata: Sequence[Mean | PairedDifference], weights: Sequence[float], seed: int = 0) -> Interval:
    """Compute the 95 % percentile interval of a weighted mean by a cluster bootstrap within each stratum.

    The order of the clusters of a stratum does not matter. The sum over very many strata is normal, and its interval
    follows from their variances.

    Args:
        strata: means or differences that share no cluster: [strata].
        weights: weight of each stratum, of any sum above 0: [strata].
        seed: seed of the resampling.
    """
    if len(strata) > MANY_STRATA:
        return _normal_interval(strata, weights)
    total = fsum(weights)
    sums = np.zeros(RESAMPLES)
    for number, (stratum, weight) in enumerate(zip(strata, weights, strict=True)):
        contributions = [stratum.contributions[cluster] for cluster in stratum.weights]
        pairs = np.stack([contributions, list(stratum.weights.values())], axis=1)
        sums += weight / total * float(pairs[:, 1].sum()) * _resample_stratum(pairs, seed, number)
    return percentile_interval(sums)


def _resample_stratum(pairs: np.ndarray, seed: int, number: int) -> np.ndarray:
    """Compute the ratio mean of each resample of a stratum: [RESAMPLES].

    Args:
        pairs: contribution and weight of each cluster: [clusters, 2].
        seed: seed of the resampling.
        number: number of the stratum; each has its own resamples.
    """
    if len(pairs) > FEW_CLUSTERS:
        return resample(pairs, np.random.default_rng((seed, number)))
    pairs = pairs[np.lexsort(pairs.T)]
    if (pairs == pairs[0]).all():
        return np.full(RESAMPLES, pairs[0, 0] / pairs[0, 1])
    counts = draw_counts(len(pairs), seed, number)
    sums = np.empty((RESAMPLES, 2))
    rows = _BLOCK // len(pairs)
    for first in range(0, RESAMPLES, rows):
        np.matmul(counts[first : first + rows], pairs, out=sums[first : first + rows])
    ratios: np.ndarray = sums[:, 0] / sums[:, 1]
    return ratios


@lru_cache(maxsize=32)
def draw_counts(clusters: int, seed: int, number: int) -> np.ndarray:
    """Draw how often each cluster of a stratum is in each resample: [RESAMPLES, clusters], 8 bits each.

    Args:
        clusters: number of clusters, at most 65,536.
        seed: seed of the resampling.
        number: number of the stratum; each has its own resamples.
    """
    random = np.random.default_rng((seed, number))
    draws = random.integers(clusters, size=(RESAMPLES, clusters), dtype=np.uint8 if clusters <= 256 else np.uint16)
    counts: list[np.ndarray] = []
    for block in np.array_split(draws, 10):
        cells = block + clusters * np.arange(len(block))[:, None]
        counts.append(np.bincount(cells.ravel(), minlength=cells.size).reshape(cells.shape).astype(np.uint8))
    return np.concatenate(counts)


def _normal_interval(strata: Sequence[Mean | PairedDifference], weights: Sequence[float]) -> Interval:
    """Compute the limit of `bootstrap` for many strata."""
    total = fsum(weights)
    value, variance = 0.0, 0.0
    for stratum, weight in zip(strata, weights, strict=True):
        contributions = [stratum.contributions[cluster] for cluster in stratum.weights]
        mean, total_share = fsum(contributions), fsum(stratum.weights.values())
        influences: list[float] = []
        for contribution, share in zip(contributions, stratum.weights.values(), strict=True):
            influences.append(contribution - mean / total_share * share)
        value += weight / total * mean
        variance += (weight / total) ** 2 * sum_of_squares(influences)
    half = normal(COVERAGE) * sqrt(variance)
    return value - half, value + half


def resample(pairs: np.ndarray, random: np.random.Generator, resamples: int = RESAMPLES) -> np.ndarray:
    """Resample clusters with replacement, and compute the ratio mean of each resample.

    Equal clusters are drawn in one multinomial draw, and memory is bounded by `_CELLS`.

    Args:
        pairs: contribution and weight of each cluster: [clusters, 2].
        random: the source of random numbers.
        resamples: number of resamples.

    Returns:
        The ratio of summed contributions to summed weights: [resamples].
    """
    values, counts = np.unique(pairs, axis=0, return_counts=True)
    if len(values) == 1:
        return np.full(resamples, values[0, 0] / values[0, 1])
    means = []
    rows = max(1, _CELLS // len(values))
    for first in range(0, resamples, rows):
        draws = random.multinomial(len(pairs), counts / len(pairs), min(rows, resamples - first))
        means.append((draws @ values[:, 0]) / (draws @ values[:, 1]))
    return np.concatenate(means)


def percentile_interval(values: np.ndarray) -> Interval:
    """Return the limits between which the middle 95 % of resampled values are; NaN is left out.

    >>> [round(limit, 6) for limit in percentile_interval(np.array([*range(101), np.nan]))]
    [2.5, 97.5]

    Args:
        values: [resamples].
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return nan, nan
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(finite, [tail, 1 - tail]).tolist()
    return low, high
