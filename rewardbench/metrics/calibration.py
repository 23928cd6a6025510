"""Calibration of reward margins: is a pair with confidence .8 right 8 times of 10?

The Bradley-Terry model reads the margin d of a pair (score of the right completion minus that of the wrong one) as the
probability sigmoid(d / T) that the right one is preferred, with T = 1. So the confidence of a model is
sigmoid(abs(d) / T), and it is right if d > 0; equal scores have confidence .5 and count as half right. Temperature
scaling: Guo et al. 2017, arXiv:1706.04599. Smooth ECE: Blasiok and Nakkiran 2023, arXiv:2309.12236.

Arrays have one value per pair: [pairs].
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import isfinite, pi, sqrt

import numpy as np

from rewardbench.metrics.credit import is_scored, rule_of, split_scores
from rewardbench.metrics.grading import cluster_of
from rewardbench.metrics.temperature import (
    HIGHEST,
    LOWEST,
    FloatArray,
    IntArray,
    fit_temperature,
    sigmoid,
    temperature_interval,
)
from rewardbench.types import Calibration, CalibrationErrors, ItemScores, Suite

BINS = 15
"""Number of bins, as in Guo et al."""
FEWEST = 20
"""Minimum number of pairs of a calibration."""
_BISECTION_STEPS = 30
_GRID_CELLS = 2_048
_DRAWS = 2_000
_MOST_RANDOM_NUMBERS = 2 * 10**7


@dataclass(frozen=True)
class PairMargins:
    """The pairs of a suite: each right completion with each wrong one.

    Attributes:
        margins: score of the right completion minus that of the wrong one: [pairs].
        clusters: number of the pair's cluster, from 0: [pairs].
        sections: number of the pair's section, an index of `section_names`: [pairs].
        subsets: number of the pair's subset, an index of `subset_names`: [pairs].
        section_names: names of the sections.
        subset_names: names of the subsets.
        unscored: number of items that were left out since a score is not finite.
        without_pair: number of items that were left out since they have no preference or belong to a Ties subset.
    """

    margins: FloatArray
    clusters: IntArray
    sections: IntArray
    subsets: IntArray
    section_names: tuple[str, ...]
    subset_names: tuple[str, ...]
    unscored: int
    without_pair: int

    @property
    def count(self) -> int:
        """Number of pairs."""
        return len(self.margins)


def pair_margins(suite: Suite, item_scores: Sequence[ItemScores]) -> PairMargins:
    """Collect the margins of the pairs of a suite.

    An item of best-of-4 gives three pairs, which share its cluster. The items of Ties subsets are left out: their
    many pairs would outweigh all others.

    Args:
        suite: the items.
        item_scores: the scores of each item, in the order of the suite.
    """
    margins: list[float] = []
    codes: list[tuple[int, int, int]] = []
    clusters: dict[Hashable, int] = {}
    sections: dict[str, int] = {}
    subsets: dict[str, int] = {}
    unscored = without_pair = 0
    for item, scored in zip(suite.items, item_scores, strict=True):
        rule = rule_of(suite, item.subset)
        if not item.has_preference or rule.credit == "ties":
            without_pair += 1
            continue
        if not is_scored(scored.scores):
            unscored += 1
            continue
        code = (
            clusters.setdefault(cluster_of(item, suite), len(clusters)),
            sections.setdefault(rule.section, len(sections)),
            subsets.setdefault(item.subset, len(subsets)),
        )
        right, wrong = split_scores(item, scored.scores)
        for right_score in right:
            for wrong_score in wrong:
                if isfinite(right_score - wrong_score):
                    margins.append(right_score - wrong_score)
                    codes.append(code)
    numbers = np.array(codes, dtype=np.int64).reshape(-1, 3)
    return PairMargins(
        margins=np.array(margins, dtype=np.float64),
        clusters=numbers[:, 0],
        sections=numbers[:, 1],
        subsets=numbers[:, 2],
        section_names=tuple(sections),
        subset_names=tuple(subsets),
        unscored=unscored,
        without_pair=without_pair,
    )


def confidences(margins: FloatArray) -> FloatArray:
    """Compute sigmoid(abs(margin)), from .5 to 1.

    >>> confidences(np.array([0.0, -2.0])).round(4).tolist()
    [0.5, 0.8808]
    """
    return sigmoid(np.abs(margins))


def outcomes(margins: FloatArray) -> FloatArray:
    """Return 1 for a right pair, 0 for a wrong one, and .5 for equal scores."""
    return (1 + np.sign(margins)) / 2


def width_bins(confidence: FloatArray, bins: int = BINS) -> IntArray:
    """Return the bin of each confidence, from 0, in bins of equal width of the unit interval."""
    index: IntArray = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    return index


def mass_bins(confidence: FloatArray, bins: int = BINS) -> IntArray:
    """Return the bin of each confidence, from 0, in bins of equal numbers; equal confidences share a bin."""
    limits = np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1])
    index: IntArray = np.searchsorted(limits, confidence, side="right").astype(np.int64)
    return index


def calibration_error(confidence: FloatArray, outcome: FloatArray, index: IntArray) -> float:
    """Compute the expected calibration error: the mean over pairs of abs(share right - mean confidence) of their bin.

    >>> calibration_error(np.array([0.9, 0.9]), np.array([1.0, 0.0]), np.array([13, 13]))
    0.4

    Args:
        confidence: from 0 to 1: [pairs].
        outcome: 1 if right, .5 if tied, else 0: [pairs].
        index: the bin of each pair: [pairs].
    """
    sums = np.bincount(index, outcome - confidence)
    return float(np.abs(sums).sum() / len(confidence))


def brier_score(margins: FloatArray) -> float:
    """Compute the mean of (1 - sigmoid(margin))²; margins of 0 give .25."""
    return float(np.mean(sigmoid(-margins) ** 2))


def smooth_ece(confidence: FloatArray, outcome: FloatArray) -> float:
    """Compute the smooth ECE, which depends continuously on the confidences (Blasiok and Nakkiran 2023).

    The residuals outcome - confidence are smoothed by a Gaussian kernel, reflected at the ends of the unit interval;
    the integral of their absolute value falls as the kernel's width grows, and the value where it equals that width is
    the smooth ECE. The reflected kernel is a product in the cosine transform over a grid of 2,048 cells.

    >>> round(smooth_ece(np.full(10, 0.8), np.repeat([1.0, 0.0], [6, 4])), 6)
    0.2

    Args:
        confidence: from 0 to 1: [pairs].
        outcome: 1 if right, .5 if tied, else 0: [pairs].
    """
    residuals = np.bincount(width_bins(confidence, _GRID_CELLS), outcome - confidence, _GRID_CELLS) / len(confidence)
    spectrum = np.fft.rfft(np.concatenate([residuals, residuals[::-1]]))
    frequencies = pi * np.arange(_GRID_CELLS + 1)

    def smoothed_error(width: float) -> float:
        smoothed = np.fft.irfft(spectrum * np.exp(-((width * frequencies) ** 2) / 2))
        return float(np.abs(smoothed[:_GRID_CELLS]).sum())

    low, high = 0.0, 1.0
    for _ in range(_BISECTION_STEPS):
        width = (low + high) / 2
        if smoothed_error(width) > width:
            low = width
        else:
            high = width
    return (low + high) / 2


def noise_floor(confidence: FloatArray, index: IntArray, seed: int = 0) -> tuple[float, float]:
    """Compute the ECE of a perfectly calibrated model with these confidences and independent pairs.

    In each bin the sum of the residuals is normal, with variance sum(c (1 - c)); so the ECE is a sum of half-normal
    variables: its mean has a closed form, its quantile is drawn.

    Args:
        confidence: from 0 to 1: [pairs].
        index: the bin of each pair: [pairs].
        seed: seed of the draws.

    Returns:
        Mean and 95 % quantile.
    """
    deviations = np.sqrt(np.bincount(index, confidence * (1 - confidence))) / len(confidence)
    normals = np.random.default_rng(seed).standard_normal((_DRAWS, len(deviations)))
    return float(deviations.sum() * sqrt(2 / pi)), float(np.quantile(np.abs(normals) @ deviations, 0.95))


def clustered_floor(
    confidence: FloatArray, outcome: FloatArray, index: IntArray, clusters: IntArray, seed: int = 0
) -> tuple[float, float]:
    """Compute the noise floor where pairs of a cluster are not independent.

    Each bin's mean residual is subtracted; the residuals of a cluster then get a common random sign (wild bootstrap),
    which keeps how the pairs of a cluster covary. The two halves of a mirror lower the floor, and one prompt in many
    styles raises it.

    Args:
        confidence: from 0 to 1: [pairs].
        outcome: 1 if right, .5 if tied, else 0: [pairs].
        index: the bin of each pair: [pairs].
        clusters: number of the cluster of each pair, from 0: [pairs].
        seed: seed of the random signs.

    Returns:
        Mean and 95 % quantile of the ECE.
    """
    bins = int(index.max()) + 1
    residuals = outcome - confidence
    counts = np.maximum(np.bincount(index, minlength=bins), 1)
    residuals = residuals - (np.bincount(index, residuals, bins) / counts)[index]
    _, codes = np.unique(clusters, return_inverse=True)
    groups = int(codes.max()) + 1
    sums = np.bincount(codes * bins + index, residuals, groups * bins).reshape(groups, bins) / len(residuals)
    random = np.random.default_rng(seed)
    errors: list[FloatArray] = []
    draws = min(_DRAWS, max(200, _MOST_RANDOM_NUMBERS // groups))
    rows = max(1, _MOST_RANDOM_NUMBERS // (10 * groups))
    for first in range(0, draws, rows):
        signs = 2.0 * random.integers(0, 2, (min(rows, draws - first), groups), dtype=np.int8) - 1.0
        errors.append(np.abs(signs @ sums).sum(axis=1))
    values = np.concatenate(errors)
    return float(values.mean()), float(np.quantile(values, 0.95))


def floor_of(confidence: FloatArray, outcome: FloatArray, index: IntArray, clusters: IntArray) -> tuple[float, float]:
    """Return `noise_floor` if no two pairs share a cluster, else `clustered_floor`."""
    if len(np.unique(clusters)) == len(clusters):
        return noise_floor(confidence, index)
    return clustered_floor(confidence, outcome, index, clusters)


def measure_errors(margins: FloatArray, clusters: IntArray) -> CalibrationErrors:
    """Measure the calibration errors of pairs, with the noise floor of the ECE.

    Args:
        margins: at least one margin: [pairs].
        clusters: number of the cluster of each pair, from 0: [pairs].
    """
    confidence, outcome = confidences(margins), outcomes(margins)
    index = width_bins(confidence)
    floor, floor_high = floor_of(confidence, outcome, index, clusters)
    return CalibrationErrors(
        ece=calibration_error(confidence, outcome, index),
        ece_mass=calibration_error(confidence, outcome, mass_bins(confidence)),
        smooth_ece=smooth_ece(confidence, outcome),
        brier=brier_score(margins),
        floor=floor,
        floor_high=floor_high,
    )


def scale_out_of_sample(margins: FloatArray, clusters: IntArray, seed: int = 0) -> FloatArray:
    """Divide the margins of each random half of the clusters by the temperature fitted on the other half.

    Args:
        margins: margins of at least two clusters: [pairs].
        clusters: number of the cluster of each pair, from 0: [pairs].
        seed: seed of the split.

    Returns:
        The scaled margins: [pairs].
    """
    names, codes = np.unique(clusters, return_inverse=True)
    in_first = np.zeros(len(names), dtype=np.bool_)
    in_first[np.random.default_rng(seed).permutation(len(names))[: len(names) // 2]] = True
    is_first = in_first[codes]
    first_temperature, second_temperature = fit_temperature(margins[is_first]), fit_temperature(margins[~is_first])
    scaled: FloatArray = margins / np.where(is_first, second_temperature, first_temperature)
    return scaled


def calibrate(margins: FloatArray, clusters: IntArray, seed: int = 0) -> Calibration | None:
    """Fit the temperature of margins, and measure the calibration errors as is and scaled out of sample.

    Args:
        margins: finite margins: [pairs].
        clusters: number of the cluster of each pair, from 0: [pairs].
        seed: seed of the split into halves.

    Returns:
        The calibration; None if there are fewer than `FEWEST` pairs, or fewer than two clusters.
    """
    if len(margins) < FEWEST or len(np.unique(clusters)) < 2:
        return None
    temperature = fit_temperature(margins)
    low, high = temperature_interval(margins, clusters, temperature)
    return Calibration(
        n=len(margins),
        temperature=temperature,
        temperature_low=low,
        temperature_high=high,
        at_bound=temperature in (LOWEST, HIGHEST),
        before=measure_errors(margins, clusters),
        after=measure_errors(scale_out_of_sample(margins, clusters, seed), clusters),
    )
