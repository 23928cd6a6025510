"""Parts of a model: its base without the head, and its layers, which can be compiled."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.models.devices import input_device
from rewardbench.models.failures import first_sentence

if TYPE_CHECKING:
    from torch.nn import Module, ModuleList
    from transformers import PreTrainedConfig, PreTrainedModel

    from rewardbench.settings import ModelSpec


def base_of(model: PreTrainedModel) -> Module:
    """Return the part of a model that gives hidden states to its head; the model itself if it has no head."""
    base: Module = getattr(model, model.base_model_prefix, model)
    return base


def layers_of(model: PreTrainedModel) -> ModuleList | None:
    """Return the list of a model's layers: the module list of the configured length; None if there is none."""
    from torch.nn import ModuleList

    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    for module in base_of(model).modules():
        if isinstance(module, ModuleList) and len(module) == count:
            return module
    return None


def last_layer(model: PreTrainedModel) -> Module | None:
    """Return the last of a model's layers, or None."""
    layers = layers_of(model)
    return None if layers is None else layers[-1]


def choose_kernels(model: PreTrainedModel, spec: ModelSpec) -> list[str]:
    """Compile a model's layers and compute packed batches by FlexAttention, as far as the spec asks for it.

    Returns:
        A note if nothing can be compiled here.

    Raises:
        InputError: if the layers are not found.
    """
    notes = compile_layers(model, spec.model) if spec.compile else []
    pack_with_flex(model, spec.attn_implementation == "flex_attention")
    return notes


def compile_layers(model: PreTrainedModel, name: str) -> list[str]:
    """Compile each layer with torch.compile on its first call; layers of one class share a graph for all lengths.

    A packed batch breaks the graph of a layer at its attention, whose kernel calls depend on the batch.

    Returns:
        A note if nothing can be compiled here; the layers then run as they are.

    Raises:
        InputError: if the layers are not found.
    """
    import torch

    layers = layers_of(model)
    if layers is None:
        raise InputError(f"The layers of {name} are not found, so they cannot be compiled: leave out --compile.")
    failure = compiler_failure(input_device(model).type)
    if failure:
        return [f"The layers of {name} were not compiled, since torch.compile fails here: {failure}."]
    for layer in layers:
        layer.forward = torch.compile(layer.forward, dynamic=True)
    return []


@cache
def compiler_failure(device: str) -> str | None:
    """Return the first sentence of the error with which torch.compile fails on a device; None if it compiles."""
    import torch

    try:
        torch.compile(lambda values: values + 1, dynamic=True)(torch.zeros(2, device=device))
    except Exception as error:  # no C++ compiler, no Python.h, no Triton, a GPU that is too old
        return first_sentence(getattr(error, "inner_exception", error))
    return None


def is_compiled(model: PreTrainedModel) -> bool:
    """Return True if the model's layers are compiled."""
    return hasattr(getattr(last_layer(model), "forward", None), "_torchdynamo_orig_callable")


def pack_with_flex(model: PreTrainedModel, enable: bool = True) -> None:
    """Compute packed batches by FlexAttention. The model's own forward keeps its attention implementation."""
    vars(model)["packed_with_flex"] = enable


def packs_with_flex(model: PreTrainedModel) -> bool:
    """Return True if packed batches are computed by FlexAttention."""
    return bool(vars(model).get("packed_with_flex"))


def is_encoder(config: PreTrainedConfig) -> bool:
    """Return True if the architecture is made for masked language modelling, so that its first token is pooled."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    return config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
