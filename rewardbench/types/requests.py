"""Requests: what one call of a scorer reads, as token ids or as text."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import ClassVar

from rewardbench.types.items import Messages


@dataclass(frozen=True)
class Rendering:
    """A conversation rendered by the template."""

    text: str
    messages: Messages
    """The messages as passed to the template, which may have no system message."""
    notes: tuple[str, ...] = ()
    """What was repaired or omitted, as in `TokenRequest.notes`."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenRequest:
    """One completion in its context, as token ids; `len()` is the number of tokens.

    `ids[start:end]` are the tokens of the completion; `dropped` tokens were truncated. Two requests are equal if they
    have the same ids and the same span.
    """

    text: str
    completion: str
    ids: array[int] = field(default_factory=lambda: array("i"))
    """Any sequence of integers; stored as 32-bit integers to save memory."""
    start: int = 0
    end: int = 0
    dropped: int = 0
    pooled_token: str = ""
    """The token whose hidden state is scored, for the manifest; empty for scorers that do not pool."""
    notes: tuple[str, ...] = ()
    """What `prepare` repaired or omitted, one sentence each, for the manifest; see `engine.notes`."""
    positions: tuple[int, ...] = ()
    """Tokens at which scores are read, for scorers that cannot find them by their ids."""
    key: bytes = field(init=False, repr=False)
    """16 bytes that identify ids, span and positions, the same on every machine and in every process."""

    def __post_init__(self) -> None:
        ids = array("i", self.ids)
        object.__setattr__(self, "ids", ids)
        span = f"{self.start} {self.end} {len(ids)} {self.positions or ''}".encode()
        object.__setattr__(self, "key", blake2b(span + ids.tobytes(), digest_size=16).digest())

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenRequest) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def sort_key(self) -> tuple[array[int], str, str]:
        """Return the sort key of requests that have the same length."""
        return self.ids, self.text, self.completion

    def encode(self) -> bytes:
        """Serialize the request for another process."""
        fields = [self.text, self.completion, self.start, self.end, self.dropped, self.pooled_token, self.notes]
        return json.dumps(["tokens", *fields, self.positions]).encode() + b"\n" + self.ids.tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class TextRequest:
    """Completions in their context, as text: one (pointwise scorers), two (pairwise) or all (listwise).

    `len()` is 0, since no tokens are counted. Two requests are equal if they have the same texts and messages.
    """

    text: str
    """The whole model input; results record it."""
    completions: tuple[str, ...]
    """The completions, in the order shown."""
    messages: Messages = ()
    """The conversation, for scorers that render it themselves (a server, a judge)."""
    notes: tuple[str, ...] = ()
    """What `prepare` repaired or omitted, one sentence each, for the manifest; see `engine.notes`."""
    key: bytes = field(init=False, repr=False)
    """16 bytes that identify texts and messages, the same on every machine and in every process."""

    dropped: ClassVar[int] = 0
    pooled_token: ClassVar[str] = ""

    def __post_init__(self) -> None:
        content = json.dumps(["text", self.text, self.completions, self.messages]).encode() + b"\n"
        object.__setattr__(self, "key", blake2b(content, digest_size=16).digest())

    def __len__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextRequest) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def sort_key(self) -> tuple[str, tuple[str, ...]]:
        """Return the sort key of requests, which all have the same length."""
        return self.text, self.completions

    def encode(self) -> bytes:
        """Serialize the request for another process."""
        return json.dumps(["text", self.text, self.completions, self.messages, self.notes]).encode() + b"\n"


Request = TokenRequest | TextRequest
"""The input of one call of a scorer; all requests of a scorer are of one type."""


def decode_request(data: bytes) -> Request:
    """Deserialize a request, the inverse of `encode`.

    >>> request = TokenRequest("Hi", "i", (7, 8), 1, 2)
    >>> decode_request(request.encode()) == request
    True
    """
    header, _, ids = data.partition(b"\n")  # JSON escapes line breaks
    kind, text, *values = json.loads(header)
    if kind == "text":
        completions, messages, notes = values
        return TextRequest(text, tuple(completions), tuple(messages), tuple(notes))
    completion, start, end, dropped, token, notes, positions = values
    return TokenRequest(text, completion, array("i", ids), start, end, dropped, token, tuple(notes), tuple(positions))
