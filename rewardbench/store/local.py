"""Store results in a local folder. A result is written atomically, and never replaces another model's.

The result of `org/name` is `org/name.json` with `org/name_outputs.jsonl`. If a result of another suite, revision or
model fingerprint has that name, or a file that is not a result, the new one is `org/name.{suite}-{hash}.json`.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from rewardbench import results
from rewardbench.engine.cache import default_path
from rewardbench.errors import InputError
from rewardbench.paths import home_path, write_whole
from rewardbench.results import PackedResult, SummaryJson
from rewardbench.store.atomic import Draft, describe_write_error, files_of, lock, write_packed, write_result
from rewardbench.types import Result, Suite

UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
LONGEST_NAME = 120
INDEX = "index.parquet"
RESERVED = ("index", "sketches", "verdicts", "readme")
DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
"""Names that Windows reserves for devices, in any case and with any extension."""
MOST_SUMMARY = 256 * 2**10
"""Maximum size of a summary, in bytes."""
_index_hashes: dict[str, str] = {}
"""Hash of the index that this process wrote, by store; used where hashes cannot be saved on this machine."""
VERDICTS = "verdicts/"
"""Folder of the verdicts of re-runs, one file per result, which submissions must not touch."""


class LocalStore:
    """Results in a local folder. The key of a result is the path of its summary without `.json`."""

    def __init__(self, root: str | Path) -> None:
        self.root = home_path(root)

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """Context manager: yield a draft for the rows of a run; rows that `put` does not take are deleted.

        Raises:
            InputError: if the folder is not writable.
        """
        _check_writable(self.root)
        draft = Draft(self.root)
        try:
            yield draft
        finally:
            draft.discard()

    def put(self, result: Result, suite: Suite, draft: Draft | None = None, key: str | None = None) -> str:
        """Write a result atomically.

        Args:
            result: the result; without a draft, its items must contain their texts.
            suite: its suite.
            draft: rows that have been written already.
            key: where a result is replaced, whatever it is of; None: the first free key of the model.

        Returns:
            The path of its summary.

        Raises:
            InputError: if it cannot be written.
        """
        wanted = self.root / f"{key or safe_name(result.model)}.json"
        with self._write_lock(wanted.parent):
            path = _replaceable(wanted) if key else _choose_path(wanted, results.to_summary(result))
            write_result(path, result, suite, draft)
        return str(path)

    def add(self, entries: Iterable[PackedResult], replace: bool = True) -> list[str]:
        """Write packed results, and return their keys.

        Raises:
            InputError: if one cannot be written, or, without `replace`, a stored result would change.
        """
        keys: list[str] = []
        for entry in entries:
            summary = entry[0]
            wanted = self.root / f"{keys_of(summary)[0]}.json"
            with self._write_lock(wanted.parent):
                path = _choose_path(wanted, summary)
                if not replace and os.path.lexists(path) and results.read_summary(path) != summary:
                    raise InputError(f"{path} is a different version of this result: it was not replaced.")
                write_packed(path, PackedResult(*entry))
            keys.append(path.relative_to(self.root).as_posix().removesuffix(".json"))
        return keys

    @contextmanager
    def _write_lock(self, folder: Path) -> Iterator[None]:
        """Context manager: create a folder, and hold the lock of the store.

        Raises:
            InputError: if a file cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with lock(self.root):
                yield
        except OSError as error:
            raise InputError(describe_write_error(folder, error)) from error

    def get(self, key: str) -> Result:
        """Read the result with a key; if it is replaced meanwhile, it is read again.

        Raises:
            InputError: if it does not exist or cannot be read.
        """
        path = self.path(key)
        while True:
            mark = _file_mark(path)
            try:
                return results.read_result(path)
            except InputError:
                if _file_mark(path) == mark:
                    raise

    def list(self) -> list[str]:
        """Return the keys of all results, sorted; other files are skipped."""
        return sorted(key for key in self.versions() if _identity_at(self.path(key)) is not None)

    def versions(self) -> dict[str, str]:
        """Return the keys of all files that may be results, each with a mark that changes when its files change."""
        marks: dict[str, str] = {}
        for path in self.root.rglob("*.json"):
            if mark := _content_mark(path):
                marks[path.relative_to(self.root).as_posix().removesuffix(".json")] = mark
        return with_verdicts(marks)

    def path(self, key: str) -> Path:
        """Return the path of the summary with a key.

        Raises:
            InputError: if it would be outside the folder.
        """
        path = self.root / f"{key}.json"
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise InputError(f"{key!r} is outside the store {self.root}; use a key that the store lists.")
        return path

    def delete(self, key: str) -> None:
        """Delete a result and its verdict.

        Raises:
            InputError: if there is no such result.
        """
        path = self._existing(key)
        with lock(self.root):
            for file in (*files_of(path), self._verdict(key)):
                file.unlink(missing_ok=True)

    def rename(self, key: str, new: str) -> None:
        """Change the key of a result and its verdict; at every moment the result is complete under one of the keys.

        Raises:
            InputError: if there is no such result, or the new key is taken.
        """
        path, target = self._existing(key), self.path(new)
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock(self.root):
            files = files_of(path)
            new_files = [target.with_name(file.name.replace(path.stem, target.stem, 1)) for file in files]
            if any(map(os.path.lexists, new_files)):
                raise InputError(f"There is a result {new!r} in {self.root} already; delete it first.")
            if self._verdict(key).exists():
                self.save(f"{VERDICTS}{new}.json", self._verdict(key).read_bytes())
            for file, new_file in zip(reversed(files), reversed(new_files), strict=True):
                os.link(file, new_file)  # the summary last, since it makes the files a result
            for file in (*files, self._verdict(key)):
                file.unlink(missing_ok=True)

    def load(self, name: str) -> Path | None:
        """Return the path of another file of the store (the index, a verdict), or None if it does not exist."""
        path = self.root / name
        return path if path.is_file() else None

    def save(self, name: str, content: bytes, note: str = "") -> None:
        """Write such a file atomically; `note` is not used.

        Raises:
            InputError: if it cannot be written.
        """
        write_whole(self.root / name, content)

    def indexes(self) -> Sequence[Path]:
        """Return the index of the folder if this machine wrote it; an index from elsewhere is not trusted."""
        path = self.load(INDEX)
        if path is None:
            return []
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return [path] if digest in (_index_hashes.get(self._name()), self._recorded_hash()) else []

    def remember(self, index: bytes) -> None:
        """Write the index if the folder is writable, and record its hash on this machine."""
        digest = hashlib.sha256(index).hexdigest()
        with suppress(InputError):
            self.save(INDEX, index)
            _index_hashes[self._name()] = digest
            if digest != self._recorded_hash():
                write_whole(self._record(), digest)

    def machine_path(self, name: str) -> Path | None:
        """Return the path of a file about the store on this machine, outside the store; None if there is no folder."""
        try:
            return default_path().with_name("indexes") / f"{self._name()}.{name}"
        except InputError:
            return None

    def _name(self) -> str:
        return hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:32]

    def _record(self) -> Path:
        """Return the file on this machine that contains the hash of the index.

        Raises:
            InputError: if this machine has no cache folder.
        """
        return default_path().with_name("indexes") / self._name()

    def _recorded_hash(self) -> str:
        try:
            return self._record().read_text()
        except (InputError, OSError, ValueError):
            return ""

    def _verdict(self, key: str) -> Path:
        return self.root / f"{VERDICTS}{key}.json"

    def _existing(self, key: str) -> Path:
        path = self.path(key)
        if _identity_at(path) is None:
            raise InputError(f"There is no result {key!r} in {self.root}; `rewardbench index` lists the keys.")
        return path


