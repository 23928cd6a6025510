"""Close connections of clients that send a request, or read a response, too slowly.

uvicorn waits for the head of a request without a limit, and for a client that stops reading. A few thousand such
connections would keep all other visitors out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

SLOWEST_HEAD = 10.0
"""Seconds within which the head of a request must arrive, and unread data of an answered one must end."""
SLOWEST_READER = 30.0
"""Seconds that a client may read nothing of a response."""
MOST_CONNECTIONS = 2_000
"""Open connections of all clients together."""
MOST_PER_ADDRESS = 400
"""Open connections of one address; unlimited where all clients come through a proxy."""
DESCRIPTORS = 4_096
"""Files and sockets that the process may have open, if the machine allows it."""


def raise_descriptor_limit() -> None:
    """Allow more open sockets than the usual 1,024; without effect on Windows, or above the machine's limit."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class TimedConnection(H11Protocol):
    """HTTP connection with limits on the time that its client takes, and on the connections of an address."""

    response_headers: ClassVar[Mapping[str, str]] = {}
    """Headers of every response."""
    behind_proxy = False
    """Whether all clients have the address of a proxy."""
    _open: ClassVar[Counter[str]] = Counter()
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limit of the first request."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._open[self._address] += 1
        is_too_much = self._open[self._address] > MOST_PER_ADDRESS and not self.behind_proxy
        if is_too_much or self._open.total() > MOST_CONNECTIONS:
            transport.abort()
            return
        self._limit_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and stop its time limits."""
        self._open[self._address] -= 1
        if not self._open[self._address]:
            del self._open[self._address]
        for timer in (self._deadline, self._stalled):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        super().data_received(data)
        self._limit_head()

    def pause_writing(self) -> None:
        """Start the time limit of a client that does not read."""
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(SLOWEST_READER, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that time limit."""
        super().resume_writing()
        if self._stalled:
            self._stalled.cancel()
            self._stalled = None

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also if its client reads nothing of what was sent."""
        super().timeout_keep_alive_handler()
        self._stalled = self._stalled or self.loop.call_later(SLOWEST_READER, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not HTTP with the headers of every response, and close the connection."""
        if self._is_idle():
            headers = {
                **self.response_headers,
                "Content-Type": "text/plain; charset=utf-8",
                "Content-Length": len(msg) + 1,
            }
            lines = ["HTTP/1.1 400 Bad Request", *map("{0[0]}: {0[1]}".format, headers.items())]
            self.transport.write("\r\n".join([*lines, "Connection: close", "", f"{msg}\n"]).encode())
        self.transport.close()

    def _is_idle(self) -> bool:
        """Return True if no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _limit_head(self) -> None:
        """Start the time limit of a request that is not complete, or stop it."""
        if not self._is_idle():
            if self._deadline:
                self._deadline.cancel()
                self._deadline = None
        elif self._deadline is None:
            self._deadline = self.loop.call_later(SLOWEST_HEAD, self._end_if_idle)

    def _end_if_idle(self) -> None:
        self._deadline = None
        if self._is_idle():
            self.transport.abort()


def connection_class(headers: Mapping[str, str], behind_proxy: bool) -> type[TimedConnection]:
    """Return the class of the connections of a server, which are counted together.

    Args:
        headers: headers of every response.
        behind_proxy: whether all clients have the address of a proxy.
    """
    fields = {"response_headers": headers, "behind_proxy": behind_proxy, "_open": Counter[str]()}
    return type("ServedConnection", (TimedConnection,), fields)
