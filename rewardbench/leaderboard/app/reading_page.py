"""Answer while the results are read: the page says how many have been read, and reloads itself."""

from __future__ import annotations

import asyncio

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import render

PATIENCE = 2.0
"""Seconds that a request waits for the rows: with a current index they take less."""
LOOK = 0.05


class ReadingPage:
    """ASGI middleware that answers requests for a page until the rows of a library are complete.

    Args:
        app: the app that answers then.
        library: the results.
    """

    def __init__(self, app: ASGIApp, library: Library) -> None:
        self.app, self.library = app, library

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        is_page = scope["type"] == "http" and (scope["method"], scope["path"]) == ("GET", "/")
        if is_page and self.library.progress is not None:
            await self._wait()
        progress = self.library.progress
        if not is_page or progress is None:
            await self.app(scope, receive, send)
            return
        page = render("reading.html", done=progress[0], total=progress[1])
        await HTMLResponse(page, headers={"Cache-Control": "no-store"})(scope, receive, send)

    async def _wait(self) -> None:
        """Wait for the rows, but not long."""
        end = asyncio.get_running_loop().time() + PATIENCE
        while self.library.progress is not None and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(LOOK)
