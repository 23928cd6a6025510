"""The answer of a judge as a server returned it, and the result of parsing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal, Self

Failure = Literal[
    "length",
    "refusal",
    "empty",
    "no_verdict",
    "both_verdicts",
    "out_of_range",
    "not_json",
    "no_logprobs",
    "no_majority",
    "server_error",
    "timeout",
    "max_cost",
    "max_requests",
]
"""Why an answer gives no score."""

FAILURES: Mapping[Failure, str] = {
    "length": "the answer was cut at max_tokens",
    "refusal": "the judge refused to answer",
    "empty": "the answer is empty",
    "no_verdict": "the answer has no verdict",
    "both_verdicts": "the answer has two different verdicts",
    "out_of_range": "the rating is out of range",
    "not_json": "the answer is not the JSON object that the protocol asks for",
    "no_logprobs": "the server returned no logprobs",
    "no_majority": "the repeats have no majority",
    "server_error": "the server failed at every try",
    "timeout": "the server did not answer in time at any try",
    "max_cost": "not sent: --max_cost was reached",
    "max_requests": "not sent: --max_requests was reached",
}
"""Each failure as a reason why an item is unscored."""


@dataclass(frozen=True)
class TokenLogprob:
    """A generated token with its most probable alternatives, as chat completions return them."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()
    """Texts and log-probabilities of the top-k tokens, the most probable first."""


@dataclass(frozen=True)
class Answer:
    """Raw answer of a judge, stored unchanged so that it can be parsed again."""

    text: str = ""
    """The content of the message; empty if the server returned none."""
    reasoning: str = ""
    """Thinking that the server returned in a field of its own (`reasoning_content` or `reasoning`)."""
    finish_reason: str = ""
    refusal: str = ""
    logprobs: tuple[TokenLogprob, ...] | None = None
    """One for each generated token, if the request asked for them and the server has them."""
    model: str = ""
    """Model that answered, as the server names it."""
    system_fingerprint: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failure: Failure | None = None
    """Set if there is no answer: the server failed at every try, or a limit was reached."""
    detail: str = ""
    """Last error of the server, without the key."""

    def to_json(self) -> dict[str, object]:
        """Return the fields that are set, as JSON values."""
        values: dict[str, object] = {}
        for field in fields(self):
            if (value := getattr(self, field.name)) != field.default:
                values[field.name] = value
        if self.logprobs is not None:
            values["logprobs"] = [dict(vars(token)) for token in self.logprobs]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Self:
        """Read what `to_json` returned; other fields are ignored.

        Raises:
            TypeError: if a value is of another type; so does ValueError.
        """
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        raw = known.get("logprobs")
        if isinstance(raw, Sequence):
            known["logprobs"] = tuple(map(_read_token, raw))
        return cls(**known)  # type: ignore[arg-type]  # values of a file


def _read_token(value: object) -> TokenLogprob:
    if not isinstance(value, Mapping):
        raise TypeError("a logprob is not an object")
    alternatives: list[tuple[str, float]] = []
    for token, logprob in value.get("top", ()):
        alternatives.append((str(token), float(logprob)))
    return TokenLogprob(str(value["token"]), float(value["logprob"]), tuple(alternatives))


@dataclass(frozen=True)
class Reading:
    """Result of parsing one answer: a number per completion shown, where higher is better, or a failure."""

    scores: tuple[float, ...] = ()
    failure: Failure | None = None
    has_floor: bool = False
    """True if a token was not among the top-k, so that its log-probability is at most the one that was used."""
