"""Score the items of an ensemble from the scores of its members, which have the same items in the same order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf, isfinite, nan
from typing import TYPE_CHECKING

import numpy as np

from rewardbench import results
from rewardbench.comparison.ensemble_rules import (
    EnsembleRule,
    combine_scores,
    majority_scores,
    plurality_verdict,
    preferred,
    verdict_scores,
)
from rewardbench.errors import InputError
from rewardbench.metrics import is_scored, rule_of
from rewardbench.results.scored import ModelScores
from rewardbench.store import safe_name
from rewardbench.types import Item, ItemScores, Rule, Suite

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST = 3.0
"""Ratio of the members' standard deviations above which a note recommends to standardise."""


def label_of(scored: ModelScores) -> str:
    """Return the name of a member without the path of its folder."""
    return safe_name(scored.model, may_be_path=False).as_posix()


def combine_members(rule: EnsembleRule, members: Sequence[ModelScores]) -> tuple[tuple[ItemScores, ...], list[str]]:
    """Score all items; return their scores and notes on how they were computed."""
    notes = [rule.describe()]
    scales: list[tuple[float, float]] = []
    undecided = 0
    if not rule.votes:
        scales = list(map(_scale, members))
        if rule.standardize:
            _reject_constant(members, scales)
        else:
            notes += _note_on_scales(members, scales)
            scales = [(0.0, 1.0)] * len(members)
    combined: list[ItemScores] = []
    for index, item in enumerate(members[0].suite.items):
        scores = [member.items[index] for member in members]
        if rule.votes:
            item_scores = _vote(rule, item, members, scores)
            undecided += preferred(item_scores.scores) is None
        else:
            item_scores = _combine_item(rule, item, members, scores, scales)
        combined.append(item_scores)
    if rule.votes:
        notes += _note_on_missing_votes(members)
    if undecided:
        notes.append(f"The votes decide no winner on {undecided:,} of {len(combined):,} items.")
    return tuple(combined), notes


def _combine_item(
    rule: EnsembleRule,
    item: Item,
    members: Sequence[ModelScores],
    scores: Sequence[ItemScores],
    scales: Sequence[tuple[float, float]],
) -> ItemScores:
    """Score an item by a scalar rule; it is unscored if a member has no score.

    Args:
        rule: the rule.
        item: the item.
        members: the members.
        scores: each member's scores of the item.
        scales: what is subtracted from the scores of each member, and what they are divided by.
    """
    reasons = list(_missing(members, scores))
    if reasons:
        return _to_item_scores(item, scores, (nan,) * len(item.completions), "; ".join(reasons))
    values = np.array([item_scores.scores for item_scores in scores], dtype=np.float64)
    scaling = np.array(scales, dtype=np.float64)
    combined = tuple(combine_scores(rule, (values - scaling[:, :1]) / scaling[:, 1:]).tolist())
    return _to_item_scores(item, scores, combined, results.why_unscored(combined))


def _vote(rule: EnsembleRule, item: Item, members: Sequence[ModelScores], scores: Sequence[ItemScores]) -> ItemScores:
    """Score an item by the votes of the members; it is unscored if a failure leaves it without a majority."""
    votes = [preferred(item_scores.scores) for item_scores in scores]
    count = len(item.completions)
    if rule.name == "plurality-rewardbench":
        return _to_item_scores(item, scores, verdict_scores(plurality_verdict(votes)[0], count))
    combined = majority_scores(votes, count)
    reasons = list(_missing(members, scores))
    if reasons and preferred(combined) is None:
        return _to_item_scores(item, scores, (nan,) * count, f"no majority: {'; '.join(reasons)}")
    return _to_item_scores(item, scores, combined)


def _missing(members: Sequence[ModelScores], scores: Sequence[ItemScores]) -> Iterator[str]:
    """Yield why each member that has no score of an item has none."""
    for member, item_scores in zip(members, scores, strict=True):
        if not is_scored(item_scores.scores):
            reason = item_scores.reason or results.why_unscored(item_scores.scores)
            yield f"{label_of(member)} has no score: {str(reason).rstrip('.')}"


