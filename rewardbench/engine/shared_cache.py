"""Share scores among machines through a bucket, with a copy of the cache on each machine.

Scores are uploaded as segments: parquet files that are named by their content and never changed, so that two writers
lose nothing. Segments of other machines are read once, when the cache is opened. New scores are marked as pending in
the transaction that stores them, and uploaded after each window, each minute and at the end; those that a killed
process has not uploaded are uploaded by the next one on its machine. Plans and token budgets are not shared.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from rewardbench.console.terminal import echo
from rewardbench.engine.cache import FORMAT, TABLES, Cache, default_path
from rewardbench.engine.segments import SegmentRow, SegmentScorer, decode_segment, encode_segment
from rewardbench.errors import InputError
from rewardbench.paths.objects import Bucket, is_object_address
from rewardbench.paths.sqlite import FileFormat
from rewardbench.types import Score

COPY_TABLES = (
    *TABLES,
    "CREATE TABLE segments (name TEXT PRIMARY KEY)",
    "CREATE TABLE pending (scorer INTEGER, key BLOB, PRIMARY KEY (scorer, key)) WITHOUT ROWID",
    "CREATE TRIGGER stored AFTER INSERT ON scores BEGIN INSERT INTO pending VALUES (new.scorer, new.key); END",
)
COPY_FORMAT = FileFormat("copy of the score cache", FORMAT.application + 1, version=1, tables=COPY_TABLES)

FOLDER = "segments"
UPLOAD_SECONDS = 60.0
"""Seconds after which new scores are uploaded within a window."""
MOST_SMALL = 64
"""Number of small segments above which they are merged."""
SMALL = 4 * 2**20
"""Size of a small segment in bytes; others are not merged, so that a merge is a short download for other machines."""
PARALLEL = 16
"""Segments that are downloaded at the same time."""


def is_shared() -> bool:
    """Return True if the score cache is in a bucket."""
    return is_object_address(os.environ.get("REWARDBENCH_CACHE"))


def check_cache() -> None:
    """Check that a cache in a bucket can be read, before a model is loaded.

    Raises:
        InputError: if it cannot.
    """
    if is_shared():
        Bucket(os.environ["REWARDBENCH_CACHE"]).list(FOLDER)


def open_cache() -> Cache:
    """Open the score cache: the file of this user, or the copy on this machine of the cache in a bucket.

    Raises:
        InputError: if it cannot be opened.
    """
    return SharedCache(Bucket(os.environ["REWARDBENCH_CACHE"])) if is_shared() else Cache()


class SharedCache(Cache):
    """The copy on this machine of a score cache in a bucket. Use an instance in one process and one thread at a time.

    Args:
        bucket: the bucket, with the prefix of the cache.
        clock: returns the time in seconds since 1970.

    Raises:
        InputError: if the bucket or the copy cannot be read.
    """

    file_format = COPY_FORMAT

    def __init__(self, bucket: Bucket, clock: Callable[[], float] = time.time) -> None:
        self.bucket = bucket
        self._uploaded = clock()
        self._failure = ""
        super().__init__(default_path(), clock)
        self._download()

    def store(self, scorer: str, scores: Mapping[bytes, Score]) -> None:
        """Add scores; upload them if the last upload was long ago."""
        super().store(scorer, scores)
        if self._clock() - self._uploaded > UPLOAD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Upload new scores as a segment. If that fails, they stay pending, and a note is printed at the end."""
        try:
            self._upload()
        except InputError as error:
            self._failure = str(error)
        else:
            self._failure = ""
        self._uploaded = self._clock()

    def close(self) -> None:
        """Upload new scores, and close the copy."""
        self.flush()
        if self._failure:
            count = self.pending()
            echo(
                f"note: {count} scores were not uploaded; the next run on this machine uploads them. {self._failure}",
                error=True,
            )
        super().close()

    def pending(self) -> int:
        """Return the number of scores that are not uploaded yet."""
        return int(str(self._first_value("SELECT COUNT(*) FROM pending")))

    def shared(self) -> dict[str, object]:
        """Return the address of the bucket, the number of its segments, and of scores that are not uploaded yet."""
        segments = len(self.bucket.list(FOLDER))
        return {"bucket": self.bucket.address, "segments": segments, "pending": self.pending()}

    def prune(self, *, model: str | None = None, older_than: float | None = None) -> int:
        """Delete scorers with their scores, here and in the bucket; copies on other machines are not changed.

        Args:
            model: delete only scorers of this name.
            older_than: delete only scorers that were not used for this many days, as far as this machine knows.

        Returns:
            The number of scores deleted here.
        """
        before = {entry.scorer for entry in self.entries()}
        pruned = super().prune(model=model, older_than=older_than)
        deleted = before - {entry.scorer for entry in self.entries()}
        with self._transaction() as db:
            db.execute("DELETE FROM pending WHERE scorer NOT IN (SELECT id FROM scorers)")
        if deleted:
            for name in self.bucket.list(FOLDER):
                self._rewrite([name], deleted)
        return pruned

    def _upload(self) -> None:
        """Write the pending scores to a new segment."""
        with self._file_errors():
            rows = self._db.execute(
                "SELECT digest, key, score FROM pending JOIN scores USING (scorer, key)"
                " JOIN scorers ON scorers.id = scorer ORDER BY digest, key"
            ).fetchall()
        if not rows:
            return
        digests = {digest for digest, *_ in rows}
        name = self._write_segment(rows, [scorer for scorer in self._scorers() if scorer.digest in digests])
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO segments VALUES (?)", (name,))
            _clear_pending(db.executemany, rows)

    def _write_segment(self, rows: Sequence[SegmentRow], scorers: Sequence[SegmentScorer]) -> str:
        """Write a segment to the bucket, and return its name."""
        content = encode_segment(rows, scorers)
        name = f"{FOLDER}/{hashlib.sha256(content).hexdigest()[:32]}.parquet"
        self.bucket.write(name, content)
        return name

    def _scorers(self) -> list[SegmentScorer]:
        with self._file_errors():
            rows = self._db.execute("SELECT digest, name, fingerprint, used FROM scorers").fetchall()
        return [SegmentScorer(*row) for row in rows]

    def _download(self) -> None:
        """Copy the segments that were not read before; merge small ones if there are many.

        A segment that another machine merges meanwhile is missing, and its scores are in a new one: list them again.
        """
        is_complete = False
        while not is_complete:
            objects = self.bucket.list(FOLDER)
            with self._file_errors():
                known = {name for (name,) in self._db.execute("SELECT name FROM segments")}
            is_complete = self._read_segments(sorted(objects.keys() - known))
        small = sorted(name for name, properties in objects.items() if properties.size < SMALL)
        if len(small) > MOST_SMALL:
            with suppress(InputError):  # credentials that may only read
                self._rewrite(small)

    def _read_segments(self, names: Sequence[str]) -> bool:
        """Copy segments; return False if one does not exist."""
        is_complete = True
        with ThreadPoolExecutor(PARALLEL) as executor:
            for start in range(0, len(names), PARALLEL):
                chunk = names[start : start + PARALLEL]
                for name, content in zip(chunk, executor.map(self.bucket.read, chunk), strict=True):
                    if content is None:
                        is_complete = False
                    else:
                        self._import(name, content)
        return is_complete

    def _import(self, name: str, content: bytes) -> None:
        """Add the scores of a segment to the copy. A score that is there already is not replaced."""
        rows, scorers = decode_segment(content, f"{self.bucket.address}/{name}")
        with self._transaction() as db:
            db.executemany(
                "INSERT INTO scorers (digest, name, fingerprint, used) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (digest) DO UPDATE SET used = max(used, excluded.used)",
                scorers,
            )
            db.executemany(
                "INSERT OR IGNORE INTO scores VALUES ((SELECT id FROM scorers WHERE digest = ?), ?, ?)", rows
            )
            _clear_pending(db.executemany, rows)
            db.execute("INSERT OR IGNORE INTO segments VALUES (?)", (name,))

    def _rewrite(self, names: Sequence[str], deleted: Iterable[str] = ()) -> None:
        """Replace segments by one with their scores; the new one is written first.

        Args:
            names: the segments.
            deleted: digests of scorers that are left out.
        """
        rows: dict[tuple[str, bytes], SegmentRow] = {}
        scorers: dict[str, SegmentScorer] = {}
        for name in names:
            content = self.bucket.read(name)
            if content is None:
                return  # another machine is merging these segments
            segment_rows, segment_scorers = decode_segment(content, f"{self.bucket.address}/{name}")
            for row in segment_rows:
                rows.setdefault((row[0], row[1]), row)
            for scorer in segment_scorers:
                scorers[scorer.digest] = scorer
        remaining = [rows[key] for key in sorted(rows) if key[0] not in deleted]
        if remaining and len(remaining) == len(rows) and len(names) == 1:
            return
        written = ""
        if remaining:
            written = self._write_segment(
                remaining, [scorers[digest] for digest in sorted(scorers.keys() - set(deleted))]
            )
            with self._transaction() as db:
                db.execute("INSERT OR IGNORE INTO segments VALUES (?)", (written,))
        self.bucket.delete([name for name in names if name != written])


def _clear_pending(
    execute_many: Callable[[str, Iterable[tuple[str, bytes]]], object], rows: Sequence[SegmentRow]
) -> None:
    """Delete the marks of scores that are in a segment."""
    keys = ((digest, key) for digest, key, _ in rows)
    execute_many("DELETE FROM pending WHERE scorer = (SELECT id FROM scorers WHERE digest = ?) AND key = ?", keys)
