"""Verify the result of a judge by parsing its raw answers again: the scores must follow from them.

Only protocols of this package are used, with the settings that a user may change: the regular expressions of an
untrusted protocol may run without end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from math import isfinite, isnan
from pathlib import Path

from rewardbench.engine.views import CollectedScores, collect, expand
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions.submission import Submission
from rewardbench.results import ANSWERS_HASH, SummaryJson, object_field
from rewardbench.results.answers import read_answers
from rewardbench.results.judges import judge_of
from rewardbench.results.schema import is_number
from rewardbench.results.scored import ModelScores
from rewardbench.scorers.judge.protocols import JudgeProtocol, Sampling, protocol_names, read_protocol
from rewardbench.scorers.judge.verdicts import AnswerRow, call_score
from rewardbench.types import Item, ItemScores

TOLERANCE = 1e-9
MOST_REPEATS = 64
"""Maximum repeats, and maximum orders."""
SERVER = "judge"
"""Kind in the fingerprint of judges behind a server, which always have raw answers."""


def has_answers(record: SummaryJson) -> bool:
    """Return True if a result has, or must have, raw answers."""
    fingerprint = object_field(record["manifest"], "fingerprint")
    return fingerprint.get("kind") == SERVER or record.get(ANSWERS_HASH) is not None


def known_protocol(stated: object) -> JudgeProtocol | None:
    """Return the protocol of this package that an untrusted identity describes; None if there is none.

    Orders, repeats, temperature and max_tokens may be the user's.
    """
    name = stated.get("name") if isinstance(stated, Mapping) else None
    if not isinstance(stated, Mapping) or name not in protocol_names():
        return None
    protocol = read_protocol(str(name))
    orders, repeats = stated.get("orders"), stated.get("repeats", 1)
    sampling = _user_sampling(stated.get("sampling", {}))
    if sampling is None or not _is_count(repeats) or not (orders is None or _is_count(orders)):
        return None
    changes: dict[str, object] = {"orders": orders, "repeats": repeats}
    changes["sampling"] = protocol.sampling.model_copy(update=sampling)
    if protocol.official:
        changes["official"] = protocol.official.model_copy(update={"sha256": _prompts_hash(stated)})
    candidate = protocol.model_copy(update=changes)
    return candidate if candidate.identity == stated else None


def _user_sampling(stated: object) -> dict[str, object] | None:
    """Return the temperature and the limit of tokens in untrusted settings; None if they are malformed."""
    if not isinstance(stated, Mapping):
        return None
    temperature = stated.get("temperature", Sampling().temperature)
    max_tokens = stated.get("max_tokens", Sampling().max_tokens)
    if not (temperature is None or is_number(temperature)) or not (max_tokens is None or type(max_tokens) is int):
        return None
    return {"temperature": temperature, "max_tokens": max_tokens}


def _prompts_hash(stated: Mapping[str, object]) -> str:
    """Return the stated hash of published prompts, which do not matter for reading answers; empty if malformed."""
    value = object_field(stated, "official").get("sha256") if isinstance(stated.get("official"), Mapping) else None
    return value if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) else ""


def _is_count(value: object) -> bool:
    return type(value) is int and 1 <= value <= MOST_REPEATS


def check_facts(record: SummaryJson, protocol: JudgeProtocol) -> Iterator[str]:
    """Yield a problem if the manifest names another protocol than its fingerprint."""
    judge = judge_of(record["manifest"])
    stated_digest = object_field(record["manifest"], "fingerprint").get("protocol_digest", protocol.digest)
    names = (judge.protocol, judge.version, judge.digest) if judge else None
    if names != (protocol.name, protocol.version, protocol.digest) or stated_digest != protocol.digest:
        yield "its manifest names another judge protocol than its fingerprint"


def reject_mismatch(submission: Submission) -> None:
    """Recompute the scores of a submission from its answers.

    Raises:
        InputError: if they differ, with the first item; or if the answers cannot be read within limits.
    """
    record = submission.record
    protocol = known_protocol(object_field(record["manifest"], "fingerprint").get("protocol"))
    if protocol is None:
        raise InputError("its judge protocol is not one of this package")
    mismatch = find_mismatch(submission.path, record, submission.scored, protocol)
    if mismatch:
        raise InputError(mismatch)


def find_mismatch(path: Path, record: SummaryJson, scored: ModelScores, protocol: JudgeProtocol) -> str | None:
    """Return how the scores of the first item differ from its answers; None if all follow from them.

    Args:
        path: path of the summary; the answers are next to it.
        record: content of the summary.
        scored: the submitted scores.
        protocol: by which the answers are read.

    Raises:
        InputError: if the answers cannot be read within limits.
    """
    items = {item.id: item for item in scored.suite.items}
    scores = {item_scores.id: item_scores for item_scores in scored.items}
    seen: set[str] = set()
    for item_id, group in groupby(read_answers(path, record), key=lambda row: row.id):
        name = ascii(item_id)[:60]
        if item_id not in items:
            return f"there are answers for {name}, which has no scores"
        if item_id in seen:
            return f"the answers for item {name} are in two places"
        seen.add(item_id)
        problem = _find_problem(items[item_id], group, scores[item_id], protocol)
        if problem:
            return f"item {name} {problem}"
    for item_id, item_scores in scores.items():
        if item_id not in seen and any(map(isfinite, item_scores.scores)):
            return f"item {ascii(item_id)[:60]} has scores, but no answers"
    return None


def _find_problem(item: Item, group: Iterator[AnswerRow], stated: ItemScores, protocol: JudgeProtocol) -> str | None:
    """Return how the scores of an item differ from its answers; None if they follow from them."""
    try:
        calls = expand(item, protocol.view, protocol.orders)
    except InputError:
        return "has answers, but only one response"
    expected = [(call.shown, repeat) for call in calls for repeat in range(protocol.repeats)]
    rows = list(islice(group, len(expected) + 1))
    if [(row.shown, row.repeat) for row in rows] != expected:
        return f"does not have the {len(expected)} answers that its protocol asks for, in their order"
    call_scores = []
    for start, call in zip(range(0, len(rows), protocol.repeats), calls, strict=True):
        answers = [row.answer for row in rows[start : start + protocol.repeats]]
        call_scores.append(call_score(protocol, protocol.view, answers, len(call.shown))[0])
    collected = collect(item, protocol.view, call_scores, orders=protocol.orders)
    return _describe_difference(stated, collected)


def _describe_difference(stated: ItemScores, collected: CollectedScores) -> str | None:
    if not _same(stated.scores, collected.scores):
        return f"is stated as {_format(stated.scores)}, but its answers give {_format(collected.scores)}"
    for name in ("order_inconsistency", "position_bias"):
        value, expected = getattr(stated, name), getattr(collected, name)
        if not _same([value], [expected]):
            return f"has the {name.replace('_', ' ')} {value}, but its answers give {expected}"
    return None


def _same(values: Sequence[float | None], expected: Sequence[float | None]) -> bool:
    """Return True if numbers agree, and are NaN or missing in the same places."""
    if len(values) != len(expected):
        return False
    for value, other in zip(values, expected, strict=True):
        if value is None or other is None:
            if value is not other:
                return False
        elif isnan(value) or isnan(other):
            if isnan(value) != isnan(other):
                return False
        elif abs(value - other) > TOLERANCE:
            return False
    return True


def _format(scores: Sequence[float]) -> str:
    return ", ".join(f"{score:.4g}" for score in scores[:4]) + (", …" if len(scores) > 4 else "")
