"""Cache scores on disk, with the batch plans of unfinished runs and measured token budgets; never models or texts.

The cache is one SQLite file. Several processes of one machine may share it, on a local disk: SQLite's locks do not work
on network file systems. Every change is a transaction, so a process that is killed leaves a consistent file.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from rewardbench.errors import InputError
from rewardbench.paths import cache_dir, home_path
from rewardbench.types import Score

APPLICATION = 0x72774263
"""The application id of our files ("rwBc"; https://www.sqlite.org/pragma.html#pragma_application_id)."""

VERSION = 1
"""Version of the tables. Files of another version are rejected: scores can be recomputed."""

# The column `score` has no type: a REAL column stores whole numbers as integers, and would lose the sign of -0.0.
TABLES = (
    "CREATE TABLE scorers (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    " fingerprint TEXT NOT NULL, used REAL NOT NULL)",
    "CREATE TABLE scores (scorer INTEGER, key BLOB, score, PRIMARY KEY (scorer, key)) WITHOUT ROWID",
    "CREATE TABLE plans (run TEXT PRIMARY KEY, scorer INTEGER, kept REAL NOT NULL, batches BLOB NOT NULL)",
    "CREATE TABLE budgets (scorer INTEGER, machine TEXT, tokens INTEGER NOT NULL, PRIMARY KEY (scorer, machine))",
    f"PRAGMA application_id = {APPLICATION}",
)

LOCK_SECONDS = 30.0
"""Time limit for another process to release its lock; our transactions take milliseconds."""

CHUNK = 900
"""Keys per query: every version of SQLite takes 999 variables."""

KEY_BYTES = 16
"""Bytes of the key of a request."""

DAY = 86_400
"""Seconds of a day."""


@dataclass(frozen=True)
class CachedScorer:
    """What the cache holds of one scorer."""

    scorer: str
    """Hex digest of its fingerprint."""
    model: str
    scores: int
    """Number of cached scores."""
    used: str
    """Time of its last use, ISO 8601 in UTC."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Weights, dtype and template of its fingerprint, to tell scorers of one model apart."""


def default_path() -> Path:
    """Return the path in `$REWARDBENCH_CACHE`, or else `rewardbench/scores.sqlite` in the user's cache folder."""
    if path := os.environ.get("REWARDBENCH_CACHE"):
        return home_path(path)
    return cache_dir() / "scores.sqlite"


