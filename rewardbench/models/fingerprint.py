"""What names a model whatever it is called: digests of everything that can move its scores."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

INDEX = "model.safetensors.index.json"


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files that transformers loads, sorted: those of the index, else the single file.

    Others beside them (a consolidated twin) are not counted; where neither is there, all are.
    """
    single, index = folder / "model.safetensors", folder / INDEX
    if single.is_file():
        return [single]
    if index.is_file():
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError, TypeError):  # transformers says what is wrong with it
            names = set()
        files = sorted(folder / str(name) for name in names)
        if files and all(file.is_file() for file in files):
            return files
    return sorted(folder.glob("*.safetensors"))


def same_weights(a: Path, b: Path) -> bool:
    """Return True if two folders hold the same tensors, however they are split into files and in whatever dtype.

    Stops at the first tensor that differs. Where a file cannot be read, they count as different.
    """
    import torch
    from safetensors import SafetensorError

    files, others = weight_files(a), weight_files(b)
    if files and len(files) == len(others) and all(map(Path.samefile, files, others)):
        return True
    with ExitStack() as stack:
        try:
            mine, theirs = _open_tensors(files, stack), _open_tensors(others, stack)
        except (OSError, SafetensorError):
            return False
        if not mine or mine.keys() != theirs.keys():
            return False
        pairs = ((mine[name].get_tensor(name), theirs[name].get_tensor(name)) for name in sorted(mine))
        return all(torch.equal(tensor.double(), other.double()) for tensor, other in pairs)


def _open_tensors(files: Sequence[Path], stack: ExitStack) -> dict[str, Any]:
    """Return the name of each tensor with its open file, which the stack closes."""
    from safetensors import safe_open

    tensors: dict[str, Any] = {}
    for path in files:
        file = stack.enter_context(safe_open(path, framework="pt"))
        tensors.update(dict.fromkeys(file.keys(), file))
    return tensors


def weights_identity(folder: Path) -> dict[str, str]:
    """The commit of a Hub snapshot, else the sha256 of the safetensors files, names and bytes."""
    if folder.parent.name == "snapshots" and re.fullmatch("[0-9a-f]{40}", folder.name):
        return {"commit": folder.name}
    total = hashlib.sha256()
    for path in weight_files(folder):
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return {"sha256": total.hexdigest()}


def digest(value: Any) -> str:
    """The first 16 hex digits of the sha256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tokenizer_identity(tokenizer: Any) -> str:
    """A digest of vocabulary, merges and special tokens; padding and truncation settings do not count."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return digest([tokenizer.get_vocab(), tokenizer.special_tokens_map])
    state = {k: v for k, v in json.loads(backend.to_str()).items() if k not in ("padding", "truncation")}
    return digest([state, tokenizer.special_tokens_map])


def config_identity(config: Any) -> str:
    """A digest of what the configuration computes with; its name and the version that wrote it do not count."""
    state = config.to_dict()
    for setting in ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures"):
        state.pop(setting, None)
    return digest(state)


def versions() -> dict[str, str]:
    """The libraries that compute a score."""
    from importlib.metadata import version

    return {name: version(name) for name in ("rewardbench", "torch", "transformers", "tokenizers")}


def code_identity(folder: Path) -> str:
    """A digest of the repository's own code."""
    return digest({path.name: path.read_text() for path in sorted(folder.glob("*.py"))})


def identify(folder: Path, config: Any, tokenizer: Any, runs_code: bool) -> dict[str, Any]:
    """Weights, configuration, tokenizer, the repository's own code where it was allowed to run, and libraries."""
    return {
        "weights": weights_identity(folder),
        "config": config_identity(config),
        "tokenizer": tokenizer_identity(tokenizer),
        "remote_code": code_identity(folder) if runs_code else None,
        "versions": versions(),
    }
