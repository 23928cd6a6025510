"""Scores on disk: what a scorer once said of a request, and the plan of an unfinished run; never a model or a text.

One SQLite file. Several processes may share it, on a disk of one machine: its locks do not hold on network file
systems. A transaction is in the file whole or not at all, however the process that wrote it ends.
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
from typing import Any, Self

from rewardbench.errors import InputError
from rewardbench.paths import cache_dir, home_path
from rewardbench.types import Score

APPLICATION = 0x72774263
"""Tells our files from other SQLite databases ("rwBc"; https://www.sqlite.org/pragma.html#pragma_application_id)."""

VERSION = 1
"""Of the tables below. Files of another version are refused: a score is cheaper than a migration."""

# `score` has no type on purpose: a REAL column keeps whole numbers as integers, and so loses the sign of -0.0.
TABLES = (
    "CREATE TABLE scorers (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    " fingerprint TEXT NOT NULL, used REAL NOT NULL)",
    "CREATE TABLE scores (scorer INTEGER, key BLOB, score, PRIMARY KEY (scorer, key)) WITHOUT ROWID",
    "CREATE TABLE plans (run TEXT PRIMARY KEY, scorer INTEGER, kept REAL NOT NULL, batches BLOB NOT NULL)",
    "CREATE TABLE budgets (scorer INTEGER, machine TEXT, tokens INTEGER NOT NULL, PRIMARY KEY (scorer, machine))",
    f"PRAGMA application_id = {APPLICATION}",
)

PATIENCE = 30.0
"""Seconds to wait for another process that writes; a transaction of ours takes milliseconds."""

CHUNK = 900
"""Keys a query asks for: below 999, the most variables that every SQLite takes."""

KEY = 16
"""Bytes of a key."""

DAY = 86_400


@dataclass(frozen=True)
class Entry:
    """What the cache holds of one scorer."""

    scorer: str
    model: str
    scores: int
    used: str
    """When a run last asked for it or added to it: ISO time, UTC."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Of its fingerprint, what tells two scorers of one name apart: weights, dtype, template."""


def default_path() -> Path:
    """`$REWARDBENCH_CACHE`, a file, or else `rewardbench/scores.sqlite` where the user's caches lie."""
    if named := os.environ.get("REWARDBENCH_CACHE"):
        return home_path(named)
    return cache_dir() / "scores.sqlite"


