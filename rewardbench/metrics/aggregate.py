"""Credits in, estimates out: how a suite counts. No model and no text.

One rule holds in every suite: an item whose scores are not all finite is unscored. It stays in n, earns
nothing, and is counted beside every mean, so that failing can never raise a number.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum

from rewardbench import stats
from rewardbench.metrics.credit import credit, is_scored, is_tied, rule_of
from rewardbench.metrics.ties import ties_mean
from rewardbench.types import Estimate, Item, ItemScores, Rule, Suite


@dataclass(frozen=True)
class Summary:
    """The figures of one run; the fields are those of `Result`."""

    score: Estimate
    accuracy: Estimate
    sections: tuple[Estimate, ...]
    subsets: tuple[Estimate, ...]
    mirrors: tuple[Estimate, ...] = ()


@dataclass(frozen=True, slots=True)
class _Graded:
    """What an item's scores earned, without its texts: of a large dataset all are held at once while they are counted.

    `credit` is NaN where the item holds no preference, and then it is not `counted`.
    """

    id: str
    subset: str
    cluster: Hashable
    counted: bool
    num_correct: int
    built: bool
    scores: tuple[float, ...]
    credit: float
    tied: bool
    unscored: bool
    truncated: bool


@dataclass(frozen=True)
class Measured:
    """The means of one run, with what each cluster adds to them; None where there is nothing to count.

    `pair` and `mirror` are by section: the mean of its subsets, and the share of groups in which every item is right;
    the latter only of sections that count by mirrors. `totals` are their means over sections, by the suite's weights.
    """

    headline: str
    pair: Mapping[str, stats.Mean | None]
    mirror: Mapping[str, stats.Mean | None]
    totals: Mapping[str, stats.Mean | None]
    weights: Mapping[str, float]
    subsets: Mapping[str, stats.Mean | None]

    def present(self, metric: str) -> dict[str, stats.Mean]:
        """Section means by `pair` or `mirror`, of the sections that have one."""
        found = self.mirror if metric == "mirror" else self.pair
        return {section: mean for section, mean in found.items() if mean is not None}

    def total(self, metric: str) -> stats.Mean:
        """The mean over sections. Raises: ValueError where nothing holds a preference."""
        found = self.totals.get(metric)
        if found is None:
            raise ValueError(f"nothing is counted by {metric}")
        return found


class _Counted:
    """A suite with its graded items, sorted into subsets and sections."""

    def __init__(self, suite: Suite, item_scores: Sequence[ItemScores]) -> None:
        self.suite, self.graded = suite, _grade(suite, item_scores)
        self.subsets: dict[str, list[_Graded]] = {name: [] for name in suite.rules}
        for one in self.graded:
            self.subsets.setdefault(one.subset, []).append(one)
        self.rules = {name: rule_of(suite, name) for name in self.subsets}
        self.names: dict[str, list[str]] = {}
        for name, rule in self.rules.items():
            self.names.setdefault(rule.section, []).append(name)
        self.sections = {s: [one for name in of for one in self.subsets[name]] for s, of in self.names.items()}
        by_mirror = {r.section for r in self.rules.values() if suite.headline == "mirror" and r.credit == "strict"}
        self.mirrors = {section: _mirrors(self.sections[section]) for section in self.names if section in by_mirror}

    def measured(self) -> Measured:
        """Means of subsets, of sections, and of all."""
        subsets = {name: _subset_mean(items, self.rules[name]) for name, items in self.subsets.items()}
        weight = {name: _weight(self.rules[name], items) for name, items in self.subsets.items()}
        pair = {section: _average({n: subsets[n] for n in of}, weight) for section, of in self.names.items()}
        mirror = {section: _all_right(groups) for section, groups in self.mirrors.items()}
        weights = {section: self.suite.section_weights.get(section, 1.0) for section in self.names}
        totals = {"pair": _average(pair, weights)} | ({"mirror": _average(mirror, weights)} if mirror else {})
        return Measured("mirror" if mirror else "pair", pair, mirror, totals, weights, subsets)


def measure(suite: Suite, item_scores: Sequence[ItemScores]) -> Measured:
    """The means of a whole suite by its own rules; `item_scores` holds every item of it once, in any order."""
    return _Counted(suite, item_scores).measured()


def score_interval(found: Measured) -> stats.Interval:
    """The 95 % interval of the score: its clusters drawn anew within each section.

    Where a section has all right or all wrong, drawing it anew knows no doubt: then the limits of the sections, which
    do, may only widen it. Over four sections of 100 clusters it covers 94 to 95 % at .6 to .95, and 98 % at .95 to .99.
    """
    whole = found.total(found.headline)
    sections = {name: one for name, one in found.present(found.headline).items() if found.weights[name] > 0}
    if sum(len(one.mass) for one in sections.values()) != len(whole.mass):
        return whole.low, whole.high  # sections share clusters, or a figure has none
    low, high = stats.bootstrap(list(sections.values()), [found.weights[name] for name in sections])
    if any(fsum(pull * pull for pull in one.pulls.values()) < stats.NO_VARIANCE for one in sections.values()):
        return min(low, whole.low), max(high, whole.high)
    return min(low, whole.value), max(high, whole.value)


def summarize(suite: Suite, item_scores: Sequence[ItemScores]) -> Summary:
    """The same as figures, with what is to be counted beside each."""
    counted = _Counted(suite, item_scores)
    found, rules, sections, mirrors = counted.measured(), counted.rules, counted.sections, counted.mirrors
    pairs = [one for section in mirrors for one in sections[section]] if mirrors else counted.graded
    units = [group for groups in mirrors.values() for group in groups] or _singly(counted.graded)
    score = _estimate("score", found.totals[found.headline], units)
    if score.value is not None:
        low, high = score_interval(found)
        score = replace(score, low=low, high=high)
    return Summary(
        score=score,
        accuracy=_estimate("accuracy", _plain_mean(pairs), _singly(pairs)),
        sections=tuple(_estimate(s, found.pair[s], _singly(items), s) for s, items in sections.items()),
        subsets=tuple(_estimate(n, found.subsets[n], _singly(i), rules[n].section) for n, i in counted.subsets.items()),
        mirrors=tuple(_estimate(s, found.mirror[s], groups, s) for s, groups in mirrors.items()),
    )


def gap(
    core: Suite, core_scores: Sequence[ItemScores], fresh: Suite, fresh_scores: Sequence[ItemScores]
) -> tuple[Estimate, Estimate, Estimate]:
    """Mirror accuracy on the built mirrors of a suite, on a fresh draw of the same builders, and the difference.

    A model that was trained on the suite's own mirrors is better there than on new ones; one that was not has a gap
    whose interval holds 0.
    """
    built = [one for one in _grade(core, core_scores) if one.built]
    groups = _mirrors(built), _mirrors(_grade(fresh, fresh_scores))
    before, after = (_all_right(mirrors) for mirrors in groups)
    apart = stats.difference(before, after) if before and after else None
    return (
        _estimate("core", before, groups[0]),
        _estimate("fresh", after, groups[1]),
        _estimate("gap", apart, groups[1]),
    )


def _grade(suite: Suite, item_scores: Sequence[ItemScores]) -> list[_Graded]:
    by_id = {one.id: one for one in item_scores}
    if len(by_id) != len(item_scores) or by_id.keys() != {item.id for item in suite.items}:
        raise ValueError(f"the scores are not those of {suite.name}: every item must have its scores once")
    return [_grade_item(item, by_id[item.id], rule_of(suite, item.subset)) for item in suite.items]


def _grade_item(item: Item, found: ItemScores, rule: Rule) -> _Graded:
    return _Graded(
        id=item.id,
        subset=item.subset,
        cluster=("group", item.group) if item.group else ("item", item.id),
        counted=item.has_preference,
        num_correct=item.num_correct,
        built=item.meta.get("origin") == "built",
        scores=found.scores,
        credit=credit(item, found.scores, rule),
        tied=is_tied(item, found.scores, rule),
        unscored=not is_scored(found.scores),
        truncated=found.truncated,
    )


def _counted(items: Sequence[_Graded]) -> list[_Graded]:
    return [one for one in items if one.counted]


def _singly(items: Sequence[_Graded]) -> list[list[_Graded]]:
    return [[one] for one in items]


def _mirrors(items: Sequence[_Graded]) -> list[list[_Graded]]:
    groups: dict[Hashable, list[_Graded]] = {}
    for one in items:
        groups.setdefault(one.cluster, []).append(one)
    return list(groups.values())


def _weight(rule: Rule, items: Sequence[_Graded]) -> float:
    return rule.weight if rule.weight is not None else len(_counted(items))


def _subset_mean(items: Sequence[_Graded], rule: Rule) -> stats.Mean | None:
    if rule.credit != "ties":
        return _plain_mean(items)
    rows = [(one.id, one.scores, one.num_correct) for one in _counted(items)]
    return ties_mean(rows) if rows else None


def _plain_mean(items: Sequence[_Graded]) -> stats.Mean | None:
    counted = _counted(items)
    return stats.mean([one.credit for one in counted], [one.cluster for one in counted]) if counted else None


def _all_right(groups: Sequence[Sequence[_Graded]]) -> stats.Mean | None:
    """The share of groups in which every item is right."""
    counted = [group for group in map(_counted, groups) if group]
    right = [float(all(one.credit == 1 for one in group)) for group in counted]
    return stats.mean(right, [group[0].cluster for group in counted]) if counted else None


def _average(means: Mapping[str, stats.Mean | None], weights: Mapping[str, float]) -> stats.Mean | None:
    """The weighted mean over those present; None where none is, or none weighs anything."""
    present = [(m, weights[name]) for name, m in means.items() if m is not None and weights[name] > 0]
    return stats.weighted([m for m, _ in present], [w for _, w in present]) if present else None


def _estimate(name: str, found: stats.Mean | None, units: Sequence[Sequence[_Graded]], section: str = "") -> Estimate:
    """A figure over units, which are items or mirrors; a mirror is tied, unscored or truncated if an item of it is."""
    return Estimate(
        name=name,
        n=sum(bool(_counted(unit)) for unit in units),
        value=found.value if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        ties=sum(any(one.tied for one in unit) for unit in units),
        unscored=sum(any(one.unscored for one in unit) for unit in units),
        truncated=sum(any(one.truncated for one in unit) for unit in units),
        section=section,
    )
