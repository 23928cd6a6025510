"""Means of a suite by each metric: of subsets, of sections, and over sections.

One rule holds in every suite: an item whose scores are not all finite is unscored. It stays in n with credit 0, and
every mean reports the number of unscored items, so that a failure never raises a score.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isnan

from rewardbench import stats
from rewardbench.metrics.credit import rule_of
from rewardbench.metrics.grading import GradedItem, grade
from rewardbench.metrics.ties import ties_mean
from rewardbench.metrics.units import GROUP_UNITS, Unit, group_items, item_units, mean_of_units
from rewardbench.types import ItemScores, Metric, Rule, Suite


@dataclass(frozen=True)
class Measurement:
    """A mean, and the units that it counts; the mean is None if none of them is labelled."""

    mean: stats.Mean | None
    units: Sequence[Unit]
    section: str = ""


@dataclass(frozen=True)
class Stratum:
    """A section or a subset whose clusters are resampled together, with its weight in the total."""

    mean: stats.Mean
    weight: float


@dataclass(frozen=True)
class MetricMeans:
    """The means of one run by one metric, with the contribution of each cluster.

    Attributes:
        sections: of each section, the mean of its subsets by the weights of their rules, or the mean over all its units
            if no rule has a weight; for `pair`, the F1 of solutions with labelled steps.
        subsets: the mean of each subset.
        total: the mean over sections by the suite's weights.
        strata: the parts of the total, by section and subset; the subset is empty for a section that is not weighted.
    """

    sections: Mapping[str, Measurement]
    subsets: Mapping[str, Measurement]
    total: Measurement
    strata: Mapping[tuple[str, str], Stratum] = field(default_factory=dict)


@dataclass(frozen=True)
class SuiteMeans:
    """The means of one run.

    Attributes:
        headline: the metric of the score: `pair` or `mirror`.
        metrics: the means by each metric that the suite has.
        weights: weight of each section.
        accuracy: mean credit over the items of the sections with mirrors if there are any, else over all items.
        order_inconsistency: of pairwise and listwise scorers, the share of items whose preferred completion changes
            with the order.
    """

    headline: Metric
    metrics: Mapping[Metric, MetricMeans]
    weights: Mapping[str, float]
    accuracy: Measurement
    order_inconsistency: stats.Mean | None = None

    def section_means(self, metric: Metric) -> dict[str, stats.Mean]:
        """Return the section means by a metric, of the sections that have one."""
        return _existing_means(self.metrics[metric].sections) if metric in self.metrics else {}

    def subset_means(self, metric: Metric) -> dict[str, stats.Mean]:
        """Return the subset means by a metric, of the subsets that have one."""
        return _existing_means(self.metrics[metric].subsets) if metric in self.metrics else {}

    def has_total(self, metric: Metric) -> bool:
        """Return True if there is a mean over sections by a metric."""
        return metric in self.metrics and self.metrics[metric].total.mean is not None

    def total(self, metric: Metric) -> stats.Mean:
        """Return the mean over sections.

        Raises:
            ValueError: if no item is labelled.
        """
        mean = self.metrics[metric].total.mean if metric in self.metrics else None
        if mean is None:
            raise ValueError(f"there is no mean by {metric}: no labelled item counts")
        return mean


def _existing_means(measurements: Mapping[str, Measurement]) -> dict[str, stats.Mean]:
    means: dict[str, stats.Mean] = {}
    for name, measurement in measurements.items():
        if measurement.mean is not None:
            means[name] = measurement.mean
    return means


class GradedSuite:
    """The graded items of a suite, by subset and by section.

    Args:
        suite: the suite, for its rules and weights.
        items: its graded items, or some of them.
    """

    def __init__(self, suite: Suite, items: Sequence[GradedItem]) -> None:
        self.suite = suite
        self.items = items
        self.units = item_units(items)
        self.subsets: dict[str, list[GradedItem]] = {}
        self.subset_units: dict[str, list[Unit]] = {}
        for subset in (*suite.rules, *dict.fromkeys(item.subset for item in items)):
            self.subsets[subset], self.subset_units[subset] = [], []
        for item, unit in zip(items, self.units, strict=True):
            self.subsets[item.subset].append(item)
            self.subset_units[item.subset].append(unit)
        self.rules: dict[str, Rule] = {}
        self.subset_names: dict[str, list[str]] = {}
        self.weights: dict[str, float] = {}
        for subset in self.subsets:
            rule = rule_of(suite, subset)
            self.rules[subset] = rule
            self.subset_names.setdefault(rule.section, []).append(subset)
            self.weights[rule.section] = suite.section_weights.get(rule.section, 1.0)

    def means(self) -> SuiteMeans:
        """Compute the means by each metric; `mirror` and `turn` only if the suite counts by mirrors."""
        metrics: dict[Metric, MetricMeans] = {"pair": self.pair_means()}
        units: Sequence[Unit] = self.units
        if self.suite.headline == "mirror":
            mirror = self.group_means("mirror")
            if mirror.sections:
                metrics["mirror"] = mirror
                units = self._units_of(self._counted_sections(mirror.sections))
            turn = self.group_means("turn")
            if turn.sections:
                metrics["turn"] = turn
        return SuiteMeans(
            headline="mirror" if "mirror" in metrics else "pair",
            metrics=metrics,
            weights=self.weights,
            accuracy=Measurement(mean_of_units(units), units),
            order_inconsistency=_order_inconsistency(self.items),
        )

    def _counted_sections(self, sections: Mapping[str, object]) -> list[str]:
        """Return the sections with a weight above 0, or all of them if none has one."""
        return [section for section in sections if self.weights[section] > 0] or list(sections)

    def _strict_subsets(self) -> dict[str, list[str]]:
        """Return the subsets with strict credit, by section."""
        strict: dict[str, list[str]] = {}
        for subset, rule in self.rules.items():
            if rule.credit == "strict":
                strict.setdefault(rule.section, []).append(subset)
        return strict

    def _units_of(self, sections: Iterable[str]) -> list[Unit]:
        """Return the units of the items of some sections."""
        units: list[Unit] = []
        for section in sections:
            for subset in self.subset_names[section]:
                units += self.subset_units[subset]
        return units

    def _items_in(self, subsets: Iterable[str]) -> list[GradedItem]:
        items: list[GradedItem] = []
        for subset in subsets:
            items += self.subsets[subset]
        return items

    @cached_property
    def _groups(self) -> dict[str, list[list[GradedItem]]]:
        """The groups of each subset."""
        return {subset: group_items(items) for subset, items in self.subsets.items()}

    def _share_groups(self, subsets: Sequence[str]) -> bool:
        """Return True if a group has items in several of the subsets."""
        groups = [group[0].group for subset in subsets for group in self._groups[subset]]
        return len(set(groups)) < len(groups)

    def _subset_weights(self, subsets: Mapping[str, Measurement]) -> dict[str, float]:
        """Return the weight of each subset: that of its rule, by default the number of its labelled units."""
        weights: dict[str, float] = {}
        for name, measurement in subsets.items():
            weight = self.rules[name].weight
            labelled = sum(not isnan(unit.credit) for unit in measurement.units)
            weights[name] = labelled if weight is None else weight
        return weights

    def pair_means(self) -> MetricMeans:
        """Compute the means over items, each subset by its credit rule."""
        sections: dict[str, Measurement] = {}
        subsets: dict[str, Measurement] = {}
        strata: dict[tuple[str, str], Stratum] = {}
        for section, names in self.subset_names.items():
            members: dict[str, Measurement] = {}
            for name in names:
                units = self.subset_units[name]
                members[name] = Measurement(_pair_mean(self.subsets[name], units, self.rules[name]), units, section)
            subsets |= members
            if all(self.rules[name].credit == "first_error" for name in names):
                mean = _f1_mean(self._items_in(names))
            else:
                mean = average(members, self._subset_weights(members))
            sections[section] = Measurement(mean, self._units_of([section]), section)
            if mean and self.weights[section] > 0:
                strata[section, ""] = Stratum(mean, self.weights[section])
        total = Measurement(average(sections, self.weights), self.units)
        return MetricMeans(sections, subsets, total, strata)

    def group_means(self, metric: Metric) -> MetricMeans:
        """Compute the means over groups by `mirror` or `turn`, of the subsets with strict credit.

        `turn` has only sections with turn pairs.
        """
        sections: dict[str, Measurement] = {}
        subsets: dict[str, Measurement] = {}
        strata: dict[tuple[str, str], Stratum] = {}
        for section, names in self._strict_subsets().items():
            members: dict[str, Measurement] = {}
            units: list[Unit] = []
            for name in names:
                subset_units = GROUP_UNITS[metric](self._groups[name])
                members[name] = Measurement(mean_of_units(subset_units), subset_units, section)
                units += subset_units
            if self._share_groups(names):
                units = GROUP_UNITS[metric](group_items(self._items_in(names)))
            if metric == "turn" and not units:
                continue
            subsets |= members
            if any(self.rules[name].weight is not None for name in names):
                weights = self._subset_weights(members)
                mean, parts = average(members, weights), _strata(members, weights)
            else:
                mean = mean_of_units(units)
                parts = {"": Stratum(mean, 1.0)} if mean else {}
            sections[section] = Measurement(mean, units, section)
            if self.weights[section] > 0:
                for name, part in parts.items():
                    strata[section, name] = replace(part, weight=self.weights[section] * part.weight)
        total_units: list[Unit] = []
        for section in self._counted_sections(sections):
            total_units += sections[section].units
        total = Measurement(average(sections, self.weights), total_units)
        return MetricMeans(sections, subsets, total, strata)


def measure(suite: Suite, item_scores: Sequence[ItemScores]) -> SuiteMeans:
    """Compute the means of a suite by its rules.

    Args:
        suite: the suite.
        item_scores: the scores of each item of the suite, exactly once, in any order.

    Raises:
        ValueError: if an item has no scores, or a score belongs to no item.
    """
    return GradedSuite(suite, grade(suite, item_scores)).means()


def average(measurements: Mapping[str, Measurement], weights: Mapping[str, float]) -> stats.Mean | None:
    """Compute the weighted mean of the means that exist; None if none of them has a weight above 0."""
    terms: list[stats.Mean] = []
    term_weights: list[float] = []
    for name, measurement in measurements.items():
        if measurement.mean is not None and weights[name] > 0:
            terms.append(measurement.mean)
            term_weights.append(weights[name])
    return stats.weighted(terms, term_weights) if terms else None


def _strata(measurements: Mapping[str, Measurement], weights: Mapping[str, float]) -> dict[str, Stratum]:
    """Return the terms of `average`, with weights that sum to 1."""
    strata: dict[str, Stratum] = {}
    for name, measurement in measurements.items():
        if measurement.mean is not None and weights[name] > 0:
            strata[name] = Stratum(measurement.mean, weights[name])
    total = sum(stratum.weight for stratum in strata.values())
    return {name: replace(stratum, weight=stratum.weight / total) for name, stratum in strata.items()}


def _pair_mean(items: Sequence[GradedItem], units: Sequence[Unit], rule: Rule) -> stats.Mean | None:
    """Compute the mean of a subset by its credit rule; None if no item is labelled."""
    if rule.credit != "ties":
        return mean_of_units(units)
    rows = [(item.id, item.scores, item.num_correct) for item in items if item.is_labelled]
    return ties_mean(rows) if rows else None


def _f1_mean(items: Sequence[GradedItem]) -> stats.Mean | None:
    """Compute ProcessBench's F1: the harmonic mean of the accuracies on solutions with and without a wrong step.

    None if there are no solutions of one of the kinds.
    """
    errors = [item for item in items if item.first_error is not None and item.first_error >= 0]
    corrects = [item for item in items if item.first_error is not None and item.first_error < 0]
    error_mean, correct_mean = mean_of_units(item_units(errors)), mean_of_units(item_units(corrects))
    return stats.harmonic(error_mean, correct_mean) if error_mean and correct_mean else None


def _order_inconsistency(items: Sequence[GradedItem]) -> stats.Mean | None:
    """Compute the mean order inconsistency of the items that have one; None if there are none."""
    shares: list[float] = []
    clusters: list[Hashable] = []
    for item in items:
        if item.order_inconsistency is not None:
            shares.append(item.order_inconsistency)
            clusters.append(item.cluster)
    return stats.mean(shares, clusters) if shares else None


def pairable(first: SuiteMeans, second: SuiteMeans) -> tuple[SuiteMeans, SuiteMeans]:
    """Return the means of two models with contributions that can be subtracted cluster by cluster.

    That is so already, but for the F1 of solutions with labelled steps, which is not a sum over items.
    """
    first_sections, second_sections = first.metrics["pair"].sections, second.metrics["pair"].sections
    if not any(section.mean and section.mean.parts for section in first_sections.values()):
        return first, second
    pairs: tuple[dict[str, Measurement], dict[str, Measurement]] = ({}, {})
    for name, section in first_sections.items():
        other = second_sections[name]
        means = (section.mean, other.mean)
        if section.mean and other.mean:
            means = stats.pairable(section.mean, other.mean)
        pairs[0][name], pairs[1][name] = replace(section, mean=means[0]), replace(other, mean=means[1])
    return _with_pair(first, pairs[0]), _with_pair(second, pairs[1])


def _with_pair(means: SuiteMeans, sections: Mapping[str, Measurement]) -> SuiteMeans:
    pair = means.metrics["pair"]
    total = replace(pair.total, mean=average(sections, means.weights))
    strata: dict[tuple[str, str], Stratum] = {}
    for name, section in sections.items():
        if section.mean and means.weights[name] > 0:
            strata[name, ""] = Stratum(section.mean, means.weights[name])
    return replace(means, metrics={**means.metrics, "pair": MetricMeans(sections, pair.subsets, total, strata)})


def score_interval(means: SuiteMeans, metric: Metric | None = None) -> stats.Interval:
    """Compute the 95 % interval of the score by a cluster bootstrap within each section.

    If the subsets of a section have weights, clusters are resampled within each subset. A section in which all is right
    or all is wrong has no variance to resample: there the interval recovered from the limits of the sections, which
    stay uncertain, may widen it. Over four sections of 100 clusters the interval covers 94 to 95 % at scores from .6 to
    .95, and 98 % at .95 to .99.

    Args:
        means: the means of a run.
        metric: the metric of the total; by default that of the score.
    """
    metric = metric or means.headline
    total = means.total(metric)
    strata: list[stats.Mean] = []
    weights: list[float] = []
    for stratum in means.metrics[metric].strata.values():
        strata.append(stratum.mean)
        weights.append(stratum.weight)
    clusters = sum(len(mean.weights) for mean in strata)
    if clusters != len(total.weights) or any(mean.parts for mean in strata):
        return total.low, total.high  # strata share clusters, a mean has none, or one is no sum over clusters
    low, high = stats.bootstrap(strata, weights)
    if any(map(_has_no_variance, strata)):
        return min(low, total.low), max(high, total.high)
    return min(low, total.value), max(high, total.value)


def _has_no_variance(mean: stats.Mean) -> bool:
    return stats.sum_of_squares(mean.influences.values()) < stats.NO_VARIANCE
