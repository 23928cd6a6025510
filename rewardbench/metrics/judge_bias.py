"""Biases of judges: how position, length and authorship influence their choices, each with a 95 % interval.

- `position_bias`: how often the completion shown first is preferred, minus what chance gives.
- `verbosity_preference`: accuracy on pairs whose right response is the longer one, minus accuracy on pairs whose right
  response is the shorter one. It is 0 for a judge whose mistakes do not depend on length.
- `self_preference`: accuracy on pairs whose right response was written by a model of the judge's family, minus accuracy
  on pairs whose wrong response was. It is 0 for a judge whose mistakes do not depend on who wrote the responses.

A pair is a right and a wrong response of one item; an item with several pairs of a kind counts with their mean. The
credit of a pair is 1, .5 if both scores are equal, or 0. Unscored items are left out, since a failure prefers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from math import fsum

import numpy as np

from rewardbench import stats
from rewardbench.metrics.credit import is_scored
from rewardbench.types import Estimate, Item, ItemScores, Suite

JUDGE_TYPES = ("Generative RM", "Generative RM PoLL")
"""Model types of judges."""
FEWEST = 10
"""Minimum number of items on each side of a difference; with fewer it is left out."""
_Side = Callable[[Item, int, int], int]
"""Returns the side of a difference on which the pair (right, wrong) of an item counts: 1, -1, or 0 for neither."""
_FAMILIES = {
    "gpt": r"(chat)?gpt-?(3\.5|4o?|4\.\d|5|5\.\d|oss)|text-davinci-\d+|o[134]",
    "claude": r"claude",
    "gemini": r"gemini",
    "gemma": r"gemma-?\d*",
    "llama": r"(code|meta-?)?llama-?[1-4]?",
    "qwen": r"(code)?qwen-?\d*|qwq",
    "mistral": r"mistral|mixtral|ministral|magistral|codestral",
    "deepseek": r"deepseek",
    "command": r"command-(a|r7?b?)|c4ai-command",
    "grok": r"grok-?\d*",
    "phi": r"phi-?\d+",
    "olmo": r"olmoe?-?\d*",
    "glm": r"(chat)?glm-?\d*",
}
"""Name of each family of models, and a regular expression of its part of a model's name."""
_PATTERNS = {family: re.compile(rf"(?<![a-z0-9])({pattern})(?![a-z0-9])") for family, pattern in _FAMILIES.items()}
_DERIVED = re.compile(r"distill|alpaca|vicuna|open-llama|orca|wizard|hermes|gpt-?4-?all|self-taught")
"""Parts of the names of models that were trained on the texts of another family."""
_WRITERS = (("chosen_model", "rejected_model"), ("model_chosen", "model_rejected"))
"""Columns that name who wrote the right and the wrong response."""


def judge_biases(suite: Suite, item_scores: Sequence[ItemScores], model: str) -> tuple[Estimate, ...]:
    """Compute the biases that can be computed of a judge.

    Args:
        suite: the items; the verbosity preference needs their texts, the self-preference the names of the writers.
        item_scores: the scores of each item of the suite, in any order.
        model: name of the judge, which gives its family.
    """
    by_id: dict[str, ItemScores] = {}
    for scores in item_scores:
        by_id[scores.id] = scores
    family = model_family(model)
    biases = [
        _position_bias(suite, by_id),
        _difference("verbosity_preference", suite, by_id, _longer_side),
        _difference("self_preference", suite, by_id, _family_side(family)) if family else None,
    ]
    return tuple(filter(None, biases))


def model_family(name: str) -> str | None:
    """Return the family of a model by its name, without the organization; None if it is unknown or ambiguous.

    >>> [model_family(name) for name in ("openai/gpt-4o-mini", "meta-llama/Llama-3.1-8B-Instruct", "claude-3-opus")]
    ['gpt', 'llama', 'claude']
    >>> [model_family(name) for name in ("DeepSeek-R1-Distill-Qwen-7B", "gpt2", "gpt4all-13b", "tulu-2-dpo-70b")]
    [None, None, None, None]
    """
    normalized = re.sub(r"[\s_:]+", "-", name.strip().rstrip("/").rpartition("/")[2].lower())
    if _DERIVED.search(normalized):
        return None
    families = [family for family, pattern in _PATTERNS.items() if pattern.search(normalized)]
    return families[0] if len(families) == 1 else None


