"""The layers of a model: where they are, and how they are compiled."""

from __future__ import annotations

from typing import Any

from rewardbench.errors import InputError


def base_of(model: Any) -> Any:
    """The part of a model that gives hidden states to its head; a model without a head is its own."""
    return getattr(model, model.base_model_prefix, model)


def layers_of(model: Any) -> Any:
    """The list of a model's layers, as far as it can be told without knowing the architecture; or None."""
    from torch.nn import ModuleList

    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    return next(
        (part for part in base_of(model).modules() if isinstance(part, ModuleList) and len(part) == count), None
    )


def last_layer(model: Any) -> Any:
    """The last of them, or None."""
    layers = layers_of(model)
    return None if layers is None else layers[-1]


def compile_layers(model: Any, name: str) -> None:
    """Have torch compile each layer when it is first called; all of one kind are compiled once, for all lengths.

    Raises: InputError where the layers cannot be found.
    """
    import torch

    layers = layers_of(model)
    if layers is None:
        raise InputError(f"The layers of {name} cannot be told from its other parts: leave out --compile.")
    for layer in layers:
        layer.forward = torch.compile(layer.forward, dynamic=True)


def is_compiled(model: Any) -> bool:
    """Whether its layers are compiled."""
    return hasattr(getattr(last_layer(model), "forward", None), "_torchdynamo_orig_callable")
