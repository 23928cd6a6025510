"""The HTML page of features: one file without scripts and without requests; all texts are escaped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from rewardbench.analysis.features.study import FeatureEffect, FeatureStudy, token_ids
from rewardbench.analysis.figures import short_name
from rewardbench.console.html_text import escaped, make_environment
from rewardbench.console.terminal import printable

CONTEXT = 14
"""Tokens that are shown before and after the token with the largest activation."""
TOP_TOKENS = 6
"""Tokens with the most activation that are shown."""
SHADES = 9
"""Steps of the background by activation."""


@dataclass(frozen=True)
class MarkedToken:
    """A token of an example, with the shade of its activation, 0 to `SHADES`."""

    text: str
    shade: int


@dataclass(frozen=True)
class FeatureExample:
    """A text in which a feature is active, around its most active token."""

    tokens: list[MarkedToken]
    activation: float
    reward: float
    change: float | None
    starts: bool
    """True if the text begins before the first token shown."""
    ends: bool
    """True if the text goes on after the last token shown."""


@dataclass(frozen=True)
class FeatureCard:
    """One feature on the page."""

    effect: FeatureEffect
    tokens: list[tuple[str, float]]
    """Tokens with the largest shares of its activation."""
    examples: list[FeatureExample]
    bar: float
    """Length of the bar of the effect, 0 to 1."""


def top_tokens(study: FeatureStudy, feature: int, count: int = TOP_TOKENS) -> list[tuple[str, float]]:
    """Return the tokens with the largest shares of a feature's activation."""
    shares = study.activations.token_mass(feature, token_ids(study))
    return [(token_text(study, token), share) for token, share in list(shares.items())[:count]]


def token_text(study: FeatureStudy, token: int) -> str:
    """Return the text of a token, with marks for a line break, a tab and a space alone."""
    assert study.scorer.chat is not None
    text = study.scorer.chat.tokenizer.decode([token])
    text = str(text).replace("\n", "⏎").replace("\t", "⇥")
    return text.strip() or "␣"


def make_cards(study: FeatureStudy, shown: int) -> list[FeatureCard]:
    """Return the cards of the features with the largest effect."""
    effects = study.effects[:shown]
    largest = max((abs(effect.mean) for effect in effects), default=0.0) or 1.0
    cards: list[FeatureCard] = []
    for effect in effects:
        _, maxima = study.activations.pairs_of(effect.feature)
        highest = float(maxima.max())
        examples = [_make_example(study, effect.feature, text, highest) for text in study.example_texts(effect.feature)]
        tokens = top_tokens(study, effect.feature)
        cards.append(FeatureCard(effect, tokens, examples, abs(effect.mean) / largest))
    return cards


def _make_example(study: FeatureStudy, feature: int, text: int, highest: float) -> FeatureExample:
    activations = study.activations.by_token(text, feature)
    peak = int(np.argmax(activations))
    first, last = max(0, peak - CONTEXT), min(len(activations), peak + CONTEXT + 1)
    shades = np.ceil(SHADES * np.clip(activations / highest, 0, 1)).astype(int)
    tokens: list[MarkedToken] = []
    for place in range(first, last):
        tokens.append(MarkedToken(_raw_text(study, study.requests[text].ids[place]), int(shades[place])))
    return FeatureExample(
        tokens,
        float(activations[peak]),
        float(study.rewards[text]),
        study.measured.get((feature, text)),
        first > 0,
        last < len(activations),
    )


def _raw_text(study: FeatureStudy, token: int) -> str:
    """Return the text of a token inside a text, with a mark for each line break."""
    assert study.scorer.chat is not None
    return str(study.scorer.chat.tokenizer.decode([token])).replace("\n", "⏎ ")


def _one_line(value: object) -> Markup:
    """Escape a value for HTML; the unprintable characters of a text become Python escapes."""
    return escaped(printable(value) if isinstance(value, str) else value)


def render_page(study: FeatureStudy, shown: int, sentence: str) -> str:
    """Render the page.

    Args:
        study: the features, with measured examples.
        shown: number of features on the page.
        sentence: what the figures say.
    """
    return (
        make_environment(Path(__file__).parent, _one_line)
        .get_template("page.html")
        .render(
            study=study,
            model=short_name(study.scorer.name),
            tokens=int(study.activations.starts[-1]),
            cards=make_cards(study, shown),
            sentence=sentence,
            shades=SHADES,
        )
    )
