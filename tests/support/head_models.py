"""Small reward models in layouts that no Auto class loads: a random backbone, and tensors of a head beside it."""

import json
from itertools import pairwise

import torch
from random_models import make_model
from safetensors.torch import load_file, save_file


def make_headed(
    folder,
    tensors,
    architectures=("LlamaForCausalLM",),
    prefix=None,
    arch="llama",
    file=None,
    rename=None,
    tokenizer=None,
    **config,
):
    """Save a random causal model with the tensors of a head, and return its folder.

    Args:
        folder: where.
        tensors: of the head, by name.
        architectures: class names for config.json.
        prefix: replaces `model.` in the names of the backbone's tensors.
        arch: architecture of the backbone.
        file: the head's own file, without its suffix; None puts it among the weights.
        rename: maps the name of each tensor to the name that is stored.
        tokenizer: in place of the usual one.
        config: added to config.json.
    """
    make_model(folder, arch, "causal", tokenizer=tokenizer)
    weights = load_file(folder / "model.safetensors")
    weights.pop("lm_head.weight", None)
    if prefix is not None:
        weights = {name.replace("model.", prefix, 1): tensor for name, tensor in weights.items()}
    if file:
        save_file(tensors, folder / f"{file}.safetensors")
    else:
        weights.update(tensors)
    if rename:
        weights = {rename(name): tensor for name, tensor in weights.items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    path = folder / "config.json"
    fields = json.loads(path.read_text())
    fields.update(architectures=list(architectures), **config)
    path.write_text(json.dumps(fields))
    return folder


def random_layers(prefix, *widths, bias=True, seed=0):
    """Return the tensors of linear layers: `prefix.0.weight`, `prefix.2.weight`, ...; of one layer `prefix.weight`."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for number, (width, outputs) in enumerate(pairwise(widths)):
        name = prefix if len(widths) == 2 else f"{prefix}.{2 * number}"
        tensors[f"{name}.weight"] = torch.randn(outputs, width, generator=generator)
        if bias:
            tensors[f"{name}.bias"] = torch.randn(outputs, generator=generator)
    return tensors


def split_file(folder):
    """Store the weights of a folder in two files with an index, as large models are saved."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    files = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: weights[name] for name in part}, folder / file, {"format": "pt"})
        files.update(dict.fromkeys(part, file))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    return folder


def apply_layers(states, tensors, prefix, activation=torch.relu):
    """Return what linear layers with a prefix make of states, in plain torch."""
    weights = sorted(name for name in tensors if name.startswith(prefix) and name.endswith("weight"))
    for name in weights:
        states = states @ tensors[name].T + tensors.get(f"{name.removesuffix('weight')}bias", 0)
        states = states if name == weights[-1] else activation(states)
    return states


def rename_weights(folder, rename):
    """Store the weights of a folder under other names."""
    weights = load_file(folder / "model.safetensors")
    save_file(
        {rename(name): tensor for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )


def add_weights(folder, tensors):
    """Add tensors to the weights of a folder."""
    weights = load_file(folder / "model.safetensors")
    save_file(weights | tensors, folder / "model.safetensors", {"format": "pt"})