def _check_writable(folder: Path) -> None:
    """Check that results can be written to a folder, before hours of scoring.

    Raises:
        InputError: if they cannot.
    """
    parent = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"The result cannot be written to {folder} ({parent} is not a writable folder); name another output folder."
        )


def _file_mark(path: Path) -> str:
    """Return a mark that changes when a file changes; empty if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


def _content_mark(path: Path) -> str:
    """Hash a summary, which contains the hash of its rows; of a file above the size limit return size and time.

    Devices, pipes and folders are no results: reading them may never end.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return ""
        if status.st_size > MOST_SUMMARY:
            return _file_mark(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def with_verdicts(marks: Mapping[str, str]) -> dict[str, str]:
    """Return the marks of results by key, each joined with the mark of its verdict; other files are left out."""
    joined: dict[str, str] = {}
    for key, mark in marks.items():
        if not key.startswith((".", VERDICTS)):
            verdict = marks.get(VERDICTS + key)
            joined[key] = mark if verdict is None else f"{mark}+{verdict}"
    return joined


def safe_name(model: str, may_be_path: bool = True) -> PurePosixPath:
    """Return the path of a model's files in a store: a Hub id keeps its organization, a path only its last folder.

    >>> str(safe_name("org/Llama-3.1")), str(safe_name("/models/run-7/")), str(safe_name("../../etc"))
    ('org/Llama-3.1', 'run-7', 'etc')
    """
    if may_be_path and os.path.exists(model):
        model = "/" + os.path.basename(os.path.abspath(model))
    raw = model.replace("\\", "/").split("/")
    parts = [UNSAFE.sub("_", part).strip(". ")[:LONGEST_NAME] for part in raw]
    names = [part for part in parts if part] or ["model"]
    is_hub_id = len(raw) <= 2 and raw[0] not in ("", ".", "..", "~")
    return PurePosixPath(*(names if is_hub_id else names[-1:]))


def _choose_path(wanted: Path, summary: SummaryJson) -> Path:
    """Return the path of the stored result with the same identity, or else the first path that is free.

    Raises:
        InputError: if no path is free.
    """
    identity = results.identity(summary)
    keys = keys_of({**summary, "model": wanted.stem})
    paths = [wanted.with_name(f"{key.rpartition('/')[2]}.json") for key in keys]
    for path in paths:
        if _identity_at(path) == identity:
            return path
    for path in paths:
        places = (path, results.outputs_path(path), results.table_path(path))
        if not any(map(os.path.lexists, (*places, results.answers_path(path), results.packed_answers_path(path)))):
            return path
    raise InputError(f"{paths[-1]} is in the way of this result, and is not a result: move it.")


def _replaceable(path: Path) -> Path:
    """Return the path of a result that may be replaced, or that is free.

    Raises:
        InputError: if something else has that path.
    """
    if os.path.lexists(path) and _identity_at(path) is None:
        raise InputError(f"{path} is in the way of this result, and is not a result: move it, or pass another --name.")
    return path


def keys_of(summary: SummaryJson) -> Sequence[str]:
    """Return the keys that a result may have, the plain one first.

    Raises:
        InputError: if the store reserves the name for its own files.
    """
    name = safe_name(str(summary["model"]), may_be_path=False)
    reject_reserved(name.as_posix())
    suite = str(safe_name(str(summary["suite"]), may_be_path=False)).replace("/", "-")
    identity = results.identity(summary)
    names = (name.name, f"{name.name}.{suite}-{identity[:8]}", f"{name.name}.{suite}-{identity}")
    return [name.with_name(candidate).as_posix() for candidate in names]


def choose_key(keys: Sequence[str], identity: str, identity_at: Callable[[str], str | None]) -> str | None:
    """Return the key of the stored result with an identity, or else the first key that is free; None if none is.

    Args:
        keys: keys that the result may have.
        identity: its identity.
        identity_at: returns the identity of the result with a key: None if the key is free, empty if another file has
            it.
    """
    free = None
    for key in keys:
        stored = identity_at(key)
        if stored == identity:
            return key
        if stored is None:
            free = free or key
    return free


def reject_reserved(key: str) -> None:
    """Reject the keys of a store's own files, and names of Windows devices.

    Raises:
        InputError: if the key is one of them.
    """
    stems = [part.partition(".")[0].strip().casefold() for part in key.split("/")]
    if stems[0] in ("", *RESERVED):
        raise InputError(f"A result cannot be called {key!a:.80}: the store uses that name for its own files.")
    if device := DEVICES.intersection(stems):
        raise InputError(f"A result cannot be called {key!a:.80}: Windows reserves {min(device)!r} for a device.")


def reject_model_name(model: str) -> None:
    """Reject a model whose name cannot be a key.

    Raises:
        InputError: if its name is reserved.
    """
    reject_reserved(safe_name(model).as_posix())


def _identity_at(path: Path) -> str | None:
    """Return the identity of the result at `path`, or None if there is no readable result."""
    try:
        return results.identity(results.read_summary(path))
    except InputError:
        return None
