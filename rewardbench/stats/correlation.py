"""Rank correlation of two lists of values: Spearman's coefficient, and its interval by a bootstrap over the pairs."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from rewardbench.stats.resampling import percentile_interval

RESAMPLES = 1_000
_CELLS = 10**6
"""Weights in memory at a time."""


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation of two lists of values, with its 95 % interval."""

    value: float
    low: float
    """NaN if resampling gives one value only, as for two lists in the same order."""
    high: float
    n: int
    """Number of pairs of values."""
    alike: float
    """Share of the pairs of positions that both lists order alike, among those that neither list ties."""


def correlate_ranks(x: np.ndarray, y: np.ndarray, seed: int = 0) -> RankCorrelation:
    """Compute Spearman's correlation, with the percentile interval of a bootstrap over the positions.

    >>> together = correlate_ranks(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([1.0, 3.0, 2.0, 4.0, 5.0]))
    >>> round(together.value, 6), together.alike
    (0.9, 0.9)

    Args:
        x: values: [n].
        y: values in the same order: [n].
        seed: seed of the resampling.
    """
    value = spearman(x, y)
    low, high = nan, nan
    if isfinite(value) and abs(value) < 1 - 1e-12:
        low, high = percentile_interval(_resample(code(x), code(y), np.random.default_rng(seed)))
    return RankCorrelation(value, low, high, len(x), _share_alike(x, y))


def _share_alike(x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of pairs that both lists order alike; NaN if each pair is tied in one of them."""
    alike = different = 0
    for n in range(1, len(x)):
        signs = np.sign(x[n:] - x[:-n]) * np.sign(y[n:] - y[:-n])
        alike += int((signs > 0).sum())
        different += int((signs < 0).sum())
    return alike / (alike + different) if alike + different else nan


def _resample(x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Compute Spearman's correlation in resamples of the positions: [RESAMPLES]; NaN where a list is constant."""
    n = len(x)
    rows = max(1, _CELLS // n)
    correlations: list[np.ndarray] = []
    for start in range(0, RESAMPLES, rows):
        weights = random.multinomial(n, np.full(n, 1 / n), min(rows, RESAMPLES - start)).astype(np.float64)
        first, second = _centred_ranks(x, weights), _centred_ranks(y, weights)
        variance = (weights * first**2).sum(1) * (weights * second**2).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            correlations.append((weights * first * second).sum(1) / np.sqrt(variance))
    return np.concatenate(correlations)


def _centred_ranks(codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mid-ranks less their mean, in each resample: [resamples, n].

    Args:
        codes: index of each value among the distinct values in ascending order: [n].
        weights: how often each value occurs in each resample: [resamples, n].
    """
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(codes.max() + 1))
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.cumsum(counts, axis=1) - counts / 2
    centred: np.ndarray = ranks[:, codes] - len(codes) / 2
    return centred


def rank(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mid-ranks of values of which each occurs `weights` times; equal values share the mean rank.

    Args:
        values: index of each value among the distinct values in ascending order: [n].
        weights: how often each value occurs: [n].
    """
    counts = np.bincount(values, weights)
    ranks: np.ndarray = (np.cumsum(counts) - counts / 2)[values]
    return ranks


def spearman(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Compute Spearman's correlation, with mid-ranks for equal values; NaN if all values of x or of y are equal.

    Args:
        x: values: [n].
        y: values: [n].
        weights: how often each position occurs: [n]; None: once.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]))
    0.5
    """
    weights = np.ones(len(x)) if weights is None else weights
    return weighted_spearman(code(x), code(y), weights)


def code(values: np.ndarray) -> np.ndarray:
    """Return the index of each value among the distinct values in ascending order."""
    codes: np.ndarray = np.unique(values, return_inverse=True)[1]
    return codes


def weighted_spearman(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Compute Spearman's correlation of codes, as `rank` takes them: [n], each of which occurs `weights` times: [n]."""
    total = weights.sum()
    first = rank(x, weights) - total / 2  # the weighted mean of mid-ranks is half of their number
    second = rank(y, weights) - total / 2
    weighted_first = weights * first
    variance = _dot(weighted_first, first) * _dot(weights * second, second)
    return _dot(weighted_first, second) / variance**0.5 if variance > 0 else nan


def _dot(first: np.ndarray, second: np.ndarray) -> float:
    """Return the sum of products without BLAS, whose threads take longer than the sum on busy machines."""
    return float((first * second).sum())
