"""Serve a judge on 127.0.0.1 over OpenAI's HTTP interface, with answers and faults decided by a seed.

In a test:

    behaviour = Behaviour(decide=choose(position_bias=0.3), malformed=0.1, rate_limited=0.05)
    with FakeJudge(behaviour) as judge:
        client = openai.OpenAI(base_url=judge.base_url, api_key="any")
        ...
    assert judge.planted["malformed"] == unscored

In a process of its own, which outlives the client: `JudgeProcess("--malformed", "0.1")`, or by hand

    python tests/support/fake_judge.py --port 8001 --latency 0.2 --malformed 0.1

An answer depends on the seed and the request alone, never on the order in which requests arrive.
"""

import argparse
import asyncio
import dataclasses
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import blake2b
from pathlib import Path

import uvicorn
from judge_answers import (
    Decide,
    Question,
    Reply,
    always,
    choose,
    count_tokens,
    draw,
    logprobs_of,
    messages_of,
    parse_body,
    rank,
    rate,
    tokens_of,
    yes_no,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

TRANSPORT_FAULTS = (
    "rate_limited",
    "unavailable",
    "server_error",
    "out_of_quota",
    "timeout",
    "dropped",
    "cut",
    "truncated_json",
    "unfinished_stream",
)
"""Faults of a whole response. A request has at most one, in its first `failing_attempts` attempts."""
CONTENT_FAULTS = ("malformed", "both_verdicts", "empty", "refusal", "content_filter", "length")
"""Faults of an answer. A request has at most one, in every attempt."""
FORMAT_FAULTS = ("wrong_model", "no_usage", "no_logprobs", "missing_token", "reasoning", "think")
"""What differs between servers. A request may have several, in every attempt."""
OPENAI_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
MALFORMED = (
    "I cannot decide which response is better.",
    "Each has merits; it depends on the reader.",
    "[[",
    "{}",
    "```json\n{\n```",
)
REFUSAL = "I'm sorry, but I can't help with that."
FILTERED = "The response was filtered."


@dataclass(frozen=True)
class Behaviour:
    """What a fake judge answers, and how it misbehaves. Rates are shares of distinct requests, drawn by hash.

    Transport faults, which pass after `failing_attempts` attempts of the same body unless `lasting` names them:
        rate_limited: status 429 with `retry_after` seconds in the header `retry_after_form` (`seconds`, `date`,
            `milliseconds`, which is `retry-after-ms`, or `none`).
        unavailable, server_error: status 503 and 500.
        out_of_quota: status 429 with the code `insufficient_quota`, at every attempt.
        timeout: no byte for `timeout_seconds`, then the answer.
        dropped, cut: connection closed before the response, in the middle of it; half of the drops by TCP reset.
        truncated_json: status 200 with half a body and a matching Content-Length.
        unfinished_stream: a stream that ends early without finish_reason and `[DONE]`; streams only.
    Content faults, at every attempt:
        malformed: one of `malformed_texts`, without verdict.
        both_verdicts: the verdict, then the contrary one.
        empty: null, an empty text or white space.
        refusal: `message.refusal` and null content.
        content_filter: empty content with the finish_reason `content_filter`.
        length: the finish_reason `length`; half of these answers reach their verdict all the same.
    Format faults, at every attempt, in any combination:
        wrong_model: another model's name in the response.
        no_usage: no token counts.
        no_logprobs: none although requested.
        missing_token: top_logprobs without the less likely verdict.
        reasoning: thoughts with the contrary verdict in the field `reasoning_field`.
        think: the same thoughts in `<think>` at the beginning of the content.
    Settings of the server:
        decide: returns the answer to a question.
        key: from the parsed body to what everything is drawn by, the digest of the raw body if None; by a mark of the
            item, for example, both orders of a pair have the same faults.
        models: names served, others get 404; empty = all.
        api_key: the key that is accepted, others get 401; empty = all. `echo_key` repeats the key in that message.
        roles: roles of messages accepted, others get 400 (OPENAI_ROLES); empty = all.
        refuses: parameters that get 400. `temperature` and `top_p` are refused unless 1.
        max_top_logprobs: larger requests get 400.
        context_length: longer prompts, in words, get 400; 0 = any.
        latency, jitter: seconds before each answer, and largest addition to them, drawn by request.
        requests_per_window, window_seconds: further requests in any window of this length get 429; 0 = any number.
    """

    decide: Decide = field(default_factory=choose)
    seed: int = 0
    key: Callable[[Mapping[str, object]], str] | None = None

    rate_limited: float = 0.0
    unavailable: float = 0.0
    server_error: float = 0.0
    out_of_quota: float = 0.0
    timeout: float = 0.0
    dropped: float = 0.0
    cut: float = 0.0
    truncated_json: float = 0.0
    unfinished_stream: float = 0.0
    failing_attempts: int = 1
    lasting: tuple[str, ...] = ("out_of_quota",)
    retry_after: float = 0.01
    retry_after_form: str = "seconds"
    timeout_seconds: float = 30.0

    malformed: float = 0.0
    both_verdicts: float = 0.0
    empty: float = 0.0
    refusal: float = 0.0
    content_filter: float = 0.0
    length: float = 0.0
    malformed_texts: tuple[str, ...] = MALFORMED

    wrong_model: float = 0.0
    no_usage: float = 0.0
    no_logprobs: float = 0.0
    missing_token: float = 0.0
    reasoning: float = 0.0
    think: float = 0.0
    reasoning_field: str = "reasoning_content"

    models: tuple[str, ...] = ()
    api_key: str = ""
    echo_key: bool = False
    roles: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    max_top_logprobs: int = 20
    context_length: int = 0
    latency: float = 0.0
    jitter: float = 0.0
    requests_per_window: int = 0
    window_seconds: float = 60.0

    def __post_init__(self) -> None:
        for group in (TRANSPORT_FAULTS, CONTENT_FAULTS):
            if sum(getattr(self, name) for name in group) > 1 + 1e-9:
                raise ValueError(f"the rates of {', '.join(group)} add up to more than 1")

    def key_of(self, raw: bytes, body: Mapping[str, object]) -> bytes:
        """Return what answers and faults of a request are drawn by."""
        return digest_of(raw).encode() if self.key is None else self.key(body).encode()

    def faults_of(self, key: bytes, body: Mapping[str, object]) -> set[str]:
        """Return the faults planted for a request; a test can count them without a server."""
        planted = {self._drawn(TRANSPORT_FAULTS, "transport", key), self._drawn(CONTENT_FAULTS, "content", key)}
        for name in FORMAT_FAULTS:
            if draw(self.seed, name, key) < getattr(self, name):
                planted.add(name)
        if not body.get("stream"):
            planted.discard("unfinished_stream")
        if not body.get("logprobs"):
            planted -= {"no_logprobs", "missing_token"}
        return planted - {""}

    def _drawn(self, group: tuple[str, ...], name: str, key: bytes) -> str:
        number = draw(self.seed, name, key)
        for fault in group:
            number -= getattr(self, fault)
            if number < 0:
                return fault
        return ""


@dataclass(slots=True)
class Exchange:
    """A request and what became of it. Times are in seconds of time.perf_counter.

    Attributes:
        attempt: 1 for the first request with this body.
        ended: when the response was sent, or the connection closed; None while in flight.
        status: HTTP status sent; None if none was, because the server or the client closed the connection.
        outcome: `answered`, the name of the transport fault, `gone` (the client closed the connection first), or the
            code of an error such as `model_not_found`.
        answer: JSON object sent with status 200.
    """

    raw: bytes
    digest: str
    headers: dict[str, str]
    attempt: int
    started: float
    ended: float | None = None
    status: int | None = None
    outcome: str = ""
    answer: dict[str, object] | None = None


@dataclass(slots=True)
class BodyState:
    """Counts of the requests with one body."""

    attempts: int = 0
    failures: int = 0
    answers: int = 0


class Refused(Exception):
    """A response in OpenAI's error format."""

    def __init__(self, status: int, message: str, code: str | None, param: str | None = None, **headers: str) -> None:
        super().__init__(message)
        kinds = {401: "authentication_error", 429: "requests", 500: "server_error", 503: "server_error"}
        kind = "insufficient_quota" if code == "insufficient_quota" else kinds.get(status, "invalid_request_error")
        self.status, self.code = status, code or str(status)
        self.content = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}


