"""Pairs of drafts that follow the same rules and differ by one in a count over both paragraphs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.languages.drafts import (
    TextContext,
    TextDraft,
    TextRule,
    draw_draft,
    render_text,
)
from rewardbench.builders.templates.hard.languages.measures import measure_length

ATTEMPTS = 200
LEAST = 4
"""Smallest count of a common word."""


def draw_counted_drafts(
    rng: Rng, rung: int, context: TextContext, paired: list[str]
) -> tuple[list[TextDraft], list[TextRule]]:
    """Draw two drafts, and for each the rule that it follows and the other breaks.

    Args:
        rng: makes the choices.
        rung: size of the texts.
        context: scene, dates and amounts.
        paired: the rules with two values, which both drafts follow alike.
    """
    draft = _shuffled(rng, draw_draft(rng, rung, context.scene, paired))
    kinds = ["length", "common"] if rung < 4 or not context.texts["frequent"] else ["length", "frequency", "frequency"]
    kind = rng.pick(kinds)
    word = "" if kind == "length" else rng.pick(context.texts["common" if kind == "common" else "frequent"])
    count = _count(context, draft, kind, word)
    for _ in range(ATTEMPTS):
        other = _shuffled(rng, draw_draft(rng, rung, context.scene, paired))
        other = replace(
            other,
            split=draft.split,
            date_forms=draft.date_forms,
            amount_forms=draft.amount_forms,
            items=tuple(rng.sample(draft.items, len(draft.items))),
            list_split=draft.list_split,
        )
        other_count = _count(context, other, kind, word)
        if abs(count - other_count) == 1 and _date_order(draft.sentences) == _date_order(other.sentences):
            if word and min(count, other_count) < LEAST:
                continue
            return [draft, other], [_count_rule(kind, word, count), _count_rule(kind, word, other_count)]
    raise Resample


def _count_rule(kind: str, word: str, count: int) -> TextRule:
    if word:
        return TextRule(kind, {"u": word, "n": count}, {"word": word, "count": count})
    return TextRule(kind, {"n": count}, {"count": count})


def _shuffled(rng: Rng, draft: TextDraft) -> TextDraft:
    """Return the draft with the sentences between the first and the last in another order."""
    inner = rng.sample(draft.sentences[1:-1], len(draft.sentences) - 2)
    return replace(draft, sentences=(draft.sentences[0], *inner, draft.sentences[-1]))


def _date_order(sentences: Sequence[str]) -> list[str]:
    return re.findall(r"\{date\d\}", "".join(sentences))


def _count(context: TextContext, draft: TextDraft, kind: str, word: str) -> int:
    """Count a word or letter in both paragraphs; without one, all words, or all Chinese characters."""
    text = " ".join(render_text(context, draft).split("\n\n")[:2])
    by_character = bool(context.texts["by_character"])
    if not word:
        return measure_length(text, by_character)
    if by_character or kind == "frequency":
        return text.lower().count(word)
    return sum(part.strip(".,;:!?¡¿।").lower() == word for part in text.split())
