"""Keep every answer of a server on disk, so that no request is paid twice: one SQLite file next to the score cache.

A row is written before a request is sent, and gets the answer afterwards. A run that was killed leaves rows without an
answer: those requests were in flight, may have been paid, and are sent again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import psutil

from rewardbench.paths import cache_dir, home_path
from rewardbench.paths.objects import is_object_address
from rewardbench.paths.sqlite import FileFormat, SqliteFile
from rewardbench.scorers.judge.answers import Answer

FILE_NAME = "answers.sqlite"
IN_MEMORY = Path(":memory:")
"""Path of a ledger that is not on disk."""
TABLES = (
    "CREATE TABLE answers (key BLOB PRIMARY KEY, endpoint TEXT NOT NULL, model TEXT NOT NULL, created REAL NOT NULL,"
    " process INTEGER NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER, changes TEXT, answer TEXT)"
    " WITHOUT ROWID",
)
DAY = 86_400
"""Seconds of a day."""


ClaimState = Literal["new", "unfinished", "waiting"]
"""new: the request may be sent; unfinished: it may, and was sent by a run that did not finish; waiting: another process
has sent it and waits for the answer."""


@dataclass(frozen=True)
class RequestId:
    """Identity of a request: two with the same key are sent once."""

    endpoint: str
    """The server."""
    model: str
    body: bytes
    """The bytes of the request."""
    repeat: int = 0
    """Number of the answer, if the same request is asked several times."""

    @cached_property
    def key(self) -> bytes:
        """Return a hash of the endpoint, the body and the number of the repeat."""
        parts = json.dumps([self.endpoint, self.repeat]).encode()
        return hashlib.sha256(parts + b"\n" + self.body).digest()


@dataclass(frozen=True)
class StoredAnswer:
    """An answer of an earlier request."""

    answer: Answer
    changes: tuple[str, ...] = ()
    """What was changed in the request because the server rejected it, as sentences."""


@dataclass(frozen=True)
class AnswerCount:
    """Number of answers of a model in the ledger."""

    endpoint: str
    model: str
    answers: int
    unfinished: int
    prompt_tokens: int
    completion_tokens: int


def default_ledger_path() -> Path:
    """Return `answers.sqlite` in the folder of `$REWARDBENCH_CACHE`, or else in the user's cache folder.

    Answers stay on this machine, even if the score cache is in a bucket.
    """
    path = os.environ.get("REWARDBENCH_CACHE")
    if path and not is_object_address(path):
        return home_path(path).with_name(FILE_NAME)
    return cache_dir() / FILE_NAME


class Ledger(SqliteFile):
    """Requests that were sent, and their answers. Several processes may share the file."""

    file_format = FileFormat("file of judge answers", application=0x7277416E, version=1, tables=TABLES)

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open the file; create it if there is none.

        Args:
            path: the file; None is `default_ledger_path()`.
            clock: returns the time in seconds since 1970.

        Raises:
            InputError: if the file is not a ledger of this version, or cannot be written.
        """
        self._clock = clock
        super().__init__(default_ledger_path() if path is None else Path(path))

    def lookup(self, request: RequestId) -> StoredAnswer | None:
        """Return the answer of a request; None if it has none that can be read."""
        row = self._row(request)
        if row is None or row[3] is None:
            return None
        try:
            return StoredAnswer(Answer.from_json(json.loads(row[3])), tuple(json.loads(row[2])))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def claim(self, request: RequestId, timeout: float) -> StoredAnswer | ClaimState:
        """Record that a request is about to be sent, unless it has an answer or another process waits for one.

        Args:
            request: the request.
            timeout: seconds after which the request of another process counts as unfinished.
        """
        with self._transaction() as db:
            if stored := self.lookup(request):
                return stored
            row = self._row(request)
            if row is not None and self._is_waiting(row[0], row[1], timeout):
                return "waiting"
            db.execute(
                "REPLACE INTO answers (key, endpoint, model, created, process) VALUES (?, ?, ?, ?, ?)",
                (request.key, request.endpoint, request.model, self._clock(), os.getpid()),
            )
        return "new" if row is None else "unfinished"

    def store(self, request: RequestId, answer: Answer, changes: Sequence[str] = ()) -> None:
        """Store the answer of a request."""
        values = (json.dumps(list(changes)), json.dumps(answer.to_json()))
        tokens = (answer.prompt_tokens, answer.completion_tokens)
        with self._transaction() as db:
            db.execute(
                "REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (request.key, request.endpoint, request.model, self._clock(), os.getpid(), *tokens, *values),
            )

    def release(self, request: RequestId) -> None:
        """Delete the row of a request that this process sent, and that failed, so that it can be sent again."""
        row = (request.key, os.getpid())
        with self._transaction() as db:
            db.execute("DELETE FROM answers WHERE key = ? AND process = ? AND answer IS NULL", row)

    def _row(self, request: RequestId) -> tuple[float, int, str, str | None] | None:
        with self._file_errors():
            cursor = self._db.execute(
                "SELECT created, process, changes, answer FROM answers WHERE key = ?", (request.key,)
            )
            row: tuple[float, int, str, str | None] | None = cursor.fetchone()
        return row

    def _is_waiting(self, created: float, process: int, timeout: float) -> bool:
        """Return True if another process that runs may still get the answer."""
        is_recent = self._clock() - timeout < created <= self._clock()
        return is_recent and process != os.getpid() and psutil.pid_exists(process)

    def counts(self) -> list[AnswerCount]:
        """Return the number of answers by endpoint and model."""
        with self._file_errors():
            rows = self._db.execute(
                "SELECT endpoint, model, COUNT(answer), COUNT(*) - COUNT(answer), TOTAL(prompt_tokens),"
                " TOTAL(completion_tokens) FROM answers GROUP BY endpoint, model ORDER BY endpoint, model"
            ).fetchall()
        counts: list[AnswerCount] = []
        for endpoint, model, answers, unfinished, prompt_tokens, completion_tokens in rows:
            counts.append(AnswerCount(endpoint, model, answers, unfinished, int(prompt_tokens), int(completion_tokens)))
        return counts

    def times(self, model: str) -> list[float]:
        """Return when each answer of a model was stored, in seconds since 1970, in no order."""
        with self._file_errors():
            rows = self._db.execute("SELECT created FROM answers WHERE model = ? AND answer IS NOT NULL", (model,))
            return [created for (created,) in rows]

    def prune(self, *, model: str | None = None, older_than: float | None = None) -> int:
        """Delete answers and shrink the file. Without arguments, delete all.

        Args:
            model: delete only answers of this model.
            older_than: delete only answers that are older than this many days.

        Returns:
            The number of answers deleted.
        """
        conditions: Mapping[str, object] = {
            "model": model,
            "before": None if older_than is None else self._clock() - older_than * DAY,
        }
        # A comparison with NULL is NULL: without a condition, ifnull(..., 1) holds for every row.
        chosen = "ifnull(model = :model, 1) AND ifnull(created < :before, 1)"
        with self._transaction() as db:
            (pruned,) = db.execute(f"SELECT COUNT(answer) FROM answers WHERE {chosen}", conditions).fetchone()
            db.execute(f"DELETE FROM answers WHERE {chosen}", conditions)
        self._shrink()
        return int(pruned)
