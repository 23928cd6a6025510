"""Compare several models with each other: the score of each pair, with Holm's correction over the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from rewardbench import stats
from rewardbench.comparison.compare import (
    Contrast,
    align,
    choose_metric,
    compute_means,
    contrast_resampled,
)
from rewardbench.comparison.rank import reject_other_protocols
from rewardbench.comparison.resampled import resample_scores
from rewardbench.metrics import SuiteMeans, pairable
from rewardbench.results.scored import ModelScores
from rewardbench.types import Metric


@dataclass(frozen=True)
class HeadToHead:
    """The comparison of two of several models, by their indices; `adjusted` is Holm's correction over all pairs."""

    first: int
    second: int
    score: Contrast


def compare_all(models: Sequence[ModelScores], metric: Metric | None = None) -> list[HeadToHead]:
    """Compare the scores of each pair of models, as `compare` does.

    Args:
        models: results of the same items.
        metric: `pair` (items), `mirror` or `turn`; by default the suite's headline.

    Returns:
        The pairs in the order of `models`: the first with all later ones, then the second.

    Raises:
        InputError: if the results do not have the same items of the same suite, or judges have different protocols.
    """
    reject_other_protocols(models)
    reference = next((scored for scored in models if scored.knows_suite), models[0])
    aligned = [align(reference, scored)[1] for scored in models]
    return contrast_all(list(map(compute_means, aligned)), metric)


def contrast_all(suite_means: Sequence[SuiteMeans], metric: Metric | None = None) -> list[HeadToHead]:
    """Compare the scores of each pair of models; see `compare_all`.

    Args:
        suite_means: means of the models, by this metric at least.
        metric: `pair` (items), `mirror` or `turn`; by default the suite's headline.
    """
    resampled: dict[Metric, np.ndarray | None] = {}
    pairs: list[HeadToHead] = []
    for first, second in combinations(range(len(suite_means)), 2):
        first_means, second_means = suite_means[first], suite_means[second]
        if "pair" in first_means.metrics:
            first_means, second_means = pairable(first_means, second_means)
        chosen = choose_metric(first_means, metric)
        choose_metric(second_means, chosen)
        if chosen not in resampled:
            resampled[chosen] = resample_scores(suite_means, chosen)
        scores = resampled[chosen]
        both = None if scores is None else scores[[first, second]]
        pairs.append(HeadToHead(first, second, contrast_resampled(first_means, second_means, chosen, both)))
    adjusted = stats.holm([pair.score.p for pair in pairs])
    return [replace(pair, score=replace(pair.score, adjusted=p)) for pair, p in zip(pairs, adjusted, strict=True)]
