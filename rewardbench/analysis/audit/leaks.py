"""Single-feature leaks: how well one feature of the responses, without reading them, finds the right one.

The AUC of a feature is the probability that it is higher for a right response than for a wrong one of the same item,
where equal values count half. 0.5 is chance; 0 and 1 are leaks of the same size, in opposite directions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from rewardbench import stats
from rewardbench.lint.shortcuts import BLIND, Shortcut, count_matches, folded, item_texts, number_groups, pair_credit
from rewardbench.metrics import writer
from rewardbench.types import Item

DIGIT = re.compile(r"\d")
NON_ASCII = re.compile(r"[^\x00-\x7f]")
FEATURES: Mapping[str, Shortcut] = {
    "length": BLIND["longer"],
    "newlines": BLIND["newlines"],
    "markdown": BLIND["markdown"],
    "refusal words": BLIND["refusal"],
    "digits": lambda prompt, response: count_matches(DIGIT, response),
    "non-ASCII": lambda prompt, response: count_matches(NON_ASCII, response),
}
"""Features of a text; texts that contain the rendered prompt have the same values plus that of the prompt."""
SOURCE = "source"
"""Name of the feature that is the model that wrote a response."""
FOLDS = 5
ALL = "all"


@dataclass(frozen=True)
class Leak:
    """The AUC of one feature on one subset, or on all items, with its 95 % interval.

    `flagged` is True if the AUC, or 1 - AUC, reaches the limit and its interval excludes 0.5 after Bonferroni's
    correction over all features and subsets.
    """

    feature: str
    subset: str
    items: int
    auc: float
    low: float
    high: float
    flagged: bool

    @property
    def size(self) -> float:
        """Return the AUC of the feature or of its opposite, whichever is larger."""
        return folded(self.auc)


def find_leaks(items: Sequence[Item], clusters: Sequence[Hashable], limit: float) -> list[Leak]:
    """Measure every feature on all items and on each subset.

    Args:
        items: items with a preference, with their texts.
        clusters: cluster of each item, for the intervals: [items].
        limit: smallest AUC, of a feature or its opposite, that is flagged.

    Returns:
        The leaks: flagged ones first, then by size.
    """
    credits = feature_credits(items)
    members: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        members.setdefault(item.subset, []).append(number)
    if len(members) != 1:
        members = {ALL: list(range(len(items))), **members}
    coverage = 1 - (1 - stats.COVERAGE) / (len(credits) * len(members))
    leaks: list[Leak] = []
    for feature, values in credits.items():
        for subset, numbers in members.items():
            estimate = stats.mean([values[n] for n in numbers], [clusters[n] for n in numbers])
            low, high = stats.bounds(estimate, coverage)
            flagged = folded(estimate.value) >= limit and not low <= 0.5 <= high
            leaks.append(
                Leak(feature, subset, len(numbers), estimate.value, *stats.bounds(estimate, stats.COVERAGE), flagged)
            )
    return sorted(leaks, key=lambda leak: (not leak.flagged, -leak.size))


def feature_credits(items: Sequence[Item]) -> dict[str, list[float]]:
    """Compute for each feature the share of an item's right-wrong pairs that it gets right: name → [items]."""
    credits: dict[str, list[float]] = {}
    for item in items:
        prompt, completions = item_texts(item)
        for name, feature in FEATURES.items():
            scores = [feature(prompt, text) for text in completions]
            credits.setdefault(name, []).append(pair_credit(scores, item.num_correct))
    sources = list(map(sources_of, items))
    if any(sources):
        credits[SOURCE] = source_credits(items, sources)
    return credits


def sources_of(item: Item) -> tuple[str, ...]:
    """Return the name of the model that wrote each completion; empty if a name is unknown: [completions]."""
    names = [writer(item, index) for index in range(len(item.completions))]
    return tuple(names) if all(names) else ()


def source_credits(items: Sequence[Item], sources: Sequence[tuple[str, ...]]) -> list[float]:
    """Predict the right completions of each item from how often their sources are right in other groups: [items].

    The rates come from the other four of five folds of groups, so that no item predicts itself.
    """
    folds = number_groups([item.group or item.id for item in items]) % FOLDS
    right: Counter[tuple[int, str]] = Counter()
    total: Counter[tuple[int, str]] = Counter()
    for item, fold, names in zip(items, folds.tolist(), sources, strict=True):
        for place, name in enumerate(names):
            total[fold, name] += 1
            right[fold, name] += place < item.num_correct
    all_right: Counter[str] = Counter()
    all_total: Counter[str] = Counter()
    for (fold, name), count in total.items():
        all_total[name] += count
        all_right[name] += right[fold, name]
    credits: list[float] = []
    for item, fold, names in zip(items, folds.tolist(), sources, strict=True):
        scores: list[float] = []
        for name in names:
            others = all_total[name] - total[fold, name]
            scores.append((all_right[name] - right[fold, name] + 0.5) / (others + 1))
        credits.append(pair_credit(scores or [0.0] * len(item.completions), item.num_correct))
    return credits
