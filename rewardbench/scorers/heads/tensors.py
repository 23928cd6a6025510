"""Names and shapes of a checkpoint's tensors; values on request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.models.tensor_file import SAFE, TensorFile, is_pickle, open_tensor_file
from rewardbench.models.weight_files import PICKLE_PATTERNS, SIDE_FILE, weight_files

if TYPE_CHECKING:
    import torch


Shape = tuple[int, ...]

WRAPPERS = {
    r"^module\.": "",
    r"(?:^|(?<=\.))_orig_mod\.": "",
    r"(?:^|(?<=\.))_fsdp_wrapped_module\.": "",
    r"(?:^|(?<=\.))_checkpoint_wrapped_module\.": "",
}
"""Parts of names that DistributedDataParallel, torch.compile and FSDP add, with their replacement."""

INNER_PARTS = ("model", "transformer", "gpt_neox", "backbone", "base_model", "pretrained_model")
"""First parts of names under which a model keeps its backbone."""

VOCABULARY_HEAD = re.compile(
    r"(?:^|\.)(?:lm_head|embed_out|cls\.predictions|lm_predictions|mask_predictions)\.|^output\.weight$"
)
"""Finds names of the heads of language models, which a reward model may still have."""

BUFFER = re.compile(r"rotary_emb\.\w+$|\.(?:masked_bias|position_ids|num_batches_tracked)$")
"""Finds names of buffers that transformers computes itself."""


class TensorFiles:
    """The weight files of a checkpoint, read lazily.

    Names are those of the model itself, without the prefixes of wrappers around it; `renames` has the regular
    expressions that remove these, with their replacement.

    Args:
        folder: the checkpoint.
        files: its weight files.
        beside: files of a head beside them.
        allow_pickle: whether a file of a head may be a pickle.

    Raises:
        InputError: if two tensors have the same name without their wrappers.
    """

    def __init__(
        self, folder: Path, files: Iterable[TensorFile], beside: Iterable[TensorFile] = (), allow_pickle: bool = False
    ) -> None:
        self.folder, self.allow_pickle = folder, allow_pickle
        stored: dict[str, TensorFile] = {}
        heads = list(beside)
        for file in (*files, *heads):
            for name in file.shapes:
                stored.setdefault(name, file)
        self.renames = find_wrappers(stored)
        self.shapes: dict[str, Shape] = {}
        self._places: dict[str, tuple[TensorFile, str]] = {}
        for name, file in stored.items():
            plain = rename(name, self.renames)
            if plain in self.shapes:
                other = self._places[plain][1]
                raise InputError(f"{folder} has two tensors {plain}, stored as {other} and {name}: keep one of them.")
            self.shapes[plain] = file.shapes[name]
            self._places[plain] = (file, name)
        self.beside = {name for name, (file, _) in self._places.items() if file in heads}
        """Names of the tensors of files beside the weights."""

    def overlay(self, path: Path, names: Mapping[str, str], shapes: Mapping[str, Shape]) -> None:
        """Add tensors of another file, which replace those of the same name.

        Args:
            path: the file.
            names: their names in the file, by the names that they get.
            shapes: by the names that they get.
        """
        file = open_tensor_file(path)
        for name, stored in names.items():
            self.shapes[name], self._places[name] = shapes[name], (file, stored)

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def matching(self, pattern: str) -> list[str]:
        """Return the names that match a pattern, in which `*` stands for any characters."""
        return [name for name in self.shapes if fnmatchcase(name, pattern)]

    def read(self, name: str) -> torch.Tensor:
        """Read one tensor."""
        file, stored = self._places[name]
        return file.read(stored)

    def read_all(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield every tensor with its name."""
        for name in self.shapes:
            yield name, self.read(name)

    def open_beside(self, stem: str) -> TensorFiles:
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
        return open_files(self.folder, [path], allow_pickle=self.allow_pickle)


def open_tensors(folder: Path, allow_pickle: bool = False) -> TensorFiles:
    """Open the weight files of a checkpoint, and the file of a head beside them.

    Args:
        folder: the checkpoint; pickles among its weights must be allowed already.
        allow_pickle: whether the file of the head may be a pickle.

    Raises:
        InputError: if a file is damaged, or a pickle that may not be read.
    """
    beside = side_file(folder, SIDE_FILE, allow_pickle)
    return open_files(folder, weight_files(folder), [beside] if beside else [], allow_pickle)


def open_files(
    folder: Path, files: Iterable[Path], beside: Iterable[Path] = (), allow_pickle: bool = False
) -> TensorFiles:
    """Open files of a checkpoint; see `TensorFiles`.

    Raises:
        InputError: if a file is damaged.
    """
    return TensorFiles(folder, map(open_tensor_file, files), map(open_tensor_file, beside), allow_pickle)


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


def rename(name: str, renames: Mapping[str, str]) -> str:
    """Apply regular expressions to a name, in order, each at its first match."""
    for pattern, replacement in renames.items():
        name = re.sub(pattern, replacement, name, count=1)
    return name


def find_wrappers(names: Iterable[str]) -> dict[str, str]:
    """Return the regular expressions that remove the prefixes of wrappers around a model, with their replacement.

    A first part that all names share is a wrapper if the name of a backbone follows it.

    >>> renames = find_wrappers(["base_model.model.model.norm.weight", "base_model.model.score.weight"])
    >>> rename("base_model.model.score.weight", renames)
    'score.weight'
    >>> find_wrappers(["model.norm.weight", "score.weight"]), find_wrappers(["model.norm.weight"])
    ({}, {})
    """
    plain = list(names)
    renames = {}
    for pattern, replacement in WRAPPERS.items():
        if any(re.search(pattern, name) for name in plain):
            renames[pattern] = replacement
    plain = [rename(name, renames) for name in plain]
    while len(firsts := {name.partition(".")[0] for name in plain}) == 1:
        (first,) = firsts
        inner = [name.partition(".")[2] for name in plain]
        pattern = f"^{re.escape(first)}\\."
        if pattern in renames or not any(name.startswith(tuple(f"{part}." for part in INNER_PARTS)) for name in inner):
            break
        renames[pattern] = ""
        plain = inner
    return renames


def is_expendable(name: str, shape: Shape) -> bool:
    """Return True if no score depends on a tensor that a model does not use: a vocabulary head, or a computed buffer.

    >>> is_expendable("lm_head.weight", (400, 32)), is_expendable("v_head.weight", (1, 32))
    (True, False)
    """
    if VOCABULARY_HEAD.search(name) or BUFFER.search(name):
        return True
    return len(shape) == 4 and name.endswith((".attn.bias", ".attention.bias"))  # causal masks of GPT-2 and GPT-NeoX


def find_layers(shapes: Mapping[str, Shape], prefix: str) -> list[str]:
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
