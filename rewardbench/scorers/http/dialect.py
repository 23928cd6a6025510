"""What an HTTP dialect of reward-model servers defines, and `ScoringRoute`, which sends texts to a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from rewardbench.errors import InputError
from rewardbench.scorers.http.client import ServerAnswer, ServerClient, ServerRefusal

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Flags = Mapping[str, bool]
"""Fields of a request that switch the activation of the scores off or on."""


@dataclass(frozen=True)
class ServerInput:
    """A text as a request carries it: its token ids, or the text itself if the server tokenizes."""

    ids: tuple[int, ...]
    text: str
    second: str = ""
    """The response, if the text is a pair of a prompt and a response, as cross-encoders read them."""


@dataclass(frozen=True)
class ServerOutput:
    """The output of a server for the texts of one request."""

    vectors: tuple[tuple[float, ...], ...]
    """The numbers of each text; a reward model gives one."""
    model: str = ""
    """Name of the model that answered; empty if the server does not name it."""
    tokens: int | None = None
    """Tokens that the server read, over all texts; None if it does not count them."""


@dataclass(frozen=True)
class ServerFacts:
    """What a server says about itself; empty or None if it does not say it."""

    version: str = ""
    models: tuple[str, ...] = ()
    """Names under which it serves its model, or models."""
    max_length: int | None = None
    """Tokens of the longest text that it takes."""
    dtype: str = ""
    max_batch: int | None = None
    """Texts per request, at most."""


def all_ids(inputs: Sequence[ServerInput]) -> list[list[int]]:
    """Return the token ids of texts, as JSON arrays."""
    return [list(item.ids) for item in inputs]


def all_texts(inputs: Sequence[ServerInput]) -> list[str]:
    """Return the texts of a request."""
    return [item.text for item in inputs]


class ServerDialect(ABC):
    """One HTTP interface of a reward-model server."""

    title: ClassVar[str]
    """Name of the server, for messages."""
    paths: ClassVar[tuple[str, ...]]
    """Paths that score texts, the preferred one first."""
    sends_ids: ClassVar[bool] = False
    """True if token ids are sent, so that BOS, template and truncation are those of this package."""
    batch_size: ClassVar[int] = 32
    """Texts per request."""
    switches: ClassVar[tuple[tuple[Flags, Flags], ...]] = ()
    """For each name that the option has or had: the fields that ask for raw scores, and for activated ones."""
    max_length: ClassVar[int | None] = None
    """Default length limit of the server, if it does not say its own."""
    names_model: ClassVar[bool] = True
    """True if the model's name at the server identifies the model."""
    appended: int = 0
    """Tokens that the server may append to a text."""
    distortion: str = "it adds or strips special tokens"
    """What keeps the server from reading the tokens of a chat template, for messages."""
    takes_pairs: ClassVar[bool] = False
    """True if a request can carry pairs of texts."""
    hides_truncation: ClassVar[bool] = False
    """True if the server cuts long texts without saying so."""
    start_hint: ClassVar[str] = ""
    """How the server is started to serve a reward model, for messages."""

    @abstractmethod
    def body(
        self, path: str, inputs: Sequence[ServerInput], model: str, flags: Flags, limit: int | None
    ) -> dict[str, object]:
        """Return the JSON body of a request.

        Args:
            path: one of `paths`.
            inputs: the texts.
            model: name of the model at the server.
            flags: switches of the activation.
            limit: maximum tokens of a text, for servers that take it.
        """

    @abstractmethod
    def read(self, answer: ServerAnswer) -> ServerOutput:
        """Return the numbers of an answer.

        Raises:
            InputError: if it has another form.
        """

    async def describe(self, client: ServerClient) -> ServerFacts:
        """Return what the server says about itself."""
        return ServerFacts()

    def encode(self, tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
        """Return the ids that the server reads if a text is sent."""
        return encode_plain(tokenizer, text, add_special_tokens=True)

    async def detect_version(
        self, client: ServerClient, tokenizer: PreTrainedTokenizerBase, model: str
    ) -> ServerDialect:
        """Return the dialect for the version of the server that its answers show; most have one version."""
        return self

    @property
    def identity(self) -> Mapping[str, object]:
        """Return how the server reads a text, as far as versions differ in it."""
        return {}


@dataclass(frozen=True)
class ScoringRoute:
    """How texts are sent to one server."""

    client: ServerClient
    dialect: ServerDialect
    path: str
    model: str = ""
    """Name of the model at the server."""
    flags: Flags = field(default_factory=dict)
    limit: int | None = None
    """Maximum tokens of a text."""

    async def send(self, inputs: Sequence[ServerInput]) -> ServerOutput:
        """Send texts, and return the output of the server.

        Raises:
            InputError: if the request fails, or the answer has another form or another number of results.
        """
        dialect = self.dialect
        body = dialect.body(self.path, inputs, self.model, self.flags, self.limit)
        try:
            output = dialect.read(await self.client.post(self.path, body))
        except ServerRefusal as refusal:
            if refusal.status == HTTPStatus.METHOD_NOT_ALLOWED:
                raise InputError(
                    f"{dialect.title} does not allow {self.path}, as it serves a model that generates text: "
                    f"{dialect.start_hint}."
                ) from refusal
            raise
        if len(output.vectors) != len(inputs):
            raise InputError(f"{self.path} returned {len(output.vectors)} results for {len(inputs)} texts.")
        return output


def encode_plain(tokenizer: PreTrainedTokenizerBase, text: str, add_special_tokens: bool) -> list[int]:
    """Return the ids of a text, without truncation."""
    encoded = tokenizer(text, add_special_tokens=add_special_tokens, truncation=False, padding=False, verbose=False)
    return list(encoded["input_ids"])
