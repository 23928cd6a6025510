"""Limit the requests in flight and their rate; slow all of them down after a 429."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_CONNECTIONS = 1000
"""Maximum connections that the openai package opens to a server."""
LONGEST_WAIT = 120.0
"""Maximum seconds before a retry, whatever the server asks for."""


async def sleep_until(event: asyncio.Event, seconds: float) -> None:
    """Sleep for some seconds, or until the event is set."""
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)


class RateLimiter:
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
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._paused_until = 0.0
        self._halved_until = 0.0

    @asynccontextmanager
    async def slot(self, is_retry: bool = False) -> AsyncIterator[None]:
        """Context manager: wait for a free slot and the end of a pause, then occupy the slot.

        Retries go before new requests, so that a server that fails is noticed before all requests have been sent.
        """
        await self._enter(is_retry)
        try:
            while not self._end.is_set() and (delay := self._paused_until - time.monotonic()) > 0:
                await sleep_until(self._end, delay)
            yield
        finally:
            self._in_flight -= 1
            self._wake()

    async def _enter(self, is_retry: bool) -> None:
        if self._in_flight < int(self._limit) and (is_retry or not self._waiters):
            self._in_flight += 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if is_retry:
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._in_flight -= 1  # the slot was assigned just before
                self._wake()
            raise

    def _wake(self) -> None:
        while self._waiters and self._in_flight < int(self._limit):
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._in_flight += 1
                waiter.set_result(None)

    def slow_down(self, seconds: float) -> None:
        """Pause all requests after a 429, and halve the limit, at most once per pause."""
        now = time.monotonic()
        if now >= self._halved_until:
            self._limit = max(1.0, self._limit / 2)
            self._halved_until = now + max(seconds, 1.0)
        self._paused_until = max(self._paused_until, now + seconds)

    def speed_up(self) -> None:
        """Raise the limit by 0.1 after an answer."""
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
