"""Find the safetensors conversion of a Hub repository whose main branch has pickles only.

The Hub's conversion service opens a pull request with the weights as safetensors files. Anyone can open a pull request,
so one that the user did not name is used only if

- its author is the service's account (`SFconvertbot`) or the owner of the repository, by the name that the Hub returns;
- it is open;
- its files equal those of main, except for added safetensors files (model cards may differ);
- its tensors have the names that the index of the pickles lists, if there is an index.

Whether the values of its tensors are those of the pickles cannot be known without reading the pickles. A note of the
result therefore names the pull request, and the fingerprint has its commit. Safetensors files cannot run code, whoever
wrote them. The choice is recorded in the cache for this commit of main, so that later runs, worker processes and runs
without a network score the same files. `--revision refs/pr/N` uses any other pull request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.hub import (
    commit_of,
    list_files,
    open_pull_requests,
    reads_cache_only,
    resolve_commit,
    save_reference,
    snapshot,
)
from rewardbench.models.locate import FILES
from rewardbench.models.tensor_file import open_tensor_file
from rewardbench.models.weight_files import (
    PICKLE_INDEX,
    PICKLE_PATTERNS,
    TRAINING_STATE,
    index_tensors,
    matches_any,
    safetensors_files,
)

BOT = "SFconvertbot"
"""Account of the Hub's conversion service."""

TOPIC = "safetensors"
"""Word in the title of a pull request with a conversion."""

MOST_PULLS = 100
"""Open pull requests that are looked through, the newest first."""

ADDED = ("*.safetensors", "*.safetensors.index.json")
FREE = ("README.md", ".gitattributes", "*.md")
"""Patterns of files that a conversion may add, and of those that may differ."""


@dataclass(frozen=True)
class ConvertedWeights:
    """A pull request whose safetensors files stand for the pickles of main."""

    folder: Path
    revision: str
    author: str


def find_conversion(name: str, folder: Path) -> tuple[Path | None, str]:
    """Return the snapshot of a trusted conversion of a repository, and why another was not used.

    Args:
        name: the Hub id.
        folder: the snapshot of main.

    Returns:
        A folder, or None with an explanation for the user, which may be empty.
    """
    repository, main = folder.parent.parent, folder.name
    for conversion in _recorded(repository, main):
        return conversion.folder, ""
    if reads_cache_only():
        return None, ""
    try:
        return _search(name, folder)
    except InputError as error:  # discussions are switched off, or the Hub cannot be reached
        return None, str(error).rstrip(".")


def conversion_of(folder: Path) -> ConvertedWeights | None:
    """Return the recorded conversion whose snapshot a folder is; None for all other folders."""
    for conversion in _recorded(folder.parent.parent, "*"):
        if conversion.folder == folder:
            return conversion
    return None


def _search(name: str, folder: Path) -> tuple[Path | None, str]:
    resolve_commit("model", name, folder.name)  # fails at once if the Hub is down, where other calls try again
    main_files = list_files(name, folder.name)
    if not any(_is_pickle_name(path) for path in main_files):
        return None, ""
    owner, reason = name.partition("/")[0], ""
    for pull in islice(open_pull_requests(name), MOST_PULLS):
        revision = f"refs/pr/{pull.num}"
        if TOPIC not in pull.title.lower():
            continue
        if pull.author not in (BOT, owner):
            reason = reason or f"{revision} adds them, but its author {pull.author} is neither {BOT} nor the owner"
            continue
        commit = resolve_commit("model", name, revision)
        problem = _compare(main_files, list_files(name, commit))
        if not problem:
            converted = snapshot("model", name, commit, FILES)
            problem = _compare_tensors(folder, converted)
            if not problem:
                save_reference(folder.parent.parent, _record_name(folder.name, pull.author, pull.num), commit)
                return converted, ""
        reason = reason or f"{revision} by {pull.author} was not used: {problem}"
    return None, reason


def _is_pickle_name(path: str) -> bool:
    return matches_any(path, PICKLE_PATTERNS) and "/" not in path and not matches_any(path, TRAINING_STATE)


def _compare(main_files: Mapping[str, str], files: Mapping[str, str]) -> str:
    """Return in what a conversion differs from main besides added safetensors files; empty if in nothing."""
    for path in sorted(main_files.keys() | files.keys()):
        is_added = path not in main_files and matches_any(path, ADDED)
        if main_files.get(path) != files.get(path) and not is_added and not matches_any(path, FREE):
            return f"its {path} is not that of main"
    if not any(path.endswith(".safetensors") for path in files):
        return "it has no safetensors files"
    return ""


def _compare_tensors(main: Path, converted: Path) -> str:
    """Return which tensor of a conversion the pickles lack by their index; empty if none, or there is no index."""
    if not (main / PICKLE_INDEX).is_file():
        return ""
    names = index_tensors(main / PICKLE_INDEX)
    for path in safetensors_files(converted):
        for tensor in open_tensor_file(path).shapes:
            if tensor not in names:
                return f"its tensor {tensor} is not in the pickles of main"
    return ""


def _record_name(main: str, author: str, number: int) -> str:
    """Return the reference in the cache that records the conversion of a commit of main."""
    return f"conversions/{main}/{re.sub(r'[^A-Za-z0-9_.-]', '-', author)}/{number}"


def _recorded(repository: Path, main: str) -> list[ConvertedWeights]:
    """Return the recorded conversions of a commit of main whose files are in the cache; `*` for any commit."""
    conversions = []
    for reference in sorted(filter(Path.is_file, (repository / "refs").glob(f"conversions/{main}/*/*"))):
        snapshot_folder = repository / "snapshots" / reference.read_text(encoding="utf-8").strip()
        if commit_of(snapshot_folder) and snapshot_folder.is_dir():
            conversions.append(ConvertedWeights(snapshot_folder, f"refs/pr/{reference.name}", reference.parent.name))
    return conversions
