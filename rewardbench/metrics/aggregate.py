"""Aggregate the credits of items into the estimates of a suite.

One rule holds in every suite: an item whose scores are not all finite is unscored. It stays in n with credit 0, and
every mean reports the number of unscored items, so that a failure never raises a score.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import fsum

from rewardbench import stats
from rewardbench.metrics.credit import credit, is_scored, is_tied, rule_of
from rewardbench.metrics.ties import ties_mean
from rewardbench.types import Estimate, Item, ItemScores, Rule, Suite


@dataclass(frozen=True)
class Summary:
    """The estimates of one run; the fields are those of `Result`."""

    score: Estimate
    accuracy: Estimate
    sections: tuple[Estimate, ...]
    subsets: tuple[Estimate, ...]
    mirrors: tuple[Estimate, ...] = ()


@dataclass(frozen=True, slots=True)
class _Graded:
    """An item's credit and flags without its texts, since all items of a dataset are in memory at once.

    `credit` is NaN for an item without a preference, and `has_preference` is False then.
    """

    id: str
    subset: str
    cluster: Hashable
    has_preference: bool
    num_correct: int
    built: bool
    scores: tuple[float, ...]
    credit: float
    tied: bool
    unscored: bool
    truncated: bool


@dataclass(frozen=True)
class SuiteMeans:
    """The means of one run, with the contribution of each cluster; None where no item has a preference.

    Attributes:
        headline: the metric of the score: `pair` or `mirror`.
        pair: by section, the weighted mean of its subsets.
        mirror: by section, the share of mirrors in which every item is right; only sections that count by mirrors.
        totals: by metric, the mean over sections by the suite's weights.
        weights: weight of each section.
        subsets: the mean of each subset.
    """

    headline: str
    pair: Mapping[str, stats.Mean | None]
    mirror: Mapping[str, stats.Mean | None]
    totals: Mapping[str, stats.Mean | None]
    weights: Mapping[str, float]
    subsets: Mapping[str, stats.Mean | None]

    def present(self, metric: str) -> dict[str, stats.Mean]:
        """Return the section means by `pair` or `mirror`, of the sections that have one."""
        means = self.mirror if metric == "mirror" else self.pair
        return {section: mean for section, mean in means.items() if mean is not None}

    def total(self, metric: str) -> stats.Mean:
        """Return the mean over sections.

        Raises:
            ValueError: if no item has a preference.
        """
        mean = self.totals.get(metric)
        if mean is None:
            raise ValueError(f"nothing is counted by {metric}")
        return mean


class _SuiteCredits:
    """A suite with its graded items, sorted into subsets and sections."""

    def __init__(self, suite: Suite, item_scores: Sequence[ItemScores]) -> None:
        self.suite, self.graded = suite, _grade(suite, item_scores)
        self.subsets: dict[str, list[_Graded]] = {name: [] for name in suite.rules}
        for item in self.graded:
            self.subsets.setdefault(item.subset, []).append(item)
        self.rules = {name: rule_of(suite, name) for name in self.subsets}
        self.names: dict[str, list[str]] = {}
        for name, rule in self.rules.items():
            self.names.setdefault(rule.section, []).append(name)
        self.sections = {section: self._items_of(names) for section, names in self.names.items()}
        strict = {rule.section for rule in self.rules.values() if rule.credit == "strict"}
        by_mirror = strict if suite.headline == "mirror" else set()
        self.mirrors = {section: _mirrors(self.sections[section]) for section in self.names if section in by_mirror}

    def _items_of(self, names: Sequence[str]) -> list[_Graded]:
        return [item for name in names for item in self.subsets[name]]

    def averages(self) -> SuiteMeans:
        """Compute the means of subsets, of sections, and the totals."""
        subsets = {name: _subset_mean(items, self.rules[name]) for name, items in self.subsets.items()}
        subset_weights = {name: _weight(self.rules[name], items) for name, items in self.subsets.items()}
        pair: dict[str, stats.Mean | None] = {}
        for section, names in self.names.items():
            pair[section] = _average({name: subsets[name] for name in names}, subset_weights)
        mirror = {section: _all_right(groups) for section, groups in self.mirrors.items()}
        weights = {section: self.suite.section_weights.get(section, 1.0) for section in self.names}
        totals = {"pair": _average(pair, weights)}
        if mirror:
            totals["mirror"] = _average(mirror, weights)
        return SuiteMeans("mirror" if mirror else "pair", pair, mirror, totals, weights, subsets)


def measure(suite: Suite, item_scores: Sequence[ItemScores]) -> SuiteMeans:
    """Compute the means of a suite by its rules.

    Args:
        suite: the suite.
        item_scores: the scores of each item of the suite, exactly once, in any order.

    Raises:
        ValueError: if an item has no scores, or a score belongs to no item.
    """
    return _SuiteCredits(suite, item_scores).averages()


def score_interval(means: SuiteMeans) -> stats.Interval:
    """Compute the 95 % interval of the score by a cluster bootstrap within each section.

    A section in which all is right or all is wrong has no variance to resample: there the interval recovered from the
    limits of the sections, which stay uncertain, may widen it. Over four sections of 100 clusters the interval covers
    94 to 95 % at scores from .6 to .95, and 98 % at .95 to .99.
    """
    total = means.total(means.headline)
    by_name = means.present(means.headline)
    sections = {name: mean for name, mean in by_name.items() if means.weights[name] > 0}
    if sum(len(mean.weights) for mean in sections.values()) != len(total.weights):
        return total.low, total.high  # sections share clusters, or a mean has none
    low, high = stats.bootstrap(list(sections.values()), [means.weights[name] for name in sections])
    if any(_has_no_variance(mean) for mean in sections.values()):
        return min(low, total.low), max(high, total.high)
    return min(low, total.value), max(high, total.value)


def _has_no_variance(mean: stats.Mean) -> bool:
    return fsum(influence * influence for influence in mean.influences.values()) < stats.NO_VARIANCE


def summarize(suite: Suite, item_scores: Sequence[ItemScores]) -> Summary:
    """Compute the estimates of a suite, each with its counts; see `measure` for the arguments."""
    credits = _SuiteCredits(suite, item_scores)
    means, rules, sections, mirrors = credits.averages(), credits.rules, credits.sections, credits.mirrors
    pairs = list(chain.from_iterable(sections[section] for section in mirrors)) if mirrors else credits.graded
    units = list(chain.from_iterable(mirrors.values())) or _singletons(credits.graded)
    score = _estimate("score", means.totals[means.headline], units)
    if score.value is not None:
        low, high = score_interval(means)
        score = replace(score, low=low, high=high)
    return Summary(
        score=score,
        accuracy=_estimate("accuracy", _plain_mean(pairs), _singletons(pairs)),
        sections=tuple(
            _estimate(section, means.pair[section], _singletons(items), section) for section, items in sections.items()
        ),
        subsets=tuple(
            _estimate(name, means.subsets[name], _singletons(items), rules[name].section)
            for name, items in credits.subsets.items()
        ),
        mirrors=tuple(
            _estimate(section, means.mirror[section], groups, section) for section, groups in mirrors.items()
        ),
    )


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
    core_groups = _mirrors([item for item in _grade(core, core_scores) if item.built])
    fresh_groups = _mirrors(_grade(fresh, fresh_scores))
    core_mean, fresh_mean = _all_right(core_groups), _all_right(fresh_groups)
    difference = stats.difference(core_mean, fresh_mean) if core_mean and fresh_mean else None
    return (
        _estimate("core", core_mean, core_groups),
        _estimate("fresh", fresh_mean, fresh_groups),
        _estimate("gap", difference, fresh_groups),
    )


def _grade(suite: Suite, item_scores: Sequence[ItemScores]) -> list[_Graded]:
    """Grade the items in the order of the suite."""
    by_id = {scores.id: scores for scores in item_scores}
    if len(by_id) != len(item_scores) or by_id.keys() != {item.id for item in suite.items}:
        raise ValueError(f"the scores are not those of {suite.name}: every item must have its scores once")
    return [_grade_item(item, by_id[item.id], rule_of(suite, item.subset)) for item in suite.items]


def _grade_item(item: Item, item_scores: ItemScores, rule: Rule) -> _Graded:
    return _Graded(
        id=item.id,
        subset=item.subset,
        cluster=("group", item.group) if item.group else ("item", item.id),
        has_preference=item.has_preference,
        num_correct=item.num_correct,
        built=item.meta.get("origin") == "built",
        scores=item_scores.scores,
        credit=credit(item, item_scores.scores, rule),
        tied=is_tied(item, item_scores.scores, rule),
        unscored=not is_scored(item_scores.scores),
        truncated=item_scores.truncated,
    )


def _with_preference(items: Sequence[_Graded]) -> list[_Graded]:
    return [item for item in items if item.has_preference]


def _singletons(items: Sequence[_Graded]) -> list[list[_Graded]]:
    return [[item] for item in items]


def _mirrors(items: Sequence[_Graded]) -> list[list[_Graded]]:
    groups: dict[Hashable, list[_Graded]] = {}
    for item in items:
        groups.setdefault(item.cluster, []).append(item)
    return list(groups.values())


def _weight(rule: Rule, items: Sequence[_Graded]) -> float:
    return rule.weight if rule.weight is not None else len(_with_preference(items))


def _subset_mean(items: Sequence[_Graded], rule: Rule) -> stats.Mean | None:
    if rule.credit != "ties":
        return _plain_mean(items)
    rows = [(item.id, item.scores, item.num_correct) for item in _with_preference(items)]
    return ties_mean(rows) if rows else None


def _plain_mean(items: Sequence[_Graded]) -> stats.Mean | None:
    preferences = _with_preference(items)
    if not preferences:
        return None
    return stats.mean([item.credit for item in preferences], [item.cluster for item in preferences])


def _all_right(groups: Sequence[Sequence[_Graded]]) -> stats.Mean | None:
    """Compute the share of groups in which every item is right."""
    credits: list[float] = []
    clusters: list[Hashable] = []
    for items in map(_with_preference, groups):
        if items:
            credits.append(float(all(item.credit == 1 for item in items)))
            clusters.append(items[0].cluster)
    return stats.mean(credits, clusters) if credits else None


def _average(means: Mapping[str, stats.Mean | None], weights: Mapping[str, float]) -> stats.Mean | None:
    """Compute the weighted mean of the means that exist; None if none of them has a weight above 0."""
    present = [(m, weights[name]) for name, m in means.items() if m is not None and weights[name] > 0]
    return stats.weighted([m for m, _ in present], [w for _, w in present]) if present else None


def _estimate(name: str, mean: stats.Mean | None, units: Sequence[Sequence[_Graded]], section: str = "") -> Estimate:
    """Build an estimate over units (items or mirrors); a mirror is tied, unscored or truncated if an item is."""
    return Estimate(
        name=name,
        n=sum(bool(_with_preference(unit)) for unit in units),
        value=mean.value if mean else None,
        low=mean.low if mean else None,
        high=mean.high if mean else None,
        ties=sum(any(item.tied for item in unit) for unit in units),
        unscored=sum(any(item.unscored for item in unit) for unit in units),
        truncated=sum(any(item.truncated for item in unit) for unit in units),
        section=section,
    )
