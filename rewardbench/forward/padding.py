"""Pad token ids to a rectangle: input ids, attention mask and position ids of one forward pass."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from rewardbench.models.devices import move_to
from rewardbench.types import TokenRequest

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

PaddingSide = Literal["left", "right"]


def read_pad_id(config: PreTrainedConfig) -> int | None:
    """Return the pad token id of a configuration; None if there is none, or it has no embedding (-1 in many Llamas).

    >>> from types import SimpleNamespace
    >>> [read_pad_id(SimpleNamespace(pad_token_id=pad, vocab_size=10)) for pad in (0, 9, None, -1, 10)]
    [0, 9, None, None, None]
    """
    pad: int | None = config.pad_token_id
    return pad if pad is not None and 0 <= pad < config.vocab_size else None


def choose_pad_id(requests: Sequence[TokenRequest], pad: int | None, vocabulary_size: int) -> int:
    """Return the id that fills a batch: the model's pad token id, or, if it has none, an id that no text contains.

    With a pad id that no text contains, transformers pools the last real token, as in an unpadded forward pass.

    >>> choose_pad_id([TokenRequest("", "", (7, 9))], None, 10)
    8
    """
    if pad is not None:
        return pad
    used: set[int] = set()
    for request in requests:
        used.update(request.ids)
    pad = vocabulary_size - 1
    while pad in used:
        pad -= 1
    return pad


def pad_batch(
    requests: Sequence[TokenRequest], pad_id: int, side: PaddingSide, device: torch.device
) -> dict[str, torch.Tensor]:
    """Return `input_ids` and `attention_mask`, each [requests, longest], and for left padding `position_ids`.

    Right padding moves no position, and each model counts positions itself (RoBERTa starts at pad + 1).
    """
    import torch

    longest = max(map(len, requests))
    input_ids = torch.full((len(requests), longest), pad_id, dtype=torch.long)
    attention_mask = torch.zeros_like(input_ids)
    for n, request in enumerate(requests):
        start = longest - len(request) if side == "left" else 0
        tokens = slice(start, start + len(request))
        input_ids[n, tokens] = torch.tensor(request.ids, dtype=torch.long)
        attention_mask[n, tokens] = 1
    inputs = {"input_ids": move_to(input_ids, device), "attention_mask": move_to(attention_mask, device)}
    if side == "left":
        inputs["position_ids"] = move_to((attention_mask.cumsum(1) - 1).clamp(min=0), device)
    return inputs


def filter_inputs(model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> dict[str, object]:
    """Return the inputs that a model's forward takes, and `use_cache=False`: a KV cache would only cost memory."""
    parameters = inspect.signature(model.forward).parameters
    options: dict[str, object] = {**inputs, "use_cache": False}
    return {name: option for name, option in options.items() if name in parameters}
