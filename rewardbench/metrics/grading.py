"""Grade items by the rules of their suite.

An item whose scores are not all finite is unscored; it stays in the mean with credit 0.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from rewardbench.metrics.credit import credit, is_scored, is_tied, rule_of
from rewardbench.types import Item, ItemScores, Messages, Rule, Suite

HASH_BYTES = 6
"""Length of the hash of a completion: JSON readers with 64-bit floats read it exactly."""


@dataclass(frozen=True, slots=True)
class GradedItem:
    """An item's credit and flags without its texts, since all items of a dataset are in memory at once.

    `credit` is NaN for an item that is not labelled.
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
    scores: tuple[float, ...]
    credit: float
    tied: bool
    unscored: bool
    truncated: bool
    order_inconsistency: float | None
    hashes: tuple[int, ...] = ()
    """The hash of each completion, by which the items of a group are matched; only where groups are mirrors."""
    columns: tuple[tuple[str, str], ...] = ()
    """The columns by which the suite is broken down, with their values."""


def grade(suite: Suite, item_scores: Sequence[ItemScores]) -> list[GradedItem]:
    """Grade the items in the order of the suite."""
    by_id: dict[str, ItemScores] = {}
    for scores in item_scores:
        by_id[scores.id] = scores
    if len(by_id) != len(item_scores) or by_id.keys() != {item.id for item in suite.items}:
        raise ValueError(f"the scores are not those of {suite.name}: every item must have its scores once")
    graded: list[GradedItem] = []
    for item in suite.items:
        graded.append(_grade_item(item, by_id[item.id], rule_of(suite, item.subset), suite))
    return graded


def _grade_item(item: Item, item_scores: ItemScores, rule: Rule, suite: Suite) -> GradedItem:
    columns = [(name, column_value(item.meta, name)) for name in suite.breakdowns]
    is_mirrored = bool(item.group) and suite.headline == "mirror"
    return GradedItem(
        id=item.id,
        subset=item.subset,
        group=_group_of(item),
        cluster=cluster_of(item, suite),
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
