"""Analysis of the ties of one model: both models of ties, the share of ties by score difference, held-out losses."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from rewardbench import stats
from rewardbench.analysis.ties.models import (
    PREDICTORS,
    TIE,
    LabelledPairs,
    TieFit,
    davidson_probabilities,
    fit_davidson,
    fit_rao_kupper,
    log_losses,
    predict,
    rao_kupper_probabilities,
)
from rewardbench.errors import InputError
from rewardbench.metrics.calibration import mass_bins
from rewardbench.metrics.temperature import FloatArray, IntArray

BINS = 10
"""Number of bins of the score difference, each with as many pairs."""


@dataclass(frozen=True)
class TieBin:
    """The pairs whose absolute score difference is in one bin.

    Attributes:
        n: number of pairs.
        difference: their mean absolute score difference.
        share: share of ties.
        low: lower limit of its 95 % interval, by cluster.
        high: upper limit.
        davidson: mean probability of a tie by Davidson's model.
        rao_kupper: the same by the Rao-Kupper model.
    """

    n: int
    difference: float
    share: float
    low: float
    high: float
    davidson: float
    rao_kupper: float


@dataclass(frozen=True)
class Loss:
    """Held-out log-loss of a predictor, in nats per pair, and its difference to Bradley-Terry with a constant share."""

    name: str
    value: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class TieAnalysis:
    """What is known of the ties of one set of comparisons."""

    model: str
    n: int
    ties: int
    davidson: TieFit
    rao_kupper: TieFit
    losses: tuple[Loss, ...]
    bins: tuple[TieBin, ...]

    @property
    def threshold(self) -> float:
        """Score difference below which a tie is the likeliest outcome of Davidson's model; 0 if none is."""
        if self.davidson.tie <= 1 or self.davidson.beta <= 0:
            return 0.0
        return 2 * log(self.davidson.tie) / self.davidson.beta


def analyze_comparisons(model: str, pairs: LabelledPairs, seed: int = 0) -> TieAnalysis:
    """Fit both models of ties on all pairs, and measure every predictor out of sample.

    Args:
        model: name of the model.
        pairs: comparisons of at least two clusters.
        seed: seed of the split into halves, each of which is predicted from the other.

    Raises:
        InputError: if a half has no tie or no preference.
    """
    davidson, rao_kupper = fit_davidson(pairs), fit_rao_kupper(pairs)
    losses = held_out_losses(pairs, seed)
    summaries = [summarize_loss(name, losses[name], losses["bt_constant"], pairs.clusters) for name in PREDICTORS]
    ties = int((pairs.outcomes == 0).sum())
    bins = tie_bins(pairs, davidson, rao_kupper)
    return TieAnalysis(model, len(pairs.outcomes), ties, davidson, rao_kupper, tuple(summaries), bins)


def held_out_losses(pairs: LabelledPairs, seed: int = 0) -> dict[str, FloatArray]:
    """Compute the three-class log-loss of each predictor on each half of the clusters, fitted on the other half.

    Returns:
        For each of `PREDICTORS` the loss of each pair, in nats: [pairs].

    Raises:
        InputError: if a half has no tie, no preference, or no two different scores.
    """
    names, codes = np.unique(pairs.clusters, return_inverse=True)
    in_first = np.zeros(len(names), dtype=np.bool_)
    in_first[np.random.default_rng(seed).permutation(len(names))[: len(names) // 2]] = True
    is_first = in_first[codes]
    losses = {name: np.zeros(len(pairs.outcomes)) for name in PREDICTORS}
    for is_test in (is_first, ~is_first):
        train, test = pairs.select(~is_test), pairs.select(is_test)
        is_tie = train.outcomes == 0
        if is_tie.all() or not is_tie.any() or not train.differences.any():
            raise InputError("A half of the clusters has no tie or no preference: pass another --seed, or more data.")
        for name, shares in predict(train, test).items():
            losses[name][is_test] = log_losses(shares, test.columns)
    return losses


def summarize_loss(name: str, losses: FloatArray, baseline: FloatArray, clusters: IntArray) -> Loss:
    """Compute the mean loss, and its difference to a baseline with the 95 % interval by cluster.

    Args:
        name: name of the predictor.
        losses: [pairs].
        baseline: losses of the baseline: [pairs].
        clusters: number of the cluster of each pair: [pairs].
    """
    gaps = losses - baseline
    difference = float(gaps.mean())
    _, codes = np.unique(clusters, return_inverse=True)
    sums = np.bincount(codes, gaps - difference)
    error = sqrt(len(sums) / max(1, len(sums) - 1) * float(sums @ sums)) / len(losses)
    half = stats.normal(stats.COVERAGE) * error
    return Loss(name, float(losses.mean()), difference, difference - half, difference + half)


def tie_bins(pairs: LabelledPairs, davidson: TieFit, rao_kupper: TieFit) -> tuple[TieBin, ...]:
    """Compute the share of ties by the absolute score difference, in bins with equal numbers of pairs."""
    sizes = np.abs(pairs.differences)
    index = mass_bins(sizes, BINS)
    is_tie = (pairs.outcomes == 0).astype(np.float64)
    by_davidson = davidson_probabilities(sizes, davidson.beta, davidson.tie)[:, TIE]
    by_rao_kupper = rao_kupper_probabilities(sizes, rao_kupper.beta, rao_kupper.tie)[:, TIE]
    bins: list[TieBin] = []
    for number in np.unique(index):
        inside = index == number
        share = stats.mean(is_tie[inside].tolist(), pairs.clusters[inside].tolist())
        means = [float(values[inside].mean()) for values in (sizes, by_davidson, by_rao_kupper)]
        bins.append(TieBin(int(inside.sum()), means[0], share.value, share.low, share.high, *means[1:]))
    return tuple(bins)