def _position_bias(suite: Suite, by_id: dict[str, ItemScores]) -> Estimate | None:
    """Estimate the mean position bias of the items that have one; None if there are none."""
    biases: list[float] = []
    clusters: list[Hashable] = []
    for item in suite.items:
        bias = by_id[item.id].position_bias
        if bias is not None:
            biases.append(bias)
            clusters.append(_cluster(item))
    if not biases:
        return None
    scale = (
        max(map(abs, biases)) or 1.0
    )  # a bias that is the same everywhere is then a share of 1, with a short interval
    shares = np.array(biases) / scale
    first = stats.mean(np.maximum(shares, 0.0).tolist(), clusters)
    last = stats.mean(np.maximum(-shares, 0.0).tolist(), clusters)
    gap = stats.paired(first, last)
    return Estimate("position_bias", len(biases), scale * gap.value, scale * gap.low, scale * gap.high)


def _difference(name: str, suite: Suite, by_id: dict[str, ItemScores], side: _Side) -> Estimate | None:
    """Estimate the accuracy on pairs of one side minus that on the other; None if a side has too few items."""
    credits: dict[int, list[float]] = {1: [], -1: []}
    clusters: dict[int, list[Hashable]] = {1: [], -1: []}
    ids: set[str] = set()
    for item in suite.items:
        scores = by_id[item.id].scores
        if not item.has_preference or not is_scored(scores):
            continue
        by_side: dict[int, list[float]] = {1: [], -1: [], 0: []}
        for right, wrong in _pairs(item):
            by_side[side(item, right, wrong)].append(_pair_credit(scores[right], scores[wrong]))
        for sign in (1, -1):
            if by_side[sign]:
                credits[sign].append(fsum(by_side[sign]) / len(by_side[sign]))
                clusters[sign].append(_cluster(item))
                ids.add(item.id)
    if min(map(len, credits.values())) < FEWEST:
        return None
    gap = stats.dependent_difference(stats.mean(credits[1], clusters[1]), stats.mean(credits[-1], clusters[-1]))
    return Estimate(name, len(ids), gap.value, gap.low, gap.high)


def _pairs(item: Item) -> Iterator[tuple[int, int]]:
    """Yield the indices of each right and each wrong completion."""
    for right in range(item.num_correct):
        for wrong in range(item.num_correct, len(item.completions)):
            yield right, wrong


def _pair_credit(right: float, wrong: float) -> float:
    return (1 + (right > wrong) - (right < wrong)) / 2


def _cluster(item: Item) -> Hashable:
    return item.group or ("item", item.id)


def _longer_side(item: Item, right: int, wrong: int) -> int:
    """Return 1 if the right completion has more characters, -1 if it has fewer, 0 if both have as many."""
    right_length, wrong_length = _length(item, right), _length(item, wrong)
    return (right_length > wrong_length) - (right_length < wrong_length)


def _length(item: Item, index: int) -> int:
    return sum(len(message["content"]) for message in item.completions[index])


def _family_side(family: str) -> _Side:
    """Return the function that is 1 if only the right completion is by this family, -1 if only the wrong one is."""

    def side(item: Item, right: int, wrong: int) -> int:
        is_right, is_wrong = model_family(writer(item, right)) == family, model_family(writer(item, wrong)) == family
        return is_right - is_wrong

    return side


def writer(item: Item, index: int) -> str:
    """Return the name of the model that wrote a completion; empty if it is unknown.

    A column may have one name for all right or all wrong responses, or a list with a name for each. The column `models`
    of RewardBench 2 is not read, since its order is not documented.
    """
    is_right = index < item.num_correct
    for columns in _WRITERS:
        names = item.meta.get(columns[0 if is_right else 1])
        if isinstance(names, str):
            return names
        position = index if is_right else index - item.num_correct
        count = item.num_correct if is_right else len(item.completions) - item.num_correct
        if isinstance(names, Sequence) and len(names) == count and isinstance(names[position], str):
            return str(names[position])
    return ""
