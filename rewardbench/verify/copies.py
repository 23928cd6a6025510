"""Two models' scores of the same items in, how alike they are out: above what two models ever are, one is a copy."""

from __future__ import annotations

import numpy as np

from rewardbench.compare import margin
from rewardbench.scored import Scored

ALIKE = 0.999
"""Correlation of margins from which two results count as one model's. Noise of 1 % of the spread leaves .99995."""
FEWEST = 20


def resemblance(one: Scored, other: Scored) -> float:
    """The correlation of two models' margins, or of their ranks where that is higher: from -1 to 1.

    Margins do not see a shift, nor correlation a scale; ranks see through any rising function of the margins. 0 where
    the two share fewer than 20 scored items.
    """
    ours, theirs = _margins(one), _margins(other)
    pairs = np.array([(ours[id], theirs[id]) for id in ours if id in theirs], dtype=np.float64).reshape(-1, 2)
    pairs = pairs[np.isfinite(pairs).all(1)]
    if len(pairs) < FEWEST or (pairs.std(0) == 0).any():
        return 0.0
    return max(_correlation(pairs), _correlation(_ranks(pairs)))


def _margins(scored: Scored) -> dict[str, float]:
    pairs = zip(scored.suite.items, scored.items, strict=True)
    return {item.id: margin(item, found.scores) for item, found in pairs if item.has_preference}


def _correlation(pairs: np.ndarray) -> float:
    return float(np.corrcoef(pairs.T)[0, 1])


def _ranks(pairs: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(pairs, axis=0))
