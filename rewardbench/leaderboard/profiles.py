"""Describe the scores of a model by arrays that do not depend on their scale, so that models can be compared.

The normal scores of a model are the quantiles of a normal distribution at the ranks of its scores within each section.
No increasing function of the scores changes them, not even a different one for each section. Their contrasts (the score
of an item's first completion minus those of the others) contain what a model prefers within the items.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rewardbench.metrics import rule_of
from rewardbench.results.scored import ModelScores
from rewardbench.types import Item, Suite

LARGEST = 1e15
"""Larger scores are cut off, so that sums of their squares are finite; submissions with such scores are refused."""


@dataclass(frozen=True)
class ScoreLayout:
    """Order of the items of a suite that have several completions, and of their completions, in arrays."""

    items: tuple[Item, ...]
    """Sorted by id."""
    starts: np.ndarray
    """Index of the first completion of each item: [items]."""
    item_of: np.ndarray
    """Index of the item of each completion: [completions]."""
    section_of: np.ndarray
    """Index of the section of each item: [items]."""
    sections: tuple[str, ...]

    @cached_property
    def is_right(self) -> np.ndarray:
        """Whether each completion is a right one: [completions]."""
        num_correct = np.fromiter((item.num_correct for item in self.items), dtype=int)
        position = np.arange(len(self.item_of)) - self.starts[self.item_of]
        is_right: np.ndarray = position < num_correct[self.item_of]
        return is_right

    @cached_property
    def has_preference(self) -> np.ndarray:
        """Whether each item has right and wrong completions: [items]."""
        return np.array([item.has_preference for item in self.items], dtype=bool)

    @cached_property
    def digest(self) -> str:
        """Hash of what the order of contrasts and decisions depends on: items, completions and sections."""
        lines: list[str] = []
        for item, section in zip(self.items, self.section_of, strict=True):
            lines.append(f"{item.id}\t{len(item.completions)}\t{item.num_correct}\t{self.sections[section]}")
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @cached_property
    def repeated_responses(self) -> np.ndarray:
        """Indices of the two completions that have the same text, in the two items of a mirror: [responses, 2]."""
        indices_of: dict[tuple[str, frozenset[str]], list[dict[str, int]]] = defaultdict(list)
        for item, start in zip(self.items, self.starts, strict=True):
            indices: dict[str, int] = {}
            for n, completion in enumerate(item.completions):
                indices[str(completion[-1]["content"]) if completion else ""] = int(start) + n
            if item.group and len(indices) > 1:
                indices_of[item.group, frozenset(indices)].append(indices)
        repeated: list[tuple[int, int]] = []
        for first, *others in indices_of.values():
            if others:
                repeated += [(first[text], others[0][text]) for text in first]
        return np.array(repeated, dtype=int).reshape(-1, 2)

    @cached_property
    def contrast_item(self) -> np.ndarray:
        """Index of the item of each contrast: [contrasts]."""
        return np.delete(self.item_of, self.starts)


def layout_of(suite: Suite) -> ScoreLayout:
    """Return the layout of a suite."""
    items = sorted((item for item in suite.items if len(item.completions) > 1), key=lambda item: item.id)
    sizes: list[int] = []
    names: list[str] = []
    for item in items:
        sizes.append(len(item.completions))
        names.append(rule_of(suite, item.subset).section)
    counts = np.array(sizes, dtype=int)
    sections = tuple(sorted(set(names)))
    section_of = np.array([sections.index(name) for name in names], dtype=int)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int) if items else np.zeros(0, int)
    return ScoreLayout(tuple(items), starts, np.repeat(np.arange(len(items)), counts), section_of, sections)


def values_of(scored: ModelScores, layout: ScoreLayout) -> np.ndarray:
    """Return the scores of a model in the order of a layout: [completions]; NaN where it has no finite score."""
    by_id = {item_scores.id: item_scores.scores for item_scores in scored.items}
    values: list[float] = []
    for item in layout.items:
        scores = by_id.get(item.id, ())
        count = len(item.completions)
        values += scores if len(scores) == count else [np.nan] * count
    return bounded_values(np.array(values, dtype=np.float64))


def bounded_values(values: np.ndarray) -> np.ndarray:
    """Return scores that are cut off at a large number, and NaN where they are not finite: [completions]."""
    return np.clip(np.where(np.isfinite(values), values, np.nan), -LARGEST, LARGEST)


@dataclass(frozen=True)
class Profile:
    """The scores of a model, in the order of a layout."""

    name: str
    layout: ScoreLayout
    values: np.ndarray
    """Scores: [completions]; NaN if unknown."""

    @cached_property
    def margins(self) -> np.ndarray:
        """The lowest right score of each item minus the highest wrong one: [items]; NaN without a preference."""
        layout = self.layout
        lowest = np.minimum.reduceat(np.where(layout.is_right, self.values, np.inf), layout.starts)
        highest = np.maximum.reduceat(np.where(layout.is_right, -np.inf, self.values), layout.starts)
        return np.where(layout.has_preference, lowest - highest, np.nan)

    @cached_property
    def decisions(self) -> np.ndarray:
        """1 for each item that is right, -1 for one that is wrong, 0 for a tie or an unknown score: [items]."""
        decisions: np.ndarray = np.sign(np.nan_to_num(self.margins)).astype(np.int8)
        return decisions

    @cached_property
    def normal_scores(self) -> np.ndarray:
        """Normal scores within sections: [completions]; 0 for unknown scores."""
        return normal_scores(self.values, self.layout.section_of[self.layout.item_of])

    @cached_property
    def contrasts(self) -> np.ndarray:
        """Contrasts of the normal scores: [contrasts]."""
        return contrasts(self.normal_scores, self.layout)

    @cached_property
    def raw_contrasts(self) -> np.ndarray:
        """Contrasts of the scores: [contrasts]; 0 for unknown scores."""
        raw: np.ndarray = np.nan_to_num(contrasts(self.values, self.layout))
        return raw

    @cached_property
    def is_known(self) -> np.ndarray:
        """Whether both scores of each contrast are known: [contrasts]."""
        is_known: np.ndarray = np.isfinite(contrasts(self.values, self.layout))
        return is_known


def profile_of(scored: ModelScores, layout: ScoreLayout, name: str = "") -> Profile:
    """Return the profile of a model."""
    return Profile(name or scored.model, layout, values_of(scored, layout))


def contrasts(values: np.ndarray, layout: ScoreLayout) -> np.ndarray:
    """Return the value of the first completion of each item minus those of its others: [contrasts, ...]."""
    differences = values[layout.starts][layout.item_of] - values
    return np.delete(differences, layout.starts, axis=0)


def normal_scores(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the normal scores of values within groups; equal values have equal scores, unknown ones 0.

    >>> normal_scores(np.array([3.0, 1.0, 2.0, np.nan]), np.zeros(4)).round(2).tolist()
    [0.97, -0.97, 0.0, 0.0]
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores = np.zeros(len(values))
    for group in np.unique(groups):
        members = np.flatnonzero((groups == group) & np.isfinite(values))
        if len(members):
            scores[members] = ndtri((rankdata(values[members]) - 0.5) / len(members))
    return scores
