"""Settings of a fake judge: what it answers, and how it misbehaves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

from judge_answers import Decide, choose, draw

TRANSPORT_FAULTS = (
    "rate_limited",
    "unavailable",
    "server_error",
    "bad_gateway",
    "out_of_quota",
    "timeout",
    "stalled",
    "dropped",
    "cut",
    "truncated_json",
    "error_body",
    "unfinished_stream",
)
"""Faults of a response. A request has at most one, in its first `failing_attempts` attempts."""
CONTENT_FAULTS = ("malformed", "both_verdicts", "empty", "refusal", "content_filter", "length")
"""Faults of an answer. A request has at most one, in every attempt."""
FORMAT_FAULTS = ("wrong_model", "no_usage", "no_logprobs", "missing_token", "reasoning", "think")
"""Differences between servers. A request may have several, in every attempt."""
OPENAI_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
RETRY_AFTER_FORMS = ("seconds", "date", "milliseconds", "none")
MALFORMED = (
    "I cannot decide which response is better.",
    "Each has merits; it depends on the reader.",
    "[[",
    "{}",
    "```json\n{\n```",
)


@dataclass(frozen=True)
class Behaviour:
    """What a fake judge answers, and how it misbehaves. Rates are shares of distinct requests, drawn by hash.

    Transport faults, which pass after `failing_attempts` attempts with the same body unless `lasting` names them:
        rate_limited: status 429 with `retry_after` seconds in the header `retry-after`, as `retry_after_form` says:
            `seconds`, `date` (rounded up to a second), `milliseconds` (header `retry-after-ms`) or `none`.
        unavailable, server_error: status 503 and 500 with a JSON error.
        bad_gateway: status 502 with an HTML page.
        out_of_quota: status 429 with the code `insufficient_quota`, in every attempt.
        timeout: not one byte for `timeout_seconds`, then the answer.
        stalled: half the response, nothing for `timeout_seconds`, then the other half.
        dropped: connection closed before the response, half of the times by TCP reset.
        cut: connection closed in the middle of the response.
        truncated_json: status 200 with half a body and a matching Content-Length; in a stream, half an event.
        error_body: status 200 with an `error` object and no choices; in a stream, as the last event after half of it.
        unfinished_stream: a stream that ends early without finish_reason and `[DONE]`; streams only.
    Content faults, in every attempt:
        malformed: one of `malformed_texts`, without verdict.
        both_verdicts: the verdict, then the contrary one.
        empty: null, an empty text or white space.
        refusal: `message.refusal` and null content.
        content_filter: empty content with the finish_reason `content_filter`.
        length: the finish_reason `length`; half of these answers reach their verdict all the same.
    Format faults, in every attempt, in any combination:
        wrong_model: another model's name in the response.
        no_usage: no token counts.
        no_logprobs: none although requested.
        missing_token: top_logprobs without the less likely verdict.
        reasoning: thoughts with the contrary verdict in the field `reasoning_field`.
        think: the same thoughts in `<think>` at the beginning of the content.
    Settings of the server:
        decide: returns the answer to a question.
        key: from the parsed body to what answers and faults are drawn by; the digest of the raw body if None. With a
            mark of the item as key, both orders of a pair have the same faults.
        vary_repeats: draw another answer for each repeat of the same body, as at a temperature above 0.
        models: names served, others get 404; empty = all.
        api_key: the key accepted, others get 401; empty = all. `echo_key` repeats the key sent in the message.
        roles: roles of messages accepted (OPENAI_ROLES, for example), others get 400; empty = all.
        refuses: parameters that get 400. `temperature` and `top_p` are refused unless 1.
        max_top_logprobs: larger requests get 400.
        context_length: longer prompts, in words, get 400; 0 = any length.
        end_token: last entry of the logprobs of a complete answer, as some servers send it; empty = none.
        latency, jitter: seconds before each answer, and the largest addition to them, drawn by request.
        requests_per_window, window_seconds: further requests in any window of this length get 429; 0 = any number.
    """

    decide: Decide = field(default_factory=choose)
    seed: int = 0
    key: Callable[[Mapping[str, object]], str] | None = None
    vary_repeats: bool = False

    rate_limited: float = 0.0
    unavailable: float = 0.0
    server_error: float = 0.0
    bad_gateway: float = 0.0
    out_of_quota: float = 0.0
    timeout: float = 0.0
    stalled: float = 0.0
    dropped: float = 0.0
    cut: float = 0.0
    truncated_json: float = 0.0
    error_body: float = 0.0
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
    end_token: str = ""
    latency: float = 0.0
    jitter: float = 0.0
    requests_per_window: int = 0
    window_seconds: float = 60.0

    def __post_init__(self) -> None:
        for group in (TRANSPORT_FAULTS, CONTENT_FAULTS):
            if sum(getattr(self, name) for name in group) > 1 + 1e-9:
                raise ValueError(f"the rates of {', '.join(group)} add up to more than 1")
        if self.retry_after_form not in RETRY_AFTER_FORMS:
            raise ValueError(f"retry_after_form={self.retry_after_form}: use one of {', '.join(RETRY_AFTER_FORMS)}")
        unknown = set(self.lasting) - set(TRANSPORT_FAULTS)
        if unknown:
            raise ValueError(f"lasting names {', '.join(sorted(unknown))}, which are not transport faults")

    def key_of(self, raw: bytes, body: Mapping[str, object]) -> bytes:
        """Return what answers and faults of a request are drawn by."""
        return (digest_of(raw) if self.key is None else self.key(body)).encode()

    def faults_of(self, key: bytes, body: Mapping[str, object]) -> set[str]:
        """Return the faults planted for a request; a test can count them without a server."""
        planted = set()
        for group, rates in self._rates.items():
            number = draw(self.seed, group, key) if rates else 1.0
            for fault, rate in rates:
                number -= rate
                if number < 0:
                    planted.add(fault)
                    break
        if not body.get("stream"):
            planted.discard("unfinished_stream")
        if not body.get("logprobs"):
            planted -= {"no_logprobs", "missing_token"}
        return planted

    @cached_property
    def _rates(self) -> dict[str, list[tuple[str, float]]]:
        """Faults with a rate above 0, by the draw that decides between them."""
        groups = {"transport": TRANSPORT_FAULTS, "content": CONTENT_FAULTS}
        groups |= {name: (name,) for name in FORMAT_FAULTS}
        rates = {}
        for group, names in groups.items():
            rates[group] = [(name, getattr(self, name)) for name in names if getattr(self, name)]
        return rates


def digest_of(raw: bytes) -> str:
    """Return the identity of a request body."""
    return blake2b(raw, digest_size=12).hexdigest()
