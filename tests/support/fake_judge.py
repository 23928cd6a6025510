"""Serve a judge on 127.0.0.1 over OpenAI's HTTP interface, with answers and faults decided by a seed.

In a test:

    behaviour = Behaviour(decide=choose(position_bias=0.3), malformed=0.1, rate_limited=0.05)
    with FakeJudge(behaviour) as judge:
        client = openai.OpenAI(base_url=judge.base_url, api_key="any")
        ...
    assert judge.planted["malformed"] == unscored

In a separate process, which outlives the client: `with JudgeProcess("--malformed", "0.1", log=path) as judge`, or

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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from judge_answers import (
    Question,
    Reply,
    always,
    choose,
    delimited_qualities,
    draw,
    marked_qualities,
    rank,
    rate,
    yes_no,
)
from judge_behaviour import CONTENT_FAULTS, FORMAT_FAULTS, OPENAI_ROLES, TRANSPORT_FAULTS, Behaviour, digest_of
from judge_wire import (
    Connection,
    Gone,
    Refused,
    check_key,
    check_parameters,
    chunks_of,
    completion,
    raise_status,
    rate_limit_error,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

__all__ = [
    "CONTENT_FAULTS",
    "FORMAT_FAULTS",
    "OPENAI_ROLES",
    "TRANSPORT_FAULTS",
    "Behaviour",
    "Exchange",
    "FakeJudge",
    "JudgeProcess",
    "Question",
    "Reply",
    "always",
    "choose",
    "delimited_qualities",
    "digest_of",
    "marked_qualities",
    "rank",
    "rate",
    "yes_no",
]
TOLERANCE = 0.005
"""Seconds by which a clock of the client may be ahead of the Retry-After."""


@dataclass(slots=True)
class Exchange:
    """A request and what became of it. Times are in seconds of time.perf_counter.

    Attributes:
        raw: bytes of the body, `digest` their identity.
        headers: by lower-case name.
        attempt: 1 for the first request with this body.
        ended: when the response was sent or the connection closed; None while in flight.
        status: HTTP status sent; None if the connection was closed before.
        outcome: `answered`, the name of the transport fault, `gone` (closed by the client first), or the code of an
            error, such as `model_not_found`.
        faults: names of all faults planted for it, also of those that have passed; empty if it was refused before.
        answer: JSON object with which a request was answered.
        usage: its token counts, which it may lack.
    """

    raw: bytes
    digest: str
    headers: dict[str, str]
    attempt: int
    started: float
    ended: float | None = None
    status: int | None = None
    outcome: str = ""
    faults: set[str] = field(default_factory=set)
    answer: dict[str, object] | None = None
    usage: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class BodyState:
    """What is remembered of the requests with one body; `accepted_from` is in seconds of time.monotonic."""

    attempts: int = 0
    failures: int = 0
    samples: int = 0
    answers: int = 0
    accepted_from: float = 0.0


class QuickServer(uvicorn.Server):
    """uvicorn, stopped at once by `stop`: connections in flight are closed."""

    async def main_loop(self) -> None:
        """Keep the Date header up to date until the server is stopped."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        while not self._stopped.is_set():
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all sockets, and let the requests in flight see it."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        while self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks), timeout=0.1)

    def stop(self) -> None:
        """Stop the server, from another thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)


class FakeJudge:
    """Context manager: a judge server in a thread of this process.

    Leaving the context raises an exception that `decide` raised.

    Args:
        behaviour: what it answers.
        port: 0 for a free one.
        log: file that gets one JSON line when a request starts (`event=started`) and one when it ends
            (`event=ended`, with status, outcome and faults), each flushed.
        keep_requests: record every exchange in `requests`; without it memory grows by a few counts per distinct body.

    Attributes:
        base_url: what to give to a client, ending in /v1.
        requests: exchanges in order of arrival.
        calls: number of requests to /v1/chat/completions.
        answered: number of complete responses with status 200.
        repeats: number of requests whose body had been answered before.
        too_early: number of requests sent again before the Retry-After of their body had passed.
        in_flight, max_in_flight: number of open requests, and its maximum.
        planted: number of distinct requests (by `Behaviour.key`) with each fault.
        outcomes: number of requests by outcome, as in Exchange.
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
        self.calls = self.answered = self.repeats = self.too_early = self.in_flight = self.max_in_flight = 0
        self.prompt_tokens = self.completion_tokens = 0
        self.planted: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self._keep_requests = keep_requests
        self._bodies: dict[str, BodyState] = {}
        self._keys: set[bytes] = set()
        self._accepted: deque[float] = deque()
        self._failure: Exception | None = None
        self._log = Path(log).open("a", encoding="utf-8") if log else None  # noqa: SIM115, closed by __exit__
        self._socket = listen(port)
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._server = QuickServer(server_config(self))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    def __enter__(self) -> "FakeJudge":
        self._thread.start()
        while not (self._server.started and hasattr(self._server, "_stopped")):
            if not self._thread.is_alive():
                raise RuntimeError("the fake judge did not start")
            time.sleep(0.001)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._server.stop()
        self._thread.join(timeout=10)
        self._socket.close()
        if self._log:
            self._log.close()
        if self._failure and error is None:
            raise RuntimeError("the fake judge failed") from self._failure

    def cost(self, prompt_price: float, completion_price: float) -> float:
        """Return the price of the answered requests; prices are per million tokens."""
        return (self.prompt_tokens * prompt_price + self.completion_tokens * completion_price) / 1e6

    async def list_models(self, request: Request) -> JSONResponse:
        """Answer GET /v1/models."""
        try:
            check_key(self.behaviour, request.headers.get("authorization", ""))
        except Refused as error:
            return JSONResponse(error.content, error.status)
        cards = []
        for name in self.behaviour.models or ("judge",):
            cards.append({"id": name, "object": "model", "created": 0, "owned_by": "tests"})
        return JSONResponse({"object": "list", "data": cards})

    async def complete(self, scope, receive, send) -> None:
        """Answer POST /v1/chat/completions, as an ASGI application."""
        connection = Connection(self._server.server_state.connections, scope, receive, send)
        try:
            raw = await connection.read()
        except Gone:
            return
        exchange = self._begin(raw, scope["headers"])
        try:
            await self._respond(exchange, connection)
        except Refused as error:
            exchange.status, exchange.outcome = error.status, exchange.outcome or error.code
            self._bodies[exchange.digest].accepted_from = time.monotonic() + error.seconds
            await connection.send_json(error.content, error.status, error.headers)
        except Gone as closed:
            exchange.outcome = str(closed)
        except Exception as error:
            self._failure = self._failure or error
            exchange.outcome = "failure"
            raise
        finally:
            self._end(exchange)

    async def _respond(self, exchange: Exchange, connection: Connection) -> None:
        """Answer a request, or fail as planted for this attempt."""
        behaviour, state = self.behaviour, self._bodies[exchange.digest]
        check_key(behaviour, exchange.headers.get("authorization", ""))
        seconds = self._seconds_to_wait()
        if seconds > 0:
            raise rate_limit_error(seconds, behaviour.retry_after_form)
        body = parse_body(exchange.raw)
        check_parameters(behaviour, body)
        key = behaviour.key_of(exchange.raw, body)
        faults = exchange.faults = behaviour.faults_of(key, body)
        if key not in self._keys:
            self._keys.add(key)
            self.planted.update(faults)
        fault = self._transport_fault(state, faults)
        exchange.outcome = fault
        raise_status(fault, behaviour)
        await connection.wait(behaviour.timeout_seconds if fault == "timeout" else 0)
        jitter = behaviour.jitter and behaviour.jitter * draw(behaviour.seed, "jitter", key)
        await connection.wait(behaviour.latency + jitter)
        if fault == "dropped":
            await connection.drop(fault, reset=draw(behaviour.seed, "reset", key) < 0.5)
        if fault == "bad_gateway":
            exchange.status = 502
            return await connection.send_page(502)
        question = Question(body, key, behaviour.seed, state.samples if behaviour.vary_repeats else 0)
        state.samples += 1
        exchange.answer, exchange.usage = completion(behaviour, question, exchange.digest, faults)
        exchange.status = 200
        if body.get("stream"):
            await connection.send_stream(list(chunks_of(exchange.answer, body)), fault, behaviour.timeout_seconds)
        else:
            await connection.send_answer(exchange.answer, fault, behaviour.timeout_seconds)
        if fault in ("", "timeout", "stalled"):
            exchange.outcome = "answered"
        return None

    def _transport_fault(self, state: BodyState, faults: set[str]) -> str:
        """Return the transport fault of this attempt, empty if none is planted or it has passed."""
        for fault in faults.intersection(TRANSPORT_FAULTS):
            if state.failures < self.behaviour.failing_attempts or fault in self.behaviour.lasting:
                state.failures += 1
                return fault
        return ""

    def _begin(self, raw: bytes, headers: list[tuple[bytes, bytes]]) -> Exchange:
        """Record that a request arrived."""
        digest = digest_of(raw)
        state = self._bodies.setdefault(digest, BodyState())
        state.attempts += 1
        self.calls += 1
        self.repeats += state.answers > 0
        self.too_early += time.monotonic() < state.accepted_from - TOLERANCE
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        texts = {name.decode("latin-1"): text.decode("latin-1") for name, text in headers}
        exchange = Exchange(raw, digest, texts, state.attempts, time.perf_counter())
        if self._keep_requests:
            self.requests.append(exchange)
        self._write("started", exchange)
        return exchange

    def _end(self, exchange: Exchange) -> None:
        """Record that a request was answered, refused or dropped."""
        exchange.ended = time.perf_counter()
        self.in_flight -= 1
        self.outcomes[exchange.outcome] += 1
        if exchange.outcome == "answered":
            self.answered += 1
            self._bodies[exchange.digest].answers += 1
            self.prompt_tokens += exchange.usage["prompt_tokens"]
            self.completion_tokens += exchange.usage["completion_tokens"]
        self._write("ended", exchange)

    def _seconds_to_wait(self) -> float:
        """Count a request towards the rate limit; return 0, or the seconds until one will be accepted."""
        limit, window = self.behaviour.requests_per_window, self.behaviour.window_seconds
        if not limit:
            return 0.0
        now = time.monotonic()
        while self._accepted and self._accepted[0] <= now - window:
            self._accepted.popleft()
        if len(self._accepted) >= limit:
            return self._accepted[0] + window - now
        self._accepted.append(now)
        return 0.0

    def _write(self, event: str, exchange: Exchange) -> None:
        """Write a line of the log."""
        if self._log is None:
            return
        fields = {"event": event, "digest": exchange.digest, "attempt": exchange.attempt, "time": time.time()}
        if event == "ended":
            fields |= {"status": exchange.status, "outcome": exchange.outcome, "faults": sorted(exchange.faults)}
        self._log.write(json.dumps(fields) + "\n")
        self._log.flush()


