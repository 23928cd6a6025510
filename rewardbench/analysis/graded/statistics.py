"""Statistics of margins and label strengths: Spearman's correlation with a cluster bootstrap, and strength levels."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan

import numpy as np

from rewardbench import stats
from rewardbench.errors import InputError
from rewardbench.metrics import grade, margin, rule_of
from rewardbench.results.scored import ModelScores
from rewardbench.stats.correlation import code, spearman, weighted_spearman

FEWEST_ITEMS = 10
"""Minimum number of items of a correlation."""


@dataclass(frozen=True)
class GradedScores:
    """The scored items with a preference whose labels have a strength, and the ties.

    Attributes:
        model: name of the model.
        margins: lowest score of a right completion minus the highest of a wrong one: [items].
        strengths: how strongly the label prefers the right completions: [items].
        credits: credit of each item, 0 to 1: [items].
        sections: section of each item: [items].
        clusters: cluster of each item, which the bootstrap resamples: [items].
        tie_gaps: absolute difference of the scores of each tie by its label: [ties].
        unscored: number of items with a strength and without finite scores.
        unknown: number of items whose preference has no strength.
    """

    model: str
    margins: np.ndarray
    strengths: np.ndarray
    credits: np.ndarray
    sections: np.ndarray
    clusters: np.ndarray
    tie_gaps: np.ndarray
    unscored: int
    unknown: int

    def select(self, mask: np.ndarray) -> GradedScores:
        """Return the items where `mask` ([items]) is True, without the ties."""
        return replace(
            self,
            margins=self.margins[mask],
            strengths=self.strengths[mask],
            credits=self.credits[mask],
            sections=self.sections[mask],
            clusters=self.clusters[mask],
            tie_gaps=np.empty(0),
        )


@dataclass(frozen=True)
class Estimated:
    """A figure with its 95 % interval; NaN where it is undefined."""

    value: float
    low: float
    high: float


def collect(scored: ModelScores) -> GradedScores:
    """Collect the items of a result whose labels have a strength.

    Raises:
        InputError: if there are fewer than `FEWEST_ITEMS`, or all strengths are the same.
    """
    rows: list[tuple[float, float, float, str]] = []
    clusters: dict[Hashable, int] = {}
    indices: list[int] = []
    tie_gaps: list[float] = []
    unscored = unknown = 0
    graded = grade(scored.suite, scored.items)
    for item, item_scores, grades in zip(scored.suite.items, scored.items, graded, strict=True):
        strength = item.label_strength
        if strength is None:
            unknown += item.has_preference
        elif not item.has_preference:
            if len(item.completions) == 2 and not grades.unscored:
                tie_gaps.append(abs(item_scores.scores[0] - item_scores.scores[1]))
        elif isfinite(gap := margin(item, item_scores.scores)):
            rows.append((gap, strength, grades.credit, rule_of(scored.suite, item.subset).section))
            indices.append(clusters.setdefault(grades.cluster, len(clusters)))
        else:
            unscored += 1
    _check_rows(scored, [row[1] for row in rows], unknown)
    numbers = np.array([row[:3] for row in rows], dtype=np.float64)
    return GradedScores(
        model=scored.model,
        margins=numbers[:, 0],
        strengths=numbers[:, 1],
        credits=numbers[:, 2],
        sections=np.array([row[3] for row in rows]),
        clusters=np.array(indices),
        tie_gaps=np.array(tie_gaps),
        unscored=unscored,
        unknown=unknown,
    )


def _check_rows(scored: ModelScores, strengths: Sequence[float], unknown: int) -> None:
    """Raise InputError if the strengths have no correlation with anything."""
    if len(strengths) < FEWEST_ITEMS:
        hint = f"; {unknown:,} preferences have none" if unknown else ""
        raise InputError(
            f"{scored.path} has {len(strengths)} scored preferences with a label strength, and the correlation needs "
            f"{FEWEST_ITEMS}{hint}. Score data with margins, a Likert scale, scores or soft labels, or pass --dataset."
        )
    if min(strengths) == max(strengths):
        raise InputError(f"{scored.path}: all labels have the strength {strengths[0]:g}, so it orders nothing.")


def bootstrap_spearman(scores: GradedScores, resamples: int, seed: int) -> np.ndarray:
    """Compute Spearman's correlation of margin and strength in resamples of clusters: [resamples].

    The same seed gives the same resamples for every model on the same items, so that differences are paired.
    """
    random = np.random.default_rng(seed)
    order = np.argsort(scores.margins, kind="stable")  # ranks of sorted values need no random access to memory
    margins, strengths, clusters = (
        code(values)[order] for values in (scores.margins, scores.strengths, scores.clusters)
    )
    count = int(clusters.max()) + 1
    correlations = np.empty(resamples)
    for n in range(resamples):
        draws = np.bincount(random.integers(0, count, count), minlength=count)
        correlations[n] = weighted_spearman(margins, strengths, draws[clusters].astype(np.float64))
    return correlations


def estimate_spearman(scores: GradedScores, resamples: int, seed: int) -> Estimated:
    """Return the correlation with its percentile interval over resampled clusters."""
    value = spearman(scores.margins, scores.strengths)
    if not isfinite(value) or len(set(scores.clusters.tolist())) < 2:
        return Estimated(value, nan, nan)
    return Estimated(value, *stats.percentile_interval(bootstrap_spearman(scores, resamples, seed)))


def estimate_accuracy(scores: GradedScores) -> Estimated:
    """Return the accuracy with its interval."""
    mean = stats.mean(scores.credits.tolist(), scores.clusters.tolist())
    return Estimated(mean.value, mean.low, mean.high)


def estimate_margin(scores: GradedScores) -> Estimated:
    """Return the mean margin with its 95 % interval, from the standard error that is robust to shared clusters."""
    value = float(scores.margins.mean())
    _, clusters = np.unique(scores.clusters, return_inverse=True)
    influences = np.bincount(clusters, scores.margins - value) / len(scores.margins)
    count = len(influences)
    if count < 2:
        return Estimated(value, nan, nan)
    half = stats.normal(stats.COVERAGE) * (count / (count - 1) * float(influences @ influences)) ** 0.5
    return Estimated(value, value - half, value + half)


@dataclass(frozen=True)
class Level:
    """The items of one level of strength under one model."""

    strength: float
    """Mean strength of the items."""
    items: int
    margin: Estimated
    accuracy: Estimated


def assign_levels(strengths: np.ndarray, most: int) -> np.ndarray:
    """Return the level of each strength, from 0: the distinct strengths, or at most `most` groups.

    >>> assign_levels(np.array([3.0, 1.0, 3.0]), 8).tolist()
    [1, 0, 1]
    """
    distinct, levels = np.unique(strengths, return_inverse=True)
    if len(distinct) > most:
        edges = np.unique(np.quantile(strengths, np.linspace(0, 1, most + 1)[1:-1]))
        levels = np.unique(np.searchsorted(edges, strengths, side="right"), return_inverse=True)[1]
    return levels


def describe_levels(scores: GradedScores, most: int) -> list[Level]:
    """Return margin and accuracy by level; margins are in standard deviations of the model's margins."""
    spread = float(scores.margins.std()) or 1.0
    scaled = replace(scores, margins=scores.margins / spread)
    levels = assign_levels(scores.strengths, most)
    described: list[Level] = []
    for level in range(int(levels.max()) + 1):
        members = scaled.select(levels == level)
        mean = estimate_margin(members)
        accuracy = estimate_accuracy(members)
        described.append(Level(float(members.strengths.mean()), len(members.margins), mean, accuracy))
    return described
