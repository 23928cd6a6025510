"""Forge scores from those of stored models: copies, mixtures, corrected mistakes, labels and noise.

Used by scripts/copy_detection and by tests. A forger gets the scores of the stored models that it is to use, an array
of completions for each, and returns an array of completions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from rewardbench.leaderboard.profiles import Profile, ScoreLayout

Forger = Callable[[np.random.Generator, ScoreLayout, Sequence[np.ndarray]], np.ndarray]


def standardized(values: np.ndarray) -> np.ndarray:
    """Return values with mean 0 and standard deviation 1."""
    return (values - values.mean()) / (values.std() or 1.0)


def with_noise(chance: np.random.Generator, layout: ScoreLayout, values: np.ndarray, share: float) -> np.ndarray:
    """Add noise to scores: a share of the standard deviation of the margins."""
    spread = np.nanstd(Profile("", layout, values).margins)
    return values + share / np.sqrt(2) * spread * chance.standard_normal(len(values))


def with_score_noise(chance: np.random.Generator, layout: ScoreLayout, values: np.ndarray, share: float) -> np.ndarray:
    """Add noise to scores: a share of the standard deviation of the scores."""
    return values + share * values.std() * chance.standard_normal(len(values))


def times_per_item(chance: np.random.Generator, layout: ScoreLayout, values: np.ndarray) -> np.ndarray:
    """Multiply the scores of each item by a positive factor."""
    return values * np.exp(0.5 * chance.standard_normal(len(layout.items)))[layout.item_of]


def map_per_section(chance: np.random.Generator, layout: ScoreLayout, values: np.ndarray) -> np.ndarray:
    """Apply another increasing function in each section."""
    functions = (np.exp, np.cbrt, np.tanh, lambda x: 3 * x - 2, lambda x: x**3)
    section = layout.section_of[layout.item_of]
    mapped = np.empty(len(values))
    for n in range(len(layout.sections)):
        scale, shift = chance.uniform(0.5, 2), chance.standard_normal()
        mapped[section == n] = scale * functions[n % 5](standardized(values)[section == n]) + shift
    return mapped


def affine_per_section(chance: np.random.Generator, layout: ScoreLayout, values: np.ndarray) -> np.ndarray:
    """Scale and shift the scores of each section."""
    section = layout.section_of[layout.item_of]
    count = len(layout.sections)
    return values * chance.uniform(0.2, 5, count)[section] + chance.standard_normal(count)[section] * values.std()


def keep_order_only(chance: np.random.Generator, layout: ScoreLayout, values: np.ndarray) -> np.ndarray:
    """Replace the scores of each item by random ones in the same order."""
    drawn = chance.standard_normal(len(values))
    by_item = np.lexsort((values, layout.item_of))
    drawn_by_item = np.lexsort((drawn, layout.item_of))
    replaced = np.empty(len(values))
    replaced[by_item] = drawn[drawn_by_item]
    return replaced


def swap_near_ties(chance: np.random.Generator, layout: ScoreLayout, values: np.ndarray) -> np.ndarray:
    """Swap the scores of pairs with the smallest margins, two percent of the items."""
    margins = np.abs(Profile("", layout, values).margins)
    near = np.argsort(margins)[: len(margins) // 50]
    return swapped(layout, values, near)


def swapped(layout: ScoreLayout, values: np.ndarray, picked: np.ndarray) -> np.ndarray:
    """Swap the lowest right and the highest wrong score of some items."""
    changed = values.copy()
    for n in picked:
        start = layout.starts[n]
        end = start + len(layout.items[n].completions)
        right = start + layout.items[n].num_correct
        low, high = start + np.argmin(values[start:right]), right + np.argmax(values[right:end])
        changed[[low, high]] = changed[[high, low]]
    return changed


def turned(chance: np.random.Generator, layout: ScoreLayout, values: np.ndarray, share: float = 0.2) -> np.ndarray:
    """Correct a share of the mistakes of a model by swapping scores."""
    wrong = np.flatnonzero(Profile("", layout, values).margins <= 0)
    return swapped(layout, values, chance.choice(wrong, round(share * len(wrong)), replace=False))


def quantised(values: np.ndarray, levels: int) -> np.ndarray:
    """Round scores to a few levels between their 1st and 99th percentile."""
    low, high = np.quantile(values, [0.01, 0.99])
    return np.round(np.clip((values - low) / (high - low), 0, 1) * (levels - 1))


COPIES: Mapping[str, Forger] = {
    "identity": lambda chance, layout, rows: rows[0],
    "scale": lambda chance, layout, rows: 3.7 * rows[0],
    "shift": lambda chance, layout, rows: rows[0] + 11,
    "exp": lambda chance, layout, rows: np.exp(standardized(rows[0])),
    "log-sigmoid": lambda chance, layout, rows: -np.logaddexp(0, -standardized(rows[0])),
    "cube": lambda chance, layout, rows: standardized(rows[0]) ** 3,
    "rank": lambda chance, layout, rows: rankdata(rows[0]),
    "clip": lambda chance, layout, rows: np.clip(rows[0], *np.quantile(rows[0], [0.1, 0.9])),
    "8 levels": lambda chance, layout, rows: quantised(rows[0], 8),
    "noise 1%": lambda chance, layout, rows: with_noise(chance, layout, rows[0], 0.01),
    "noise 3%": lambda chance, layout, rows: with_noise(chance, layout, rows[0], 0.03),
    "noise 5%": lambda chance, layout, rows: with_noise(chance, layout, rows[0], 0.05),
    "noise 10%": lambda chance, layout, rows: with_noise(chance, layout, rows[0], 0.10),
    "factor per item": lambda chance, layout, rows: times_per_item(chance, layout, rows[0]),
    "affine per section": lambda chance, layout, rows: affine_per_section(chance, layout, rows[0]),
    "map per section": lambda chance, layout, rows: map_per_section(chance, layout, rows[0]),
    "map per item": lambda chance, layout, rows: keep_order_only(chance, layout, rows[0]),
    "near ties swapped": lambda chance, layout, rows: swap_near_ties(chance, layout, rows[0]),
}
"""Copies of the first model."""
MORE_COPIES: Mapping[str, Forger] = {
    "3 levels": lambda chance, layout, rows: quantised(rows[0], 3),
    "score noise 1%": lambda chance, layout, rows: with_score_noise(chance, layout, rows[0], 0.01),
    "score noise 3%": lambda chance, layout, rows: with_score_noise(chance, layout, rows[0], 0.03),
    "score noise 5%": lambda chance, layout, rows: with_score_noise(chance, layout, rows[0], 0.05),
    "score noise 10%": lambda chance, layout, rows: with_score_noise(chance, layout, rows[0], 0.10),
}
"""Copies that change more decisions than a copy would gain by."""


def weights_of(chance: np.random.Generator, count: int) -> np.ndarray:
    """Draw the weights of a mixture, each of at least 10%."""
    return 0.1 + (1 - 0.1 * count) * chance.dirichlet(np.ones(count))


def mixed(chance: np.random.Generator, rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return a weighted sum of standardized rows."""
    return sum(w * standardized(row) for w, row in zip(weights_of(chance, len(rows)), rows, strict=True))


