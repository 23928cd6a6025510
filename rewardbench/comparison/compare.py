"""Compare models on the same items: paired differences, significance tests and flipped items.

The unit of analysis is the cluster (a mirror, or a single item); its value is the paired difference in credit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any, Literal

import numpy as np

from rewardbench import stats
from rewardbench.errors import InputError
from rewardbench.metrics import SuiteMeans, credit, is_scored, measure, rule_of
from rewardbench.metrics.credit import margin
from rewardbench.results.scored import ModelScores, hash_of_ids
from rewardbench.types import Item, Suite

Metric = Literal["pair", "mirror"]


@dataclass(frozen=True)
class Contrast:
    """One score of both models, and the difference: second minus first.

    `wins` and `losses` count the clusters in which the second and the first model is better. `p` is the p-value of
    the sign-flip permutation test (McNemar's exact test if clusters are single items); `adjusted` is Holm's correction
    over the sections.
    """

    name: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    clusters: int
    wins: int
    losses: int
    p: float
    adjusted: float
    detectable: float
    """Minimum detectable effect at 80 % power; NaN where the differences have no spread to compute it from."""


@dataclass(frozen=True)
class Flip:
    """An item with different credit under the two models, and both margins (lowest right minus highest wrong)."""

    item: Item
    section: str
    better: Literal["first", "second"]
    margins: tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """The comparison of two models on the same items."""

    first: str
    second: str
    suite: str
    revision: str
    metric: Metric
    items: int
    score: Contrast
    sections: tuple[Contrast, ...]
    flips: tuple[Flip, ...]


@dataclass(frozen=True)
class Standing:
    """A ranked model; its rank is one more than the number of models that are significantly better."""

    model: str
    score: float
    low: float
    high: float
    clusters: int
    rank: int
    better: tuple[str, ...]
    """Names of the significantly better models."""


def compare(first: ModelScores, second: ModelScores, metric: Metric | None = None) -> Comparison:
    """Compare the second model with the first.

    Args:
        first: the result to compare with.
        second: the result to compare.
        metric: `pair` (items) or `mirror`; by default the suite's headline.

    Raises:
        InputError: if the two results do not have the same items of the same suite.
    """
    first, second = pair_up(first, second)
    first_means, second_means = compute_means(first), compute_means(second)
    metric = choose_metric(first_means, metric)
    second_sections = second_means.present(metric)
    contrasts = [contrast(name, mean, second_sections[name]) for name, mean in first_means.present(metric).items()]
    adjusted = stats.holm([section.p for section in contrasts])
    return Comparison(
        first=first.model,
        second=second.model,
        suite=first.suite.name,
        revision=first.suite.revision,
        metric=metric,
        items=len(first.items),
        score=total(first_means, second_means, metric),
        sections=tuple(replace(section, adjusted=p) for section, p in zip(contrasts, adjusted, strict=True)),
        flips=tuple(flips(first, second)),
    )


def pair_up(first: ModelScores, second: ModelScores) -> tuple[ModelScores, ModelScores]:
    """Align two results; a result without a suite uses the rules of the other's suite.

    Returns:
        Both results, with the same items in the order of the suite.

    Raises:
        InputError: if the items or the credit rules of the two differ.
    """
    _reject_other_items(first, second)
    if first.knows_suite and not second.knows_suite:
        second = _with_suite(second, first.suite)
    elif second.knows_suite and not first.knows_suite:
        first = _with_suite(first, second.suite)
    first_terms, second_terms = _terms(first.suite), _terms(second.suite)
    if first_terms != second_terms:
        term = next(name for name in first_terms if first_terms[name] != second_terms[name])
        raise InputError(
            f"{first.path} and {second.path} cannot be paired: they do not agree on the {term} of their items. "
            "Score both models on one version of the data."
        )
    return first, second


def _with_suite(scored: ModelScores, suite: Suite) -> ModelScores:
    by_id = {scores.id: scores for scores in scored.items}
    return replace(scored, suite=suite, items=tuple(by_id[item.id] for item in suite.items))


def _terms(suite: Suite) -> dict[str, Any]:
    """Collect what determines the credit of items, by its name in the error message."""
    subsets = {item.id: item.subset for item in suite.items}
    rules = {subset: rule_of(suite, subset) for subset in set(subsets.values())}
    return {
        "subsets": subsets,
        "groups": {item.id: item.group for item in suite.items},
        "rules": rules,
        "section weights": {rule.section: suite.section_weights.get(rule.section, 1.0) for rule in rules.values()},
        "headline": suite.headline,
    }


def _reject_other_items(first: ModelScores, second: ModelScores) -> None:
    suite, other_suite = first.suite, second.suite
    same_suite = (suite.name, suite.revision) == (other_suite.name, other_suite.revision)
    if first.knows_suite and second.knows_suite and not same_suite:
        raise InputError(
            f"{first.path} is of {suite.name}@{suite.revision[:24]} and {second.path} of {other_suite.name}@"
            f"{other_suite.revision[:24]}: scores of different data cannot be paired. Score both models on one version."
        )
    if hash_of_ids(suite.items) != hash_of_ids(other_suite.items):
        unpaired = sorted({item.id for item in suite.items} ^ {item.id for item in other_suite.items})
        reason = "their completions differ"
        if unpaired:
            reason = f"{len(unpaired)} items are in only one of them, such as {unpaired[0]!r}"
        raise InputError(f"{first.path} and {second.path} cannot be paired: {reason}.")


def choose_metric(means: SuiteMeans, metric: Metric | None) -> Metric:
    """Return the metric, by default that of the suite's headline.

    Raises:
        InputError: if the metric is `mirror` and the suite has no mirrors.
    """
    if metric == "mirror" and not means.mirror:
        raise InputError("This suite has no mirrors: pass --metric pair.")
    return metric or ("mirror" if means.headline == "mirror" else "pair")


def compute_means(scored: ModelScores) -> SuiteMeans:
    """Compute the means of a result.

    Raises:
        InputError: if no item has a preference, or none of those has a score.
    """
    means = measure(scored.suite, scored.items)
    if means.totals[means.headline] is None:
        raise InputError(f"{scored.path} holds no item with a preference, so there is nothing to compare.")
    with_preference = {item.id for item in scored.suite.items if item.has_preference}
    if not any(is_scored(item.scores) for item in scored.items if item.id in with_preference):
        raise InputError(
            f"{scored.path} holds no score: each of its {len(with_preference):,} items is unscored, so there is "
            "nothing to compare. Score the model again."
        )
    return means


def contrast(name: str, first: stats.Mean, second: stats.Mean) -> Contrast:
    """Compare two means over the same clusters: second minus first."""
    difference = stats.paired(second, first)
    p = stats.sign_flip(difference.steps())
    return Contrast(
        name=name,
        first=first.value,
        second=second.value,
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        clusters=difference.clusters,
        wins=difference.wins,
        losses=difference.losses,
        p=p,
        adjusted=p,
        detectable=stats.detectable(difference.error) if difference.error > 0 else nan,
    )


def power_sentence(score: Contrast) -> str:
    """Describe the minimum detectable effect in a sentence."""
    if score.wins + score.losses == 0:
        return "The two models have the same credit on every cluster: there is no difference to test."
    if isnan(score.detectable):
        return "All differences have the same size, so the minimum detectable effect is unknown."
    gap = f"{100 * score.detectable:.1f} points"
    return f"With this many items, a gap smaller than {gap} would usually go undetected (80 % power)."


def total(first: SuiteMeans, second: SuiteMeans, metric: Metric) -> Contrast:
    """Compare the scores; the interval is a cluster bootstrap within each section."""
    score = contrast("score", first.total(metric), second.total(metric))
    second_sections = second.present(metric)
    sections = {name: mean for name, mean in first.present(metric).items() if first.weights[name] > 0}
    strata = [stats.paired(second_sections[name], mean) for name, mean in sections.items()]
    if score.wins + score.losses == 0 or sum(stratum.clusters for stratum in strata) != score.clusters:
        return score  # nothing differs, or sections share clusters
    low, high = stats.bootstrap(strata, [first.weights[name] for name in sections])
    return replace(score, low=low, high=high)


def flips(first: ModelScores, second: ModelScores) -> list[Flip]:
    """List the items with different credit under the two models, the largest change of the margin first."""
    second_scores = {item.id: item.scores for item in second.items}
    flipped = []
    for item, item_scores in zip(first.suite.items, first.items, strict=True):
        rule = rule_of(first.suite, item.subset)
        scores, other_scores = item_scores.scores, second_scores[item.id]
        first_credit, second_credit = credit(item, scores, rule), credit(item, other_scores, rule)
        if item.has_preference and first_credit != second_credit:
            margins = margin(item, scores), margin(item, other_scores)
            flipped.append(Flip(item, rule.section, "first" if first_credit > second_credit else "second", margins))
    return sorted(flipped, key=_by_width)


def _by_width(flip: Flip) -> tuple[bool, float]:
    """Return the sort key: the widest flip first, and flips with an unknown margin last."""
    width = abs(flip.margins[0] - flip.margins[1])
    return isnan(width), -width


def rank(models: Sequence[ModelScores], metric: Metric | None = None) -> list[Standing]:
    """Rank several models, best first.

    All pairs are tested on the score, with Holm's correction over the pairs.

    Args:
        models: results of the same items.
        metric: `pair` (items) or `mirror`; by default the suite's headline.

    Raises:
        InputError: if the results do not have the same items of the same suite.
    """
    reference = next((scored for scored in models if scored.knows_suite), models[0])
    models = [pair_up(reference, scored)[1] for scored in models]
    suite_means = [compute_means(scored) for scored in models]
    metric = choose_metric(suite_means[0], metric)
    totals = [means.total(metric) for means in suite_means]
    clusters = list(totals[0].contributions)
    contributions = []
    for mean in totals:
        contributions.append([mean.contributions[cluster] for cluster in clusters])
    worse = stats.significantly_worse(contributions)
    standings = []
    for scored, mean, row in zip(models, totals, worse, strict=True):
        better = tuple(models[index].model for index in np.flatnonzero(row).tolist())
        standings.append(
            Standing(scored.model, mean.value, mean.low, mean.high, len(mean.weights), 1 + len(better), better)
        )
    return sorted(standings, key=lambda standing: (standing.rank, -standing.score))
