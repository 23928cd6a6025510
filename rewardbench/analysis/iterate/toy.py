"""A toy: the gold reward falls where style is extreme, which few labels of ordinary candidates show.

A candidate has features of quality and of style, all standard normal. Its gold reward is its quality, less a penalty
for each style feature beyond 2 standard deviations. The reward model reads the features and their absolute values, so
that it could learn to avoid extremes. What it lacks are labels where the policy goes: among 800 comparisons of ordinary
candidates, the estimates of 20 style features are noisy, and a policy that follows them far meets the extremes.
"""

from __future__ import annotations

import numpy as np

from rewardbench.analysis.iterate.policy import PromptSegments
from rewardbench.analysis.iterate.rounds import ScoredCandidates

CANDIDATES = 4000
"""Candidates of the only prompt; log 4000 = 8.3 nats is the largest KL divergence."""
QUALITIES, STYLES = 4, 20
CLIFF, PENALTY = 2.0, 1.6
KL = 6.0
NOISE = 1.0


def make_toy(seed: int) -> ScoredCandidates:
    """Make a toy world with its own candidates."""
    values = np.random.default_rng(seed).normal(size=(CANDIDATES, QUALITIES + STYLES))
    quality = values[:, :QUALITIES].sum(axis=1) / QUALITIES**0.5
    gold = quality - PENALTY * (np.abs(values[:, QUALITIES:]) > CLIFF).sum(axis=1)
    sizes = np.abs(values) - (2 / np.pi) ** 0.5  # the mean of the absolute value of a standard normal number
    segments = PromptSegments(np.array([0]), np.array([CANDIDATES]))
    return ScoredCandidates(np.hstack([values, sizes]), (gold - gold.mean()) / gold.std(), segments)
