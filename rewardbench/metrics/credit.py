"""Credit of an item from the scores of its completions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite, nan
from typing import NamedTuple

from rewardbench.metrics.steps import finds_first_error, step_margin
from rewardbench.types import Item, ItemScores, Rule, Suite


def is_scored(scores: Sequence[float]) -> bool:
    """Return True if every completion has a finite score.

    >>> is_scored([0.5, -3.0]), is_scored([0.5, float("nan")]), is_scored([])
    (True, False, False)
    """
    return len(scores) > 0 and all(map(isfinite, scores))


def rule_of(suite: Suite, subset: str) -> Rule:
    """Return the rule of a subset; a subset without one is its own section."""
    return suite.rules.get(subset) or Rule(section=subset)


def labels_steps(suite: Suite) -> bool:
    """Return True if a suite has solutions with labelled steps."""
    return any(rule.credit == "first_error" for rule in suite.rules.values())


def with_threshold(suite: Suite, threshold: float | None) -> Suite:
    """Return a suite whose steps count as wrong if they score below a threshold; None leaves it as it is."""
    if threshold is None:
        return suite
    if not labels_steps(suite):
        note = f"--step_threshold {threshold} has no effect on {suite.name}, which labels no steps."
        return replace(suite, note=f"{suite.note} {note}".strip())
    rules: dict[str, Rule] = {}
    for subset, rule in suite.rules.items():
        rules[subset] = replace(rule, threshold=threshold) if rule.credit == "first_error" else rule
    return replace(suite, rules=rules)


class CreditOutcome(NamedTuple):
    """What the scores of an item come to."""

    credit: float
    """From 0 to 1: 0 if the item is unscored, NaN if it has neither a preference nor labelled steps."""
    tied: bool
    """Whether the best wrong completion scores the same as the right one that decides the credit."""
    unscored: bool


def decide(
    item: Item, scores: Sequence[float], rule: Rule, step_scores: Sequence[Sequence[float]] = ()
) -> CreditOutcome:
    """Decide the outcome of an item.

    strict and ties: 1 if every right completion scores above every wrong one, else 0 (equal scores included).
    best_of_n: the chance that a pick among the top scores is right (1/k where one of k at the top is right).
    first_error: 1 if the first step that scores below the rule's threshold is the first wrong one, else 0.

    Args:
        item: the item; its right completions come first.
        scores: one score per completion: [completions].
        rule: the rule of the item's subset.
        step_scores: of a process reward model, the scores of each completion's steps: [completions, steps].
    """
    unscored = not is_scored(scores)
    tied, credit = False, 0.0 if item.has_preference else nan
    if item.has_preference and not unscored:
        right, wrong = split_scores(item, scores)
        best_wrong = max(wrong)
        decisive = max(right) if rule.credit == "best_of_n" else min(right)
        tied, credit = decisive == best_wrong, float(decisive > best_wrong)
        if rule.credit == "best_of_n":
            top = max(decisive, best_wrong)
            credit = right.count(top) / (right.count(top) + wrong.count(top))
    if item.first_error is not None:
        steps = step_scores[0] if step_scores and not unscored else ()
        credit = float(finds_first_error(steps, item.first_error, rule.threshold))
    return CreditOutcome(credit, tied, unscored)


def credit(item: Item, scores: Sequence[float], rule: Rule, step_scores: Sequence[Sequence[float]] = ()) -> float:
    """Compute the credit of an item; see `decide`."""
    return decide(item, scores, rule, step_scores).credit


def split_scores(item: Item, scores: Sequence[float]) -> tuple[list[float], list[float]]:
    """Split scores into those of the right and those of the wrong completions.

    Raises:
        ValueError: if the item has another number of completions.
    """
    if len(scores) != len(item.completions):
        raise ValueError(f"item {item.id} has {len(item.completions)} completions but {len(scores)} scores")
    return list(scores[: item.num_correct]), list(scores[item.num_correct :])


def margin(item: Item, scores: Sequence[float]) -> float:
    """Compute the lowest right score minus the highest wrong one; NaN if a score is not finite.

    The margin is infinite if the difference of two finite scores exceeds the range of a float.

    >>> margin(Item("a", "s", (), ((), (), ()), num_correct=2), (3.0, 2.0, 0.5))
    1.5
    """
    if not is_scored(scores):
        return nan
    return min(scores[: item.num_correct]) - max(scores[item.num_correct :])


def margin_by_rule(item: Item, item_scores: ItemScores, rule: Rule) -> float:
    """Return the margin of an item: `margin` of its completions, or `step_margin` of its labelled steps."""
    if item.first_error is None:
        return margin(item, item_scores.scores)
    if not item_scores.step_scores or not is_scored(item_scores.scores):
        return nan
    return step_margin(item_scores.step_scores[0], item.first_error, rule.threshold)
