"""Requests that are refused before Gradio sees them, and the headers of every answer.

Served is what the page itself asks for, and nothing else of Gradio's interface. Bodies of events are parsed here and
written anew, so that Gradio reads exactly what was checked.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.responses import PlainTextResponse

from rewardbench.leaderboard.app.access import Access
from rewardbench.leaderboard.app.limits import Open, Rate, client_of
from rewardbench.leaderboard.app.uploads import MOST_FILES, MOST_REQUEST, Refused, Uploads

PAGES = ("/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json")
STREAMS = ("/gradio_api/queue/data", "/gradio_api/upload_progress", "/gradio_api/theme.css", "/gradio_api/app_id")
FOLDERS = ("/assets/", "/static/", "/gradio_api/heartbeat/")
UPLOAD = "/gradio_api/upload"
EVENTS = {"/gradio_api/queue/join": 2**16, "/gradio_api/component_server/": 2**19, "/gradio_api/cancel": 2**12}
"""Where events are posted, each with the bytes of its largest body."""
FORM = (UPLOAD, "/gradio_api/queue/join")
NUM_EVENTS = 2
"""Events of the form: a check, and a submission."""
FUNCTIONS = ("see", "copy")
"""Functions of the page that a browser calls."""
SLOWEST_BODY, SLOWEST_UPLOAD = 20.0, 120.0
"""Seconds until the whole body of an event, or of an upload, must be there."""
LONGEST_REST = 5.0
"""Seconds in which the rest of a refused body is read and dropped."""
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BOUNDARY = re.compile(r'multipart/form-data\s*;\s*boundary="?([A-Za-z0-9\'()+_,./:=?-]{1,70})"?\s*', re.IGNORECASE)

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Guard:
    """An ASGI middleware that refuses what the page does not ask for, what is too much, and what comes from others.

    Args:
        app: what answers.
        access: hosts under which the page is served.
        uploads: the folder of uploaded files.
        takes_files: whether the page has a form for files.
    """

    def __init__(self, app: Any, access: Access, uploads: Uploads, takes_files: bool = True) -> None:
        self.app, self.access, self.uploads, self.takes_files = app, access, uploads, takes_files
        self.headers = access.headers()
        self.requests = Open(each=100, total=1_000)
        self.posts = Rate(1_200, 60)
        self.joins = Rate(60, 600)
        self.uploading = Open(each=2, total=6)
        self.uploaded = Rate(3 * MOST_REQUEST, 3_600)
        self.upload_count = Rate(60, 600)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer, or refuse with one sentence."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        started = ended = False

        async def read() -> Any:
            nonlocal ended
            message = await receive()
            ended = not message.get("more_body", False)
            return message

        async def finish(message: Any) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers[name] = value
            await send(message)

        try:
            await self._answer(scope, read, finish)
        except Refused as refused:
            with suppress(TimeoutError):  # a client that is still sending would not read the answer
                async with asyncio.timeout(LONGEST_REST):
                    while not ended:
                        await read()
            answer = PlainTextResponse(f"{refused}\n", refused.status, headers={"Connection": "close"})
            await answer(scope, receive, finish)
        except Exception as error:  # one line, since a client can cause as many as it likes
            logging.getLogger("uvicorn.error").error("%s %s: %r", scope["method"], scope["path"][:100], error)
            if not started:
                await PlainTextResponse("The server could not answer this.\n", 500)(scope, receive, finish)

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self.access.check(scope["method"], headers)
        client = client_of(self.access.client(scope, headers))
        scope = {**scope, "client": (client, 0)}
        with self.requests.one(client) as fits:
            if not fits:
                raise Refused(429, "Too many requests are open: close some and try again.")
            if scope["method"] in ("GET", "HEAD"):
                _check_path(scope["path"])
                await self.app(scope, receive, send)
            elif scope["method"] == "POST":
                await self._post(scope, receive, send, client)
            else:
                raise Refused(405, "This method is not served here.")

    async def _post(self, scope: Any, receive: Receive, send: Send, client: str) -> None:
        if not self.posts.take(client):
            raise Refused(429, "Too many requests in a minute: wait, and try again.")
        path, headers = scope["path"], Headers(scope=scope)
        if path in FORM and not self.takes_files:
            raise Refused(404, "This page takes no files.")
        if path == UPLOAD:
            await self._upload(scope, receive, send, client)
            return
        if path not in EVENTS:
            raise Refused(404, "There is nothing at this address.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "The body must be application/json.")
        body = _parsed(await _body(receive, headers, EVENTS[path]))
        if path == "/gradio_api/queue/join":
            body = self._event(body)
            if not self.joins.take(client):
                raise Refused(429, "Too many submissions in ten minutes: wait, and try again.")
        elif path == "/gradio_api/component_server/":
            body = _call(body)
        await _replay(self.app, scope, receive, send, json.dumps(body).encode())

    def _event(self, body: Any) -> dict[str, Any]:
        """Return the event as it may be passed on. Raises: Refused if the page sends no such event."""
        inputs = body.get("data")
        if not isinstance(inputs, list) or body.get("fn_index") not in range(NUM_EVENTS):
            raise Refused(400, "The request is not an event of the page.")
        trigger = body.get("trigger_id")
        return {
            "session_hash": _session(body),
            "data": self.uploads.inputs(inputs),
            "fn_index": body["fn_index"],
            "trigger_id": trigger if isinstance(trigger, int) else None,
            "event_data": None,
        }

    async def _upload(self, scope: Any, receive: Receive, send: Send, client: str) -> None:
        headers = Headers(scope=scope)
        multipart = _BOUNDARY.fullmatch(headers.get("content-type", ""))
        length = headers.get("content-length", "")
        if multipart is None or not (length.isascii() and length.isdecimal() and len(length) < 12):
            raise Refused(411, "An upload needs a multipart boundary and a Content-Length.")
        if int(length) > MOST_REQUEST:
            raise Refused(413, f"An upload of {int(length):,} bytes is too large: at most {MOST_REQUEST:,} are taken.")
        with self.uploading.one(client) as fits:
            if not fits:
                raise Refused(429, "Another upload is running: wait until it has ended.")
            if not self.upload_count.take(client) or not self.uploaded.take(client, int(length)):
                raise Refused(429, "Too many uploads: try again in an hour.")
            if not await asyncio.to_thread(self.uploads.has_room, int(length)):
                raise Refused(503, "The server holds too many uploads just now: try again in an hour.")
            await self.app(scope, _limited(receive, f"--{multipart[1]}".encode()), send)


def _check_path(path: str) -> None:
    """Raises: Refused for an address that the page does not ask for."""
    if path not in PAGES and path not in STREAMS and not path.startswith(FOLDERS):
        raise Refused(404, "There is nothing at this address.")


def _session(body: dict[str, Any]) -> str:
    session = body.get("session_hash")
    if not isinstance(session, str) or not _SESSION.fullmatch(session):
        raise Refused(400, "The request names no session of the page.")
    return session


def _call(body: dict[str, Any]) -> dict[str, Any]:
    """Return the call of a function of the page as it may be passed on. Raises: Refused if it is none."""
    if body.get("fn_name") not in FUNCTIONS or not isinstance(body.get("component_id"), int):
        raise Refused(404, "The page has no such function.")
    kept = {name: body[name] for name in ("fn_name", "component_id")}
    return {**kept, "session_hash": _session(body), "data": body.get("data")}


def _parsed(body: bytes) -> dict[str, Any]:
    """Parse strict JSON. Raises: Refused if it is no object."""
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "The body is not JSON.") from error
    if not isinstance(value, dict):
        raise Refused(400, "The body is not a JSON object.")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


async def _body(receive: Receive, headers: Headers, most: int) -> bytes:
    """Read a whole body. Raises: Refused if it is too large or too slow."""
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 12 or int(length) > most:
        raise Refused(413, f"The body is too large: at most {most:,} bytes are read.")
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "The request ended before its body did.")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                more = message.get("more_body", False)
                if size > most:
                    raise Refused(413, f"The body is too large: at most {most:,} bytes are read.")
    except TimeoutError as error:
        raise Refused(408, "The body did not arrive in time.") from error
    return b"".join(parts)


async def _replay(app: Any, scope: Any, receive: Receive, send: Send, body: bytes) -> None:
    """Answer a request whose body was read and written anew."""
    kept = [(name, value) for name, value in scope["headers"] if name not in (b"content-length", b"transfer-encoding")]
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Any:
        return pending.pop() if pending else await receive()

    length = (b"content-length", str(len(body)).encode())
    await app({**scope, "headers": [*kept, length]}, receive_again, send)


def _limited(receive: Receive, delimiter: bytes) -> Receive:
    """Return a `receive` that ends an upload of too many parts, too many bytes, or too long a time.

    Gradio's parser deletes what it has written of an upload when this exception passes through it.
    """
    seen = {"bytes": 0, "parts": 0}
    tail = b""
    end = asyncio.get_running_loop().time() + SLOWEST_UPLOAD

    async def read() -> Any:
        nonlocal tail
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError as error:
            raise MultiPartException("The upload took too long.") from error
        if message["type"] == "http.disconnect":
            raise MultiPartException("The upload was broken off.")
        window = tail + message.get("body", b"")
        tail = window[max(0, len(window) - len(delimiter) + 1) :]
        seen["bytes"] += len(message.get("body", b""))
        seen["parts"] += window.count(delimiter)
        if seen["parts"] > MOST_FILES + 1:
            raise MultiPartException(f"An upload has at most {MOST_FILES} files.")
        if seen["bytes"] > MOST_REQUEST:
            raise MultiPartException(f"File size exceeded maximum allowed size of {MOST_REQUEST} bytes.")
        return message

    return read
