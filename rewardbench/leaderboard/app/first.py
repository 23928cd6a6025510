"""Show pages before Gradio is loaded, and without JavaScript.

Importing Gradio takes seconds, and loading its scripts more seconds. Requests for a page do not wait: they get a
waiting page while the app starts, and Gradio's page later. Both contain the page at that address.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
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
WAITING = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><script>
fetch("config").then((answer) => answer.ok ? 0 : 2000, () => 2000)
  .then((wait) => setTimeout(() => location.reload(), wait));
</script></body></html>"""
"""Requests what only the app can answer, and reloads when the app has started."""
EARLY = """<noscript><style>
#rb-first .rb-table tr[hidden] { display: table-row !important; }
@media (max-width: 640px) { #rb-first .rb-table tr[hidden] { display: flex !important; } }
#rb-first :is(.rb-tools input, .rb-tools details:not(.rb-export)) { display: none !important; }
#rb-first .rb-export span:has(button) { display: none !important; }
#rb-first :is(.rb-order, form:not(.rb-form)) { display: none !important; }
</style></noscript>
<script>
document.getElementById("rb-first").addEventListener("click", (event) => {
  const button = event.target.closest(".rb-table thead button");
  if (!button) return;
  const head = button.parentElement;
  window.rbClicked = (head.classList.contains("num") && head.dataset.name !== "Rank" ? "-" : "") + head.dataset.name;
  document.querySelector("#rb-first .rb-count").textContent = "Sorting when the page is ready";
});
</script>"""
"""Without JavaScript every row is shown; a click on a header before the app is ready is remembered for page.js."""
_BODY = re.compile(rb"<body[^>]*>")
_HEAD = re.compile(rb"<head[^>]*>")
_GRADIO_META = re.compile(rb"""<meta\s+(?:property="og:|name="twitter:)[^>]*>|<link rel="(?:manifest|icon)"[^>]*>""")


def _is_page(scope: Scope) -> bool:
    """Return True for a request for a page, all of which are at `/`."""
    return scope["type"] == "http" and (scope["method"], scope["path"]) == ("GET", "/")


class StartingApp:
    """ASGI app that answers while another app starts: pages get a waiting page, other requests wait.

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
        if _is_page(scope) and not self._app:
            await HTMLResponse(WAITING)(scope, receive, send)
            return
        await self._started.wait()
        app = self._app or HTMLResponse("The leaderboard is not available. Try again later.", 503)
        if scope["type"] == "http" and scope["path"] in ("/", "/config"):
            scope = {**scope, "query_string": b""}  # Gradio would read `page` and `deep_link`
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
    """ASGI middleware that inserts a page and its head into the HTML at `/`; page.js moves it when the app is ready.

    Args:
        app: the app that answers.
        page: returns the HTML of the page at an address, such as `?view=about`. It runs in a thread.
        css: style sheet of the inserted HTML.
        head: returns elements of the head for that HTML, and the request.
    """

    def __init__(
        self, app: ASGIApp, page: Callable[[str], str], css: str, head: Callable[[str, Scope], str] = lambda *_: ""
    ) -> None:
        self.app = app
        self.page, self.head, self.style = page, head, f"<style>{css}{STYLE}</style>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; only requests for pages are changed."""
        if not _is_page(scope):
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
                await self._send(starts[0], b"".join(parts), scope, send)

        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app({**scope, "headers": headers}, receive, gather)  # nothing can be inserted into a compressed body

    async def _send(self, start: Message, answer: bytes, scope: Scope, send: Send) -> None:
        page = await run_in_threadpool(self.page, scope["query_string"].decode("latin-1"))
        first = f'{self.style}<div id="rb-first" class="rb" lang="en">{page}</div>{EARLY}'.encode()
        head = self.head(page, scope).encode()
        answer = _GRADIO_META.sub(b"", answer) if head else answer
        answer = _HEAD.sub(lambda match: match[0] + head, answer, count=1)
        answer = _BODY.sub(lambda match: match[0] + first, answer, count=1)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(answer)).encode())]})
        await send({"type": "http.response.body", "body": answer})
