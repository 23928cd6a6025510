"""Rounds of label, reward model and policy, at one label budget and one final KL divergence.

In round j of k, labels/k pairs are drawn from the current policy and labelled by the gold reward with Bradley-Terry
noise, a linear reward model is trained on all labels so far, and the policy moves to the divergence KL · (j/k)² from
the initial one: equal steps in d = sqrt(KL), as in the derivation of Gao et al. 2023 (arXiv 2210.10760) for k rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardbench.analysis.iterate.policy import PolicyName, PromptSegments, policy_at
from rewardbench.analysis.linear_rewards import fit_linear
from rewardbench.analysis.overoptimization import GaoFit
from rewardbench.metrics.temperature import sigmoid


@dataclass(frozen=True)
class ScoredCandidates:
    """Candidates to choose from.

    Attributes:
        features: what the reward model reads: [n, features].
        gold: gold reward less the mean of its prompt, in standard deviations: [n].
        segments: the candidates of each prompt, at least two.
    """

    features: np.ndarray
    gold: np.ndarray
    segments: PromptSegments


@dataclass(frozen=True)
class LabelBudget:
    """What all numbers of rounds have in common.

    Attributes:
        labels: number of labelled pairs in all.
        kl: final KL divergence from the initial policy in nats, averaged over prompts.
        noise: temperature of the labels, in standard deviations of the gold reward.
        policy: how the policy follows the reward model.
        ridge: L2 penalty of the reward model.
    """

    labels: int
    kl: float
    noise: float
    policy: PolicyName
    ridge: float = 1.0


@dataclass(frozen=True)
class RoundsOutcome:
    """The policy after each round.

    Attributes:
        gold: expected gold reward: [rounds].
        kl: KL divergence from the initial policy: [rounds].
        labels: number of labels that were used.
        scores: scores of the last reward model: [n].
    """

    gold: np.ndarray
    kl: np.ndarray
    labels: int
    scores: np.ndarray


def run_rounds(world: ScoredCandidates, rounds: int, budget: LabelBudget, random: np.random.Generator) -> RoundsOutcome:
    """Run `rounds` rounds.

    Raises:
        InputError: if the candidates do not allow the divergence.
    """
    policy = world.segments.uniform()
    differences = np.empty((budget.labels, world.features.shape[1]))
    labels = np.empty(budget.labels)
    gold, divergences = np.empty(rounds), np.empty(rounds)
    scores = np.zeros(len(world.gold))
    used = 0
    for number in range(1, rounds + 1):
        count = budget.labels * number // rounds - used
        first, second = draw_pairs(policy, world.segments, count, random)
        differences[used : used + count] = world.features[first] - world.features[second]
        labels[used : used + count] = label_pairs(world.gold[first] - world.gold[second], budget.noise, random)
        used += count
        scores = world.features @ fit_linear(differences[:used], labels[:used], budget.ridge)
        policy = policy_at(scores, world.segments, budget.kl * (number / rounds) ** 2, budget.policy)
        gold[number - 1] = world.segments.mean(world.gold, policy)
        divergences[number - 1] = world.segments.kl(policy)
    return RoundsOutcome(gold, divergences, used, scores)


def gold_curve(world: ScoredCandidates, scores: np.ndarray, kls: Sequence[float], policy: PolicyName) -> np.ndarray:
    """Return the expected gold reward of policies by one reward model at several divergences: [kls]."""
    rewards = np.empty(len(kls))
    for index, kl in enumerate(kls):
        rewards[index] = world.segments.mean(world.gold, policy_at(scores, world.segments, kl, policy))
    return rewards


def draw_pairs(
    policy: np.ndarray, segments: PromptSegments, count: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of different candidates: a uniform prompt, and two draws of the policy without replacement.

    Args:
        policy: probabilities, which sum to 1 for each prompt: [n].
        segments: the candidates of each prompt, at least two.
        count: number of pairs.
        random: the source of random numbers.

    Returns:
        The indices of the first and of the second candidates: [count] each.
    """
    prompts = random.integers(len(segments.sizes), size=count)
    below = np.cumsum(policy) - policy
    below -= segments.spread(below[segments.starts])
    owners = segments.owners
    edges = owners + np.minimum(below + policy, 1.0)
    edges[segments.starts + segments.sizes - 1] = np.arange(1, len(segments.sizes) + 1)
    first = np.searchsorted(edges, prompts + random.random(count), side="right")
    first = np.clip(first, segments.starts[prompts], (segments.starts + segments.sizes - 1)[prompts])
    remaining = 1 - policy[first]
    position = random.random(count) * remaining
    position += np.where(position >= below[first], policy[first], 0.0)  # skip the first candidate
    second = np.searchsorted(edges, prompts + np.minimum(position, 1 - 1e-15), side="right")
    others = (segments.starts[prompts] + (first - segments.starts[prompts] + 1) % segments.sizes[prompts]).astype(int)
    inside = np.clip(second, segments.starts[prompts], (segments.starts + segments.sizes - 1)[prompts])
    return first, np.where((inside == first) | (remaining < 1e-12), others, inside)


def label_pairs(differences: np.ndarray, noise: float, random: np.random.Generator) -> np.ndarray:
    """Return 1.0 where the first candidate is preferred, with probability σ(difference / noise): [pairs]."""
    preferred: np.ndarray = random.random(len(differences)) < sigmoid(differences / noise)
    return preferred.astype(np.float64)


def gao_curve(distances: np.ndarray, fit: GaoFit, rounds: int) -> np.ndarray:
    """Return R = d (α - β log d + β log k), the prediction for k rounds: [points].

    Args:
        distances: d, the square root of the KL divergence, above 0: [points].
        fit: the fit of R = d (α - β log d) to one round (Gao et al. 2023).
        rounds: number k of rounds.
    """
    curve: np.ndarray = distances * (fit.alpha - fit.beta * np.log(distances) + fit.beta * np.log(rounds))
    return curve
