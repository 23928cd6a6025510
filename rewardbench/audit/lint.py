"""What a preference set gives away: every shortcut on every subset, and rows that should not be there."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from statistics import mean, median
from typing import Any

from rewardbench.audit.duplicates import Doubles, find_doubles
from rewardbench.audit.learned import group_of, interaction, some_pairs, tfidf
from rewardbench.audit.shallow import BLIND, credit, folded, lower_bound, shared, texts
from rewardbench.types import InputError, Item, Suite

SHORTCUTS = (*BLIND, "tfidf", "overlap", "interaction")
LARGEST = 4000
"""Pairs on which the learned shortcuts are trained; of more, whole groups are drawn, and `learned_on` says how many."""


@dataclass(frozen=True)
class SubsetLint:
    """Accuracies of shortcuts on one subset, from 0 to 1; `overlap` is folded (max(a, 1 - a)), the others are not.

    What is learned is NaN where there are fewer than two groups to learn from and be tested on.
    """

    n: int
    longer: float
    shorter: float
    newlines: float
    markdown: float
    refusal: float
    tfidf: float
    overlap: float
    overlap_low: float
    interaction: float
    interaction_low: float
    learned_on: int
    """Items on which `tfidf` and `interaction` were trained."""
    words_prompt: float
    """Median number of words."""
    words_response: float
    length_gap: float
    """Median over items of the difference between longest and shortest completion, as a share of the longest."""


@dataclass(frozen=True)
class Lint:
    """The whole finding."""

    dataset: str
    revision: str
    subsets: Mapping[str, SubsetLint]
    sections: Mapping[str, Mapping[str, float]]
    """Pooled `overlap` and `overlap_low` of each section."""
    doubles: Doubles
    unusable: int
    """Rows that hold no preference, or cannot be read."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "dataset": self.dataset,
            "revision": self.revision,
            "subsets": {name: _rounded(asdict(found)) for name, found in self.subsets.items()},
            "sections": {name: _rounded(found) for name, found in self.sections.items()},
            **_rounded(asdict(self.doubles)),
            "unusable": self.unusable,
        }


def lint(suite: Suite, tick: Callable[[str], None] = lambda subset: None) -> Lint:
    """Try every shortcut on every subset; `tick` is told each subset when it is done.

    Raises: InputError where no row holds a preference.
    """
    items = [item for item in suite.items if item.has_preference and not item.problem]
    if not items:
        raise InputError(f"{suite.name} holds no preference: there is nothing to lint.")
    by_subset: dict[str, list[Item]] = {}
    for item in items:
        by_subset.setdefault(item.subset, []).append(item)
    subsets = {}
    for name, mine in by_subset.items():
        subsets[name] = lint_subset(mine)
        tick(name)
    return Lint(
        dataset=suite.name,
        revision=suite.revision,
        subsets=subsets,
        sections=_sections(suite, items),
        doubles=find_doubles([item for item in suite.items if item.has_preference]),
        unusable=len(suite.items) - len(items),
    )


def lint_subset(items: Sequence[Item]) -> SubsetLint:
    """Every shortcut on the items of one subset."""
    some = _sample(items)
    crossed = interaction(some)
    overlap = _overlap(items)
    read = [texts(item) for item in items]
    return SubsetLint(
        n=len(items),
        **{name: mean(credit(item, rule) for item in items) for name, rule in BLIND.items()},
        tfidf=tfidf(some),
        overlap=overlap["overlap"],
        overlap_low=overlap["overlap_low"],
        interaction=crossed.accuracy,
        interaction_low=crossed.low,
        learned_on=len(some),
        words_prompt=median(len(prompt.split()) for prompt, _ in read),
        words_response=median(len(text.split()) for _, completions in read for text in completions),
        length_gap=median(1 - min(map(len, texts)) / max(map(len, texts)) for _, texts in read),
    )


def _sample(items: Sequence[Item]) -> Sequence[Item]:
    """Whole groups in a seeded random order, until there are enough pairs."""
    if sum(len(some_pairs(item)) for item in items) <= LARGEST:
        return items
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(group_of(item), []).append(item)
    names, taken, size = list(groups), [], 0
    random.Random(0).shuffle(names)
    for name in names:
        if size >= LARGEST:
            break
        taken += groups[name]
        size += sum(len(some_pairs(item)) for item in groups[name])
    return taken


def exceeding(found: Lint, most: float) -> list[str]:
    """One sentence for each shortcut that beats `most`, a share from .5 to 1; its opposite counts as well."""
    return [
        f"{subset}: {name} reaches {folded(getattr(figures, name)):.3f}"
        for subset, figures in found.subsets.items()
        for name in SHORTCUTS
        if folded(getattr(figures, name)) > most
    ]


def _overlap(items: Sequence[Item]) -> dict[str, float]:
    credits = [credit(item, shared) for item in items]
    low = lower_bound(credits, [item.group or item.id for item in items])
    return {"overlap": folded(mean(credits)), "overlap_low": low}


def _sections(suite: Suite, items: Sequence[Item]) -> dict[str, dict[str, float]]:
    by_section: dict[str, list[Item]] = {}
    for item in items:
        if item.subset in suite.rules:
            by_section.setdefault(suite.rules[item.subset].section, []).append(item)
    return {name: _overlap(mine) for name, mine in by_section.items()}


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in figures.items()}


def _plain(value: Any) -> Any:
    """Four decimals; what could not be measured is None."""
    return (None if isnan(value) else round(value, 4)) if isinstance(value, float) else value
