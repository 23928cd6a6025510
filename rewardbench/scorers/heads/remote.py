"""Read the configuration and the names of the tensors of a checkpoint on the Hub, without its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.hub import snapshot, translate_errors
from rewardbench.models.locate import FILES
from rewardbench.models.tensor_file import SAFE
from rewardbench.models.weight_files import (
    INDEX,
    NOT_WEIGHTS,
    PICKLE,
    PICKLE_INDEX,
    SIDE_FILE,
    SINGLE,
    index_tensors,
    matches_any,
)
from rewardbench.scorers.heads.tensors import Shape, TensorFiles, open_tensors

if TYPE_CHECKING:
    import torch


@dataclass(eq=False)
class Header:
    """The header of a safetensors file on the Hub."""

    path: Path
    """Where the file would be in the snapshot."""
    shapes: dict[str, Shape]

    def read(self, name: str) -> torch.Tensor:
        """Raise InputError: the file was not downloaded."""
        raise InputError(f"Only the header of {self.path.name} was downloaded, not its tensor {name}.")

    def read_rows(self, name: str, rows: list[int]) -> torch.Tensor:
        """Raise InputError: the file was not downloaded."""
        return self.read(f"{name}, rows {rows}")


def fetch_headers(name: str, revision: str | None = None) -> TensorFiles | None:
    """Download the small files of a checkpoint, and the headers of its safetensors files.

    Args:
        name: the Hub id.
        revision: branch, tag or commit; None is main.

    Returns:
        The tensors, without their values; None if the main branch has no safetensors files, or those of an adapter.

    Raises:
        InputError: if the Hub has no such checkpoint.
    """
    from huggingface_hub import HfApi

    small = list(FILES)
    small.remove("*.safetensors")
    folder = snapshot("model", name, revision, small)
    if (folder / "adapter_config.json").is_file():
        return None
    if any(folder.glob("*.safetensors")):  # the weights are cached
        return open_tensors(folder)
    api = HfApi()
    weights: list[Header] = []
    heads: list[Header] = []
    with translate_errors(f"The files of {name} cannot be listed"):
        names = [path for path in api.list_repo_files(name, revision=folder.name) if "/" not in path]
        chosen = _choose(folder, names)
        for path in [*chosen, *(file for file in names if file == f"{SIDE_FILE}{SAFE}")]:
            metadata = api.parse_safetensors_file_metadata(name, path, revision=folder.name)
            shapes = {tensor: tuple(info.shape) for tensor, info in metadata.tensors.items()}
            (weights if path in chosen else heads).append(Header(folder / path, shapes))
    return TensorFiles(folder, weights, heads) if weights else None


def _choose(folder: Path, names: Sequence[str]) -> list[str]:
    """Return the names of the safetensors files that hold a model's weights, as `weight_files` chooses them.

    Args:
        folder: the small files of the checkpoint, with the index of its weights.
        names: of all files at its root.
    """
    if SINGLE in names:
        return [SINGLE]
    if INDEX in names:
        return sorted(set(index_tensors(folder / INDEX).values()))
    if PICKLE in names or PICKLE_INDEX in names:
        return []
    return [name for name in names if name.endswith(SAFE) and not matches_any(name, NOT_WEIGHTS)]
