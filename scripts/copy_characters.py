"""Train reward models of the characters of a response: a family on which no threshold of the check was tuned.

Used by scripts/copy_detection. They differ in seed, data, width, loss, activation and regularisation, or are trees.
They need no pretrained encoder and take less than a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from copy_models import MlpRecipe, ScoreFolder, fit_linear, rounded, score_features, train_mlp, training_pairs

from rewardbench.types import Item

STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Inverse strengths of the regularisation of the linear models."""
LOSSES = {
    "hinge": lambda margins: torch.relu(1 - margins).mean(),
    "ipo": lambda margins: (margins - 1).square().mean(),
    "logistic": lambda margins: -torch.nn.functional.logsigmoid(margins).mean(),
}
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
    for strength in STRENGTHS:
        for seed in range(2):
            for share in (40, 80):
                scores = fit_linear(sparse, items, strength, seed, share / 100)
                folder.save(f"chars/linear-seed{seed}-share{share}-c{strength:g}", scores)
    dense = TruncatedSVD(200, random_state=1).fit_transform(sparse)
    dense = (dense - dense.mean(0)) / (dense.std(0) + 1e-6)
    for width in (16, 64, 256):
        for seed in range(3):
            for share in (30, 60, 80):
                _save_mlp(
                    f"chars/mlp{width}-seed{seed}-share{share}",
                    dense,
                    items,
                    MlpRecipe(seed, share / 100, width),
                    folder,
                )
    for loss in LOSSES:
        for seed in range(3):
            for share in (40, 80):
                name = f"chars/{loss}-seed{seed}-share{share}"
                folder.save(name, score_features(_train_other(dense, items, loss, seed, share / 100), dense))
    _save_trees(dense[:, :40], items, folder)
    print("trained=chars", flush=True)


def _characters(items: Sequence[Item]) -> Any:
    """Return the counts of parts of words of each response, and of words that it shares with its prompt."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import HashingVectorizer

    texts: list[str] = []
    shared: list[str] = []
    for item in items:
        words = set(" ".join(str(turn["content"]) for turn in item.prompt).lower().split())
        for completion in item.completions:
            text = str(completion[-1]["content"])
            texts.append(text)
            shared.append(" ".join(word for word in text.lower().split() if word in words))
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


def _train_other(
    features: np.ndarray, items: Sequence[Item], loss: str, seed: int, share: float
) -> torch.nn.Sequential:
    """Train an MLP with dropout and another loss or activation, on data of its own.

    Args:
        features: features of the completions: [completions, width].
        items: items of core.
        loss: name of the loss.
        seed: seed of the data, the weights and the order.
        share: share of the groups of core that it is trained on.
    """
    torch.manual_seed(seed)
    right, wrong = training_pairs(items, seed, share)
    values, chance = torch.tensor(features, dtype=torch.float32), np.random.default_rng(seed)
    activation = torch.nn.Tanh() if loss == "logistic" else torch.nn.ReLU()
    layers = [torch.nn.Linear(values.shape[1], 96), activation, torch.nn.Dropout(0.3), torch.nn.Linear(96, 1)]
    head = torch.nn.Sequential(*layers).train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.01)
    for _ in range(8):
        for picked in np.array_split(chance.permutation(len(right)), max(1, len(right) // 32)):
            value = LOSSES[loss](head(values[right[picked]]) - head(values[wrong[picked]]))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
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
