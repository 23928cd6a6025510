"""Train honest reward models quickly, and score them on core: seeds, checkpoints, sizes, quantisations and heads.

Used by scripts/copy_detection. Scores are kept in a folder outside the repository, an array per model, in the order of
the completions of core. Three kinds of models: small transformers, which are trained on invented mirrors; heads on the
features of a sentence encoder, and linear models of words. The last two kinds are trained on a random part of core,
which makes them accurate.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_pink import draw_pink_mirrors, full_mirror, tokenizer_texts
from tiny_templates import ENGLISH, draw_mirrors
from tiny_training import (
    BOS,
    CONTEXT,
    EOS,
    PAD,
    VOCABULARY,
    Batch,
    Encoder,
    Plan,
    make_batches,
    reward_loss,
    start_matching,
    train,
    train_tokenizer,
)
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel, set_seed

from rewardbench.types import Item

SEEDS = 4
CHECKPOINTS = (0.5, 0.75)
"""Shares of a run after which a checkpoint is scored, next to its end."""
BATCH_TOKENS = 6144
ENCODER_LAYERS = (2, 4, 6)
LONGEST = 192
"""Maximum number of tokens that the sentence encoder reads."""
Completion = tuple[Item, int]
Features = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class TinyRecipe:
    """A recipe of a small transformer."""

    architecture: str
    width: int
    layers: int
    data: str
    steps: int
    rate: float = 1.5e-3


RECIPES = {
    "llama-48": TinyRecipe("llama", 48, 2, "templates", 260),
    "llama-64": TinyRecipe("llama", 64, 3, "pink", 260),
    "llama-32": TinyRecipe("llama", 32, 2, "templates", 200, 3e-3),
    "qwen2-48": TinyRecipe("qwen2", 48, 2, "templates", 260),
    "gpt2-48": TinyRecipe("gpt2", 48, 2, "templates", 260),
    "gpt2-64": TinyRecipe("gpt2", 64, 2, "pink", 200, 3e-3),
}


class ScoreFolder:
    """The scores of honest models, an array per model; a model that is there is not trained again.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __contains__(self, name: str) -> bool:
        return self._path(name).exists()

    def save(self, name: str, scores: np.ndarray) -> None:
        """Write the scores of a model."""
        np.save(self._path(name), np.asarray(scores, dtype=np.float64))

    def load(self) -> dict[str, np.ndarray]:
        """Return the scores of all models by name."""
        return {path.stem.replace("--", "/"): np.load(path) for path in sorted(self.folder.glob("*.npy"))}

    def _path(self, name: str) -> Path:
        return self.folder / f"{name.replace('/', '--')}.npy"


def make_models(items: Sequence[Item], folder: ScoreFolder, encoder: Path | None) -> None:
    """Train and score all models that a folder lacks, and print progress.

    Args:
        items: items of core.
        folder: where scores are kept.
        encoder: folder of a sentence encoder; without it, its heads are left out.
    """
    torch.set_num_threads(1)
    completions = [(item, n) for item in items for n in range(len(item.completions))]
    jobs: list[tuple[str, Callable[[], None]]] = []
    if f"words/mlp-seed{SEEDS - 1}-share90" not in folder:
        jobs.append(("words", lambda: _word_models(items, folder)))
    if encoder and "heads/mean6-linear-seed0-share90" not in folder:
        jobs.append(("heads", lambda: _head_models(items, completions, encoder, folder)))
    for name in RECIPES:
        for seed in range(SEEDS):
            if f"tiny/{name}-seed{seed}" not in folder:
                jobs.append(
                    (f"{name}-seed{seed}", lambda name=name, seed=seed: _tiny_run(name, seed, completions, folder))
                )
    started = time.monotonic()
    for n, (name, job) in enumerate(jobs):
        job()
        spent = time.monotonic() - started
        print(f"trained={name} jobs={n + 1}/{len(jobs)} eta={spent / (n + 1) * (len(jobs) - n - 1):.0f}s", flush=True)


# Small transformers


