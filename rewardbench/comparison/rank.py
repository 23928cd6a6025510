"""Rank several models on the same items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardbench import stats
from rewardbench.comparison.compare import align, choose_metric, compute_means
from rewardbench.errors import InputError
from rewardbench.results.scored import ModelScores
from rewardbench.types import Metric


@dataclass(frozen=True)
class RankedModel:
    """A ranked model."""

    model: str
    score: float
    low: float
    high: float
    clusters: int
    rank_range: tuple[int, int]
    """Best and worst rank, as `stats.rank_ranges` computes them."""
    better: tuple[str, ...]
    """Names of the significantly better models."""


def rank(models: Sequence[ModelScores], metric: Metric | None = None) -> list[RankedModel]:
    """Rank several models, best first.

    All pairs are tested on the score, each at the level `stats.LEVEL`, as on a leaderboard.

    Args:
        models: results of the same items.
        metric: `pair` (items), `mirror` or `turn`; by default the suite's headline.

    Raises:
        InputError: if the results do not have the same items of the same suite, or judges have different protocols.
    """
    reject_other_protocols(models)
    reference = next((scored for scored in models if scored.knows_suite), models[0])
    models = [align(reference, scored)[1] for scored in models]
    suite_means = list(map(compute_means, models))
    metric = choose_metric(suite_means[0], metric)
    for means in suite_means:
        choose_metric(means, metric)
    totals = [means.total(metric) for means in suite_means]
    clusters = list(totals[0].contributions)
    contributions: list[list[float]] = []
    for mean in totals:
        contributions.append([mean.contributions[cluster] for cluster in clusters])
    is_worse = stats.significantly_worse(contributions)
    ranked: list[RankedModel] = []
    for index, rank_range in enumerate(stats.rank_ranges(is_worse)):
        mean = totals[index]
        better = tuple(models[other].model for other in np.flatnonzero(is_worse[index]).tolist())
        ranked.append(
            RankedModel(models[index].model, mean.value, mean.low, mean.high, len(mean.weights), rank_range, better)
        )
    return sorted(ranked, key=lambda model: -model.score)


def reject_other_protocols(models: Sequence[ModelScores]) -> None:
    """Check that no two judges have different protocols, since a rank would not say which of the two decides it.

    Raises:
        InputError: if two do.
    """
    judges: dict[str, ModelScores] = {}
    for scored in models:
        if scored.protocol:
            judges.setdefault(scored.protocol, scored)
    if len(judges) > 1:
        first, second = list(judges.values())[:2]
        raise InputError(
            f"{first.path} is of the judge protocol {first.protocol} and {second.path} of {second.protocol}: results "
            "of different protocols are not ranked in one table. Compare two at a time."
        )
