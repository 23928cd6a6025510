"""Names and shapes of a checkpoint's tensors, from the headers of its safetensors files; values on request."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError

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
    """The safetensors files of a folder, read lazily.

    Names are those of the model itself, without the prefixes of wrappers around it; `renames` has the regular
    expressions that remove these, with their replacement.

    Args:
        folder: the checkpoint.
        files: the shapes of the tensors of each file, by name; the weight files come first.
        beside: those of the files that hold a head beside the weights.

    Raises:
        InputError: if two tensors have the same name without their wrappers.
    """

    def __init__(self, folder: Path, files: Mapping[Path, Mapping[str, Shape]], beside: Collection[Path] = ()) -> None:
        self.folder = folder
        stored: dict[str, tuple[Path, Shape]] = {}
        for path, shapes in files.items():
            for name, shape in shapes.items():
                stored.setdefault(name, (path, shape))
        self.renames = find_wrappers(stored)
        self.shapes: dict[str, Shape] = {}
        self._places: dict[str, tuple[Path, str]] = {}
        for name, (path, shape) in stored.items():
            plain = rename(name, self.renames)
            if plain in self.shapes:
                other = self._places[plain][1]
                raise InputError(f"{folder} has two tensors {plain}, stored as {other} and {name}: keep one of them.")
            self.shapes[plain] = shape
            self._places[plain] = (path, name)
        self.beside = {name for name, (path, _) in self._places.items() if path in beside}
        """Names of the tensors of files beside the weights."""

    @classmethod
    def open(cls, folder: Path, files: Iterable[Path], beside: Collection[Path] = ()) -> TensorFiles:
        """Read the headers of files; see the class.

        Raises:
            InputError: if a file is not a safetensors file.
        """
        return cls(folder, {path: read_shapes(path) for path in (*files, *beside)}, beside)

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def matching(self, pattern: str) -> list[str]:
        """Return the names that match a pattern, in which `*` stands for any characters."""
        return [name for name in self.shapes if fnmatchcase(name, pattern)]

    def read(self, name: str) -> torch.Tensor:
        """Read one tensor."""
        from safetensors import safe_open

        path, stored = self._places[name]
        with safe_open(path, framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(stored)
        return tensor

    def read_all(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield every tensor with its name."""
        for name in self.shapes:
            yield name, self.read(name)


def read_shapes(path: Path) -> dict[str, Shape]:
    """Return the shapes of the tensors of a safetensors file, by name.

    Raises:
        InputError: if it is not a safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    shapes = {}
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  # not a dict
                shapes[name] = tuple(file.get_slice(name).get_shape())
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path.name} in {path.parent} is not a whole safetensors file: {error}.") from error
    return shapes


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