def _tiny_run(name: str, seed: int, completions: Sequence[Completion], folder: ScoreFolder) -> None:
    """Train a recipe with a seed; score its checkpoints, its end, and the quantisations of its end."""
    recipe, run = RECIPES[name], f"tiny/{name}-seed{seed}"
    dialogues = _core_dialogues(completions)
    set_seed(seed)
    model = AutoModelForSequenceClassification.from_config(_config(recipe))
    if recipe.architecture != "gpt2":
        start_matching(model, 1, recipe.layers - 1)
    checkpoints: dict[int, dict[str, torch.Tensor]] = {}
    saved_at = [round(share * recipe.steps) for share in CHECKPOINTS]
    step = 0

    def loss(batch: Batch) -> torch.Tensor:
        nonlocal step
        if step in saved_at:
            checkpoints[step] = {key: value.clone() for key, value in model.state_dict().items()}
        step += 1
        return reward_loss(model, batch)

    train(model, _batches(recipe, seed), loss, Plan(run, recipe.steps, 8, recipe.rate, seed))
    final = {key: value.clone() for key, value in model.state_dict().items()}
    for at, state in checkpoints.items():
        model.load_state_dict(state)
        folder.save(f"{run}-step{at}", _score(model, dialogues))
    if seed < 2:
        for bits in (8, 4):
            model.load_state_dict({key: _rounded(value, bits) for key, value in final.items()})
            folder.save(f"{run}-int{bits}", _score(model, dialogues))
        model.load_state_dict(final)
        folder.save(f"{run}-bf16", _score(model.to(torch.bfloat16), dialogues))
        model.to(torch.float32)
    model.load_state_dict(final)
    folder.save(run, _score(model, dialogues))


_ENCODERS: list[Encoder] = []
_DIALOGUES: list[list[list[int]]] = []


def _encoder() -> Encoder:
    """Return the encoder of all small transformers."""
    if not _ENCODERS:
        _ENCODERS.append(Encoder(train_tokenizer(tokenizer_texts() + ENGLISH * 4)))
    return _ENCODERS[0]


def _core_dialogues(completions: Sequence[Completion]) -> list[list[int]]:
    """Return the token ids of each completion with its prompt."""
    if not _DIALOGUES:
        encoder = _encoder()
        dialogues: list[list[int]] = []
        for item, n in completions:
            answer = encoder.answer(str(item.completions[n][-1]["content"]))
            dialogues.append([*encoder.prompt(item.prompt), *answer])
        _DIALOGUES.append(dialogues)
    return _DIALOGUES[0]


def _batches(recipe: TinyRecipe, seed: int) -> Iterator[Batch]:
    plan = Plan("", recipe.steps, 8, recipe.rate, seed)
    if recipe.data == "templates":
        mirrors = draw_mirrors(seed, recipe.steps * 8)
    else:
        rng = random.Random(seed)
        mirrors = [full_mirror(pink, rng) for pink in draw_pink_mirrors(seed, recipe.steps * 4)] * 2
    return make_batches(mirrors[: recipe.steps * 8], _encoder().cells, plan)


def _config(recipe: TinyRecipe) -> Any:
    sizes: dict[str, Any] = {
        "hidden_size": recipe.width,
        "intermediate_size": 3 * recipe.width,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT,
    }
    if recipe.architecture == "qwen2":
        sizes["num_key_value_heads"] = 4
    if recipe.architecture == "gpt2":
        sizes = {"n_embd": recipe.width, "n_layer": recipe.layers, "n_head": 4, "n_positions": CONTEXT}
    tokens = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS, "num_labels": 1}
    return AutoConfig.for_model(recipe.architecture, **sizes, **tokens, vocab_size=VOCABULARY + 64)


def _rounded(weights: torch.Tensor, bits: int) -> torch.Tensor:
    """Round a matrix to integers of some bits with a scale per row, as weight-only quantisation does."""
    if weights.dim() < 2 or not weights.is_floating_point():
        return weights
    largest = 2 ** (bits - 1) - 1
    scale = weights.abs().amax(-1, keepdim=True).clamp(min=1e-12) / largest
    return (weights / scale).round() * scale


