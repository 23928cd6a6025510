"""Find a layer of a reward model, read its states, and edit them in a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.features.dictionary import SparseDictionary
from rewardbench.errors import InputError
from rewardbench.scorers.base import ModelScorer
from rewardbench.types import Scorer, TokenRequest

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch.nn import Module
    from transformers import PreTrainedModel

TOKENS_PER_BATCH = 8_192
"""Maximum tokens of a batch of ablated copies of one text."""


def check_scorer(scorer: Scorer) -> ModelScorer:
    """Return the scorer if it reads one score from one forward pass of a torch model.

    Raises:
        InputError: for other scorers.
    """
    if isinstance(scorer, ModelScorer) and scorer.view in ("pointwise", "stepwise"):
        return scorer
    raise InputError(
        f"{scorer.name} is not a reward model that scores a text in one forward pass in this process, so it has no "
        "layer to read: pass a classifier or a model with a reward head as --model."
    )


def weights_of(scorer: ModelScorer) -> str:
    """Return what identifies the weights of a model, as text."""
    return str(scorer.fingerprint.get("weights", ""))


def find_layer(model: PreTrainedModel, layer: str | None) -> tuple[str, Module]:
    """Return the name of a module and the module.

    Args:
        model: the model.
        layer: number of a layer from 0, or the name of a module; None: the layer in the middle.

    Raises:
        InputError: if there is no such layer.
    """
    from rewardbench.models.layers import layers_of

    modules = dict(model.named_modules())
    if layer is not None and layer in modules and layer:
        return layer, modules[layer]
    layers = layers_of(model)
    if layers is None:
        raise InputError(f"The list of layers is not known: name a module as --layer, such as {_last_name(modules)}.")
    number = len(layers) // 2 if layer is None else _to_number(layer)
    if number is None or not 0 <= number < len(layers):
        raise InputError(f"There is no layer {layer!r}: pass a number from 0 to {len(layers) - 1}, or a module's name.")
    module: Module = layers[number]
    return next(name for name, candidate in modules.items() if candidate is module), module


def _last_name(modules: dict[str, Module]) -> str:
    return list(modules)[-1]


def _to_number(layer: str) -> int | None:
    return int(layer) if layer.isascii() and layer.isdigit() and len(layer) < 10 else None


@contextmanager
def edited(module: Module, edit: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """Context manager: a function replaces the states that a module returns: [texts, tokens, width]."""

    def hook(_: Module, inputs: object, output: object) -> object:
        if isinstance(output, tuple):
            return (edit(output[0]), *output[1:])
        return edit(output)  # type: ignore[arg-type]

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def read_states(scorer: ModelScorer, module: Module, request: TokenRequest) -> tuple[NDArray[np.float32], float]:
    """Score one text unbatched, and return the states of its tokens [tokens, width] and its score.

    Raises:
        InputError: if the module does not return one state for each token.
    """
    captured: list[torch.Tensor] = []

    def keep(states: torch.Tensor) -> torch.Tensor:
        captured.append(states)
        return states

    with edited(module, keep):
        score = scorer.score_unbatched(request)
    states = captured[-1] if captured else None
    if states is None or not hasattr(states, "shape") or tuple(states.shape[:2]) != (1, len(request)):
        raise InputError("The module of --layer does not return one state for each token: name another, or a number.")
    array: NDArray[np.float32] = states[0].float().cpu().numpy()
    return array, score


def ablation_effects(
    scorer: ModelScorer, dictionary: SparseDictionary, module: Module, request: TokenRequest, features: Sequence[int]
) -> NDArray[np.float64]:
    """Return for each feature the score of a text without it, minus the score of the text.

    Copies of the text are one batch, so that all have the same length and no padding; in the first copy, nothing is
    removed.

    Args:
        scorer: the reward model.
        dictionary: the features, on the device of the model.
        module: the layer.
        request: the text.
        features: ids of features.

    Returns:
        [len(features)], in units of the reward.
    """
    padded = scorer.with_layout(replace(scorer.layout, packed=False))
    limit = 1 if scorer.layout.unbatched else max(1, min(64, TOKENS_PER_BATCH // max(1, len(request))))
    removed: list[int | None] = [None, *features]
    scores: list[float] = []
    for start in range(0, len(removed), limit):
        chunk = removed[start : start + limit]
        with edited(module, lambda states, chunk=chunk: _without(states, dictionary, chunk)):  # type: ignore[misc]
            scores += padded.forward([request] * len(chunk))
    return np.array(scores[1:]) - scores[0]


def _without(states: torch.Tensor, dictionary: SparseDictionary, removed: Sequence[int | None]) -> torch.Tensor:
    """Remove one feature from each copy of a text: [copies, tokens, width]; None removes nothing."""
    if len(states) != len(removed):
        return states  # the pass of one token that resets dynamic RoPE
    copies, features = [], []
    for copy, feature in enumerate(removed):
        if feature is not None:
            copies.append(copy)
            features.append(feature)
    if not features:
        return states
    activations = dictionary.activations(states[copies[0]], features)
    exact = states.float().clone()
    exact[copies] -= activations.T[:, :, None] * dictionary.decoder[features][:, None, :]
    return exact.to(states.dtype)
