"""A few clusters of a suite, from all of its subsets: for checks that are run often."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable
from dataclasses import replace

from rewardbench.errors import InputError
from rewardbench.types import Item, Suite


def stratify(suite: Suite, items: int, seed: int = 0) -> Suite:
    """About so many items, each subset with its share (and one cluster at least), clusters whole.

    The draw depends on the seed and the ids alone, and stands in the revision. A suite that has no more is its own
    sample.
    """
    if items < 1:
        raise InputError(f"A sample of {items} items is none: pass at least 1.")
    if items >= len(suite.items):
        return suite
    chosen: set[str] = set()
    for subset, clusters in _clusters(suite.items).items():
        order = sorted(clusters, key=str)
        random.Random(f"{seed} {subset}".encode("utf-8", "surrogatepass")).shuffle(order)
        wanted = items * sum(map(len, clusters.values())) / len(suite.items)
        taken = 0
        for key in order:
            if taken and taken + len(clusters[key]) / 2 > wanted:
                break
            chosen.update(clusters[key])
            taken += len(clusters[key])
    kept = tuple(item for item in suite.items if item.id in chosen)
    return replace(suite, items=kept, revision=f"{suite.revision}+sample={len(kept)},seed={seed}")


def _clusters(items: Iterable[Item]) -> dict[str, dict[Hashable, list[str]]]:
    """Of each subset its clusters, by the ids of their items."""
    found: dict[str, dict[Hashable, list[str]]] = {}
    for item in items:
        key = ("group", item.group) if item.group else ("item", item.id)
        found.setdefault(item.subset, {}).setdefault(key, []).append(item.id)
    return found
