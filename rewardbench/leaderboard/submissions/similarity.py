"""Detect scores that were made from those of other models: by their margins, by their mistakes, and as mixtures.

The margin of an item is the score of the right completion minus that of the best wrong one. Separately trained models
differ in their margins, and above all in the items that they get wrong. The thresholds below do not flag honest models,
also not checkpoints of one run: tests/leaderboard/submissions/test_similarity.py measures this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rewardbench.metrics.credit import margin
from rewardbench.results.scored import ModelScores

ALIKE = 0.99
"""Minimum correlation of the margins of two copies. Noise of 10% of the standard deviation leaves .995."""
SAME_MISTAKES = 0.85
"""Minimum share of mistakes that two copies have in common (lower 95% confidence limit)."""
MOST_RESIDUAL = 0.09
"""Maximum residual of a mixture: root mean square, as a share of the standard deviation of the margins."""
LEAST_SHARE = 0.05
"""Minimum share of a model that is named as a component of a mixture."""
FEWEST, FEWEST_MIXED = 20, 300
"""Minimum number of shared items of a pair, and of a mixture."""
TRIMMED = 0.75
"""Share of the items, those with the smallest residuals, that a mixture is fitted to: others may be manipulated."""
Z = 1.96

Margins = Mapping[str, float]


@dataclass(frozen=True)
class Mixture:
    """A weighted sum of the margins of other models."""

    shares: tuple[tuple[str, float], ...]
    """Name and share of each component, the largest first."""
    residual: float
    """Root mean square of the residuals, as a share of the standard deviation of the margins."""


def resemblance(scored: ModelScores, other: ModelScores) -> float:
    """Return the correlation of the margins of two models, or of their ranks if that is higher, from -1 to 1.

    It does not change if scores are shifted or scaled; that of ranks does not change under any increasing function of
    the margins. It is 0 if the models share fewer than 20 scored items.
    """
    return correlation(margins_of(scored), margins_of(other))


def margins_of(scored: ModelScores) -> dict[str, float]:
    """Return the finite margins of a result by item id; items without a preference have none."""
    margins: dict[str, float] = {}
    for item, item_scores in zip(scored.suite.items, scored.items, strict=True):
        if item.has_preference:
            value = margin(item, item_scores.scores)
            if np.isfinite(value):
                margins[item.id] = value
    return margins


def correlation(margins: Margins, other: Margins) -> float:
    """Return the correlation of margins, or of their ranks if that is higher; 0 if too few items are shared."""
    from scipy.stats import rankdata

    pairs = _shared_margins(margins, other)
    if len(pairs) < FEWEST or (pairs.std(0) == 0).any():
        return 0.0
    return max(_pearson(pairs), _pearson(rankdata(pairs, axis=0)))


def _pearson(pairs: np.ndarray) -> float:
    return float(np.corrcoef(pairs.T)[0, 1])


def shared_mistakes(margins: Margins, other: Margins) -> float:
    """Return the lower 95% confidence limit (Wilson) of the share of mistakes that two models have in common.

    It is the share of items that both get wrong among those that at least one gets wrong; 0 if those are fewer than 20.
    No transformation of scores can lower it without changing a decision.
    """
    wrong = _shared_margins(margins, other) <= 0
    either, both = int(wrong.any(1).sum()), int(wrong.all(1).sum())
    if either < FEWEST:
        return 0.0
    share = both / either
    centre = share + Z**2 / (2 * either)
    width = Z * np.sqrt(share * (1 - share) / either + Z**2 / (4 * either**2))
    return float((centre - width) / (1 + Z**2 / either))


def find_mixture(margins: Margins, others: Sequence[tuple[str, Margins]]) -> Mixture | None:
    """Return the mixture of other models that explains the margins of a model up to noise, or None.

    The margins are regressed on those of the others with non-negative weights (and no intercept, since margins do not
    change if scores are shifted), three times, each time on the items with the smallest residuals. Results with few
    distinct margins, such as those of a judge, are left to `shared_mistakes`: equal margins mean little there.

    Args:
        margins: margins of the model by item id.
        others: names and margins of the others; the most correlated ones are fitted, at most one per ten items.
    """
    from scipy.optimize import nnls

    ids = sorted(margins)
    target = np.array([margins[id] for id in ids])
    if len(ids) < FEWEST_MIXED or len(np.unique(target)) < len(ids) / 2 or target.std() == 0:
        return None
    names, columns = _most_correlated(ids, target, others)
    if not names:
        return None
    weights, _ = nnls(columns, target)
    for _ in range(3):
        residuals = np.abs(target - columns @ weights)
        fits = residuals <= np.quantile(residuals, TRIMMED)
        weights, _ = nnls(columns[fits], target[fits])
    residuals = (target - columns @ weights)[fits]
    residual = float(np.sqrt(np.mean(residuals**2)) / (target[fits].std() or np.inf))
    if residual > MOST_RESIDUAL:
        return None
    shares = weights / (weights.sum() or 1.0)
    components = sorted(zip(names, map(float, shares), strict=True), key=lambda component: -component[1])
    components = [(name, share) for name, share in components if share >= LEAST_SHARE]
    return Mixture(tuple(components), residual) if components else None


def _most_correlated(
    ids: Sequence[str], target: np.ndarray, others: Sequence[tuple[str, Margins]]
) -> tuple[list[str], np.ndarray]:
    """Return the names and standardized margins, [items, models], of the models most correlated with the target."""
    candidates: list[tuple[float, str, np.ndarray]] = []
    for name, margins in others:
        column = np.array([margins.get(id, np.nan) for id in ids])
        if np.isfinite(column).all() and column.std() > 0:
            correlation_with_target = float(np.corrcoef(column, target)[0, 1])
            if correlation_with_target > 0:
                candidates.append((correlation_with_target, name, column / column.std()))
    candidates.sort(key=lambda candidate: -candidate[0])
    nearest = candidates[: len(ids) // 10]
    if not nearest:
        return [], np.empty((len(ids), 0))
    _, names, columns = zip(*nearest, strict=True)
    return list(names), np.column_stack(columns)


def _shared_margins(margins: Margins, other: Margins) -> np.ndarray:
    """Return the margins of the items that both models have, [items, 2]."""
    return np.array([(margins[id], other[id]) for id in margins if id in other], dtype=np.float64).reshape(-1, 2)
