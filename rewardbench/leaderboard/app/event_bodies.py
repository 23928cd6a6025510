"""Read the bodies of events, and check that the page sends such events; they are re-serialized for Gradio."""

from __future__ import annotations

import asyncio
import json
import math
import re
from typing import NoReturn

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rewardbench.leaderboard.app.uploads import RejectedError
from rewardbench.results import JsonObject

CHECK, SUBMIT = 0, 1
NUM_INPUTS = {CHECK: 2, SUBMIT: 1}
"""Number of inputs of the events of the form."""
FUNCTIONS = ("see", "copy")
"""Server functions that the page calls."""
SLOWEST_BODY = 20.0
"""Seconds within which the body of an event must arrive."""
SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Names of sessions, events and uploads."""
DEEPEST = 8
"""Levels of lists and objects in a body."""


async def read_body(receive: Receive, headers: Headers, most: int) -> bytes:
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


def parse_body(body: bytes) -> JsonObject:
    """Parse a JSON object of finite numbers and valid Unicode that is not deeply nested.

    Raises:
        RejectedError: if it is invalid.
    """
    try:
        value = json.loads(body, parse_constant=_reject_constant, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # also of lone surrogates
        raise RejectedError(400, "The body is not JSON.") from error
    if not isinstance(value, dict):
        raise RejectedError(400, "The body is not a JSON object.")
    _check_depth(value)
    return value


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(digits)
    return number


def _check_depth(value: object, depth: int = 0) -> None:
    """Check that a value is not deeply nested, since Gradio walks through it recursively.

    Raises:
        RejectedError: if it is.
    """
    if depth > DEEPEST:
        raise RejectedError(400, "The body is nested too deeply.")
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, depth + 1)


def session_of(body: JsonObject) -> str:
    """Return the session that an event names.

    Raises:
        RejectedError: if it names none.
    """
    session = body.get("session_hash")
    if not isinstance(session, str) or not SESSION.fullmatch(session):
        raise RejectedError(400, "The request has no valid session.")
    return session


def check_call(body: JsonObject) -> dict[str, object]:
    """Return the validated call of a server function.

    Raises:
        RejectedError: if the page has no such function.
    """
    if body.get("fn_name") not in FUNCTIONS or not isinstance(body.get("component_id"), int):
        raise RejectedError(404, "The page has no such function.")
    return {
        "fn_name": body["fn_name"],
        "component_id": body["component_id"],
        "session_hash": session_of(body),
        "data": body.get("data"),
    }


def check_cancellation(body: JsonObject) -> dict[str, object]:
    """Return the validated request to cancel an event.

    Raises:
        RejectedError: if the page sends no such request.
    """
    event, number = body.get("event_id"), body.get("fn_index")
    if not isinstance(event, str) or not SESSION.fullmatch(event) or type(number) is not int:
        raise RejectedError(400, "The request cancels no event of the page.")
    return {"session_hash": session_of(body), "event_id": event, "fn_index": number}


def is_form(files: object, name: object) -> bool:
    """Return True if values have the types of the inputs of the form: files or none, and a name."""
    is_list = isinstance(files, list) and all(isinstance(file, dict) for file in files)
    return (files is None or is_list) and (name is None or isinstance(name, str))


async def replay(app: ASGIApp, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
    """Answer a request with a replaced body."""
    dropped = (b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    length = (b"content-length", str(len(body)).encode())
    await app({**scope, "headers": [*headers, length], "query_string": b""}, receive_again, send)
