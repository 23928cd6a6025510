"""Notice scores that depend on no text: random numbers, and numbers made from the labels.

Two items of a mirror share their responses, and their prompts differ in a detail. Every model that reads the texts
gives such items similar means, however well it chooses between the responses; random numbers have independent means.
"""

from __future__ import annotations

import numpy as np

from rewardbench.leaderboard.profiles import Profile, ScoreLayout
from rewardbench.leaderboard.submissions.similarity import rank_correlation

FEWEST_PAIRS = 100
"""Minimum number of pairs of items with the same responses."""
LEAST_CONSISTENT = 0.25
"""Minimum correlation of the means of such items. Models, also untrained ones, have at least 0.5."""


def consistency(target: Profile) -> float | None:
    """Return the correlation of the mean scores of items that share their responses; None if it cannot be computed.

    Args:
        target: the result.
    """
    layout = target.layout
    if not layout.items:
        return None
    pairs = np.unique(layout.item_of[layout.repeated_responses], axis=0)
    first, second = _means(target.normal_scores, layout)[pairs].T
    spread = target.normal_scores.std()
    if len(pairs) < FEWEST_PAIRS or min(first.std(), second.std()) <= 0.05 * spread:
        return None  # pairwise models score the completions of an item against each other
    return float(np.corrcoef(first, second)[0, 1])


def text_correlation(values: np.ndarray, layout: ScoreLayout) -> float | None:
    """Return how much values depend on the texts of the responses: about 0 for noise, up to 1.

    It is the rank correlation of a response's values in the two items of a mirror, after the mean of each item is
    subtracted; None if few items share their responses.

    Args:
        values: of each completion: [completions]; NaN if unknown.
        layout: their order.
    """
    centred = values - _means(values, layout)[layout.item_of]
    pairs = centred[layout.repeated_responses]
    pairs = pairs[np.isfinite(pairs).all(1)]
    if len(pairs) < 2 * FEWEST_PAIRS:
        return None
    return rank_correlation(pairs[:, 0], pairs[:, 1])


def _means(values: np.ndarray, layout: ScoreLayout) -> np.ndarray:
    """Return the mean of the values of each item: [items]."""
    means: np.ndarray = np.add.reduceat(values, layout.starts) / np.bincount(layout.item_of)
    return means
