"""Right-wrong pairs of stored scores with the differences of their style, and the regression of the margin on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from rewardbench import stats
from rewardbench.analysis.bias.style_features import FEATURES, measure_style, response_texts
from rewardbench.errors import InputError
from rewardbench.metrics import grade, is_scored
from rewardbench.metrics.judge_bias import writer
from rewardbench.results.scored import ModelScores
from rewardbench.stats.regression import fit_linear, fit_logistic, independent_columns, logistic

FEWEST_PAIRS = 20
"""Minimum number of scored pairs."""
MOST_GENERATORS = 8
"""The most frequent generators, each of which has a column; the others are the baseline."""
ROUNDING = 1e-9
"""Share of the margin's standard deviation below which a controlled margin is a tie."""
LARGEST = 1e150
"""Largest margin, whose square must be a float."""


@dataclass(frozen=True)
class StylePairs:
    """Every right response of an item with every wrong one: margin, differences of style, and cluster.

    Attributes:
        names: features, and generators as `by NAME`.
        differences: feature of the right response minus that of the wrong one: [pairs, features].
        margins: score of the right response minus that of the wrong one: [pairs].
        items: number of the item of each pair, from 0: [pairs].
        clusters: cluster of each item: [items].
        position: position bias and order inconsistency of the items that have one: [measured items] each.
        unscored: number of items left out because a score or the texts are missing.
    """

    names: tuple[str, ...]
    differences: np.ndarray
    margins: np.ndarray
    items: np.ndarray
    clusters: tuple[Hashable, ...]
    position: tuple[Sequence[float], Sequence[float]]
    unscored: int

    @property
    def weights(self) -> np.ndarray:
        """Return the weight of each pair, such that every item has a weight of 1: [pairs]."""
        return np.asarray(1.0 / np.bincount(self.items)[self.items])

    def spread(self, values: np.ndarray) -> float:
        """Return the weighted standard deviation of values: [pairs]; 0 if they differ by rounding only."""
        mean = np.average(values, weights=self.weights)
        spread = float(np.sqrt(np.average((values - mean) ** 2, weights=self.weights)))
        return spread if spread > ROUNDING * float(np.abs(values).max()) else 0.0

    @property
    def pair_clusters(self) -> np.ndarray:
        """Return the number of the cluster of each pair, from 0: [pairs]."""
        numbers: dict[Hashable, int] = {}
        codes = [numbers.setdefault(cluster, len(numbers)) for cluster in self.clusters]
        return np.asarray(np.array(codes, dtype=np.int64)[self.items])

    def accuracy(self, margins: np.ndarray) -> stats.Mean:
        """Compute the mean credit of items (1, 0.5 for equal scores, or 0 a pair) of some margins: [pairs]."""
        limit = ROUNDING * max(float(self.margins.std()), float(np.abs(self.margins).max()))
        credits = (1 + (margins > limit).astype(float) - (margins < -limit)) / 2
        return stats.mean(np.bincount(self.items, credits * self.weights).tolist(), self.clusters)


def collect_pairs(scored: ModelScores) -> StylePairs:
    """Collect the pairs of a result.

    Raises:
        InputError: if it has too few scored pairs, or no texts.
    """
    margins: list[float] = []
    differences: list[np.ndarray] = []
    item_numbers: list[int] = []
    clusters: list[Hashable] = []
    writers: list[tuple[str, str]] = []
    unscored = 0
    for graded, item, item_scores in zip(
        grade(scored.suite, scored.items), scored.suite.items, scored.items, strict=True
    ):
        texts = response_texts(item)
        if not item.has_preference:
            continue
        if not is_scored(item_scores.scores) or not any(texts):
            unscored += 1
            continue
        style = measure_style(texts)
        for right in range(item.num_correct):
            for wrong in range(item.num_correct, len(texts)):
                margins.append(item_scores.scores[right] - item_scores.scores[wrong])
                differences.append(style[right] - style[wrong])
                item_numbers.append(len(clusters))
                writers.append((writer(item, right), writer(item, wrong)))
        clusters.append(graded.cluster)
    _check(scored, margins, unscored)
    names, columns = _generator_columns(writers)
    biases: list[float] = []
    inconsistencies: list[float] = []
    for item_scores in scored.items:
        if item_scores.order_inconsistency is not None:
            inconsistencies.append(item_scores.order_inconsistency)
        if item_scores.position_bias is not None:
            biases.append(item_scores.position_bias)
    return StylePairs(
        names=(*FEATURES, *names),
        differences=np.concatenate([np.array(differences), columns], axis=1),
        margins=np.array(margins),
        items=np.array(item_numbers, dtype=np.int64),
        clusters=tuple(clusters),
        position=(biases, inconsistencies),
        unscored=unscored,
    )


def _check(scored: ModelScores, margins: Sequence[float], unscored: int) -> None:
    """Reject results from which no regression can be computed.

    Raises:
        InputError: if there are too few pairs, or their scores are too large.
    """
    if len(margins) < FEWEST_PAIRS:
        raise InputError(
            f"{scored.path} has {len(margins)} scored pairs with texts ({unscored} items lack scores or texts): at "
            f"least {FEWEST_PAIRS} are needed. Score more data, and keep the _outputs file next to the result."
        )
    if not all(abs(margin) <= LARGEST for margin in margins):
        raise InputError(f"{scored.path} has margins above {LARGEST:g}: rescale the scores.")


