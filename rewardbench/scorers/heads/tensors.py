"""Names and shapes of a checkpoint's tensors; values on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.models.tensor_file import SAFE, TensorFile, is_pickle, open_tensor_file
from rewardbench.models.weight_files import PICKLE_PATTERNS, SIDE_FILE, weight_files

if TYPE_CHECKING:
    import torch


class TensorFiles:
    """The weight files of a checkpoint, read lazily.

    Args:
        folder: the checkpoint.
        files: its weight files, then files beside them.
        allow_pickle: whether a file beside them may be a pickle.

    Raises:
        InputError: if a file is damaged.
    """

    def __init__(self, folder: Path, files: list[Path], allow_pickle: bool = False) -> None:
        self.folder, self.allow_pickle = folder, allow_pickle
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._files: dict[str, TensorFile] = {}
        for path in files:
            file = open_tensor_file(path)
            for name, shape in file.shapes.items():
                self.shapes.setdefault(name, shape)
                self._files.setdefault(name, file)

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def matching(self, pattern: str) -> list[str]:
        """Return the names that match a pattern, in which `*` stands for any characters."""
        return [name for name in self.shapes if fnmatchcase(name, pattern)]

    def read(self, name: str) -> torch.Tensor:
        """Read one tensor."""
        return self._files[name].read(name)

    def read_rows(self, name: str, rows: list[int]) -> torch.Tensor:
        """Read some rows of a matrix: [rows, width]."""
        return self._files[name].read_rows(name, rows)

    def read_all(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield every tensor with its name, file by file."""
        for name, file in self._files.items():
            yield name, file.read(name)

    def beside(self, stem: str) -> TensorFiles:
        """Open a file of a head beside the weights.

        Args:
            stem: its name without the suffix.

        Raises:
            InputError: if it is missing, or a pickle that may not be read.
        """
        path = side_file(self.folder, stem, self.allow_pickle)
        if path is None:
            raise InputError(
                f"{self.folder} has no {stem}{SAFE}, which its head spec names: add it, or pass --allow_pickle if it "
                "is published as a pickle (.pt, .bin)."
            )
        return TensorFiles(self.folder, [path], self.allow_pickle)


def open_tensors(folder: Path, allow_pickle: bool = False) -> TensorFiles:
    """Open the weight files of a checkpoint, and the file of a head beside them.

    Args:
        folder: the checkpoint; pickles among its weights must be allowed already.
        allow_pickle: whether the file of the head may be a pickle.

    Raises:
        InputError: if a file is damaged, or a pickle that may not be read.
    """
    beside = side_file(folder, SIDE_FILE, allow_pickle)
    return TensorFiles(folder, [*weight_files(folder), *([beside] if beside else [])], allow_pickle)


def side_file(folder: Path, stem: str, allow_pickle: bool) -> Path | None:
    """Return the file of a head beside the weights, safetensors before pickles; None if there is none.

    Raises:
        InputError: if it is a pickle that may not be read.
    """
    names = [f"{stem}{SAFE}", *(f"{stem}{pattern[1:]}" for pattern in PICKLE_PATTERNS)]
    paths = [folder / name for name in names if (folder / name).is_file()]
    if not paths:
        return None
    if is_pickle(paths[0]) and not allow_pickle:
        raise InputError(
            f"{folder} has its head in a pickle ({paths[0].name}), which can run code: pass --allow_pickle to accept "
            f"only tensors from it, or save it as {stem}{SAFE}."
        )
    return paths[0]


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
