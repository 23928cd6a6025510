"""Train reward models of the characters of a response: a family on which no threshold of the check was tuned.

Used by scripts/copy_detection. They differ in seed, data, width, loss, activation and regularisation, or are trees.
They need no pretrained encoder and take less than a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from copy_heads import (
    MlpRecipe,
    fit_linear,
    logistic_loss,
    responses_of,
    score_features,
    train_epoch,
    train_mlp,
    training_pairs,
)
from copy_models import ScoreFolder, rounded

from rewardbench.types import Item

STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Inverse strengths of the regularisation of the linear models."""
Loss = Callable[[torch.Tensor], torch.Tensor]
VARIANTS: dict[str, tuple[type[torch.nn.Module], Loss]] = {
    "hinge": (torch.nn.ReLU, lambda margins: torch.relu(1 - margins).mean()),
    "ipo": (torch.nn.ReLU, lambda margins: (margins - 1).square().mean()),
    "logistic": (torch.nn.Tanh, logistic_loss),
}
"""Activations and losses of MLPs with dropout."""
LAST = "chars/forest-seed2"
"""The model that is trained last."""


def make_character_models(items: Sequence[Item], folder: ScoreFolder) -> None:
    """Train and score the models, unless a folder has them.

    Args:
        items: items of core.
        folder: where scores are kept.
    """
    if LAST in folder:
        return
    from sklearn.decomposition import TruncatedSVD

    sparse = _characters(items)
    for strength, seed, share in product(STRENGTHS, range(2), (40, 80)):
        scores = fit_linear(sparse, items, strength, seed, share / 100)
        folder.save(f"chars/linear-seed{seed}-share{share}-c{strength:g}", scores)
    dense = TruncatedSVD(200, random_state=1).fit_transform(sparse)
    dense = (dense - dense.mean(0)) / (dense.std(0) + 1e-6)
    for width, seed, share in product((16, 64, 256), range(3), (30, 60, 80)):
        recipe = MlpRecipe(seed, share / 100, width)
        _save_mlp(f"chars/mlp{width}-seed{seed}-share{share}", dense, items, recipe, folder)
    for variant, seed, share in product(VARIANTS, range(3), (40, 80)):
        head = _train_variant(dense, items, variant, seed, share / 100)
        folder.save(f"chars/{variant}-seed{seed}-share{share}", score_features(head, dense))
    _save_trees(dense[:, :40], items, folder)
    print("trained=chars", flush=True)


def _characters(items: Sequence[Item]) -> Any:
    """Return the counts of parts of words of each response, and of words that it shares with its prompt."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import HashingVectorizer

    texts: list[str] = []
    shared: list[str] = []
    for text, words in responses_of(items):
        texts.append(text)
        shared.append(" ".join(words))
    parts = []
    for size, lengths, column in ((2**14, (2, 4), texts), (2**13, (3, 5), shared)):
        counter = HashingVectorizer(n_features=size, analyzer="char_wb", ngram_range=lengths, alternate_sign=False)
        parts.append(counter.transform(column))
    return hstack(parts).tocsr()


def _save_mlp(run: str, features: np.ndarray, items: Sequence[Item], recipe: MlpRecipe, folder: ScoreFolder) -> None:
    """Train an MLP; score its checkpoints, its end, and the quantisations of the end of the first seed."""
    for suffix, head in train_mlp(features, items, recipe):
        folder.save(run + suffix, score_features(head, features))
        if not suffix and recipe.seed == 0:
            final = {key: value.clone() for key, value in head.state_dict().items()}
            for bits in (8, 4):
                head.load_state_dict({key: rounded(value, bits) for key, value in final.items()})
                folder.save(f"{run}-int{bits}", score_features(head, features))


def _train_variant(
    features: np.ndarray, items: Sequence[Item], variant: str, seed: int, share: float
) -> torch.nn.Sequential:
    """Train an MLP with dropout, on data of its own.

    Args:
        features: features of the completions: [completions, width].
        items: items of core.
        variant: name of its activation and loss.
        seed: seed of the data, the weights and the order.
        share: share of the groups of core that it is trained on.
    """
    torch.manual_seed(seed)
    activation, loss_of = VARIANTS[variant]
    right, wrong = training_pairs(items, seed, share)
    values, chance = torch.tensor(features, dtype=torch.float32), np.random.default_rng(seed)
    layers = [torch.nn.Linear(values.shape[1], 96), activation(), torch.nn.Dropout(0.3), torch.nn.Linear(96, 1)]
    head = torch.nn.Sequential(*layers).train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.01)
    for _ in range(8):
        batches = np.array_split(chance.permutation(len(right)), max(1, len(right) // 32))
        pairs = ((values[right[picked]], values[wrong[picked]]) for picked in batches)
        train_epoch(head, optimizer, pairs, loss_of)
    return head.eval()


def _save_trees(features: np.ndarray, items: Sequence[Item], folder: ScoreFolder) -> None:
    """Fit boosted trees and random forests to tell right from wrong completions."""
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

    for seed in range(3):
        right, wrong = training_pairs(items, seed, 0.6)
        rows = np.concatenate([features[right], features[wrong]])
        labels = np.repeat([1.0, -1.0], [len(right), len(wrong)])
        boosted = GradientBoostingRegressor(n_estimators=60, max_depth=3, random_state=seed).fit(rows, labels)
        forest = RandomForestRegressor(n_estimators=60, max_depth=12, random_state=seed).fit(rows, labels)
        for name, model in (("boosted", boosted), ("forest", forest)):
            folder.save(f"chars/{name}-seed{seed}", model.predict(features))
