"""Copy the modules of a model without its weights, so that two threads can run it at the same time.

A forward pass over a packed batch replaces the attention of the model, and the forward of its last layer and its base,
for that batch. Each thread therefore needs modules of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from rewardbench.models.layers import is_compiled, layers_of
from rewardbench.models.linear import is_onednn_forward
from rewardbench.models.placement import is_quantized

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel

T = TypeVar("T")


def may_replicate(model: PreTrainedModel) -> bool:
    """Return True if a copy of the modules computes what the model does: no weights elsewhere, no hooks, no autocast.

    Hooks are not copied, since those of one module may run in one thread only.
    """
    import torch

    is_plain = model.device.type == "cpu" and not is_quantized(model) and not is_compiled(model)
    return is_plain and not torch.is_autocast_enabled("cpu") and not any(map(_is_changed, model.modules()))


def _is_changed(module: Module) -> bool:
    """Return True if a module has hooks, or a forward that is not of its class."""
    forward = vars(module).get("forward")
    has_hooks = bool(module._forward_hooks or module._forward_pre_hooks) or hasattr(module, "_hf_hook")
    return has_hooks or not (forward is None or is_onednn_forward(forward))


def replicate(owner: T, model: PreTrainedModel, shared: tuple[object, ...] = ()) -> T:
    """Copy an object and all modules that it refers to; the copy has the same weights in memory.

    Args:
        owner: refers to the model.
        model: the model whose weights are shared.
        shared: other objects that are not copied.
    """
    memo: dict[int, Any] = {id(part): part for part in (*model.parameters(), *shared)}
    return copy.deepcopy(owner, memo)


def call_before_layers(model: PreTrainedModel, check: Callable[[], None]) -> None:
    """Call a function before each layer of a model, or before the model if its layers are not found."""
    for module in layers_of(model) or [model]:
        module.register_forward_pre_hook(partial(_call, check))


def _call(check: Callable[[], None], *_: object) -> None:
    check()
