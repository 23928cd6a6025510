"""Score completions by the answers of a language model behind an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from statistics import fmean
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.models.spec import reject_options
from rewardbench.scorers.judge.answers import FAILURES, Answer
from rewardbench.scorers.judge.client import ChatClient
from rewardbench.scorers.judge.overrides import adjust
from rewardbench.scorers.judge.prompts import item_context, render
from rewardbench.scorers.judge.protocols import JudgeProtocol, load_protocol
from rewardbench.scorers.judge.verdicts import call_score, call_spread, identify
from rewardbench.scorers.remote import RemoteScorer
from rewardbench.types import Message, Messages, Score, ScorerReport, TextRequest, Tools

if TYPE_CHECKING:
    from rewardbench.settings import Endpoint, ModelSpec


OPTIONS = ("model", "judge", "seed")
"""Options that apply to a judge behind a server."""
SHOWN_CHARACTERS = 120
"""Characters of an answer that a note shows."""
MOST_MODELS = 10
"""Maximum models that answered, in the manifest."""


class JudgeScorer(RemoteScorer):
    """A judge behind a server: one request per call of the protocol and repeat, many in flight.

    Args:
        name: of the model, as the server knows it.
        protocol: prompt, parser, sampling and orders, with the user's changes.
        client: sends requests, and keeps the answers.
        endpoint: of the client.
        principle: by which the judge must judge, for items without one of their own.
    """

    model_type = "Generative RM"

    def __init__(
        self,
        name: str,
        protocol: JudgeProtocol,
        client: ChatClient,
        endpoint: Endpoint,
        principle: str | None = None,
    ) -> None:
        self.name, self.protocol, self.client = name, protocol, client
        self.principle = principle
        self.view, self.orders, self.context = protocol.view, protocol.orders, protocol.context
        self.max_in_flight = max(1, endpoint.max_concurrency // protocol.repeats)
        self._reset()

    def _reset(self) -> None:
        """Count from 0."""
        self._unanswered: dict[tuple[bytes, int], Answer] = {}
        """By key of the request and repeat: why there is no answer. Answers are read from the ledger."""
        self._scores: dict[bytes, Score] = {}
        """By key of the request, so that one that occurs in several windows is asked and counted once."""
        self._failures: Counter[str] = Counter()
        self._unread: dict[bytes, str] = {}
        """The beginning of one answer that gives no score, by the key of its request: that with the smallest key."""
        self._prompt_tokens = self._completion_tokens = 0
        self._spreads: list[float] = []
        """Standard deviation of the repeats of each request."""
        self._models: Counter[str] = Counter()
        """Models that answered, as the server names them."""

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """Return the protocol, the model and the host; not the port of a server on this machine."""
        return {
            "kind": "judge",
            "model": self.name,
            "server": self.client.identity,
            **identify(self.protocol, self.principle),
        }

    def prepare(
        self,
        prompt: Messages,
        *completions: Messages,
        rendered: bool,
        tools: Tools = (),
        context: Mapping[str, object] | None = None,
    ) -> TextRequest:
        """Render the prompt of the judge.

        Raises:
            InputError: if the protocol cannot show this conversation, or the item has no reference that it shows.
        """
        values = item_context(self.protocol, context, tools, self.principle)
        messages = render(self.protocol, prompt, completions, values)
        texts = tuple("\n\n".join(message["content"] for message in completion) for completion in completions)
        return TextRequest(join_messages(messages), texts, messages)

    async def open(self) -> None:
        """Begin a run: counts are those of one run."""
        self._reset()
        self.client.start()

    async def run_async(self, requests: Sequence[TextRequest]) -> list[Score]:
        """Ask for every repeat of every request; return a score per request, NaN where the answers give none."""
        for request in requests:
            if request.key not in self._scores:
                self._scores[request.key] = await self._score(request)
        return [self._scores[request.key] for request in requests]

    async def _score(self, request: TextRequest) -> Score:
        bodies = self._bodies(request)
        answers = await asyncio.gather(*map(self.client.complete, bodies, range(len(bodies))))
        for repeat, answer in enumerate(answers):
            if answer.failure is not None:
                self._unanswered[request.key, repeat] = answer
                continue
            self._prompt_tokens += answer.prompt_tokens
            self._completion_tokens += answer.completion_tokens
            if answer.model:
                self._models[" ".join(filter(None, (answer.model, answer.system_fingerprint)))] += 1
        score, failure = call_score(self.protocol, self.view, answers, len(request.completions))
        if failure is not None:
            self._failures[failure] += 1
            self._keep_unread(request.key, answers)
        if len(answers) > 1:
            spread = call_spread(self.protocol, self.view, answers, len(request.completions))
            self._spreads += [] if spread is None else [spread]
        return score

    def _keep_unread(self, key: bytes, answers: Sequence[Answer]) -> None:
        """Keep the beginning of an answer without a score, the same one in any order of answers."""
        texts = [" ".join(answer.text.split()) for answer in answers if answer.text.strip()]
        if texts:
            smallest = min([key, *self._unread])
            self._unread = {smallest: texts[0][:SHOWN_CHARACTERS] if smallest == key else self._unread[smallest]}

    def _bodies(self, request: TextRequest) -> list[dict[str, object]]:
        """Return the body of each repeat of a request."""
        repeats = range(self.protocol.repeats)
        return [request_body(self.name, self.protocol, request.messages, repeat) for repeat in repeats]

    def _read_answers(self, request: TextRequest) -> list[Answer]:
        """Return the answers to a request, one per repeat."""
        answers: list[Answer] = []
        for repeat, body in enumerate(self._bodies(request)):
            answer = self._unanswered.get((request.key, repeat)) or self.client.lookup(body, repeat)
            answers.append(answer or Answer(failure="server_error"))
        return answers

    def answers(self, request: TextRequest) -> list[dict[str, object]]:
        """Return the answers to a request as JSON values, one per repeat."""
        return [answer.to_json() for answer in self._read_answers(request)]

    def why_unscored(self, request: TextRequest) -> str | None:
        """Return why the answers to a request give no score; None if they give one."""
        answers = self._read_answers(request)
        _, failure = call_score(self.protocol, self.view, answers, len(request.completions))
        if failure is None:
            return None
        details = filter(None, (answer.detail for answer in answers if answer.failure == failure))
        detail = next(details, "")
        return f"{FAILURES[failure]} ({detail})" if detail else FAILURES[failure]

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()

    def status(self) -> str:
        """Return cost, retries and failures so far."""
        return self.client.usage.status()

    def report(self) -> ScorerReport:
        """Return the cost of all answers, those of earlier runs included, and the requests of this run."""
        usage = self.client.usage
        judge: dict[str, object] = {
            **self.protocol.summary,
            "requests": usage.answered + usage.reused,
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
            "cost": None if usage.cost_total is None else round(usage.cost_total, 9),  # in any order of answers
            "uncounted": usage.uncounted,
            "failures": dict(sorted(self._failures.items())),
            "answered_by": dict(sorted(self._models.items())[:MOST_MODELS]),
            "stopped": usage.stopped,
        }
        if self._spreads:
            judge["mean_spread"] = fmean(sorted(self._spreads))
        session = {
            "sent": usage.requests,
            "retries": usage.retries,
            "reused": usage.reused,
            "unfinished": usage.unfinished,
            "cost_of_this_run": usage.cost,
        }
        notes = list(self.client.notes)
        for text in self._unread.values():
            notes.append(f'An answer without a score begins: "{text}".')
        return ScorerReport(tuple(notes), {"judge": judge}, session={"judge": session})


def load_judge(spec: ModelSpec, cache: bool = True) -> JudgeScorer:
    """Load the judge of a specification that names an endpoint.

    Args:
        spec: the judge.
        cache: True to reuse answers of earlier runs, and to keep those of this one on disk.

    Raises:
        InputError: if the protocol or the key is missing, or an option applies to models that run here.
    """
    from rewardbench.scorers.judge.ledger import IN_MEMORY, Ledger

    judge = spec.judge
    if judge is None or judge.endpoint is None:
        raise InputError("A judge behind a server needs its address: pass --base_url.")
    reject_options(spec, [field.name for field in fields(spec) if field.name not in OPTIONS])
    protocol = adjust(load_protocol(judge.protocol, judge.prompts), judge)
    client = ChatClient(judge.endpoint, Ledger(None if cache else IN_MEMORY))
    return JudgeScorer(spec.model, protocol, client, judge.endpoint, judge.principle)


def request_body(model: str, protocol: JudgeProtocol, messages: Messages, repeat: int) -> dict[str, object]:
    """Return the body of a chat completion request; the same for the same arguments, to the last byte.

    Args:
        model: as the server knows it.
        protocol: whose sampling applies.
        messages: of the prompt.
        repeat: index of the repeat, which is added to the seed.
    """
    sampling = protocol.sampling
    turns = [{"role": message["role"], "content": message["content"]} for message in messages]
    body: dict[str, object] = {"model": model, "messages": turns}
    for name in ("temperature", "top_p", "max_tokens"):
        if (value := getattr(sampling, name)) is not None:
            body[name] = value
    if sampling.seed is not None:
        body["seed"] = sampling.seed + repeat
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.top_logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": sampling.top_logprobs}
    if sampling.json_schema is not None:
        schema = {"name": "verdict", "strict": True, "schema": sampling.json_schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return {**body, **sampling.extra}


def join_messages(messages: Sequence[Message]) -> str:
    """Return the text of a prompt, for the outputs file."""
    return "\n\n".join(f"[{message['role']}]\n{message['content']}" for message in messages)
