"""Least squares and logistic regression with standard errors that are robust to correlation within clusters."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from rewardbench.stats.intervals import COVERAGE, student

RANK_TOLERANCE = 1e-9
"""Share of a column's length below which what the columns before it leave of it counts as 0."""
MOST_STEPS = 100
"""Newton steps of a logistic fit."""


@dataclass(frozen=True)
class Regression:
    """A fitted regression.

    Attributes:
        coefficients: [columns].
        errors: their standard errors, robust to correlation within clusters; NaN with one cluster: [columns].
        fitted: the linear predictor of each row: [rows].
        clusters: number of clusters.
    """

    coefficients: np.ndarray
    errors: np.ndarray
    fitted: np.ndarray
    clusters: int

    def interval(self, column: int, coverage: float = COVERAGE) -> tuple[float, float]:
        """Return the interval of a coefficient, by Student's t with clusters - 1 degrees of freedom."""
        if self.clusters < 2:
            return nan, nan
        half = student(self.clusters - 1, coverage) * float(self.errors[column])
        return float(self.coefficients[column]) - half, float(self.coefficients[column]) + half


def independent_columns(design: np.ndarray) -> list[int]:
    """Return the columns that are no linear combination of those before them (Gram-Schmidt).

    >>> independent_columns(np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 1.0]]))
    [0, 2]

    Args:
        design: [rows, columns].
    """
    basis: list[np.ndarray] = []
    columns: list[int] = []
    for column in range(design.shape[1]):
        vector = design[:, column].astype(float)
        length = float(np.linalg.norm(vector))
        for _ in range(2):  # a second pass removes what rounding left
            for direction in basis:
                vector = vector - (direction @ vector) * direction
        remainder = float(np.linalg.norm(vector))
        if remainder > RANK_TOLERANCE * length:
            basis.append(vector / remainder)
            columns.append(column)
    return columns


def fit_linear(
    design: np.ndarray, response: np.ndarray, clusters: np.ndarray, weights: np.ndarray | None = None
) -> Regression:
    """Fit weighted least squares, with cluster-robust standard errors (Liang and Zeger 1986; CR1 correction).

    Args:
        design: columns of full rank; a column of ones gives the intercept: [rows, columns].
        response: [rows].
        clusters: cluster of each row, numbered from 0: [rows].
        weights: weight of each row; None: 1: [rows].
    """
    if weights is None:
        weights = np.ones(len(response))
    roots = np.sqrt(weights)
    coefficients, *_ = np.linalg.lstsq(design * roots[:, None], response * roots, rcond=None)
    fitted = design @ coefficients
    bread = np.linalg.inv(design.T @ (design * weights[:, None]))
    gradients = design * (weights * (response - fitted))[:, None]
    return Regression(coefficients, _errors(bread, gradients, clusters), fitted, _count(clusters))


def fit_logistic(
    design: np.ndarray,
    shares: np.ndarray,
    clusters: np.ndarray,
    weights: np.ndarray | None = None,
    penalty: float = 1.0,
) -> Regression:
    """Fit logistic regression by Newton's method, with cluster-robust standard errors.

    The squares of all coefficients but the first are penalised, so that a fit exists where a column separates the
    outcomes perfectly. With standardized columns and many rows the penalty of 1 is negligible otherwise.

    Args:
        design: columns of full rank, standardized, the first one ones: [rows, columns].
        shares: outcome of each row, from 0 to 1: [rows].
        clusters: cluster of each row, numbered from 0: [rows].
        weights: weight of each row; None: 1: [rows].
        penalty: half of it times the sum of squares is added to the negative log-likelihood.
    """
    if weights is None:
        weights = np.ones(len(shares))
    penalties = np.full(design.shape[1], penalty)
    penalties[0] = 1e-6  # an intercept of outcomes that are all 0 or all 1 stays finite
    coefficients = np.zeros(design.shape[1])
    for _ in range(MOST_STEPS):
        odds, hessian = _curvature(design, coefficients, weights, penalties)
        gradient = design.T @ (weights * (shares - odds)) - penalties * coefficients
        step = np.linalg.solve(hessian, gradient)
        longest = float(np.abs(step).max())
        coefficients = coefficients + step * min(1.0, 2.0 / max(longest, 1e-12))
        if longest < 1e-8:
            break
    odds, hessian = _curvature(design, coefficients, weights, penalties)
    gradients = design * (weights * (shares - odds))[:, None]
    errors = _errors(np.linalg.inv(hessian), gradients, clusters)
    return Regression(coefficients, errors, design @ coefficients, _count(clusters))


def logistic(value: float) -> float:
    """Return the probability of log-odds.

    >>> logistic(0.0), round(logistic(-800.0), 3)
    (0.5, 0.0)
    """
    return float(0.5 * (1 + np.tanh(value / 2)))


def _curvature(
    design: np.ndarray, coefficients: np.ndarray, weights: np.ndarray, penalties: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of each row, [rows], and the Hessian of the penalised loss, [columns, columns]."""
    probabilities = 0.5 * (1 + np.tanh(design @ coefficients / 2))
    spread = weights * probabilities * (1 - probabilities)
    return probabilities, design.T @ (design * spread[:, None]) + np.diag(penalties)


def _count(clusters: np.ndarray) -> int:
    return int(clusters.max()) + 1 if len(clusters) else 0


def _errors(bread: np.ndarray, gradients: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Compute the sandwich standard errors from the gradient of each row: [columns]."""
    rows, columns = gradients.shape
    count = _count(clusters)
    if count < 2:
        return np.full(columns, nan)
    sums = np.empty((count, columns))
    for column in range(columns):
        sums[:, column] = np.bincount(clusters, gradients[:, column], minlength=count)
    factor = count / (count - 1) * (rows - 1) / max(1, rows - columns)
    covariance = factor * bread @ (sums.T @ sums) @ bread
    return np.sqrt(np.maximum(np.diag(covariance), 0.0))