class Gone(Exception):
    """The connection is closed, by the server or by the client; the argument is the outcome."""


def digest_of(raw: bytes) -> str:
    """Return the identity of a request body."""
    return blake2b(raw, digest_size=12).hexdigest()


class FakeJudge:
    """Context manager: a judge server in a thread of this process.

    Args:
        behaviour: what it answers.
        port: 0 for a free one.
        log: file that gets one JSON line when a request starts (`event=started`) and one when it ends
            (`event=ended`, with status and outcome), each flushed.
        keep_requests: record every exchange in `requests`; without it memory grows by the digests of bodies alone.

    Attributes:
        base_url: what to give to a client, ending in /v1.
        requests: exchanges in order of arrival.
        calls: number of requests to /v1/chat/completions.
        answered: number of responses with status 200 sent completely.
        repeats: number of requests whose body had been answered before.
        in_flight, max_in_flight: number of open requests, and the largest number so far.
        planted: number of distinct bodies with each fault; a transport fault counts when it occurs.
        statuses: number of responses by HTTP status.
        prompt_tokens, completion_tokens: of the answered requests.
    """

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        port: int = 0,
        log: Path | str | None = None,
        keep_requests: bool = True,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.requests: list[Exchange] = []
        self.calls = self.answered = self.repeats = self.in_flight = self.max_in_flight = 0
        self.prompt_tokens = self.completion_tokens = 0
        self.planted: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self._keep_requests = keep_requests
        self._bodies: dict[str, BodyState] = {}
        self._recent: deque[float] = deque()
        self._log = Path(log).open("a", encoding="utf-8") if log else None  # noqa: SIM115, closed by __exit__
        self._socket = socket.create_server(("127.0.0.1", port), backlog=2048)
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        routes = [
            Route("/v1/chat/completions", Completions(self), methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/health", health),
            Route("/v1/health", health),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            backlog=2048,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_keep_alive=60,
        )
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run, args=([self._socket],), daemon=True)

    def __enter__(self) -> "FakeJudge":
        self._thread.start()
        while not self.server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the fake judge did not start")
            time.sleep(0.002)
        return self

    def __exit__(self, *error: object) -> None:
        self.server.force_exit = True  # do not wait for requests in flight
        self.server.should_exit = True
        self._thread.join(timeout=10)
        if self._log:
            self._log.close()

    def cost(self, prompt_price: float, completion_price: float) -> float:
        """Return the price of the answered requests; prices are per million tokens."""
        return (self.prompt_tokens * prompt_price + self.completion_tokens * completion_price) / 1e6

    async def _models(self, request: Request) -> JSONResponse:
        names = self.behaviour.models or ("judge",)
        cards = [{"id": name, "object": "model", "created": 0, "owned_by": "tests"} for name in names]
        return JSONResponse({"object": "list", "data": cards})

    def begin(self, raw: bytes, headers: list[tuple[bytes, bytes]]) -> Exchange:
        """Record that a request arrived."""
        digest = digest_of(raw)
        state = self._bodies.setdefault(digest, BodyState())
        state.attempts += 1
        self.calls += 1
        self.repeats += state.answers > 0
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        names = {name.decode("latin-1"): text.decode("latin-1") for name, text in headers}
        exchange = Exchange(raw, digest, names, state.attempts, time.perf_counter())
        if self._keep_requests:
            self.requests.append(exchange)
        self._write("started", exchange)
        return exchange

    def end(self, exchange: Exchange) -> None:
        """Record that a request was answered, refused or dropped."""
        exchange.ended = time.perf_counter()
        self.in_flight -= 1
        if exchange.status is not None:
            self.statuses[exchange.status] += 1
        if exchange.answer is not None and exchange.outcome == "answered":
            self.answered += 1
            self._bodies[exchange.digest].answers += 1
            prompt, completion = usage_of(parse_body(exchange.raw) or {}, exchange.answer)
            self.prompt_tokens += prompt
            self.completion_tokens += completion
        self._write("ended", exchange)

    def state_of(self, exchange: Exchange) -> BodyState:
        """Return the counts of the body of an exchange."""
        return self._bodies[exchange.digest]

    def seconds_to_wait(self) -> float:
        """Count a request towards the rate limit; return 0, or the seconds until one will be accepted."""
        limit, window = self.behaviour.requests_per_window, self.behaviour.window_seconds
        if not limit:
            return 0.0
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - window:
            self._recent.popleft()
        if len(self._recent) >= limit:
            return self._recent[0] + window - now
        self._recent.append(now)
        return 0.0

    def _write(self, event: str, exchange: Exchange) -> None:
        if self._log is None:
            return
        fields = {"event": event, "digest": exchange.digest, "attempt": exchange.attempt, "time": time.time()}
        if event == "ended":
            fields |= {"status": exchange.status, "outcome": exchange.outcome}
        self._log.write(json.dumps(fields) + "\n")
        self._log.flush()


