"""Single-feature leaks: how well one feature of the responses, without reading them, finds the right one.

The AUC of a feature is the probability that it is higher for a right response than for a wrong one of the same item,
where equal values count half. 0.5 is chance; 0 and 1 are leaks of the same size, in opposite directions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rewardbench import stats
from rewardbench.lint.arrays import Indices
from rewardbench.lint.shortcuts import (
    BLIND,
    Shortcut,
    distinct_words,
    folded,
    item_texts,
    number_groups,
    pair_credit,
)
from rewardbench.metrics import writer
from rewardbench.types import Item

DIGIT = re.compile(r"\d")
NON_ASCII = re.compile(r"[^\x00-\x7f]")
CAPITAL = re.compile(r"[A-Z]")
PUNCTUATION = re.compile(r"[^\w\s]")
SENTENCE_MARK = re.compile(r"[!?]")
START = re.compile(r"\w+|[^\w\s]|\Z")
FEATURES: Mapping[str, Shortcut] = {
    "length": BLIND["longer"],
    "newlines": BLIND["newlines"],
    "markdown": BLIND["markdown"],
    "refusal words": BLIND["refusal"],
    "digits": lambda prompt, response: len(DIGIT.findall(response)),
    "non-ASCII": lambda prompt, response: len(NON_ASCII.findall(response)),
    "capitals": lambda prompt, response: len(CAPITAL.findall(response)),
    "punctuation": lambda prompt, response: len(PUNCTUATION.findall(response)),
    "! and ?": lambda prompt, response: len(SENTENCE_MARK.findall(response)),
    "outer space": lambda prompt, response: len(response) - len(response.strip()),
}
"""Features of a text; texts that contain the rendered prompt have the same values plus that of the prompt."""
SOURCE, OPENING, ENDING, WORD = "source", "first different word", "last different character", "one word"
"""Names of the features that are learned from other groups: the model that wrote a response, how it begins and ends,
and the presence of the word that separates right and wrong responses best."""
READ = 2_000
"""Characters of a text, from its start, whose words are compared."""
COUNTED = 20_000
"""Items whose words are counted."""
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
    folds = number_groups([item.group or item.id for item in items]) % FOLDS
    sources = list(map(sources_of, items))
    if any(sources):
        credits[SOURCE] = category_credits(items, sources, folds)
    credits[OPENING] = category_credits(items, list(map(openings, items)), folds)
    credits[ENDING] = category_credits(items, list(map(endings, items)), folds)
    credits[WORD] = word_credits(items, folds)
    return credits


def sources_of(item: Item) -> tuple[str, ...]:
    """Return the name of the model that wrote each completion; empty if a name is unknown: [completions]."""
    names = [writer(item, index) for index in range(len(item.completions))]
    return tuple(names) if all(names) else ()


def openings(item: Item) -> tuple[str, ...]:
    """Return the first word or mark of each completion after what all have in common, such as a rendered prompt."""
    _, completions = item_texts(item)
    start = common_length(completions)
    if any(text[start : start + 1].isalnum() for text in completions):
        while start and completions[0][start - 1].isalnum():
            start -= 1
    words: list[str] = []
    for text in completions:
        match = START.search(text, start)
        words.append(match[0].lower() if match else "")
    return tuple(words)


def endings(item: Item) -> tuple[str, ...]:
    """Return the last character of each completion before what all have in common; `a` for letters, `0` for digits."""
    _, completions = item_texts(item)
    count = common_length([text[-READ:][::-1] for text in completions])
    characters: list[str] = []
    for text in completions:
        last = text[: len(text) - count].rstrip()[-1:]
        characters.append("a" if last.isalpha() else "0" if last.isdigit() else last)
    return tuple(characters)


def common_length(texts: Sequence[str]) -> int:
    """Return the number of characters at the start that all texts have in common, by bisection.

    >>> common_length(["a tram", "a train", "a bus"]), common_length(["", "a"])
    (2, 0)
    """
    first, last = min(texts), max(texts)
    low, high = 0, len(first)
    while low < high:
        middle = (low + high + 1) // 2
        if first[:middle] == last[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def category_credits(items: Sequence[Item], categories: Sequence[tuple[str, ...]], folds: Indices) -> list[float]:
    """Predict the right completions of each item from how often their categories are right in other groups: [items].

    The rates come from the other four of five folds of groups, so that no item predicts itself.

    Args:
        items: the items.
        categories: category of each completion of each item, such as who wrote it; empty if unknown.
        folds: fold of each item: [items].
    """
    right: Counter[tuple[int, str]] = Counter()
    total: Counter[tuple[int, str]] = Counter()
    for item, fold, names in zip(items, folds.tolist(), categories, strict=True):
        for place, name in enumerate(names):
            total[fold, name] += 1
            right[fold, name] += place < item.num_correct
    all_right: Counter[str] = Counter()
    all_total: Counter[str] = Counter()
    for (fold, name), count in total.items():
        all_total[name] += count
        all_right[name] += right[fold, name]
    credits: list[float] = []
    for item, fold, names in zip(items, folds.tolist(), categories, strict=True):
        scores: list[float] = []
        for name in names:
            others = all_total[name] - total[fold, name]
            scores.append((all_right[name] - right[fold, name] + 0.5) / (others + 1))
        credits.append(pair_credit(scores or [0.0] * len(item.completions), item.num_correct))
    return credits


def word_credits(items: Sequence[Item], folds: Indices) -> list[float]:
    """Predict the right completion of each pair from the presence of one word: [items].

    The word is the one that separates right and wrong responses of the item's subset best in the other four folds, of
    at most `COUNTED` random items; so memory does not grow with the number of items.
    """
    counts: dict[tuple[str, int], Counter[str]] = {}
    for place in np.random.default_rng(0).permutation(len(items))[:COUNTED].tolist():
        item, (right, wrong) = items[place], map(distinct_words, _pair_texts(items[place]))
        counter = counts.setdefault((item.subset, int(folds[place])), Counter())
        counter.update(right - wrong)
        counter.subtract(wrong - right)
    best: dict[tuple[str, int], tuple[re.Pattern[str] | None, int]] = {}
    credits: list[float] = []
    for item, fold in zip(items, folds.tolist(), strict=True):
        key = item.subset, fold
        if key not in best:
            best[key] = _best_word(key, counts)
        pattern, sign = best[key]
        in_right, in_wrong = (bool(pattern and pattern.search(text)) for text in _pair_texts(item))
        credits.append(0.5 + 0.5 * sign * (in_right - in_wrong))
    return credits


def _pair_texts(item: Item) -> tuple[str, str]:
    """Return the beginnings of the right and of the wrong completion in lower case; empty if the item is no pair."""
    _, completions = item_texts(item)
    if len(completions) != 2:
        return "", ""
    return completions[0][:READ].lower(), completions[1][:READ].lower()


def _best_word(
    key: tuple[str, int], counts: Mapping[tuple[str, int], Counter[str]]
) -> tuple[re.Pattern[str] | None, int]:
    """Return a pattern of the word with the largest surplus on one side in the other folds of a subset, and its side.

    The side is 1 if right responses have the word, -1 if wrong ones have it; there is no pattern without words.
    """
    subset, fold = key
    total: Counter[str] = Counter()
    for number in range(FOLDS):
        if number != fold:
            total.update(counts.get((subset, number), {}))
    if not total:
        return None, 0
    word = max(total, key=lambda name: (abs(total[name]), name))
    boundary = r"\b" if word[0].isalnum() or word[0] == "_" else ""
    return re.compile(f"{boundary}{re.escape(word)}{boundary}"), 1 if total[word] > 0 else -1
