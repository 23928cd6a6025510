"""Calibration of one model: figures, reliability curves before and after scaling, and its sections or subsets."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np

from rewardbench import stats
from rewardbench.metrics.calibration import (
    FEWEST,
    PairMargins,
    calibrate,
    confidences,
    measure_errors,
    noise_floor,
    outcomes,
    scale_out_of_sample,
    width_bins,
)
from rewardbench.metrics.temperature import HIGHEST, FloatArray, IntArray, fit_temperature, log_loss, root_mean_square
from rewardbench.types import Calibration, CalibrationErrors

Breakdown = Literal["section", "subset"]


@dataclass(frozen=True)
class ReliabilityBin:
    """The pairs whose confidence is in one bin.

    Attributes:
        n: number of pairs.
        confidence: their mean confidence.
        right: share of them that is right.
        low: lower limit of the 95 % interval of that share, by cluster.
        high: upper limit.
        chance: half-width of the range around `confidence` in which 95 % of perfectly calibrated models are, if pairs
            are independent.
    """

    n: int
    confidence: float
    right: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True)
class GroupErrors:
    """Calibration of one section or subset, at the temperature of the model.

    Attributes:
        name: name of the section or subset.
        n: number of pairs.
        right: share of them that is right.
        confidence: mean confidence after scaling by the temperature of the model.
        before: errors as is.
        after: errors after scaling.
        temperature: the temperature that fits this group only.
    """

    name: str
    n: int
    right: float
    confidence: float
    before: CalibrationErrors
    after: CalibrationErrors
    temperature: float


@dataclass(frozen=True)
class ModelCalibration:
    """Calibration of one model: the figures, both reliability curves, and the groups."""

    model: str
    right: float
    right_high: float
    """Upper limit of the 95 % interval of the share of right pairs, by cluster."""
    figures: Calibration
    log_loss: tuple[float, float]
    """Mean of -log sigmoid(margin) as is and after scaling, in nats."""
    relative_temperature: float
    """The temperature of margins with root mean square 1: at a bound only if no scale fits them."""
    floor_independent: float
    """The floor after scaling if the pairs were independent."""
    bins_before: tuple[ReliabilityBin, ...]
    bins_after: tuple[ReliabilityBin, ...]
    groups: tuple[GroupErrors, ...]
    small_groups: tuple[str, ...]
    """Groups with fewer than `FEWEST` pairs, which have no errors."""


def calibrate_model(model: str, pairs: PairMargins, by: Breakdown = "section", seed: int = 0) -> ModelCalibration:
    """Fit the temperature of a model, and measure its errors as is and scaled, in total and by group.

    Args:
        model: name of the model.
        pairs: at least `FEWEST` pairs of two clusters.
        by: groups of the breakdown.
        seed: seed of the split into halves.
    """
    figures = calibrate(pairs.margins, pairs.clusters, seed)
    assert figures is not None
    scaled = scale_out_of_sample(pairs.margins, pairs.clusters, seed)
    groups, small_groups = _measure_groups(pairs, scaled, by)
    confidence = confidences(scaled)
    size = root_mean_square(pairs.margins)
    right = stats.mean(outcomes(scaled).tolist(), pairs.clusters.tolist())
    return ModelCalibration(
        model=model,
        right=right.value,
        right_high=right.high,
        figures=figures,
        log_loss=(log_loss(pairs.margins), log_loss(scaled)),
        relative_temperature=fit_temperature(pairs.margins / size) if size > 0 else HIGHEST,
        floor_independent=noise_floor(confidence, width_bins(confidence))[0],
        bins_before=reliability_bins(pairs.margins, pairs.clusters),
        bins_after=reliability_bins(scaled, pairs.clusters),
        groups=groups,
        small_groups=small_groups,
    )


def reliability_bins(margins: FloatArray, clusters: IntArray) -> tuple[ReliabilityBin, ...]:
    """Compute the points of a reliability plot: one for each of the 15 bins that has pairs.

    Args:
        margins: margins, as is or scaled: [pairs].
        clusters: number of the cluster of each pair: [pairs].
    """
    confidence, outcome = confidences(margins), outcomes(margins)
    index = width_bins(confidence)
    bins: list[ReliabilityBin] = []
    for number in np.unique(index):
        inside = index == number
        n, mean = int(inside.sum()), float(confidence[inside].mean())
        right = stats.mean(outcome[inside].tolist(), clusters[inside].tolist())
        chance = stats.normal(stats.COVERAGE) * sqrt(float((confidence[inside] * (1 - confidence[inside])).sum())) / n
        bins.append(ReliabilityBin(n, mean, right.value, right.low, right.high, chance))
    return tuple(bins)


def _measure_groups(
    pairs: PairMargins, scaled: FloatArray, by: Breakdown
) -> tuple[tuple[GroupErrors, ...], tuple[str, ...]]:
    """Measure the errors of each section or subset; return also the names of those with too few pairs."""
    codes, names = (pairs.sections, pairs.section_names) if by == "section" else (pairs.subsets, pairs.subset_names)
    groups: list[GroupErrors] = []
    small_groups: list[str] = []
    for code, name in enumerate(names):
        inside = codes == code
        n = int(inside.sum())
        if n < FEWEST:
            small_groups.append(name)
            continue
        group = GroupErrors(
            name=name,
            n=n,
            right=float(outcomes(scaled[inside]).mean()),
            confidence=float(confidences(scaled[inside]).mean()),
            before=measure_errors(pairs.margins[inside], pairs.clusters[inside]),
            after=measure_errors(scaled[inside], pairs.clusters[inside]),
            temperature=fit_temperature(pairs.margins[inside]),
        )
        groups.append(group)
    return tuple(groups), tuple(small_groups)
