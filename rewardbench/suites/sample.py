"""Sample clusters of a suite from all of its subsets, for checks that run often."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable
from dataclasses import replace

from rewardbench.errors import InputError
from rewardbench.types import Item, Suite


def stratify(suite: Suite, items: int, seed: int = 0) -> Suite:
    """Sample about `items` items: each subset in proportion (at least one cluster), clusters complete.

    The sample depends on the seed and the ids only, and is recorded in the revision. A suite with no more items is
    returned unchanged.
    """
    if items < 1:
        raise InputError(f"The sample size is {items}: pass at least 1 item.")
    if items >= len(suite.items):
        return suite
    sampled: set[str] = set()
    for subset, clusters in _clusters(suite.items).items():
        order = sorted(clusters, key=str)
        random.Random(f"{seed} {subset}".encode("utf-8", "surrogatepass")).shuffle(order)
        target = items * sum(map(len, clusters.values())) / len(suite.items)
        size = 0
        for key in order:
            if size and size + len(clusters[key]) / 2 > target:
                break
            sampled.update(clusters[key])
            size += len(clusters[key])
    sample = tuple(item for item in suite.items if item.id in sampled)
    return replace(suite, items=sample, revision=f"{suite.revision}+sample={len(sample)},seed={seed}")


def _clusters(items: Iterable[Item]) -> dict[str, dict[Hashable, list[str]]]:
    """Group the item ids of each subset by cluster."""
    clusters: dict[str, dict[Hashable, list[str]]] = {}
    for item in items:
        key = ("group", item.group) if item.group else ("item", item.id)
        clusters.setdefault(item.subset, {}).setdefault(key, []).append(item.id)
    return clusters
