"""Send one request to a server over the openai package, return errors as values, and redact keys."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rewardbench.errors import InputError
from rewardbench.scorers.judge.answers import Answer
from rewardbench.settings import Endpoint

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PATH = "/chat/completions"
CONNECT_SECONDS = 20.0
"""Time until a host that does not react counts as unreachable."""
SECRETS = re.compile(r"(?i)\bbearer\s+\S+|\b(?:sk|pk|hf|gsk|xai)[-_][\w*.-]{8,}|(?<=://)[^/\s@]+@|(?<=key=)[^&\s]+")
"""What looks like a key in a message of a server."""
MAX_RESPONSE = 2**26
"""Maximum bytes of a response; an answer of 50,000 tokens with 20 logprobs each fits."""
MIN_KEY = 8
"""Minimum characters of a key; a shorter one is a placeholder, and occurs in texts by chance."""


class ResponseTooLarge(Exception):
    """A response exceeds `MAX_RESPONSE`."""


@dataclass(frozen=True)
class ServerResponse:
    """Response to one request; the text may contain the key."""

    status: int = 0
    """HTTP status; 0 if there was no response."""
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    """Type of the error if there was no response: timeout, ConnectError, ConnectTimeout, ReadError, …"""


def is_loopback(url: str) -> bool:
    """Return True if an address is on this machine."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1", "0.0.0.0") or host.startswith("127.")


def describe_server(url: str) -> str:
    """Return host and path of an address; "local" in place of a host on this machine, where ports change.

    >>> describe_server("http://127.0.0.1:8000/v1/"), describe_server("https://host:8443/v1")
    ('local/v1', 'host:8443/v1')
    """
    parts = urlsplit(url)
    host = "local" if is_loopback(url) else parts.netloc.lower()
    return f"{host}{parts.path.rstrip('/')}"


def find_key(endpoint: Endpoint) -> str:
    """Return the key from the environment; empty if there is none.

    Raises:
        InputError: if it cannot be sent.
    """
    key = os.environ.get(endpoint.api_key_env, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"The key in {endpoint.api_key_env} cannot be sent: it has characters that no key has.")
    return key


def redact(text: str, key: str) -> str:
    """Return a text without the key, and without what looks like one."""
    return SECRETS.sub("[key]", text if len(key) < MIN_KEY else text.replace(key, "[key]"))


def read_key(endpoint: Endpoint) -> str:
    """Return the key from the environment; "none" if there is none and the server is on this machine.

    Raises:
        InputError: if there is no key, or it cannot be sent.
    """
    key = find_key(endpoint)
    if not key and is_loopback(endpoint.base_url):
        return "none"
    if not key:
        raise InputError(
            f"No key for {endpoint.base_url}: set the environment variable {endpoint.api_key_env} (to any text if the "
            "server needs none), or name another with --api_key_env."
        )
    return key


class Connection:
    """The connections to one server. They are opened at the first request, in the event loop that sends it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._key = read_key(endpoint)
        self._client: AsyncOpenAI | None = None

    def __repr__(self) -> str:
        return f"Connection({self._endpoint.base_url!r})"

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def send(self, content: bytes) -> ServerResponse:
        """Send the body of a request, and wait for the whole response, for `timeout` seconds at most."""
        from openai import APIConnectionError, APIStatusError

        try:
            async with asyncio.timeout(self._endpoint.timeout):
                return ServerResponse(200, await self._read(content))
        except APIStatusError as error:
            return ServerResponse(error.status_code, error.response.text, error.response.headers)
        except Exception as error:  # of openai, the address, a socket or a decoder: they fail one request
            cause = type(error.__cause__ or error if isinstance(error, APIConnectionError) else error).__name__
            is_timeout = "Timeout" in cause and cause != "ConnectTimeout"
            return ServerResponse(error="timeout" if is_timeout else cause)

    async def _read(self, content: bytes) -> str:
        """Return the body of a response with status 200, which is read up to `MAX_RESPONSE`."""
        from openai import AsyncStream

        stream = await self._open().post(
            PATH,
            cast_to=object,
            content=content,
            stream=True,
            stream_cls=AsyncStream[object],
        )
        data = bytearray()
        async with stream:
            async for chunk in stream.response.aiter_bytes():
                data += chunk
                if len(data) > MAX_RESPONSE:
                    raise ResponseTooLarge
        return data.decode("utf-8", "replace")

    def redact(self, text: str) -> str:
        """Return a text without the key, and without what looks like one."""
        return redact(text, self._key)

    def clean(self, answer: Answer) -> Answer:
        """Return an answer without the key, which JSON can write in several ways."""
        key, text = json.dumps(self._key)[1:-1], json.dumps(answer.to_json())
        if len(self._key) < MIN_KEY or key not in text:
            return answer
        return Answer.from_json(json.loads(text.replace(key, "[key]")))

    def _open(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

            url, timeout = self._endpoint.base_url, self._endpoint.timeout
            http_client = DefaultAsyncHttpxClient(
                timeout=Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
                follow_redirects=False,  # the texts would reach another server
                trust_env=not is_loopback(url),  # a proxy does not reach this machine
                verify=url.startswith("https"),  # loading the certificates takes longer than a request
            )
            self._client = AsyncOpenAI(api_key=self._key, base_url=url, max_retries=0, http_client=http_client)
        return self._client
