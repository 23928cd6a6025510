"""Find the weights of a model that may be read, and load them into a class of transformers.

Safetensors files are read. Pickles (`.bin`, `.pt`, `.pth`) could run code: they are read only with --allow_pickle, and
then with `weights_only=True`, so that nothing but tensors is accepted. Where the main branch of a Hub repository has
pickles only, the safetensors conversion of a pull request is used if it can be trusted (see `conversion`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardbench.errors import InputError
from rewardbench.hub import cache_note, commit_of, fetch_files, list_files
from rewardbench.models.conversion import conversion_of, find_conversion
from rewardbench.models.formats import reject_mlx, unreadable
from rewardbench.models.limits import name_first
from rewardbench.models.locate import locate, reject_lfs_pointers
from rewardbench.models.tensor_file import is_pickle, open_tensor_file
from rewardbench.models.weight_files import (
    NOT_WEIGHTS,
    PICKLE,
    PICKLE_PATTERNS,
    TRAINING_STATE,
    has_pickles,
    is_standard,
    matches_any,
    pickle_files,
    safetensors_files,
    weight_files,
)
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

MOST_FILES = 1000
"""Files of a local folder that are looked at to name its format."""


def locate_model(spec: ModelSpec) -> Path:
    """Return the folder of a model whose weights may be read: a local folder, or a snapshot of a Hub repository.

    Raises:
        InputError: if there is no such model, or it has no weights that may be read; names the way out.
    """
    return require_weights(locate(spec.model, spec.revision, spec.trust_remote_code), spec)


def require_weights(folder: Path, spec: ModelSpec) -> Path:
    """Return the folder with a model's weights: the given one, or the snapshot of its safetensors conversion.

    Raises:
        InputError: if there are no weights that may be read; names the way out.
    """
    if safetensors_files(folder):
        if spec.allow_pickle:
            _fetch_pickles(folder, spec, ("*.pt",))
        reject_mlx(folder, spec.model)
        return folder
    if (folder / "adapter_config.json").is_file() and not has_pickles(folder):  # its weights are those of its base
        if spec.allow_pickle:
            _fetch_pickles(folder, spec, ("adapter_model.bin", PICKLE))
        return folder
    reason = ""
    if commit_of(folder) and spec.revision is None:
        converted, reason = find_conversion(spec.model, folder)
        if converted:
            return converted
    if spec.allow_pickle:
        _fetch_pickles(folder, spec, PICKLE_PATTERNS)
        if pickle_files(folder):
            return folder
    raise _no_weights(folder, spec, reason)


def _fetch_pickles(folder: Path, spec: ModelSpec, patterns: Sequence[str]) -> None:
    """Download the pickles of a Hub snapshot that are not cached, without those of a training state."""
    if commit_of(folder):
        fetch_files(spec.model, folder, ["config.json", *patterns], ["*/*", *TRAINING_STATE, "consolidated*"])
    reject_lfs_pointers(folder, spec.model, PICKLE_PATTERNS)


def _no_weights(folder: Path, spec: ModelSpec, reason: str) -> InputError:
    """Return the error about a model without weights that may be read."""
    files = _list_files(folder, spec.model)
    pickles = []
    for path in files:
        if "/" not in path and matches_any(path, PICKLE_PATTERNS) and not matches_any(path, NOT_WEIGHTS):
            pickles.append(path)
    if not pickles:
        return unreadable(spec.model, files)
    conversion = f"; {reason}: pass --revision if you trust it" if reason.startswith("refs/") else ""
    return InputError(
        f"{spec.model} has no weights in safetensors files, and pickles ({pickles[0]}), which can run code, are not "
        f"read: save the model again with save_pretrained(), or pass --allow_pickle to accept only tensors from them"
        f"{conversion}."
    )


def _list_files(folder: Path, name: str) -> list[str]:
    """Return the paths of a checkpoint's files from its root: those on the Hub, if it can be asked."""
    if commit_of(folder):
        with suppress(InputError):
            return sorted(list_files(name, folder.name))
    paths = islice((path for path in folder.rglob("*") if path.is_file()), MOST_FILES)
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def weight_notes(folder: Path, spec: ModelSpec) -> list[str]:
    """Return notes on where the weights come from, if that is not the obvious place."""
    notes = cache_note(folder, spec.model, spec.revision)
    conversion = None if spec.revision else conversion_of(folder)
    if conversion:
        notes.append(
            f"The main branch of {spec.model} has no safetensors files: they were read from the open pull request "
            f"{conversion.revision} by {conversion.author} (commit {folder.name}), whose other files, but for model "
            "cards, are those of main."
        )
    pickles = [path.name for path in weight_files(folder) if is_pickle(path)]
    if pickles:
        notes.append(
            f"The weights of {spec.model} are pickles ({name_first(pickles)}), of which only tensors were read "
            "(--allow_pickle)."
        )
    return notes


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights of a model by name."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in weight_files(folder):
        shapes.update(open_tensor_file(path).shapes)
    return shapes


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Return all weights of a model by name.

    Raises:
        InputError: if two files have a tensor of the same name, so that which of them counts is not known.
    """
    tensors: dict[str, torch.Tensor] = {}
    for path in weight_files(folder):
        file = open_tensor_file(path)
        for name in file.shapes:
            if name in tensors:
                raise InputError(
                    f"Several weight files in {folder} have the tensor {name}, {path.name} among them: leave only the "
                    "files of one model there."
                )
            tensors[name] = file.read(name)
    return tensors


def load_pretrained(auto_class: type[Any], folder: Path, config: PreTrainedConfig, **options: object) -> Any:
    """Call `from_pretrained` of an Auto class of transformers, whatever the weight files are called.

    Args:
        auto_class: the Auto class.
        folder: the model's files; pickles must be allowed already (see `locate_model`).
        config: the configuration, which chooses the class of the model.
        options: of `from_pretrained`.
    """
    import torch

    if is_standard(folder):
        return auto_class.from_pretrained(folder, config=config, use_safetensors=True, **options)
    code = {"trust_remote_code": True} if options.pop("trust_remote_code", False) else {}
    with torch.device("meta"):
        model_class = type(auto_class.from_config(config, **code))
    return model_class.from_pretrained(None, config=config, state_dict=read_tensors(folder), **options)
