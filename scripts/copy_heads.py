"""Train heads on features of the completions of core: linear models and MLPs, each on a random part of the groups.

Used by copy_models.py, copy_characters.py and copy_features.py, whose models are accurate, as they are trained on core.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rewardbench.types import Item


def responses_of(items: Sequence[Item]) -> Iterator[tuple[str, list[str]]]:
    """Yield the text of each response, and the words that it shares with its prompt."""
    for item in items:
        words = set(" ".join(str(turn["content"]) for turn in item.prompt).lower().split())
        for completion in item.completions:
            text = str(completion[-1]["content"])
            yield text, [word for word in text.lower().split() if word in words]


def training_pairs(items: Sequence[Item], seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of right and wrong completions of a random part of the groups."""
    rng = random.Random(seed)
    groups = sorted({item.group for item in items})
    chosen = set(rng.sample(groups, round(share * len(groups))))
    right, wrong, first = [], [], 0
    for item in items:
        if item.group in chosen:
            for n in range(item.num_correct, len(item.completions)):
                right.append(first)
                wrong.append(first + n)
        first += len(item.completions)
    return np.array(right), np.array(wrong)


def fit_linear(features: Any, items: Sequence[Item], strength: float, seed: int, share: float) -> np.ndarray:
    """Fit a linear reward (Bradley and Terry) by logistic regression; return the score of each completion."""
    from sklearn.linear_model import LogisticRegression

    right, wrong = training_pairs(items, seed, share)
    signs = np.tile([1, -1], len(right) // 2 + 1)[: len(right)]
    differences = features[right] - features[wrong]
    signed = (
        differences.multiply(signs[:, None]).tocsr()
        if hasattr(differences, "multiply")
        else differences * signs[:, None]
    )
    model = LogisticRegression(C=strength, fit_intercept=False, max_iter=300)
    model.fit(signed, signs)
    return np.asarray(features @ model.coef_[0]).ravel()


@dataclass(frozen=True)
class MlpRecipe:
    """A recipe of an MLP."""

    seed: int
    share: float
    """Share of the groups of core that it is trained on."""
    width: int = 128
    rate: float = 1e-3
    epochs: int = 12


def train_mlp(
    features: np.ndarray, items: Sequence[Item], recipe: MlpRecipe
) -> Iterator[tuple[str, torch.nn.Sequential]]:
    """Train an MLP; yield it at two checkpoints and at the end, with the suffix of its name."""
    torch.manual_seed(recipe.seed)
    right, wrong = training_pairs(items, 0, recipe.share)  # seeds of one recipe see the same data
    values = torch.tensor(features, dtype=torch.float32)
    head = make_mlp(values.shape[1], recipe.width)
    optimizer = torch.optim.AdamW(head.parameters(), lr=recipe.rate, weight_decay=0.05)
    chance = np.random.default_rng(recipe.seed)
    for epoch in range(1, recipe.epochs + 1):
        order = chance.permutation(len(right))
        batches = (order[start : start + 64] for start in range(0, len(order), 64))
        train_epoch(head, optimizer, ((values[right[picked]], values[wrong[picked]]) for picked in batches))
        if epoch in (recipe.epochs // 2, 3 * recipe.epochs // 4, recipe.epochs):
            yield "" if epoch == recipe.epochs else f"-step{epoch}", head


def logistic_loss(margins: torch.Tensor) -> torch.Tensor:
    """Return the loss of Bradley and Terry of some margins."""
    return -torch.nn.functional.logsigmoid(margins).mean()


def train_epoch(
    head: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    loss_of: Callable[[torch.Tensor], torch.Tensor] = logistic_loss,
) -> None:
    """Train a head on batches of pairs.

    Args:
        head: the head.
        optimizer: optimizer of its weights.
        batches: features of the right and of the wrong completions: [pairs, width] each.
        loss_of: returns the loss of margins.
    """
    for right, wrong in batches:
        loss = loss_of(head(right) - head(wrong))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def make_mlp(inputs: int, width: int) -> torch.nn.Sequential:
    """Return an untrained MLP with one output."""
    return torch.nn.Sequential(torch.nn.Linear(inputs, width), torch.nn.GELU(), torch.nn.Linear(width, 1))


@torch.no_grad()
def score_features(head: torch.nn.Module, features: np.ndarray) -> np.ndarray:
    """Return the score of each row of features."""
    scores: np.ndarray = head(torch.tensor(features, dtype=torch.float32))[:, 0].numpy().copy()
    return scores
