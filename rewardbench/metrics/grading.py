"""Grade items by the rules of their suite, and compute means of the grades.

An item whose scores are not all finite is unscored; it stays in the mean with credit 0.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from rewardbench import stats
from rewardbench.metrics.credit import credit, is_scored, is_tied, rule_of
from rewardbench.metrics.ties import ties_mean
from rewardbench.types import Item, ItemScores, Rule, Suite


@dataclass(frozen=True, slots=True)
class GradedItem:
    """An item's credit and flags without its texts, since all items of a dataset are in memory at once.

    `credit` is NaN for an item that is not labelled.
    """

    id: str
    subset: str
    cluster: Hashable
    is_labelled: bool
    num_correct: int
    first_error: int | None
    built: bool
    scores: tuple[float, ...]
    credit: float
    tied: bool
    unscored: bool
    truncated: bool
    order_inconsistency: float | None


def grade(suite: Suite, item_scores: Sequence[ItemScores]) -> list[GradedItem]:
    """Grade the items in the order of the suite."""
    by_id: dict[str, ItemScores] = {}
    for scores in item_scores:
        by_id[scores.id] = scores
    if len(by_id) != len(item_scores) or by_id.keys() != {item.id for item in suite.items}:
        raise ValueError(f"the scores are not those of {suite.name}: every item must have its scores once")
    graded: list[GradedItem] = []
    for item in suite.items:
        graded.append(_grade_item(item, by_id[item.id], rule_of(suite, item.subset)))
    return graded


def _grade_item(item: Item, item_scores: ItemScores, rule: Rule) -> GradedItem:
    return GradedItem(
        id=item.id,
        subset=item.subset,
        cluster=("group", item.group) if item.group else ("item", item.id),
        is_labelled=item.is_labelled,
        num_correct=item.num_correct,
        first_error=item.first_error,
        built=item.meta.get("origin") == "built",
        scores=item_scores.scores,
        credit=credit(item, item_scores.scores, rule, item_scores.step_scores),
        tied=is_tied(item, item_scores.scores, rule),
        unscored=not is_scored(item_scores.scores),
        truncated=item_scores.truncated,
        order_inconsistency=item_scores.order_inconsistency,
    )


def labelled_items(items: Sequence[GradedItem]) -> list[GradedItem]:
    """Return the items with a preference or with labelled steps."""
    return [item for item in items if item.is_labelled]


def singletons(items: Sequence[GradedItem]) -> list[list[GradedItem]]:
    """Return each item as a group of its own."""
    return [[item] for item in items]


def group_mirrors(items: Sequence[GradedItem]) -> list[list[GradedItem]]:
    """Group items by cluster, in the order in which the clusters first occur."""
    groups: dict[Hashable, list[GradedItem]] = {}
    for item in items:
        groups.setdefault(item.cluster, []).append(item)
    return list(groups.values())


def subset_mean(items: Sequence[GradedItem], rule: Rule) -> stats.Mean | None:
    """Compute the mean of a subset by its credit rule; None if no item is labelled."""
    if rule.credit != "ties":
        return plain_mean(items)
    rows = [(item.id, item.scores, item.num_correct) for item in labelled_items(items)]
    return ties_mean(rows) if rows else None


def plain_mean(items: Sequence[GradedItem]) -> stats.Mean | None:
    """Compute the mean credit of the labelled items; None if there are none."""
    credits: list[float] = []
    clusters: list[Hashable] = []
    for item in labelled_items(items):
        credits.append(item.credit)
        clusters.append(item.cluster)
    return stats.mean(credits, clusters) if credits else None


def order_inconsistency_mean(items: Sequence[GradedItem]) -> stats.Mean | None:
    """Compute the mean order inconsistency of the items that have one; None if there are none."""
    shares: list[float] = []
    clusters: list[Hashable] = []
    for item in items:
        if item.order_inconsistency is not None:
            shares.append(item.order_inconsistency)
            clusters.append(item.cluster)
    return stats.mean(shares, clusters) if shares else None


def f1_mean(items: Sequence[GradedItem]) -> stats.Mean | None:
    """Compute ProcessBench's F1: the harmonic mean of the accuracies on solutions with and without a wrong step.

    None if there are no solutions of one of the kinds.
    """
    errors = [item for item in items if item.first_error is not None and item.first_error >= 0]
    corrects = [item for item in items if item.first_error is not None and item.first_error < 0]
    error_mean, correct_mean = plain_mean(errors), plain_mean(corrects)
    return stats.harmonic(error_mean, correct_mean) if error_mean and correct_mean else None


def mirror_mean(groups: Sequence[Sequence[GradedItem]]) -> stats.Mean | None:
    """Compute the share of groups in which every item is right; None if no item is labelled."""
    credits: list[float] = []
    clusters: list[Hashable] = []
    for items in map(labelled_items, groups):
        if items:
            all_right = all(item.credit == 1 for item in items)
            credits.append(float(all_right))
            clusters.append(items[0].cluster)
    return stats.mean(credits, clusters) if credits else None
