"""Compare several models with each other: the score of each pair, with Holm's correction over the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from rewardbench import stats
from rewardbench.comparison.compare import (
    Contrast,
    align,
    choose_metric,
    compute_means,
    contrast_scores,
    reject_other_protocols,
)
from rewardbench.metrics import pairable
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
    suite_means = list(map(compute_means, aligned))
    pairs: list[HeadToHead] = []
    for first, second in combinations(range(len(aligned)), 2):
        first_means, second_means = pairable(suite_means[first], suite_means[second])
        chosen = choose_metric(first_means, metric)
        choose_metric(second_means, chosen)
        pairs.append(HeadToHead(first, second, contrast_scores(first_means, second_means, chosen)))
    adjusted = stats.holm([pair.score.p for pair in pairs])
    return [replace(pair, score=replace(pair.score, adjusted=p)) for pair, p in zip(pairs, adjusted, strict=True)]
