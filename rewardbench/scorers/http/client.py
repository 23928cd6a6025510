"""Send requests to the server of a reward model, with retries, a timeout and a limit on the size of answers."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

import httpx

from rewardbench.errors import InputError
from rewardbench.scorers.judge.transport.connection import MAX_RESPONSE, find_key, is_loopback, redact
from rewardbench.scorers.judge.transport.throttle import LONGEST_WAIT, retry_after
from rewardbench.settings import Endpoint

LONGEST_MESSAGE = 240
"""Maximum characters of a server's error message."""
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which a request is sent again."""
MOST_RETRIES_OF_500 = 2
"""Retries after status 500, which is often the fault of one text of a batch."""
FIRST_DELAY = 0.25
"""Seconds before the first retry, doubled after each; Retry-After takes precedence."""


class ServerRefusal(InputError):
    """The server answered with an error status that is the fault of the request, or of a text in it."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class ServerUnreachable(InputError):
    """No answer came, also after retries: no connection, no answer in time, a broken connection, or an overload."""


@dataclass(frozen=True)
class ServerAnswer:
    """A JSON answer with its headers."""

    content: object
    headers: Mapping[str, str]


class ServerClient:
    """Client of one server; the connections belong to the event loop in which they were opened.

    Redirects are not followed, so that the key reaches no other host. The key is left out of every message.

    Args:
        endpoint: address, key, timeout and retries.

    Raises:
        InputError: if the address is invalid, the key is missing, or an option does not apply to reward models.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.root = endpoint.base_url.rstrip("/").removesuffix("/v1")
        try:
            has_host = bool(httpx.URL(self.root).host)
        except (httpx.InvalidURL, UnicodeError):  # a host that IDNA does not allow
            has_host = False
        if not has_host:
            raise InputError("--base_url is not a valid address: pass one such as http://127.0.0.1:8000.")
        for name in ("requests_per_minute", "tokens_per_minute", "max_cost", "max_requests"):
            if getattr(endpoint, name) is not None:
                raise InputError(f"{name} applies to judges, and this is a reward model behind a server: leave it out.")
        self._key, name = find_key(endpoint), endpoint.api_key_env
        if name != Endpoint.api_key_env and not self._key:
            raise InputError(f"--api_key_env names {name}, and that environment variable is not set or empty.")
        self._clients: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}
        self._slots: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}
        self.requests = self.retries = 0
        self.has_answered = False

    def _client(self) -> httpx.AsyncClient:
        """Return the client of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = httpx.AsyncClient(
                headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
                timeout=self.endpoint.timeout,
                limits=httpx.Limits(max_connections=None),
                follow_redirects=False,
                trust_env=not is_loopback(self.root),  # proxies of the environment
                verify=tls_context() if self.root.startswith("https") else False,
            )
        return self._clients[loop]

    def _slot(self) -> asyncio.Semaphore:
        """Return the semaphore that limits the requests in flight in the running event loop."""
        return self._slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.endpoint.max_concurrency))

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        loop = asyncio.get_running_loop()
        self._slots.pop(loop, None)
        client = self._clients.pop(loop, None)
        if client:
            await client.aclose()

    async def find(self, path: str) -> object:
        """Return the JSON answer of a GET request that servers need not support; None if there is none.

        Raises:
            ServerUnreachable: if no answer comes.
        """
        try:
            return (await self._send("GET", path, None)).content
        except ServerUnreachable:
            raise
        except InputError:
            return None

    async def post(self, path: str, body: Mapping[str, object]) -> ServerAnswer:
        """Send a request, and send it again after transient errors.

        Raises:
            ServerRefusal: if the server answers with an error.
            ServerUnreachable: if no answer comes, or the server is overloaded, also after retries.
            InputError: if the answer is not JSON, too large, or a redirect, or if the key is missing or wrong.
        """
        delay, retries = FIRST_DELAY, 0
        while True:
            wait = None
            try:
                return await self._send("POST", path, body)
            except ServerUnreachable as failure:
                if retries >= self.endpoint.max_retries or (
                    isinstance(failure, _ConnectError) and not self.has_answered
                ):
                    raise
            except _TransientError as failure:
                is_internal_error = failure.status == HTTPStatus.INTERNAL_SERVER_ERROR
                most = min(MOST_RETRIES_OF_500, self.endpoint.max_retries)
                if is_internal_error and retries >= most:
                    raise
                if retries >= self.endpoint.max_retries:
                    raise ServerUnreachable(f"{failure} (after {retries} retries).") from None
                wait = failure.retry_after
            await asyncio.sleep(delay * (0.5 + random.random() / 2) if wait is None else wait)
            delay = min(LONGEST_WAIT, 2 * delay)
            retries += 1
            self.retries += 1

    async def _send(self, method: str, path: str, body: Mapping[str, object] | None) -> ServerAnswer:
        """Send one request within the timeout, which also covers a server that sends its answer in small parts."""
        self.requests += 1
        url = self.root + path
        try:
            async with self._slot(), asyncio.timeout(self.endpoint.timeout):
                request = self._client().build_request(method, url, json=body)
                response = await self._client().send(request, stream=True)
                try:
                    data = await self._read(response, url)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            raise ServerUnreachable(
                f"{url} did not answer within {self.endpoint.timeout:g} seconds: raise --timeout, or lower "
                "--max_concurrency."
            ) from None
        except httpx.ConnectError as error:
            raise _ConnectError(
                f"No server answers at {self.root} ({self._clean(str(error))}): is it running, and is --base_url right?"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerUnreachable(
                f"The connection to {url} failed: {self._clean(str(error)) or type(error).__name__}."
            ) from None
        self.has_answered = True
        return self._parse(response, data, url)

    async def _read(self, response: httpx.Response, url: str) -> bytes:
        """Read an answer up to the largest accepted size."""
        data = bytearray()
        async for chunk in response.aiter_bytes():
            data += chunk
            if len(data) > MAX_RESPONSE:
                raise InputError(f"The answer of {url} exceeds {MAX_RESPONSE >> 20} MiB, so it holds no scores.")
        return bytes(data)

    def _parse(self, response: httpx.Response, data: bytes, url: str) -> ServerAnswer:
        """Return a JSON answer; an error in a body with status 200 counts as the error that it names."""
        status = response.status_code
        if response.is_redirect:
            target = self._clean(response.headers.get("location", "another address"))
            raise InputError(f"{url} redirects to {target}: pass the address of the server itself as --base_url.")
        try:
            content: object = json.loads(data)
        except (ValueError, RecursionError):
            content = None
        message = self._clean(error_message(content, status >= HTTPStatus.BAD_REQUEST))
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise InputError(
                f"{self.root} rejects the key ({status}): set {self.endpoint.api_key_env} to the key "
                "of the server, or name the variable by --api_key_env."
            )
        if status in RETRIED:
            raise _TransientError(
                f"{url} answers {status}: {message or 'no message'}", status, retry_after(response.headers)
            )
        if not response.is_success:
            raise ServerRefusal(f"{url} answers {status}: {message or 'no message'}", status)
        if content is None:
            kind = response.headers.get("content-type", "").partition(";")[0] or "no content type"
            raise InputError(
                f"{url} answers with {self._clean(kind)}, which is not JSON: check --base_url and --dialect."
            )
        if message:
            raise ServerRefusal(f"{url} answers: {message}", HTTPStatus.BAD_REQUEST)
        return ServerAnswer(content, response.headers)

    def _clean(self, text: str) -> str:
        """Return the beginning of a server's text on one line, without the key."""
        line = " ".join(redact(text, self._key).split())
        return (line[:LONGEST_MESSAGE] + "…" if len(line) > LONGEST_MESSAGE else line).rstrip(".")


class _TransientError(ServerRefusal):
    """An error status after which a request is sent again, with the seconds that the server asks to wait."""

    def __init__(self, sentence: str, status: int, retry_after: float | None) -> None:
        super().__init__(sentence, status)
        self.retry_after = retry_after


class _ConnectError(ServerUnreachable):
    """Nothing listens at the address."""


@cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS settings of this process; loading the certificates takes a while."""
    return ssl.create_default_context()


def error_message(content: object, is_error: bool) -> str:
    """Return the error message in a JSON answer; empty if it holds none.

    Args:
        content: the JSON answer.
        is_error: whether the status says that it is an error; then fields that other answers have too are read.

    >>> error_message({"error": {"message": "too long"}}, False), error_message({"object": "list", "data": []}, False)
    ('too long', '')
    """
    if not isinstance(content, dict):
        return str(content) if is_error and content is not None else ""
    error = content.get("error")
    if isinstance(error, dict):
        error = error.get("message") or error
    if error:
        return str(error)
    if is_error or content.get("object") == "error":
        return str(content.get("message") or content.get("detail") or "an error without a message")
    return ""
