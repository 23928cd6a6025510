"""Agreement of decisions beyond chance: Cohen's kappa with cluster bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from rewardbench.metrics.grading import cluster_of
from rewardbench.results.scored import ModelScores
from rewardbench.stats import percentile_interval

RESAMPLES = 2000
TIE = -1
"""Decision where two completions share the highest score."""
_CELLS = 10**7
"""Random numbers in memory at a time."""


@dataclass(frozen=True)
class AgreementEstimate:
    """A statistic with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ModelDecisions:
    """Decisions of several models on the same items, each of which has one right completion.

    Attributes:
        chosen: index of the completion with the highest score, 0 for the right one, TIE if several share it:
            [models, items].
        counts: number of completions of each item: [items].
        clusters: number of the cluster of each item; items of one cluster are not independent: [items].
        skipped: number of items that were left out: without one right completion, or unscored by a model.
    """

    chosen: np.ndarray
    counts: np.ndarray
    clusters: np.ndarray
    skipped: int


def collect_decisions(models: Sequence[ModelScores]) -> ModelDecisions:
    """Collect the decisions of models whose items are in the same order.

    Args:
        models: aligned scores of each model.
    """
    items = models[0].suite.items
    is_used = np.array([item.num_correct == 1 and len(item.completions) > 1 for item in items], dtype=bool)
    tables: list[np.ndarray] = []
    for model in models:
        tables.append(_score_table(model))
        is_used &= np.isfinite(tables[-1][:, 0])
    counts = np.array([len(item.completions) for item in items], dtype=np.int64)
    numbers: dict[Hashable, int] = {}
    clusters = np.zeros(len(items), dtype=np.int64)
    for place, item in enumerate(items):
        clusters[place] = numbers.setdefault(cluster_of(item, models[0].suite), len(numbers))
    chosen = np.stack([_choose(table[is_used]) for table in tables])
    return ModelDecisions(chosen, counts[is_used], clusters[is_used], int((~is_used).sum()))


def _score_table(model: ModelScores) -> np.ndarray:
    """Return the scores of each item, right completion first: [items, completions]; unscored items are NaN."""
    width = max((len(item.scores) for item in model.items), default=1)
    table = np.full((len(model.items), max(width, 1)), -np.inf)
    for row, item in zip(table, model.items, strict=True):
        row[: len(item.scores)] = item.scores
        if not item.scores or not np.isfinite(row[: len(item.scores)]).all():
            row[:] = np.nan
    return table


def _choose(table: np.ndarray) -> np.ndarray:
    """Return the index of the highest score in each row, TIE if several share it: [items]."""
    if not len(table):
        return np.zeros(0, dtype=np.int64)
    highest = table.max(axis=1, keepdims=True)
    is_tied = (table == highest).sum(axis=1) > 1
    return np.where(is_tied, TIE, table.argmax(axis=1))


def agreement_kappa(
    first: np.ndarray, second: np.ndarray, counts: np.ndarray, clusters: np.ndarray, seed: int = 0
) -> tuple[AgreementEstimate, AgreementEstimate]:
    """Compute how often two raters decide alike, and Cohen's kappa (Cohen 1960), κ = (p - e) / (1 - e).

    Completions are shown in random orders, so chance favours none of the k: with the shares t and u of ties,
    e = tu + (1 - t)(1 - u) · mean(1/k). For pairs without ties this is κ = 2p - 1.

    Args:
        first: decisions of a rater, or zeros for the labels: [items].
        second: decisions of the other: [items].
        counts: number of completions of each item: [items].
        clusters: cluster of each item, resampled together: [items].
        seed: seed of the bootstrap.

    Returns:
        The share of equal decisions, and kappa.
    """
    columns = [np.ones(len(first)), first == second, first == TIE, second == TIE, 1 / np.maximum(counts, 1)]
    table = np.stack(columns, axis=1).astype(float)
    share, kappa = bootstrap_ratios(table, clusters, [_agreement, _kappa], seed)
    return share, kappa


def error_consistency(
    first: np.ndarray, second: np.ndarray, clusters: np.ndarray, seed: int = 0
) -> tuple[AgreementEstimate, ...]:
    """Compute the kappa of right and wrong answers: do two raters err on the same items?

    Chance is the agreement of independent raters of these accuracies a and b, e = ab + (1 - a)(1 - b) (Geirhos et al.
    2020, arXiv 2006.16736): 0 if errors are independent, 1 if they are the same, below 0 if they avoid each other.

    Args:
        first: True where the rater is right: [items].
        second: True where the other is right: [items].
        clusters: cluster of each item: [items].
        seed: seed of the bootstrap.
    """
    columns = [np.ones(len(first)), first == second, first, second]
    return bootstrap_ratios(np.stack(columns, axis=1).astype(float), clusters, [_consistency], seed)


def _agreement(sums: np.ndarray) -> np.ndarray:
    share: np.ndarray = sums[..., 1] / sums[..., 0]
    return share


def _kappa(sums: np.ndarray) -> np.ndarray:
    same, ties, other_ties, chance = np.moveaxis(sums[..., 1:] / sums[..., :1], -1, 0)
    expected = ties * other_ties + (1 - ties) * (1 - other_ties) * chance
    return _beyond_chance(same, expected)


def _consistency(sums: np.ndarray) -> np.ndarray:
    same, first, second = np.moveaxis(sums[..., 1:] / sums[..., :1], -1, 0)
    return _beyond_chance(same, first * second + (1 - first) * (1 - second))


def _beyond_chance(same: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return kappa; NaN where chance alone gives full agreement."""
    room = 1 - expected
    return np.where(room > 1e-12, (same - expected) / np.where(room > 1e-12, room, 1.0), np.nan)


def bootstrap_ratios(
    columns: np.ndarray,
    clusters: np.ndarray,
    statistics: Sequence[Callable[[np.ndarray], np.ndarray]],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[AgreementEstimate, ...]:
    """Compute functions of column sums with percentile intervals of a cluster bootstrap.

    Args:
        columns: what is summed: [items, columns].
        clusters: cluster of each item: [items].
        statistics: functions of sums [..., columns].
        seed: seed of the resampling.
        resamples: number of resamples.
    """
    _, numbers = np.unique(clusters, return_inverse=True)
    sums = np.zeros((int(numbers.max()) + 1, columns.shape[1]))
    np.add.at(sums, numbers, columns)
    rows, repeats = np.unique(sums, axis=0, return_counts=True)
    random = np.random.default_rng(seed)
    step = max(1, _CELLS // len(rows))
    resampled: list[np.ndarray] = []
    for start in range(0, resamples, step):
        draws = random.multinomial(len(sums), repeats / len(sums), min(step, resamples - start))
        resampled.append(draws @ rows)
    estimates: list[AgreementEstimate] = []
    for statistic in statistics:
        interval = percentile_interval(statistic(np.concatenate(resampled)))
        estimates.append(AgreementEstimate(float(statistic(sums.sum(axis=0))), *interval))
    return tuple(estimates)
