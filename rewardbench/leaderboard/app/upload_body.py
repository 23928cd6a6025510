"""Pass the body of an upload to Gradio while it arrives, within limits, and report its progress to the page."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rewardbench.leaderboard.app.multipart import MultipartWriter, boundary_of
from rewardbench.leaderboard.app.uploads import MOST_REQUEST, RejectedError

SLOWEST_UPLOAD = 120.0
"""Seconds within which an upload must arrive."""
SLOWEST_PART = 15.0
"""Seconds within which its next bytes must arrive, so that a silent client does not occupy a place."""
LONGEST_WAIT = 3.0
"""Seconds that a request for the progress waits for the upload to begin."""
PAUSE = 0.2
"""Seconds between two reports of progress."""
MOST_TRACKED = 100
"""Uploads whose progress can be asked for: those in progress, and the last ones that ended."""


class UploadBody:
    """Body of an upload: limited in size and time, and written again for Gradio.

    Args:
        receive: returns the next message of the client.
        headers: headers of the request.

    Raises:
        RejectedError: if the headers are not those of an upload.
    """

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self.length = _length_of(headers)
        self.rejection: RejectedError | None = None
        """Why the body was rejected."""
        self.received: Counter[str] = Counter()
        """Bytes of each file that no report of progress has counted yet."""
        self.has_ended = False
        """Whether nothing more of it is read."""
        self._receive = receive
        self._writer = MultipartWriter(boundary_of(headers.get("content-type", "")))
        self._end = asyncio.get_running_loop().time() + SLOWEST_UPLOAD
        self._num_bytes = 0
        self._is_complete = False

    async def forward(self, app: ASGIApp, scope: Scope, send: Send) -> None:
        """Let an app read the body, and send its response.

        Raises:
            RejectedError: if the body is malformed, too large or too slow.
        """

        async def send_unless_rejected(message: Message) -> None:
            if self.rejection is None:
                await send(message)

        headers = MutableHeaders(raw=list(scope["headers"]))
        headers["content-type"] = f"multipart/form-data; boundary={self._writer.boundary}"
        del headers["content-length"]
        await app({**scope, "headers": headers.raw, "query_string": b""}, self._read, send_unless_rejected)
        if self.rejection:
            raise self.rejection

    async def _read(self) -> Message:
        """Return the next message for the app.

        Raises:
            MultiPartException: if the body is rejected: Gradio's parser then deletes its files.
        """
        if self._is_complete:
            return await self._receive()
        try:
            return await self._rewrite()
        except RejectedError as error:
            self.rejection = error
            raise MultiPartException(str(error)) from error

    async def _rewrite(self) -> Message:
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(self._end, now + SLOWEST_PART)):
                message = await self._receive()
        except TimeoutError as error:
            raise RejectedError(408, "The upload took too long.") from error
        if message["type"] == "http.disconnect":
            raise RejectedError(400, "The upload was broken off.")
        data = message.get("body", b"")
        self._num_bytes += len(data)
        if self._num_bytes > MOST_REQUEST:
            raise RejectedError(413, f"The upload is too large: the limit is {MOST_REQUEST:,} bytes.")
        written = self._writer.feed(data)
        if self._writer.names:
            self.received[self._writer.names[-1]] += len(data)
        if not message.get("more_body", False):
            self._writer.finish()
            self._is_complete = True
        return {**message, "body": written}


def _length_of(headers: Headers) -> int:
    """Return the size that the client states, in bytes.

    Raises:
        RejectedError: if it states none, or one that is too large.
    """
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal() and len(length) < 12):
        raise RejectedError(411, "An upload needs a Content-Length.")
    if int(length) > MOST_REQUEST:
        raise RejectedError(
            413, f"An upload of {int(length):,} bytes is too large: the limit is {MOST_REQUEST:,} bytes."
        )
    return int(length)


class UploadProgress:
    """Uploads in progress by the id that the page gives them. Gradio's own list of them only grows."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[str, UploadBody] = OrderedDict()
        self._watched: set[str] = set()

    @contextmanager
    def track(self, name: str, body: UploadBody) -> Iterator[None]:
        """Context manager: report the progress of an upload under a name while it arrives."""
        self._bodies[name] = body
        self._bodies.move_to_end(name)
        if len(self._bodies) > MOST_TRACKED:
            self._bodies.popitem(last=False)
        try:
            yield
        finally:
            body.has_ended = True

    async def report(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with the progress of an upload, as a stream of events.

        Raises:
            RejectedError: if there is no such upload, or its progress is reported already.
        """
        end = time.monotonic() + LONGEST_WAIT
        while name not in self._bodies and time.monotonic() < end:
            await asyncio.sleep(PAUSE)
        if name not in self._bodies or name in self._watched:
            raise RejectedError(404, "There is no such upload.")
        self._watched.add(name)
        try:
            answer = StreamingResponse(_events(self._bodies[name]), media_type="text/event-stream")
            await answer(scope, receive, send)
        finally:
            self._watched.discard(name)


async def _events(body: UploadBody) -> AsyncIterator[str]:
    """Yield the events of a stream until the upload has ended."""
    is_last = False
    while not is_last:
        is_last = body.has_ended
        for name in list(body.received):
            message = {"msg": "update", "orig_name": name, "chunk_size": body.received.pop(name)}
            yield f"data: {json.dumps(message)}\n\n"
        if not is_last:
            await asyncio.sleep(PAUSE)
    yield 'data: {"msg": "done"}\n\n'