def _note_on_missing_votes(members: Sequence[ModelScores]) -> Iterator[str]:
    """Yield a note for each member that casts no vote on some items."""
    for member in members:
        count = sum(not is_scored(item_scores.scores) for item_scores in member.items)
        if count:
            yield f"{label_of(member)} casts no vote on {count:,} items, because it has no score for them."


def _to_item_scores(
    item: Item, scores: Sequence[ItemScores], combined: tuple[float, ...], reason: str | None = None
) -> ItemScores:
    """Return the ensemble's scores of an item, with the texts that the first member read."""
    texts: list[str] = []
    for completion in item.completions:
        texts.append(completion[-1]["content"] if completion else "")
    truncated = any(item_scores.truncated for item_scores in scores)
    return ItemScores(item.id, combined, reason, truncated, texts=scores[0].texts or tuple(texts))


def _scale(scored: ModelScores) -> tuple[float, float]:
    """Return mean and population standard deviation over all completions of the items that a member scored.

    The standard deviation is 0 if all scores are the same, and NaN if there are none.
    """
    values = _finite_scores(scored)
    if not values.size:
        return nan, nan
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = 0.0 if values.min() == values.max() else float(values.std())
        return float(values.mean()), deviation


def _finite_scores(scored: ModelScores) -> NDArray[np.float64]:
    """Return the scores of all completions of the items that a member scored: [completions]."""
    values: list[float] = []
    for item_scores in scored.items:
        if is_scored(item_scores.scores):
            values.extend(item_scores.scores)
    return np.array(values, dtype=np.float64)


def _reject_constant(members: Sequence[ModelScores], scales: Sequence[tuple[float, float]]) -> None:
    for member, (_, deviation) in zip(members, scales, strict=True):
        if not deviation > 0 or not isfinite(deviation):
            reason = "all its scores are the same" if deviation == 0 else "their standard deviation is not finite"
            raise InputError(f"The scores of {member.path} cannot be standardised: {reason}. Leave it out.")


def _note_on_scales(members: Sequence[ModelScores], scales: Sequence[tuple[float, float]]) -> list[str]:
    """Return a note if the members' scores have very different scales, so that one member decides most items."""
    deviations: dict[float, str] = {}
    for member, (_, deviation) in zip(members, scales, strict=True):
        deviations[deviation] = label_of(member)
    narrowest, widest = min(deviations), max(deviations)
    if not 0 < WIDEST * narrowest < widest < inf:
        return []
    return [
        f"The scores of {deviations[widest]} vary most (standard deviation {widest:.3g}), those of "
        f"{deviations[narrowest]} least ({narrowest:.3g}): pass --standardize to weight members equally."
    ]


# The compatibility rule of rewardbench 0.1


def with_random_ties(suite: Suite) -> Suite:
    """Return a suite in which a tie has the credit of a random pick: 1/2 for a pair, 1/4 for one of four.

    The score is by accuracy, since rewardbench 0.1 has no mirrors.
    """
    rules: dict[str, Rule] = {}
    for subset in [*suite.rules, *(item.subset for item in suite.items)]:
        rules[subset] = replace(rule_of(suite, subset), credit="best_of_n")
    return replace(suite, rules=rules, headline="accuracy")


def with_verdicts(scored: ModelScores, suite: Suite) -> ModelScores:
    """Return a member's verdicts as rewardbench 0.1 counts them: without a preference, equal scores."""
    items: list[ItemScores] = []
    for item, item_scores in zip(suite.items, scored.items, strict=True):
        scores = verdict_scores(preferred(item_scores.scores), len(item.completions))
        items.append(replace(item_scores, scores=scores, reason=None))
    return replace(scored, suite=suite, items=tuple(items))