class Cache:
    """The scores of many scorers in one file. A connection is of one process and one thread: do not carry it over."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open the file, made where it is missing.

        Args:
            path: the file; `default_path()` where None.
            clock: seconds since 1970, by which use is dated.

        Raises: InputError where the file is no cache of this version, or cannot be written.
        """
        self.path = default_path() if path is None else Path(path)
        self._clock = clock
        self._registered: dict[str, tuple[str, str]] = {}
        self._latest: str | None = None
        with _one_sentence(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
            try:
                self._prepare()
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
        """Let go of the file."""
        self._db.close()

    def register(self, scorer: str, name: str, fingerprint: Mapping[str, Any]) -> None:
        """Note who a scorer is, and that it is in use now; plans kept from here on are its.

        Args:
            scorer: hex digest of all that can move its scores.
            name: the model, as the user named it last.
        """
        self._registered[scorer] = (name, json.dumps(dict(fingerprint), default=str))
        with self._writing() as db:
            row = self._row(scorer)
            db.execute("UPDATE scorers SET name = ?, fingerprint = ? WHERE id = ?", (*self._registered[scorer], row))
        self._latest = scorer

    def lookup(self, scorer: str, keys: Sequence[bytes]) -> dict[bytes, Score]:
        """Return the scores that are known, each the very float that was stored; keys without one are left out."""
        found: dict[bytes, Score] = {}
        with _one_sentence(self.path):
            for start in range(0, len(keys), CHUNK):
                chunk = keys[start : start + CHUNK]
                marks = ",".join("?" * len(chunk))
                rows = self._db.execute(
                    "SELECT key, score FROM scores WHERE scorer = (SELECT id FROM scorers WHERE digest = ?)"
                    f" AND key IN ({marks})",
                    (scorer, *chunk),
                )
                found.update((key, _score(column)) for key, column in rows)
        return found

    def store(self, scorer: str, scores: Mapping[bytes, Score]) -> None:
        """Add scores in one transaction. What is there already stays: the first score of a request is its score."""
        with self._writing() as db:
            row = self._row(scorer)
            values = ((row, key, _column(score)) for key, score in scores.items())
            db.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, ?)", values)

    def plan(self, run: str) -> list[list[bytes]] | None:
        """The batches of an unfinished run, as `keep_plan` had them; None where there are none."""
        found = self._one("SELECT batches FROM plans WHERE run = ?", run)
        return None if found is None else _unpack(found)

    def keep_plan(self, run: str, batches: Sequence[Sequence[bytes]]) -> None:
        """Keep the batches of a run, in place of earlier ones; they go with the scorer that was registered last."""
        with self._writing() as db:
            row = None if self._latest is None else self._row(self._latest)
            db.execute("REPLACE INTO plans VALUES (?, ?, ?, ?)", (run, row, self._clock(), _pack(batches)))

    def forget_plan(self, run: str) -> None:
        """Drop the batches of a run that is finished."""
        with self._writing() as db:
            db.execute("DELETE FROM plans WHERE run = ?", (run,))

    def budget(self, scorer: str, machine: str) -> int | None:
        """The padded tokens a batch may hold, as measured on this kind of machine; None where nobody measured."""
        found = self._one(
            "SELECT tokens FROM budgets WHERE scorer = (SELECT id FROM scorers WHERE digest = ?) AND machine = ?",
            *(scorer, machine),
        )
        return None if found is None else int(found)

    def keep_budget(self, scorer: str, machine: str, tokens: int) -> None:
        """Keep a measured budget, in place of an earlier one."""
        with self._writing() as db:
            db.execute("REPLACE INTO budgets VALUES (?, ?, ?)", (self._row(scorer), machine, tokens))

    def entries(self) -> list[Entry]:
        """What is here, by scorer, the one used last first."""
        with _one_sentence(self.path):
            rows = self._db.execute(
                "SELECT digest, name, (SELECT COUNT(*) FROM scores WHERE scorer = scorers.id), used, fingerprint"
                " FROM scorers ORDER BY used DESC, id DESC"
            ).fetchall()
        return [
            Entry(scorer, name, count, _iso(used), facts(json.loads(fingerprint)))
            for scorer, name, count, used, fingerprint in rows
        ]

    def size(self) -> int:
        """Bytes on disk, those of SQLite's own files beside ours included."""
        files = (self.path.with_name(self.path.name + end) for end in ("", "-wal", "-shm"))
        total = 0
        for file in files:
            with suppress(FileNotFoundError):
                total += file.stat().st_size
        return total

    def prune(self, *, model: str | None = None, older_than: float | None = None) -> int:
        """Delete scorers with their scores, plans and budgets, and give their space back; all where nothing is given.

        Args:
            model: only scorers of this name.
            older_than: only scorers that no run has used for more than so many days.

        Returns: how many scores went.
        """
        # SQL compares with NULL to NULL: what is not given then holds for every row.
        given = {"model": model, "before": None if older_than is None else self._clock() - older_than * DAY}
        chosen = "SELECT id FROM scorers WHERE ifnull(name = :model, 1) AND ifnull(used < :before, 1)"
        nobodys = "scorer IS NULL AND :model IS NULL AND ifnull(kept < :before, 1)"
        with self._writing() as db:
            pruned = db.execute(f"DELETE FROM scores WHERE scorer IN ({chosen})", given).rowcount
            db.execute(f"DELETE FROM plans WHERE scorer IN ({chosen}) OR ({nobodys})", given)
            db.execute(f"DELETE FROM budgets WHERE scorer IN ({chosen})", given)
            db.execute(f"DELETE FROM scorers WHERE id IN ({chosen})", given)
        # Where the disk is full or another writes for long, the file stays as big; the scores are gone all the same.
        with _one_sentence(self.path), suppress(sqlite3.OperationalError):
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return pruned

    def _prepare(self) -> None:
        """Refuse what is not ours before anything is written into it; make the tables where there are none.

        The lock keeps others from making them while we look. Something is always written: where that is refused, it
        is better known before hours of scoring.
        """
        self._db.execute("PRAGMA synchronous = NORMAL")
        with self._writing() as db:
            if self._is_empty():
                for statement in TABLES:
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        _write_ahead(self._db)

    def _is_empty(self) -> bool:
        """Whether the tables are still to be made. Raises InputError where those that are there are not ours."""
        marks = (self._one("PRAGMA application_id"), self._one("PRAGMA user_version"))
        if marks == (APPLICATION, VERSION):
            return False
        if marks == (0, 0) and not self._one("SELECT COUNT(*) FROM sqlite_master"):
            return True
        if marks[0] == APPLICATION:
            raise InputError(_sentence(self.path, "it is of another version of rewardbench", remove=True))
        raise InputError(_sentence(self.path, "it is the database of another program", remove=False))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the lock from its start, so that no other writer can come between."""
        with _one_sentence(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.commit()
            except BaseException:
                self._db.rollback()
                raise

    def _row(self, scorer: str) -> int:
        """The number of a scorer that is in use now, inside a transaction; another process may have pruned it."""
        who = self._registered.get(scorer, ("", "{}"))
        self._db.execute(
            "INSERT INTO scorers (digest, name, fingerprint, used) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (digest) DO UPDATE SET used = excluded.used",
            (scorer, *who, self._clock()),
        )
        return int(self._db.execute("SELECT id FROM scorers WHERE digest = ?", (scorer,)).fetchone()[0])

    def _one(self, query: str, *values: Any) -> Any:
        """The first value of the first row; None where there is none."""
        with _one_sentence(self.path):
            row = self._db.execute(query, values).fetchone()
        return None if row is None else row[0]


def facts(fingerprint: Mapping[str, Any]) -> dict[str, str]:
    """The few facts that tell scorers of one name apart, digests shortened.

    >>> facts({"weights": {"sha256": "6e1ebbbb4deb8ab77a03"}, "dtype": "float32", "template_sha256": None})
    {'weights': '6e1ebbbb4deb', 'dtype': 'float32'}
    """
    weights = fingerprint.get("weights")
    if isinstance(weights, Mapping):
        weights = next(iter(weights.values()), None)
    found = {"weights": weights, "dtype": fingerprint.get("dtype"), "template": fingerprint.get("template_sha256")}
    return {name: str(value)[:12] for name, value in found.items() if value}


def _write_ahead(db: sqlite3.Connection) -> None:
    """Let readers work beside a writer. SQLite does not itself wait here for others that open the same new file."""
    deadline = time.monotonic() + PATIENCE
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
def _one_sentence(path: Path) -> Iterator[None]:
    """What the disk or others did to the file becomes an InputError; mistakes of ours stay what they are."""
    try:
        yield
    except OSError as error:
        raise InputError(_sentence(path, error.strerror or str(error), remove=False)) from error
    except sqlite3.DatabaseError as error:
        if type(error) is sqlite3.DatabaseError:  # "file is not a database", "database disk image is malformed"
            raise InputError(_sentence(path, str(error), remove=True)) from error
        if type(error) is sqlite3.OperationalError:
            reason = f"another process has kept it for {PATIENCE:.0f} seconds" if _is_busy(error) else str(error)
            raise InputError(_sentence(path, reason, remove=False)) from error
        raise


def _sentence(path: Path, reason: str, remove: bool) -> str:
    ways = "remove the file, set REWARDBENCH_CACHE to another, or" if remove else "set REWARDBENCH_CACHE to another or"
    return f"The score cache {path} cannot be used ({reason}): {ways} pass --no_cache."


def _column(score: Score) -> float | bytes | None:
    """Return what the column `score` holds: a float, NULL for NaN, or the bytes of several floats.

    >>> _column(0.5), _column(math.nan), _score(_column((1.0, -0.0)))
    (0.5, None, (1.0, -0.0))
    """
    if isinstance(score, tuple):
        return struct.pack(f"<{len(score)}d", *score)
    return None if math.isnan(score) else float(score)


def _score(column: float | bytes | None) -> Score:
    """Return the score that `_column` stored."""
    if isinstance(column, bytes):
        return struct.unpack(f"<{len(column) // 8}d", column)
    return math.nan if column is None else column


def _pack(batches: Sequence[Sequence[bytes]]) -> bytes:
    """The number of batches, their sizes, and all keys, without a byte between."""
    sizes = struct.pack(f"<{len(batches) + 1}I", len(batches), *map(len, batches))
    return sizes + b"".join(key for batch in batches for key in batch)


def _unpack(blob: bytes) -> list[list[bytes]]:
    """The inverse of `_pack`.

    >>> _unpack(_pack([[b"a" * 16, b"b" * 16], []])) == [[b"a" * 16, b"b" * 16], []]
    True
    """
    (count,) = struct.unpack_from("<I", blob)
    place = 4 * (count + 1)
    batches: list[list[bytes]] = []
    for size in struct.unpack_from(f"<{count}I", blob, 4):
        end = place + size * KEY
        batches.append([blob[at : at + KEY] for at in range(place, end, KEY)])
        place = end
    return batches


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
