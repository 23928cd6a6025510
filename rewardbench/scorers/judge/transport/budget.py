"""Count requests, tokens and money, and stop at `max_requests` and `max_cost`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from rewardbench.scorers.judge.answers import Answer, Failure
from rewardbench.settings import Endpoint

Limit = Literal["", "max_cost", "max_requests"]

HEADROOM = 2.0
"""Factor by which a request in flight may cost more than the most expensive one so far."""
TOKENS_PER_CHARACTER = 0.5
"""Estimate for servers that report no tokens; most texts have fewer."""


@dataclass
class Usage:
    """What a run has used. Tokens and cost are those that the server reports; answers from disk cost nothing now."""

    requests: int = 0
    """HTTP requests, retries included."""
    retries: int = 0
    answered: int = 0
    """Calls that the server answered in this run."""
    failed: int = 0
    """Calls that have no answer, those that a limit stopped included."""
    reused: int = 0
    """Calls whose answer was on disk."""
    unfinished: int = 0
    """Requests that were in flight when an earlier run was killed; they were sent again."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    """Dollars of this run; None without prices."""
    cost_total: float | None = None
    """Dollars of all answers that were used, those from disk included; None without prices."""
    uncounted: int = 0
    """Answers for which the server reported no tokens; their cost is an estimate."""
    failures: dict[Failure, int] = field(default_factory=dict)
    stopped: Limit = ""
    """The limit that was reached."""

    def status(self) -> str:
        """Return cost, retries and failures in short, for a progress bar.

        >>> Usage(cost=0.307, retries=3, failed=2).status()
        '$0.31 · 3 retries · 2 failed'
        """
        parts = [] if self.cost is None else [f"${self.cost:.2f}"]
        if self.retries:
            parts.append(f"{self.retries} {'retry' if self.retries == 1 else 'retries'}")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return " · ".join(parts)


@dataclass(frozen=True, eq=False)
class Reservation:
    """The money that is set aside for one request in flight."""

    characters: int
    """Of the prompt."""
    max_tokens: int | None
    """Tokens of an answer, at most."""


class Budget:
    """Decides whether a request may be sent, and counts what it used.

    With `max_cost`, money is reserved for each request in flight: the most prompt tokens per character and the most
    completion tokens so far, with headroom. Requests are sent one at a time before the first answer, when nothing is
    known, and near the limit, so that the run stops within the price of one request.

    Attributes:
        usage: what the current run has used.
        end: set when no further request is sent.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self.usage = endpoint, Usage()
        self._tokens_per_character = TOKENS_PER_CHARACTER
        self._completion_tokens = 0
        self._has_measured = False
        self._earlier_requests, self._earlier_cost = 0, 0.0
        """Of the runs before this one."""
        self.start()

    def start(self) -> None:
        """Begin a run, in an event loop of its own: count from 0. The limits hold for all runs together."""
        self._earlier_requests += self.usage.requests
        self._earlier_cost += self.usage.cost or 0.0
        has_prices = self._endpoint.input_price is not None or self._endpoint.output_price is not None
        zero = 0.0 if has_prices else None
        self.usage = Usage(cost=zero, cost_total=zero)
        self.end = asyncio.Event()
        self._changed = asyncio.Condition()
        self._in_flight: set[Reservation] = set()

    def price(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return the price of a request in dollars; 0 without prices."""
        prices = (self._endpoint.input_price or 0.0, self._endpoint.output_price or 0.0)
        return (prompt_tokens * prices[0] + completion_tokens * prices[1]) / 1e6

    def expected_tokens(self, characters: int) -> float:
        """Return an upper estimate of the tokens of a request with a prompt of this length."""
        return characters * self._tokens_per_character + self._completion_tokens

    async def reserve(self, reservation: Reservation) -> bool:
        """Wait until `max_cost` leaves enough for a request; return False if it is reached."""
        if self._endpoint.max_cost is None:
            return not self.usage.stopped
        async with self._changed:
            while not self.usage.stopped and not self._is_affordable(reservation, self._endpoint.max_cost):
                if self._in_flight:
                    await self._changed.wait()
                else:
                    self.stop("max_cost")
            if self.usage.stopped:
                self._changed.notify_all()
            else:
                self._in_flight.add(reservation)
        return not self.usage.stopped

    def allow_request(self) -> bool:
        """Count an HTTP request; return False if `max_requests` is reached."""
        limit = self._endpoint.max_requests
        if limit is not None and self._earlier_requests + self.usage.requests >= limit:
            self.stop("max_requests")
        if self.usage.stopped:
            return False
        self.usage.requests += 1
        return True

    def stop(self, limit: Limit) -> None:
        """Send no further request."""
        self.usage.stopped = self.usage.stopped or limit
        self.end.set()

    async def release(self, reservation: Reservation) -> None:
        """Release what was reserved for a request."""
        if self._endpoint.max_cost is not None:
            async with self._changed:
                self._in_flight.discard(reservation)
                self._changed.notify_all()

    def count_reused(self, reservation: Reservation, answer: Answer) -> None:
        """Count an answer from disk."""
        self.usage.reused += 1
        tokens = self._count_tokens(reservation, answer)
        if self.usage.cost_total is not None:
            self.usage.cost_total += self.price(*tokens)

    def count_failure(self, failure: Failure) -> None:
        """Count a call that has no answer."""
        self.usage.failed += 1
        self.usage.failures[failure] = self.usage.failures.get(failure, 0) + 1

    def count(self, reservation: Reservation, answer: Answer) -> None:
        """Count an answer of the server, its tokens and its cost."""
        usage = self.usage
        usage.answered += 1
        usage.prompt_tokens += answer.prompt_tokens
        usage.completion_tokens += answer.completion_tokens
        prompt, completion = self._count_tokens(reservation, answer)
        density = prompt / max(1, reservation.characters)
        self._tokens_per_character = max(self._tokens_per_character, density) if self._has_measured else density
        self._has_measured = True
        self._completion_tokens = max(self._completion_tokens, completion)
        if usage.cost is not None and usage.cost_total is not None:
            usage.cost += self.price(prompt, completion)
            usage.cost_total += self.price(prompt, completion)

    def _count_tokens(self, reservation: Reservation, answer: Answer) -> tuple[int, int]:
        """Return the prompt and completion tokens of an answer; an estimate if the server reported none."""
        if answer.prompt_tokens or answer.completion_tokens:
            return answer.prompt_tokens, answer.completion_tokens
        self.usage.uncounted += 1
        characters = (reservation.characters, len(answer.text) + len(answer.reasoning))
        return round(characters[0] * TOKENS_PER_CHARACTER), round(characters[1] * TOKENS_PER_CHARACTER)

    def _is_affordable(self, reservation: Reservation, limit: float) -> bool:
        spent = self._earlier_cost + (self.usage.cost or 0.0)
        if not self._has_measured:
            return not self._in_flight
        if not self._in_flight:
            return spent + self._price_of(reservation) <= limit
        reserved = sum(map(self._price_of, self._in_flight)) + self._price_of(reservation)
        return spent + HEADROOM * reserved <= limit

    def _price_of(self, reservation: Reservation) -> float:
        """Return the price of a request that uses as many tokens as the most expensive one so far."""
        completion = self._completion_tokens
        if reservation.max_tokens is not None:
            completion = min(completion, reservation.max_tokens)
        return self.price(reservation.characters * self._tokens_per_character, completion)
