"""Items of one suite, and the margins of several models on its pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rewardbench import stats
from rewardbench.analysis.report import source_of
from rewardbench.comparison.compare import ComparedResult, align, read_compared
from rewardbench.errors import InputError
from rewardbench.lint.arrays import Floats
from rewardbench.lint.shortcuts import item_texts
from rewardbench.metrics import margin
from rewardbench.metrics.grading import cluster_of
from rewardbench.results.scored import ModelScores
from rewardbench.suites import load_suite
from rewardbench.types import Item, Suite


@dataclass(frozen=True)
class AuditData:
    """Items of one suite, and the margins of several models on its pairs.

    Attributes:
        items: items with a preference.
        clusters: cluster of each item: [items].
        pairs: numbers of the items with one right and one wrong completion: [pairs].
        models: names of the models.
        margins: NaN if unscored: [models, pairs].
        sources: sources of the report.
        repeated: names of models whose scores equal those of an earlier result; they are left out.
    """

    items: Sequence[Item]
    clusters: Sequence[tuple[str, str]]
    pairs: Sequence[int]
    models: Sequence[str]
    margins: Floats
    sources: Sequence[dict[str, object]]
    repeated: Sequence[str]

    @property
    def has_texts(self) -> bool:
        """Return True if the texts of the items are known."""
        return any(map(has_text, self.items))

    def pair_clusters(self) -> list[tuple[str, str]]:
        """Return the cluster of each pair."""
        return [self.clusters[n] for n in self.pairs]

    def informative(self) -> list[int]:
        """Return the numbers of the models that prefer the right completion significantly more often than chance."""
        clusters = self.pair_clusters()
        numbers: list[int] = []
        for number, row in enumerate(self.margins):
            credits = (row > 0) + 0.5 * ((row == 0) | np.isnan(row))
            if stats.mean(credits.tolist(), clusters).low > 0.5:
                numbers.append(number)
        return numbers


def read_audit_data(inputs: Sequence[ComparedResult], dataset: str | None = None) -> AuditData:
    """Read the items of the first result, and the margins of all; texts of later results are not kept in memory.

    Raises:
        InputError: as `analyze`.
    """
    if len(inputs) < 2:
        raise InputError("The audit compares models: name the results of at least two models on the same suite.")
    first = read_compared(inputs[0])
    suite = first.suite
    sources = [source_of(first)]
    scores = [_pair_margins(first)]
    for result in inputs[1:]:
        first, other = align(first, read_compared(result))
        if not _has_texts(suite):
            suite = other.suite if _has_texts(other.suite) else first.suite
        sources.append(source_of(other))
        scores.append(_pair_margins(other))
    items = [item for item in suite.items if item.has_preference]
    if dataset:
        items = _with_data(items, dataset)
    pairs: list[int] = []
    ids: list[str] = []
    clusters: list[tuple[str, str]] = []
    for number, item in enumerate(items):
        clusters.append(cluster_of(item, suite))
        if len(item.completions) == 2:
            pairs.append(number)
            ids.append(item.id)
    if not pairs:
        raise InputError(f"{suite.name} has no pair of a right and a wrong completion, so there is nothing to audit.")
    models, rows, repeated = _without_repeated(sources, scores, ids)
    return AuditData(
        items=items,
        clusters=clusters,
        pairs=pairs,
        models=models,
        margins=np.array(rows),
        sources=sources,
        repeated=repeated,
    )


def _pair_margins(scored: ModelScores) -> dict[str, float]:
    """Return the margin of each pair by the id of its item."""
    margins: dict[str, float] = {}
    for item, item_scores in zip(scored.suite.items, scored.items, strict=True):
        if item.has_preference and len(item.completions) == 2:
            margins[item.id] = margin(item, item_scores.scores)
    return margins


def _without_repeated(
    sources: Sequence[dict[str, object]], scores: Sequence[dict[str, float]], ids: Sequence[str]
) -> tuple[list[str], list[Floats], list[str]]:
    """Return the names and margins of the models whose margins differ from those before, and the other names."""
    models: list[str] = []
    rows: list[Floats] = []
    repeated: list[str] = []
    for source, margins in zip(sources, scores, strict=True):
        row = np.array([margins[id] for id in ids])
        if any(np.array_equal(row, other, equal_nan=True) for other in rows):
            repeated.append(str(source["model"]))
            continue
        models.append(str(source["model"]))
        rows.append(row)
    if len(models) < 2:
        raise InputError("The audit compares models, and these results have the same scores: name another model's.")
    return models, rows, repeated


def has_text(item: Item) -> bool:
    """Return True if the text of a completion is known."""
    return any(item_texts(item)[1])


def _has_texts(suite: Suite) -> bool:
    return any(map(has_text, suite.items))


def _with_data(items: Sequence[Item], dataset: str) -> list[Item]:
    """Return the items with the texts and columns of a dataset.

    Raises:
        InputError: if the dataset lacks an item.
    """
    by_id: dict[str, Item] = {}
    for item in load_suite(dataset).items:
        by_id[item.id] = item
    completed: list[Item] = []
    for item in items:
        other = by_id.get(item.id)
        if other is None or (len(other.completions), other.num_correct) != (len(item.completions), item.num_correct):
            raise InputError(
                f"{dataset} has no item {item.id!r} like that of the results: name the data they are about."
            )
        completed.append(replace(other, meta={**other.meta, **item.meta}, group=item.group))
    return completed
