"""Combine what the shards of a run report: counts are summed, means weighted, and notes collected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter, mul
from typing import Any

from rewardbench.engine.loop import ScoringRun
from rewardbench.errors import InputError
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
TOTALS = ("batches", "requests", "tokens", "computed")
"""Counts of the loop that are summed."""
LARGEST = frozenset({"batch_effect"})


def combine_counts(headers: Sequence[ShardHeader], items: Sequence[ItemScores]) -> ScoringRun:
    """Return the scores of a run with the counts of its shards.

    The token budget is the largest, and the batch noise that of the whole sample, which the shards divide.

    Args:
        headers: of the shards.
        items: scores of all items.
    """
    totals: Counter[str] = Counter()
    pooled_tokens: Counter[str] = Counter()
    note_counts: Counter[str] = Counter()
    layouts: dict[str, None] = {}
    budgets = [0]
    noise: float | None = None
    for counts in map(attrgetter("counts"), headers):
        totals.update({name: getattr(counts, name) for name in TOTALS})
        pooled_tokens.update(counts.pooled_tokens)
        note_counts.update(counts.note_counts)
        layouts[counts.layout] = None
        if counts.requests:  # an empty shard has no limit
            budgets.append(counts.token_budget)
        if counts.noise is not None:
            noise = max(noise or 0.0, counts.noise)
    return ScoringRun(
        list(items),
        token_budget=max(budgets),
        layout=" or ".join(layouts),
        noise=noise,
        pooled_tokens=dict(pooled_tokens),
        note_counts=dict(note_counts),
        **totals,
    )


def combine_facts(headers: Sequence[ShardHeader]) -> ScorerFacts:
    """Return the facts of the scorer of a run, with what it reported of all shards.

    Raises:
        InputError: if two reports differ in the type of a value.
    """
    facts = [header.facts for header in headers]
    notes: dict[str, None] = {}
    metadata: dict[str, int | str] = {}
    for fact in facts:
        notes.update(dict.fromkeys(fact.report.notes))
        metadata.update(fact.report.metadata)
    try:
        details = combine_values(list(map(attrgetter("report.details"), facts)))
        session = combine_values(list(map(attrgetter("report.session"), facts)))
    except (TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"The reports of the shards of {facts[0].name} do not fit together: score all with one version."
        ) from error
    report = ScorerReport(tuple(notes), details, metadata, session)
    return replace(facts[0], report=report)


def combine_values(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Combine JSON objects of several shards, field by field.

    >>> combine_values([{"protocol": "choice", "requests": 2}, {"protocol": "choice", "requests": 3}])
    {'protocol': 'choice', 'requests': 5}
    """
    values: dict[str, list[Any]] = {}
    weights: dict[str, list[float]] = {}
    for record in records:
        for name, value in record.items():
            values.setdefault(name, []).append(value)
            weights.setdefault(name, []).append(record.get("requests", 1))
    combined: dict[str, Any] = {}
    for name in values:
        combined[name] = _combine_field(name, values[name], weights[name])
    return combined


def _combine_field(name: str, values: Sequence[Any], weights: Sequence[float]) -> Any:
    """Combine the values of a field by its name; of other fields, return the value, or a list of those that differ."""
    if name in SUMMED:
        return _total(values)
    if name in AVERAGED:
        return sum(map(mul, values, weights)) / max(1, sum(weights))
    if name in LARGEST:
        return max(filter(None, values), default=values[0])
    if isinstance(values[0], Mapping):
        return combine_values(values)
    different: list[Any] = []
    for value in values:
        if value and value not in different:
            different.append(value)
    return different if len(different) > 1 else (different or values)[0]


def _total(values: Sequence[Any]) -> Any:
    """Return the sum of numbers, or of objects of numbers; None if a number is unknown."""
    if isinstance(values[0], Mapping):
        total: Counter[str] = Counter()
        for counts in values:
            total.update(counts)
        return dict(sorted(total.items()))
    return None if None in values else round(sum(values), 9)  # as the cost of a run
