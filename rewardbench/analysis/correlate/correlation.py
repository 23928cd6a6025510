"""Correlation of two columns: coefficients with intervals, within groups, and the influence of each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import atanh, nan, sqrt, tanh
from statistics import NormalDist

import numpy as np

from rewardbench.stats import COVERAGE, normal
from rewardbench.stats.intervals import student

RESAMPLES = 2_000
MOST_RESAMPLED = 300
"""Maximum number of rows for the bootstrap and leave-one-out; more rows get Fisher's interval."""
MOST_PAIRED = 2_000
"""Maximum number of rows whose pairs are all formed."""
FEWEST = 3
"""Minimum number of rows of a correlation."""
COEFFICIENTS = ("pearson", "spearman", "kendall")


@dataclass(frozen=True)
class Correlation:
    """A coefficient with its 95 % interval; NaN if a column has no spread or there are fewer than three rows."""

    value: float
    low: float
    high: float
    rows: int


def coefficient(kind: str, x: np.ndarray, y: np.ndarray) -> float:
    """Compute Pearson's r, Spearman's ρ or Kendall's τ-b (scipy.stats); NaN where it is undefined.

    Args:
        kind: one of COEFFICIENTS.
        x: [rows].
        y: [rows].
    """
    from scipy import stats

    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return nan
    functions: Mapping[str, Callable[[np.ndarray, np.ndarray], tuple[float, float]]] = {
        "pearson": stats.pearsonr,
        "spearman": stats.spearmanr,
        "kendall": stats.kendalltau,
    }
    return float(functions[kind](x, y)[0])


def correlate(kind: str, x: np.ndarray, y: np.ndarray, seed: int = 0) -> Correlation:
    """Compute a coefficient with its 95 % interval: a bootstrap over rows, or Fisher's for more than 300 rows.

    Args:
        kind: one of COEFFICIENTS.
        x: [rows].
        y: [rows].
        seed: seed of the bootstrap.
    """
    value = coefficient(kind, x, y)
    if np.isnan(value):
        return Correlation(nan, nan, nan, len(x))
    if len(x) > MOST_RESAMPLED:
        return Correlation(value, *fisher_interval(kind, value, len(x)), len(x))
    samples = bootstrap_coefficients(kind, x, y, np.random.default_rng(seed))
    samples = samples[np.isfinite(samples)]
    tail = bootstrap_tail(len(x))
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Correlation(value, float(low), float(high), len(x))


def bootstrap_tail(rows: int) -> float:
    """Return the share of resamples beyond each limit of a 95 % interval.

    Percentiles of few rows cover too little (90 % of 10 rows). These are widened as Student's t and the n - 3 of
    Fisher's variance widen a normal interval (expanded percentile interval, Hesterberg 2015, arXiv:1411.5279).

    >>> bootstrap_tail(3), round(bootstrap_tail(17), 4), round(bootstrap_tail(300), 4)
    (0.0, 0.0094, 0.024)
    """
    if rows <= FEWEST:
        return 0.0
    return NormalDist().cdf(-sqrt(rows / (rows - 3)) * student(rows - 2))


def fisher_interval(kind: str, value: float, rows: int) -> tuple[float, float]:
    """Compute the interval of a coefficient by Fisher's z, with the variances of Bonett and Wright 2000.

    >>> [round(limit, 3) for limit in fisher_interval("pearson", 0.5, 103)]
    [0.339, 0.632]
    """
    variance = {
        "pearson": 1 / (rows - 3),
        "spearman": (1 + value**2 / 2) / (rows - 3),
        "kendall": 0.437 / (rows - 4),
    }[kind]
    z = atanh(min(max(value, -1 + 1e-12), 1 - 1e-12))
    half = normal(COVERAGE) * sqrt(variance)
    return tanh(z - half), tanh(z + half)


def bootstrap_coefficients(kind: str, x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Compute a coefficient on resamples of the rows, NaN where one has no spread: [RESAMPLES]."""
    from scipy.stats import rankdata

    draws = random.integers(len(x), size=(RESAMPLES, len(x)))
    first, second = x[draws], y[draws]
    if kind == "kendall":
        return np.array([_tau_b(a, b) for a, b in zip(first, second, strict=True)])
    if kind == "spearman":
        first, second = rankdata(first, axis=1), rankdata(second, axis=1)
    first, second = first - first.mean(1)[:, None], second - second.mean(1)[:, None]
    spread = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(spread > 0, (first * second).sum(1) / spread, nan))


def _tau_b(x: np.ndarray, y: np.ndarray) -> float:
    """Compute Kendall's τ-b by all pairs of rows: faster than scipy on few rows."""
    first, second = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    spread = sqrt(float((first * first).sum() * (second * second).sum()))
    return float((first * second).sum()) / spread if spread > 0 else nan


def within_groups(kind: str, x: np.ndarray, y: np.ndarray, groups: Sequence[str]) -> float:
    """Compute a coefficient within groups, such as models of one lineage; NaN if no group has two rows with spread.

    Pearson: of the deviations from the group's means. Spearman: of the ranks within the group, as deviations. Kendall:
    over the pairs of rows of one group, NaN for more than MOST_PAIRED rows.

    Args:
        kind: one of COEFFICIENTS.
        x: [rows].
        y: [rows].
        groups: the group of each row: [rows].
    """
    from scipy.stats import rankdata

    if kind == "kendall" and len(x) > MOST_PAIRED:
        return nan
    products = x_squares = y_squares = 0.0
    for rows in rows_by_group(groups).values():
        first, second = x[rows], y[rows]
        if kind == "kendall":
            first, second = np.sign(first[:, None] - first), np.sign(second[:, None] - second)
        elif kind == "spearman":
            first, second = rankdata(first), rankdata(second)
        first, second = first - first.mean(), second - second.mean()
        products += float((first * second).sum())
        x_squares += float((first**2).sum())
        y_squares += float((second**2).sum())
    spread = sqrt(x_squares * y_squares)
    return products / spread if spread > 0 else nan


def rows_by_group(groups: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the rows of each group, groups in the order of their first row.

    >>> {name: rows.tolist() for name, rows in rows_by_group(["b", "a", "b"]).items()}
    {'b': [0, 2], 'a': [1]}
    """
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    return {group: np.array(members) for group, members in rows.items()}


def leave_one_out(kind: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute a coefficient without each row in turn: [rows].

    Args:
        kind: one of COEFFICIENTS.
        x: [rows].
        y: [rows].
    """
    values = np.empty(len(x))
    for row in range(len(x)):
        values[row] = coefficient(kind, np.delete(x, row), np.delete(y, row))
    return values
