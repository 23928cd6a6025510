"""Limit the requests of each client, and of all clients together."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from math import ceil

MOST_CLIENTS = 10_000
"""Clients that a limit tracks; beyond that the least recent is dropped."""


def client_of(address: str) -> str:
    """Return the key of a client: its IPv4 address, or the /64 network of its IPv6 address.

    >>> client_of("192.0.2.7"), client_of("2001:db8::1:2"), client_of("testclient")
    ('192.0.2.7', '2001:db8::/64', 'testclient')
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def describe_wait(seconds: float) -> str:
    """Return in how many minutes or hours something is possible again.

    >>> describe_wait(5), describe_wait(61), describe_wait(3 * 3_600)
    ('in 1 minute', 'in 2 minutes', 'in 3 hours')
    """
    minutes = max(1, ceil(seconds / 60))
    if minutes == 1:
        return "in 1 minute"
    return f"in {minutes} minutes" if minutes <= 90 else f"in {ceil(minutes / 60)} hours"


class RateLimit:
    """Limit the amount that each client uses in a period.

    Args:
        most: amount that a client may use in one period.
        seconds: length of a period.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self._used: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, client: str, amount: int = 1) -> bool:
        """Use an amount. Return False, and use nothing, if it exceeds what the client has left."""
        now = time.monotonic()
        with self._lock:
            start, used = self._used.pop(client, (now, 0))
            if now - start >= self.seconds:
                start, used = now, 0
            fits = used + amount <= self.most
            self._used[client] = (start, used + amount if fits else used)
            if len(self._used) > MOST_CLIENTS:
                self._used.popitem(last=False)
        return fits

    def wait(self, client: str) -> str:
        """Return when the period of a client ends, as by `describe_wait`."""
        with self._lock:
            start, _ = self._used.get(client, (time.monotonic(), 0))
        return describe_wait(start + self.seconds - time.monotonic())


class ConcurrencyLimit:
    """Limit the concurrent requests of each client, and of all clients together.

    Args:
        per_client: limit per client.
        total: limit over all clients.
    """

    def __init__(self, per_client: int, total: int) -> None:
        self.per_client, self.total = per_client, total
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def slot(self, client: str) -> Iterator[bool]:
        """Context manager: hold a slot; the value is False if none is free."""
        with self._lock:
            fits = self._counts[client] < self.per_client and self._counts.total() < self.total
            if fits:
                self._counts[client] += 1
        try:
            yield fits
        finally:
            if fits:
                with self._lock:
                    self._counts[client] -= 1
                    if not self._counts[client]:
                        del self._counts[client]


class Turns:
    """Answer a few requests of each client at a time, while its others wait, so that no client keeps others out.

    Args:
        per_client: requests of a client that are answered at a time.
    """

    def __init__(self, per_client: int) -> None:
        self.per_client = per_client
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._counts: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Context manager: wait for a turn, and hold it."""
        turns = self._turns.setdefault(client, asyncio.Semaphore(self.per_client))
        self._counts[client] += 1
        try:
            async with turns:
                yield
        finally:
            self._counts[client] -= 1
            if not self._counts[client]:
                del self._counts[client], self._turns[client]
