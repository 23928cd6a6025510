"""What each of several models earned on each cluster in, who is significantly better than whom out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardbench.stats.intervals import COVERAGE
from rewardbench.stats.paired import holm, is_enumerable, sign_flip

EXACT_PAIRS = 2_000
"""Up to so many pairs of models (63 models) every assignment of signs is counted, where that can be done."""


def beaten(parts: Sequence[Sequence[float]]) -> np.ndarray:
    """Whether model `a` is significantly worse than model `b`: [models, models], True at [a, b].

    All pairs are tested by the sign-flip test on what their clusters add to the score, with Holm's correction over the
    pairs, so that any false word among all of them has a chance of 5 %. Where signs cannot be enumerated (sections of
    unlike sizes, many models) its normal limit is taken: drawn signs give no p below one over their number, which the
    correction for many pairs needs. A sum of signs has lighter tails than the normal, which is thus on the safe side.

    Args:
        parts: what each cluster adds to each model's score: [models, clusters], clusters in one order.
    """
    earned = np.asarray(parts, dtype=np.float64)
    models = len(earned)
    first, second = np.triu_indices(models, 1)
    apart = earned.sum(1)[second] - earned.sum(1)[first]
    exact = len(first) <= EXACT_PAIRS and all(
        is_enumerable((earned[b] - earned[a]).tolist()) for a, b in zip(first, second, strict=True)
    )
    p = _exact(earned, first, second) if exact else _normal(earned, first, second, apart)
    significant = np.array(holm(p.tolist())) < 1 - COVERAGE
    out = np.zeros((models, models), dtype=bool)
    for worse, better, holds in ((first, second, apart > 0), (second, first, apart < 0)):
        out[worse[significant & holds], better[significant & holds]] = True
    return out


def _exact(earned: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    steps = (earned[b] - earned[a] for a, b in zip(first, second, strict=True))
    return np.array([sign_flip(np.where(np.abs(step) < 1e-12, 0.0, step).tolist()) for step in steps])


def _normal(earned: np.ndarray, first: np.ndarray, second: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """The limit of the sign-flip test for many clusters: the sum over the root of the sum of squares is normal."""
    from scipy.special import ndtr

    squares = (earned**2).sum(1)
    variance = np.maximum(squares[first] + squares[second] - 2 * (earned @ earned.T)[first, second], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(variance > 1e-18, np.abs(apart) / np.sqrt(variance), 0.0)
    return np.asarray(2 * ndtr(-z))
