"""What a reader sees before Gradio is there: the head of the table.

Gradio takes seconds to be imported, and its scripts seconds more to be loaded. The plain address is answered without
either: by a waiting page while the app is made, later by Gradio's own page, and the first rows stand in both.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.responses import HTMLResponse

STYLE = """
#rb-first { color-scheme: light dark; position: absolute; inset: 0; z-index: 1; background: Canvas; color: CanvasText;
  font: 14px/1.4 system-ui, sans-serif; max-width: none; box-sizing: border-box;
  padding: 1.8rem max(clamp(1rem, 3.4vw, 44px), calc(50% - 640px));
  --border-color-primary: color-mix(in srgb, CanvasText 12%, Canvas); --link-text-color: LinkText;
  --background-fill-primary: Canvas; --input-background-fill: Canvas; --background-fill-secondary: transparent; }
"""
"""The frame's variables, in the browser's own colors, and its measures: little moves when it comes."""
WAITING = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>rewardbench</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><script>
fetch("config").then((answer) => answer.ok ? 0 : 2000, () => 2000)
  .then((wait) => setTimeout(() => location.reload(), wait));
</script></body></html>"""
"""Asks for what only the app can answer, which keeps it waiting until the app is there."""
_BODY = re.compile(rb"<body[^>]*>")


def _plain(scope: Any) -> bool:
    """Whether the first page is asked for, as it is; names like `__theme`, which a Space adds, are for the frame."""
    if scope["type"] != "http" or (scope["method"], scope["path"]) != ("GET", "/"):
        return False
    asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return all(name.startswith("__") for name, _ in asked)


class Opening:
    """An ASGI app that stands for another while that is made: the plain address gets a waiting page, others wait.

    Args:
        make: makes the other one, in a thread that nothing waits for at the end. What its `state.stop` holds, if
            anything, is called before its connections are waited for.
        failed: told when that, or its start, raised; the exception is kept in `error`.
    """

    def __init__(self, make: Callable[[], Any], failed: Callable[[], None]) -> None:
        self._make, self._failed = make, failed
        self._app: Any = None
        self._made, self._settled, self._over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None

    @asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        """From the first request to the last; the other's own lifespan lies within, in one task."""
        living = asyncio.create_task(self._live())
        yield
        self.close()
        await living

    def close(self) -> None:
        """Let go of all who wait: for the app, and in its streams."""
        if self._app:
            getattr(self._app.state, "stop", lambda: None)()
        self._over.set()
        self._made.set()
        self._settled.set()

    async def _live(self) -> None:
        found: list[Any] = []
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._work, args=(found, loop), daemon=True).start()
        await self._made.wait()
        if found:
            await self._serve(found[0])
        if self.error:
            self._failed()

    async def _serve(self, app: Any) -> None:
        try:
            async with app.router.lifespan_context(app):
                self._app = app
                self._settled.set()
                await self._over.wait()
        except Exception as error:
            self.error = error

    def _work(self, found: list[Any], loop: asyncio.AbstractEventLoop) -> None:
        try:
            found.append(self._make())
        except Exception as error:
            self.error = error
        with suppress(RuntimeError):  # all is over already
            loop.call_soon_threadsafe(self._made.set)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer; who has waited in vain is told to ask again."""
        if _plain(scope) and not self._app:
            await HTMLResponse(WAITING)(scope, receive, send)
            return
        await self._settled.wait()
        answers = self._app or HTMLResponse("The leaderboard is not here: ask again.", 503)
        await answers(scope, receive, send)


class Server(uvicorn.Server):
    """One that lets go of its streams before it waits for its connections to end.

    Args:
        app: what is served.
        opening: what stands behind it.
        ended: called when it has ended; a signal may end the process right after.
    """

    def __init__(self, app: Any, opening: Opening, ended: Callable[[], None] = lambda: None) -> None:
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, limit_concurrency=2_000)
        super().__init__(config)
        self._opening, self._ended = opening, ended

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self._opening.close()
        await super().shutdown(sockets)
        self._ended()


class FirstPaint:
    """An ASGI middleware that puts markup into the page at `/`; page.js takes it away when it has its own.

    Args:
        app: what answers.
        markup: gives what stands there at first.
        css: how it looks.
    """

    def __init__(self, app: Any, markup: Callable[[], str], css: str) -> None:
        self.app = app
        self.markup, self.style = markup, f"<style>{css}{STYLE}</style>"

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Any], Any]) -> None:
        """Answer; every address but the plain one as it is."""
        if not _plain(scope):
            await self.app(scope, receive, send)
            return
        begun: list[Any] = []
        parts: list[bytes] = []

        async def gather(message: Any) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._send(begun[0], b"".join(parts), send)

        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app({**scope, "headers": headers}, receive, gather)  # what is compressed cannot be added to

    async def _send(self, start: Any, page: bytes, send: Callable[[Any], Any]) -> None:
        first = f'{self.style}<div id="rb-first" class="rb">{self.markup()}</div>'.encode()
        page = _BODY.sub(lambda found: found[0] + first, page, count=1)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(page)).encode())]})
        await send({"type": "http.response.body", "body": page})
