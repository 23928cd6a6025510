"""Train reward heads on the features of public models, and score them on core, with quantisations and distillations.

Used by scripts/copy_detection. The features are means over the tokens of a prompt with its response, at some layers of
a sentence encoder and of a causal language model. The thresholds of the check were not tuned on these models.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from copy_heads import MlpRecipe, fit_linear, make_mlp, score_features, train_mlp, training_pairs
from copy_models import Completion, ScoreFolder, rounded
from transformers import AutoModel, AutoTokenizer

from rewardbench.types import Item

LAYERS = {"minilm": (2, 4, 6), "smollm2": (4, 8)}
"""Layers whose states are features."""
LONGEST = 192
"""Maximum number of tokens that a model reads."""
ROWS = 32
SEEDS = 3
OTHER = {"width": 64, "rate": 3e-3, "epochs": 8}
"""Another recipe."""
TEACHERS = ("mlp-seed0-share90", "mlp-seed0-share50")
Features = Mapping[str, np.ndarray]


def make_feature_models(items: Sequence[Item], folder: ScoreFolder, encoders: Mapping[str, Path]) -> None:
    """Train and score all heads that a folder lacks.

    Args:
        items: items of core.
        folder: where scores are kept.
        encoders: folders of the public models: `minilm` and `smollm2`, or one of them.
    """
    torch.set_num_threads(1)
    completions = [(item, n) for item in items for n in range(len(item.completions))]
    features: dict[str, np.ndarray] = {}
    for model, path in encoders.items():
        cache = folder.folder / f"{model}.npz"
        if not cache.exists():
            np.savez(cache, **_compute_features(completions, path, LAYERS[model]))
        for layer, values in dict(np.load(cache)).items():
            features[f"{model}/{layer}"] = (values - values.mean(0)) / (values.std(0) + 1e-6)
    for name, values in features.items():
        if f"{name}-linear-seed{SEEDS - 1}-share90" not in folder:
            _train_heads(name, values, items, folder)
            print(f"trained={name}", flush=True)
    for name in features:
        for teacher in TEACHERS:
            for student, values in features.items():
                if student.partition("/")[0] != name.partition("/")[0]:
                    _distil(f"{name}-{teacher}", student, values, items, folder)


def _train_heads(name: str, features: np.ndarray, items: Sequence[Item], folder: ScoreFolder) -> None:
    """Train the heads of one layer: two recipes and linear ones, their checkpoints, averages and quantisations."""
    for seed in range(SEEDS):
        for share in (50, 90):
            states: list[dict[str, torch.Tensor]] = []
            run = f"{name}-mlp-seed{seed}-share{share}"
            for suffix, head in train_mlp(features, items, MlpRecipe(seed, share / 100)):
                folder.save(run + suffix, score_features(head, features))
                states.append(copy.deepcopy(head.state_dict()))
            if seed == 0:
                _save_variants(run, states, features, folder)
        other = list(train_mlp(features, items, MlpRecipe(seed, 0.9, **OTHER)))[-1][1]
        folder.save(f"{name}-other-seed{seed}-share90", score_features(other, features))
        for share in (50, 90):
            linear = fit_linear(features, items, 0.01, seed, share / 100)
            folder.save(f"{name}-linear-seed{seed}-share{share}", linear)


def _save_variants(
    run: str, states: Sequence[Mapping[str, torch.Tensor]], features: np.ndarray, folder: ScoreFolder
) -> None:
    """Save the scores of the quantisations of a head, and of the average of its last two checkpoints.

    Args:
        run: name of the head.
        states: its weights at each checkpoint.
        features: the features: [completions, width].
        folder: where scores are kept.
    """
    before, last = states[-2:]
    variants = {f"int{bits}": {key: rounded(value, bits) for key, value in last.items()} for bits in (8, 4)}
    variants["average"] = {key: (value + before[key]) / 2 for key, value in last.items()}
    variants["bf16"] = {key: value.bfloat16().float() for key, value in last.items()}
    head = make_mlp(features.shape[1], len(last["0.weight"]))
    for variant, weights in variants.items():
        head.load_state_dict(weights)
        values = torch.tensor(features).bfloat16().float().numpy() if variant == "bf16" else features
        folder.save(f"{run}-{variant}", score_features(head, values))


def _distil(teacher: str, student: str, features: np.ndarray, items: Sequence[Item], folder: ScoreFolder) -> None:
    """Train an MLP on other features to give the scores of a head on 90% of the groups.

    Args:
        teacher: name of the head.
        student: name of the features.
        features: the features: [completions, width].
        items: items of core.
        folder: where scores are kept.
    """
    name = f"distilled/{student.replace('/', '-')}-of-{teacher.replace('/', '-')}"
    if name in folder:
        return
    goal = folder.load()[teacher]
    goal = torch.tensor((goal - goal.mean()) / goal.std(), dtype=torch.float32)
    right, wrong = training_pairs(items, 1, 0.9)
    rows = np.unique(np.concatenate([right, wrong]))
    torch.manual_seed(0)
    values, chance = torch.tensor(features, dtype=torch.float32), np.random.default_rng(0)
    head = make_mlp(features.shape[1], 128)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.05)
    for _ in range(15):
        for picked in np.array_split(chance.permutation(rows), len(rows) // 64):
            loss = torch.nn.functional.mse_loss(head(values[picked])[:, 0], goal[picked])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    folder.save(name, score_features(head, features))


@torch.no_grad()
def _compute_features(completions: Sequence[Completion], path: Path, layers: Sequence[int]) -> Features:
    """Return the mean over tokens of the states of some layers: [completions, width] each."""
    tokenizer = AutoTokenizer.from_pretrained(path, truncation_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModel.from_pretrained(path, dtype=torch.bfloat16).eval()
    if hasattr(model, "layers"):  # further layers are not needed
        model.layers, model.config.num_hidden_layers = model.layers[: layers[-1] + 1], layers[-1] + 1
    texts: list[str] = []
    for item, n in completions:
        prompt = "\n".join(str(turn["content"]) for turn in item.prompt)
        texts.append(f"{prompt}\n\n{item.completions[n][-1]['content']}")
    features = {f"mean{layer}": np.empty((len(texts), model.config.hidden_size), np.float32) for layer in layers}
    for picked in _with_progress(sorted(range(len(texts)), key=lambda n: len(texts[n]))):
        batch = tokenizer(
            [texts[n] for n in picked], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        )
        states = model(**batch, output_hidden_states=True).hidden_states
        mask = batch["attention_mask"][..., None].float()
        for layer in layers:
            features[f"mean{layer}"][picked] = ((states[layer].float() * mask).sum(1) / mask.sum(1)).numpy()
    return features


def _with_progress(order: Sequence[int]) -> Iterator[list[int]]:
    """Yield batches of indices, and print the remaining time."""
    started = time.monotonic()
    for start in range(0, len(order), ROWS):
        yield list(order[start : start + ROWS])
        if start % (ROWS * 20) == 0:
            remaining = (time.monotonic() - started) / (start + ROWS) * (len(order) - start - ROWS)
            print(f"encoded={start + ROWS}/{len(order)} eta={remaining:.0f}s", flush=True)
