"""Measure how alike the scores of two models are, beyond what honest models are.

A copy is noticed by its contrasts (how much it prefers one completion of an item to another), or by its decisions if
only these were copied. Honest models differ in both, also seeds of one recipe: scripts/copy_detection measures the
rates. Decisions are judged by how many differ, compared with the number expected of independent models of the same
accuracy on items of this difficulty: so accurate models, which have few mistakes, need more agreement to be noticed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rewardbench.leaderboard.profiles import Profile, ScoreLayout

ALIKE = 0.99
"""Minimum correlation of the contrasts of two copies. Noise of 10% of the standard deviation leaves .995."""
TYPICAL = 0.995
"""Minimum typical correlation of the contrasts of a copy of which some items were altered."""
LEAST_UNSIGNED = 0.998
"""Minimum typical correlation of the absolute contrasts of a copy whose mistakes were corrected."""
MOST_DIFFERING = 0.1
"""Maximum share of the expected differences between the decisions of two copies (upper 95% confidence limit)."""
MOST_LOST = 0.06
"""Maximum share of the expected losses of a copy whose mistakes were corrected (upper 95% confidence limit)."""
LEAST_RANK = 0.38
"""Minimum mean rank of the margins of corrected mistakes, see `DecisionComparison.gained_rank`."""
FEWEST = 20
"""Minimum number of shared items."""
LEAST_DISTINCT = 0.25
"""Minimum share of distinct values in arrays whose typical correlation is computed."""
MEDIAN_OF_NORMAL = 0.6745
"""Median of the absolute value of a standard normal variable."""


@dataclass(frozen=True)
class Difficulty:
    """How many models decide each item rightly."""

    right: np.ndarray
    """Number of models that are right: [items]."""
    models: int

    def logits(self, *excluded: Profile) -> np.ndarray:
        """Return the log-odds of a right decision of each item, without some models; 0 if few models are known."""
        right, models = self.right.astype(float), self.models
        for profile in excluded:
            right = right - (profile.decisions > 0)
            models -= 1
        if models < 4:
            return np.zeros(len(right))
        share = np.clip((right + 1) / (models + 2), 0.5 / (models + 2), 1 - 0.5 / (models + 2))
        return np.log(share / (1 - share))


def difficulty_of(profiles: list[Profile], layout: ScoreLayout) -> Difficulty:
    """Return the difficulty of the items for some models."""
    right = np.zeros(len(layout.items))
    for profile in profiles:
        right += profile.decisions > 0
    return Difficulty(right, len(profiles))


@dataclass(frozen=True)
class DecisionComparison:
    """How many decisions of two models differ, among the items that both decide without a tie."""

    items: int
    differing: int
    """Number of items that the models decide differently."""
    expected_differing: float
    """The same of independent models of this accuracy on these items."""
    lost: int
    """Number of items that only the second model decides rightly."""
    expected_lost: float
    gained: int
    """Number of items that only the first model decides rightly."""
    gained_rank: float = 0.0
    """Mean rank, from 0 to 1, of the margins of gained items among those that the second model decides wrongly.

    A better model of one family gains items with small margins; mistakes that are corrected at random have .5.
    """

    @cached_property
    def differing_share(self) -> float:
        """Share of the expected differences (upper 95% confidence limit)."""
        return upper_limit(self.differing) / self.expected_differing if self.expected_differing > 0 else np.inf

    @cached_property
    def lost_share(self) -> float:
        """Share of the expected losses (upper 95% confidence limit)."""
        return upper_limit(self.lost) / self.expected_lost if self.expected_lost > 0 else np.inf


@dataclass(frozen=True)
class Resemblance:
    """How alike two models are."""

    correlation: float
    """Correlation of the contrasts, of the scores or of the normal scores, whichever is higher."""
    typical: float
    """Correlation that the median difference of the contrasts corresponds to: some altered items do not change it."""
    unsigned: float
    """Typical correlation of the absolute contrasts: completions of an item may have swapped their scores."""
    decisions: DecisionComparison


def upper_limit(count: int) -> float:
    """Return the upper 95% confidence limit of the mean of a Poisson variable.

    >>> round(upper_limit(0), 2), round(upper_limit(10), 1)
    (3.69, 18.4)
    """
    from scipy.stats import chi2

    return float(chi2.ppf(0.975, 2 * (count + 1)) / 2)


def resemble(target: Profile, other: Profile, difficulty: Difficulty) -> Resemblance:
    """Return how alike two models are.

    Args:
        target: the model that may be a copy.
        other: the model that it may be copied from.
        difficulty: difficulty of the items.
    """
    known = target.is_known & other.is_known
    contrasts, other_contrasts = target.contrasts[known], other.contrasts[known]
    raw = pearson(target.raw_contrasts[known], other.raw_contrasts[known])
    correlation = max(pearson(contrasts, other_contrasts), raw)
    typical = typical_correlation(contrasts, other_contrasts)
    unsigned = typical_correlation(np.abs(contrasts), np.abs(other_contrasts))
    decisions = compare_decisions(target.decisions, other.decisions, difficulty.logits(other))
    decisions = replace(decisions, gained_rank=_gained_rank(target, other))
    return Resemblance(correlation, typical, unsigned, decisions)


def _gained_rank(target: Profile, other: Profile) -> float:
    """Return the mean rank of the margins of gained items, see `DecisionComparison`; 0 if there are none."""
    from scipy.stats import rankdata

    wrong = other.decisions < 0
    gained = target.decisions[wrong] > 0
    if not gained.any():
        return 0.0
    ranks = rankdata(np.abs(other.margins[wrong])) / wrong.sum()
    return float(ranks[gained].mean())


def pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two arrays; 0 if one is constant or they are too short."""
    if len(first) < FEWEST or first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the rank correlation of two arrays; 0 if one is constant or they are too short."""
    from scipy.stats import rankdata

    return pearson(rankdata(first), rankdata(second))


def typical_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of normal variables whose median difference is that of two arrays, from -1 to 1.

    The arrays are replaced by the signed normal scores of their absolute values, so that large values do not dominate.
    Values that are 0 in both are left out. It is 0 if one has few distinct values, as the ratings of a judge: equal
    values mean little there.
    """
    used = (first != 0) | (second != 0)
    distinct = min(len(np.unique(first[used].round(9))), len(np.unique(second[used].round(9))))
    if used.sum() < FEWEST or distinct < LEAST_DISTINCT * used.sum():
        return 0.0
    differences = np.abs(signed_normal_scores(first[used]) - signed_normal_scores(second[used]))
    spread = float(np.median(differences)) / MEDIAN_OF_NORMAL
    return max(-1.0, 1 - spread**2 / 2)


