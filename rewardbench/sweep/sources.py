"""Where the files of a checkpoint are, whether they changed, and the thread that fetches those of the next one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TypeVar

from rewardbench.errors import InputError, Unreachable
from rewardbench.hub import cached_commit, resolve_commit
from rewardbench.models.fingerprint import digest
from rewardbench.models.locate import locate
from rewardbench.models.spec import resolve
from rewardbench.models.weight_files import weight_files
from rewardbench.models.weights import locate_model
from rewardbench.paths import home_path
from rewardbench.scorers.plugins import find_plugin
from rewardbench.settings import ModelSpec

T = TypeVar("T")

CHUNK = 16 * 2**20
"""Bytes that are read at a time."""
RESOLVERS = 8
"""Requests to the Hub at the same time."""
MEMORY_SHARE = 0.5
"""Share of the free memory that the files of the next checkpoint may take in the page cache."""


def has_files(spec: ModelSpec) -> bool:
    """Return True if a model is read from files: it is no baseline, no plug-in, and behind no server."""
    if spec.model.startswith("baseline/") or spec.server or (spec.judge and spec.judge.endpoint):
        return False
    return resolve(spec) is not spec or find_plugin(spec.model) is None


def sources_of(spec: ModelSpec) -> list[tuple[str, str | None]]:
    """Return the name and the revision of each repository or folder from which a model is read."""
    spec = resolve(spec)
    sources = [(spec.model, spec.revision)]
    if spec.ref_model:
        sources.append((spec.ref_model, spec.ref_revision))
    if spec.tokenizer:
        sources.append((spec.tokenizer, None))
    return sources


def source_state(name: str, revision: str | None) -> str:
    """Return what changes when the files of a source change: the commit, or the sizes and times of a folder's files.

    Raises:
        InputError: if there is no such repository or revision.
    """
    folder = home_path(name)
    if folder.is_dir():
        return digest(file_marks(folder))
    try:
        return resolve_commit("model", name, revision)
    except Unreachable:
        return cached_commit(name, revision) or ""


def file_marks(folder: Path) -> list[tuple[str, int, int]]:
    """Return the name, the size in bytes and the time of change of each file in a folder, sorted."""
    marks: list[tuple[str, int, int]] = []
    for path in sorted(folder.iterdir()):
        with suppress(OSError):  # deleted meanwhile
            if path.is_file():
                status = path.stat()
                marks.append((path.name, status.st_size, status.st_mtime_ns))
    return marks


def fetch(spec: ModelSpec) -> None:
    """Download the files of a model, and read its weights once, so that the system holds them in memory.

    Raises:
        InputError: if there is no such model, or it has no weights that may be read.
    """
    if not has_files(spec):
        return
    spec = resolve(spec)
    folders = [locate_model(spec)]
    for name, revision in sources_of(spec)[1:]:
        folders.append(locate(name, revision, spec.trust_remote_code))
    base = _base_of(folders[0])
    if base:
        folders.append(locate(base))
    limit = _readable_bytes()
    for folder in folders:
        for path in weight_files(folder):
            limit -= path.stat().st_size
            if limit < 0:
                return
            _read(path)


def _base_of(folder: Path) -> str:
    """Return the name of the model to which an adapter is applied; empty for other models."""
    try:
        fields = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        return str(fields["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _readable_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().available * MEMORY_SHARE)


def _read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(CHUNK):
            pass


def one_ahead(items: Sequence[T], prepare: Callable[[T], None]) -> Iterator[tuple[T, InputError | None]]:
    """Yield each item with the error of `prepare`, if any; a thread prepares the next item while one is used."""
    following = _start(prepare, items[0]) if items else None
    for number, item in enumerate(items, 1):
        error = following.exception() if following else None
        following = _start(prepare, items[number]) if number < len(items) else None
        if error is not None and not isinstance(error, InputError):
            error = InputError(f"{type(error).__name__}: {error}")
        yield item, error


def _start(prepare: Callable[[T], None], item: T) -> Future[None]:
    """Prepare an item in a thread that does not keep the process alive, such as a long download after Ctrl-C."""
    future: Future[None] = Future()

    def work() -> None:
        try:
            prepare(item)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    Thread(target=work, name="fetch", daemon=True).start()
    return future
