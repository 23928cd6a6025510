"""Measure how far two sets of scores of the same items agree: decisions, differences, correlation, straight line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from rewardbench.doctor.published import PairedRow
from rewardbench.doctor.report import PreferencePair, distance

ItemScoreList = Sequence[tuple[float, ...]]
"""The scores of each item, one per completion."""

EXACT = 1e-4
"""Largest relative difference of float32 scores that were computed from the same token ids."""
ROUNDING = {"float16": 0.005, "bfloat16": 0.04}
"""The same of scores in these dtypes."""
MANTISSA_BITS = {"bfloat16": 8, "float16": 11}
"""Significant bits of a number in these dtypes."""
FEWEST = 8
"""Fewest scores to which a straight line is fitted, or by which a dtype is recognised."""


@dataclass(frozen=True)
class ScoreAgreement:
    """How far the scores of a run agree with published scores of the same items."""

    items: int
    within: int
    """Items whose scores all are within the tolerance."""
    equal_decisions: int
    decisions: int
    """Items with a preference."""
    max_abs_diff: float
    median_abs_diff: float
    pearson: float
    spearman: float
    slope: float
    """Of the published scores as a function of the run's, by least squares."""
    offset: float

    @property
    def complete(self) -> bool:
        """Return True if every item is within the tolerance."""
        return self.within == self.items

    def key_values(self) -> dict[str, int | float]:
        """Return counts and figures by name."""
        share = self.equal_decisions / self.decisions if self.decisions else math.nan
        return {
            "items": self.items,
            "within_tolerance": self.within,
            "equal_decisions": share,
            "flips": self.decisions - self.equal_decisions,
            "max_abs_diff": self.max_abs_diff,
            "median_abs_diff": self.median_abs_diff,
            "pearson": self.pearson,
            "spearman": self.spearman,
            "slope": self.slope,
            "offset": self.offset,
        }


def row_differences(rows: Sequence[PairedRow], scores: ItemScoreList) -> list[float]:
    """Return for each item the largest difference between its published scores and those of a run."""
    differences = []
    for row, values in zip(rows, scores, strict=True):
        differences.append(max(map(distance, row.scores, values)))
    return differences


def same_decision(row: PairedRow, scores: tuple[float, ...]) -> bool:
    """Return True if the published scores and those of a run prefer the same: right, wrong, or a tie.

    An item without a preference has no decision, so that this is True.
    """
    if not row.item.has_preference:
        return True
    pair = PreferencePair(tuple(range(len(scores))), row.item.num_correct)
    return pair.outcome(list(row.scores)) == pair.outcome(list(scores))


def measure_agreement(rows: Sequence[PairedRow], scores: ItemScoreList, tolerance: float) -> ScoreAgreement:
    """Compare the scores of a run with published scores.

    Args:
        rows: items with published scores; at least one.
        scores: scores of the run for the same items.
        tolerance: largest accepted difference.
    """
    differences = row_differences(rows, scores)
    decisions = equal_decisions = 0
    for row, values in zip(rows, scores, strict=True):
        if row.item.has_preference:
            decisions += 1
            equal_decisions += same_decision(row, values)
    published, fresh = _finite_pairs(rows, scores)
    with np.errstate(over="ignore", invalid="ignore"):  # of scores near the largest float
        slope, offset = fit_line(fresh, published)
        pearson, spearman = _correlation(published, fresh), _correlation(_ranks(published), _ranks(fresh))
    return ScoreAgreement(
        items=len(rows),
        within=sum(difference <= tolerance for difference in differences),
        equal_decisions=equal_decisions,
        decisions=decisions,
        max_abs_diff=max(differences),
        median_abs_diff=median(differences),
        pearson=pearson,
        spearman=spearman,
        slope=slope,
        offset=offset,
    )


def _finite_pairs(rows: Sequence[PairedRow], scores: ItemScoreList) -> tuple[list[float], list[float]]:
    """Return the published and the computed scores of all completions for which both are finite."""
    published, fresh = [], []
    for row, values in zip(rows, scores, strict=True):
        for expected, value in zip(row.scores, values, strict=True):
            if math.isfinite(expected) and math.isfinite(value):
                published.append(expected)
                fresh.append(value)
    return published, fresh


def fit_line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return slope and offset of y as a linear function of x, by least squares; NaN if x has no spread.

    >>> fit_line([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    (2.0, 1.0)
    """
    if len(x) < 2 or not _has_spread(x):
        return math.nan, math.nan
    x_mean, y_mean = float(np.mean(x)), float(np.mean(y))
    centered = np.asarray(x) - x_mean
    slope = float(centered @ (np.asarray(y) - y_mean) / (centered @ centered))
    return slope, y_mean - slope * x_mean


def _has_spread(values: Sequence[float]) -> bool:
    """Return True if the variance of values is not 0; the squares of tiny differences are."""
    return bool(np.var(values) > 0)


def _correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Return Pearson's correlation; NaN if one of the two has no spread."""
    if len(x) < 2 or not (_has_spread(x) and _has_spread(y)):
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def _ranks(values: Sequence[float]) -> list[float]:
    from scipy.stats import rankdata

    ranks: list[float] = rankdata(values).tolist()
    return ranks


def affine_scores(rows: Sequence[PairedRow], scores: ItemScoreList) -> tuple[str, list[tuple[float, ...]]] | None:
    """Map a run's scores to the published scores by a straight line.

    Returns:
        The line in words, and the mapped scores; None if there are too few scores for a fit.
    """
    published, fresh = _finite_pairs(rows, scores)
    slope, offset = fit_line(fresh, published)
    if len(fresh) < FEWEST or not math.isfinite(slope) or slope == 0:
        return None
    mapped = [tuple(slope * value + offset for value in values) for values in scores]
    return f"the score times {slope:.6g} plus {offset:.6g}", mapped


def stored_dtype(rows: Sequence[PairedRow]) -> str:
    """Return the dtype of published scores: the coarsest of which every score is a number.

    Few or whole numbers show no dtype, and count as float32.
    """
    scores = [score for row in rows for score in row.scores if math.isfinite(score)]
    for dtype, bits in MANTISSA_BITS.items():
        if (
            len(scores) >= FEWEST
            and any(score % 1 for score in scores)
            and all(_has_bits(score, bits) for score in scores)
        ):
            return dtype
    return "float32"


def _has_bits(score: float, bits: int) -> bool:
    """Return True if a number has at most this many significant bits."""
    mantissa, _ = math.frexp(score)
    return math.ldexp(mantissa, bits).is_integer()


def scale_of(rows: Sequence[PairedRow]) -> float:
    """Return the largest published score by absolute value, or 1 if that is larger."""
    largest = 1.0
    for row in rows:
        for score in row.scores:
            if math.isfinite(score):
                largest = max(largest, abs(score))
    return largest


def printed_rounding(rows: Sequence[PairedRow]) -> float:
    """Return half a unit of the last decimal to which scores were rounded for publication; 0 if they were not.

    Scores with fewer than two decimals count as exact numbers.

    >>> printed_rounding([PairedRow(None, (0.25, 1.2)), PairedRow(None, (3.14,))])
    0.005
    """
    decimals = 0
    for row in rows:
        for score in row.scores:
            if math.isfinite(score):
                decimals = max(decimals, len(f"{score:.9f}".rstrip("0").partition(".")[2]))
    return 0.5 * 10**-decimals if 2 <= decimals < 7 else 0.0
