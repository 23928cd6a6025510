"""What an item earns: credit from the scores of its completions."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan

from rewardbench.types import Item, Rule, Suite


def is_scored(scores: Sequence[float]) -> bool:
    """Whether every completion has a finite score.

    >>> is_scored([0.5, -3.0]), is_scored([0.5, float("nan")]), is_scored([])
    (True, False, False)
    """
    return len(scores) > 0 and all(map(isfinite, scores))


def rule_of(suite: Suite, subset: str) -> Rule:
    """The rule by which a subset counts; one that the suite does not name is a section of its own."""
    return suite.rules.get(subset) or Rule(section=subset)


def credit(item: Item, scores: Sequence[float], rule: Rule) -> float:
    """What the item earns, from 0 to 1: 0 where it is unscored, NaN where it holds no preference.

    strict and ties: 1 if every right completion scores above every wrong one; equal scores earn 0.
    best_of_n: the chance that a pick among the top scores is right (1/k where one of k at the top is right).
    """
    if not item.has_preference:
        return nan
    if not is_scored(scores):
        return 0.0
    right, wrong = split_scores(item, scores)
    if rule.credit == "best_of_n":
        top = max(right + wrong)
        return right.count(top) / (right + wrong).count(top)
    return float(min(right) > max(wrong))


def split_scores(item: Item, scores: Sequence[float]) -> tuple[list[float], list[float]]:
    """Split scores into those of the right and those of the wrong completions."""
    if len(scores) != len(item.completions):
        raise ValueError(f"item {item.id} has {len(item.completions)} completions but {len(scores)} scores")
    return list(scores[: item.num_correct]), list(scores[item.num_correct :])


def is_tied(item: Item, scores: Sequence[float], rule: Rule) -> bool:
    """Whether the decision hangs on equal scores: the best wrong one meets the right one it had to lose to."""
    if not item.has_preference or not is_scored(scores):
        return False
    right, wrong = split_scores(item, scores)
    return (max(right) if rule.credit == "best_of_n" else min(right)) == max(wrong)


def margin(item: Item, scores: Sequence[float]) -> float:
    """Compute how far the lowest right completion is above the highest wrong one; NaN if a score is not finite.

    Infinite where the difference of two finite scores is beyond the range of a float.

    >>> margin(Item("a", "s", (), ((), (), ()), num_correct=2), (3.0, 2.0, 0.5))
    1.5
    """
    if not is_scored(scores):
        return nan
    return min(scores[: item.num_correct]) - max(scores[item.num_correct :])
