"""Policies over stored candidates at a stated KL divergence from the uniform choice: tilting, and best-of-n.

The candidates of a prompt are samples of the initial policy, so each has the same probability 1/N. Both policies are
computed exactly on them; their strength (inverse temperature, or a real n) is the root of an equation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np

from rewardbench.errors import InputError

PolicyName = Literal["tilt", "best-of-n"]
STEPS = 200
"""Maximum steps of the search for a strength."""
RELATIVE = 1e-12
"""Relative error of a strength."""
KL_TOLERANCE = 1e-6
"""Largest error of a divergence, in nats."""
_LARGEST = 2.0**60


@dataclass(frozen=True)
class PromptSegments:
    """The candidates of each prompt, which follow each other.

    Attributes:
        starts: index of the first candidate of each prompt: [prompts].
        sizes: number of its candidates: [prompts].
    """

    starts: np.ndarray
    sizes: np.ndarray

    @property
    def owners(self) -> np.ndarray:
        """Return the prompt of each candidate: [n]."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Repeat the value of each prompt for its candidates: [prompts] to [n]."""
        return np.repeat(values, self.sizes)

    def mean(self, values: np.ndarray, probabilities: np.ndarray) -> float:
        """Return the expectation of values [n] under a policy [n], averaged over prompts."""
        return float((values * probabilities).sum()) / len(self.sizes)

    def kl(self, probabilities: np.ndarray) -> float:
        """Return the KL divergence from the uniform choice in nats, averaged over prompts."""
        ratios = np.where(probabilities > 0, probabilities * self.spread(self.sizes), 1.0)
        return max(0.0, float((probabilities * np.log(ratios)).sum()) / len(self.sizes))

    def uniform(self) -> np.ndarray:
        """Return the initial policy: [n]."""
        return 1 / self.spread(self.sizes).astype(np.float64)

    def most_kl(self) -> float:
        """Return the largest divergence of any policy, the mean logarithm of the numbers of candidates."""
        return float(np.log(self.sizes).mean())


def tilt(scores: np.ndarray, segments: PromptSegments, strength: float) -> np.ndarray:
    """Return the policy proportional to exp(strength · score), the optimum of reward minus KL / strength: [n]."""
    top = segments.spread(np.maximum.reduceat(scores, segments.starts))
    weights = np.exp(np.maximum(strength * (scores - top), -700.0))
    probabilities: np.ndarray = weights / segments.spread(np.add.reduceat(weights, segments.starts))
    return probabilities


@dataclass(frozen=True)
class PromptRanks:
    """Shares of the candidates of a prompt below and up to each candidate's score; equal scores share both: [n]."""

    below: np.ndarray
    up_to: np.ndarray
    ties: np.ndarray
    """Number of candidates with the same score."""


def rank_within(scores: np.ndarray, segments: PromptSegments) -> PromptRanks:
    """Rank the candidates of each prompt by their score."""
    owners = segments.owners
    order = np.lexsort((scores, owners))
    ordered = scores[order]
    is_first = np.ones(len(scores), dtype=bool)
    is_first[1:] = (ordered[1:] != ordered[:-1]) | (owners[1:] != owners[:-1])
    firsts = np.flatnonzero(is_first)
    counts = np.diff(np.append(firsts, len(scores)))
    starts, sizes = segments.spread(segments.starts), segments.spread(segments.sizes)
    first, count = np.empty(len(scores)), np.empty(len(scores))
    first[order], count[order] = np.repeat(firsts, counts), np.repeat(counts, counts)
    return PromptRanks((first - starts) / sizes, (first - starts + count) / sizes, count)


def best_of(ranks: PromptRanks, n: float) -> np.ndarray:
    """Return the policy of the best of n draws with replacement, n real and at least 1; ties at random: [n]."""
    probabilities: np.ndarray = (ranks.up_to**n - ranks.below**n) / ranks.ties
    return probabilities


def policy_at(scores: np.ndarray, segments: PromptSegments, kl: float, policy: PolicyName) -> np.ndarray:
    """Return the policy that scores select at a divergence of `kl` nats, averaged over prompts: [n].

    Raises:
        InputError: if no strength reaches the divergence, for example since too many scores are equal.
    """
    if policy == "tilt":
        spread = float(scores.std()) or 1.0
        return _at_kl(lambda strength: tilt(scores / spread, segments, strength), segments, kl)
    ranks = rank_within(scores, segments)
    return _at_kl(lambda strength: best_of(ranks, 1 + strength), segments, kl)


def _at_kl(build: Callable[[float], np.ndarray], segments: PromptSegments, kl: float) -> np.ndarray:
    """Return the policy of a family, which a strength from 0 selects, at a divergence; the strength is a root."""
    from scipy.optimize import brentq

    if kl <= 0:
        return segments.uniform()

    def excess(strength: float) -> float:
        return sqrt(segments.kl(build(strength))) - sqrt(kl)  # nearly linear in the strength

    low, high = 0.0, 1.0
    while high < _LARGEST and excess(high) < 0:
        low, high = high, 2 * high
    strength = float(brentq(excess, low, high, rtol=RELATIVE, maxiter=STEPS)) if excess(high) > 0 else high
    probabilities = build(strength)
    reached = segments.kl(probabilities)
    if abs(reached - kl) > KL_TOLERANCE:
        raise InputError(
            f"No policy by these scores has a KL divergence of {kl:.3g} nats: {reached:.3g} is the nearest, and "
            f"{segments.most_kl():.3g} the largest with these candidates. Lower --kl or add candidates."
        )
    return probabilities
