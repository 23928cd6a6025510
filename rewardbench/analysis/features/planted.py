"""Self-test: states that are sums of planted directions, and a dictionary that is trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.features.activation_file import ArrayRows
from rewardbench.analysis.features.train import TrainingPlan, match_directions, mean_cosine, train

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, DIRECTIONS, ACTIVE = 64, 128, 4
"""Width of the planted states, number of planted directions, and how many of them are active in a state."""
WEIGHTS = (2.0, -2.0, 1.5, -1.5, 1.0, -1.0)
"""Reward of the first planted directions; the others have none."""
THRESHOLD = 0.4
"""Product of a state with a direction above which the reward counts it."""


@dataclass(frozen=True)
class PlantedStates:
    """States that are sums of a few planted directions, and a reward that detects some of the directions.

    There are twice as many directions as dimensions, so every direction also has a product with the others.

    Attributes:
        directions: [DIRECTIONS, WIDTH], of norm 1.
        active: the active directions of each state: [states, ACTIVE].
        amounts: their amounts, 0.5 to 1.5: [states, ACTIVE].
    """

    directions: NDArray[np.float64]
    active: NDArray[np.int64]
    amounts: NDArray[np.float64]

    @property
    def states(self) -> NDArray[np.float64]:
        """Return the states: [states, WIDTH]."""
        states: NDArray[np.float64] = np.einsum("nk,nkw->nw", self.amounts, self.directions[self.active])
        return states

    def reward(self, states: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return Σ w max(0, d · h - THRESHOLD) over the directions d with a weight w: [states]."""
        products = states @ self.directions[: len(WEIGHTS)].T
        rewards: NDArray[np.float64] = np.maximum(0, products - THRESHOLD) @ np.array(WEIGHTS)
        return rewards

    def effects(
        self, active: NDArray[np.int64], amounts: NDArray[np.float64], directions: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the mean change of the reward over all states when a direction is removed.

        Args:
            active: directions that are active in each state: [states, k].
            amounts: their amounts: [states, k].
            directions: [n, WIDTH].

        Returns:
            [n].
        """
        states, totals = self.states, np.zeros(len(directions))
        rewards = self.reward(states)
        for ids, amount in zip(active.T, amounts.T, strict=True):
            changes = self.reward(states - amount[:, None] * directions[ids]) - rewards
            totals += np.bincount(ids, weights=changes, minlength=len(directions))
        return totals / len(states)


def plant_states(count: int, seed: int) -> PlantedStates:
    """Draw directions, and for each state four of them with amounts."""
    generator = np.random.default_rng(seed)
    directions = generator.normal(size=(DIRECTIONS, WIDTH))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    active = generator.random((count, DIRECTIONS)).argpartition(ACTIVE, axis=1)[:, :ACTIVE]
    return PlantedStates(directions, active, generator.uniform(0.5, 1.5, (count, ACTIVE)))


def recover_planted(seed: int, count: int = 16_000, steps: int = 800) -> dict[str, float]:
    """Train a dictionary on planted states, and compare it with the planted directions.

    Returns:
        `mcc`, `random_mcc` (random directions, as many), `planted_hits` (share of the six largest effects that are
        planted directions with a weight), `sign_ok` (share of these whose effect has the right sign), and `effect_r`
        (correlation of the effects of the planted directions with those of the matched features).
    """
    import torch

    planted = plant_states(count, seed)
    states = planted.states.astype(np.float32)
    dictionary = train(ArrayRows(states), TrainingPlan(2 * DIRECTIONS, ACTIVE, steps, seed))
    decoder = dictionary.decoder.numpy()
    amounts, ids = dictionary.encode(torch.from_numpy(states))
    effects = planted.effects(ids.numpy(), amounts.double().numpy(), decoder.astype(np.float64))
    true_effects = planted.effects(planted.active, planted.amounts, planted.directions)
    _, matches, cosines = match_directions(planted.directions, decoder)
    hits, right = 0, 0
    for feature in np.argsort(-np.abs(effects))[: len(WEIGHTS)].tolist():
        (places,) = np.nonzero(matches == feature)
        if len(places) and places[0] < len(WEIGHTS):
            hits += 1
            right += bool(np.sign(effects[feature]) == -np.sign(WEIGHTS[places[0]]))
    random = np.random.default_rng(seed + 1).normal(size=decoder.shape)
    return {
        "mcc": float(cosines.mean()),
        "random_mcc": mean_cosine(planted.directions, random),
        "planted_hits": hits / len(WEIGHTS),
        "sign_ok": right / hits if hits else 0.0,
        "effect_r": float(np.corrcoef(true_effects, effects[matches])[0, 1]),
    }
