"""Answer requests for pages with compressed bytes that are built once, however many visitors ask for them.

Pages depend on their address and the rows alone, so they need nothing of Gradio, but for those in `ACCOUNT_PAGES`.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CALLS = "/gradio_api/component_server/"
FRESH = 30.0
"""Seconds until a page is built again, since its foot says how old the rows are."""
MOST_BYTES = 32 * 2**20
"""Bytes of all pages in the cache, with their addresses."""
OVERHEAD = 1_000
"""Bytes that an entry takes in addition to its page and address."""
LONGEST_ADDRESS = 2_000
ACCOUNT_PAGES = ("submit", "queue")
"""Pages that may depend on who asks for them: they are left to Gradio, and never cached."""
LEVEL = 5
"""Level of the compression."""


@dataclass(frozen=True)
class CachedPage:
    """A page as compressed JSON."""

    body: bytes
    version: object
    """The rows that it shows."""
    built: float


class PageCache:
    """ASGI middleware that answers calls of the server function `see`, but for `ACCOUNT_PAGES`.

    Args:
        app: the app that answers all other requests.
        see: returns the HTML of an address.
        version: returns a value that is another one when the rows change.
    """

    def __init__(self, app: ASGIApp, see: Callable[[str], str], version: Callable[[], object]) -> None:
        self.app, self.see, self.version = app, see, version
        self._pages: OrderedDict[str, CachedPage] = OrderedDict()
        self._size = 0
        self._building: dict[str, asyncio.Future[CachedPage]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", CALLS):
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        address = _address_of(body)
        if address is None:
            await self.app(scope, _replay(body, receive), send)
            return
        page = await self._page(address)
        headers = {"content-type": "application/json", "cache-control": "no-store", "vary": "accept-encoding"}
        content = page.body
        if "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
        else:
            content = gzip.decompress(content)
        await Response(content, headers=headers)(scope, receive, send)

    async def _page(self, address: str) -> CachedPage:
        """Return a page from the cache, or build it; requests for the same page wait for one another."""
        page = self._pages.get(address)
        if page and page.version == self.version() and time.monotonic() - page.built < FRESH:
            self._pages.move_to_end(address)
            return page
        if address not in self._building:
            task = asyncio.ensure_future(asyncio.to_thread(self._build, address))
            self._building[address] = task
            task.add_done_callback(lambda _: self._building.pop(address))
        page = await asyncio.shield(self._building[address])
        self._keep(address, page)
        return page

    def _build(self, address: str) -> CachedPage:
        version = self.version()
        text = json.dumps(self.see(address), ensure_ascii=False).encode("utf-8", "replace")
        return CachedPage(gzip.compress(text, LEVEL, mtime=0), version, time.monotonic())

    def _keep(self, address: str, page: CachedPage) -> None:
        """Add a page, and drop those that were not asked for the longest if the cache is too large."""
        self._drop(address)
        self._pages[address] = page
        self._size += _cost(address, page)
        while self._size > MOST_BYTES:
            self._drop(next(iter(self._pages)))

    def _drop(self, address: str) -> None:
        page = self._pages.pop(address, None)
        if page:
            self._size -= _cost(address, page)


def _cost(address: str, page: CachedPage) -> int:
    """Return the bytes that an entry takes; a character of an address takes up to four."""
    return len(page.body) + 4 * len(address) + OVERHEAD


def _address_of(body: bytes) -> str | None:
    """Return the address that a call of `see` names; None for other calls, and for `ACCOUNT_PAGES`."""
    call = json.loads(body)
    address = call.get("data")
    if call.get("fn_name") != "see" or not isinstance(address, str) or len(address) > LONGEST_ADDRESS:
        return None
    return None if dict(parse_qsl(address.lstrip("?"))).get("view") in ACCOUNT_PAGES else address


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that yields a body that was read already."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again
