"""Aggregate the credits of items into the estimates of a suite.

One rule holds in every suite: an item whose scores are not all finite is unscored. It stays in n with credit 0, and
every mean reports the number of unscored items, so that a failure never raises a score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rewardbench import stats
from rewardbench.metrics.credit import rule_of
from rewardbench.metrics.grading import (
    GradedItem,
    f1_mean,
    grade,
    group_mirrors,
    labelled_items,
    mirror_mean,
    order_inconsistency_mean,
    plain_mean,
    singletons,
    subset_mean,
)
from rewardbench.types import Estimate, ItemScores, Rule, Suite


@dataclass(frozen=True)
class SuiteEstimates:
    """The estimates of one run; the fields are those of `Result`."""

    score: Estimate
    accuracy: Estimate
    sections: tuple[Estimate, ...]
    subsets: tuple[Estimate, ...]
    mirrors: tuple[Estimate, ...] = ()
    order_inconsistency: Estimate | None = None


@dataclass(frozen=True)
class SuiteMeans:
    """The means of one run, with the contribution of each cluster; None where no item is labelled.

    Attributes:
        headline: the metric of the score: `pair` or `mirror`.
        pair: by section, the weighted mean of its subsets; the F1 of solutions with labelled steps.
        mirror: by section, the share of mirrors in which every item is right; only sections that count by mirrors.
        totals: by metric, the mean over sections by the suite's weights.
        weights: weight of each section.
        subsets: the mean of each subset.
        order_inconsistency: of pairwise and listwise scorers, the share of items whose preferred completion changes
            with the order.
    """

    headline: str
    pair: Mapping[str, stats.Mean | None]
    mirror: Mapping[str, stats.Mean | None]
    totals: Mapping[str, stats.Mean | None]
    weights: Mapping[str, float]
    subsets: Mapping[str, stats.Mean | None]
    order_inconsistency: stats.Mean | None = None

    def section_means(self, metric: str) -> dict[str, stats.Mean]:
        """Return the section means by `pair` or `mirror`, of the sections that have one."""
        means = self.mirror if metric == "mirror" else self.pair
        return {section: mean for section, mean in means.items() if mean is not None}

    def total(self, metric: str) -> stats.Mean:
        """Return the mean over sections.

        Raises:
            ValueError: if no item is labelled.
        """
        mean = self.totals.get(metric)
        if mean is None:
            raise ValueError(f"there is no mean by {metric}: no labelled item counts")
        return mean


class _GradedSuite:
    """The graded items of a suite, by subset, by section, and by mirror of a section."""

    def __init__(self, suite: Suite, item_scores: Sequence[ItemScores]) -> None:
        self.section_weights = suite.section_weights
        self.items = grade(suite, item_scores)
        self.subsets: dict[str, list[GradedItem]] = {}
        for subset in suite.rules:
            self.subsets[subset] = []
        for item in self.items:
            self.subsets.setdefault(item.subset, []).append(item)
        self.rules: dict[str, Rule] = {}
        self.subset_names: dict[str, list[str]] = {}
        self.sections: dict[str, list[GradedItem]] = {}
        for subset, items in self.subsets.items():
            rule = rule_of(suite, subset)
            self.rules[subset] = rule
            self.subset_names.setdefault(rule.section, []).append(subset)
            self.sections.setdefault(rule.section, []).extend(items)
        self.mirrors: dict[str, list[list[GradedItem]]] = {}
        if suite.headline == "mirror":
            strict_sections = {rule.section for rule in self.rules.values() if rule.credit == "strict"}
            for section, items in self.sections.items():
                if section in strict_sections:
                    self.mirrors[section] = group_mirrors(items)

    def means(self) -> SuiteMeans:
        """Compute the means of subsets, of sections, and the totals."""
        subset_means: dict[str, stats.Mean | None] = {}
        subset_weights: dict[str, float] = {}
        for subset, items in self.subsets.items():
            subset_means[subset] = subset_mean(items, self.rules[subset])
            subset_weights[subset] = _subset_weight(items, self.rules[subset])
        pair: dict[str, stats.Mean | None] = {}
        section_weights: dict[str, float] = {}
        for section, subsets in self.subset_names.items():
            if all(self.rules[subset].credit == "first_error" for subset in subsets):
                pair[section] = f1_mean(self.sections[section])
            else:
                pair[section] = _average({subset: subset_means[subset] for subset in subsets}, subset_weights)
            section_weights[section] = self.section_weights.get(section, 1.0)
        totals = {"pair": _average(pair, section_weights)}
        mirror: dict[str, stats.Mean | None] = {}
        for section, groups in self.mirrors.items():
            mirror[section] = mirror_mean(groups)
        if mirror:
            totals["mirror"] = _average(mirror, section_weights)
        headline = "mirror" if mirror else "pair"
        order = order_inconsistency_mean(self.items)
        return SuiteMeans(headline, pair, mirror, totals, section_weights, subset_means, order)


def measure(suite: Suite, item_scores: Sequence[ItemScores]) -> SuiteMeans:
    """Compute the means of a suite by its rules.

    Args:
        suite: the suite.
        item_scores: the scores of each item of the suite, exactly once, in any order.

    Raises:
        ValueError: if an item has no scores, or a score belongs to no item.
    """
    return _GradedSuite(suite, item_scores).means()


def pairable(first: SuiteMeans, second: SuiteMeans) -> tuple[SuiteMeans, SuiteMeans]:
    """Return the means of two models with contributions that can be subtracted cluster by cluster.

    That is so already, but for the F1 of solutions with labelled steps, which is not a sum over items.
    """
    if not any(mean and mean.parts for mean in first.pair.values()):
        return first, second
    pairs: tuple[dict[str, stats.Mean | None], dict[str, stats.Mean | None]] = ({}, {})
    for section, mean in first.pair.items():
        other = second.pair.get(section)
        both = stats.pairable(mean, other) if mean and other else (mean, other)
        pairs[0][section], pairs[1][section] = both
    return _with_pair(first, pairs[0]), _with_pair(second, pairs[1])


def _with_pair(means: SuiteMeans, pair: Mapping[str, stats.Mean | None]) -> SuiteMeans:
    totals = {**means.totals, "pair": _average(pair, means.weights)}
    return replace(means, pair=pair, totals=totals)


def score_interval(means: SuiteMeans) -> stats.Interval:
    """Compute the 95 % interval of the score by a cluster bootstrap within each section.

    A section in which all is right or all is wrong has no variance to resample: there the interval recovered from the
    limits of the sections, which stay uncertain, may widen it. Over four sections of 100 clusters the interval covers
    94 to 95 % at scores from .6 to .95, and 98 % at .95 to .99.
    """
    total = means.total(means.headline)
    section_means: list[stats.Mean] = []
    section_weights: list[float] = []
    clusters = 0
    for section, mean in means.section_means(means.headline).items():
        if means.weights[section] > 0:
            section_means.append(mean)
            section_weights.append(means.weights[section])
            clusters += len(mean.weights)
    if clusters != len(total.weights) or any(mean.parts for mean in section_means):
        return total.low, total.high  # sections share clusters, a mean has none, or one is no sum over clusters
    low, high = stats.bootstrap(section_means, section_weights)
    if any(map(_has_no_variance, section_means)):
        return min(low, total.low), max(high, total.high)
    return min(low, total.value), max(high, total.value)


def _has_no_variance(mean: stats.Mean) -> bool:
    return stats.sum_of_squares(mean.influences.values()) < stats.NO_VARIANCE


def summarize(suite: Suite, item_scores: Sequence[ItemScores]) -> SuiteEstimates:
    """Compute the estimates of a suite, each with its counts; see `measure` for the arguments."""
    graded = _GradedSuite(suite, item_scores)
    means = graded.means()
    return SuiteEstimates(
        score=_score_estimate(graded, means),
        accuracy=_accuracy_estimate(graded),
        sections=tuple(_section_estimates(graded, means)),
        subsets=tuple(_subset_estimates(graded, means)),
        mirrors=tuple(_mirror_estimates(graded, means)),
        order_inconsistency=_order_estimate(graded, means),
    )


def _score_estimate(graded: _GradedSuite, means: SuiteMeans) -> Estimate:
    """Build the headline; its units are the mirrors of a suite that counts by mirrors, else the items."""
    mirrors: list[list[GradedItem]] = []
    for groups in graded.mirrors.values():
        mirrors += groups
    score = _estimate("score", means.totals[means.headline], mirrors or singletons(graded.items))
    if score.value is None:
        return score
    low, high = score_interval(means)
    return replace(score, low=low, high=high)


def _accuracy_estimate(graded: _GradedSuite) -> Estimate:
    """Build the plain accuracy, over the sections with mirrors if there are any, else over all items."""
    items: list[GradedItem] = []
    for section in graded.mirrors:
        items += graded.sections[section]
    items = items if graded.mirrors else graded.items
    return _estimate("accuracy", plain_mean(items), singletons(items))


def _section_estimates(graded: _GradedSuite, means: SuiteMeans) -> Iterator[Estimate]:
    for section, items in graded.sections.items():
        yield _estimate(section, means.pair[section], singletons(items), section)


def _subset_estimates(graded: _GradedSuite, means: SuiteMeans) -> Iterator[Estimate]:
    for subset, items in graded.subsets.items():
        section = graded.rules[subset].section
        yield _estimate(subset, means.subsets[subset], singletons(items), section)


def _mirror_estimates(graded: _GradedSuite, means: SuiteMeans) -> Iterator[Estimate]:
    for section, groups in graded.mirrors.items():
        yield _estimate(section, means.mirror[section], groups, section)


def _order_estimate(graded: _GradedSuite, means: SuiteMeans) -> Estimate | None:
    """Build the order inconsistency over the items scored in both orders; None for scorers that are not pairwise."""
    mean = means.order_inconsistency
    if mean is None:
        return None
    n = sum(item.order_inconsistency is not None for item in graded.items)
    return Estimate("order_inconsistency", n, mean.value, mean.low, mean.high)


def gap(
    core: Suite, core_scores: Sequence[ItemScores], fresh: Suite, fresh_scores: Sequence[ItemScores]
) -> tuple[Estimate, Estimate, Estimate]:
    """Compute the mirror accuracy on a suite's built mirrors and on fresh ones, and the difference.

    A model that was trained on the mirrors of the suite is better there than on fresh mirrors; for any other model
    the interval of the gap holds 0.

    Args:
        core: the suite.
        core_scores: the scores of its items.
        fresh: a suite from the same builders with another seed.
        fresh_scores: the scores of its items.

    Returns:
        The estimates of core, fresh, and core minus fresh.
    """
    built_items = [item for item in grade(core, core_scores) if item.built]
    core_groups = group_mirrors(built_items)
    fresh_groups = group_mirrors(grade(fresh, fresh_scores))
    core_mean, fresh_mean = mirror_mean(core_groups), mirror_mean(fresh_groups)
    difference = stats.difference(core_mean, fresh_mean) if core_mean and fresh_mean else None
    return (
        _estimate("core", core_mean, core_groups),
        _estimate("fresh", fresh_mean, fresh_groups),
        _estimate("gap", difference, fresh_groups),
    )


def _subset_weight(items: Sequence[GradedItem], rule: Rule) -> float:
    """Return the weight of a subset: that of its rule, by default the number of labelled items."""
    return rule.weight if rule.weight is not None else len(labelled_items(items))


def _average(means: Mapping[str, stats.Mean | None], weights: Mapping[str, float]) -> stats.Mean | None:
    """Compute the weighted mean of the means that exist; None if none of them has a weight above 0."""
    terms: list[stats.Mean] = []
    term_weights: list[float] = []
    for name, mean in means.items():
        if mean is not None and weights[name] > 0:
            terms.append(mean)
            term_weights.append(weights[name])
    return stats.weighted(terms, term_weights) if terms else None


def _estimate(name: str, mean: stats.Mean | None, units: Sequence[Sequence[GradedItem]], section: str = "") -> Estimate:
    """Build an estimate over units (items or mirrors); a mirror is tied, unscored or truncated if an item is."""
    n = ties = unscored = truncated = 0
    for unit in units:
        n += any(item.is_labelled for item in unit)
        ties += any(item.tied for item in unit)
        unscored += any(item.unscored for item in unit)
        truncated += any(item.truncated for item in unit)
    return Estimate(
        name=name,
        n=n,
        value=mean.value if mean else None,
        low=mean.low if mean else None,
        high=mean.high if mean else None,
        ties=ties,
        unscored=unscored,
        truncated=truncated,
        section=section,
    )