class Cache:
    """The score cache of many scorers, in one file. Use an instance in one process and one thread only."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open the file; create it if there is none.

        Args:
            path: the file; None is `default_path()`.
            clock: returns the time in seconds since 1970, by which uses are dated.

        Raises:
            InputError: if the file is not a cache of this version, or cannot be written.
        """
        self.path = default_path() if path is None else Path(path)
        self._clock = clock
        self._registered: dict[str, tuple[str, str]] = {}
        self._latest: str | None = None
        with _file_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=LOCK_SECONDS, isolation_level=None)
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

    def register(self, scorer: str, name: str, fingerprint: Mapping[str, object]) -> None:
        """Record a scorer and the time of its use. Plans that are stored later belong to it.

        Args:
            scorer: hex digest of the fingerprint.
            name: the model, as the user named it.
            fingerprint: everything that can change its scores.
        """
        self._registered[scorer] = (name, json.dumps(dict(fingerprint), default=str))
        with self._transaction() as db:
            row = self._scorer_id(scorer)
            db.execute("UPDATE scorers SET name = ?, fingerprint = ? WHERE id = ?", (*self._registered[scorer], row))
        self._latest = scorer

    def lookup(self, scorer: str, keys: Sequence[bytes]) -> dict[bytes, Score]:
        """Return the cached scores, bit for bit as they were stored; keys without a score are left out."""
        scores: dict[bytes, Score] = {}
        with _file_errors(self.path):
            for start in range(0, len(keys), CHUNK):
                chunk = keys[start : start + CHUNK]
                marks = ",".join("?" * len(chunk))
                rows = self._db.execute(
                    "SELECT key, score FROM scores WHERE scorer = (SELECT id FROM scorers WHERE digest = ?)"
                    f" AND key IN ({marks})",
                    (scorer, *chunk),
                )
                for key, column in rows:
                    scores[key] = _from_column(column)
        return scores

    def store(self, scorer: str, scores: Mapping[bytes, Score]) -> None:
        """Add scores, in one transaction. A score that is cached already is not replaced."""
        with self._transaction() as db:
            row = self._scorer_id(scorer)
            values = ((row, key, _to_column(score)) for key, score in scores.items())
            db.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, ?)", values)

    def plan(self, run: str) -> list[list[bytes]] | None:
        """Return the batches of an unfinished run, as lists of keys; None if none are stored."""
        batches = self._first_value("SELECT batches FROM plans WHERE run = ?", run)
        return _decode_plan(batches) if isinstance(batches, bytes) else None

    def store_plan(self, run: str, batches: Sequence[Sequence[bytes]]) -> None:
        """Store the batches of a run, in place of earlier ones. They belong to the scorer registered last."""
        with self._transaction() as db:
            row = None if self._latest is None else self._scorer_id(self._latest)
            db.execute("REPLACE INTO plans VALUES (?, ?, ?, ?)", (run, row, self._clock(), _encode_plan(batches)))

    def delete_plan(self, run: str) -> None:
        """Delete the batches of a finished run."""
        with self._transaction() as db:
            db.execute("DELETE FROM plans WHERE run = ?", (run,))

    def budget(self, scorer: str, machine: str) -> int | None:
        """Return the token budget that was measured on this machine; None if none was."""
        tokens = self._first_value(
            "SELECT tokens FROM budgets WHERE scorer = (SELECT id FROM scorers WHERE digest = ?) AND machine = ?",
            *(scorer, machine),
        )
        return tokens if isinstance(tokens, int) else None

    def store_budget(self, scorer: str, machine: str, tokens: int) -> None:
        """Store a measured token budget, in place of an earlier one."""
        with self._transaction() as db:
            db.execute("REPLACE INTO budgets VALUES (?, ?, ?)", (self._scorer_id(scorer), machine, tokens))

    def entries(self) -> list[CachedScorer]:
        """Return what is cached by scorer, the one used last first."""
        with _file_errors(self.path):
            rows = self._db.execute(
                "SELECT digest, name, (SELECT COUNT(*) FROM scores WHERE scorer = scorers.id), used, fingerprint"
                " FROM scorers ORDER BY used DESC, id DESC"
            ).fetchall()
        entries: list[CachedScorer] = []
        for scorer, name, count, used, fingerprint in rows:
            entries.append(CachedScorer(scorer, name, count, _iso(used), short_fingerprint(json.loads(fingerprint))))
        return entries

    def size(self) -> int:
        """Return the bytes on disk, including SQLite's journal files."""
        total = 0
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                total += self.path.with_name(self.path.name + suffix).stat().st_size
        return total

    def prune(self, *, model: str | None = None, older_than: float | None = None) -> int:
        """Delete scorers with their scores, plans and budgets, and shrink the file. Without arguments, delete all.

        Args:
            model: delete only scorers of this name.
            older_than: delete only scorers that were not used for this many days.

        Returns:
            The number of scores deleted.
        """
        # A comparison with NULL is NULL: without a condition, ifnull(..., 1) holds for every row.
        conditions = {"model": model, "before": None if older_than is None else self._clock() - older_than * DAY}
        chosen = "SELECT id FROM scorers WHERE ifnull(name = :model, 1) AND ifnull(used < :before, 1)"
        without_scorer = "scorer IS NULL AND :model IS NULL AND ifnull(kept < :before, 1)"
        with self._transaction() as db:
            pruned = db.execute(f"DELETE FROM scores WHERE scorer IN ({chosen})", conditions).rowcount
            db.execute(f"DELETE FROM plans WHERE scorer IN ({chosen}) OR ({without_scorer})", conditions)
            db.execute(f"DELETE FROM budgets WHERE scorer IN ({chosen})", conditions)
            db.execute(f"DELETE FROM scorers WHERE id IN ({chosen})", conditions)
        # If the disk is full, or another process writes for long, the file does not shrink, but the scores are deleted.
        with _file_errors(self.path), suppress(sqlite3.OperationalError):
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return pruned

    def _initialize(self) -> None:
        """Reject files that are not ours before writing to them; create the tables in an empty file.

        The lock keeps other processes from creating them at the same time. The version is always written, so that a
        file that cannot be written is reported before hours of scoring.
        """
        self._db.execute("PRAGMA synchronous = NORMAL")
        with self._transaction() as db:
            if self._is_empty():
                for statement in TABLES:
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        _enable_write_ahead(self._db)

    def _is_empty(self) -> bool:
        """Return True if the file has no tables yet.

        Raises:
            InputError: if it has tables that are not ours, or of another version.
        """
        marks = (self._first_value("PRAGMA application_id"), self._first_value("PRAGMA user_version"))
        if marks == (APPLICATION, VERSION):
            return False
        if marks == (0, 0) and not self._first_value("SELECT COUNT(*) FROM sqlite_master"):
            return True
        if marks[0] == APPLICATION:
            raise InputError(_cannot_use(self.path, "it is of another version of rewardbench", may_remove=True))
        raise InputError(_cannot_use(self.path, "it is the database of another program", may_remove=False))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Context manager: a transaction that locks the file from its start, so that no other process can write."""
        with _file_errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.commit()
            except BaseException:
                self._db.rollback()
                raise

    def _scorer_id(self, scorer: str) -> int:
        """Record the use of a scorer, inside a transaction, and return its id. It is new if it was pruned meanwhile."""
        name_and_fingerprint = self._registered.get(scorer, ("", "{}"))
        self._db.execute(
            "INSERT INTO scorers (digest, name, fingerprint, used) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (digest) DO UPDATE SET used = excluded.used",
            (scorer, *name_and_fingerprint, self._clock()),
        )
        return int(self._db.execute("SELECT id FROM scorers WHERE digest = ?", (scorer,)).fetchone()[0])

    def _first_value(self, query: str, *parameters: str) -> object:
        """Return the first value of the first row; None if there is no row."""
        with _file_errors(self.path):
            row = self._db.execute(query, parameters).fetchone()
        return None if row is None else row[0]


def short_fingerprint(fingerprint: Mapping[str, object]) -> dict[str, str]:
    """Return weights, dtype and template of a fingerprint, each cut to 12 characters.

    >>> short_fingerprint({"weights": {"sha256": "6e1ebbbb4deb8ab77a03"}, "dtype": "float32", "template_sha256": None})
    {'weights': '6e1ebbbb4deb', 'dtype': 'float32'}
    """
    weights = fingerprint.get("weights")
    if isinstance(weights, Mapping):
        weights = next(iter(weights.values()), None)
    values = {"weights": weights, "dtype": fingerprint.get("dtype"), "template": fingerprint.get("template_sha256")}
    return {name: str(value)[:12] for name, value in values.items() if value}


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


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Context manager: turn errors of the disk, of the file or of other processes into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(_cannot_use(path, error.strerror or str(error), may_remove=False)) from error
    except sqlite3.DatabaseError as error:
        if type(error) is sqlite3.DatabaseError:  # "file is not a database", "database disk image is malformed"
            raise InputError(_cannot_use(path, str(error), may_remove=True)) from error
        if type(error) is sqlite3.OperationalError:
            is_busy = _is_busy(error)
            reason = f"another process has locked it for {LOCK_SECONDS:.0f} seconds" if is_busy else str(error)
            raise InputError(_cannot_use(path, reason, may_remove=False)) from error
        raise


def _cannot_use(path: Path, reason: str, may_remove: bool) -> str:
    advice = "set REWARDBENCH_CACHE to another or"
    if may_remove:
        advice = "remove the file, set REWARDBENCH_CACHE to another, or"
    return f"The score cache {path} cannot be used ({reason}): {advice} pass --no_cache."


def _to_column(score: Score) -> float | bytes | None:
    """Convert a score to a value of the column `score`: a float, NULL for NaN, or the bytes of several floats.

    >>> _to_column(0.5), _to_column(math.nan), _from_column(_to_column((1.0, -0.0)))
    (0.5, None, (1.0, -0.0))
    """
    if isinstance(score, tuple):
        return struct.pack(f"<{len(score)}d", *score)
    return None if math.isnan(score) else float(score)


def _from_column(column: float | bytes | None) -> Score:
    """Convert a value of the column `score` to a score, the inverse of `_to_column`."""
    if isinstance(column, bytes):
        return struct.unpack(f"<{len(column) // 8}d", column)
    return math.nan if column is None else column


def _encode_plan(batches: Sequence[Sequence[bytes]]) -> bytes:
    """Serialize batches: their number, their sizes, and all keys, without separators."""
    sizes = struct.pack(f"<{len(batches) + 1}I", len(batches), *map(len, batches))
    return sizes + b"".join(map(b"".join, batches))


def _decode_plan(plan: bytes) -> list[list[bytes]]:
    """Deserialize batches, the inverse of `_encode_plan`.

    >>> _decode_plan(_encode_plan([[b"a" * 16, b"b" * 16], []])) == [[b"a" * 16, b"b" * 16], []]
    True
    """
    (count,) = struct.unpack_from("<I", plan)
    sizes = struct.unpack_from(f"<{count}I", plan, 4)
    start = 4 * (count + 1)
    batches: list[list[bytes]] = []
    for size in sizes:
        end = start + size * KEY_BYTES
        batches.append([plan[place : place + KEY_BYTES] for place in range(start, end, KEY_BYTES)])
        start = end
    return batches


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
