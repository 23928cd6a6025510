"""Check that a head spec reads every tensor of a checkpoint that its backbone does not use."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from rewardbench.errors import InputError
from rewardbench.models.limits import name_first
from rewardbench.scorers.heads.spec import HeadSpec
from rewardbench.scorers.heads.tensors import TensorFiles, find_layers, is_expendable

LAYER_PARTS = ("weight", "bias", "running_mean", "running_var")
"""Tensors that a layer of a head may have."""


def reject_unread(head: HeadSpec, unused: Iterable[str], tensors: TensorFiles, name: str) -> None:
    """Reject a checkpoint with a tensor that neither its backbone uses nor its head spec reads.

    Args:
        head: the spec.
        unused: names of tensors that the backbone does not use.
        tensors: of the checkpoint.
        name: of the model, for the error.

    Raises:
        InputError: if there is such a tensor; names it.
    """
    head_names = read_tensors(head, tensors)
    unread = []
    for tensor in sorted({*unused, *tensors.beside}):
        is_listed = any(fnmatchcase(tensor, pattern) for pattern in head.ignore)
        if tensor not in head_names and not is_listed and not is_expendable(tensor, tensors.shapes.get(tensor, ())):
            unread.append(tensor)
    if unread:
        raise InputError(
            f"{name} has the tensor {name_first(unread)}, which a model of the family {head.name} does not have, so "
            "its score may be another than that of its authors: declare its head with --adapter FILE (tensors under "
            "ignore are left out)."
        )


def read_tensors(head: HeadSpec, tensors: TensorFiles) -> set[str]:
    """Return the names of the tensors that a head spec reads from the weights of a checkpoint."""
    parameters = [head.output.matrix, head.gate.scale if head.gate else None]
    if head.affine:
        parameters += [head.affine.mean, head.affine.std, head.affine.variance]
    names = set(filter(None, parameters))
    for network in head.networks:
        if network.file is None:
            for layer in find_layers(tensors.shapes, network.prefix):
                names.update(f"{layer}.{part}" for part in LAYER_PARTS)
    return names
