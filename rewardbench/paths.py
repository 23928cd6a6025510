"""Where the embedded data lies, and how a file comes to be where it shall be."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from rewardbench.errors import InputError


def data_dir() -> Path:
    """The folder that holds `core` and `models`: the repository's `data`, or its copy inside an installed wheel.

    Raises: InputError where the installation lacks it.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "_data", here.parent / "data"):
        if folder.is_dir():
            return folder
    raise InputError(f"The embedded data is missing beside {here}: install rewardbench again.")


def home_path(path: str | Path) -> Path:
    """Return the path with a leading `~` expanded. Raises: InputError if it is of a user who is not known."""
    expanded = os.path.expanduser(path)
    if str(expanded).startswith("~") and "/" in str(expanded):
        raise InputError(f"No home folder is known for {path}: write the path in full.")
    return Path(expanded)


def cache_dir() -> Path:
    """Return the folder of what can be made again: `rewardbench` in `$XDG_CACHE_HOME`, or in `~/.cache`.

    Raises: InputError if no home folder is known.
    """
    folder = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    if folder.startswith("~"):
        raise InputError(
            "There is no place for cached files, for no home folder is known: set XDG_CACHE_HOME to a folder (or, for "
            "the score cache alone, REWARDBENCH_CACHE to a file)."
        )
    return Path(folder, "rewardbench")


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Write the whole file or none of it; text as UTF-8, in which half a surrogate pair becomes `?`.

    Raises: InputError where it cannot be written.
    """
    path = home_path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