async def health(request: Request) -> JSONResponse:
    """Answer that the server is ready."""
    return JSONResponse({"status": "ok"})


class Completions:
    """ASGI application of /v1/chat/completions."""

    def __init__(self, judge: FakeJudge) -> None:
        self.judge = judge

    async def __call__(self, scope, receive, send) -> None:
        raw = b""
        message = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            raw += message.get("body", b"")
        exchange = self.judge.begin(raw, scope["headers"])
        connection = Connection(self.judge.server, scope, receive, send)
        try:
            await self.respond(exchange, connection)
        except Refused as error:
            exchange.status, exchange.outcome = error.status, exchange.outcome or error.code
            await connection.send_json(error.content, error.status, error.headers)
        except Gone as closed:
            exchange.outcome = str(closed)
        finally:
            self.judge.end(exchange)

    async def respond(self, exchange: Exchange, connection: "Connection") -> None:
        """Answer a request, or fail in the way that is planted for it."""
        behaviour = self.judge.behaviour
        check_key(behaviour, exchange.headers.get("authorization", ""))
        seconds = self.judge.seconds_to_wait()
        if seconds:
            raise rate_limit_error(seconds, behaviour.retry_after_form)
        body = parse_body(exchange.raw)
        if body is None or not isinstance(body.get("messages"), list):
            raise Refused(400, "We could not parse the JSON body of your request.", None)
        check_parameters(behaviour, body)
        key = behaviour.key_of(exchange.raw, body)
        faults = self.plant(exchange, behaviour.faults_of(key, body))
        transport = next(iter(faults.intersection(TRANSPORT_FAULTS)), "")
        exchange.outcome = transport
        raise_status(transport, behaviour)
        await connection.wait(behaviour.timeout_seconds if transport == "timeout" else 0)
        await connection.wait(behaviour.latency + behaviour.jitter * draw(behaviour.seed, "jitter", key))
        if transport == "dropped":
            await connection.drop(transport, reset=draw(behaviour.seed, "reset", key) < 0.5)
        answer = completion(behaviour, body, key, faults)
        exchange.answer, exchange.status = answer, 200
        if body.get("stream"):
            await connection.send_stream(list(chunks_of(answer, body)), transport)
        else:
            await connection.send_answer(answer, transport)
        if transport in ("", "timeout"):
            exchange.outcome = "answered"

    def plant(self, exchange: Exchange, faults: set[str]) -> set[str]:
        """Count the faults of a request; return those of this attempt."""
        behaviour, state = self.judge.behaviour, self.judge.state_of(exchange)
        if state.attempts == 1:
            self.judge.planted.update(faults)
        transport = faults.intersection(TRANSPORT_FAULTS)
        if not transport:
            return faults
        state.failures += 1
        passes = state.failures > behaviour.failing_attempts and not transport.intersection(behaviour.lasting)
        return faults - transport if passes else faults


