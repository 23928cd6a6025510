"""Record of a judge's run in a manifest: protocol, requests, tokens, cost and failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field, ValidationError, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from rewardbench.results.schema import NUMBER, STRING, BaseRecord, is_number, must
from rewardbench.results.schema_errors import SENTENCE
from rewardbench.scorers.judge.answers import FAILURES
from rewardbench.types import ItemScores

LONGEST_NAME = 200
MOST_DOLLARS = 1e9
OTHER = "other"
"""Code of unscored items whose reason is none of `FAILURES`, such as a conversation that the protocol cannot show."""


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_NAME


def _is_cost(value: object) -> bool:
    return value is None or (is_number(value) and 0 <= value <= MOST_DOLLARS)


Amount = Annotated[int, Field(ge=0, le=2**53)]
Name = Annotated[str, must(_is_name, "which is not a name"), WithJsonSchema({**STRING, "maxLength": LONGEST_NAME})]
Cost = Annotated[float | None, must(_is_cost, "which is not an amount of money"), WithJsonSchema(NUMBER)]


class JudgeRecord(BaseRecord):
    """Facts of a judge's run, in `manifest.run.judge`."""

    protocol: Name
    """Name of the protocol."""
    version: Amount
    digest: Name
    """Hash of everything in the protocol that can change a score."""
    requests: Amount = 0
    """Requests that were answered, in this run or an earlier one."""
    sent: Amount | None = None
    """HTTP requests of this run, retries included; not stored, as the next three."""
    retries: Amount | None = None
    reused: Amount | None = None
    """Answers that an earlier run had paid for."""
    cost_of_this_run: Cost = None
    prompt_tokens: Amount = 0
    completion_tokens: Amount = 0
    cost: Cost = None
    """Dollars of all answers, those of earlier runs included; null if the prices are unknown."""
    failures: dict[Name, Amount] = Field(default_factory=dict)
    """Answers without a verdict, by the reason."""
    stopped: Name = ""
    """Limit at which the run stopped: max_cost or max_requests; empty if it is complete."""

    @model_validator(mode="after")
    def _has_few_reasons(self) -> JudgeRecord:
        if len(self.failures) > len(FAILURES) + 1:
            raise PydanticCustomError(SENTENCE, "manifest.run.judge.failures has too many reasons")
        return self

    @property
    def name(self) -> str:
        """The protocol, its version and its digest, in one word."""
        return f"{self.protocol}@{self.version}#{self.digest[:16]}"

    @property
    def failed(self) -> int:
        """Number of answers without a verdict."""
        return sum(self.failures.values())

    @property
    def figures(self) -> dict[str, str | int | float]:
        """The facts by the names under which they are printed; the cost only if it is known."""
        figures: dict[str, str | int | float] = {
            "protocol": f"{self.protocol}@{self.version}",
            "protocol_digest": self.digest,
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }
        for name in ("cost", "sent", "retries", "reused", "cost_of_this_run"):
            value = getattr(self, name)
            if value is not None:
                figures[name] = value
        if self.stopped:
            figures["stopped"] = self.stopped
        return figures

    @property
    def description(self) -> str:
        """The facts in one line."""
        parts = [f"{self.requests:,} requests"]
        if self.reused:
            parts.append(f"{self.reused:,} of them answered in an earlier run")
        parts.append(f"{self.prompt_tokens + self.completion_tokens:,} tokens")
        if self.cost is not None:
            parts.append(f"${self.cost:.2f}")
        parts.append(f"{self.failed:,} answers without a verdict")
        return f"protocol {self.protocol}@{self.version} ({self.digest}): {'; '.join(parts)}"

    @property
    def stop_sentence(self) -> str:
        """The consequence of the limit at which the run stopped."""
        return (
            f"The run stopped at --{self.stopped}: items that the judge has not seen are unscored, so the score is not "
            "that of the judge, and cannot be submitted. Run the same command with a higher limit to finish it."
        )


def judge_of(manifest: Mapping[str, object]) -> JudgeRecord | None:
    """Return the facts of a judge's run in a manifest; None for other models, and if they cannot be read."""
    run, session = manifest.get("run"), manifest.get("session")
    judge = run.get("judge") if isinstance(run, Mapping) else None
    if not isinstance(judge, Mapping):
        return None
    session_judge = session.get("judge") if isinstance(session, Mapping) else None
    try:
        return JudgeRecord.model_validate({**judge, **(session_judge if isinstance(session_judge, Mapping) else {})})
    except ValidationError:
        return None


def protocol_of(manifest: Mapping[str, object]) -> str:
    """Return the protocol by which a judge was asked, as `JudgeRecord.name`; empty for other models."""
    judge = judge_of(manifest)
    return judge.name if judge else ""


def count_reasons(items: Iterable[ItemScores]) -> dict[str, int]:
    """Count the unscored items by the code of their reason, the most frequent first.

    >>> count_reasons([ItemScores("a", (), "the answer is empty"), ItemScores("b", (), "The prompt is empty.")])
    {'empty': 1, 'other': 1}
    """
    codes = Counter(_code_of(item.reason) for item in items if item.reason is not None)
    return dict(codes.most_common())


def _code_of(reason: str) -> str:
    for code, sentence in FAILURES.items():
        if reason.lower().startswith(sentence.lower()):
            return code
    return OTHER
