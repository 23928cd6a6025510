"""Aggregate the credits of items into the estimates of a suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rewardbench import stats
from rewardbench.metrics.breakdowns import break_down
from rewardbench.metrics.grading import GradedItem, grade
from rewardbench.metrics.means import GradedSuite, Measurement, SuiteMeans, score_interval
from rewardbench.metrics.units import estimate, group_items, mean_of_units, mirror_units
from rewardbench.types import Estimate, ItemScores, Metric, Suite


@dataclass(frozen=True)
class SuiteEstimates:
    """The estimates of one run; the fields are those of `Result`."""

    score: Estimate
    accuracy: Estimate
    sections: tuple[Estimate, ...]
    subsets: tuple[Estimate, ...]
    mirrors: tuple[Estimate, ...] = ()
    mirror_subsets: tuple[Estimate, ...] = ()
    turns: tuple[Estimate, ...] = ()
    breakdowns: tuple[Estimate, ...] = ()
    order_inconsistency: Estimate | None = None


def summarize(suite: Suite, item_scores: Sequence[ItemScores]) -> SuiteEstimates:
    """Compute the estimates of a suite, each with its counts; see `measure` for the arguments."""
    items = grade(suite, item_scores)
    means = GradedSuite(suite, items).means()
    pair = means.metrics["pair"]
    mirror = means.metrics.get("mirror")
    return SuiteEstimates(
        score=_total_estimate(means, means.headline),
        accuracy=estimate("accuracy", means.accuracy.mean, means.accuracy.units),
        sections=tuple(_estimates(pair.sections)),
        subsets=tuple(_estimates(pair.subsets)),
        mirrors=tuple(_estimates(mirror.sections)) if mirror else (),
        mirror_subsets=tuple(_estimates(mirror.subsets)) if mirror else (),
        turns=tuple(_turn_estimates(means)),
        breakdowns=tuple(break_down(suite, items)),
        order_inconsistency=_order_estimate(items, means),
    )


def _total_estimate(means: SuiteMeans, metric: Metric) -> Estimate:
    """Build the mean over sections by a metric; its units are the items, or the groups of the sections that count."""
    total = means.metrics[metric].total
    score = estimate("score", total.mean, total.units)
    if score.value is None:
        return score
    low, high = score_interval(means, metric)
    return replace(score, low=low, high=high)


def _estimates(measurements: Mapping[str, Measurement]) -> Iterator[Estimate]:
    for name, measured in measurements.items():
        yield estimate(name, measured.mean, measured.units, measured.section)


def _turn_estimates(means: SuiteMeans) -> Iterator[Estimate]:
    """Yield the turn accuracy over sections, named `score`, then that of sections and of subsets.

    A subset is left out if a section has its name, since `turn.NAME` is then that of the section.
    """
    if "turn" not in means.metrics:
        return
    turn = means.metrics["turn"]
    yield _total_estimate(means, "turn")
    yield from _estimates(turn.sections)
    for name, measured in turn.subsets.items():
        if measured.units and name not in turn.sections:
            yield estimate(name, measured.mean, measured.units, measured.section)


def _order_estimate(items: Sequence[GradedItem], means: SuiteMeans) -> Estimate | None:
    """Build the order inconsistency over the items scored in both orders; None for scorers that are not pairwise."""
    mean = means.order_inconsistency
    if mean is None:
        return None
    n = sum(item.order_inconsistency is not None for item in items)
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
    core_units = mirror_units(group_items(built_items))
    fresh_units = mirror_units(group_items(grade(fresh, fresh_scores)))
    core_mean, fresh_mean = mean_of_units(core_units), mean_of_units(fresh_units)
    difference = stats.difference(core_mean, fresh_mean) if core_mean and fresh_mean else None
    return (
        estimate("core", core_mean, core_units),
        estimate("fresh", fresh_mean, fresh_units),
        estimate("gap", difference, fresh_units),
    )
