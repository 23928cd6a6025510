"""How files come into a store: whole or not at all, one writer at a time, and nothing left of one that was killed."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.types import Item, ItemScores, Result, Rule, Suite

DRAFT = "outputs.tmp"
ABANDONED = 3600.0
"""Seconds after which the temporary file of a writer is nobody's."""


class Draft:
    """Rows on their way to an outputs file, so that a run holds only those in hand. The first one opens the file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f".{os.getpid()}.{secrets.token_hex(4)}.{DRAFT}"
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None
        self._made_folder = False

    def add(self, item: Item, item_scores: ItemScores, rule: Rule) -> None:
        """Write the row of one item. Raises: InputError if the disk is full."""
        line = results.dump(results.to_row(item, item_scores, rule)).encode("ascii")
        self._digest.update(line)
        try:
            self._opened().write(line)
        except OSError as error:
            raise InputError(why_not(self.path.parent, error)) from error

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


def files_of(path: Path) -> list[Path]:
    """Return the files of the result whose summary is at `path`, the summary first."""
    beside = (results.outputs_path(path), results.table_path(path))
    return [path, *(file for file in beside if file.exists())]


def write_result(path: Path, result: Result, suite: Suite, draft: Draft | None) -> None:
    """Both files beside their places first, and only when they are whole into them."""
    with _temporaries(path) as (rows, summary):
        if draft:
            digest = draft.finish()
            os.replace(draft.path, rows)
        else:
            digest = _write_lines(rows, map(results.dump, results.to_rows(result, suite)))
        figures = results.to_json(result) | {results.OUTPUTS_HASH: digest}
        _write_lines(summary, [results.dump(figures, indent=2)])
        _move(rows, results.outputs_path(path), summary, path)


def write_packed(path: Path, summary: Mapping[str, Any], table: bytes | None) -> None:
    """Write a summary, and the table of scores that it names, if it has one."""
    with _temporaries(path) as (rows, figures):
        _write_lines(figures, [results.dump(summary, indent=2)])
        if table is None:
            os.replace(figures, path)
            return
        with open(rows, "xb") as file:
            file.write(table)
            os.fsync(file.fileno())
        _move(rows, results.table_path(path), figures, path)


@contextmanager
def _temporaries(path: Path) -> Iterator[tuple[Path, Path]]:
    """Two places beside `path` that are gone afterwards."""
    mark = f"t{secrets.token_hex(4)[1:]}"  # no number, which would be that of a process
    _sweep_temporaries(path.parent)
    rows, summary = (path.with_name(f".{mark}.{kind}.tmp") for kind in ("outputs", "summary"))
    try:
        yield rows, summary
    finally:
        rows.unlink(missing_ok=True)
        summary.unlink(missing_ok=True)


def _sweep_temporaries(folder: Path) -> None:
    """Remove what writers have left behind that were killed; a young file may be that of one beside."""
    for kind in ("outputs", "summary"):
        for path in folder.glob(f".????????.{kind}.tmp"):
            with suppress(OSError):  # another was faster
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()


def _move(rows: Path, place: Path, summary: Path, path: Path) -> None:
    """Replace the rows first, the summary last; the earlier rows stay until then, for readers and to roll back."""
    spare = results.spare_path(place)
    _restore(path, place, spare)
    if place.exists():
        half = spare.with_name(f"{spare.name}.tmp")
        try:
            shutil.copyfile(place, half)
            os.replace(half, spare)
        finally:
            half.unlink(missing_ok=True)
    try:
        os.replace(rows, place)
        os.replace(summary, path)
    except BaseException:
        if spare.exists():
            os.replace(spare, place)
        elif not rows.exists():
            place.unlink()
        raise
    spare.unlink(missing_ok=True)


def _restore(path: Path, place: Path, spare: Path) -> None:
    """Put back what a writer that was killed between its two moves has left beside."""
    if spare.exists() and path.exists():
        wanted = results.read_summary(path).get(results.OUTPUTS_HASH)
        if hashlib.sha256(spare.read_bytes()).hexdigest() == wanted:
            os.replace(spare, place)
    spare.unlink(missing_ok=True)


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
def one_writer(folder: Path) -> Iterator[None]:
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


def why_not(folder: Path, error: OSError) -> str:
    """Why nothing could be written to a folder, in one sentence."""
    if error.errno == errno.ENOSPC:
        return f"The disk of {folder} is full, so the result was not written; free some space or name another folder."
    reason = error.strerror or str(error)
    return f"The result cannot be written to {folder} ({reason}); name another output folder."
