"""Notice scores that depend on no text: random numbers, and numbers made from the labels.

Two items of a mirror share their responses, and their prompts differ in a detail. Every model that reads the texts
gives such items similar means, however well it chooses between the responses; random numbers have independent means.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from rewardbench.leaderboard.profiles import Profile, ScoreLayout
from rewardbench.types import Suite

FEWEST_PAIRS = 100
"""Minimum number of pairs of items with the same responses."""
LEAST_CONSISTENT = 0.25
"""Minimum correlation of the means of such items. Models, also untrained ones, have at least 0.5."""


def consistency(target: Profile, suite: Suite) -> float | None:
    """Return the correlation of the mean scores of items that share their responses; None if it cannot be computed.

    Args:
        target: the result.
        suite: its suite, with texts.
    """
    if not target.layout.items:
        return None
    pairs = np.array(list(_pairs_of(target.layout, suite)), dtype=int).reshape(-1, 2)
    means = np.add.reduceat(target.normal_scores, target.layout.starts) / np.bincount(target.layout.item_of)
    first, second = means[pairs[:, 0]], means[pairs[:, 1]]
    spread = target.normal_scores.std()
    if len(pairs) < FEWEST_PAIRS or min(first.std(), second.std()) <= 0.05 * spread:
        return None  # pairwise models score the completions of an item against each other
    return float(np.corrcoef(first, second)[0, 1])


def _pairs_of(layout: ScoreLayout, suite: Suite) -> Iterator[tuple[int, int]]:
    """Yield the indices of two items of each group of items with the same responses."""
    texts: dict[str, tuple[str, frozenset[str]]] = {}
    for item in suite.items:
        responses = frozenset(str(completion[-1]["content"]) for completion in item.completions if completion)
        texts[item.id] = (item.group, responses)
    groups: dict[tuple[str, frozenset[str]], list[int]] = defaultdict(list)
    for n, item in enumerate(layout.items):
        group, responses = texts.get(item.id, ("", frozenset()))
        if group and len(responses) > 1:
            groups[group, responses].append(n)
    for members in groups.values():
        if len(members) > 1:
            yield members[0], members[1]
