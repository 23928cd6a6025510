"""Grade items by the rules of their suite.

An item whose scores are not all finite is unscored; it stays in the mean with credit 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from rewardbench.metrics.credit import decide, rule_of
from rewardbench.types import Item, ItemScores, Messages, Suite

HASH_BYTES = 6
"""Length of the hash of a completion: JSON readers with 64-bit floats read it exactly."""


@dataclass(slots=True)
class ItemFacts:
    """What the metrics need of an item besides its scores, without its texts.

    It is not frozen, since that would take most of the time of grading.
    """

    id: str
    subset: str
    group: Hashable
    """The mirror, square or style group of the item; an item without one is a group by itself."""
    cluster: Hashable
    """Items of one cluster are not independent: those of one template, or of one group."""
    is_labelled: bool
    num_correct: int
    first_error: int | None
    built: bool
    hashes: tuple[int, ...]
    """The hash of each completion, by which the items of a group are matched; only where groups are mirrors."""
    columns: tuple[tuple[str, str], ...]
    """The columns by which the suite is broken down, with their values."""


@dataclass(slots=True)
class GradedItem(ItemFacts):
    """An item's facts, credit and flags; all items of a dataset are in memory at once."""

    scores: tuple[float, ...]
    credit: float
    """NaN for an item that is not labelled."""
    tied: bool
    unscored: bool
    truncated: bool
    order_inconsistency: float | None


_values_of: Callable[[ItemFacts], Any] = attrgetter(*(field.name for field in fields(ItemFacts)))


def facts_of(suite: Suite) -> list[ItemFacts]:
    """Return the facts of each item of a suite: [items]."""
    return [_facts_of(item, suite) for item in suite.items]


def grade(
    suite: Suite, item_scores: Sequence[ItemScores], facts: Sequence[ItemFacts] | None = None
) -> list[GradedItem]:
    """Grade the items in the order of the suite.

    Args:
        suite: the suite.
        item_scores: the scores of each item of the suite, exactly once, in any order.
        facts: what `facts_of` returns for the suite, for callers that grade many models.

    Raises:
        ValueError: if an item has no scores, or a score belongs to no item.
    """
    by_id: dict[str, ItemScores] = {}
    for scores in item_scores:
        by_id[scores.id] = scores
    if len(by_id) != len(item_scores) or by_id.keys() != {item.id for item in suite.items}:
        raise ValueError(f"the scores are not those of {suite.name}: every item must have its scores once")
    subsets = {item.subset for item in suite.items}
    rules = {subset: rule_of(suite, subset) for subset in subsets}
    graded: list[GradedItem] = []
    for item, known in zip(suite.items, facts_of(suite) if facts is None else facts, strict=True):
        scores = by_id[item.id]
        outcome = decide(item, scores.scores, rules[item.subset], scores.step_scores)
        graded_values = (scores.scores, *outcome, scores.truncated, scores.order_inconsistency)
        values: tuple[Any, ...] = (*_values_of(known), *graded_values)
        graded.append(GradedItem(*values))
    return graded


def _facts_of(item: Item, suite: Suite) -> ItemFacts:
    columns = [(name, column_value(item.meta, name)) for name in suite.breakdowns]
    is_mirrored = bool(item.group) and suite.headline == "mirror"
    return ItemFacts(
        id=item.id,
        subset=item.subset,
        group=_group_of(item),
        cluster=cluster_of(item, suite),
        is_labelled=item.is_labelled,
        num_correct=item.num_correct,
        first_error=item.first_error,
        built=item.meta.get("origin") == "built",
        hashes=completion_hashes(item) if is_mirrored else (),
        columns=tuple(columns),
    )


def _group_of(item: Item) -> tuple[str, str]:
    return ("group", item.group) if item.group else ("item", item.id)


def cluster_of(item: Item, suite: Suite) -> tuple[str, str]:
    """Return the cluster of an item: the value of the suite's column of clusters, else its group, else the item."""
    cluster = column_value(item.meta, suite.cluster_by)
    return (suite.cluster_by, cluster) if cluster else _group_of(item)


def column_value(columns: Mapping[str, object], name: str) -> str:
    """Return a column of a row as text; empty if the row lacks it, or `name` is empty.

    >>> column_value({"rung": 2}, "rung"), column_value({"rung": None}, "rung"), column_value({}, "")
    ('2', '', '')
    """
    value = columns.get(name)
    return "" if value is None else str(value)


def completion_hashes(item: Item) -> tuple[int, ...]:
    """Return the hash of each completion of an item: those it was read with, else those of its texts.

    Completions that were rendered with their prompt have none.
    """
    return item.completion_hashes or (() if item.rendered else tuple(map(_hash_completion, item.completions)))


def _hash_completion(messages: Messages) -> int:
    """Hash a completion: the same number on every machine, equal for equal messages only."""
    content = json.dumps(messages, sort_keys=True, default=str).encode()
    return int.from_bytes(blake2b(content, digest_size=HASH_BYTES).digest())
