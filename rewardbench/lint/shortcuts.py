"""Shortcut rules that need no model and no training: each scores a response, and the higher score wins."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from rewardbench.lint.arrays import Floats, Indices
from rewardbench.stats import resample
from rewardbench.types import Item, Messages

Shortcut = Callable[[str, str], float]
"""Scores a response, from the texts of prompt and response."""

LONGEST = 100_000
"""Characters of a text, from its start, that are split into words."""

_LIST, _MARKUP = r"^[^\S\n]*(?:[-*]|\d+\.) ", r"^#{1,6} |\*\*|`|^\|"
LIST_ITEM = re.compile(_LIST, re.MULTILINE)
"""Matches within one line only, which keeps the time linear."""
MARKUP = re.compile(_MARKUP, re.MULTILINE)
"""Headings, bold, code and tables: markdown other than lists."""
MARKDOWN = re.compile(f"{_LIST}|{_MARKUP}", re.MULTILINE)
REFUSAL = re.compile(
    r"\b(sorry|apologi[sz]e|can(?:no|')t|can not|won'?t|unable|not able|refuse|decline|inappropriate|illegal|harmful"
    r"|unethical|dangerous|as an ai|language model|i must|not comfortable)\b",
    re.IGNORECASE,
)
WORD = re.compile(r"\w+|[^\w\s]")


def distinct_words(text: str) -> set[str]:
    """Return the distinct lower-cased words and punctuation marks of the first characters of a text.

    >>> sorted(distinct_words("No, no: YES"))
    [',', ':', 'no', 'yes']
    """
    return set(WORD.findall(text[:LONGEST].lower()))


def word_overlap(prompt: str, response: str) -> float:
    """Compute the word overlap of prompt and response (Ochiai coefficient of distinct words).

    >>> word_overlap("a b c d", "a x y z")
    0.25
    """
    prompt_words, response_words = distinct_words(prompt), distinct_words(response)
    if not prompt_words or not response_words:
        return 0.0
    mean_count: float = (len(prompt_words) * len(response_words)) ** 0.5
    return len(prompt_words & response_words) / mean_count


def count_matches(pattern: re.Pattern[str], text: str) -> int:
    """Count the matches of a pattern in a text.

    >>> count_matches(WORD, "No, no")
    3
    """
    return sum(1 for _ in pattern.finditer(text))


BLIND: Mapping[str, Shortcut] = {
    "longer": lambda prompt, response: len(response),
    "shorter": lambda prompt, response: -len(response),
    "newlines": lambda prompt, response: response.count("\n"),
    "markdown": lambda prompt, response: count_matches(MARKDOWN, response),
    "refusal": lambda prompt, response: count_matches(REFUSAL, response.replace("’", "'")),
}
"""Rules that ignore the prompt."""


def item_texts(item: Item) -> tuple[str, list[str]]:
    """Return the prompt as one text, and each completion as one."""
    return _join(item.prompt), list(map(_join, item.completions))


def _join(turns: Messages) -> str:
    return "\n".join(turn["content"] for turn in turns)


def shortcut_credit(item: Item, rule: Shortcut) -> float:
    """Return the share of an item's right-wrong pairs that a rule gets right; a tie is half."""
    prompt, completions = item_texts(item)
    return pair_credit([rule(prompt, text) for text in completions], item.num_correct)


def pair_credit(scores: Sequence[float], num_correct: int) -> float:
    """Return the share of right-wrong pairs in which the right completion scores higher; a tie is half.

    Completions are sorted by score, which avoids comparing all pairs.

    >>> pair_credit([2, 1, 0, 1], num_correct=2)
    0.875
    """
    if len(scores) == 2:
        return 0.5 + 0.5 * (scores[0] > scores[1]) - 0.5 * (scores[0] < scores[1])
    right, wrong = np.array(scores[:num_correct]), np.sort(scores[num_correct:])
    below = np.searchsorted(wrong, right, side="left") + np.searchsorted(wrong, right, side="right")
    return float(below.sum() / (2 * len(right) * len(wrong)))


def folded(share: float) -> float:
    """Return the larger accuracy of a shortcut and its opposite.

    >>> folded(0.04)
    0.96
    """
    return max(share, 1 - share)


def lower_bound(credits: Sequence[float], groups: Sequence[str], resamples: int = 2000) -> float:
    """Compute the one-sided 95 % lower bound of the folded mean credit by a cluster bootstrap over groups.

    Args:
        credits: credit of each item: [items].
        groups: group of each item: [items].
        resamples: number of resamples; the seed is fixed.
    """
    sums, sizes = group_sums(np.asarray(credits), groups)
    if sums.sum() < 0.5 * sizes.sum():
        sums = sizes - sums
    shares = resample(np.stack([sums, sizes], axis=1), np.random.default_rng(0), resamples)
    return float(np.quantile(shares, 0.05))


def group_sums(values: Floats, groups: Sequence[str]) -> tuple[Floats, Floats]:
    """Compute the sum of values and the number of members of each group: both [groups]."""
    numbers = number_groups(groups)
    return np.bincount(numbers, values).astype(float), np.bincount(numbers).astype(float)


GroupName = TypeVar("GroupName", str, tuple[str, str])


def number_groups(groups: Sequence[GroupName]) -> Indices:
    """Assign each member the number of its group, groups in the order of their names: [members].

    >>> number_groups(["b", "a", "b"]).tolist()
    [1, 0, 1]
    """
    numbers = {name: number for number, name in enumerate(sorted(set(groups)))}
    return np.array([numbers[name] for name in groups], dtype=np.int64)