def signed_normal_scores(values: np.ndarray) -> np.ndarray:
    """Return the quantiles of a normal distribution at the ranks of absolute values, with the signs of the values.

    >>> signed_normal_scores(np.array([-5.0, 0.0, 1.0])).round(2).tolist()
    [-1.15, 0.0, 0.67]
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    shares = rankdata(np.abs(values)) / (len(values) + 1)
    scores: np.ndarray = np.sign(values) * ndtri((1 + shares) / 2)
    return scores


def compare_decisions(target: np.ndarray, other: np.ndarray, logits: np.ndarray) -> DecisionComparison:
    """Compare the decisions of two models.

    Args:
        target: decisions of the first model, 1, 0 or -1: [items].
        other: decisions of the second model: [items].
        logits: difficulty of the items: [items].
    """
    decided = (target != 0) & (other != 0)
    count = int(decided.sum())
    if count < FEWEST:
        return DecisionComparison(count, 0, 0.0, 0, 0.0, 0)
    right, known = target[decided] > 0, other[decided] > 0
    chance, known_chance = right_chances(right, logits[decided]), right_chances(known, logits[decided])
    lost, gained = int((~right & known).sum()), int((right & ~known).sum())
    expected_lost = float(((1 - chance) * known_chance).sum())
    expected_gained = float((chance * (1 - known_chance)).sum())
    return DecisionComparison(count, lost + gained, expected_lost + expected_gained, lost, expected_lost, gained)


def right_chances(right: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return the chance of a right decision of each item, by a logistic regression on the difficulty.

    Args:
        right: whether a model decides each item rightly: [items].
        logits: difficulty of the items: [items].
    """
    columns = np.column_stack([np.ones(len(right)), logits])
    weights = np.zeros(2)
    penalty = np.diag([0.01, 0.01])
    for _ in range(12):
        chance = 1 / (1 + np.exp(-np.clip(columns @ weights, -30, 30)))
        gradient = columns.T @ (right - chance) - penalty @ weights
        curvature = (columns * (chance * (1 - chance))[:, None]).T @ columns + penalty
        step = np.linalg.solve(curvature, gradient)
        weights = weights + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-6:
            break
    return 1 / (1 + np.exp(-np.clip(columns @ weights, -30, 30)))
