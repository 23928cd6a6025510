"""Ask a server over OpenAI's chat completions: many requests at once, with retries, limits, and a ledger of answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from rewardbench.errors import InputError
from rewardbench.scorers.judge.answers import Answer, Failure
from rewardbench.scorers.judge.ledger import Ledger, RequestId, StoredAnswer
from rewardbench.scorers.judge.transport.adaptation import Adaptation
from rewardbench.scorers.judge.transport.budget import Budget, Reservation, Usage
from rewardbench.scorers.judge.transport.completions import (
    DETAIL_CHARACTERS,
    encode_body,
    is_same_model,
    read_completion,
    read_error,
)
from rewardbench.scorers.judge.transport.connection import MAX_RESPONSE, Connection, ServerResponse, describe_server
from rewardbench.scorers.judge.transport.throttle import LONGEST_WAIT, RateLimiter, Throttle, retry_after, sleep_until
from rewardbench.settings import Endpoint

RETRIED = {408, 409, 425, 429}
"""HTTP statuses below 500 after which a request is sent again."""
REJECTIONS = 20
"""Requests that a server may reject for the same reason before it answers one."""
POLL_SECONDS = 0.25
"""Seconds between two checks for the answer to a request that another process has sent."""


@dataclass(frozen=True)
class _Call:
    """One call of `complete`."""

    body: Mapping[str, object]
    request: RequestId
    reservation: Reservation


@dataclass(frozen=True)
class _Retry:
    """An attempt that failed, and may be repeated."""

    failure: Failure
    detail: str
    seconds: float | None = None
    """Pause that the server asks for."""
    is_changed: bool = False
    """True if the request was changed, and is sent again at once."""


class ChatClient:
    """Sends requests to one server; `start` begins each run, in one event loop.

    Attributes:
        identity: the server, in keys of the ledger and in fingerprints.
    """

    def __init__(self, endpoint: Endpoint, ledger: Ledger, *, pause: float = 0.5, seed: int = 0) -> None:
        """Prepare; nothing is sent.

        Args:
            endpoint: the server, with its limits and prices.
            ledger: where answers are looked up and kept.
            pause: seconds before the first retry, at most; twice that before the second, and so on.
            seed: of the random part of pauses.

        Raises:
            InputError: if the key is missing.
        """
        self._endpoint, self._ledger, self._pause = endpoint, ledger, pause
        self.identity = describe_server(endpoint.base_url)
        self._connection = Connection(endpoint)
        self._budget = Budget(endpoint)
        self._adaptation = Adaptation()
        self._requests = RateLimiter(endpoint.requests_per_minute)
        self._tokens = RateLimiter(endpoint.tokens_per_minute)
        self._random = random.Random(seed)
        self.start()

    def start(self) -> None:
        """Start a run: reset counts and errors; the limits apply to all runs together."""
        self._budget.start()
        self._throttle = Throttle(self._endpoint.max_concurrency, self._budget.end)
        self._first = asyncio.Lock()
        self._has_response = self._is_reachable = False
        self._error = ""
        self._rejection = ("", 0)
        self._exhausted_requests = 0
        self._notes: list[str] = []
        self._calls: dict[bytes, asyncio.Event] = {}

    def __repr__(self) -> str:
        return f"ChatClient({self._endpoint.base_url!r})"

    @property
    def usage(self) -> Usage:
        """Return what this run has used so far."""
        return self._budget.usage

    @property
    def notes(self) -> list[str]:
        """Return notes on the answers for the user, as sentences."""
        notes = [*self._notes, *(note for note in self._adaptation.notes if note not in self._notes)]
        if self.usage.uncounted:
            notes.append(
                f"The server reported no tokens for {self.usage.uncounted} answers: their cost is an estimate."
            )
        return notes

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    async def complete(self, body: Mapping[str, object], repeat: int = 0) -> Answer:
        """Return the answer to a request: from the ledger, or else from the server.

        Args:
            body: fields of a chat completion.
            repeat: number of the answer, if the same request is asked several times.

        Returns:
            The answer; `failure` says why there is none.

        Raises:
            InputError: if no request can succeed: the key or the model is rejected, the server cannot be reached.
        """
        request = self._identify(body, repeat)
        max_tokens = body.get("max_tokens") or body.get("max_completion_tokens")
        reservation = Reservation(len(request.body), max_tokens if isinstance(max_tokens, int) else None)
        call = _Call(body, request, reservation)
        async with self._single_flight(call.request.key):
            answer = await self._answer(call)
        if answer.failure:
            self._budget.count_failure(answer.failure)
        elif not is_same_model(request.model, answer.model):
            self._add_note(f"The server answers as model {answer.model} to requests for {request.model}.")
        return answer

    def lookup(self, body: Mapping[str, object], repeat: int = 0) -> Answer | None:
        """Return the answer of the ledger to a request; None if there is none. See `complete` for the arguments."""
        stored = self._ledger.lookup(self._identify(body, repeat))
        return stored.answer if stored else None

    def _identify(self, body: Mapping[str, object], repeat: int) -> RequestId:
        return RequestId(self.identity, str(body.get("model", "")), encode_body(body), repeat)

    @asynccontextmanager
    async def _single_flight(self, key: bytes) -> AsyncIterator[None]:
        """Context manager: wait for a call with the same key, which may leave the answer in the ledger."""
        while key in self._calls:
            await self._calls[key].wait()
        self._calls[key] = asyncio.Event()
        try:
            yield
        finally:
            self._calls.pop(key).set()

    async def _answer(self, call: _Call) -> Answer:
        stored = self._ledger.lookup(call.request)
        if stored is not None:
            return self._reuse(call, stored)
        if not await self._budget.reserve(call.reservation):
            return self._stopped()
        try:
            return await self._ask(call)
        finally:
            await self._budget.release(call.reservation)

    async def _ask(self, call: _Call) -> Answer:
        """Send a request until it is answered, or has failed too often."""
        attempts = 0
        is_first = True
        while True:
            async with self._serialize_until_response(), self._throttle.slot(is_retry=not is_first):
                expected = await self._wait_for_rates(call)
                outcome = await self._claim(call, is_first) or await self._attempt(call)
            is_first = False
            if isinstance(outcome, StoredAnswer):
                return self._reuse(call, outcome)
            if isinstance(outcome, Answer):
                return self._keep(call, outcome, expected)
            attempts += not outcome.is_changed
            if attempts > self._endpoint.max_retries:
                self._check_outage(outcome.detail)
                return self._keep(call, Answer(failure=outcome.failure, detail=outcome.detail), expected)
            self.usage.retries += 1
            if not outcome.is_changed:
                self._ledger.release(call.request)  # nothing is in flight during the pause
                await sleep_until(self._budget.end, self._backoff(attempts, outcome.seconds))

    @asynccontextmanager
    async def _serialize_until_response(self) -> AsyncIterator[None]:
        """Context manager: send one request at a time until the server has answered one."""
        if not self._has_response:
            async with self._first:
                if not self._has_response:
                    yield
                    return
        yield

    async def _wait_for_rates(self, call: _Call) -> float:
        """Wait until the rates allow the request; return the tokens that it is expected to use."""
        expected = self._budget.expected_tokens(call.reservation.characters)
        await sleep_until(self._budget.end, max(self._requests.delay(), self._tokens.delay(expected)))
        return expected

    async def _claim(self, call: _Call, is_first: bool) -> StoredAnswer | Answer | None:
        """Write the request to the ledger; return an answer that is there, or that another process waits for."""
        while True:
            if self._error:
                raise InputError(self._error)
            claim = self._ledger.claim(call.request, self._endpoint.timeout)
            if isinstance(claim, StoredAnswer):
                return claim
            if claim != "waiting":
                self.usage.unfinished += is_first and claim == "unfinished"
                return None
            if self.usage.stopped:
                return self._stopped()
            await sleep_until(self._budget.end, POLL_SECONDS)

    async def _attempt(self, call: _Call) -> Answer | _Retry:
        """Send a request once."""
        if self._adaptation.rejects_logprobs and call.body.get("logprobs"):
            return Answer(failure="no_logprobs", detail="the server rejects the parameter logprobs")
        if not self._budget.allow_request():
            return self._stopped()
        body = self._adaptation.apply(call.body)
        response = await self._connection.send(encode_body(body))
        self._is_reachable |= response.status > 0
        try:
            outcome = self._read(call, body, response)
        except InputError as error:
            self._error = str(error)
            self._budget.end.set()
            self._ledger.release(call.request)
            raise
        self._has_response |= isinstance(outcome, Answer) or not outcome.is_changed
        return outcome

    def _read(self, call: _Call, body: Mapping[str, object], response: ServerResponse) -> Answer | _Retry:
        """Return what a response means: an answer, a failure of this request, or another try.

        Raises:
            InputError: if no request can succeed.
        """
        if not response.status:
            return self._read_disconnection(response.error)
        if response.status == 200:
            try:
                return self._connection.clean(read_completion(response.text))
            except ValueError as problem:
                return _Retry("server_error", self._detail(str(problem)))
        error = read_error(response.text)
        error = replace(error, message=self._connection.redact(error.message))
        detail = self._detail(f"status {response.status}: {error.message}")
        if response.status == 402 or error.code == "insufficient_quota":
            raise InputError(f"The account of {self._endpoint.api_key_env} has no credit left: {detail}")
        if response.status in RETRIED or response.status >= 500:
            return self._read_overload(response, detail)
        if response.status < 400:
            target = self._detail(response.headers.get("location", ""))
            raise InputError(
                f"The server {self._endpoint.base_url} redirects to {target}: pass its address as base_url."
            )
        self._check_access(call, response.status, detail)
        if response.status in (400, 422):
            is_outdated = self._adaptation.apply(call.body) != body
            if is_outdated or self._adaptation.learn(body, error):
                return _Retry("server_error", detail, is_changed=True)
            if self._adaptation.rejects_logprobs and body.get("logprobs"):
                return Answer(failure="no_logprobs", detail=detail)
        self._check_rejections(detail)
        return Answer(failure="server_error", detail=detail)

    def _read_disconnection(self, error: str) -> Answer | _Retry:
        if error in ("ConnectError", "ConnectTimeout") and not self._is_reachable:
            raise InputError(
                f"The server {self._endpoint.base_url} cannot be reached ({error}): is it running, and is the address "
                "right?"
            )
        if error == "timeout":
            return _Retry("timeout", f"no answer within {self._endpoint.timeout:g} seconds")
        if error == "ResponseTooLarge":
            return Answer(failure="server_error", detail=f"the response exceeds {MAX_RESPONSE >> 20} MiB")
        return _Retry("server_error", f"the connection failed ({error})")

    def _read_overload(self, response: ServerResponse, detail: str) -> _Retry:
        seconds = retry_after(response.headers)
        if response.status == 429:
            self._throttle.slow_down(self._pause if seconds is None else seconds)
        return _Retry("server_error", detail, seconds)

    def _check_access(self, call: _Call, status: int, detail: str) -> None:
        """Check that the server accepts the key, and knows the address and the model.

        Raises:
            InputError: if not, and the server has not answered before.
        """
        server, has_answer = self._endpoint.base_url, self.usage.answered > 0
        if status == 401:
            raise InputError(f"The server {server} refuses: status 401; check the key in {self._endpoint.api_key_env}.")
        if status == 403 and not has_answer:
            raise InputError(f"The server {server} refuses: {detail}; check the key in {self._endpoint.api_key_env}.")
        if status == 404 and not has_answer:
            if "model" in detail.lower():
                raise InputError(f"The server {server} does not know the model {call.request.model}: {detail}")
            raise InputError(f"There are no chat completions at {server} ({detail}): does base_url lack /v1?")

    def _check_rejections(self, detail: str) -> None:
        """Count a request that the server rejected.

        Raises:
            InputError: if it rejected each of the first requests for the same reason.
        """
        if self.usage.answered or detail != self._rejection[0]:
            self._rejection = (detail, 0)
        self._rejection = (detail, self._rejection[1] + 1)
        if self._rejection[1] == REJECTIONS:
            server = self._endpoint.base_url
            raise InputError(f"The server {server} rejected each of the first {REJECTIONS} requests: {detail}")

    def _check_outage(self, detail: str) -> None:
        """Count a request that failed at every try.

        Raises:
            InputError: if the first ones did, and none was answered.
        """
        self._exhausted_requests += 1
        if self._exhausted_requests == REJECTIONS and not self.usage.answered:
            server = self._endpoint.base_url
            self._error = f"The server {server} answered none of the first {REJECTIONS} requests, at any try: {detail}"
            self._budget.end.set()
            raise InputError(self._error)

    def _keep(self, call: _Call, answer: Answer, expected: float) -> Answer:
        """Store and count an answer of the server; delete the request from the ledger if there is none."""
        if answer.failure is not None:
            self._ledger.release(call.request)
            return answer
        self._ledger.store(call.request, answer, self._adaptation.notes)
        self._budget.count(call.reservation, answer)
        self._throttle.speed_up()
        self._tokens.correct(answer.prompt_tokens + answer.completion_tokens - expected)
        return answer

    def _reuse(self, call: _Call, stored: StoredAnswer) -> Answer:
        self._budget.count_reused(call.reservation, stored.answer)
        for sentence in stored.changes:
            self._add_note(sentence)
        return stored.answer

    def _stopped(self) -> Answer:
        return Answer(failure=self.usage.stopped or "max_requests")

    def _backoff(self, attempts: int, seconds: float | None) -> float:
        """Return the seconds before a retry: what the server asks for, or an exponential backoff; with jitter."""
        limit = min(LONGEST_WAIT, self._pause * 2 ** (attempts - 1))
        if seconds is None:
            return self._random.uniform(0, limit)
        return seconds + self._random.uniform(0, min(limit, 1.0))

    def _detail(self, text: str) -> str:
        """Return an error message in one line of limited length, without secrets."""
        return " ".join(self._connection.redact(text).split())[:DETAIL_CHARACTERS]

    def _add_note(self, sentence: str) -> None:
        note = self._detail(sentence)
        if note not in self._notes:
            self._notes.append(note)
