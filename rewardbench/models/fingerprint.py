"""Digests that identify a model, whatever its name: weights, configuration, tokenizer, code and library versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.hub import commit_of
from rewardbench.models.tensor_file import TensorFile, is_pickle, open_tensor_file
from rewardbench.models.weight_files import weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase


def same_weights(a: Path, b: Path) -> bool:
    """Return True if two folders have the same tensors, however they are split into files and in whatever dtype.

    Stops at the first tensor that differs. Files that cannot be read count as different.
    """
    import torch

    a_files, b_files = weight_files(a), weight_files(b)
    if a_files and len(a_files) == len(b_files) and all(map(Path.samefile, a_files, b_files)):
        return True
    try:
        a_tensors, b_tensors = _open_tensors(a_files), _open_tensors(b_files)
    except InputError:
        return False
    if not a_tensors or a_tensors.keys() != b_tensors.keys():
        return False
    for name in sorted(a_tensors):
        if not torch.equal(a_tensors[name].read(name).double(), b_tensors[name].read(name).double()):
            return False
    return True


def _open_tensors(files: Sequence[Path]) -> dict[str, TensorFile]:
    """Return the name of each tensor with its file."""
    tensors: dict[str, TensorFile] = {}
    for path in files:
        file = open_tensor_file(path)
        tensors.update(dict.fromkeys(file.shapes, file))
    return tensors


def weights_identity(folder: Path, extra: Sequence[Path] = ()) -> dict[str, str]:
    """Return the commit of a Hub snapshot, else the sha256 of the names and bytes of the weight files.

    Args:
        folder: the model's files.
        extra: files of a head beside the weights.
    """
    paths = [*weight_files(folder), *extra]
    form = {"format": "pickle"} if any(map(is_pickle, paths)) else {}
    commit = commit_of(folder)
    if commit:
        return {"commit": commit, **form}
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return {"sha256": total.hexdigest(), **form}


def digest(value: object) -> str:
    """Return the first 16 hex digits of the sha256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tokenizer_identity(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return a digest of vocabulary, merges and special tokens, without settings of padding and truncation."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return digest([tokenizer.get_vocab(), tokenizer.special_tokens_map])
    state = json.loads(backend.to_str())
    state.pop("padding", None)
    state.pop("truncation", None)
    return digest([state, tokenizer.special_tokens_map])


def config_identity(config: PreTrainedConfig) -> str:
    """Return a digest of the configuration, without its name, its dtype and the version that wrote it."""
    state = config.to_dict()
    for setting in ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures"):
        state.pop(setting, None)
    return digest(state)


def versions() -> dict[str, str]:
    """Return the versions of the libraries that compute a score."""
    from importlib.metadata import version

    return {name: version(name) for name in ("rewardbench", "torch", "transformers", "tokenizers")}


def code_identity(folder: Path) -> str:
    """Return a digest of the repository's own code."""
    return digest({path.name: path.read_text() for path in sorted(folder.glob("*.py"))})


def identify(
    folder: Path,
    config: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    runs_code: bool,
    extra: Sequence[Path] = (),
) -> dict[str, object]:
    """Return the fingerprint of a model: weights, configuration, tokenizer, remote code and library versions.

    Args:
        folder: the model's files.
        config: its configuration.
        tokenizer: the tokenizer that is used.
        runs_code: whether code of the repository may run, which is then identified too.
        extra: files of a head beside the weights.
    """
    return {
        "weights": weights_identity(folder, extra),
        "config": config_identity(config),
        "tokenizer": tokenizer_identity(tokenizer),
        "remote_code": code_identity(folder) if runs_code else None,
        "versions": versions(),
    }
