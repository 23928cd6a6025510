"""Open SQLite files that several processes of one machine share, with errors that say what to do.

Files must be on a local disk: SQLite's locks do not work on network file systems. Every change is a transaction, so a
process that is killed leaves a consistent file.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import finalize

from rewardbench.errors import InputError

LOCK_SECONDS = 30.0
"""Time limit for another process to release its lock; our transactions take milliseconds."""


@dataclass(frozen=True)
class FileFormat:
    """What a file is for, and the tables in it."""

    title: str
    """Name of the file in errors."""
    application: int
    """Application id (https://www.sqlite.org/pragma.html#pragma_application_id)."""
    version: int
    """Version of the tables. Files of another version are rejected."""
    tables: tuple[str, ...]
    """Statements that create the tables."""


class SqliteFile:
    """A SQLite file of one format. Use an instance in one process, and in one thread at a time."""

    file_format: FileFormat

    def __init__(self, path: Path) -> None:
        """Open the file; create it if there is none.

        Raises:
            InputError: if the file is not of this format and version, or cannot be written.
        """
        self.path = path
        with self._file_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
            finalize(self, self._db.close)  # a scorer keeps its file open until it is collected
            try:
                self._initialize()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def size(self) -> int:
        """Return the bytes on disk, including SQLite's journal files."""
        total = 0
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                total += self.path.with_name(self.path.name + suffix).stat().st_size
        return total

    def _initialize(self) -> None:
        """Reject files that are not ours before writing to them; create the tables in an empty file.

        The lock keeps other processes from creating them at the same time. The version is always written, so that a
        file that cannot be written is reported before hours of scoring.
        """
        self._db.execute("PRAGMA synchronous = NORMAL")
        with self._transaction() as db:
            if self._is_empty():
                for statement in self.file_format.tables:
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {self.file_format.application}")
            db.execute(f"PRAGMA user_version = {self.file_format.version}")
        _enable_write_ahead(self._db)

    def _is_empty(self) -> bool:
        """Return True if the file has no tables yet.

        Raises:
            InputError: if it has tables that are not ours, or of another version.
        """
        marks = (self._first_value("PRAGMA application_id"), self._first_value("PRAGMA user_version"))
        if marks == (self.file_format.application, self.file_format.version):
            return False
        if marks == (0, 0) and not self._first_value("SELECT COUNT(*) FROM sqlite_master"):
            return True
        if marks[0] == self.file_format.application:
            raise InputError(self._cannot_use("it is of another version of rewardbench", may_remove=True))
        raise InputError(self._cannot_use("it is the database of another program", may_remove=False))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Context manager: a transaction that locks the file from its start, so that no other process can write."""
        with self._file_errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.commit()
            except BaseException:
                self._db.rollback()
                raise

    def _first_value(self, query: str, *parameters: str) -> object:
        """Return the first value of the first row; None if there is no row."""
        with self._file_errors():
            row = self._db.execute(query, parameters).fetchone()
        return None if row is None else row[0]

    def _shrink(self) -> None:
        """Give the space of deleted rows back. If the disk is full, or another process writes for long, keep it."""
        with self._file_errors(), suppress(sqlite3.OperationalError):
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _file_errors(self) -> Iterator[None]:
        """Context manager: turn errors of the disk, of the file or of other processes into an InputError."""
        try:
            yield
        except OSError as error:
            raise InputError(self._cannot_use(error.strerror or str(error), may_remove=False)) from error
        except sqlite3.DatabaseError as error:
            if type(error) is sqlite3.DatabaseError:  # "file is not a database", "database disk image is malformed"
                raise InputError(self._cannot_use(str(error), may_remove=True)) from error
            if type(error) is sqlite3.OperationalError:
                is_busy = _is_busy(error)
                reason = f"another process has locked it for {LOCK_SECONDS:.0f} seconds" if is_busy else str(error)
                raise InputError(self._cannot_use(reason, may_remove=False)) from error
            raise

    def _cannot_use(self, reason: str, may_remove: bool) -> str:
        advice = "set REWARDBENCH_CACHE to another or"
        if may_remove:
            advice = "remove the file, set REWARDBENCH_CACHE to another, or"
        return f"The {self.file_format.title} {self.path} cannot be used ({reason}): {advice} pass --no_cache."


def _enable_write_ahead(db: sqlite3.Connection) -> None:
    """Let processes read while one writes. Retry while others open the same new file: SQLite does not wait for them."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