def listen(port: int) -> socket.socket:
    """Return a listening socket of 127.0.0.1; only with the protocol named does asyncio switch Nagle's delay off."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(2048)
    return listener


class AsgiEndpoint:
    """An ASGI application for a route: Starlette would take a plain method for a function of a request."""

    def __init__(self, application) -> None:
        self.application = application

    async def __call__(self, scope, receive, send) -> None:
        await self.application(scope, receive, send)


async def report_health(request: Request) -> JSONResponse:
    """Answer that the server is ready."""
    return JSONResponse({"status": "ok"})


def server_config(judge: FakeJudge) -> uvicorn.Config:
    """Return the settings of uvicorn, with the routes of a judge."""
    routes = [
        Route("/v1/chat/completions", AsgiEndpoint(judge.complete), methods=["POST"]),
        Route("/v1/models", judge.list_models),
        Route("/health", report_health),
        Route("/v1/health", report_health),
    ]
    return uvicorn.Config(
        Starlette(routes=routes),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_keep_alive=60,
    )


def parse_body(raw: bytes) -> dict[str, object]:
    """Return the JSON object of a request. Raises: Refused if it is not one with messages."""
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise Refused(400, "We could not parse the JSON body of your request.")
    return body


class JudgeProcess:
    """Context manager: a fake judge in another process, which ends with this one.

    Args:
        options: words of the command line.
        log: file for the log.

    Attributes:
        base_url: what to give to a client.
    """

    def __init__(self, *options: str, log: Path) -> None:
        self.options, self.log = options, log

    def __enter__(self) -> "JudgeProcess":
        command = [sys.executable, __file__, "--until_stdin_closes", "--log", str(self.log), *self.options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("base_url="):
            raise RuntimeError(f"the fake judge did not start: {line!r}")
        self.base_url = line.strip().removeprefix("base_url=")
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the lines of the log whose event is `name`: started or ended."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == name]


JUDGES = {"rate": rate, "yes_no": yes_no, "rank": rank}


def parse_arguments(words: list[str] | None = None) -> tuple[argparse.Namespace, Behaviour]:
    """Return the options of the command line, and the behaviour they describe: an option per simple field."""
    parser = argparse.ArgumentParser(
        description="Serve a fake judge; the docstring of Behaviour describes the options."
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", help="file that gets a JSON line per request started and ended")
    parser.add_argument("--until_stdin_closes", action="store_true", help="end with the process that started this one")
    parser.add_argument("--answer", default="choose", help=f"choose, {', '.join(JUDGES)}, or a text for every request")
    parser.add_argument("--position_bias", type=float, default=0.0, help="share of answers for the first response")
    names = []
    for option in dataclasses.fields(Behaviour):
        if option.type is bool:
            parser.add_argument(f"--{option.name}", action="store_true")
        elif option.type in (int, float, str):
            parser.add_argument(f"--{option.name}", type=option.type, default=option.default)
        elif option.type == tuple[str, ...]:
            parser.add_argument(f"--{option.name}", nargs="*", default=option.default)
        else:
            continue
        names.append(option.name)
    arguments = parser.parse_args(words)
    settings = {name: getattr(arguments, name) for name in names}
    for name, setting in settings.items():
        if isinstance(setting, list):
            settings[name] = tuple(setting)
    if arguments.answer == "choose":
        settings["decide"] = choose(position_bias=arguments.position_bias)
    elif arguments.answer in JUDGES:
        settings["decide"] = JUDGES[arguments.answer]()
    else:
        settings["decide"] = always(arguments.answer)
    return arguments, Behaviour(**settings)


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
