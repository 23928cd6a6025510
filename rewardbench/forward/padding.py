"""Token ids in, rectangular tensors out: padding, masks and positions for one forward."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from rewardbench.types import TokenRequest

if TYPE_CHECKING:
    import torch

Side = Literal["left", "right"]


def usable_pad(config: Any) -> int | None:
    """The pad id of a configuration; None where it names none, or one that has no embedding (-1 in many a Llama).

    >>> from types import SimpleNamespace
    >>> [usable_pad(SimpleNamespace(pad_token_id=pad, vocab_size=10)) for pad in (0, 9, None, -1, 10)]
    [0, 9, None, None, None]
    """
    pad = config.pad_token_id
    return pad if pad is not None and 0 <= pad < config.vocab_size else None


def filler(requests: Sequence[TokenRequest], pad: int | None, vocabulary: int) -> int:
    """The id that fills a batch: the model's pad token, or, where it has none, one that no item holds.

    A pad id that occurs nowhere makes transformers pool the last real token, as one unpadded forward does.

    >>> filler([TokenRequest("", "", (7, 9))], None, 10)
    8
    """
    if pad is not None:
        return pad
    held = {token for request in requests for token in request.ids}
    return next(token for token in range(vocabulary - 1, -1, -1) if token not in held)


def pad_batch(requests: Sequence[TokenRequest], fill: int, side: Side, device: Any) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask`, each [requests, longest], and for left padding `position_ids`.

    On the right padding moves no position, and each model counts its own (RoBERTa starts at pad + 1).
    """
    import torch

    longest = max(len(request) for request in requests)
    ids = torch.full((len(requests), longest), fill, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, request in enumerate(requests):
        at = slice(longest - len(request), None) if side == "left" else slice(0, len(request))
        ids[row, at] = torch.tensor(request.ids, dtype=torch.long)
        mask[row, at] = 1
    inputs = {"input_ids": ids, "attention_mask": mask}
    if side == "left":
        inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
    return {name: tensor.to(device) for name, tensor in inputs.items()}


def accepted(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What this model's forward takes of the inputs; and no cache, which would hold keys and values of every layer."""
    names = inspect.signature(model.forward).parameters
    return {name: value for name, value in {**inputs, "use_cache": False}.items() if name in names}
