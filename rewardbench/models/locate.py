"""Find a model's files: a local folder, or the snapshot of a Hub repository at one commit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.hub import snapshot
from rewardbench.paths import home_path

FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "README.md", "value_head.bin")
"""Patterns of the files that are downloaded: no pickles but the small one of a head, which is read only with
--allow_pickle, and code only with --trust_remote_code."""

LFS_HEADER = b"version https://git-lfs"
"""First bytes of a Git LFS pointer."""


def locate(name: str, revision: str | None = None, code: bool = False) -> Path:
    """Return the folder of a model: a local folder, or the snapshot of a Hub id, downloaded or cached.

    Args:
        name: a folder or a Hub id.
        revision: branch, tag or commit of a Hub id; None is main.
        code: also download the repository's Python files.

    Raises:
        InputError: if there is no such model, the Hub cannot be reached and the model is not cached, or a file is a
            Git LFS pointer.
    """
    folder = _find_folder(name, revision, code)
    reject_lfs_pointers(folder, name, FILES)
    return folder


def _find_folder(name: str, revision: str | None, code: bool) -> Path:
    if "://" in name:
        raise InputError(
            f"{name} is a URL. For a model behind a server, pass it as --base_url: with --model NAME --engine http for "
            "a reward model, with --judge NAME for an LLM judge. Otherwise pass a folder with config.json, or a Hub id."
        )
    folder = home_path(name)
    if folder.is_dir():
        if revision:
            raise InputError(f"{name} is a local folder, which has no revisions: leave out --revision.")
        return folder
    if folder.exists() or name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise InputError(f"There is no model folder at {name}: pass a folder with config.json, or a Hub id (org/name).")
    return snapshot("model", name, revision, [*FILES, "*.py"] if code else FILES)


def reject_lfs_pointers(folder: Path, name: str, patterns: Sequence[str]) -> None:
    """Reject a model with a Git LFS pointer in place of a file that matches one of the patterns.

    Raises:
        InputError: if a file was not fetched.
    """
    files: set[Path] = set()
    for pattern in patterns:
        files.update(filter(Path.is_file, folder.glob(pattern)))
    for file in sorted(files):
        with file.open("rb") as content:
            if content.read(len(LFS_HEADER)) == LFS_HEADER:
                raise InputError(
                    f"{file.name} of {name} is a Git LFS pointer, not the file itself: run git lfs pull in its folder, "
                    "or download the model again."
                )
