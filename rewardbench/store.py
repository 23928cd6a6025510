"""Where results live: names in, whole files out. A result is written whole or not at all, and never over another's.

`org/name` becomes `org/name.json` with `org/name_outputs.jsonl` beside it. Where that name is taken by another
suite, revision or model fingerprint, or by a file that is not ours, the new one is `name.{suite}-{hash}.json`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO

from rewardbench import results
from rewardbench.types import InputError, Item, ItemScores, Result, Rule, Suite

_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_LONGEST_NAME = 120


def open_store(location: str | Path) -> LocalStore:
    """The store at a folder, which need not exist yet."""
    if "://" in str(location):
        raise InputError(f"Stores on the Hub arrive in a later release, so {location} cannot be opened: name a folder.")
    _refuse_unwritable(Path(location))
    return LocalStore(Path(location))


def _refuse_unwritable(folder: Path) -> None:
    """Say before hours of scoring what `put` would say after them."""
    there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(
            f"The result cannot be written to {folder} ({there} is no writable folder); name another output folder."
        )


class LocalStore:
    """Results in a local folder; a key is a path below it without `.json`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """A place for the rows of a run while it runs: `put` makes them a result, and without it they are gone."""
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
            with _one_writer(wanted.parent):
                path = _own_path(wanted, result)
                _write(path, result, suite, draft)
        except OSError as error:
            raise InputError(_why_not(wanted.parent, error)) from error
        return str(path)

    def get(self, key: str) -> Result:
        """The result of a key as `list` gives it."""
        path = self.root / f"{key}.json"
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise InputError(f"{key!r} lies outside of the store {self.root}; use a key that the store lists.")
        return results.read_result(path)

    def list(self) -> list[str]:
        """The keys of all results here, sorted; files that are not ours are passed over."""
        found = (path for path in self.root.rglob("*.json") if _identity_at(path) is not None)
        return sorted(path.relative_to(self.root).as_posix().removesuffix(".json") for path in found)


def safe_name(model: str) -> PurePosixPath:
    """Where a model's files go below the store: a Hub id keeps its organisation, a path only its last folder.

    >>> str(safe_name("org/Llama-3.1")), str(safe_name("/models/run-7/")), str(safe_name("../../etc"))
    ('org/Llama-3.1', 'run-7', 'etc')
    """
    if os.path.exists(model):
        model = "/" + os.path.basename(os.path.abspath(model))
    raw = model.replace("\\", "/").split("/")
    parts = [_UNSAFE.sub("_", part).strip(". ")[:_LONGEST_NAME] for part in raw]
    kept = [part for part in parts if part] or ["model"]
    is_hub_id = len(raw) <= 2 and raw[0] not in ("", ".", "..", "~")
    return PurePosixPath(*(kept if is_hub_id else kept[-1:]))


def _own_path(wanted: Path, result: Result) -> Path:
    """The file of an earlier run of the same identity, or else the first name that is free."""
    own = results.identity(results.to_json(result))
    suite = str(safe_name(result.suite)).replace("/", "-")
    names = [wanted.stem, f"{wanted.stem}.{suite}-{own[:8]}", f"{wanted.stem}.{suite}-{own}"]
    paths = [wanted.with_name(f"{name}.json") for name in names]
    for path in paths:
        if _identity_at(path) == own:
            return path
    for path in paths:
        if not os.path.lexists(path) and not os.path.lexists(results.outputs_path(path)):
            return path
    raise InputError(f"{paths[-1]} is in the way of this result and is not ours; move it.")


def _identity_at(path: Path) -> str | None:
    """The identity of the result at `path`; None where there is none that we can read."""
    try:
        return results.identity(results.read_summary(path))
    except InputError:
        return None


DRAFT = "outputs.tmp"


class Draft:
    """Rows on their way to an outputs file, so that a run holds only those in hand. The first one opens the file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f".{os.getpid()}.{secrets.token_hex(4)}.{DRAFT}"
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None
        self._made_folder = False

    def add(self, item: Item, found: ItemScores, rule: Rule) -> None:
        """The row of one item. Raises: InputError where the disk takes no more."""
        line = results.dump(results.to_row(item, found, rule)).encode("ascii")
        self._digest.update(line)
        try:
            self._opened().write(line)
        except OSError as error:
            raise InputError(_why_not(self.path.parent, error)) from error

    def finish(self) -> str:
        """Bring everything to the disk; return its sha256."""
        file = self._opened()
        file.flush()
        os.fsync(file.fileno())
        file.close()
        return self._digest.hexdigest()

    def discard(self) -> None:
        """Away with what no result has taken, and with the folder if it was made for nothing."""
        if self._file is None:
            return
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)
        if self._made_folder:
            with suppress(OSError):  # a result is in it
                self.path.parent.rmdir()

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._made_folder = not self.path.parent.exists()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(self.path.parent)
            self._file = open(self.path, "xb")  # noqa: SIM115 - closed by finish or discard
        return self._file


def _sweep(folder: Path) -> None:
    """Remove what runs have left behind that were killed."""
    import psutil

    for path in folder.glob(f".*.{DRAFT}"):
        owner = path.name.split(".")[1]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            path.unlink(missing_ok=True)


def _write(path: Path, result: Result, suite: Suite, draft: Draft | None) -> None:
    """Both files beside their places first, and only when they are whole into them."""
    mark = secrets.token_hex(4)
    outputs, summary, backup = (path.with_name(f".{mark}.{kind}.tmp") for kind in ("outputs", "summary", "backup"))
    try:
        if draft:
            digest = draft.finish()
            os.replace(draft.path, outputs)
        else:
            digest = _write_lines(outputs, map(results.dump, results.to_rows(result, suite)))
        figures = results.to_json(result) | {results.OUTPUTS_HASH: digest}
        _write_lines(summary, [results.dump(figures, indent=2)])
        _move(outputs, summary, path, backup)
    finally:
        for temporary in (outputs, summary, backup):
            temporary.unlink(missing_ok=True)


def _move(outputs: Path, summary: Path, path: Path, backup: Path) -> None:
    """The outputs first, the summary last; if the second move fails, the first is taken back."""
    place = results.outputs_path(path)
    try:
        if place.exists():
            os.replace(place, backup)
        os.replace(outputs, place)
        os.replace(summary, path)
    except BaseException:
        if backup.exists():
            os.replace(backup, place)
        elif not outputs.exists():
            place.unlink()
        raise


def _write_lines(path: Path, lines: Iterable[str]) -> str:
    """Write and flush to the disk; return the sha256 of what was written."""
    digest = hashlib.sha256()
    with open(path, "xb") as file:
        for line in lines:
            content = line.encode("ascii")
            digest.update(content)
            file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


@contextmanager
def _one_writer(folder: Path) -> Iterator[None]:
    """One writer at a time in a folder: a lock on the folder itself, which goes with its process, however that ends."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems know no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _why_not(folder: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk of {folder} is full, so the result was not written; free some space or name another folder."
    reason = error.strerror or str(error)
    return f"The result cannot be written to {folder} ({reason}); name another output folder."
