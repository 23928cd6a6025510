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
