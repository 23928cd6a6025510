"""Cache scores on disk, with the batch plans of unfinished runs and measured token budgets; never models or texts.

The cache is one SQLite file, which several processes of one machine may share.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rewardbench.engine.segments import KEY_BYTES
from rewardbench.paths import cache_dir, home_path
from rewardbench.paths.objects import is_object_address
from rewardbench.paths.sqlite import FileFormat, SqliteFile
from rewardbench.types import Score

# The column `score` has no type: a REAL column stores whole numbers as integers, and would lose the sign of -0.0.
TABLES = (
    "CREATE TABLE scorers (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    " fingerprint TEXT NOT NULL, used REAL NOT NULL)",
    "CREATE TABLE scores (scorer INTEGER, key BLOB, score, PRIMARY KEY (scorer, key)) WITHOUT ROWID",
    "CREATE TABLE plans (run TEXT PRIMARY KEY, scorer INTEGER, kept REAL NOT NULL, batches BLOB NOT NULL)",
    "CREATE TABLE budgets (scorer INTEGER, machine TEXT, tokens INTEGER NOT NULL, PRIMARY KEY (scorer, machine))",
)
FORMAT = FileFormat("score cache", application=0x72774263, version=1, tables=TABLES)
"""The application id is "rwBc"."""

CHUNK = 900
"""Keys per query: every version of SQLite takes 999 variables."""

FILE_NAME = "scores.sqlite"

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
    """Return the path in `$REWARDBENCH_CACHE`, or else `rewardbench/scores.sqlite` in the user's cache folder.

    Of a cache in a bucket, it is the path of its copy on this machine.
    """
    location = os.environ.get("REWARDBENCH_CACHE", "")
    if is_object_address(location):
        return cache_dir() / "shared" / hashlib.sha256(location.encode()).hexdigest()[:16] / FILE_NAME
    return home_path(location) if location else cache_dir() / FILE_NAME


class Cache(SqliteFile):
    """The score cache of many scorers, in one file. Use an instance in one process, and in one thread at a time."""

    file_format = FORMAT

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open the file; create it if there is none.

        Args:
            path: the file; None is `default_path()`.
            clock: returns the time in seconds since 1970, by which uses are dated.

        Raises:
            InputError: if the file is not a cache of this version, or cannot be written.
        """
        self._clock = clock
        self._registered: dict[str, tuple[str, str]] = {}
        self._latest: str | None = None
        super().__init__(default_path() if path is None else Path(path))

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
        with self._file_errors():
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

    def shared(self) -> dict[str, object]:
        """Return where the cache is shared, and how many scores are not uploaded yet; empty for a local cache."""
        return {}

    def flush(self) -> None:
        """Share new scores with other machines; a cache of this machine alone does nothing."""

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
        with self._file_errors():
            rows = self._db.execute(
                "SELECT digest, name, (SELECT COUNT(*) FROM scores WHERE scorer = scorers.id), used, fingerprint"
                " FROM scorers ORDER BY used DESC, id DESC"
            ).fetchall()
        entries: list[CachedScorer] = []
        for scorer, name, count, used, fingerprint in rows:
            entries.append(CachedScorer(scorer, name, count, _iso(used), short_fingerprint(json.loads(fingerprint))))
        return entries

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
        self._shrink()
        return pruned

    def _scorer_id(self, scorer: str) -> int:
        """Record the use of a scorer, inside a transaction, and return its id. It is new if it was pruned meanwhile."""
        name_and_fingerprint = self._registered.get(scorer, ("", "{}"))
        self._db.execute(
            "INSERT INTO scorers (digest, name, fingerprint, used) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (digest) DO UPDATE SET used = excluded.used",
            (scorer, *name_and_fingerprint, self._clock()),
        )
        return int(self._db.execute("SELECT id FROM scorers WHERE digest = ?", (scorer,)).fetchone()[0])


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
