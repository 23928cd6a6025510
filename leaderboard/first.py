"""What a reader sees while the frame's scripts are still loading: the head of the table, as it was at the start."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

STYLE = """
#rb-first { color-scheme: light dark; position: absolute; inset: 0; z-index: 1; background: Canvas; color: CanvasText;
  padding: 1rem max(1rem, calc(50% - 640px)); max-width: none; }
"""
_BODY = re.compile(rb"<body[^>]*>")


class FirstPaint:
    """An ASGI middleware that puts markup into the page at `/`; page.js takes it away when it has its own.

    Args:
        app: what answers.
        markup: what stands there at first.
        css: how it looks.
    """

    def __init__(self, app: Any, markup: str, css: str) -> None:
        self.app = app
        self.first = f'<style>{css}{STYLE}</style><div id="rb-first" class="rb">{markup}</div>'.encode()

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Any], Any]) -> None:
        """Answer; every address but the plain one as it is."""
        asked = scope.get("path") == "/" and scope.get("method") == "GET" and not scope.get("query_string")
        if scope["type"] != "http" or not asked:
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
        page = _BODY.sub(lambda found: found[0] + self.first, page, count=1)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(page)).encode())]})
        await send({"type": "http.response.body", "body": page})
