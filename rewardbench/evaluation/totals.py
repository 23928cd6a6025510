"""Combine what the shards of a run report: counts are summed, means weighted, and notes collected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rewardbench.engine.loop import ScoringRun
from rewardbench.evaluation.shard_files import ShardHeader
from rewardbench.manifest import ScorerFacts
from rewardbench.types import ItemScores, ScorerReport

SUMMED = frozenset(
    {
        *("requests", "prompt_tokens", "completion_tokens", "uncounted", "cost", "failures", "answered_by"),
        *("sent", "retries", "reused", "unfinished", "cost_of_this_run", "generated"),
    }
)
"""Counts of a scorer's report, or objects of counts."""
AVERAGED = frozenset({"mean_spread", "outcome_probability"})
"""Means over the requests of a report."""
LARGEST = frozenset({"batch_effect"})


def combine_counts(headers: Sequence[ShardHeader], items: Sequence[ItemScores]) -> ScoringRun:
    """Return the scores of a run with the counts of its shards.

    The token budget is the largest, and the batch noise that of the whole sample, which the shards divide.

    Args:
        headers: of the shards.
        items: scores of all items.
    """
    counts = [header.counts for header in headers]
    noises = [count.noise for count in counts if count.noise is not None]
    layouts = dict.fromkeys(count.layout for count in counts)
    return ScoringRun(
        list(items),
        token_budget=max(count.token_budget for count in counts),
        batches=sum(count.batches for count in counts),
        requests=sum(count.requests for count in counts),
        tokens=sum(count.tokens for count in counts),
        computed=sum(count.computed for count in counts),
        layout=" or ".join(layouts),
        noise=max(noises) if noises else None,
        pooled_tokens=_add([count.pooled_tokens for count in counts]),
        note_counts=_add([count.note_counts for count in counts]),
    )


def combine_facts(headers: Sequence[ShardHeader]) -> ScorerFacts:
    """Return the facts of the scorer of a run, with what it reported of all shards."""
    facts = [header.facts for header in headers]
    reports = [fact.report for fact in facts]
    notes: dict[str, None] = {}
    metadata: dict[str, int | str] = {}
    for report in reports:
        notes.update(dict.fromkeys(report.notes))
        metadata.update(report.metadata)
    details = combine_values([report.details for report in reports])
    session = combine_values([report.session for report in reports])
    report = ScorerReport(tuple(notes), details, metadata, session)
    return ScorerFacts(facts[0].name, facts[0].model_type, facts[0].fingerprint, report)


def combine_values(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Combine JSON objects of several shards, field by field.

    >>> combine_values([{"protocol": "choice", "requests": 2}, {"protocol": "choice", "requests": 3}])
    {'protocol': 'choice', 'requests': 5}
    """
    combined: dict[str, Any] = {}
    for name in dict.fromkeys(name for record in records for name in record):
        present = [record for record in records if name in record]
        combined[name] = _combine_field(name, present)
    return combined


def _combine_field(name: str, records: Sequence[Mapping[str, Any]]) -> Any:
    """Combine the values of a field by its name; of other fields, return the value, or a list of those that differ."""
    values = [record[name] for record in records]
    if name in SUMMED:
        return _total(values)
    if name in AVERAGED:
        weights = [record.get("requests", 1) for record in records]
        return sum(value * weight for value, weight in zip(values, weights, strict=True)) / max(1, sum(weights))
    if name in LARGEST:
        return max((value for value in values if value is not None), default=None)
    if all(isinstance(value, Mapping) for value in values):
        return combine_values(values)
    different: list[Any] = []
    for value in values:
        if value and value not in different:
            different.append(value)
    return different if len(different) > 1 else (different or values)[0]


def _total(values: Sequence[Any]) -> Any:
    """Return the sum of numbers, or of objects of numbers; None if a number is unknown."""
    if all(isinstance(value, Mapping) for value in values):
        return _add(values)
    return None if None in values else sum(values)


def _add(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums of counts by name."""
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)
