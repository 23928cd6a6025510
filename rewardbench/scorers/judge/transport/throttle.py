"""Bound how many requests are in flight, and how fast they are sent; slow down for all after a 429."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_CONNECTIONS = 1000
"""Connections that the openai package opens to a server, at most."""
LONGEST_WAIT = 120.0
"""Seconds that are waited at most before a retry, whatever the server says."""


async def sleep_until(event: asyncio.Event, seconds: float) -> None:
    """Sleep for some seconds, or until the event is set."""
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)


class Pace:
    """Spaces requests evenly: a token bucket that holds one request."""

    def __init__(self, per_minute: int | None) -> None:
        self._seconds = 60 / per_minute if per_minute else 0.0
        self._next = 0.0

    def delay(self, amount: float = 1.0) -> float:
        """Return the seconds to wait before a request of this amount is sent."""
        if not self._seconds:
            return 0.0
        now = time.monotonic()
        start = max(now, self._next)
        self._next = start + amount * self._seconds
        return start - now

    def correct(self, amount: float) -> None:
        """Add the difference between what a request used and what was estimated."""
        self._next += amount * self._seconds


class Throttle:
    """Limits the requests in flight. The limit is halved after a 429, and grows again with answers."""

    def __init__(self, max_concurrency: int, end: asyncio.Event) -> None:
        """Allow a number of requests in flight; `end` ends all pauses."""
        self._end = end
        self._max = min(max_concurrency, MAX_CONNECTIONS)
        self._limit = float(self._max)
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._paused_until = 0.0
        self._halved = 0.0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Context manager: wait for a free place and the end of a pause, then hold the place."""
        await self._enter()
        try:
            while not self._end.is_set() and (delay := self._paused_until - time.monotonic()) > 0:
                await sleep_until(self._end, delay)
            yield
        finally:
            self._in_flight -= 1
            self._wake()

    async def _enter(self) -> None:
        if self._in_flight < int(self._limit) and not self._waiting:
            self._in_flight += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._in_flight -= 1  # the place was given just before
                self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting and self._in_flight < int(self._limit):
            place = self._waiting.popleft()
            if not place.done():
                self._in_flight += 1
                place.set_result(None)

    def slow_down(self, seconds: float) -> None:
        """Pause all requests after a 429, and halve the number in flight, at most once a pause."""
        now = time.monotonic()
        if now >= self._halved:
            self._limit = max(1.0, self._limit / 2)
            self._halved = now + max(seconds, 1.0)
        self._paused_until = max(self._paused_until, now + seconds)

    def speed_up(self) -> None:
        """Let the number in flight grow after an answer, by a tenth a round."""
        if self._limit < self._max:
            self._limit = min(float(self._max), self._limit + 0.1)
            self._wake()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the server asks to wait; None if it names none.

    >>> retry_after({"retry-after-ms": "1500"}), retry_after({"retry-after": "2"}), retry_after({})
    (1.5, 2.0, None)
    """
    seconds = _number(headers.get("retry-after-ms"))
    if seconds is not None:
        return min(max(0.0, seconds / 1000), LONGEST_WAIT)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is None and text:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return None if seconds is None else min(max(0.0, seconds), LONGEST_WAIT)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if number == number else None  # not NaN