def raw_mixture(chance: np.random.Generator, layout: ScoreLayout, rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return a weighted sum of scores of any scale."""
    return sum(w * row for w, row in zip(weights_of(chance, len(rows)), rows, strict=True))


def majority(chance: np.random.Generator, layout: ScoreLayout, rows: Sequence[np.ndarray]) -> np.ndarray:
    """Decide each item by a majority of the rows, in a tie by the first; the sizes of the margins are random."""
    votes = sum(np.sign(Profile("", layout, row).margins) for row in rows)
    decision = np.where(votes == 0, np.sign(Profile("", layout, rows[0]).margins), votes)
    base = keep_order_only(chance, layout, rows[0])
    wrong = np.sign(Profile("", layout, base).margins) != np.sign(decision)
    return swapped(layout, base, np.flatnonzero(wrong & (np.abs(decision) > 0)))


def per_section(chance: np.random.Generator, layout: ScoreLayout, rows: Sequence[np.ndarray]) -> np.ndarray:
    """Take each section from another row."""
    section = layout.section_of[layout.item_of]
    order = chance.permutation(len(layout.sections))
    choice = order % len(rows)
    return np.choose(choice[section], [standardized(row) for row in rows])


MIXTURES: Mapping[str, Forger] = {
    "scores": raw_mixture,
    "z-scores": lambda chance, layout, rows: mixed(chance, rows),
    "ranks": lambda chance, layout, rows: mixed(chance, [rankdata(row) for row in rows]),
    "noise 3%": lambda chance, layout, rows: with_noise(chance, layout, mixed(chance, rows), 0.03),
    "exp of the sum": lambda chance, layout, rows: np.exp(standardized(mixed(chance, rows))),
    "sum of exp": lambda chance, layout, rows: mixed(chance, [np.exp(standardized(row)) for row in rows]),
    "ranks of the sum": lambda chance, layout, rows: rankdata(mixed(chance, rows)),
    "majority": majority,
    "per section": per_section,
}
"""Mixtures of several models."""
MORE_MIXTURES: Mapping[str, Forger] = {
    "noise 10%": lambda chance, layout, rows: with_noise(chance, layout, mixed(chance, rows), 0.1),
    "noise 20%": lambda chance, layout, rows: with_noise(chance, layout, mixed(chance, rows), 0.2),
    "noise 30%": lambda chance, layout, rows: with_noise(chance, layout, mixed(chance, rows), 0.3),
    "tanh of the sum, noise 5%": lambda chance, layout, rows: np.tanh(
        with_noise(chance, layout, mixed(chance, rows), 0.05)
    ),
}
"""Mixtures with more noise, which costs about 0.1% of accuracy."""
TURNED: Mapping[str, Forger] = {
    "copy": lambda chance, layout, rows: turned(chance, layout, rows[0]),
    "copy, noise 5%": lambda chance, layout, rows: with_noise(chance, layout, turned(chance, layout, rows[0]), 0.05),
    "copy, factor per item": lambda chance, layout, rows: times_per_item(
        chance, layout, turned(chance, layout, rows[0])
    ),
    "copy, map per item": lambda chance, layout, rows: keep_order_only(chance, layout, turned(chance, layout, rows[0])),
    "copy, exp": lambda chance, layout, rows: np.exp(standardized(turned(chance, layout, rows[0]))),
    "mixture": lambda chance, layout, rows: turned(chance, layout, mixed(chance, rows[:2])),
    "mixture of 3, noise 3%": lambda chance, layout, rows: with_noise(
        chance, layout, turned(chance, layout, mixed(chance, rows[:3])), 0.03
    ),
}
"""Copies and mixtures with one fifth of their mistakes corrected."""


def from_labels(chance: np.random.Generator, layout: ScoreLayout, share: float) -> np.ndarray:
    """Return noise that is higher for right completions, except in a share of the items."""
    wrong = chance.random(len(layout.items)) < share
    sign = np.where(wrong, -1, 1)[layout.item_of]
    return 4 * sign * layout.is_right + chance.standard_normal(len(layout.item_of)) * 0.5


NO_MODEL: Mapping[str, Forger] = {
    "labels": lambda chance, layout, rows: from_labels(chance, layout, 0.0),
    "labels, 10% wrong": lambda chance, layout, rows: from_labels(chance, layout, 0.1),
    "noise": lambda chance, layout, rows: chance.standard_normal(len(layout.item_of)),
    "a copy, all mistakes turned": lambda chance, layout, rows: turned(chance, layout, rows[0], 1.0),
}
"""Scores that no model gives."""