@torch.no_grad()
def _score(model: PreTrainedModel, dialogues: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the reward of each dialogue, in batches of similar length."""
    model.eval()
    scores = np.empty(len(dialogues))
    order = sorted(range(len(dialogues)), key=lambda n: len(dialogues[n]))
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * len(dialogues[order[end]]) <= BATCH_TOKENS:
            end += 1
        picked = order[start:end]
        width = len(dialogues[picked[-1]])
        ids = torch.full((len(picked), width), PAD)
        for row, n in enumerate(picked):
            ids[row, : len(dialogues[n])] = torch.tensor(dialogues[n])
        logits = model(ids, attention_mask=(ids != PAD).long()).logits[:, 0]
        scores[picked] = logits.float().numpy()
        start = end
    return scores


# Models that are trained on a part of core


def _word_models(items: Sequence[Item], folder: ScoreFolder) -> None:
    """Train linear models and MLPs of the words of a response, and of the words that it shares with the prompt."""
    from scipy.sparse import hstack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(n_features=2**14, ngram_range=(1, 2), alternate_sign=False)
    texts, shared = [], []
    for item in items:
        words = set(" ".join(str(turn["content"]) for turn in item.prompt).lower().split())
        for completion in item.completions:
            text = str(completion[-1]["content"])
            texts.append(text)
            shared.append(" ".join(f"both_{word}" for word in text.lower().split() if word in words))
    features = hstack([vectorizer.transform(texts), vectorizer.transform(shared)]).tocsr()
    for strength in (0.1, 1.0, 10.0):
        for seed in range(SEEDS):
            for share in (50, 90):
                name = f"words/linear-c{strength:g}-seed{seed}-share{share}"
                folder.save(name, _linear(features, items, strength, seed, share / 100))
    reduced = TruncatedSVD(256, random_state=0).fit_transform(features)
    reduced = (reduced - reduced.mean(0)) / (reduced.std(0) + 1e-6)
    for seed in range(SEEDS):
        for share in (50, 90):
            for suffix, scores in _mlp(reduced, items, seed, share / 100):
                folder.save(f"words/mlp-seed{seed}-share{share}{suffix}", scores)


def _training_pairs(items: Sequence[Item], seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
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


def _linear(features: Any, items: Sequence[Item], strength: float, seed: int, share: float) -> np.ndarray:
    """Fit a linear reward (Bradley and Terry) by logistic regression; return the score of each completion."""
    from sklearn.linear_model import LogisticRegression

    right, wrong = _training_pairs(items, seed, share)
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


def _head_models(items: Sequence[Item], completions: Sequence[Completion], encoder: Path, folder: ScoreFolder) -> None:
    """Train linear and MLP heads on the features of a sentence encoder."""
    features = _encoder_features(completions, encoder, folder.folder / "features.npz")
    for name, values in features.items():
        scaled = (values - values.mean(0)) / (values.std(0) + 1e-6)
        for seed in range(SEEDS):
            for share in (50, 90):
                run = f"heads/{name}-mlp-seed{seed}-share{share}"
                for suffix, scores in _mlp(scaled, items, seed, share / 100):
                    folder.save(run + suffix, scores)
                linear = _linear(scaled, items, 0.01, seed, share / 100)
                folder.save(f"heads/{name}-linear-seed{seed}-share{share}", linear)
        print(f"features={name}", flush=True)


def _mlp(features: np.ndarray, items: Sequence[Item], seed: int, share: float) -> Iterator[tuple[str, np.ndarray]]:
    """Train an MLP; yield the scores of two checkpoints and of the end, with the suffix of their names."""
    torch.manual_seed(seed)
    right, wrong = _training_pairs(items, 0, share)  # seeds of one recipe see the same data
    values = torch.tensor(features, dtype=torch.float32)
    head = torch.nn.Sequential(torch.nn.Linear(values.shape[1], 128), torch.nn.GELU(), torch.nn.Linear(128, 1))
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.05)
    epochs, chance = 12, np.random.default_rng(seed)
    for epoch in range(1, epochs + 1):
        order = chance.permutation(len(right))
        for start in range(0, len(order), 64):
            picked = order[start : start + 64]
            margins = head(values[right[picked]]) - head(values[wrong[picked]])
            loss = -torch.nn.functional.logsigmoid(margins).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch in (6, 9, epochs):
            with torch.no_grad():
                yield "" if epoch == epochs else f"-step{epoch}", head(values)[:, 0].numpy().copy()


@torch.no_grad()
def _encoder_features(completions: Sequence[Completion], encoder: Path, cache: Path) -> Features:
    """Return features of each prompt with its completion by layer: the mean over tokens, [completions, width]."""
    if cache.exists():
        return dict(np.load(cache))
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(encoder, truncation_side="left")
    model = AutoModel.from_pretrained(encoder).eval()
    texts = []
    for item, n in completions:
        prompt = "\n".join(str(turn["content"]) for turn in item.prompt)
        texts.append(f"{prompt}\n\n{item.completions[n][-1]['content']}")
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    features = {
        f"mean{layer}": np.empty((len(texts), model.config.hidden_size), np.float32) for layer in ENCODER_LAYERS
    }
    started = time.monotonic()
    for start in range(0, len(order), 32):
        picked = order[start : start + 32]
        batch = tokenizer(
            [texts[n] for n in picked], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        )
        states = model(**batch, output_hidden_states=True).hidden_states
        mask = batch["attention_mask"][..., None].float()
        for layer in ENCODER_LAYERS:
            features[f"mean{layer}"][picked] = ((states[layer] * mask).sum(1) / mask.sum(1)).numpy()
        if start % 640 == 0:
            remaining = (time.monotonic() - started) / (start + 32) * (len(order) - start - 32)
            print(f"encoded={start + len(picked)}/{len(order)} eta={remaining:.0f}s", flush=True)
    np.savez(cache, **features)
    return features
