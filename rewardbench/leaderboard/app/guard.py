"""Reject bad requests before Gradio sees them, and set the headers of every response.

Only requests that the page itself sends are served; the rest of Gradio's interface is closed. Bodies of events are
parsed, checked and re-serialized here, so that Gradio reads exactly what was checked.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rewardbench.leaderboard.app.access import Access
from rewardbench.leaderboard.app.event_bodies import (
    CHECK,
    NUM_INPUTS,
    SESSION,
    check_call,
    check_cancellation,
    is_form,
    parse_body,
    read_body,
    replay,
    session_of,
)
from rewardbench.leaderboard.app.exports import PATHS
from rewardbench.leaderboard.app.limits import ConcurrencyLimit, RateLimit, Turns, client_of
from rewardbench.leaderboard.app.sign_in import CALLBACK, LOGIN, LOGOUT
from rewardbench.leaderboard.app.upload_body import UploadBody, UploadProgress
from rewardbench.leaderboard.app.uploads import MOST_REQUEST, RejectedError, Uploads
from rewardbench.results import JsonObject

PAGES = (
    *("/", "/config", "/theme.css", "/favicon.ico", "/icon.svg", "/social-card.png", "/robots.txt", "/manifest.json"),
    *("/gradio_api/theme.css", "/gradio_api/app_id"),
)
QUEUE, PROGRESS, HEARTBEAT = "/gradio_api/queue/data", "/gradio_api/upload_progress", "/gradio_api/heartbeat/"
"""Addresses of streams: outcomes of events, progress of an upload, and one that ends when the visitor leaves."""
MOST_SESSIONS = 10_000
FOLDERS = ("/assets/", "/static/")
UPLOAD = "/gradio_api/upload"
EVENTS = {"/gradio_api/queue/join": 2**16, "/gradio_api/component_server/": 2**19, "/gradio_api/cancel": 2**12}
"""Paths that events are posted to, with the maximum body size in bytes."""
FORM = (UPLOAD, "/gradio_api/queue/join")
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
LONGEST_DISCARD = 5.0
"""Seconds for reading and discarding what remains of a rejected body."""


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
        self.streams = ConcurrencyLimit(per_client=60, total=800)
        """Streams stay open, and must not occupy the places of other requests."""
        self.turns = Turns(6)
        self.progress = UploadProgress()
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
            headers = {"Connection": "close", **({"Allow": "GET, HEAD, POST"} if rejection.status == 405 else {})}
            answer = PlainTextResponse(f"{rejection}\n", rejection.status, headers)
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
            if headers.get("content-type", "").startswith(("text/html", "application/json")):
                headers.setdefault("cache-control", "private, no-cache")  # it may depend on the host name of a proxy

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self.access.check(scope["method"], headers)
        _check_head(headers)
        client = client_of(self.access.client(scope, headers))
        scope = {**scope, "client": (client, 0), "headers": list(_trusted(headers))}
        limit = self.streams if _is_stream(scope["path"]) else self.requests
        with limit.slot(client) as fits:
            if not fits:
                raise RejectedError(429, "Too many open requests: close some and try again.")
            if scope["method"] in ("GET", "HEAD"):
                await self._get(scope, receive, send, client)
            elif scope["method"] == "POST":
                await self._post(scope, receive, send, client)
            else:
                raise RejectedError(405, "This method is not served here.")

    async def _get(self, scope: Scope, receive: Receive, send: Send, client: str) -> None:
        path = scope["path"]
        if self.can_sign_in and path in (LOGIN, CALLBACK):
            self._check_login(scope, client)
        elif not _is_stream(path):
            _check_path(path)
            async with self.turns.turn(client):
                await self.app(scope, receive, send)
            return
        elif scope["method"] == "HEAD":
            raise RejectedError(405, "A stream is only served to GET.")
        elif path == PROGRESS:
            await self.progress.report(_parameter(scope, "upload_id"), scope, receive, send)
            return
        elif path == QUEUE:
            session = _parameter(scope, "session_hash")
            if session not in self.sessions:
                raise RejectedError(404, "This session has no event.")
            scope["query_string"] = f"session_hash={session}".encode()
        elif not SESSION.fullmatch(path.removeprefix(HEARTBEAT)):
            raise RejectedError(404, "There is no such session.")
        await self.app(scope, receive, send)

    async def _post(self, scope: Scope, receive: Receive, send: Send, client: str) -> None:
        if not self.posts.take(client):
            raise RejectedError(429, "Too many requests per minute: wait, and try again.")
        path, headers = scope["path"], Headers(scope=scope)
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise RejectedError(415, "The body must not be compressed.")
        if path in FORM and not self.takes_files:
            raise RejectedError(404, "This page does not accept files.")
        if path == UPLOAD:
            await self._upload(scope, receive, send, client)
            return
        if self.can_sign_in and path == LOGOUT:
            await read_body(receive, headers, MOST_LOGOUT)
            await replay(self.app, scope, receive, send, b"")
            return
        if path not in EVENTS:
            raise RejectedError(404, "There is nothing at this address.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise RejectedError(415, "The body must be application/json.")
        body = parse_body(await read_body(receive, headers, EVENTS[path]))
        if path == "/gradio_api/queue/join":
            body = self._event(body)
            if not self.joins.take(client):
                raise RejectedError(429, "Too many submissions in ten minutes: wait, and try again.")
            self.sessions[str(body["session_hash"])] = None
            if len(self.sessions) > MOST_SESSIONS:
                self.sessions.popitem(last=False)
        elif path == "/gradio_api/component_server/":
            body = check_call(body)
            if body["component_id"] != self.element:
                raise RejectedError(404, "The page has no such element.")
        else:
            body = check_cancellation(body)
        async with self.turns.turn(client):
            await replay(self.app, scope, receive, send, json.dumps(body).encode())

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
        if number == CHECK and not is_form(*inputs):
            raise RejectedError(400, "The request is not an event of the page.")
        trigger = body.get("trigger_id")
        return {
            "session_hash": session_of(body),
            "data": self.uploads.inputs(inputs),
            "fn_index": body["fn_index"],
            "trigger_id": trigger if isinstance(trigger, int) else None,
            "event_data": None,
        }

    async def _upload(self, scope: Scope, receive: Receive, send: Send, client: str) -> None:
        body = UploadBody(receive, Headers(scope=scope))
        name = _parameter(scope, "upload_id") if scope["query_string"] else ""
        with self.uploading.slot(client) as fits:
            if not fits:
                raise RejectedError(429, "Another upload is running: wait until it ends.")
            if not self.upload_count.take(client) or not self.uploaded.take(client, body.length):
                raise RejectedError(429, "Too many uploads: try again in an hour.")
            if not await asyncio.to_thread(self.uploads.has_room, body.length):
                raise RejectedError(503, "The server has no room for uploads right now: try again in an hour.")
            with self.progress.track(name, body):
                await body.forward(self.app, scope, send)


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


def _trusted(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    """Yield the headers that apps may read: Gradio would take its own address from `X-Gradio-Server`, for example."""
    for name, value in headers.raw:
        if name == b"x-forwarded-proto":
            scheme = value.partition(b",")[0].strip().lower()
            if scheme in (b"http", b"https"):
                yield name, scheme
        elif name == b"x-forwarded-host" or not name.startswith(b"x-"):
            yield name, value


def _is_stream(path: str) -> bool:
    return path in (QUEUE, PROGRESS) or path.startswith(HEARTBEAT)


def _parameter(scope: Scope, name: str) -> str:
    """Return a parameter of the address that names a session or an upload.

    Raises:
        RejectedError: if it is missing, repeated, or no such name.
    """
    values = QueryParams(scope["query_string"]).getlist(name)
    if len(values) != 1 or not SESSION.fullmatch(values[0]):
        raise RejectedError(400, f"The address has no valid {name}.")
    return values[0]


def _check_path(path: str) -> None:
    """Check that the page requests this address.

    Raises:
        RejectedError: if it does not.
    """
    if path not in (*PAGES, *PATHS) and not path.startswith(FOLDERS):
        raise RejectedError(404, "There is nothing at this address.")
