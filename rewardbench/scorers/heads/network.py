"""Build the layers of a head from its tensors: linear layers with an activation, and batch normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.scorers.heads.spec import Network
from rewardbench.scorers.heads.tensors import TensorFiles, find_layers

if TYPE_CHECKING:
    import torch


def build_network(network: Network, tensors: TensorFiles, name: str) -> torch.nn.Sequential:
    """Build a network in the dtype of its tensors, in evaluation mode.

    Args:
        network: where its tensors are, and the activation after each linear layer but the last.
        tensors: of the checkpoint, or of the file that the network names.
        name: the model, for errors.

    Raises:
        InputError: if a tensor is missing, or is none of a linear or a batch normalisation layer.
    """
    import torch

    layers = find_layers(tensors.shapes, network.prefix)
    if not layers:
        raise InputError(f"{name} has no tensors {network.prefix}.*, which its head spec names.")
    modules: list[torch.nn.Module] = []
    width = None
    for prefix in layers:
        shape = tensors.shapes[f"{prefix}.weight"]
        if len(shape) == 2:
            if width not in (None, shape[1]):
                raise InputError(f"{name} has a layer {prefix} of {shape[1]} inputs after one of {width} outputs.")
            width = shape[0]
            modules.append(_linear(tensors, prefix))
            if prefix != layers[-1] and network.activation != "none":
                modules.append(_activation(network.activation))
        elif f"{prefix}.running_mean" in tensors:
            modules.append(_batch_norm(tensors, prefix))
        else:
            raise InputError(f"{name} has a layer {prefix} of shape {list(shape)}, which no head spec can declare.")
    return torch.nn.Sequential(*modules).eval().requires_grad_(requires_grad=False)


def _linear(tensors: TensorFiles, prefix: str) -> torch.nn.Module:
    import torch

    weight = tensors.read(f"{prefix}.weight")
    bias = tensors.read(f"{prefix}.bias") if f"{prefix}.bias" in tensors else None
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    layer.weight = torch.nn.Parameter(weight)
    if bias is not None:
        layer.bias = torch.nn.Parameter(bias)
    return layer


def _batch_norm(tensors: TensorFiles, prefix: str) -> torch.nn.Module:
    import torch

    mean = tensors.read(f"{prefix}.running_mean")
    layer = torch.nn.BatchNorm1d(len(mean), dtype=mean.dtype)
    state = {kind: tensors.read(f"{prefix}.{kind}") for kind in ("weight", "bias", "running_mean", "running_var")}
    layer.load_state_dict(state, strict=False)
    return layer


def _activation(name: str) -> torch.nn.Module:
    import torch

    modules: dict[str, type[torch.nn.Module]] = {
        "relu": torch.nn.ReLU,
        "selu": torch.nn.SELU,
        "leaky_relu": torch.nn.LeakyReLU,
        "tanh": torch.nn.Tanh,
        "gelu": torch.nn.GELU,
    }
    return modules[name]()
