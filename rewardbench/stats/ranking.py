"""Pairwise significance tests among several models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardbench.stats.differences import RESIDUE, holm, is_enumerable, sign_flip
from rewardbench.stats.intervals import COVERAGE

EXACT_PAIRS = 2_000
"""Up to this number of pairs of models (63 models), all sign assignments are enumerated where that is possible."""


def significantly_worse(contributions: Sequence[Sequence[float]]) -> np.ndarray:
    """Test all pairs of models by the sign-flip test, with Holm's correction over the pairs.

    The chance of any false positive among all pairs is 5 %. Where signs cannot be enumerated (sections of unequal
    sizes, many models), the normal limit of the test replaces it: random signs give no p-value below 1 / draws, which
    is too coarse for the correction over many pairs. A sum of signs has lighter tails than the normal, so the limit
    is conservative.

    Args:
        contributions: what each cluster contributes to each model's score, clusters in one order: [models, clusters].

    Returns:
        Booleans, [models, models]: True at [a, b] if model `a` is significantly worse than model `b`.
    """
    credits = np.asarray(contributions, dtype=np.float64)
    models = len(credits)
    first, second = np.triu_indices(models, 1)
    gaps = credits.sum(1)[second] - credits.sum(1)[first]
    if len(first) <= EXACT_PAIRS and _all_enumerable(credits, first, second):
        p_values = _exact(credits, first, second)
    else:
        p_values = _normal(credits, first, second, gaps)
    significant = np.array(holm(p_values.tolist())) < 1 - COVERAGE
    worse = np.zeros((models, models), dtype=bool)
    second_wins, first_wins = significant & (gaps > 0), significant & (gaps < 0)
    worse[first[second_wins], second[second_wins]] = True
    worse[second[first_wins], first[first_wins]] = True
    return worse


def _all_enumerable(credits: np.ndarray, first: np.ndarray, second: np.ndarray) -> bool:
    """Return True if the sign-flip test of every pair of models enumerates all signs."""
    return all(is_enumerable((credits[b] - credits[a]).tolist()) for a, b in zip(first, second, strict=True))


def _exact(credits: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the p-value of each pair by the sign-flip test; rounding residues of 0 become 0."""
    p_values: list[float] = []
    for a, b in zip(first, second, strict=True):
        steps = credits[b] - credits[a]
        steps[np.abs(steps) < RESIDUE] = 0.0
        p_values.append(sign_flip(steps.tolist()))
    return np.array(p_values)


def _normal(credits: np.ndarray, first: np.ndarray, second: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Compute p-values by the limit for many clusters: the sum over the root of the sum of squares is normal."""
    from scipy.special import ndtr

    squares = (credits**2).sum(1)
    variance = np.maximum(squares[first] + squares[second] - 2 * (credits @ credits.T)[first, second], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(variance > 1e-18, np.abs(gaps) / np.sqrt(variance), 0.0)
    return np.asarray(2 * ndtr(-z))


LEVEL = 0.01
"""Two-sided level of each test of `rank_ranges`."""


def rank_ranges(contributions: Sequence[Sequence[float]], level: float = LEVEL) -> list[tuple[int, int]]:
    """Compute the best and the worst rank of each model, from paired tests of all pairs at a fixed level.

    The best rank is 1 + the number of models that are significantly better, the worst rank 1 + the number of models
    that are not significantly worse. A test does not depend on the other models, so models that are significantly
    worse than a model do not change its range, however many there are.

    Args:
        contributions: what each cluster contributes to each model's score, clusters in one order: [models, clusters].
        level: two-sided level of each test, without correction for the number of models.

    Returns:
        Best and worst rank: [models].
    """
    credits = np.asarray(contributions, dtype=np.float64)
    first, second = np.triu_indices(len(credits), 1)
    gaps = credits.sum(1)[second] - credits.sum(1)[first]
    significant = _normal(credits, first, second, gaps) < level
    worse = np.zeros((len(credits), len(credits)), dtype=bool)
    worse[first, second] = significant & (gaps > 0)
    worse[second, first] = significant & (gaps < 0)
    best = 1 + worse.sum(1)
    worst = len(credits) - worse.sum(0)
    return list(zip(best.tolist(), worst.tolist(), strict=True))
