"""Write the files of a result atomically, one writer at a time, and clean up after writers that were killed."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.metrics import rule_of
from rewardbench.results import PackedResult, SummaryJson
from rewardbench.types import Item, ItemScores, Result, Rule, Suite

DRAFT = "outputs.tmp"
ANSWERS_DRAFT = "answers.tmp"
TEMPORARY = ("outputs", "answers", "summary")
"""Kinds of the temporary files of a writer."""
LOCK = ".lock"
"""Name of the lock file of a store, which exists while a writer holds the lock."""
ABANDONED = 3600.0
"""Seconds after which the temporary file of a writer may be deleted."""


class DraftFile:
    """A temporary file of JSON lines, which the first line creates.

    Args:
        path: of the file, in a folder that may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None
        self._made_folder = False

    def write(self, line: str) -> None:
        """Write a line of ASCII.

        Raises:
            InputError: if the file cannot be written, such as on a full disk.
        """
        content = line.encode("ascii")
        self._digest.update(content)
        try:
            self._open().write(content)
        except OSError as error:
            raise InputError(describe_write_error(self.path.parent, error)) from error

    def is_empty(self) -> bool:
        """Return True if no line was written."""
        return self._file is None

    def finish(self) -> str:
        """Flush the file to the disk, and return its SHA-256."""
        file = self._open()
        file.flush()
        os.fsync(file.fileno())
        file.close()
        return self._digest.hexdigest()

    def discard(self) -> None:
        """Delete the file, unless a result has taken it, and the folder if it was created for it and is empty."""
        if self._file is None:
            return
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)
        if self._made_folder:
            with suppress(OSError):  # it contains a result
                self.path.parent.rmdir()

    def _open(self) -> IO[bytes]:
        if self._file is None:
            self._made_folder = not self.path.parent.exists()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _delete_drafts(self.path.parent)
            self._file = open(self.path, "xb")  # noqa: SIM115 - closed by finish or discard
        return self._file


class Draft:
    """The rows and the raw answers of a run in progress, in temporary files so that they need not fit in memory."""

    def __init__(self, folder: Path) -> None:
        mark = f".{os.getpid()}-{_host()}.{secrets.token_hex(4)}"
        self.rows = DraftFile(folder / f"{mark}.{DRAFT}")
        self.answers = DraftFile(folder / f"{mark}.{ANSWERS_DRAFT}")

    def add(self, item: Item, item_scores: ItemScores, rule: Rule) -> None:
        """Write the row of an item, and its answers if it has any.

        Raises:
            InputError: if a file cannot be written, such as on a full disk.
        """
        self.rows.write(results.dump(results.to_row(item, item_scores, rule)))
        for answer in item_scores.answers:
            self.answers.write(results.dump(answer))

    def fill(self, result: Result, suite: Suite) -> None:
        """Write the rows and the answers of a result; its items must contain their texts."""
        by_id = {item_scores.id: item_scores for item_scores in result.items}
        for item in suite.items:
            self.add(item, by_id[item.id], rule_of(suite, item.subset))

    def finish(self, result: Result) -> SummaryJson:
        """Flush the files to the disk, and return the summary of their result, which contains their hashes."""
        summary: SummaryJson = {**results.to_summary(result), results.OUTPUTS_HASH: self.rows.finish()}
        if not self.answers.is_empty():
            summary[results.ANSWERS_HASH] = self.answers.finish()
        return summary

    def discard(self) -> None:
        """Delete the files, unless a result has taken them."""
        self.answers.discard()
        self.rows.discard()


