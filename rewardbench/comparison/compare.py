"""Compare models on the same items: paired differences, significance tests and flipped items.

The unit of analysis is the cluster: the items of one template if the suite clusters by template, else a mirror, else a
single item. Mirrors of one template are answered alike, also in how two models differ on them. So intervals, tests,
wins and losses all take the cluster as one observation; its value is the paired difference in credit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from os import PathLike, fspath
from typing import Literal, Protocol

import numpy as np

from rewardbench import stats
from rewardbench.comparison.resampled import resample_scores
from rewardbench.errors import InputError
from rewardbench.metrics import SuiteMeans, credit, is_scored, margin_by_rule, measure, pairable, rule_of
from rewardbench.results.scored import ModelScores, hash_of_ids, read_scored
from rewardbench.types import Item, ItemScores, Metric, Rule, Suite


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
    order_inconsistency: tuple[float | None, float | None] = (None, None)
    """Of both models, the share of items whose preferred completion changes with the order; None if not pairwise."""
    protocols: tuple[str, str] = ("", "")
    """Of both models, the protocol by which a judge was asked; empty for other models."""


class HasModelScores(Protocol):
    """A result in memory, such as an Evaluation."""

    def to_model_scores(self) -> ModelScores:
        """Return the scores with the items that were scored."""


ComparedResult = str | PathLike[str] | ModelScores | HasModelScores
"""A result: the path of its summary or rows, its scores, or what `evaluate` returns."""


def compare(first: ComparedResult, second: ComparedResult, metric: Metric | None = None) -> Comparison:
    """Compare the second model with the first, paired by item and clustered by template or mirror.

    Args:
        first: the result to compare with: the path of a result (.json), or what `evaluate` returns.
        second: the result to compare, in the same form or the other.
        metric: `pair` (items), `mirror` or `turn`; by default the suite's headline.

    Returns:
        The differences, second minus first, of the score and of each section, and the items with different credit.

    Raises:
        InputError: if a result cannot be read, or the two do not have the same items of the same suite.
    """
    first, second = align(read_compared(first), read_compared(second))
    first_means, second_means = pairable(compute_means(first), compute_means(second))
    metric = choose_metric(first_means, metric)
    choose_metric(second_means, metric)
    return compare_means((first, second), (first_means, second_means), metric, find_flips(first, second))


def compare_means(
    scores: tuple[ModelScores, ModelScores],
    means: tuple[SuiteMeans, SuiteMeans],
    metric: Metric,
    flips: Sequence[Flip],
) -> Comparison:
    """Compare two models by their means.

    Args:
        scores: of both models, for the same items.
        means: of both models, each for the items that the other has scored as well.
        metric: a metric that both have.
        flips: the items with different credit.

    Returns:
        The differences, second minus first.
    """
    (first, second), (first_means, second_means) = scores, means
    return Comparison(
        first=first.model,
        second=second.model,
        suite=first.suite.name,
        revision=first.suite.revision,
        metric=metric,
        items=len(first.items),
        score=contrast_scores(first_means, second_means, metric),
        sections=tuple(contrast_sections(first_means, second_means, metric)),
        flips=tuple(flips),
        order_inconsistency=(_order_inconsistency(first_means), _order_inconsistency(second_means)),
        protocols=(first.protocol, second.protocol),
    )


def _order_inconsistency(means: SuiteMeans) -> float | None:
    return means.order_inconsistency.value if means.order_inconsistency else None


def read_compared(result: ComparedResult) -> ModelScores:
    """Return the scores of a result.

    Raises:
        InputError: if its file cannot be read.
    """
    if isinstance(result, ModelScores):
        return result
    return read_scored(fspath(result)) if isinstance(result, str | PathLike) else result.to_model_scores()


def align(first: ModelScores, second: ModelScores) -> tuple[ModelScores, ModelScores]:
    """Align two results; a result without a suite uses the rules of the other's suite.

    Returns:
        Both results, with the same items in the order of the suite.

    Raises:
        InputError: if the items or the credit rules of the two differ.
    """
    _reject_other_items(first, second)
    if first.knows_suite and not second.knows_suite:
        second = with_suite(second, first.suite)
    elif second.knows_suite and not first.knows_suite:
        first = with_suite(first, second.suite)
    second_terms = _credit_terms(second.suite)
    for name, term in _credit_terms(first.suite).items():
        if term != second_terms[name]:
            raise InputError(
                f"{first.path} and {second.path} cannot be paired: they do not agree on the {name} of their items. "
                "Score both models on one version of the data."
            )
    return first, second


def with_suite(scored: ModelScores, suite: Suite) -> ModelScores:
    """Return a result with this suite, its scores in the order of the suite's items."""
    by_id = _scores_by_id(scored)
    return replace(scored, suite=suite, items=tuple(by_id[item.id] for item in suite.items))


def _scores_by_id(scored: ModelScores) -> dict[str, ItemScores]:
    return {item_scores.id: item_scores for item_scores in scored.items}


def _credit_terms(suite: Suite) -> dict[str, object]:
    """Collect what determines the credit of items, by its name in the error message."""
    subsets: dict[str, str] = {}
    groups: dict[str, str] = {}
    first_errors: dict[str, int | None] = {}
    for item in suite.items:
        subsets[item.id] = item.subset
        groups[item.id] = item.group
        first_errors[item.id] = item.first_error
    rules: dict[str, Rule] = {}
    section_weights: dict[str, float] = {}
    for subset in set(subsets.values()):
        rule = rule_of(suite, subset)
        rules[subset] = replace(rule, threshold=Rule.threshold)  # each model may have its own threshold
        section_weights[rule.section] = suite.section_weights.get(rule.section, 1.0)
    return {
        "subsets": subsets,
        "groups": groups,
        "first wrong steps": first_errors,
        "rules": rules,
        "section weights": section_weights,
        "headline": suite.headline,
        "clusters": suite.cluster_by,
    }


