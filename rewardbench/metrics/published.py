"""Scores of published leaderboards: section means from subset accuracies, and overall scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import fsum

from rewardbench.types import Rule

PRIOR_SETS = ("anthropic_helpful", "anthropic_hhh", "shp", "summarize")
"""The datasets of the section Prior Sets of RewardBench 1."""

LEADERBOARD_WEIGHTS = {"Chat": 2.0, "Chat Hard": 2.0, "Safety": 2.0, "Reasoning": 2.0, "Prior Sets": 1.0}
"""Section weights of RewardBench 1's overall score (allenai/reward-bench, leaderboard)."""


def section_means(
    values: Mapping[str, float | None], rules: Mapping[str, Rule], counts: Mapping[str, int] | None = None
) -> dict[str, float | None]:
    """Compute section scores, each the weighted mean of its subsets that have a value.

    >>> rules = {"a": Rule("S", weight=3), "b": Rule("S"), "c": Rule("T")}
    >>> section_means({"a": 1.0, "b": 0.0, "c": None}, rules, {"b": 1})
    {'S': 0.75, 'T': None}

    Args:
        values: accuracy of each subset; None if it has none.
        rules: section and weight of each subset.
        counts: number of items of each subset: its weight where its rule has none.

    Returns:
        The score of each section; None if no subset of it has a value.
    """
    terms: dict[str, list[tuple[float, float]]] = {rule.section: [] for rule in rules.values()}
    for name, rule in rules.items():
        value = values.get(name)
        if value is not None:
            weight = rule.weight if rule.weight is not None else (counts or {})[name]
            terms[rule.section].append((value, weight))
    return {section: _weighted_value(pairs) for section, pairs in terms.items()}


def prior_sets(subsets: Mapping[str, float | None]) -> float | None:
    """Compute RewardBench 1's Prior Sets score: the plain mean of those of its four datasets that have a value.

    >>> round(prior_sets({"anthropic_helpful": .664, "anthropic_hhh": .873, "shp": .671, "summarize": .646}), 4)
    0.7135
    """
    return _weighted_value((value, 1.0) for name in PRIOR_SETS if (value := subsets.get(name)) is not None)


def leaderboard_score(sections: Mapping[str, float | None]) -> float | None:
    """Compute RewardBench 1's overall score over the sections that have a value, by `LEADERBOARD_WEIGHTS`.

    >>> leaderboard_score({"Chat": 1.0, "Chat Hard": 0.5, "Safety": 0.5, "Reasoning": 0.0, "Prior Sets": 0.5})
    0.5
    """
    weights = LEADERBOARD_WEIGHTS.items()
    return _weighted_value((value, weight) for name, weight in weights if (value := sections.get(name)) is not None)


def _weighted_value(pairs: Iterable[tuple[float, float]]) -> float | None:
    terms = [(value, weight) for value, weight in pairs if weight > 0]
    return fsum(v * w for v, w in terms) / fsum(w for _, w in terms) if terms else None