def _host() -> str:
    """Return a short hash of the name of this machine, since several may write to one folder."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _delete_drafts(folder: Path) -> None:
    """Delete the drafts of processes of this machine that no longer run."""
    import psutil

    for path in (*folder.glob(f".*.{DRAFT}"), *folder.glob(f".*.{ANSWERS_DRAFT}")):
        process, _, host = path.name.split(".")[1].partition("-")
        if host in ("", _host()) and process.isdigit() and not psutil.pid_exists(int(process)):
            path.unlink(missing_ok=True)


def files_of(path: Path) -> list[Path]:
    """Return the files of the result whose summary is at `path`, the summary first."""
    places = [results.outputs_path(path), results.table_path(path)]
    places += [results.answers_path(path), results.packed_answers_path(path)]
    rows = filter(Path.exists, places)
    return [path, *rows]


def write_result(path: Path, result: Result, suite: Suite, draft: Draft | None) -> None:
    """Write a result to temporary files, then move them to their places.

    Args:
        path: path of the summary.
        result: the result.
        suite: its suite.
        draft: rows and answers that have been written already; None: they are taken from the items of the result.
    """
    if draft is None:
        draft = Draft(path.parent)
        draft.fill(result, suite)
    try:
        with _temporary_files(path) as (_, _, summary_file):
            summary = draft.finish(result)
            files = {draft.rows.path: results.outputs_path(path)}
            if not draft.answers.is_empty():
                files[draft.answers.path] = results.answers_path(path)
            _write_lines(summary_file, [results.dump(summary, indent=2)])
            _move(files, summary_file, path)
    finally:
        draft.discard()


def write_packed(path: Path, entry: PackedResult) -> None:
    """Write a packed result: its summary, and its table of scores and its answers if there are any."""
    summary, table, answers = entry
    with _temporary_files(path) as (table_file, answers_file, summary_file):
        files: dict[Path, Path] = {}
        for content, file, place in (
            (table, table_file, results.table_path(path)),
            (answers, answers_file, results.packed_answers_path(path)),
        ):
            if content is not None:
                _write_bytes(file, content)
                files[file] = place
        _write_lines(summary_file, [results.dump(summary, indent=2)])
        _move(files, summary_file, path)


def _write_bytes(path: Path, content: bytes) -> None:
    """Write a new file and flush it to the disk."""
    with open(path, "xb") as file:
        file.write(content)
        os.fsync(file.fileno())


@contextmanager
def _temporary_files(path: Path) -> Iterator[tuple[Path, Path, Path]]:
    """Context manager: yield the paths of three temporary files next to `path`, for rows, answers and summary."""
    mark = f"t{secrets.token_hex(4)[1:]}"  # starts with a letter, unlike the process id in the name of a draft
    _delete_abandoned(path.parent)
    rows, answers, summary = (path.with_name(f".{mark}.{kind}.tmp") for kind in TEMPORARY)
    try:
        yield rows, answers, summary
    finally:
        for file in (rows, answers, summary):
            file.unlink(missing_ok=True)


def _delete_abandoned(folder: Path) -> None:
    """Delete the temporary files of writers that were killed; a recent one may belong to another writer."""
    for kind in TEMPORARY:
        for path in folder.glob(f".????????.{kind}.tmp"):
            with suppress(OSError):  # another writer deleted it
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()


def _move(files: Mapping[Path, Path], summary: Path, summary_place: Path) -> None:
    """Replace the rows and the answers, then the summary; until then the previous ones are kept, to roll back.

    Args:
        files: the place of each temporary file.
        summary: temporary file of the summary.
        summary_place: its place.
    """
    for place in files.values():
        _back_up(place, summary_place)
    try:
        for file, place in files.items():
            os.replace(file, place)
        os.replace(summary, summary_place)
    except BaseException:
        for file, place in files.items():
            spare = results.spare_path(place)
            if spare.exists():
                os.replace(spare, place)
            elif not file.exists():
                place.unlink()
        raise
    for place in files.values():
        results.spare_path(place).unlink(missing_ok=True)


def _back_up(place: Path, summary_place: Path) -> None:
    """Copy a file of the previous result; if a writer was killed before it replaced the summary, restore it first."""
    spare = results.spare_path(place)
    if spare.exists() and summary_place.exists():
        summary = results.read_summary(summary_place)
        digest = hashlib.sha256(spare.read_bytes()).hexdigest()
        if digest in (summary.get(results.OUTPUTS_HASH), summary.get(results.ANSWERS_HASH)):
            os.replace(spare, place)
    spare.unlink(missing_ok=True)
    if place.exists():
        partial = spare.with_name(f"{spare.name}.tmp")
        try:
            shutil.copyfile(place, partial)
            os.replace(partial, spare)
        finally:
            partial.unlink(missing_ok=True)


def _write_lines(path: Path, lines: Iterable[str]) -> str:
    """Write a new file and flush it to the disk; return its SHA-256."""
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
def lock(folder: Path) -> Iterator[None]:
    """Context manager: hold the lock of a store, so that there is one writer at a time.

    The operating system releases the lock of a process that ends. Where the file system has no locks, nothing is held.
    """
    from filelock import FileLock

    path = folder / LOCK
    file_lock = FileLock(path, mode=0o666)  # for all users who may write to the folder
    with suppress(OSError, NotImplementedError):
        file_lock.acquire(poll_interval=0.01)
    try:
        yield
    finally:
        if file_lock.is_locked:
            with suppress(OSError):  # Windows does not delete open files
                path.unlink()  # filelock 4 notices that, and waiting writers create the file again
        file_lock.release()


def describe_write_error(folder: Path, error: OSError) -> str:
    """Return why a file could not be written to a folder, as an error message."""
    if error.errno == errno.ENOSPC:
        return f"The disk of {folder} is full, so the result was not written; free some space or name another folder."
    reason = error.strerror or str(error)
    return f"The result cannot be written to {folder} ({reason}); name another output folder."
