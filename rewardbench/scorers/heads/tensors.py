"""Names and shapes of a checkpoint's tensors, from the headers of its safetensors files; values on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError

if TYPE_CHECKING:
    import torch


class TensorFiles:
    """The safetensors files of a folder, read lazily.

    Args:
        folder: the checkpoint.
        files: its weight files, then files beside them.

    Raises:
        InputError: if a file is not a safetensors file.
    """

    def __init__(self, folder: Path, files: list[Path]) -> None:
        from safetensors import SafetensorError, safe_open

        self.folder = folder
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._files: dict[str, Path] = {}
        self._stored_names: dict[str, str] = {}
        """Names in the files, where they differ."""
        for path in files:
            try:
                with safe_open(path, framework="pt") as file:
                    for name in file.keys():  # noqa: SIM118  # not a dict
                        self.shapes.setdefault(name, tuple(file.get_slice(name).get_shape()))
                        self._files.setdefault(name, path)
            except (OSError, SafetensorError) as error:
                raise InputError(f"{path.name} in {folder} is not a whole safetensors file: {error}.") from error

    def overlay(self, path: Path, names: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Add tensors of another file, which replace those of the same name.

        Args:
            path: the file.
            names: their names in the file, by the names that they get.
            shapes: by the names that they get.
        """
        for name, stored in names.items():
            self.shapes[name], self._files[name], self._stored_names[name] = shapes[name], path, stored

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def matching(self, pattern: str) -> list[str]:
        """Return the names that match a pattern, in which `*` stands for any characters."""
        return [name for name in self.shapes if fnmatchcase(name, pattern)]

    def read(self, name: str) -> torch.Tensor:
        """Read one tensor."""
        from safetensors import safe_open

        with safe_open(self._files[name], framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(self._stored_names.get(name, name))
        return tensor

    def read_rows(self, name: str, rows: list[int]) -> torch.Tensor:
        """Read some rows of a matrix: [rows, width]."""
        import torch
        from safetensors import safe_open

        with safe_open(self._files[name], framework="pt") as file:
            matrix = file.get_slice(name)
            return torch.cat([matrix[row : row + 1] for row in rows])

    def read_all(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield every tensor with its name, file by file."""
        from safetensors import safe_open

        for path in dict.fromkeys(self._files.values()):
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118
                    yield name, file.get_tensor(name)


def find_layers(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> list[str]:
    """Return the prefixes of a network's layers, in order: the prefix itself, or numbered ones.

    >>> find_layers({"score.2.weight": (1, 8), "score.0.weight": (8, 8), "score.0.bias": (8,)}, "score")
    ['score.0', 'score.2']
    >>> find_layers({"score.weight": (1, 8)}, "score")
    ['score']
    """
    if f"{prefix}.weight" in shapes:
        return [prefix]
    numbers = set()
    for name in shapes:
        number, _, kind = name.removeprefix(f"{prefix}.").partition(".")
        if name.startswith(f"{prefix}.") and number.isdigit() and kind == "weight":
            numbers.add(int(number))
    return [f"{prefix}.{number}" for number in sorted(numbers)]
