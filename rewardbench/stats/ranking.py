"""Paired tests of all pairs of models, and the ranges of ranks that follow from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardbench.stats.differences import RESIDUE

LEVEL = 0.05
"""Two-sided level of each test.

It does not depend on the number of models, so that no model gains from others that are added. Of .01 and .05, it is the
stricter level at which the leader of 1,000 models has rank 5 at worst if it leads by 3 points on core, with its 1,115
mirrors, clusters and weights. Simulated with 20 models for each point below the second and a correlation of .3 between
the credits of models, its worst rank is 1 to 2 at an accuracy of 80 % (12 to 16 at level .01), and 1 at 90 % (3 to 7).
"""
FEWEST_CLUSTERS = 6
"""Fewer differing clusters cannot reach `LEVEL`: with 5, p is at least 2 / 2^5."""
MANY_CLUSTERS = 24
"""Effective number of differing clusters from which the test is replaced by its normal limit."""
UNDECIDED = (1.0, 2.72)
"""Standardized gains between which the test is needed.

Whatever the weights, the absolute sum of random signs is at least its standard deviation with a probability of 7/32 or
more (Dvořák and Tiba), and at least z times that with a probability of 2 exp(-z^2 / 2) or less (Hoeffding).
"""
ENUMERATED = 13
"""Number of differing clusters up to which all sign assignments are enumerated; beyond it signs are sampled."""
SAMPLES = 8_192
_CACHED_CELLS = 2**16
"""Differences computed at a time, few enough for the processor's cache."""
_PAIRS = 256
"""Pairs of models tested at a time by `_sign_flip_p_values`."""


def significantly_worse(contributions: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """Test all pairs of models by the sign-flip test at `LEVEL`, without correction for the number of pairs.

    The outcome of a pair depends on these two models only. Where they differ in many clusters, the normal limit of the
    test replaces it.

    Args:
        contributions: what each cluster contributes to each model's score, clusters in one order: [models, clusters].

    Returns:
        Booleans, [models, models]: True at [a, b] if model `a` is significantly worse than model `b`.
    """
    credits = np.asarray(contributions, dtype=np.float64)
    gains, p_values = _test_pairs(credits)
    worse = (p_values < LEVEL) & (gains > 0)
    better = (p_values < LEVEL) & (gains < 0)
    return np.asarray(worse | better.T)


def rank_ranges(worse: np.ndarray) -> list[tuple[int, int]]:
    """Compute the best and the worst rank of each model.

    The best rank is 1 + the number of models that are significantly better, the worst rank 1 + the number of models
    that are not significantly worse. Models that are significantly worse than a model do not change its range.

    >>> rank_ranges(np.array([[False, True, False], [False, False, False], [False, True, False]]))
    [(2, 3), (1, 1), (2, 3)]

    Args:
        worse: what `significantly_worse` returns: [models, models].

    Returns:
        Best and worst rank: [models].
    """
    best = 1 + worse.sum(1)
    worst = len(worse) - worse.sum(0)
    return list(zip(best.tolist(), worst.tolist(), strict=True))


def format_rank(rank_range: tuple[int, int] | None, dash: str = "–") -> str:
    """Return a range of ranks; a dash if there is none.

    >>> format_rank((3, 7)), format_rank((1, 1)), format_rank(None), format_rank((3, 7), "-")
    ('3–7', '1', '–', '3-7')
    """
    if rank_range is None:
        return dash
    best, worst = rank_range
    return str(best) if best == worst else f"{best}{dash}{worst}"


def _test_pairs(credits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Test each model against the later ones.

    Args:
        credits: contributions of clusters: [models, clusters].

    Returns:
        Gain of the later model of each pair, and the p-value: [models, models]; 0 and 1 where it is not the later one.
    """
    from scipy.special import ndtr

    shape = (len(credits), len(credits))
    gains, variances, fourths = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    counts = np.zeros(shape, dtype=np.int64)
    batch = max(1, _CACHED_CELLS // max(1, credits.shape[-1]))
    for model in range(len(credits)):
        for first in range(model + 1, len(credits), batch):
            others = slice(first, first + batch)
            steps = credits[others] - credits[model]
            gains[model, others] = steps.sum(1)
            counts[model, others] = np.count_nonzero(np.abs(steps) >= RESIDUE, axis=1)
            squares = steps * steps
            variances[model, others] = squares.sum(1)
            fourths[model, others] = np.einsum("ij,ij->i", squares, squares)
    z = _divide(np.abs(gains), np.sqrt(variances))
    p_values = np.asarray(2 * ndtr(-z))
    p_values[counts < FEWEST_CLUSTERS] = 1.0
    is_small = (counts >= FEWEST_CLUSTERS) & (_divide(variances**2, fourths) < MANY_CLUSTERS)
    undecided = is_small & (UNDECIDED[0] <= z) & (z <= UNDECIDED[1])
    for count in np.unique(counts[undecided]):
        earlier, later = np.nonzero(undecided & (counts == count))
        p_values[earlier, later] = _sign_flip_p_values(credits, earlier, later)
    return gains, p_values


def _divide(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Divide arrays; 0 where the denominator is 0."""
    quotients: np.ndarray = np.divide(numerators, denominators, out=np.zeros_like(numerators), where=denominators > 0)
    return quotients


def _sign_flip_p_values(credits: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute p-values by the sign-flip test.

    Args:
        credits: contributions of clusters: [models, clusters].
        first: the first model of each pair: [pairs].
        second: the second model of each pair, which differs from the first in the same number of clusters: [pairs].
    """
    signs = _signs(int((np.abs(credits[second[0]] - credits[first[0]]) >= RESIDUE).sum()))
    p_values: list[np.ndarray] = []
    for start in range(0, len(first), _PAIRS):
        steps = credits[second[start : start + _PAIRS]] - credits[first[start : start + _PAIRS]]
        sizes = np.abs(steps)
        sizes = sizes[sizes >= RESIDUE].reshape(len(steps), -1)
        sums = np.abs(sizes @ signs)
        p_values.append((sums >= np.abs(steps.sum(1, keepdims=True)) * (1 - 1e-9)).mean(1))
    return np.concatenate(p_values)


def _signs(clusters: int) -> np.ndarray:
    """Return all sign assignments, the last sign fixed by symmetry, or a random sample: [clusters, assignments]."""
    if clusters > ENUMERATED:
        bits = np.random.default_rng(clusters).integers(0, 2, (clusters, SAMPLES))
    else:
        bits = np.arange(2 ** (clusters - 1)) >> np.arange(clusters)[:, None] & 1
    return np.asarray(2.0 * bits - 1.0)
