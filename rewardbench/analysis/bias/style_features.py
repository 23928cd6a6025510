"""Style features of responses: what a text looks like, apart from what it says. Patterns are those of English.

A feature is a count over a text, so that whatever all responses of an item share cancels in their differences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from os.path import commonprefix

import numpy as np

from rewardbench.lint.shortcuts import LIST_ITEM, MARKUP, REFUSAL, count_matches, item_texts
from rewardbench.types import Item

HEDGING = re.compile(
    r"\b(?:perhaps|maybe|might|possibly|probably|presumably|apparently|arguably|roughly|i think|i believe|i guess"
    r"|i suppose|i(?:'m| am) not (?:\w+ )?(?:sure|certain)|fairly sure|not entirely|as far as i (?:know|can)"
    r"|if i(?:'m| am) not mistaken|if i (?:remember|recall)|from memory|it (?:seems|appears)|seems to|tends? to"
    r"|could be|may be|in my opinion|to the best of my|it depends|please (?:check|verify)|double-check)\b",
    re.IGNORECASE,
)
"""Words of doubt."""
SYCOPHANCY = re.compile(
    r"\b(?:(?:great|good|excellent|fantastic|wonderful|brilliant|lovely|thoughtful|interesting|fascinating)"
    r" (?:question|point|idea|choice|thinking|instinct|insight)s?|you(?:'re| are) (?:absolutely |so |quite )?right"
    r"|absolutely right|(?:i|we) (?:totally |completely |fully )?agree with you|what an? (?:\w+ )?(?:idea|question)"
    r"|how (?:clever|thoughtful|insightful)|well (?:done|spotted)|(?:happy|glad|delighted|love) to help"
    r"|i(?:'m| am) (?:so )?(?:glad|happy) you|i love (?:this|that|your|how)|(?:thank you|thanks) for (?:asking|the"
    r"|your)|clever of you|smart of you|impressive)\b",
    re.IGNORECASE,
)
"""Praise of the user, agreement with them, and eagerness to please."""

FEATURES: Mapping[str, Callable[[str], float]] = {
    "length": len,
    "lists": lambda text: count_matches(LIST_ITEM, text),
    "markdown": lambda text: count_matches(MARKUP, text),
    "refusal": lambda text: count_matches(REFUSAL, text.replace("’", "'")),
    "hedging": lambda text: count_matches(HEDGING, text.replace("’", "'")),
    "sycophancy": lambda text: count_matches(SYCOPHANCY, text.replace("’", "'")),
}
"""Features by name: characters, list items, other markdown, and phrases of refusal, doubt and praise."""
BOUNDARIES = "\n.!?>]:"
"""Characters after which a response, or a sentence of it, may begin in a rendered text."""


def response_texts(item: Item) -> list[str]:
    """Return the responses of an item; of rendered texts, without most of the prompt that they share.

    >>> texts = [((dict(role="assistant", content=f"<user> Is it hot?<bot> {reply}")),) for reply in ("- No", "- Yes")]
    >>> response_texts(Item("a", "s", (), tuple(texts), rendered=True))
    ['- No', '- Yes']
    """
    _, texts = item_texts(item)
    return _without_shared_start(texts) if item.rendered else texts


def _without_shared_start(texts: Sequence[str]) -> list[str]:
    """Cut what all texts share at the start, up to the beginning of a sentence."""
    shared: str = commonprefix(list(texts))  # noqa: RUF071 - texts, not paths
    start = 1 + max(shared.rfind(character) for character in BOUNDARIES)
    start += len(shared[start:]) - len(shared[start:].lstrip(" "))
    return [text[start:] for text in texts]


def measure_style(texts: Sequence[str]) -> np.ndarray:
    """Compute the features of texts.

    >>> measure_style(["Sorry, I can't.", "- **Great question!**"]).tolist()
    [[15.0, 0.0, 0.0, 2.0, 0.0, 0.0], [21.0, 1.0, 2.0, 0.0, 0.0, 1.0]]

    Returns:
        One row per text, in the order of FEATURES: [texts, features].
    """
    values = np.empty((len(texts), len(FEATURES)))
    for column, feature in enumerate(FEATURES.values()):
        values[:, column] = list(map(feature, texts))
    return values
