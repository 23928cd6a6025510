"""Where results live: names in, whole files out. A result is written whole or not at all, and never over another's.

`org/name` becomes `org/name.json` with `org/name_outputs.jsonl` beside it. Where that name is taken by another
suite, revision or model fingerprint, or by a file that is not ours, the new one is `name.{suite}-{hash}.json`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from rewardbench import results
from rewardbench.engine.cache import default_path
from rewardbench.errors import InputError
from rewardbench.paths import home_path, write_whole
from rewardbench.store.atomic import Draft, files_of, one_writer, why_not, write_packed, write_result
from rewardbench.types import Result, Suite

Entry = tuple[Mapping[str, Any], bytes | None]
"""A result packed to be published: its summary, which names the hash of its table of scores, and the table if any."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_LONGEST_NAME = 120
INDEX = "index.parquet"
RESERVED = ("index", "verdicts", "readme")
DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
"""Names that Windows keeps for devices, in any case and with any extension."""
MOST_SUMMARY = 256 * 2**10
"""Bytes of the largest summary."""
_written: dict[str, str] = {}
"""By store, the hash of the index that this process wrote: known also where the machine keeps nothing."""
VERDICTS = "verdicts/"
"""The folder of what verification has found, a file a result; what a submission may never touch."""


class LocalStore:
    """Results in a local folder; a key is a path below it without `.json`."""

    def __init__(self, root: str | Path) -> None:
        self.root = home_path(root)

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """Return a place for the rows of a run while it runs: `put` makes them a result, else they are dropped."""
        _refuse_unwritable(self.root)
        draft = Draft(self.root)
        try:
            yield draft
        finally:
            draft.discard()

    def put(self, result: Result, suite: Suite, draft: Draft | None = None) -> str:
        """Write a result whole or not at all; return the path of its summary. Its rows are those of the draft, if any.

        Without a draft the items of the result must hold their texts.
        """
        wanted = self.root / f"{safe_name(result.model)}.json"
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            with one_writer(wanted.parent):
                path = _own_path(wanted, results.to_json(result))
                write_result(path, result, suite, draft)
        except OSError as error:
            raise InputError(why_not(wanted.parent, error)) from error
        return str(path)

    def add(self, entries: Iterable[Entry], replace: bool = True) -> list[str]:
        """Write results that are packed already; return their keys. Without `replace` none that is there is changed.

        Raises: InputError where one would be, or nothing can be written.
        """
        keys = []
        for summary, table in entries:
            wanted = self.root / f"{keys_of(summary)[0]}.json"
            try:
                wanted.parent.mkdir(parents=True, exist_ok=True)
                with one_writer(wanted.parent):
                    path = _own_path(wanted, summary)
                    if not replace and os.path.lexists(path) and results.read_summary(path) != summary:
                        raise InputError(f"{path} holds this result in another form already: it was not replaced.")
                    write_packed(path, summary, table)
            except OSError as error:
                raise InputError(why_not(wanted.parent, error)) from error
            keys.append(path.relative_to(self.root).as_posix().removesuffix(".json"))
        return keys

    def get(self, key: str) -> Result:
        """Return the result of a key as `list` gives it; one that is being replaced is read again."""
        path = self.path(key)
        while True:
            mark = _mark(path)
            try:
                return results.read_result(path)
            except InputError:
                if _mark(path) == mark:
                    raise

    def list(self) -> list[str]:
        """Return the keys of all results here, sorted; other files are skipped."""
        return sorted(key for key in self.versions() if _identity_at(self.path(key)) is not None)

    def versions(self) -> dict[str, str]:
        """Return the keys of all files that may be results, each with a mark that changes whenever its file does."""
        marks = {}
        for path in self.root.rglob("*.json"):
            key = path.relative_to(self.root).as_posix().removesuffix(".json")
            marks[key] = _content_mark(path)
        return with_verdicts({key: mark for key, mark in marks.items() if mark})

    def path(self, key: str) -> Path:
        """Where the summary of a key is. Raises: InputError for a key that leads out of here."""
        path = self.root / f"{key}.json"
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise InputError(f"{key!r} lies outside of the store {self.root}; use a key that the store lists.")
        return path

    def delete(self, key: str) -> None:
        """Remove a result, and what was found of it. Raises: InputError where there is none."""
        path = self._known(key)
        with one_writer(path.parent):
            for file in (*files_of(path), self._verdict(key)):
                file.unlink(missing_ok=True)

    def rename(self, key: str, new: str) -> None:
        """Move a result to another key, with its verdict; at every moment one of the two holds it whole.

        Raises: InputError where there is no such result, or the new key is taken.
        """
        path, target = self._known(key), self.path(new)
        target.parent.mkdir(parents=True, exist_ok=True)
        with one_writer(path.parent):
            moves = [(file, target.with_name(file.name.replace(path.stem, target.stem, 1))) for file in files_of(path)]
            if any(os.path.lexists(to) for _, to in moves):
                raise InputError(f"There is a result {new!r} in {self.root} already; delete it first.")
            if self._verdict(key).exists():
                self.save(f"{VERDICTS}{new}.json", self._verdict(key).read_bytes())
            for file, to in reversed(moves):  # the summary last, which makes the result
                os.link(file, to)
            for file in (*(file for file, _ in moves), self._verdict(key)):
                file.unlink(missing_ok=True)

    def load(self, name: str) -> Path | None:
        """Return the path of a file beside the results (the index, a verdict), or None if there is none."""
        path = self.root / name
        return path if path.is_file() else None

    def save(self, name: str, content: bytes, note: str = "") -> None:
        """Write such a file whole. Raises: InputError where that cannot be done."""
        write_whole(self.root / name, content)

    def indexes(self) -> Sequence[Path]:
        """Return the index of this folder if this machine wrote it; any other may say what its author likes."""
        place = self.load(INDEX)
        if place is None:
            return []
        digest = hashlib.sha256(place.read_bytes()).hexdigest()
        return [place] if digest in (_written.get(self._name()), self._recorded()) else []

    def remember(self, index: bytes) -> None:
        """Keep an index where that is allowed, and on this machine its hash, by which it is known again."""
        digest = hashlib.sha256(index).hexdigest()
        with suppress(InputError):
            self.save(INDEX, index)
            _written[self._name()] = digest
            if digest != self._recorded():
                write_whole(self._record(), digest)

    def _name(self) -> str:
        return hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:32]

    def _record(self) -> Path:
        """Return where this machine keeps the hash of the index. Raises: InputError where it has no place for that."""
        return default_path().with_name("indexes") / self._name()

    def _recorded(self) -> str:
        try:
            return self._record().read_text()
        except (InputError, OSError, ValueError):
            return ""

    def _verdict(self, key: str) -> Path:
        return self.root / f"{VERDICTS}{key}.json"

    def _known(self, key: str) -> Path:
        path = self.path(key)
        if _identity_at(path) is None:
            raise InputError(f"There is no result {key!r} in {self.root}; its keys are those of `rewardbench index`.")
        return path


