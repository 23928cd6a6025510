"""List the files that hold a model's weights, as transformers would choose them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from rewardbench.errors import InputError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLE, PICKLE_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
PICKLE_PATTERNS = ("*.bin", "*.pt", "*.pth")

SIDE_FILE = "value_head"
"""File beside the weights, without its suffix, in which LLaMA-Factory and TRL put the head."""

TRAINING_STATE = (
    *("training_args.*", "optimizer*", "scheduler*", "scaler*", "rng_state*", "random_states*"),
    *("*zero_pp_rank_*", "*_optim_states*", "mp_rank_*"),
)
"""Names of pickles that training writes beside the weights."""
NOT_WEIGHTS = (*TRAINING_STATE, "consolidated*", "adapter_model.*", f"{SIDE_FILE}.*")
"""Names of files with other content than a model's weights in the layout of transformers."""


def weight_files(folder: Path) -> list[Path]:
    """Return the files that hold a model's weights, sorted: safetensors files, else pickles.

    A single file comes before an index, and both before files of other names; other files in the folder (a
    consolidated copy, the state of an optimizer) do not count.

    Raises:
        InputError: if an index is damaged, or names a file that is missing or outside the folder.
    """
    return safetensors_files(folder) or pickle_files(folder)


def is_standard(folder: Path) -> bool:
    """Return True if transformers finds the weights by itself: safetensors files by their standard names."""
    return _explicit(folder) is not None or (folder / SINGLE).is_file() or (folder / INDEX).is_file()


def safetensors_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a model; see `weight_files`."""
    explicit = _explicit(folder)
    if explicit:
        return read_index(explicit) if explicit.suffix == ".json" else [explicit]
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if (folder / INDEX).is_file():
        return read_index(folder / INDEX)
    if (folder / PICKLE).is_file() or (folder / PICKLE_INDEX).is_file():
        return []  # a safetensors file of another name is a part of the model, such as its head
    return _other_files(folder, ("*.safetensors",))


def pickle_files(folder: Path) -> list[Path]:
    """Return the pickles of a model; see `weight_files`."""
    if (folder / PICKLE).is_file():
        return [folder / PICKLE]
    if (folder / PICKLE_INDEX).is_file():
        return read_index(folder / PICKLE_INDEX)
    return _other_files(folder, PICKLE_PATTERNS)


def has_pickles(folder: Path) -> bool:
    """Return True if a folder has weights in pickles, or an index of them."""
    return (folder / PICKLE_INDEX).is_file() or bool(pickle_files(folder))


def read_index(path: Path) -> list[Path]:
    """Return the files that an index names, sorted.

    Raises:
        InputError: if the index is damaged, or names a file that is missing or outside its folder.
    """
    names = sorted(set(index_tensors(path).values()))
    for name in names:
        if "\\" in name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError(
                f"{path.name} in {path.parent} names {name}, which is outside the folder: do not use this checkpoint, "
                "or correct its index."
            )
        if not (path.parent / name).is_file():
            raise InputError(
                f"{path.name} in {path.parent} names {name}, which is missing: download or save the model again."
            )
    return [path.parent / name for name in names]


def index_tensors(path: Path) -> dict[str, str]:
    """Return the tensors that an index lists, each with the name of its file.

    Raises:
        InputError: if the index is damaged.
    """
    try:
        weight_map = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        tensors = {str(tensor): str(name) for tensor, name in weight_map.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{path.name} in {path.parent} is damaged: download or save the model again.") from error
    if not tensors:
        raise InputError(f"{path.name} in {path.parent} names no file: download or save the model again.")
    return tensors


def config_fields(folder: Path) -> dict[str, object]:
    """Return the fields of config.json; empty if it is missing or damaged, which is reported where it is needed."""
    try:
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}


def matches_any(name: str, patterns: Sequence[str]) -> bool:
    """Return True if a file's name matches one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _explicit(folder: Path) -> Path | None:
    """Return the file that the key `transformers_weights` of config.json names; None if there is no such file."""
    name = config_fields(folder).get("transformers_weights")
    if not isinstance(name, str) or not name.endswith((".safetensors", ".safetensors.index.json")):
        return None
    is_inside = PurePosixPath(name).name == name
    return folder / name if is_inside and (folder / name).is_file() else None


def _other_files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files in a folder that match a pattern and may be weights."""
    files: set[Path] = set()
    for pattern in patterns:
        files.update(filter(Path.is_file, folder.glob(pattern)))
    return sorted(path for path in files if not matches_any(path.name, NOT_WEIGHTS))
