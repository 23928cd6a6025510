"""Base class of judges that run in this process: requests, answers, and the scores that they give."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING

from rewardbench.models.failures import run_reported
from rewardbench.models.fingerprint import digest
from rewardbench.models.limits import embedding_rows, reject_unknown_tokens
from rewardbench.scorers.base import ModelScorer
from rewardbench.scorers.classifier import describe_model
from rewardbench.scorers.judge.answers import FAILURES, Answer, Failure
from rewardbench.scorers.judge.ledger import IN_MEMORY, Ledger, RequestId
from rewardbench.scorers.judge.local.prompt_chat import PromptChat
from rewardbench.scorers.judge.prompts import item_context, render
from rewardbench.scorers.judge.protocols import JudgeProtocol
from rewardbench.scorers.judge.verdicts import call_score, call_spread, identify
from rewardbench.types import Message, Messages, Score, ScorerReport, TokenRequest, Tools

if TYPE_CHECKING:
    from transformers import PreTrainedModel

QUESTION = (Message(role="user", content="How long is the river?"),)
OTHER_ANSWER = (Message(role="assistant", content="I do not know."),)
PROBE_CONTEXT = {"subset": "all", "reference": "It is short.", "principle": "Prefer the shorter response."}


@dataclass(frozen=True)
class CallRecord:
    """Counts of the answers to one request."""

    answers: int
    prompt_tokens: int
    completion_tokens: int
    failure: Failure | None
    spread: float | None
    """Standard deviation of the repeats."""


class LocalJudge(ModelScorer):
    """A causal model that judges in this process.

    Args:
        model: in evaluation mode.
        chat: renders the prompts of the protocol.
        name: of the model, for results.
        protocol: prompt, parser, sampling and orders, with the user's changes.
        identity: fingerprint of weights, tokenizer and libraries, as far as they are known.
    """

    model_type = "Generative RM"
    method: str
    """How the model is asked, for the manifest."""
    chat: PromptChat

    def __init__(
        self,
        model: PreTrainedModel,
        chat: PromptChat,
        name: str,
        protocol: JudgeProtocol,
        identity: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(model, chat, name, identity)
        self.protocol = protocol
        self.principle: str | None = None
        """Principle by which the judge must judge, for items without one of their own."""
        self.view, self.orders, self.context = protocol.view, protocol.orders, protocol.context
        self.rows = embedding_rows(model, name)
        self._ledger: Ledger | None = None
        """Raw answers; opened at the first one."""
        self.keeps_answers = True
        """False to keep raw answers in the memory of this process only, not on disk."""
        self._calls: dict[bytes, CallRecord] = {}
        """By the key of the request; also calls of earlier runs and of other processes, whose answers are on disk."""
        self._generated = 0
        """Answers of this process."""

    def replicate(self) -> None:
        """Return None: answers are kept and counted in one thread."""

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """Return everything that can change a score, and nothing else."""
        return {
            "kind": f"judge by {self.method}",
            **self._identity,
            **describe_model(self.model),
            **self.chat.describe(),
            **identify(self.protocol, self.principle),
        }

    def prepare(
        self,
        prompt: Messages,
        *completions: Messages,
        rendered: bool,
        tools: Tools = (),
        context: Mapping[str, object] | None = None,
    ) -> TokenRequest:
        """Render and tokenize the prompt of the judge.

        Raises:
            InputError: if the protocol or the chat template cannot show this conversation, or it is too long.
        """
        values = item_context(self.protocol, context, tools, self.principle)
        request = self.chat.prompt_request(render(self.protocol, prompt, completions, values), completions)
        reject_unknown_tokens(request.ids, self.rows, self.chat.tokenizer)
        return request

    def probe(self, text: str) -> TokenRequest:
        """Return a request about a short completion, by which the layout of batches is chosen."""
        answer = (Message(role="assistant", content=text),)
        counts = {"pointwise": 1, "pairwise": 2}
        count = counts.get(self.view) or self.protocol.max_completions or 2
        completions = [answer, *[OTHER_ANSWER] * (count - 1)]
        return self.prepare(QUESTION, *completions, rendered=False, context=PROBE_CONTEXT)

    def run(self, requests: Sequence[TokenRequest]) -> list[Score]:
        """Judge a batch; return a score per request, NaN where the answers give none."""
        answers = run_reported(self.name, self.model.config, requests, self.answer_batch)
        ledger = self._open_ledger()
        scores: list[Score] = []
        for request, repeats in zip(requests, answers, strict=True):
            for request_id, answer in zip(self._request_ids(request), repeats, strict=True):
                ledger.store(request_id, answer)
            self._generated += len(repeats)
            scores.append(self._read(request, repeats)[0])
        return scores

    def run_unbatched(self, request: TokenRequest) -> Score:
        """Judge one request by itself; the ledger keeps the answers of its batch, which are those of its score."""
        (answers,) = run_reported(self.name, self.model.config, [request], self.answer_batch)
        return call_score(self.protocol, self.view, answers, len(request.positions))[0]

    @abstractmethod
    def answer_batch(self, requests: Sequence[TokenRequest]) -> list[list[Answer]]:
        """Return the answers to each request, one per repeat; exceptions of the model pass through."""

    def _read(self, request: TokenRequest, answers: Sequence[Answer]) -> tuple[Score, Failure | None]:
        """Return the score that answers give, or NaN and the failure; record the call."""
        count = len(request.positions)
        score, failure = call_score(self.protocol, self.view, answers, count)
        self._calls[request.key] = CallRecord(
            answers=len(answers),
            prompt_tokens=sum(answer.prompt_tokens for answer in answers),
            completion_tokens=sum(answer.completion_tokens for answer in answers),
            failure=failure,
            spread=call_spread(self.protocol, self.view, answers, count),
        )
        return score, failure

    def _open_ledger(self) -> Ledger:
        if self._ledger is None:
            self._ledger = Ledger(None if self.keeps_answers else IN_MEMORY)
        return self._ledger

    def _request_ids(self, request: TokenRequest) -> list[RequestId]:
        """Return the identity of each repeat of a request in the ledger."""
        body = digest(dict(self.fingerprint)).encode() + request.key
        return [RequestId("local", self.name, body, repeat) for repeat in range(self.protocol.repeats)]

    def _stored_answers(self, request: TokenRequest) -> list[Answer]:
        """Return the answers to a request, one per repeat; none if they were pruned."""
        stored = list(map(self._open_ledger().lookup, self._request_ids(request)))
        return [row.answer for row in stored if row is not None]

    def answers(self, request: TokenRequest) -> list[dict[str, object]]:
        """Return the answers to a request as JSON values, one per repeat."""
        answers = self._stored_answers(request)
        if answers:
            self._read(request, answers)
        return [answer.to_json() for answer in answers]

    def status(self) -> str:
        """Return the number of calls without a score so far."""
        failed = sum(call.failure is not None for call in self._calls.values())
        return f"{failed} failed" if failed else ""

    def why_unscored(self, request: TokenRequest) -> str | None:
        """Return why the answers to a request give no score; None if they give one, or are not known."""
        answers = self._stored_answers(request)
        failure = self._read(request, answers)[1] if answers else None
        return None if failure is None else FAILURES[failure]

    def report(self) -> ScorerReport:
        """Return the repairs at load time, the protocol, and tokens and failures of all answers."""
        calls = self._calls.values()
        failures = Counter(call.failure for call in calls if call.failure is not None)
        judge: dict[str, object] = {
            **self.protocol.summary,
            "method": self.method,
            "requests": sum(call.answers for call in calls),
            "prompt_tokens": sum(call.prompt_tokens for call in calls),
            "completion_tokens": sum(call.completion_tokens for call in calls),
            "failures": dict(sorted(failures.items())),
        }
        spreads = [call.spread for call in calls if call.spread is not None]
        if spreads:
            judge["mean_spread"] = fsum(spreads) / len(spreads)
        session = {"judge": {"generated": self._generated}}
        return ScorerReport(self.load_notes, {"judge": judge}, metadata=self.metadata, session=session)
