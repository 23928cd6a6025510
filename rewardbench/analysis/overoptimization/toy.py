"""A toy of reward over-optimisation: a gold reward with a cliff, and linear proxies trained on noisy comparisons.

A candidate has 4 features of quality and 20 of style, all standard normal. Its gold reward is its quality, less 2 for
each style feature beyond 2.2 standard deviations: ordinary style does not matter, extreme style is bad. A proxy is a
Bradley-Terry model, linear in the features, trained on 150 comparisons of which 25 % have flipped labels. Its error
puts weight on some styles, so that choosing among many candidates picks extreme ones (extremal Goodhart). Each proxy
errs on other styles, so ensembles resist (Coste et al. 2024, arXiv 2310.02743).
"""

from __future__ import annotations

import numpy as np

from rewardbench.analysis.linear_rewards import fit_linear

QUALITIES, STYLES = 4, 20
CLIFF, PENALTY = 2.2, 2.0
COMPARISONS = 150
LABEL_NOISE = 0.25
RIDGE = 1.0
PROXIES = 5


def toy_gold(features: np.ndarray) -> np.ndarray:
    """Compute the gold reward of candidates from their features: [..., features] to [...]."""
    quality = features[..., :QUALITIES].sum(-1) / np.sqrt(QUALITIES)
    beyond = np.abs(features[..., QUALITIES:]) > CLIFF
    return np.asarray(quality - PENALTY * beyond.sum(-1))


def train_proxy(random: np.random.Generator) -> np.ndarray:
    """Train a linear Bradley-Terry proxy on comparisons with flipped labels, and return its weights: [features]."""
    first, second = random.normal(size=(2, COMPARISONS, QUALITIES + STYLES))
    flips = random.random(COMPARISONS) < LABEL_NOISE
    labels = (toy_gold(first) > toy_gold(second)) ^ flips
    return fit_linear(first - second, labels, RIDGE)


def toy_candidates(random: np.random.Generator, prompts: int, candidates: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw candidates and score them by freshly trained proxies.

    Args:
        random: the source of random numbers.
        prompts: number of prompts.
        candidates: number of candidates of each.

    Returns:
        The proxy scores, [proxies, prompts, candidates], and the gold rewards, [prompts, candidates].
    """
    weights = np.stack([train_proxy(random) for _ in range(PROXIES)])
    scores = np.empty((PROXIES, prompts, candidates))
    gold = np.empty((prompts, candidates))
    for prompt in range(prompts):
        features = random.normal(size=(candidates, QUALITIES + STYLES))
        scores[:, prompt] = weights @ features.T
        gold[prompt] = toy_gold(features)
    return scores, gold
