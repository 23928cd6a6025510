"""Temperature of reward margins: its fit by maximum likelihood, and its interval.

See `calibration` for the formulas and their sources. Arrays have one value per pair: [pairs].
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from rewardbench.stats import normal

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LOWEST, HIGHEST = 0.02, 50.0
"""Bounds of the temperature: it falls to 0 if every pair is right, and grows without limit if scores are random."""
_BISECTION_STEPS = 60


def sigmoid(x: FloatArray) -> FloatArray:
    """Compute 1 / (1 + exp(-x)) without overflow warnings."""
    with np.errstate(over="ignore"):
        values: FloatArray = 1 / (1 + np.exp(-x))
    return values


def root_mean_square(values: FloatArray) -> float:
    """Compute the root of the mean square, without overflow for large values.

    >>> root_mean_square(np.array([3e300, -4e300])) / 1e300
    3.5355339059327378
    """
    largest = float(np.abs(values).max())
    return largest * sqrt(float(np.mean((values / largest) ** 2))) if largest > 0 else 0.0


def log_loss(margins: FloatArray) -> float:
    """Compute the mean of -log sigmoid(margin), in nats.

    >>> round(log_loss(np.zeros(3)), 4)
    0.6931
    """
    return float(np.mean(np.logaddexp(0, -margins)))


def fit_temperature(margins: FloatArray) -> float:
    """Fit the temperature by maximum likelihood, between `LOWEST` and `HIGHEST`.

    The loss is convex in the slope 1 / T, so the root of its derivative is found by bisection.

    >>> fit_temperature(np.array([1.0, 2.0])), fit_temperature(np.array([1.0, -1.0]))
    (0.02, 50.0)
    """
    low, high = 1 / HIGHEST, 1 / LOWEST
    if _slope_of_loss(margins, low) >= 0:
        return HIGHEST
    if _slope_of_loss(margins, high) <= 0:
        return LOWEST
    for _ in range(_BISECTION_STEPS):
        middle = sqrt(low * high)
        if _slope_of_loss(margins, middle) < 0:
            low = middle
        else:
            high = middle
    return 1 / sqrt(low * high)


def _slope_of_loss(margins: FloatArray, slope: float) -> float:
    """Compute the derivative of the mean loss with respect to 1 / T."""
    return -float(np.mean(margins * sigmoid(-slope * margins)))


def temperature_interval(margins: FloatArray, clusters: IntArray, temperature: float) -> tuple[float, float]:
    """Compute the 95 % interval of a fitted temperature, robust to correlation within clusters.

    The interval is that of the slope 1 / T (sandwich variance), cut to the bounds of the temperature. At the lower
    bound, where no pair with a clear margin is wrong, it ends where the likelihood ratio of the clusters does.

    Args:
        margins: the margins of the fit: [pairs].
        clusters: number of the cluster of each pair, from 0: [pairs].
        temperature: the fitted temperature.
    """
    size = root_mean_square(margins)
    if size == 0:
        return LOWEST, HIGHEST
    if temperature == LOWEST:
        return LOWEST, _highest_likely(margins, clusters)
    wrong, unit = sigmoid(-margins / temperature), margins / size
    information = float(np.sum(unit**2 * wrong * (1 - wrong)))
    scores = np.bincount(clusters, unit * wrong)
    if information <= 0:
        return LOWEST, HIGHEST
    half = normal(0.95) * sqrt(float(scores @ scores)) / information / size
    slopes = np.clip([1 / temperature + half, 1 / temperature - half], 1 / HIGHEST, 1 / LOWEST)
    return float(1 / slopes[0]), float(1 / slopes[1])


def _highest_likely(margins: FloatArray, clusters: IntArray) -> float:
    """Return the temperature at which the log-likelihood is 1.92 below that at the lower bound (95 %).

    The likelihood is that of as many pairs as there are clusters, with the mean loss of all pairs.
    """
    limit = log_loss(margins / LOWEST) + normal(0.95) ** 2 / 2 / len(np.unique(clusters))
    low, high = LOWEST, HIGHEST
    if log_loss(margins / high) <= limit:
        return high
    for _ in range(_BISECTION_STEPS):
        middle = sqrt(low * high)
        low, high = (middle, high) if log_loss(margins / middle) < limit else (low, middle)
    return sqrt(low * high)