def _short(revision: str) -> str:
    """Shorten the hashes in a revision, but keep its options, which may be the only difference."""
    return "+".join(part[:24] for part in revision.split("+"))


def _reject_other_items(first: ModelScores, second: ModelScores) -> None:
    suite, other_suite = first.suite, second.suite
    same_suite = (suite.name, suite.revision) == (other_suite.name, other_suite.revision)
    if first.knows_suite and second.knows_suite and not same_suite:
        raise InputError(
            f"{first.path} is of {suite.name}@{_short(suite.revision)} and {second.path} of {other_suite.name}@"
            f"{_short(other_suite.revision)}: scores of different data cannot be paired. Score both models on one "
            "version."
        )
    if hash_of_ids(suite.items) != hash_of_ids(other_suite.items):
        unpaired = sorted(_scores_by_id(first).keys() ^ _scores_by_id(second).keys())
        reason = "their completions differ"
        if unpaired:
            reason = f"{len(unpaired)} items are in only one of them, such as {unpaired[0]!r}"
        raise InputError(f"{first.path} and {second.path} cannot be paired: {reason}.")


def choose_metric(means: SuiteMeans, metric: Metric | None) -> Metric:
    """Return the metric, by default that of the suite's headline.

    Raises:
        InputError: if the suite has no mean by the metric.
    """
    if metric == "mirror" and metric not in means.metrics:
        raise InputError("This suite has no mirrors: pass --metric pair.")
    if metric == "turn" and not means.has_total(metric):
        raise InputError(
            "There is no turn accuracy: no two items of a group have the same responses with right and wrong swapped, "
            f"or the result is of an earlier version. Pass --metric {means.headline}, or score the model again."
        )
    return metric or means.headline


def compute_means(scored: ModelScores) -> SuiteMeans:
    """Compute the means of a result.

    Raises:
        InputError: if no item has a preference, or none of those has a score.
    """
    means = measure(scored.suite, scored.items)
    if not means.has_total(means.headline):
        raise InputError(f"{scored.path} holds no item with a preference, so there is nothing to compare.")
    labelled_ids = {item.id for item in scored.suite.items if item.is_labelled}
    for item in scored.items:
        if item.id in labelled_ids and is_scored(item.scores):
            return means
    raise InputError(
        f"{scored.path} holds no score: each of its {len(labelled_ids):,} items is unscored, so there is "
        "nothing to compare. Score the model again."
    )


def contrast(name: str, first: stats.Mean, second: stats.Mean) -> Contrast:
    """Compare two means over the same clusters: second minus first."""
    difference = stats.paired(second, first)
    steps = np.array(difference.steps())
    p = stats.sign_flip(steps.tolist())
    return Contrast(
        name=name,
        first=first.value,
        second=second.value,
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        clusters=difference.clusters,
        wins=int((steps > 0).sum()),
        losses=int((steps < 0).sum()),
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


def contrast_scores(first: SuiteMeans, second: SuiteMeans, metric: Metric) -> Contrast:
    """Compare the scores; the interval is a cluster bootstrap within each section, or subset that has a weight."""
    return contrast_resampled(first, second, metric, resample_scores([first, second], metric))


def contrast_resampled(first: SuiteMeans, second: SuiteMeans, metric: Metric, scores: np.ndarray | None) -> Contrast:
    """Compare the scores of two models; `scores` are their resampled scores: [2, resamples]."""
    score = contrast("score", first.total(metric), second.total(metric))
    if scores is None or score.wins + score.losses == 0:
        return score
    low, high = stats.percentile_interval(scores[1] - scores[0])
    return replace(score, low=low, high=high)


def contrast_sections(first: SuiteMeans, second: SuiteMeans, metric: Metric) -> list[Contrast]:
    """Compare each section, with Holm's correction over the sections."""
    second_sections = second.section_means(metric)
    contrasts: list[Contrast] = []
    for name, first_mean in first.section_means(metric).items():
        contrasts.append(contrast(name, first_mean, second_sections[name]))
    adjusted = stats.holm([section.p for section in contrasts])
    return [replace(section, adjusted=p) for section, p in zip(contrasts, adjusted, strict=True)]


def find_flips(first: ModelScores, second: ModelScores) -> list[Flip]:
    """List the items with different credit under the two models, the largest change of the margin first."""
    flips: list[Flip] = []
    second_scores = _scores_by_id(second)
    for item, item_scores in zip(first.suite.items, first.items, strict=True):
        rule = rule_of(first.suite, item.subset)
        other_scores = second_scores[item.id]
        other_rule = rule_of(second.suite, item.subset)
        first_credit = credit(item, item_scores.scores, rule, item_scores.step_scores)
        second_credit = credit(item, other_scores.scores, other_rule, other_scores.step_scores)
        if item.is_labelled and first_credit != second_credit:
            margins = margin_by_rule(item, item_scores, rule), margin_by_rule(item, other_scores, other_rule)
            flips.append(Flip(item, rule.section, "first" if first_credit > second_credit else "second", margins))
    return sorted(flips, key=by_change_of_margin)


def by_change_of_margin(flip: Flip) -> tuple[bool, float]:
    """Return the sort key: the largest change of the margin first, and flips with an unknown margin last."""
    change = abs(flip.margins[0] - flip.margins[1])
    return isnan(change), -change
