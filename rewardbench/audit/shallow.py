"""Rules that know nothing: each gives a response a number, and the higher one wins. No model, no training."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from rewardbench.types import Item

Floats = NDArray[np.float64]
Rule = Callable[[str, str], float]
"""Of the prompt's text and the response's."""

MARKDOWN = re.compile(r"^#{1,6} |^\s*[-*] |^\s*\d+\. |\*\*|`|^\|", re.MULTILINE)
REFUSAL = re.compile(
    r"\b(sorry|apologi[sz]e|can(?:no|')t|can not|won'?t|unable|not able|refuse|decline|inappropriate|illegal|harmful"
    r"|unethical|dangerous|as an ai|language model|i must|not comfortable)\b",
    re.IGNORECASE,
)
WORD = re.compile(r"\w+|[^\w\s]")


def words(text: str) -> set[str]:
    """The distinct lower-cased words and punctuation marks of a text.

    >>> sorted(words("No, no: YES"))
    [',', ':', 'no', 'yes']
    """
    return set(WORD.findall(text.lower()))


def shared(prompt: str, response: str) -> float:
    """Distinct words that both hold, over the root of the product of both counts (Ochiai).

    >>> shared("a b c d", "a x y z")
    0.25
    """
    left, right = words(prompt), words(response)
    return len(left & right) / (len(left) * len(right)) ** 0.5 if left and right else 0.0


BLIND: Mapping[str, Rule] = {
    "longer": lambda prompt, response: len(response),
    "shorter": lambda prompt, response: -len(response),
    "newlines": lambda prompt, response: response.count("\n"),
    "markdown": lambda prompt, response: len(MARKDOWN.findall(response)),
    "refusal": lambda prompt, response: len(REFUSAL.findall(response.replace("’", "'"))),
}
"""Rules that never look at the prompt."""


def texts(item: Item) -> tuple[str, list[str]]:
    """The whole prompt as one text, and each completion as one."""
    prompt = "\n".join(turn["content"] for turn in item.prompt)
    return prompt, ["\n".join(turn["content"] for turn in turns) for turns in item.completions]


def pairs(item: Item) -> list[tuple[int, int]]:
    """Every right completion against every wrong one, as positions."""
    right = range(item.num_correct)
    return list(product(right, range(item.num_correct, len(item.completions))))


def credit(item: Item, rule: Rule) -> float:
    """The share of an item's right-wrong pairs that a rule gets right; a tie is half."""
    prompt, completions = texts(item)
    scores = [rule(prompt, text) for text in completions]
    return float(np.mean([0.5 + 0.5 * np.sign(scores[right] - scores[wrong]) for right, wrong in pairs(item)]))


def folded(share: float) -> float:
    """A shortcut and its opposite are the same leak.

    >>> folded(0.04)
    0.96
    """
    return max(share, 1 - share)


def lower_bound(credits: Sequence[float], groups: Sequence[str], resamples: int = 2000) -> float:
    """One-sided 95 % lower bound of the folded mean credit, whole groups resampled.

    `credits` [items] with the group of each; the seed is fixed, so that a lint says the same twice.
    """
    sums, sizes = group_sums(np.asarray(credits), groups)
    if sums.sum() < 0.5 * sizes.sum():
        sums = sizes - sums
    drawn = np.random.default_rng(0).integers(len(sums), size=(resamples, len(sums)))
    return float(np.quantile(sums[drawn].sum(1) / sizes[drawn].sum(1), 0.05))


def group_sums(values: Floats, groups: Sequence[str]) -> tuple[Floats, Floats]:
    """Sum of values and number of members of each group: both [groups]."""
    _, which = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    return np.bincount(which, values).astype(float), np.bincount(which).astype(float)
