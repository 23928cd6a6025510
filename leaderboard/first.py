"""What a reader sees before Gradio is there: the head of the table.

Gradio takes seconds to be imported, and its scripts seconds more to be loaded. The plain address is answered without
either: by a waiting page while the app is made, later by Gradio's own page, and the first rows stand in both.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

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
fetch("config").then((answer) => setTimeout(() => location.reload(), answer.ok ? 0 : 2000));
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
        make: makes the other one, in a thread.
        failed: told when that, or its start, raised; the exception is kept in `error`.
    """

    def __init__(self, make: Callable[[], Any], failed: Callable[[], None]) -> None:
        self._make, self._failed = make, failed
        self._app: Any = None
        self._made, self._over = asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None

    @asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        """From the first request to the last; the other's own lifespan lies within, in one task."""
        living = asyncio.create_task(self._live())
        yield
        self._over.set()
        await living

    async def _live(self) -> None:
        try:
            app = await asyncio.to_thread(self._make)
            async with app.router.lifespan_context(app):
                self._app = app
                self._made.set()
                await self._over.wait()
        except Exception as error:
            self.error = error
            self._failed()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        if _plain(scope) and not self._app:
            await HTMLResponse(WAITING)(scope, receive, send)
            return
        await self._made.wait()
        await self._app(scope, receive, send)


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

        await self.app(scope, receive, gather)

    async def _send(self, start: Any, page: bytes, send: Callable[[Any], Any]) -> None:
        first = f'{self.style}<div id="rb-first" class="rb">{self.markup()}</div>'.encode()
        page = _BODY.sub(lambda found: found[0] + first, page, count=1)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(page)).encode())]})
        await send({"type": "http.response.body", "body": page})
