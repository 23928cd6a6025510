"""The cluster bootstrap of several models at once: each resample takes the same clusters of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum

import numpy as np

from rewardbench.stats.intervals import Mean
from rewardbench.stats.resampling import RESAMPLES, draw_counts

MOST_DRAWN = 1_000
"""Largest stratum whose clusters are drawn one by one, once for all models; of larger ones, equal clusters at once."""
MOST_PRODUCTS = 2**16
"""Products of numbers in a block of a matrix product."""


def resample_means(models: Sequence[Sequence[Mean]], weights: Sequence[float]) -> np.ndarray:
    """Resample the clusters of each stratum with replacement, and compute the weighted means of all models.

    Differences between two rows of the result are paired by cluster.

    >>> from rewardbench.stats.intervals import mean
    >>> first, second = mean([1, 1, 1, 0, 1, 0], range(6)), mean([1, 0, 0, 0, 1, 0], range(6))
    >>> differences = np.subtract(*resample_means([[first], [second]], [1]))
    >>> [round(float(np.quantile(differences, share)), 2) for share in (0.025, 0.5, 0.975)]
    [0.0, 0.33, 0.67]

    Args:
        models: means of each model over the same clusters, by stratum: [models, strata].
        weights: weight of each stratum, of any sum above 0: [strata].

    Returns:
        The weighted means: [models, RESAMPLES].
    """
    total = fsum(weights)
    sums = np.zeros((len(models), RESAMPLES))
    for number, (means, weight) in enumerate(zip(zip(*models, strict=True), weights, strict=True)):
        clusters = list(means[0].weights)
        rows = [_in_order(means[0].weights.values())]
        rows += [_in_order(mean.contributions[cluster] for cluster in clusters) for mean in means]
        resampled = _resample_sums(np.stack(rows), number)
        sums += weight / total * float(rows[0].sum()) * resampled[1:] / resampled[0]
    return sums


def _in_order(values: Iterable[float]) -> np.ndarray:
    return np.fromiter(values, np.float64)


def _resample_sums(rows: np.ndarray, number: int) -> np.ndarray:
    """Sum each row of values by cluster over the clusters of each resample.

    Args:
        rows: [rows, clusters].
        number: number of the stratum; each has its own resamples.

    Returns:
        The sums: [rows, RESAMPLES].
    """
    clusters = rows.shape[1]
    if clusters <= MOST_DRAWN:
        return _multiply(draw_counts(clusters, 0, number), rows)
    values, counts = np.unique(rows, axis=1, return_counts=True)
    draws = np.random.default_rng((0, number)).multinomial(clusters, counts / clusters, RESAMPLES)
    sums: np.ndarray = values @ draws.T
    return sums


def _multiply(counts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Multiply a matrix [RESAMPLES, clusters] with each row [clusters], with the same rounding whatever the other rows.

    The blocks are so small that BLAS starts no threads, which wait for one another on busy cores.

    Returns:
        The products: [rows, RESAMPLES].
    """
    step = max(1, MOST_PRODUCTS // counts.shape[1])
    products = np.empty((len(rows), len(counts)))
    for start in range(0, len(counts), step):
        block = counts[start : start + step].astype(np.float64)
        for row, product in zip(rows, products, strict=True):
            product[start : start + step] = block @ row
    return products
