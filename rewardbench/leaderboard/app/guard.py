"""Reject bad requests before Gradio sees them, and set the headers of every response.

Only requests that the page itself sends are served; the rest of Gradio's interface is closed. Bodies of events are
parsed, checked and re-serialized here, so that Gradio reads exactly what was checked.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import OrderedDict
from contextlib import suppress
from typing import NoReturn

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.formparsers import MultiPartException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rewardbench.leaderboard.app.access import Access
from rewardbench.leaderboard.app.exports import PATHS
from rewardbench.leaderboard.app.limits import ConcurrencyLimit, RateLimit, client_of
from rewardbench.leaderboard.app.sign_in import CALLBACK, LOGIN, LOGOUT
from rewardbench.leaderboard.app.uploads import MOST_FILES, MOST_REQUEST, RejectedError, Uploads
from rewardbench.results import JsonObject

PAGES = ("/", "/config", "/theme.css", "/favicon.ico", "/icon.svg", "/social-card.png", "/robots.txt", "/manifest.json")
STREAM = "/gradio_api/queue/data"
MOST_SESSIONS = 10_000
STREAMS = (STREAM, "/gradio_api/upload_progress", "/gradio_api/theme.css", "/gradio_api/app_id")
FOLDERS = ("/assets/", "/static/", "/gradio_api/heartbeat/")
UPLOAD = "/gradio_api/upload"
EVENTS = {"/gradio_api/queue/join": 2**16, "/gradio_api/component_server/": 2**19, "/gradio_api/cancel": 2**12}
"""Paths that events are posted to, with the maximum body size in bytes."""
FORM = (UPLOAD, "/gradio_api/queue/join")
CHECK, SUBMIT = 0, 1
NUM_INPUTS = {CHECK: 2, SUBMIT: 1}
"""Number of inputs of the events of the form."""
FUNCTIONS = ("see", "copy")
"""Server functions that the page calls."""
CROSS_ORIGIN = (
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
)
"""Headers by which a browser lets other sites read an answer."""
MOST_HEADERS, LARGEST_HEAD = 100, 2**15
"""Maximum number of headers, and their maximum size in bytes."""
LONGEST_CALLBACK, MOST_LOGOUT = 4_096, 1_024
"""Maximum length of the query with which the Hub returns a visitor, and of the body of a sign-out, in bytes."""
SLOWEST_BODY, SLOWEST_UPLOAD = 20.0, 120.0
"""Seconds within which the body of an event, or of an upload, must arrive."""
SLOWEST_PART = 15.0
"""Seconds within which the next part of an upload must arrive, so that a silent client does not occupy a place."""
LONGEST_DISCARD = 5.0
"""Seconds for reading and discarding what remains of a rejected body."""
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BOUNDARY = re.compile(r'multipart/form-data\s*;\s*boundary="?([A-Za-z0-9\'()+_,./:=?-]{1,70})"?\s*', re.IGNORECASE)


class Guard:
    """ASGI middleware that rejects requests which the page does not send, exceed a limit, or come from other origins.

    Args:
        app: the app that answers.
        access: host names that are served.
        uploads: the folder of uploaded files.
        takes_files: whether the page has an upload form.
        can_sign_in: whether the app has the routes of a sign-in.
    """

    def __init__(
        self, app: ASGIApp, access: Access, uploads: Uploads, takes_files: bool = True, can_sign_in: bool = False
    ) -> None:
        self.app, self.access, self.uploads, self.takes_files = app, access, uploads, takes_files
        self.can_sign_in = can_sign_in
        self.logins = RateLimit(60, 600)
        self.headers = access.headers()
        self.element: int | None = None
        """Number of the element of the page that has the server functions, when the app has started."""
        self.sessions: OrderedDict[str, None] = OrderedDict()
        """Sessions that have sent an event: only they have outcomes to wait for."""
        self.requests = ConcurrencyLimit(per_client=100, total=1_000)
        self.posts = RateLimit(1_200, 60)
        self.joins = RateLimit(60, 600)
        self.uploading = ConcurrencyLimit(per_client=2, total=6)
        self.uploaded = RateLimit(3 * MOST_REQUEST, 3_600)
        self.upload_count = RateLimit(60, 600)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or reject it with a one-line error."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        started = ended = False

        async def read() -> Message:
            nonlocal ended
            message = await receive()
            ended = not message.get("more_body", False)
            return message

        async def finish(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._set_headers(MutableHeaders(scope=message), is_export=scope["path"] in PATHS)
            await send(message)

        try:
            await self._answer(scope, read, finish)
        except RejectedError as rejection:
            with suppress(TimeoutError):  # a client that is still sending would not read the response
                async with asyncio.timeout(LONGEST_DISCARD):
                    while not ended:
                        await read()
            answer = PlainTextResponse(f"{rejection}\n", rejection.status, headers={"Connection": "close"})
            await answer(scope, receive, finish)
        except Exception as error:  # one line, since clients can cause any number of these
            logging.getLogger("uvicorn.error").error("%s", _log_line(scope, error))
            if not started:
                await PlainTextResponse("The server failed to answer this request.\n", 500)(scope, receive, finish)

    def _set_headers(self, headers: MutableHeaders, is_export: bool) -> None:
        """Add the security headers; exports have stricter ones, and only exports may be read by other sites."""
        for name, value in self.headers.items():
            if not is_export or name not in headers:
                headers[name] = value
        if not is_export:
            for name in CROSS_ORIGIN:  # Gradio lets every site read its answers
                del headers[name]

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self.access.check(scope["method"], headers)
        _check_head(headers)
        client = client_of(self.access.client(scope, headers))
        scope = {**scope, "client": (client, 0)}
        with self.requests.slot(client) as fits:
            if not fits:
                raise RejectedError(429, "Too many open requests: close some and try again.")
            if scope["method"] in ("GET", "HEAD"):
                if self.can_sign_in and scope["path"] in (LOGIN, CALLBACK):
                    self._check_login(scope, client)
                else:
                    _check_path(scope["path"])
                self._check_stream(scope)
                await self.app(scope, receive, send)
            elif scope["method"] == "POST":
                await self._post(scope, receive, send, client)
            else:
                raise RejectedError(405, "This method is not served here.")

    def _check_stream(self, scope: Scope) -> None:
        """Check that a session that waits for outcomes has sent an event.

        Raises:
            RejectedError: if it has not.
        """
        session = QueryParams(scope["query_string"]).get("session_hash")
        if scope["path"] == STREAM and session not in self.sessions:
            raise RejectedError(404, "This session has no event.")

    async def _post(self, scope: Scope, receive: Receive, send: Send, client: str) -> None:
        if not self.posts.take(client):
            raise RejectedError(429, "Too many requests per minute: wait, and try again.")
        path, headers = scope["path"], Headers(scope=scope)
        if path in FORM and not self.takes_files:
            raise RejectedError(404, "This page does not accept files.")
        if path == UPLOAD:
            await self._upload(scope, receive, send, client)
            return
        if self.can_sign_in and path == LOGOUT:
            await _read_body(receive, headers, MOST_LOGOUT)
            await _replay(self.app, scope, receive, send, b"")
            return
        if path not in EVENTS:
            raise RejectedError(404, "There is nothing at this address.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise RejectedError(415, "The body must be application/json.")
        body = _parsed(await _read_body(receive, headers, EVENTS[path]))
        if path == "/gradio_api/queue/join":
            body = self._event(body)
            if not self.joins.take(client):
                raise RejectedError(429, "Too many submissions in ten minutes: wait, and try again.")
            self.sessions[str(body["session_hash"])] = None
            if len(self.sessions) > MOST_SESSIONS:
                self.sessions.popitem(last=False)
        elif path == "/gradio_api/component_server/":
            body = _call(body)
            if body["component_id"] != self.element:
                raise RejectedError(404, "The page has no such element.")
        await _replay(self.app, scope, receive, send, json.dumps(body).encode())

    def _check_login(self, scope: Scope, client: str) -> None:
        """Check a request that starts or ends a sign-in.

        Raises:
            RejectedError: if it has no plausible query, or the client sends too many.
        """
        if scope["method"] != "GET" or len(scope["query_string"]) > LONGEST_CALLBACK:
            raise RejectedError(400, "The request is not one of a sign-in.")
        if not self.logins.take(client):
            raise RejectedError(429, f"Too many sign-ins: try again {self.logins.wait(client)}.")

    def _event(self, body: JsonObject) -> dict[str, object]:
        """Return the validated event.

        Raises:
            RejectedError: if the page does not send such an event.
        """
        inputs = body.get("data")
        number = body.get("fn_index")
        if not isinstance(inputs, list) or type(number) is not int or len(inputs) != NUM_INPUTS.get(number):
            raise RejectedError(400, "The request is not an event of the page.")
        if number == CHECK and not _is_form(*inputs):
            raise RejectedError(400, "The request is not an event of the page.")
        trigger = body.get("trigger_id")
        return {
            "session_hash": _session(body),
            "data": self.uploads.inputs(inputs),
            "fn_index": body["fn_index"],
            "trigger_id": trigger if isinstance(trigger, int) else None,
            "event_data": None,
        }

    async def _upload(self, scope: Scope, receive: Receive, send: Send, client: str) -> None:
        headers = Headers(scope=scope)
        multipart = _BOUNDARY.fullmatch(headers.get("content-type", ""))
        length = headers.get("content-length", "")
        if multipart is None or not (length.isascii() and length.isdecimal() and len(length) < 12):
            raise RejectedError(411, "An upload needs a multipart boundary and a Content-Length.")
        if int(length) > MOST_REQUEST:
            raise RejectedError(
                413, f"An upload of {int(length):,} bytes is too large: the limit is {MOST_REQUEST:,} bytes."
            )
        with self.uploading.slot(client) as fits:
            if not fits:
                raise RejectedError(429, "Another upload is running: wait until it ends.")
            if not self.upload_count.take(client) or not self.uploaded.take(client, int(length)):
                raise RejectedError(429, "Too many uploads: try again in an hour.")
            if not await asyncio.to_thread(self.uploads.has_room, int(length)):
                raise RejectedError(503, "The server has no room for uploads right now: try again in an hour.")
            await self.app(scope, _limited(receive, f"--{multipart[1]}".encode()), send)


def _is_form(files: object, name: object) -> bool:
    """Return True if values have the types of the inputs of the form: files or none, and a name."""
    is_list = isinstance(files, list) and all(isinstance(file, dict) for file in files)
    return (files is None or is_list) and (name is None or isinstance(name, str))


def _log_line(scope: Scope, error: Exception) -> str:
    """Return what failed as one line of ASCII, since a path may contain line breaks and escape sequences."""
    return ascii(f"{scope['method']} {scope['path'][:100]}: {error!r}")[1:-1][:500]


def _check_head(headers: Headers) -> None:
    """Check that the headers are few, and that a proxy and this server agree on where the request ends.

    Raises:
        RejectedError: if there are too many, or the request states its length twice, or in two ways.
    """
    size = sum(len(name) + len(value) for name, value in headers.raw)
    if len(headers.raw) > MOST_HEADERS or size > LARGEST_HEAD:
        raise RejectedError(431, "The request has too many headers.")
    lengths, codings = headers.getlist("content-length"), headers.getlist("transfer-encoding")
    if len(lengths) + len(codings) > 1 or any(coding.strip().lower() != "chunked" for coding in codings):
        raise RejectedError(400, "The request states its length in two ways.")


def _check_path(path: str) -> None:
    """Check that the page requests this address.

    Raises:
        RejectedError: if it does not.
    """
    if path not in (*PAGES, *STREAMS, *PATHS) and not path.startswith(FOLDERS):
        raise RejectedError(404, "There is nothing at this address.")


def _session(body: JsonObject) -> str:
    session = body.get("session_hash")
    if not isinstance(session, str) or not _SESSION.fullmatch(session):
        raise RejectedError(400, "The request has no valid session.")
    return session


def _call(body: JsonObject) -> dict[str, object]:
    """Return the validated call of a server function.

    Raises:
        RejectedError: if the page has no such function.
    """
    if body.get("fn_name") not in FUNCTIONS or not isinstance(body.get("component_id"), int):
        raise RejectedError(404, "The page has no such function.")
    return {
        "fn_name": body["fn_name"],
        "component_id": body["component_id"],
        "session_hash": _session(body),
        "data": body.get("data"),
    }


def _parsed(body: bytes) -> JsonObject:
    """Parse a JSON object, without NaN and infinities.

    Raises:
        RejectedError: if it is invalid.
    """
    try:
        value = json.loads(body, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise RejectedError(400, "The body is not JSON.") from error
    if not isinstance(value, dict):
        raise RejectedError(400, "The body is not a JSON object.")
    return value


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(name)


async def _read_body(receive: Receive, headers: Headers, most: int) -> bytes:
    """Read a body of at most `most` bytes.

    Raises:
        RejectedError: if it is too large or too slow.
    """
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 12 or int(length) > most:
        raise RejectedError(413, f"The body is too large: the limit is {most:,} bytes.")
    parts: list[bytes] = []
    size, incomplete = 0, True
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            while incomplete:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RejectedError(400, "The request ended before its body did.")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                incomplete = message.get("more_body", False)
                if size > most:
                    raise RejectedError(413, f"The body is too large: the limit is {most:,} bytes.")
    except TimeoutError as error:
        raise RejectedError(408, "The body did not arrive in time.") from error
    return b"".join(parts)


async def _replay(app: ASGIApp, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
    """Answer a request with a replaced body."""
    dropped = (b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    length = (b"content-length", str(len(body)).encode())
    await app({**scope, "headers": [*headers, length]}, receive_again, send)


def _limited(receive: Receive, delimiter: bytes) -> Receive:
    """Return a `receive` that stops an upload with too many parts or bytes, or one that takes too long.

    Gradio's parser deletes the files of an upload if it raises MultiPartException.
    """
    num_bytes = num_parts = 0
    tail = b""
    end = asyncio.get_running_loop().time() + SLOWEST_UPLOAD

    async def read() -> Message:
        nonlocal tail, num_bytes, num_parts
        try:
            async with asyncio.timeout_at(min(end, asyncio.get_running_loop().time() + SLOWEST_PART)):
                message = await receive()
        except TimeoutError as error:
            raise MultiPartException("The upload took too long.") from error
        if message["type"] == "http.disconnect":
            raise MultiPartException("The upload was broken off.")
        window = tail + message.get("body", b"")
        tail = window[max(0, len(window) - len(delimiter) + 1) :]
        num_bytes += len(message.get("body", b""))
        num_parts += window.count(delimiter)
        if num_parts > MOST_FILES + 1:
            raise MultiPartException(f"An upload has at most {MOST_FILES} files.")
        if num_bytes > MOST_REQUEST:
            raise MultiPartException(f"File size exceeded maximum allowed size of {MOST_REQUEST} bytes.")
        return message

    return read
