"""Compute what guessing gets: the expected figures of a scorer whose scores are independent random numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import comb, prod

from rewardbench.metrics import rule_of
from rewardbench.suites import load_embedded
from rewardbench.suites.registry import find_spec
from rewardbench.types import Item, Suite

TURN = 0.5
"""Expected turn accuracy, of a scorer that ignores the prompt too."""
TWO_ITEMS = 0.25
"""Expected mirror accuracy, if a mirror has two items with two responses each."""
PUBLISHED_SUITES = {
    "reward-bench": 0.5,
    "preference-test-sets": 0.5,
    "rm-bench": 0.5,
    "judge-bench": 0.5,
    "reward-bench-2": 0.25,
}
"""Suites whose items are not part of this package: 1 / the number of responses to a prompt."""
NOT_KNOWN = {"reward-bench-2": ("Ties",)}
"""Sections of these suites that have a rule of their own."""


@dataclass(frozen=True)
class Guessing:
    """Expected figures of random scores, as shares; figures that are unknown are missing.

    Args:
        accuracy: share of items, by section and subset; the score is named `score`.
        mirror: share of mirrors in which every item is right, with the same names.
        default: expected figures of the sections and the score, if the items are unknown.
    """

    accuracy: Mapping[str, float] = field(default_factory=dict)
    mirror: Mapping[str, float] = field(default_factory=dict)
    default: float | None = None
    without: tuple[str, ...] = ()

    def of(self, metric: str, name: str) -> float | None:
        """Return the expected figure of a metric (pair, mirror or turn), by the name of a section or subset."""
        if metric == "turn":
            return TURN
        if name in self.without:
            return None
        values = self.mirror if metric == "mirror" else self.accuracy
        fallback = TWO_ITEMS if metric == "mirror" and not values else self.default
        return values.get(name, fallback)


@lru_cache(maxsize=64)
def guessing_on(suite: str) -> Guessing:
    """Return the expected figures of random scores on a suite, by its name."""
    spec = find_spec(suite)
    if spec is not None and spec.embedded:
        return expected_figures(load_embedded(spec.name))
    name = spec.name if spec else suite
    return Guessing(default=PUBLISHED_SUITES.get(name), without=NOT_KNOWN.get(name, ()))


def expected_figures(suite: Suite) -> Guessing:
    """Return the expected figures of random scores on the items of a suite."""
    by_subset: dict[str, list[Item]] = defaultdict(list)
    for item in suite.items:
        if item.has_preference:
            by_subset[item.subset].append(item)
    accuracy: dict[str, float] = {}
    mirror: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for subset, items in by_subset.items():
        if rule_of(suite, subset).credit == "ties":
            continue
        groups: dict[str, list[Item]] = defaultdict(list)
        for item in items:
            groups[item.group or item.id].append(item)
        accuracy[subset] = _mean([_expected_credit(suite, item) for item in items])
        mirror[subset] = _mean([_expected_group(suite, group) for group in groups.values()])
        sizes[subset] = len(groups)
    return Guessing(_with_sections(suite, accuracy, sizes), _with_sections(suite, mirror, sizes))


def _with_sections(suite: Suite, subsets: Mapping[str, float], sizes: Mapping[str, int]) -> dict[str, float]:
    """Return figures of subsets with those of their sections and of the score, weighted as the suite weights them."""
    weighted: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for subset, value in subsets.items():
        rule = rule_of(suite, subset)
        weight = float(sizes[subset]) if rule.weight is None else rule.weight
        weighted[rule.section].append((value, weight))
    sections: dict[str, float] = {}
    totals: list[tuple[float, float]] = []
    for section, entries in weighted.items():
        sections[section] = _weighted_mean(entries)
        totals.append((sections[section], suite.section_weights.get(section, 1.0)))
    return {**subsets, **sections, "score": _weighted_mean(totals)}


def _expected_credit(suite: Suite, item: Item) -> float:
    """Return the expected credit of an item.

    >>> suite = Suite("s", "r", (), {})
    >>> _expected_credit(suite, Item("a", "x", (), ((), ()))), _expected_credit(suite, Item("b", "x", (), ((),) * 4))
    (0.5, 0.25)
    """
    count = len(item.completions)
    if rule_of(suite, item.subset).credit == "best_of_n":
        return item.num_correct / count
    return 1 / comb(count, item.num_correct)


def _expected_group(suite: Suite, items: Sequence[Item]) -> float:
    """Return the probability that every item of a group is right."""
    return prod(_expected_credit(suite, item) for item in items)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _weighted_mean(entries: Sequence[tuple[float, float]]) -> float:
    total = sum(weight for _, weight in entries)
    if not total:
        return _mean([value for value, _ in entries]) if entries else 0.0
    return sum(value * weight for value, weight in entries) / total
