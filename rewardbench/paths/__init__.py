"""Locate the embedded data, the cache folder and entry points of other packages, and write files atomically."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from threading import get_ident
from typing import TypeVar

from rewardbench.errors import InputError

T = TypeVar("T")


def data_dir() -> Path:
    """Return the folder of `core` and `models`: the repository's `data`, or its copy in an installed wheel.

    Raises:
        InputError: if the installation lacks it.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_data", package.parent / "data"):
        if folder.is_dir():
            return folder
    raise InputError(f"The embedded data is missing beside {package}: install rewardbench again.")


def entry_points(group: str) -> metadata.EntryPoints:
    """Return the entry points of a group; the metadata of the packages on `sys.path` are read once."""
    return _entry_points(group, tuple(sys.path))


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> metadata.EntryPoints:
    return metadata.entry_points(group=group)


def home_path(path: str | Path) -> Path:
    """Expand a leading `~` of a path.

    Raises:
        InputError: if the user is unknown.
    """
    expanded = os.path.expanduser(path)
    if str(expanded).startswith("~") and "/" in str(expanded):
        raise InputError(f"No home folder is known for {path}: write the path in full.")
    return Path(expanded)


def cache_dir() -> Path:
    """Return the cache folder: `rewardbench` in `$XDG_CACHE_HOME`, or in `~/.cache`.

    Raises:
        InputError: if no home folder is known.
    """
    folder = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    if folder.startswith("~"):
        raise InputError(
            "There is no place for cached files, for no home folder is known: set XDG_CACHE_HOME to a folder (or, for "
            "the score cache alone, REWARDBENCH_CACHE to a file)."
        )
    return Path(folder, "rewardbench")


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Write a file atomically; text as UTF-8, with `?` for a lone surrogate.

    Raises:
        InputError: if the file cannot be written.
    """
    path = home_path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def path_as_text(value: T) -> T | str:
    """Return a path as text, with its `~` expanded; anything else unchanged."""
    if isinstance(value, str):
        return str(home_path(value)) if value.startswith("~") else value
    return str(home_path(Path(value))) if isinstance(value, os.PathLike) else value
