"""Train honest reward models quickly, and score them on core: seeds, checkpoints, sizes, quantisations and words.

Used by scripts/copy_detection. Scores are kept in a folder outside the repository, an array per model, in the order of
the completions of core. Two kinds of models: small transformers, which are trained on invented mirrors, and models of
words, which are trained on a random part of core, so that they are accurate. copy_features.py has further models.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from copy_heads import MlpRecipe, fit_linear, responses_of, score_features, train_mlp
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
Completion = tuple[Item, int]


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
TUNED = ("llama-48", "llama-64", "llama-32")
"""Recipes whose models, with those of words, the thresholds of the check were tuned on; others are held out."""
ADAPTED = "qwen2-48"
"""Recipe whose first model is adapted by LoRA, as a public reward model is by others."""


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


def make_models(items: Sequence[Item], folder: ScoreFolder) -> None:
    """Train and score all models that a folder lacks, and print progress.

    Args:
        items: items of core.
        folder: where scores are kept.
    """
    torch.set_num_threads(1)
    completions = [(item, n) for item in items for n in range(len(item.completions))]
    jobs: list[tuple[str, Callable[[], None]]] = []
    if f"words/mlp-seed{SEEDS - 1}-share90" not in folder:
        jobs.append(("words", lambda: _word_models(items, folder)))
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
    if recipe.architecture in ("llama", "qwen2"):
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
        folder.save(f"{run}-step{at}", score_dialogues(model, dialogues))
    if name not in TUNED:
        last = checkpoints[saved_at[-1]]
        model.load_state_dict({key: (value + last[key]) / 2 for key, value in final.items()})
        folder.save(f"{run}-average", score_dialogues(model, dialogues))
    if seed < 2:
        for bits in (8, 4):
            model.load_state_dict({key: rounded(value, bits) for key, value in final.items()})
            folder.save(f"{run}-int{bits}", score_dialogues(model, dialogues))
        model.load_state_dict(final)
        folder.save(f"{run}-bf16", score_dialogues(model.to(torch.bfloat16), dialogues))
        model.to(torch.float32)
    model.load_state_dict(final)
    if name == ADAPTED and seed == 0:
        _save_adapters(model, run, dialogues, folder)
        model.load_state_dict(final)
    folder.save(run, score_dialogues(model, dialogues))


def _save_adapters(model: PreTrainedModel, run: str, dialogues: Sequence[Sequence[int]], folder: ScoreFolder) -> None:
    """Train LoRA adapters of a reward model, with other data, rates and seeds; merge each, and score it."""
    from peft import LoraConfig, get_peft_model

    final = {key: value.clone() for key, value in model.state_dict().items()}
    for data in ("templates", "pink"):
        for rate in (1e-3, 5e-3):
            for seed in (10, 11):
                set_seed(seed)
                model.load_state_dict(final)
                settings = {"r": 4, "lora_alpha": 8, "modules_to_save": []}
                config = LoraConfig(target_modules=["q_proj", "v_proj", "up_proj", "down_proj"], **settings)
                adapted = get_peft_model(model, config)
                recipe = replace(RECIPES[ADAPTED], data=data, steps=60, rate=rate)
                plan = Plan(f"{run}+{data}", recipe.steps, 8, rate, seed)
                train(adapted, _batches(recipe, seed), partial(reward_loss, adapted), plan)
                model = adapted.merge_and_unload()
                name = run.replace("tiny/", "adapters/") + f"-{data}-rate{rate:g}-seed{seed}"
                folder.save(name, score_dialogues(model, dialogues))


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


def rounded(weights: torch.Tensor, bits: int) -> torch.Tensor:
    """Round a matrix to integers of some bits with a scale per row, as weight-only quantisation does."""
    if weights.dim() < 2 or not weights.is_floating_point():
        return weights
    largest = 2 ** (bits - 1) - 1
    scale = weights.abs().amax(-1, keepdim=True).clamp(min=1e-12) / largest
    return (weights / scale).round() * scale


@torch.no_grad()
def score_dialogues(model: PreTrainedModel, dialogues: Sequence[Sequence[int]]) -> np.ndarray:
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
    for text, words in responses_of(items):
        texts.append(text)
        shared.append(" ".join(f"both_{word}" for word in words))
    features = hstack([vectorizer.transform(texts), vectorizer.transform(shared)]).tocsr()
    for strength in (0.1, 1.0, 10.0):
        for seed in range(SEEDS):
            for share in (50, 90):
                name = f"words/linear-c{strength:g}-seed{seed}-share{share}"
                folder.save(name, fit_linear(features, items, strength, seed, share / 100))
    reduced = TruncatedSVD(256, random_state=0).fit_transform(features)
    reduced = (reduced - reduced.mean(0)) / (reduced.std(0) + 1e-6)
    for seed in range(SEEDS):
        for share in (50, 90):
            for suffix, head in train_mlp(reduced, items, MlpRecipe(seed, share / 100)):
                folder.save(f"words/mlp-seed{seed}-share{share}{suffix}", score_features(head, reduced))
