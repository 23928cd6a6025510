"""Read one file of weights: safetensors, or a pickle (`.bin`, `.pt`) from which only tensors are accepted."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from zipfile import is_zipfile

from rewardbench.errors import InputError
from rewardbench.models.failures import first_sentence

if TYPE_CHECKING:
    import torch

SAFE = ".safetensors"
"""Suffix of the files that cannot run code."""

STATE_DICT_KEYS = ("state_dict", "model_state_dict", "model", "module")
"""Keys under which training frameworks put the state dict of a checkpoint."""

BLOCKED_GLOBAL = re.compile(r"GLOBAL (\S+)")
"""Finds the Python object in torch's message about a pickle that holds more than tensors."""


class TensorFile(Protocol):
    """A file of weights, read lazily."""

    path: Path
    shapes: dict[str, tuple[int, ...]]

    def read(self, name: str) -> torch.Tensor:
        """Read one tensor."""

    def read_rows(self, name: str, rows: list[int]) -> torch.Tensor:
        """Read some rows of a matrix: [rows, width]."""


def is_pickle(path: Path) -> bool:
    """Return True if a file of weights is a pickle."""
    return path.suffix != SAFE


def open_tensor_file(path: Path) -> TensorFile:
    """Open a file of weights by its suffix. Callers check first whether pickles are allowed.

    Raises:
        InputError: if the file is damaged, or holds anything but tensors.
    """
    return PickleFile(path) if is_pickle(path) else SafetensorsFile(path)


class SafetensorsFile:
    """A safetensors file; its header is read at once, its tensors on request."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        self.shapes: dict[str, tuple[int, ...]] = {}
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  # not a dict
                    self.shapes[name] = tuple(file.get_slice(name).get_shape())
        except (OSError, SafetensorError) as error:
            raise InputError(
                f"{path.name} in {path.parent} is not a whole safetensors file ({error}): download or save it again."
            ) from error

    def read(self, name: str) -> torch.Tensor:
        """Read one tensor."""
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(name)
        return tensor

    def read_rows(self, name: str, rows: list[int]) -> torch.Tensor:
        """Read some rows of a matrix: [rows, width]."""
        import torch
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as file:
            matrix = file.get_slice(name)
            return torch.cat([matrix[row : row + 1] for row in rows])


class PickleFile:
    """A file of `torch.save`, read with `weights_only=True`: torch rejects whatever could run code.

    A zip archive, which torch writes since 1.6, is mapped into memory; an older file is read as a whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tensors = _state_dict(_load_tensors(path), path)
        self.shapes = {name: tuple(tensor.shape) for name, tensor in self._tensors.items()}

    def read(self, name: str) -> torch.Tensor:
        """Return one tensor."""
        return self._tensors[name]

    def read_rows(self, name: str, rows: list[int]) -> torch.Tensor:
        """Return some rows of a matrix: [rows, width]."""
        return self._tensors[name][rows]


def _load_tensors(path: Path) -> object:
    """Load what a file of `torch.save` holds.

    Raises:
        InputError: if torch cannot read it, or rejects an object in it.
    """
    import torch

    try:
        with warnings.catch_warnings(action="ignore"):  # on protocols of pickle that torch does not write itself
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except Exception as error:  # UnpicklingError, RuntimeError, EOFError and others, by the kind of damage
        blocked = BLOCKED_GLOBAL.search(str(error))
        if blocked:
            raise InputError(
                f"{path.name} in {path.parent} holds more than tensors ({blocked[1]}), which could run code, so it is "
                "not read: ask its authors for safetensors files."
            ) from error
        raise InputError(
            f"{path.name} in {path.parent} cannot be read as a pickle of tensors ({first_sentence(error)}): download "
            "it again, or save it as safetensors."
        ) from error


def _state_dict(content: object, path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors by name, without the keys and prefixes of training frameworks.

    Raises:
        InputError: if there are none.
    """
    tensors = _tensors_of(content)
    for key in STATE_DICT_KEYS:
        if not tensors and isinstance(content, Mapping):
            tensors = _tensors_of(content.get(key))
    if not tensors:
        raise InputError(f"{path.name} in {path.parent} has no tensors by name: pass a model's state dict.")
    if all(name.startswith("module.") for name in tensors):  # DistributedDataParallel
        return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors


def _tensors_of(content: object) -> dict[str, torch.Tensor]:
    """Return the tensors of a dict by name; other values are left out."""
    import torch

    tensors: dict[str, torch.Tensor] = {}
    if isinstance(content, Mapping):
        for name, value in content.items():
            if isinstance(value, torch.Tensor):
                tensors[str(name)] = value.detach()
    return tensors
