"""Pairs that several models miss, and the probability that their label is wrong.

The margins of each model are divided by their spread and averaged over models. If a label is wrong, the margin of every
model changes its sign. The mean margins are therefore modelled as a mixture of a normal distribution N(m, s²) for right
labels and its reflection N(-m, s²) for wrong ones. s² contains the correlation of the models' errors: for M models with
margins of variance 1 and correlation r it is r + (1 - r) / M. The probability of a wrong label is then a logistic
function of the mean margin, with slope -2 m / s², and the mean of these probabilities over a list estimates its
precision. Reading "missed by every model" as a sign of a wrong label follows Northcutt et al. 2021 (arXiv 1911.00068).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardbench.lint.arrays import Floats, Indices
from rewardbench.stats import percentile_interval

LARGEST_MARGIN = 4.0
"""Standardised margins are clipped to ± this, so that an outlier of one model does not decide."""
RESAMPLES = 200
BINS = 512
STEPS = 2000
"""Largest number of steps of the EM algorithm."""
START = 0.05
"""Share of wrong labels from which the EM algorithm starts."""


@dataclass(frozen=True)
class MirrorMixture:
    """A mixture of N(mean, spread²) for right labels and N(-mean, spread²) for wrong ones.

    Attributes:
        share: share of wrong labels, from 0 to 0.5.
        mean: mean of the standardised margins if the label is right.
        spread: standard deviation of both parts.
    """

    share: float
    mean: float
    spread: float

    def probabilities(self, margins: Floats) -> Floats:
        """Return the probability of a wrong label at each mean margin; NaN for NaN: [pairs]."""
        if self.share <= 0:
            return np.where(np.isnan(margins), np.nan, 0.0)
        with np.errstate(over="ignore"):
            odds = (1 - self.share) / self.share * np.exp(2 * self.mean * margins / self.spread**2)
        return np.asarray(1 / (1 + odds))

    def distance(self, margins: Floats) -> float:
        """Compute the Kolmogorov-Smirnov distance between the mixture and mean margins, all finite: [pairs]."""
        from scipy.special import ndtr

        points = np.sort(margins)
        right, wrong = ndtr((points - self.mean) / self.spread), ndtr((points + self.mean) / self.spread)
        expected = (1 - self.share) * right + self.share * wrong
        ranks = np.arange(len(points) + 1) / len(points)
        return float(max(np.abs(ranks[1:] - expected).max(), np.abs(ranks[:-1] - expected).max()))


@dataclass(frozen=True)
class Misses:
    """What several models say about the labels of pairs.

    Attributes:
        margins: mean standardised margin of each pair; NaN if fewer than half of the models scored it: [pairs].
        missed: number of models whose margin is not above 0: [pairs].
        scored: number of models that scored the pair: [pairs].
        order: indices of the pairs with a mean margin, the lowest first.
        probabilities: probability that the label is wrong, by `mixture`: [pairs].
        mixture: the fitted mixture.
        precision: estimated share of wrong labels among the first `reviewed` pairs of the order.
        precision_interval: its 95 % interval, by the cluster bootstrap.
        share_interval: 95 % interval of `mixture.share`.
        reviewed: number of pairs that `precision` is about.
        distance: distance between the margins and the mixture.
        largest_distance: distance above which the mixture does not fit (5 % level, one observation per cluster).
    """

    margins: Floats
    missed: Indices
    scored: Indices
    order: Indices
    probabilities: Floats
    mixture: MirrorMixture
    precision: float
    precision_interval: tuple[float, float]
    share_interval: tuple[float, float]
    reviewed: int
    distance: float
    largest_distance: float

    @property
    def accuracy(self) -> float:
        """Return the share of ranked pairs whose mean margin is above 0."""
        return float((self.margins[self.order] > 0).mean())

    @property
    def fits(self) -> bool:
        """Return True if the margins follow the mixture, on which the estimates depend."""
        return self.distance <= self.largest_distance


def standardize_margins(margins: Floats) -> Floats:
    """Divide the margins of each model by their spread, and clip them to ± `LARGEST_MARGIN`.

    The spread is the interquartile range / 1.349; if that is 0 the standard deviation, or else the root mean square.

    Args:
        margins: score of the right response minus that of the wrong one; NaN if unscored: [models, pairs].

    Returns:
        Standardised margins; NaN for a model whose margins are all 0: [models, pairs].
    """
    standardized = np.full(margins.shape, np.nan)
    for model, row in enumerate(margins):
        finite = row[np.isfinite(row)]
        if not len(finite):
            continue
        low, high = np.quantile(finite, [0.25, 0.75])
        spread = (high - low) / 1.349 or float(np.std(finite)) or float(np.sqrt(np.mean(finite**2)))
        if np.isfinite(spread) and spread > 0:
            standardized[model] = np.clip(row / spread, -LARGEST_MARGIN, LARGEST_MARGIN)
    return standardized


def error_correlation(margins: Floats) -> float:
    """Compute the mean correlation (phi) of the errors of two models; NaN if no two models differ in an error.

    Args:
        margins: NaN if unscored: [models, pairs].
    """
    complete = margins[:, ~np.isnan(margins).any(axis=0)]
    errors = (complete <= 0).astype(float)
    errors = errors[errors.std(axis=1) > 0] if errors.size else errors
    if len(errors) < 2:
        return float("nan")
    correlations = np.corrcoef(errors)
    return float(correlations[np.triu_indices(len(errors), 1)].mean())


def fit_mixture(margins: Floats, weights: Floats | None = None) -> MirrorMixture:
    """Fit the mixture by maximum likelihood with the EM algorithm.

    Args:
        margins: mean standardised margins, all finite, or the centres of bins: [pairs].
        weights: number of pairs at each margin; None: 1: [pairs].

    Returns:
        The mixture. Its share is 0 if the margins are not above 0 on average: such models cannot judge labels.
    """
    counts = np.ones(len(margins)) if weights is None else weights
    total = float(counts.sum())
    average = float(counts @ margins) / total
    square = float(counts @ margins**2) / total
    if average <= 0 or square - average**2 <= 0:
        return MirrorMixture(0.0, max(average, 0.0), max(square - average**2, 1e-12) ** 0.5)
    mixture = MirrorMixture(START, average, (square - average**2) ** 0.5)
    for _ in range(STEPS):
        wrong = mixture.probabilities(margins)
        share = float(counts @ wrong) / total
        mean = abs(float(counts @ ((1 - 2 * wrong) * margins))) / total
        spread = max(square - mean**2, 1e-12) ** 0.5
        step = max(abs(share - mixture.share), abs(mean - mixture.mean))
        mixture = MirrorMixture(min(share, 0.5), mean, spread)
        if step < 1e-7:
            break
    return mixture


def find_misses(margins: Floats, clusters: Indices, review: int, seed: int = 0) -> Misses:
    """Rank pairs by their mean standardised margin, and estimate which labels are wrong.

    Args:
        margins: score of the right response minus that of the wrong one; NaN if unscored: [models, pairs].
        clusters: number of the cluster of each pair, from 0; pairs of a cluster are resampled together: [pairs].
        review: number of pairs that a person will review.
        seed: seed of the bootstrap.
    """
    standardized = standardize_margins(margins)
    used = standardized[~np.isnan(standardized).all(axis=1)]
    scored = (~np.isnan(used)).sum(axis=0)
    enough = scored >= max(1, len(used) / 2)
    means = np.where(enough, np.nansum(used, axis=0) / np.maximum(scored, 1), np.nan)
    order = np.argsort(means, kind="stable")[: int(enough.sum())]
    mixture = fit_mixture(means[order])
    top = means[order[:review]]
    shares, precisions = _resample(means, clusters, top, seed)
    return Misses(
        margins=means,
        missed=(used <= 0).sum(axis=0),
        scored=scored,
        order=order,
        probabilities=mixture.probabilities(means),
        mixture=mixture,
        precision=float(mixture.probabilities(top).mean()),
        precision_interval=percentile_interval(precisions),
        share_interval=percentile_interval(shares),
        reviewed=len(top),
        distance=mixture.distance(means[order]),
        largest_distance=1.36 / len(np.unique(clusters[order])) ** 0.5,
    )


def _resample(means: Floats, clusters: Indices, top: Floats, seed: int) -> tuple[Floats, Floats]:
    """Refit the mixture to resampled clusters: the share of wrong labels, and the precision of `top`: [resamples]."""
    random = np.random.default_rng(seed)
    valid = ~np.isnan(means)
    edges = np.linspace(-LARGEST_MARGIN, LARGEST_MARGIN, BINS + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    bins = np.clip(np.searchsorted(edges, means[valid], side="right") - 1, 0, BINS - 1)
    number = int(clusters.max()) + 1
    shares, precisions = np.empty(RESAMPLES), np.empty(RESAMPLES)
    for n in range(RESAMPLES):
        draws = np.bincount(random.integers(number, size=number), minlength=number)
        counts = np.bincount(bins, draws[clusters[valid]], minlength=BINS).astype(float)
        mixture = fit_mixture(centres[counts > 0], counts[counts > 0])
        shares[n], precisions[n] = mixture.share, mixture.probabilities(top).mean()
    return shares, precisions
