"""Lint a preference dataset: the accuracy of every shortcut on every subset, and duplicate rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from random import Random
from statistics import fmean, median

import numpy as np

from rewardbench.errors import InputError
from rewardbench.lint.duplicates import Duplicates, find_duplicates
from rewardbench.lint.learned import group_of, interaction, some_pairs, tfidf
from rewardbench.lint.shortcuts import (
    BLIND,
    LONGEST,
    count_matches,
    folded,
    item_texts,
    lower_bound,
    shortcut_credit,
    word_overlap,
)
from rewardbench.types import Item, Suite

SHORTCUTS = (*BLIND, "tfidf", "overlap", "interaction")
OPPOSITES = ("longer", "shorter")
"""Two rules that are opposites: their accuracies add up to 1."""
SPACED = re.compile(r"\S+")
LARGEST = 1000
"""Largest number of pairs of a subset that learned shortcuts use; beyond it complete groups are sampled."""
LARGEST_GROUP = 0.1
"""Largest share of `LARGEST` from one group; a larger group is sampled."""
IN_ALL = 10_000
"""Largest number of pairs over all subsets."""
MOST_LEARNED = 100
"""Largest number of subsets with learned shortcuts, the largest first."""


@dataclass(frozen=True)
class SubsetLint:
    """Shortcut accuracies on one subset, from 0 to 1; `overlap` is folded (max(a, 1 - a)), the others are not.

    Learned shortcuts are NaN if there are fewer than two groups for cross-validation.
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
    """Items on which `tfidf` and `interaction` were trained: fewer than `n` where they were sampled."""
    words_prompt: float
    """Median number of words."""
    words_response: float
    length_gap: float
    """Median over items of the difference between longest and shortest completion, as a share of the longest."""


