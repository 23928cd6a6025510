"""Signs that scores were made from those of other models: equal margins, equal mistakes, a mixture of several.

An item's margin is what tells its completions apart: the right one's score less the best wrong one's. Models that were
trained apart differ in their margins, and above all in which items they get wrong. All tests below were set so that
honest models, also checkpoints of one run, are not flagged; tests/leaderboard/submissions/test_similarity.py measures
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rewardbench.metrics.credit import margin
from rewardbench.results.scored import Scored

ALIKE = 0.99
"""Correlation of margins from which two results count as one model's. Noise of 10 % of the spread leaves .995."""
SAME_MISTAKES = 0.85
"""Share of their mistakes that two models have in common (lower 95 % limit) from which one may be made of the other."""
UNEXPLAINED = 0.09
"""Residual of a mixture, root mean square as a share of the margins' spread, up to which scores count as it."""
COMPONENT = 0.05
"""Share of a mixture from which a model is named as a part of it."""
FEWEST, FEWEST_MIXED = 20, 300
"""Shared items below which nothing is said of a pair, or of a mixture."""
TRIMMED = 0.75
"""Share of the items that a mixture is fitted to, those it fits best: the others may have been tampered with."""
Z = 1.96

Margins = Mapping[str, float]


@dataclass(frozen=True)
class Mixture:
    """A sum of other models' margins with weights of at least 0; `parts` holds each model's share, largest first."""

    parts: tuple[tuple[str, float], ...]
    unexplained: float


def resemblance(scored: Scored, other: Scored) -> float:
    """Return the correlation of two models' margins, or of their ranks where that is higher: from -1 to 1.

    Margins do not see a shift, nor correlation a scale; ranks see through any rising function of the margins. 0 where
    the two share fewer than 20 scored items.
    """
    return correlation(margins_of(scored), margins_of(other))


def margins_of(scored: Scored) -> dict[str, float]:
    """Return the finite margins of a result by item id; items without a preference have none."""
    pairs = zip(scored.suite.items, scored.items, strict=True)
    margins = {item.id: margin(item, item_scores.scores) for item, item_scores in pairs if item.has_preference}
    return {id: value for id, value in margins.items() if np.isfinite(value)}


def correlation(margins: Margins, other: Margins) -> float:
    """Return the correlation of margins, or of their ranks where that is higher; 0 for too few shared items."""
    from scipy.stats import rankdata

    pairs = _shared(margins, other)
    if len(pairs) < FEWEST or (pairs.std(0) == 0).any():
        return 0.0
    return max(float(np.corrcoef(values.T)[0, 1]) for values in (pairs, rankdata(pairs, axis=0)))


def shared_mistakes(margins: Margins, other: Margins) -> float:
    """Return the lower 95 % limit (Wilson) of the share of mistakes that two models have in common.

    The share is taken among the items that at least one of them gets wrong: 0 where those are fewer than 20. No
    transformation of scores item by item can lower it without changing a decision.
    """
    wrong = _shared(margins, other) <= 0
    either, both = int(wrong.any(1).sum()), int(wrong.all(1).sum())
    if either < FEWEST:
        return 0.0
    share = both / either
    centre = share + Z**2 / (2 * either)
    width = Z * np.sqrt(share * (1 - share) / either + Z**2 / (4 * either**2))
    return float((centre - width) / (1 + Z**2 / either))


def mixture(margins: Margins, others: Sequence[tuple[str, Margins]]) -> Mixture | None:
    """Return the mixture of other models that a model's margins are but for noise, or None where they are none.

    Margins are regressed on those of the others with weights of at least 0 (no intercept: margins do not see a shift),
    three times, each time on the three quarters of the items that fit best. Results with few distinct margins, such as
    a judge's verdicts, are left to `shared_mistakes`: equal values say little there.

    Args:
        margins: margins of the model by item id.
        others: names and margins of the others; only the most alike, one for each ten items, are fitted.
    """
    from scipy.optimize import nnls

    ids = sorted(margins)
    target = np.array([margins[id] for id in ids])
    if len(ids) < FEWEST_MIXED or len(np.unique(target)) < len(ids) / 2 or target.std() == 0:
        return None
    names, columns = _columns(ids, target, others)
    if not names:
        return None
    weights, _ = nnls(columns, target)
    for _ in range(3):
        residuals = np.abs(target - columns @ weights)
        fits = residuals <= np.quantile(residuals, TRIMMED)
        weights, _ = nnls(columns[fits], target[fits])
    residuals = (target - columns @ weights)[fits]
    unexplained = float(np.sqrt(np.mean(residuals**2)) / (target[fits].std() or np.inf))
    shares = weights / (weights.sum() or 1.0)
    parts = sorted(zip(names, map(float, shares), strict=True), key=lambda part: -part[1])
    named = tuple(part for part in parts if part[1] >= COMPONENT)
    return Mixture(named, unexplained) if unexplained <= UNEXPLAINED and named else None


def _columns(
    ids: Sequence[str], target: np.ndarray, others: Sequence[tuple[str, Margins]]
) -> tuple[list[str], np.ndarray]:
    """Return the names and standardized margins, [items, models], of those most correlated with the target."""
    known = []
    for name, margins in others:
        column = np.array([margins.get(id, np.nan) for id in ids])
        if np.isfinite(column).all() and column.std() > 0:
            known.append((float(np.corrcoef(column, target)[0, 1]), name, column / column.std()))
    known.sort(key=lambda entry: -entry[0])
    nearest = [entry for entry in known if entry[0] > 0][: len(ids) // 10]
    names = [name for _, name, _ in nearest]
    return names, np.column_stack([column for _, _, column in nearest]) if nearest else np.empty((len(ids), 0))


def _shared(margins: Margins, other: Margins) -> np.ndarray:
    """Return the margins of the items that both have, [items, 2]."""
    return np.array([(margins[id], other[id]) for id in margins if id in other], dtype=np.float64).reshape(-1, 2)