def _generator_columns(writers: Sequence[tuple[str, str]]) -> tuple[list[str], np.ndarray]:
    """Return a column for each frequent generator: 1 if it wrote the right response only, -1 if the wrong one only."""
    counts: Counter[str] = Counter()
    for right, wrong in writers:
        counts.update(filter(None, {right, wrong}))
    frequent = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_GENERATORS]
    columns = np.zeros((len(writers), len(frequent)))
    numbers = {name: number for number, name in enumerate(frequent)}
    for row, (right, wrong) in enumerate(writers):
        if right in numbers:
            columns[row, numbers[right]] += 1
        if wrong in numbers:
            columns[row, numbers[wrong]] -= 1
    return [f"by {name}" for name in frequent], columns


@dataclass(frozen=True)
class StyleEffect:
    """The effect of a feature on the margin.

    Attributes:
        name: the feature.
        value: change of the margin, in standard deviations of the margin, for a difference of one standard deviation.
        low: lower limit of its 95 % interval.
        high: upper limit.
        slope: change of the score for one more unit of the feature.
        spread: standard deviation of the difference between right and wrong response, in units of the feature.
        is_certain: True if 0 is outside the interval that covers all effects of the fit at once (Bonferroni).
    """

    name: str
    value: float
    low: float
    high: float
    slope: float
    spread: float
    is_certain: bool


@dataclass(frozen=True)
class StyleFit:
    """The regression of the margin on the differences of style.

    Attributes:
        effects: of each feature that could be measured.
        dropped: names of the others: they differ in too few pairs, or others determine them.
        intercept: margin at equal style, in standard deviations of the margin, with its 95 % interval.
        explained: share of the margin's variance that style explains (R²).
        accuracy: mean credit of the margins as they are.
        length_controlled: mean credit of the margins without the effect of length, by a regression on length only.
        style_controlled: mean credit of the margins without the effects of all features.
        logistic: probability that the right response is preferred at equal style, by logistic regression, and interval.
    """

    effects: tuple[StyleEffect, ...]
    dropped: tuple[str, ...]
    intercept: stats.Mean
    explained: float
    accuracy: stats.Mean
    length_controlled: stats.Mean
    style_controlled: stats.Mean
    logistic: stats.Mean


def fit_style(pairs: StylePairs, fewest: int = 10) -> StyleFit:
    """Regress the margin on the differences of style: margin = intercept + sum of slope * difference + error.

    At equal style all differences are 0, and the intercept is the mean margin. The controlled margin is the margin
    minus the style terms; its share above 0 is the length-controlled accuracy, in the sense of length-controlled
    AlpacaEval (Dubois et al. 2024, arXiv:2404.04475), with the label in the place of the baseline model. Standard
    errors are robust to correlation within clusters (mirrors).

    Args:
        pairs: the pairs.
        fewest: minimum number of pairs in which a feature must differ.
    """
    clusters, weights = pairs.pair_clusters, pairs.weights
    columns, spreads, design = _standardize(pairs, fewest)
    unit = pairs.spread(pairs.margins) or 1.0
    regression = fit_linear(design, pairs.margins / unit, clusters, weights)
    credits = (1 + np.sign(pairs.margins)) / 2
    choice = fit_logistic(design, credits, clusters, weights)
    effects: list[StyleEffect] = []
    for number, (column, spread) in enumerate(zip(columns, spreads, strict=True), 1):
        value = _without_residue(float(regression.coefficients[number]))
        slope = value * unit / spread
        low, high = regression.interval(number, 1 - (1 - stats.COVERAGE) / len(columns))
        is_certain = value != 0 and (low > 0 or high < 0)
        effects.append(StyleEffect(pairs.names[column], value, *regression.interval(number), slope, spread, is_certain))
    intercept = _without_residue(float(regression.coefficients[0]))
    style = unit * (regression.fitted - regression.coefficients[0])
    low, high = choice.interval(0)
    return StyleFit(
        effects=tuple(effects),
        dropped=tuple(name for number, name in enumerate(pairs.names) if number not in columns),
        intercept=stats.Mean(intercept, *regression.interval(0)),
        explained=1 - (pairs.spread(pairs.margins - style) / unit) ** 2 if style.any() else 0.0,
        accuracy=pairs.accuracy(pairs.margins),
        length_controlled=pairs.accuracy(_control_length(pairs)),
        style_controlled=pairs.accuracy(pairs.margins - style),
        logistic=stats.Mean(logistic(float(choice.coefficients[0])), logistic(low), logistic(high)),
    )


def _standardize(pairs: StylePairs, fewest: int) -> tuple[list[int], list[float], np.ndarray]:
    """Choose the columns of features that differ in enough pairs, and that no other columns determine.

    Returns:
        The columns of `pairs.differences`, their standard deviations, and the design: ones, and the differences in
        standard deviations: [pairs, 1 + columns].
    """
    columns: list[int] = []
    spreads: list[float] = []
    design = [np.ones(len(pairs.margins))]
    for column, differences in enumerate(pairs.differences.T):
        spread = pairs.spread(differences) or 1.0
        if np.count_nonzero(differences) < fewest:
            continue
        candidate = [*design, differences / spread]
        if len(independent_columns(np.stack(candidate, axis=1))) == len(candidate):
            design = candidate
            columns.append(column)
            spreads.append(spread)
    return columns, spreads, np.stack(design, axis=1)


def _without_residue(value: float) -> float:
    """Return 0 for what rounding leaves of 0."""
    return 0.0 if abs(value) < ROUNDING else value


def _control_length(pairs: StylePairs) -> np.ndarray:
    """Return the margins without the effect of length alone: [pairs]."""
    lengths = pairs.differences[:, pairs.names.index("length")]
    spread = pairs.spread(lengths)
    if spread == 0:
        return pairs.margins
    design = np.stack([np.ones(len(lengths)), lengths / spread], axis=1)
    regression = fit_linear(design, pairs.margins, pairs.pair_clusters, pairs.weights)
    return np.asarray(pairs.margins - regression.coefficients[1] * design[:, 1])