@dataclass(frozen=True)
class LintResult:
    """The result of a lint run."""

    dataset: str
    revision: str
    subsets: Mapping[str, SubsetLint]
    sections: Mapping[str, Mapping[str, float]]
    """Pooled `overlap` and `overlap_low` of each section."""
    duplicates: Duplicates
    unusable: int
    """Rows without a preference, or unreadable."""
    cut: int
    """Rows with a text of which only the start was split into words."""

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        subsets = {name: _rounded(asdict(subset)) for name, subset in self.subsets.items()}
        sections = {name: _rounded(section) for name, section in self.sections.items()}
        return {
            "dataset": self.dataset,
            "revision": self.revision,
            "subsets": subsets,
            "sections": sections,
            **_rounded(asdict(self.duplicates)),
            "unusable": self.unusable,
            "cut": self.cut,
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """List what was sampled, left out or truncated, one sentence each."""
        sampled = skipped = 0
        for subset in self.subsets.values():
            sampled += 0 < subset.learned_on < subset.n
            skipped += not subset.learned_on
        notes = []
        if sampled:
            notes.append(f"In {sampled} subsets tf-idf and interaction were learned from a sample of complete groups.")
        if skipped:
            notes.append(f"tf-idf and interaction were learned in the {MOST_LEARNED} largest subsets only.")
        if self.cut:
            notes.append(f"Of {self.cut} rows with very long texts only the first {LONGEST:,} characters were split.")
        return notes


def lint(suite: Suite, tick: Callable[[], None] = lambda: None) -> LintResult:
    """Measure every shortcut on every subset.

    Args:
        suite: the data.
        tick: called for each unit of progress, at most `steps(suite)` times.

    Raises:
        InputError: if no row has a preference.
    """
    items = [item for item in suite.items if item.has_preference and not item.problem]
    if not items:
        raise InputError(f"{suite.name} holds no preference: the shortcuts need chosen and rejected responses.")
    by_subset: dict[str, list[Item]] = {}
    for item in items:
        by_subset.setdefault(item.subset, []).append(item)
    sizes = _learned_sizes(by_subset)
    outcomes: dict[str, list[_RuleOutcome]] = {}
    subsets: dict[str, SubsetLint] = {}
    cut = 0
    for name, members in by_subset.items():
        outcomes[name] = [_apply_rules(item, tick) for item in members]
        subsets[name] = _lint_subset(members, outcomes[name], sizes.get(name, 0))
        cut += sum(outcome.cut for outcome in outcomes[name])
    return LintResult(
        dataset=suite.name,
        revision=suite.revision,
        subsets=subsets,
        sections=_lint_sections(suite, outcomes),
        duplicates=find_duplicates([item for item in suite.items if item.has_preference], tick),
        unusable=len(suite.items) - len(items),
        cut=cut,
    )


def steps(suite: Suite) -> int:
    """Return the largest number of ticks of `lint`: one per row for the rules, two for near duplicates."""
    return 3 * len(suite.items)


def lint_subset(items: Sequence[Item]) -> SubsetLint:
    """Measure every shortcut on the items of one subset."""
    return _lint_subset(items, list(map(_apply_rules, items)), LARGEST)


@dataclass(frozen=True, slots=True)
class _RuleOutcome:
    """The outcome of the rules on one item, without its texts."""

    cluster: str
    credits: tuple[float, ...]
    """Of the rules of `BLIND`, in their order."""
    overlap: float
    words_prompt: int
    words_responses: tuple[int, ...]
    length_gap: float
    cut: bool


def _apply_rules(item: Item, tick: Callable[[], None] = lambda: None) -> _RuleOutcome:
    prompt, completions = item_texts(item)
    lengths = list(map(len, completions))
    outcome = _RuleOutcome(
        cluster=item.group or item.id,
        credits=tuple(shortcut_credit(item, rule) for rule in BLIND.values()),
        overlap=shortcut_credit(item, word_overlap),
        words_prompt=count_matches(SPACED, prompt),
        words_responses=tuple(count_matches(SPACED, text) for text in completions),
        length_gap=1 - min(lengths) / max(lengths),
        cut=max(len(prompt), *lengths) > LONGEST,
    )
    tick()
    return outcome


def _lint_subset(items: Sequence[Item], outcomes: Sequence[_RuleOutcome], pairs: int) -> SubsetLint:
    """Measure every shortcut on one subset; at most `pairs` pairs are learned from, none if it is 0."""
    sample = _sample(items, pairs) if pairs else []
    learned = interaction(sample)
    overlap = _pool_overlap(outcomes)
    blind_means = np.mean([outcome.credits for outcome in outcomes], axis=0).tolist()
    prompt_words: list[int] = []
    response_words: list[int] = []
    length_gaps: list[float] = []
    for outcome in outcomes:
        prompt_words.append(outcome.words_prompt)
        response_words += outcome.words_responses
        length_gaps.append(outcome.length_gap)
    return SubsetLint(
        n=len(items),
        **dict(zip(BLIND, blind_means, strict=True)),
        tfidf=tfidf(sample),
        overlap=overlap["overlap"],
        overlap_low=overlap["overlap_low"],
        interaction=learned.accuracy,
        interaction_low=learned.low,
        learned_on=len(sample),
        words_prompt=median(prompt_words),
        words_response=median(response_words),
        length_gap=median(length_gaps),
    )


def _learned_sizes(by_subset: Mapping[str, Sequence[Item]]) -> dict[str, int]:
    """Return how many pairs of each subset to learn from; subsets that are missing are skipped.

    Small subsets come first, and the unused part of their share goes to the larger ones.
    """
    counts = {name: _count_pairs(items) for name, items in by_subset.items()}
    names = sorted(counts, key=lambda name: counts[name])[-MOST_LEARNED:]
    sizes, remaining = {}, IN_ALL
    for n, name in enumerate(names):
        sizes[name] = min(LARGEST, remaining // (len(names) - n))
        remaining -= min(sizes[name], counts[name])
    return sizes


def _count_pairs(items: Sequence[Item]) -> int:
    return sum(map(len, map(some_pairs, items)))


def _sample(items: Sequence[Item], pairs: int) -> Sequence[Item]:
    """Sample complete groups until there are enough pairs; of a very large group, a part."""
    if _count_pairs(items) <= pairs:
        return items
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(group_of(item), []).append(item)
    names, sample, size = list(groups), [], 0
    random = Random(0)
    random.shuffle(names)
    group_limit = max(2, int(LARGEST_GROUP * pairs))
    for name in names:
        if size >= pairs:
            break
        group = groups[name]
        members = group if len(group) <= group_limit else random.sample(group, group_limit)
        sample += members
        size += _count_pairs(members)
    return sample


def exceeding(result: LintResult, limit: float) -> list[str]:
    """Describe each shortcut whose accuracy exceeds `limit`, one sentence each.

    The opposite of a shortcut counts as well: a preference for short answers is the opposite of one for long answers.

    Args:
        result: the lint.
        limit: an accuracy, from .5 to 1.
    """
    sentences = []
    for subset, figures in result.subsets.items():
        for name in SHORTCUTS:
            share = getattr(figures, name)
            if _exceeds(name, share, limit):
                sentences.append(_sentence(subset, name, share))
    return sentences


def _exceeds(name: str, share: float, limit: float) -> bool:
    """Return True if a shortcut exceeds `limit`; `longer` and `shorter` are opposites, and each has its own entry."""
    return share > limit if name in OPPOSITES else folded(share) > limit


def _sentence(subset: str, name: str, share: float) -> str:
    if share >= 1 - share:
        return f"{subset}: {name} reaches {share:.3f}"
    return f"{subset}: {name} reaches {share:.3f}, so its opposite reaches {1 - share:.3f}"


def _pool_overlap(outcomes: Sequence[_RuleOutcome]) -> dict[str, float]:
    """Compute the accuracy of word overlap over items, and its lower bound over clusters."""
    credits: list[float] = []
    clusters: list[str] = []
    for outcome in outcomes:
        credits.append(outcome.overlap)
        clusters.append(outcome.cluster)
    return {"overlap": folded(fmean(credits)), "overlap_low": lower_bound(credits, clusters)}


def _lint_sections(suite: Suite, outcomes: Mapping[str, Sequence[_RuleOutcome]]) -> dict[str, dict[str, float]]:
    """Pool the overlap of the subsets of each section that the suite's rules name."""
    by_section: dict[str, list[_RuleOutcome]] = {}
    for subset, subset_outcomes in outcomes.items():
        if subset in suite.rules:
            by_section.setdefault(suite.rules[subset].section, []).extend(subset_outcomes)
    return {section: _pool_overlap(section_outcomes) for section, section_outcomes in by_section.items()}


def _rounded(figures: Mapping[str, object]) -> dict[str, object]:
    return {name: _round(value) for name, value in figures.items()}


def _round(value: object) -> object:
    """Round to four decimals; NaN becomes None."""
    if not isinstance(value, float):
        return value
    return None if isnan(value) else round(value, 4)
