"""Score by a reward model behind a server: this package renders and tokenizes, the server computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.models.fingerprint import tokenizer_identity
from rewardbench.scorers.http.client import ServerRefusal
from rewardbench.scorers.http.dialect import ScoringRoute, ServerDialect, ServerFacts, ServerInput
from rewardbench.scorers.http.probes import Parity, ProbeReport, scalars
from rewardbench.scorers.http.texts import ServerTexts
from rewardbench.scorers.remote import RemoteScorer
from rewardbench.types import Messages, Score, ScorerReport, TokenRequest, Tools

if TYPE_CHECKING:
    from rewardbench.chat import Chat


class ServerScorer(RemoteScorer):
    """A reward model behind a server: batches of texts, many requests in flight.

    Args:
        name: of the model, for results.
        route: how texts are sent.
        texts: renders and tokenizes for this model and server.
        facts: what the server says about itself.
        weights: identity of the served weights, as far as a folder or a Hub id shows it; scores are cached if it does.
    """

    model_type = "Seq. Classifier"
    is_cached = True
    chat: Chat

    def __init__(
        self,
        name: str,
        route: ScoringRoute,
        texts: ServerTexts,
        facts: ServerFacts,
        weights: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.route, self.texts, self.facts, self.weights = name, route, texts, facts, weights
        self.chat = texts.chat
        self.is_cached = weights is not None
        self.max_in_flight = route.client.endpoint.max_concurrency
        self.max_batch_size = min(route.dialect.batch_size, facts.max_batch or route.dialect.batch_size)
        self.probe_report: ProbeReport | None = None
        self.parity: Parity | None = None
        self._reasons: dict[bytes, str] = {}
        """By key of the request: why the server gave no score."""

    @property
    def dialect(self) -> ServerDialect:
        """Return the dialect of the server."""
        return self.route.dialect

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """Return everything that can change a score, as far as the server says it; its address is left out."""
        return {
            "kind": "reward model over HTTP",
            "server": self.dialect.title,
            "version": self.facts.version or None,
            "path": self.route.path,
            "flags": dict(self.route.flags),
            **self.dialect.identity,
            "model": self.route.model,
            "weights": dict(self.weights) if self.weights else None,
            "dtype": self.facts.dtype or "unknown",
            "tokenizer": tokenizer_identity(self.chat.tokenizer),
            **self.chat.describe(),
            **self.texts.identity,
        }

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Render and tokenize one completion in its context, as the server will read it.

        Raises:
            InputError: if the server cannot be made to read the tokens of the chat template.
        """
        return self.texts.prepare(prompt, completion, rendered, tools)

    def input_of(self, request: TokenRequest) -> ServerInput:
        """Return a text as a request carries it."""
        return self.texts.input_of(request)

    async def run_async(self, requests: Sequence[TokenRequest]) -> Sequence[Score]:
        """Score a batch; if the server rejects it, send each text separately, and return NaN for rejected ones.

        Raises:
            InputError: if the server cannot be reached, or its answer is not one score per text.
        """
        try:
            return await self._send(requests)
        except ServerRefusal as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                raise
            if len(requests) == 1:
                self._reasons[requests[0].key] = str(refusal)
                return [float("nan")]
        scores: list[Score] = []
        for request in requests:
            scores += await self.run_async([request])
        return scores

    async def _send(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Send a batch, and check that the right model read every token."""
        output = await self.route.send(list(map(self.input_of, requests)))
        names = {self.route.model, *self.facts.models}
        if output.model and output.model not in names:
            raise InputError(
                f"The server answers by the model {output.model}, not by {self.route.model}: pass --served_model."
            )
        sent = sum(map(len, requests))
        if output.tokens is not None and output.tokens != sent:
            raise InputError(
                f"The server read {output.tokens} tokens of the {sent} that were sent: it truncates texts, for which "
                "--max_length must be its own limit, or it adds tokens."
            )
        sign = self.texts.sign
        return [sign * score for score in scalars(output)]

    def why_unscored(self, request: TokenRequest) -> str | None:
        """Return the server's error for a text that it rejected."""
        return self._reasons.get(request.key)

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        await self.route.client.close()

    def report(self) -> ScorerReport:
        """Return notes on the server, and the figures of the probes."""
        client = self.route.client
        details: dict[str, object] = {
            "dialect": self.dialect.title,
            "version": self.facts.version or None,
            "served_model": self.route.model,
            "requests": client.requests,
            "retries": client.retries,
        }
        server = f"{self.dialect.title} {self.facts.version}".strip()
        form = "token ids" if self.dialect.sends_ids else "rendered texts"
        notes = [f"Scored behind a server ({server}), which received {form}.", *self.texts.notes]
        if not self.dialect.names_model and not self.parity:
            notes.append(
                f"{self.dialect.title} does not name its model: nothing shows that it serves {self.route.model}."
            )
        if self.weights is None:
            notes.append("The weights behind the server are not known, so scores were not cached.")
        if self.probe_report:
            details["batch_effect"] = self.probe_report.batch_effect
            notes += self.probe_report.notes
        if self.parity:
            details["parity"] = self.parity.to_json()
            notes.append(self.parity.describe())
        return ScorerReport(tuple(notes), {"server": details})
