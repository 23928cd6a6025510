"""Regression of logit accuracy on the logarithm of the number of parameters, with an effect of the family.

y = a + b x + u(family) + error, where x is log10 of the number of parameters, u ~ N(0, t²) and error ~ N(0, s²). The
variances are estimated by restricted maximum likelihood (REML; Patterson and Thompson 1971, Laird and Ware 1982), as a
profile over the ratio t² / s². Within a family of n models the covariance is s² (I + r 11'), r = t² / s², whose inverse
is I - r / (1 + r n) 11' and whose determinant is 1 + r n, so that no matrix larger than 2 × 2 is inverted.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from rewardbench.lint.arrays import Floats, Indices
from rewardbench.stats import COVERAGE
from rewardbench.stats.intervals import student

LARGEST_RATIO = 1e6
"""Largest ratio of the variance between families to that within."""


@dataclass(frozen=True)
class Slope:
    """A slope in logits per factor of 10 in parameters, with its standard error and 95 % interval.

    The interval is Student's t with n - k - 1 degrees of freedom for n models of k families; infinite with none.
    """

    value: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class MixedFit:
    """The fitted mixed model.

    Attributes:
        slope: slope in logits per factor of 10 in parameters.
        intercept: mean logit accuracy of a family at x = 0.
        covariance: covariance of intercept and slope: [2, 2].
        between: standard deviation of the family effects.
        within: standard deviation of the errors.
        effects: predicted effect of each family (the best linear unbiased prediction): [families].
        log_likelihood: restricted log-likelihood.
    """

    slope: Slope
    intercept: float
    covariance: Floats
    between: float
    within: float
    effects: Floats
    log_likelihood: float

    def predict(self, x: Floats) -> Floats:
        """Return the logit accuracy of an average family."""
        return self.intercept + self.slope.value * x

    def errors(self, x: Floats) -> Floats:
        """Return the standard error of `predict`."""
        design = np.stack([np.ones_like(x), x], axis=1)
        return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", design, self.covariance, design)))


def logit(accuracy: Floats, n: Floats) -> Floats:
    """Return log(p / (1 - p)) of accuracies with half a right and half a wrong item added, so that it is finite.

    Args:
        accuracy: shares from 0 to 1: [models].
        n: number of items of each; infinite if unknown, which adds nothing: [models].
    """
    finite = np.isfinite(n)
    items = np.where(finite, n, 1.0)
    shares = np.where(finite, (accuracy * items + 0.5) / (items + 1), np.clip(accuracy, 1e-6, 1 - 1e-6))
    return np.asarray(np.log(shares / (1 - shares)))


def fit_within(x: Floats, y: Floats, family: Indices) -> Slope:
    """Fit the slope within families, which fixed effects of the families give.

    Args:
        x: log10 of the number of parameters: [models].
        y: logit accuracy: [models].
        family: number of the family of each model, from 0: [models].
    """
    counts = np.bincount(family)
    centred_x = x - (np.bincount(family, x) / counts)[family]
    centred_y = y - (np.bincount(family, y) / counts)[family]
    square = float(centred_x @ centred_x)
    slope = float(centred_x @ centred_y) / square
    freedom = len(x) - len(counts) - 1
    residuals = centred_y - slope * centred_x
    variance = float(residuals @ residuals) / freedom if freedom > 0 else np.inf
    return _slope(slope, (variance / square) ** 0.5, freedom)


def fit_mixed(x: Floats, y: Floats, family: Indices) -> MixedFit:
    """Fit the mixed model by REML; one family has no family effect. Arguments as those of `fit_within`."""
    from scipy.optimize import minimize_scalar

    families = int(family.max()) + 1

    def loss(log_ratio: float) -> float:
        return -_fit_at(float(np.exp(log_ratio)), x, y, family).log_likelihood

    best = _fit_at(0.0, x, y, family)
    if families > 1:
        bounds = (log(1e-6), log(LARGEST_RATIO))
        ratio = float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-8}).x))
        candidate = _fit_at(ratio, x, y, family)
        best = max(best, candidate, key=lambda fit: fit.log_likelihood)
    return best


def _fit_at(ratio: float, x: Floats, y: Floats, family: Indices) -> MixedFit:
    """Fit by generalised least squares at a ratio of the variances."""
    counts = np.bincount(family).astype(float)
    shrinkage = ratio / (1 + ratio * counts)
    design = np.stack([np.ones_like(x), x], axis=1)
    sums = np.stack([np.bincount(family, column) for column in design.T], axis=1)
    information = design.T @ design - (sums * shrinkage[:, None]).T @ sums
    target = design.T @ y - (sums * shrinkage[:, None]).T @ np.bincount(family, y)
    inverse = np.linalg.inv(information)
    coefficients = inverse @ target
    residuals = y - design @ coefficients
    totals = np.bincount(family, residuals)
    square = max(float(residuals @ residuals - (shrinkage * totals) @ totals), 1e-24)
    freedom = len(x) - 2
    variance = square / freedom
    determinant = float(np.log1p(ratio * counts).sum()) + float(np.linalg.slogdet(information)[1])
    likelihood = -0.5 * (freedom * (log(2 * np.pi * variance) + 1) + determinant)
    covariance: Floats = np.asarray(variance * inverse, dtype=np.float64)
    return MixedFit(
        slope=_slope(float(coefficients[1]), float(covariance[1, 1]) ** 0.5, len(x) - len(counts) - 1),
        intercept=float(coefficients[0]),
        covariance=covariance,
        between=(ratio * variance) ** 0.5,
        within=variance**0.5,
        effects=shrinkage * totals,
        log_likelihood=likelihood,
    )


def _slope(value: float, error: float, freedom: int) -> Slope:
    half = student(freedom, COVERAGE) * error if freedom > 0 else np.inf
    return Slope(value, error, value - half, value + half)
