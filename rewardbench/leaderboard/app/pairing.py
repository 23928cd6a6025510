"""Compare models by the credits in the index; what all comparisons of a suite share is computed once.

A comparison needs what each cluster contributes to the means of two models. All models that scored the same items have
the same clusters with the same weights: they differ in the mean credit of each cluster, which the index has.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from math import isclose
from typing import Literal

import numpy as np

from rewardbench import stats
from rewardbench.comparison.compare import Flip, by_change_of_margin, compute_means
from rewardbench.leaderboard.app.credits import CreditArrays
from rewardbench.metrics import SuiteMeans, grade, margin_by_rule, measure, rule_of
from rewardbench.metrics.means import Measurement, MetricMeans, Stratum
from rewardbench.results.scored import ModelScores
from rewardbench.results.suite_scores import scores_by_id
from rewardbench.types import Item, ItemScores, Metric

TOLERANCE = 1e-9
"""Maximum difference between contributions that are computed in both ways."""


class SharedMeans:
    """The means of a suite by one metric, as functions of the credits of a model.

    Args:
        scored: scores of a model whose items all models have.
        metric: metric of the comparison.

    Raises:
        InputError: if nothing can be compared.
        KeyError: if a mean counts clusters of which the index has no credits.
    """

    def __init__(self, scored: ModelScores, metric: Metric) -> None:
        self.metric, self._scored = metric, scored
        self.items = [item for item in scored.suite.items if item.is_labelled]
        self._order = np.argsort(np.argsort([item.id for item in self.items]))  # their places among the sorted ids
        self._means = compute_means(scored)
        ranked: Metric = "turn" if self._means.has_total("turn") else self._means.headline
        self._units = None if metric == ranked else _Units(scored, metric)
        clusters = self._units.clusters if self._units else sorted(self._means.total(ranked).weights, key=repr)
        self._weights = np.array([self._means.total(ranked).weights.get(cluster, 0.0) for cluster in clusters])
        self._places = {cluster: place for place, cluster in enumerate(clusters)}
        self._total = self._part(self._means.total(metric))
        self._sections: dict[str, _Part] = {}
        self._other_sections: list[str] = []  # those that do not count in the ranks, so that the index lacks them
        for name, mean in self._means.section_means(metric).items():
            if self._places.keys().isdisjoint(mean.weights):
                self._other_sections.append(name)
            else:
                self._sections[name] = self._part(mean)
        self._strata: dict[tuple[str, str], tuple[_Part, float]] = {}
        for place, stratum in self._means.metrics[metric].strata.items():
            self._strata[place] = (self._part(stratum.mean), stratum.weight)

    def _part(self, mean: stats.Mean) -> _Part:
        return _Part(dict(mean.weights), np.array([self._places[cluster] for cluster in mean.weights], dtype=np.intp))

    def means(self, credits: CreditArrays, scored: ModelScores | None = None) -> SuiteMeans:
        """Return the means of a model, without intervals.

        Args:
            credits: its credits.
            scored: its scores; without them only the means over the suite and their strata are computed.
        """
        by_cluster = self._units.mean(credits) if self._units else credits.by_cluster / self._weights
        sections: dict[str, Measurement] = {}
        if scored:
            sections |= {name: Measurement(part.mean(by_cluster), ()) for name, part in self._sections.items()}
        if scored and self._other_sections:
            sections |= self._measure_others(scored)
        strata = {name: Stratum(part.mean(by_cluster), weight) for name, (part, weight) in self._strata.items()}
        by_metric = MetricMeans(sections, {}, Measurement(self._total.mean(by_cluster), ()), strata)
        means = self._means
        return SuiteMeans(means.headline, {self.metric: by_metric}, means.weights, Measurement(None, ()))

    def _measure_others(self, scored: ModelScores) -> dict[str, Measurement]:
        """Measure the sections of which the index has no credits."""
        items: list[Item] = []
        scores: list[ItemScores] = []
        for item, item_scores in zip(scored.suite.items, scored.items, strict=True):
            if rule_of(scored.suite, item.subset).section in self._other_sections:
                items.append(item)
                scores.append(item_scores)
        means = measure(replace(scored.suite, items=items), scores).metrics[self.metric].sections
        return {name: means[name] for name in self._other_sections}

    def agrees(self, credits: CreditArrays) -> bool:
        """Return True if the credits of the model in `scored` give the contributions that its scores give."""
        if len(credits.by_item) != len(self.items) or (
            not self._units and len(credits.by_cluster) != len(self._weights)
        ):
            return False
        expected, means = self._means, self.means(credits, self._scored)
        pairs = [(expected.total(self.metric), means.total(self.metric))]
        for name, mean in means.section_means(self.metric).items():
            pairs.append((expected.section_means(self.metric)[name], mean))
        for place, stratum in means.metrics[self.metric].strata.items():
            pairs.append((expected.metrics[self.metric].strata[place].mean, stratum.mean))
        for first, second in pairs:
            for cluster, amount in first.contributions.items():
                if not isclose(amount, second.contributions[cluster], abs_tol=TOLERANCE, rel_tol=0):
                    return False
        return True

    def flips(
        self, first: ModelScores, second: ModelScores, first_credits: CreditArrays, second_credits: CreditArrays
    ) -> list[Flip]:
        """List the items with different credit under two models, as `comparison.compare.find_flips` does."""
        credits, other_credits = first_credits.by_item[self._order], second_credits.by_item[self._order]
        scores_of, other_scores_of = scores_by_id(first), scores_by_id(second)
        flips: list[Flip] = []
        for place in np.flatnonzero(credits != other_credits).tolist():
            item = self.items[place]
            rule, other_rule = rule_of(first.suite, item.subset), rule_of(second.suite, item.subset)
            margins = (
                margin_by_rule(item, scores_of(item.id), rule),
                margin_by_rule(item, other_scores_of(item.id), other_rule),
            )
            better: Literal["first", "second"] = "first" if credits[place] > other_credits[place] else "second"
            flips.append(Flip(item, rule.section, better, margins))
        return sorted(flips, key=by_change_of_margin)


@dataclass(frozen=True)
class _Part:
    """The clusters of a mean with their weights, and their places among the clusters of the suite."""

    weights: Mapping[Hashable, float]
    places: np.ndarray

    def mean(self, by_cluster: np.ndarray) -> stats.Mean:
        """Return the mean of the credits of the clusters, without an interval."""
        amounts = by_cluster[self.places] * np.fromiter(self.weights.values(), np.float64)
        value = float(amounts.sum())
        contributions = dict(zip(self.weights, amounts.tolist(), strict=True))
        return stats.Mean(value, value, value, contributions=contributions, weights=self.weights)


class _Units:
    """The items or mirrors of a suite with their clusters, for a metric other than that of the ranks."""

    def __init__(self, scored: ModelScores, metric: Metric) -> None:
        places: dict[str, int] = {}
        for item in sorted(scored.suite.items, key=lambda item: item.id):
            if item.is_labelled:
                places[item.id] = len(places)
        self._is_mirror = metric == "mirror"
        units: dict[Hashable, list[int]] = {}
        clusters: dict[Hashable, int] = {}
        unit_clusters: dict[Hashable, int] = {}
        for graded in grade(scored.suite, scored.items):
            is_counted = not self._is_mirror or rule_of(scored.suite, graded.subset).credit == "strict"
            if graded.is_labelled and is_counted:
                unit = graded.group if self._is_mirror else graded.id
                units.setdefault(unit, []).append(places[graded.id])
                unit_clusters.setdefault(unit, clusters.setdefault(graded.cluster, len(clusters)))
        self.clusters = list(clusters)
        self._items = np.concatenate([np.array(unit) for unit in units.values()])
        self._starts = np.cumsum([0, *map(len, units.values())])[:-1]
        self._clusters = np.array(list(unit_clusters.values()))

    def mean(self, credits: CreditArrays) -> np.ndarray:
        """Return the mean credit of the units in each cluster."""
        by_item = credits.by_item[self._items]
        by_unit = np.minimum.reduceat(by_item == 1, self._starts) if self._is_mirror else by_item
        means: np.ndarray = np.bincount(self._clusters, by_unit) / np.bincount(self._clusters)
        return means
