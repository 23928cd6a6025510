"""Combine the answers of a judge to one call into a score, and write and read files of raw answers.

A call is one request, of which `repeats` answers are sampled. Its score follows from the protocol and the raw answers
alone, so that anyone who has them can recompute it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import fsum, isfinite, nan
from statistics import stdev
from typing import TYPE_CHECKING

from rewardbench.scorers.judge.answers import Answer, Failure, Reading
from rewardbench.scorers.judge.parse import PARSER_VERSION, read_answer
from rewardbench.scorers.judge.protocols import JudgeProtocol
from rewardbench.types import Score, View

if TYPE_CHECKING:
    from pydantic import TypeAdapter

NOT_SENT: tuple[Failure, ...] = ("max_cost", "max_requests")
"""Failures of a request that was not sent. One such repeat fails the call, since its sample is incomplete."""
_Vote = tuple[float, ...]


@dataclass(frozen=True)
class AnswerRow:
    """A line of a file of raw answers."""

    id: str
    """Id of the item."""
    shown: tuple[int, ...]
    """Indices of the completions shown, in this order."""
    repeat: int
    """Number of the answer among those to the same request: 0, 1, …"""
    answer: Answer


def identify(protocol: JudgeProtocol, principle: str | None) -> dict[str, object]:
    """Return what of a protocol, its parser and a user's principle can change a score, for the fingerprint."""
    return {
        "protocol": protocol.identity,
        "protocol_digest": protocol.digest,
        "parser": PARSER_VERSION,
        "principle": principle,
    }


def call_score(
    protocol: JudgeProtocol, view: View, answers: Sequence[Answer], count: int
) -> tuple[Score, Failure | None]:
    """Return the score of one call, or why there is none.

    Pairwise: the probability that the completion shown first is better: 1, .5 or 0 by comparing both scores, or as the
    tokens express it. Listwise: a number per completion shown. Pointwise: a number.

    A call has a score if more than half of its repeats have a verdict. By `mean` it is their mean, by `majority` the
    verdict that more than half of all repeats give.

    Args:
        protocol: how the answers are read and combined.
        view: view of the scorer.
        answers: the repeats, in order: [repeats].
        count: number of completions shown.

    Returns:
        The score, NaN (listwise: one for each completion) if there is none; and the failure, None if there is a score.
    """
    votes, failures = _read_votes(protocol, view, answers, count)
    failure = _choose_failure(failures, len(answers))
    if failure is None:
        vote = _majority(votes, len(answers), view) if protocol.combine == "majority" else _mean(votes)
        if vote is not None:
            return _to_score(vote, view), None
        failure = "no_majority"
    return _to_score((nan,) * (count if view == "listwise" else 1), view), failure


def call_spread(protocol: JudgeProtocol, view: View, answers: Sequence[Answer], count: int) -> float | None:
    """Return the standard deviation of the repeats of one call; None if fewer than two have a verdict.

    For a listwise protocol it is the mean over the completions. See `call_score` for the arguments.
    """
    votes, _ = _read_votes(protocol, view, answers, count)
    if len(votes) < 2:
        return None
    deviations = list(map(stdev, zip(*votes, strict=True)))
    return fsum(deviations) / len(deviations)


def _read_votes(
    protocol: JudgeProtocol, view: View, answers: Sequence[Answer], count: int
) -> tuple[list[_Vote], list[Failure]]:
    """Return the scores that answers express, and the failures of the others."""
    votes: list[_Vote] = []
    failures: list[Failure] = []
    for answer in answers:
        reading = read_answer(protocol.answer, answer, count)
        if answer.failure or reading.failure:
            failures.append(answer.failure or reading.failure or "no_verdict")
        elif vote := _to_vote(protocol, view, reading, count):
            votes.append(vote)
        else:
            failures.append("no_verdict")
    return votes, failures


def _to_vote(protocol: JudgeProtocol, view: View, reading: Reading, count: int) -> _Vote | None:
    """Return what one answer contributes to the score of its call; None if it lacks a finite number."""
    scores = reading.scores
    if not scores or not all(map(isfinite, scores)):
        return None
    if view == "pointwise":
        return scores[:1]
    if view == "listwise":
        return scores if len(scores) == count else None
    rule = protocol.answer
    if rule.kind == "tokens" and rule.read == "probability":
        return scores[:1] if 0 <= scores[0] <= 1 else None
    first, second = scores if len(scores) == 2 else (scores[0], 0.0)  # a single number is a difference
    return (((first > second) - (first < second) + 1) / 2,)


def _choose_failure(failures: Sequence[Failure], repeats: int) -> Failure | None:
    """Return the most frequent failure if too many of the repeats failed, else None."""
    for failure in failures:
        if failure in NOT_SENT:
            return failure
    if repeats == 0:
        return "empty"
    return Counter(failures).most_common(1)[0][0] if 2 * len(failures) >= repeats else None


def _mean(votes: Sequence[_Vote]) -> _Vote:
    """Return the exactly rounded mean of each position, which does not depend on the order of the repeats."""
    return tuple(fsum(values) / len(votes) for values in zip(*votes, strict=True))


def _majority(votes: Sequence[_Vote], repeats: int, view: View) -> _Vote | None:
    """Return the vote of more than half of the repeats, or None; a listwise vote is for the best completion."""
    if view == "listwise":
        votes = list(map(_best, votes))
    vote, n = Counter(votes).most_common(1)[0]
    return vote if 2 * n > repeats else None


def _best(scores: _Vote) -> _Vote:
    """Return a vote of 1 for the highest score, shared by equal ones.

    >>> _best((1.0, 3.0, 3.0))
    (0.0, 0.5, 0.5)
    """
    high = max(scores)
    return tuple((score == high) / scores.count(high) for score in scores)


def _to_score(vote: _Vote, view: View) -> Score:
    return vote if view == "listwise" else vote[0]


def answers_row(item_id: str, shown: Sequence[int], repeat: int, answer: Answer) -> dict[str, object]:
    """Return a line of a file of raw answers, as a JSON object; see `AnswerRow`."""
    return {"id": item_id, "shown": list(shown), "repeat": repeat, "answer": answer.to_json()}


def read_answers_rows(lines: Iterable[bytes]) -> Iterator[AnswerRow]:
    """Yield the rows of a file of raw answers, which may be untrusted; additional fields are ignored.

    Raises:
        ValueError: if a line is not such a row.
    """
    adapter = _row_adapter()
    for line in lines:
        yield adapter.validate_json(line, strict=True)


@cache
def _row_adapter() -> TypeAdapter[AnswerRow]:
    from pydantic import TypeAdapter

    return TypeAdapter(AnswerRow)