def _refuse_unwritable(folder: Path) -> None:
    """Say before hours of scoring what `put` would say after them."""
    parent = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"The result cannot be written to {folder} ({parent} is no writable folder); name another output folder."
        )


def _mark(path: Path) -> str:
    """Return a mark that changes whenever a file does; empty if there is none."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


def _content_mark(path: Path) -> str:
    """Hash a summary, which holds the hash of its rows; of a file too large to be one return its size and time."""
    try:
        if path.stat().st_size > MOST_SUMMARY:
            return _mark(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def with_verdicts(marks: Mapping[str, str]) -> dict[str, str]:
    """Return marks of files by key, those of verdicts joined to the marks of their results."""
    return {
        key: f"{mark}+{marks[VERDICTS + key]}" if VERDICTS + key in marks else mark
        for key, mark in marks.items()
        if not key.startswith((".", VERDICTS))
    }


def safe_name(model: str, may_be_path: bool = True) -> PurePosixPath:
    """Where a model's files go below the store: a Hub id keeps its organisation, a path only its last folder.

    >>> str(safe_name("org/Llama-3.1")), str(safe_name("/models/run-7/")), str(safe_name("../../etc"))
    ('org/Llama-3.1', 'run-7', 'etc')
    """
    if may_be_path and os.path.exists(model):
        model = "/" + os.path.basename(os.path.abspath(model))
    raw = model.replace("\\", "/").split("/")
    parts = [_UNSAFE.sub("_", part).strip(". ")[:_LONGEST_NAME] for part in raw]
    names = [part for part in parts if part] or ["model"]
    is_hub_id = len(raw) <= 2 and raw[0] not in ("", ".", "..", "~")
    return PurePosixPath(*(names if is_hub_id else names[-1:]))


def _own_path(wanted: Path, summary: Mapping[str, Any]) -> Path:
    """Return the file of an earlier run of the same identity, or else the first name that is free."""
    identity = results.identity(summary)
    paths = [wanted.with_name(f"{key.rpartition('/')[2]}.json") for key in keys_of({**summary, "model": wanted.stem})]
    for path in paths:
        if _identity_at(path) == identity:
            return path
    for path in paths:
        if not any(map(os.path.lexists, (path, results.outputs_path(path), results.table_path(path)))):
            return path
    raise InputError(f"{paths[-1]} is in the way of this result and is not ours; move it.")


def keys_of(summary: Mapping[str, Any]) -> Sequence[str]:
    """Return the keys that a result may take, the plain one first.

    Raises: InputError for a name under which the store keeps what is no result.
    """
    name = safe_name(str(summary["model"]), may_be_path=False)
    refuse_reserved(name.as_posix())
    suite, identity = (
        str(safe_name(str(summary["suite"]), may_be_path=False)).replace("/", "-"),
        results.identity(summary),
    )
    names = (name.name, f"{name.name}.{suite}-{identity[:8]}", f"{name.name}.{suite}-{identity}")
    return [name.with_name(candidate).as_posix() for candidate in names]


def refuse_reserved(key: str) -> None:
    """Reject keys of a store's own files, and names of Windows devices. Raises: InputError."""
    first, *_ = stems = [part.partition(".")[0].strip().casefold() for part in key.split("/")]
    if first in ("", *RESERVED):
        raise InputError(f"A result cannot be called {key!a:.80}: the store keeps its own files under that name.")
    if device := DEVICES.intersection(stems):
        raise InputError(f"A result cannot be called {key!a:.80}: Windows keeps {min(device)!r} for a device.")


def refuse_model_name(model: str) -> None:
    """Reject a model under whose name no store keeps a result. Raises: InputError."""
    refuse_reserved(safe_name(model).as_posix())


def _identity_at(path: Path) -> str | None:
    """Return the identity of the result at `path`; None if there is none that can be read."""
    try:
        return results.identity(results.read_summary(path))
    except InputError:
        return None
