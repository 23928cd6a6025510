"""Keep checked uploads until their visitors submit them, within a limit on memory."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from rewardbench.leaderboard.submissions import ReviewFinding
from rewardbench.results import PackedResult

MOST_PENDING = 2**27
"""Bytes of all results that wait; beyond that the oldest is dropped."""
MOST_OF_CLIENT = 3
"""Results of one client that wait."""
LONGEST_PENDING = 3_600.0
"""Seconds after which a result is dropped."""


@dataclass(frozen=True)
class CheckedUpload:
    """Outcome of a check.

    Args:
        findings: problems of the upload.
        entry: the result as it would be submitted; None if it cannot be submitted.
        obstacle: why this visitor cannot submit it, although it has no such problem.
    """

    findings: tuple[ReviewFinding, ...]
    entry: PackedResult | None = None
    obstacle: str = ""


@dataclass(frozen=True)
class PendingUpload:
    """A checked upload that waits.

    Args:
        checked: the upload.
        client: client that sent it.
        expires: when it is dropped, on the monotonic clock.
        size: about how many bytes it takes.
    """

    checked: CheckedUpload
    client: str
    expires: float
    size: int


class PendingUploads:
    """Checked uploads by a random key. Gradio would keep each one for an hour, in memory and without a limit."""

    def __init__(self) -> None:
        self._uploads: OrderedDict[str, PendingUpload] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, checked: CheckedUpload, client: str) -> str | None:
        """Keep an upload, and return its key; None if it cannot be submitted."""
        if checked.entry is None:
            return None
        key = secrets.token_urlsafe(32)
        expires = time.monotonic() + LONGEST_PENDING
        with self._lock:
            self._uploads[key] = PendingUpload(checked, client, expires, _size(checked.entry))
            keys = [other for other, upload in self._uploads.items() if upload.client == client]
            for oldest in keys[:-MOST_OF_CLIENT]:
                del self._uploads[oldest]
            self._drop_old()
        return key

    def get(self, key: str | None) -> CheckedUpload | None:
        """Return an upload; None if it was dropped."""
        with self._lock:
            self._drop_old()
            upload = self._uploads.get(str(key))
        return upload.checked if upload else None

    def drop(self, key: str | None) -> None:
        """Forget an upload."""
        with self._lock:
            self._uploads.pop(str(key), None)

    def _drop_old(self) -> None:
        """Drop the oldest uploads while they have expired, or all together are too large."""
        now = time.monotonic()
        total = sum(upload.size for upload in self._uploads.values())
        for key, upload in list(self._uploads.items()):
            if upload.expires > now and total <= MOST_PENDING:
                break
            total -= upload.size
            del self._uploads[key]


def _size(entry: PackedResult) -> int:
    """Return about how many bytes a result takes in memory."""
    summary, table, answers = entry
    return 5 * len(json.dumps(summary)) + len(table or b"") + len(answers or b"")