class Connection:
    """The connection of one request: sends responses, and closes the socket of uvicorn under them."""

    def __init__(self, server: uvicorn.Server, scope, receive, send) -> None:
        self.server, self.scope, self.receive, self.send = server, scope, receive, send

    async def wait(self, seconds: float) -> None:
        """Sleep. Raises: Gone if the client closes the connection meanwhile."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.wait_for_close()
        except TimeoutError:
            return
        raise Gone("gone")

    async def wait_for_close(self) -> None:
        """Return when the connection is closed."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def drop(self, outcome: str, reset: bool = False) -> None:
        """Close the socket, by TCP reset or in order. Raises: Gone, always."""
        client = tuple(self.scope["client"])
        for connection in list(self.server.server_state.connections):
            if connection.client == client:
                if reset:  # lingering for 0 seconds makes the kernel send RST
                    linger = (1).to_bytes(4, sys.byteorder) + bytes(4)
                    raw = connection.transport.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.transport.abort()
        await self.wait_for_close()
        raise Gone(outcome)

    async def start(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        """Send the status line and the headers."""
        pairs = [(b"content-type", content_type.encode())]
        pairs += [(name.encode(), text.encode()) for name, text in headers.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})

    async def send_bytes(self, content: bytes, unfinished: bool = False) -> None:
        """Send bytes of the body."""
        await self.send({"type": "http.response.body", "body": content, "more_body": unfinished})

    async def send_json(self, content: object, status: int, headers: Mapping[str, str]) -> None:
        """Send a complete JSON response."""
        encoded = json.dumps(content).encode()
        await self.start(status, "application/json", {**headers, "content-length": str(len(encoded))})
        await self.send_bytes(encoded)

    async def send_answer(self, answer: Mapping[str, object], transport: str) -> None:
        """Send an answer in one piece, or the half that a transport fault leaves of it."""
        encoded = json.dumps(answer).encode()
        half = encoded[: len(encoded) // 2]
        length = len(half) if transport == "truncated_json" else len(encoded)
        headers = {"content-length": str(length), "x-request-id": str(answer["id"])}
        await self.start(200, "application/json", headers)
        if transport == "cut":
            await self.send_bytes(half, unfinished=True)
            await self.drop(transport)
        await self.send_bytes(half if transport == "truncated_json" else encoded)

    async def send_stream(self, chunks: list[Mapping[str, object]], transport: str) -> None:
        """Send server-sent events, or the first half of them."""
        events = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]
        await self.start(200, "text/event-stream; charset=utf-8", {"x-request-id": str(chunks[0]["id"])})
        if transport in ("cut", "truncated_json", "unfinished_stream"):
            events = events[: max(1, (len(events) - 2) // 2)]
        if transport == "truncated_json":
            events[-1] = events[-1][: len(events[-1]) // 2]
        for event in events:
            await self.send_bytes(event, unfinished=True)
        if transport == "cut":
            await self.drop(transport)
        await self.send_bytes(b"")


def check_key(behaviour: Behaviour, authorization: str) -> None:
    """Raise a 401 if the key is not the accepted one."""
    key = authorization.removeprefix("Bearer ")
    if behaviour.api_key and key != behaviour.api_key:
        shown = key if behaviour.echo_key or len(key) < 8 else f"{key[:3]}{'*' * (len(key) - 7)}{key[-4:]}"
        raise Refused(401, f"Incorrect API key provided: {shown}.", "invalid_api_key")


def rate_limit_error(seconds: float, form: str) -> Refused:
    """Return a 429 with the seconds to wait in the form of Behaviour.retry_after_form."""
    headers = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": f"{seconds:.3f}s"}
    if form == "seconds":
        headers["retry_after"] = f"{seconds:.3f}".rstrip("0").rstrip(".")
    elif form == "date":
        headers["retry_after"] = formatdate(time.time() + seconds, usegmt=True)
    elif form == "milliseconds":
        headers["retry_after_ms"] = f"{1000 * seconds:.0f}"
    return Refused(429, "Rate limit reached for requests.", "rate_limit_exceeded", **headers)


def raise_status(transport: str, behaviour: Behaviour) -> None:
    """Raise the HTTP error of a transport fault, if it is one."""
    if transport == "rate_limited":
        raise rate_limit_error(behaviour.retry_after, behaviour.retry_after_form)
    if transport == "out_of_quota":
        raise Refused(429, "You exceeded your current quota, please check your plan.", "insufficient_quota")
    if transport == "unavailable":
        raise Refused(503, "The engine is currently overloaded, please try again later.", None)
    if transport == "server_error":
        raise Refused(500, "The server had an error while processing your request.", None)


def check_parameters(behaviour: Behaviour, body: Mapping[str, object]) -> None:
    """Raise a 400 or 404 for a model, role, parameter or prompt that this server refuses."""
    model = body.get("model")
    if behaviour.models and model not in behaviour.models:
        raise Refused(404, f"The model `{model}` does not exist or you do not have access to it.", "model_not_found")
    messages = messages_of(body)
    for index, (role, _) in enumerate(messages):
        if behaviour.roles and role not in behaviour.roles:
            supported = ", ".join(f"'{name}'" for name in behaviour.roles)
            message = f"Invalid value: '{role}'. Supported values are: {supported}."
            raise Refused(400, message, "invalid_value", f"messages[{index}].role")
    for name in behaviour.refuses:
        setting = body.get(name)
        if name in ("temperature", "top_p") and setting not in (None, 1):
            message = f"Unsupported value: '{name}' does not support {setting} with this model. "
            raise Refused(400, message + "Only the default (1) value is supported.", "unsupported_value", name)
        if name not in ("temperature", "top_p") and name in body:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise Refused(400, message, "unsupported_parameter", name)
    if (body.get("top_logprobs") or 0) > behaviour.max_top_logprobs:
        message = f"Invalid value for 'top_logprobs': must be at most {behaviour.max_top_logprobs}."
        raise Refused(400, message, "integer_above_max_value", "top_logprobs")
    words = sum(count_tokens(text) for _, text in messages)
    if behaviour.context_length and words > behaviour.context_length:
        limit = behaviour.context_length
        message = f"This model's maximum context length is {limit} tokens. Your messages have {words} tokens."
        raise Refused(400, message, "context_length_exceeded", "messages")


def completion(behaviour: Behaviour, body: Mapping[str, object], key: bytes, faults: set[str]) -> dict[str, object]:
    """Return the JSON object that answers a request."""
    choices = []
    for sample in range(int(body.get("n") or 1)):
        question = Question(body, key, behaviour.seed, sample)
        choices.append(choice_of(behaviour, question, faults))
    model = body.get("model")
    answer: dict[str, object] = {
        "id": "chatcmpl-" + blake2b(key, digest_size=12).hexdigest(),
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": f"another-{model}" if "wrong_model" in faults else model,
        "choices": choices,
        "system_fingerprint": f"fp_{behaviour.seed}",
    }
    if "no_usage" not in faults:
        prompt, generated = usage_of(body, answer)
        answer["usage"] = {
            "prompt_tokens": prompt,
            "completion_tokens": generated,
            "total_tokens": prompt + generated,
        }
    return answer


def usage_of(body: Mapping[str, object], answer: Mapping[str, object]) -> tuple[int, int]:
    """Return the numbers of prompt and completion tokens: words of the messages, and of contents and thoughts."""
    prompt = sum(count_tokens(text) for _, text in messages_of(body))
    generated = 0
    for choice in answer["choices"]:
        for name, text in choice["message"].items():
            if name != "role":
                generated += count_tokens(text)
    return prompt, generated


def choice_of(behaviour: Behaviour, question: Question, faults: set[str]) -> dict[str, object]:
    """Return one choice of an answer, with its content and format faults."""
    reply = behaviour.decide(question)
    if isinstance(reply, str):
        reply = Reply(reply)
    message: dict[str, object] = {"role": "assistant", "content": reply.content, "refusal": None}
    finish = "stop"
    thoughts = f"At first sight: {reply.contrary or reply.content} Let me check again."
    content_fault = next(iter(faults.intersection(CONTENT_FAULTS)), "")
    if content_fault:
        reply, finish = spoil(behaviour, question, reply, content_fault)
        message["content"] = reply.content
    if content_fault == "refusal":
        message |= {"content": None, "refusal": REFUSAL}
    if "reasoning" in faults:
        message[behaviour.reasoning_field] = thoughts
    if "think" in faults and message["content"] is not None:
        message["content"] = f"<think>\n{thoughts}\n</think>\n\n{message['content']}"
        reply = Reply(message["content"], reply.contrary, reply.probabilities, reply.at if reply.at < 0 else -1)
    tokens = tokens_of(message["content"] or "")
    limit = question.body.get("max_completion_tokens") or question.body.get("max_tokens")
    if limit and len(tokens) > limit:
        tokens = tokens[:limit]
        message["content"], finish = "".join(tokens), "length"
        if reply.at < 0:
            reply = Reply(message["content"])
    choice = {"index": question.sample, "message": message, "logprobs": None, "finish_reason": finish}
    if question.body.get("logprobs") and "no_logprobs" not in faults:
        top = int(question.body.get("top_logprobs") or 0)
        choice["logprobs"] = {"content": logprobs_of(reply, tokens, top, "missing_token" in faults)}
    return choice


def spoil(behaviour: Behaviour, question: Question, reply: Reply, fault: str) -> tuple[Reply, str]:
    """Return the answer that a content fault turns a reply into, and its finish_reason."""
    number = question.draw("text of the fault")
    if fault == "malformed":
        return Reply(behaviour.malformed_texts[int(number * len(behaviour.malformed_texts))]), "stop"
    if fault == "both_verdicts":
        return Reply(f"{reply.content}\nThen again: {reply.contrary or reply.content}"), "stop"
    if fault == "empty":
        return Reply(("", "  \n", None)[int(number * 3)]), "stop"
    if fault == "content_filter":
        return Reply(""), "content_filter"
    if fault == "length":
        words = reply.content if number < 0.5 else "".join(tokens_of(reply.content)[:-1])
        return Reply(f"{words} Moreover, the"), "length"
    return reply, "stop"


def chunks_of(answer: Mapping[str, object], body: Mapping[str, object]):
    """Yield an answer as the chunks of a stream: role, thoughts, content by words, finish_reason, usage."""
    base = {name: answer[name] for name in ("id", "created", "model", "system_fingerprint")}
    base["object"] = "chat.completion.chunk"
    options = body.get("stream_options") or {}
    if options.get("include_usage"):
        base["usage"] = None

    def chunk(index, delta, logprobs=None, finish=None):
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return {**base, "choices": [choice]}

    for choice in answer["choices"]:
        index, message = choice["index"], dict(choice["message"])
        content = message.pop("content")
        yield chunk(index, {"role": message.pop("role"), "content": ""})
        for name, text in message.items():
            if text is not None:
                yield chunk(index, {name: text})
        entries = (choice["logprobs"] or {}).get("content")
        for position, token in enumerate(tokens_of(content or "")):
            logprobs = {"content": [entries[position]]} if entries else None
            yield chunk(index, {"content": token}, logprobs)
        yield chunk(index, {}, finish=choice["finish_reason"])
    if options.get("include_usage") and "usage" in answer:
        yield {**base, "choices": [], "usage": answer["usage"]}


class JudgeProcess:
    """A fake judge in another process, with the options of the command line.

    Attributes:
        base_url: what to give to a client.
        log: path of its log.
    """

    def __init__(self, *options: str, log: Path) -> None:
        command = [sys.executable, __file__, "--log", str(log), "--until_stdin_closes", *options]
        self.log = log
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.base_url = line.strip().removeprefix("base_url=")
        if not line.startswith("base_url="):
            raise RuntimeError(f"the fake judge did not start: {line!r}")

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the lines of the log with event = `name`: started or ended."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def judge_process(*options: str, log: Path):
    """Context manager: a JudgeProcess, ended on exit."""
    judge = JudgeProcess(*options, log=log)
    try:
        yield judge
    finally:
        judge.stop()


JUDGES = {"choose": choose, "rate": rate, "yes_no": yes_no, "rank": rank}


def parse_arguments(words: list[str] | None = None) -> tuple[argparse.Namespace, Behaviour]:
    """Return the options of the command line, and the behaviour they describe: an option per simple field."""
    parser = argparse.ArgumentParser(description="Serve a fake judge; see the docstring of Behaviour for the faults.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--until_stdin_closes", action="store_true", help="end with the process that started this one")
    parser.add_argument("--log", help="file that gets a JSON line per request started and ended")
    parser.add_argument("--answer", default="choose", help=f"{', '.join(JUDGES)}, or a text given to every request")
    parser.add_argument("--position_bias", type=float, default=0.0, help="share of answers for the first response")
    for option in dataclasses.fields(Behaviour):
        if option.type is bool:
            parser.add_argument(f"--{option.name}", action="store_true")
        elif option.type in (int, float, str):
            parser.add_argument(f"--{option.name}", type=option.type, default=option.default)
        elif option.type == tuple[str, ...]:
            parser.add_argument(f"--{option.name}", nargs="*", default=option.default)
    arguments = parser.parse_args(words)
    settings = {}
    for name in (option.name for option in dataclasses.fields(Behaviour) if hasattr(arguments, option.name)):
        value = getattr(arguments, name)
        settings[name] = tuple(value) if isinstance(value, list) else value
    if arguments.answer == "choose":
        decide = choose(position_bias=arguments.position_bias)
    elif arguments.answer in JUDGES:
        decide = JUDGES[arguments.answer]()
    else:
        decide = always(arguments.answer)
    return arguments, Behaviour(decide=decide, **settings)


def main() -> None:
    """Serve until the process is ended."""
    arguments, behaviour = parse_arguments()
    with FakeJudge(behaviour, port=arguments.port, log=arguments.log, keep_requests=False) as judge:
        print(f"base_url={judge.base_url}", flush=True)
        with suppress(KeyboardInterrupt):
            if arguments.until_stdin_closes:
                sys.stdin.read()
            else:
                threading.Event().wait()


if __name__ == "__main__":
    main()
