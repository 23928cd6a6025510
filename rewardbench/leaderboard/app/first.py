"""Show the first rows before Gradio is loaded.

Importing Gradio takes seconds, and loading its scripts more seconds. Requests for `/` do not wait: they get a waiting
page while the app starts, and Gradio's page later. Both contain the first rows of the table.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STYLE = """
#rb-first { color-scheme: light dark; position: absolute; inset: 0; z-index: 1; background: Canvas; color: CanvasText;
  font: 14px/1.4 system-ui, sans-serif; max-width: none; box-sizing: border-box;
  padding: 1.8rem max(clamp(1rem, 3.4vw, 44px), calc(50% - 640px));
  --border-color-primary: color-mix(in srgb, CanvasText 12%, Canvas); --link-text-color: LinkText;
  --background-fill-primary: Canvas; --input-background-fill: Canvas; --background-fill-secondary: transparent; }
"""
"""Gradio's variables and sizes in system colors, so that little changes when Gradio takes over."""
WAITING = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>rewardbench</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><script>
fetch("config").then((answer) => answer.ok ? 0 : 2000, () => 2000)
  .then((wait) => setTimeout(() => location.reload(), wait));
</script></body></html>"""
"""Requests what only the app can answer, and reloads when the app has started."""
_BODY = re.compile(rb"<body[^>]*>")


def _is_front_page(scope: Scope) -> bool:
    """Return True for a request for `/` without parameters, except those like `__theme`, which a Space adds."""
    if scope["type"] != "http" or (scope["method"], scope["path"]) != ("GET", "/"):
        return False
    parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return all(name.startswith("__") for name, _ in parameters)


class StartingApp:
    """ASGI app that answers while another app starts: `/` gets a waiting page, other requests wait.

    Args:
        make: makes the other app, in a daemon thread. Its `state.stop`, if set, is called at shutdown before
            waiting for connections.
        failed: called if making or starting the app raises; the exception is in `error`.
    """

    def __init__(self, make: Callable[[], Starlette], failed: Callable[[], None]) -> None:
        self._make, self._failed = make, failed
        self._app: Starlette | None = None
        self._made, self._started, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Context manager: the lifespan of this app, within which the other app starts and stops."""
        task = asyncio.create_task(self._run())
        yield
        self.close()
        await task

    def close(self) -> None:
        """Release all requests that wait for the app, and end its streams."""
        if self._app:
            getattr(self._app.state, "stop", lambda: None)()
        self._closing.set()
        self._made.set()
        self._started.set()

    async def _run(self) -> None:
        apps: list[Starlette] = []
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._work, args=(apps, loop), daemon=True).start()
        await self._made.wait()
        if apps:
            await self._serve(apps[0])
        if self.error:
            self._failed()

    async def _serve(self, app: Starlette) -> None:
        try:
            async with app.router.lifespan_context(app):
                self._app = app
                self._started.set()
                await self._closing.wait()
        except Exception as error:
            self.error = error

    def _work(self, apps: list[Starlette], loop: asyncio.AbstractEventLoop) -> None:
        try:
            apps.append(self._make())
        except Exception as error:
            self.error = error
        with suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(self._made.set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; if the app failed to start, with status 503."""
        if _is_front_page(scope) and not self._app:
            await HTMLResponse(WAITING)(scope, receive, send)
            return
        await self._started.wait()
        app = self._app or HTMLResponse("The leaderboard is not available. Try again later.", 503)
        await app(scope, receive, send)


class Server(uvicorn.Server):
    """Server that closes its streams before it waits for connections to end.

    Args:
        app: the ASGI app to serve.
        starting_app: the app in it that another app starts behind.
        ended: called after shutdown; a signal may end the process right after.
        connection: the class of its connections.
    """

    def __init__(
        self,
        app: ASGIApp,
        starting_app: StartingApp,
        ended: Callable[[], None] = lambda: None,
        connection: type[asyncio.Protocol] | Literal["auto"] = "auto",
    ) -> None:
        config = uvicorn.Config(
            app, http=connection, ws="none", log_level="warning", timeout_graceful_shutdown=1, server_header=False
        )
        super().__init__(config)
        self._starting_app, self._ended = starting_app, ended

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down the server."""
        self._starting_app.close()
        await super().shutdown(sockets)
        self._ended()


class FirstPaint:
    """ASGI middleware that inserts HTML into the page at `/`; page.js removes it when the app is ready.

    Args:
        app: the app that answers.
        markup: returns the HTML to insert.
        css: style sheet of the inserted HTML.
    """

    def __init__(self, app: ASGIApp, markup: Callable[[], str], css: str) -> None:
        self.app = app
        self.markup, self.style = markup, f"<style>{css}{STYLE}</style>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; only requests for `/` are changed."""
        if not _is_front_page(scope):
            await self.app(scope, receive, send)
            return
        starts: list[Message] = []
        parts: list[bytes] = []

        async def gather(message: Message) -> None:
            if message["type"] == "http.response.start":
                starts.append(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._send(starts[0], b"".join(parts), send)

        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app({**scope, "headers": headers}, receive, gather)  # nothing can be inserted into a compressed body

    async def _send(self, start: Message, page: bytes, send: Send) -> None:
        first = f'{self.style}<div id="rb-first" class="rb">{self.markup()}</div>'.encode()
        page = _BODY.sub(lambda match: match[0] + first, page, count=1)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(page)).encode())]})
        await send({"type": "http.response.body", "body": page})
