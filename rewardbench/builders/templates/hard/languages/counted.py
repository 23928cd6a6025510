"""Drafts that follow the same rules, and of which each has counts that differ by one from those of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.languages.drafts import (
    SLOTS,
    TextContext,
    TextDraft,
    TextRule,
    draw_draft,
    render_text,
)
from rewardbench.builders.templates.hard.languages.measures import HAN, measure_length

POOL = 1600
"""Drafts among which those with neighbouring counts are searched."""
LETTERS = {3: 2, 4: 3}
"""Letters and common words that are counted."""
LEAST = 4
"""Smallest count of a letter or word in the first draft."""
UNCLEAR = -1000
"""Count of a word in a sentence that also has it as a part of another, behind an apostrophe or hyphen."""
DISTINCT = "distinct", ""
"""The number of different words, or different Chinese characters; no sum over sentences."""
PART = re.compile(r"[\s'’-]+")
PUNCTUATION = ".,;:!?¡¿।"

Measure = tuple[str, str]
"""Kind of a count and its letter or word: `length`, `distinct` words, words with an `odd` number of letters, letters
(`frequency`) or `common` words."""


def draw_counted_drafts(
    rng: Rng, rung: int, context: TextContext, paired: list[str], swaps: int
) -> tuple[list[TextDraft], list[list[TextRule]], str]:
    """Draw 2 ** swaps drafts that share the rules with two values and all counts but `swaps` of them.

    Args:
        rng: makes the choices.
        rung: size of the texts.
        context: scene, dates and amounts.
        paired: the rules with two values, which all drafts follow alike.
        swaps: number of counts that differ, each by one; of common words, which are easy to count, only if need be.

    Returns:
        The drafts, the counts of each, and the kinds of count that differ.
    """
    amount_form = context.texts.get("amount_form", 0)
    first = _shuffled(rng, draw_draft(rng, rung, context.scene, paired, amount_form))
    measures = _draw_measures(rng, rung, context, first, swaps)
    pool = _draw_pool(rng, rung, context, paired, first, measures)
    hard = [n for n, (kind, _) in enumerate(measures) if kind != "common"]
    positions = hard if len(hard) >= swaps else list(range(len(measures)))
    if swaps == 1 and (context.texts["by_character"] or rng.chance(0.6)):
        positions = [1]
    for vector in pool:
        for _ in range(2 * len(measures)):
            changed = rng.sample(positions, swaps)
            vectors = []
            for steps in product((0, 1), repeat=swaps):
                raised = dict(zip(changed, steps, strict=True))
                vectors.append(tuple(count + raised.get(n, 0) for n, count in enumerate(vector)))
            if all(neighbour in pool for neighbour in vectors):
                vectors = rng.sample(vectors, len(vectors))
                kinds = " and ".join(measures[n][0] for n in changed)
                rules = [[_count_rule(*pair) for pair in zip(measures, counts, strict=True)] for counts in vectors]
                drafts = [_arrange(rng, first, pool[counts]) for counts in vectors]
                return drafts, rules, kinds
    raise Resample


def _draw_measures(rng: Rng, rung: int, context: TextContext, first: TextDraft, swaps: int) -> list[Measure]:
    """Draw what is counted: the length, and letters or common words; fewer if several counts differ."""
    n = LETTERS[rung] if swaps == 1 else 2
    totals = [("length", "")]
    if swaps == 1:
        totals.append(DISTINCT if rung == 3 else (context.texts["hardest_count"], ""))
    candidates: dict[str, list[Measure]] = {"frequency": [], "common": []}
    for kind, words in (("frequency", context.texts["frequent"]), ("common", context.texts["common"])):
        for word in rng.sample(words, len(words)):
            if _Counter(context, first, [(kind, word)]).count(first)[0] >= LEAST:
                candidates[kind].append((kind, word))
    letters = candidates["frequency"][: n - 1]
    words = candidates["common"][: n - len(letters)]
    if len(letters) + len(words) < n:
        raise Resample
    return [*totals, *letters, *words]


def _draw_pool(
    rng: Rng, rung: int, context: TextContext, paired: list[str], first: TextDraft, measures: Sequence[Measure]
) -> dict[tuple[int, ...], TextDraft]:
    """Draw drafts with the last sentence of the first one, by their counts."""
    counter = _Counter(context, first, measures)
    pool = {}
    for _ in range(POOL):
        draft = draw_draft(rng, rung, context.scene, paired)
        if draft.sentences[-1] == first.sentences[-1]:
            counts = counter.count(draft)
            if min(counts) > 1:
                pool[counts] = draft
    return pool


def _arrange(rng: Rng, first: TextDraft, draft: TextDraft) -> TextDraft:
    """Return a draft in the form of the first one, with its sentences in another order; the counts stay the same."""
    shuffled = _shuffled(rng, draft)
    while _date_order(shuffled.sentences) != _date_order(first.sentences):
        shuffled = _shuffled(rng, draft)
    items = tuple(rng.sample(first.items, len(first.items)))
    return replace(first, sentences=shuffled.sentences, words=draft.words, items=items)


class _Counter:
    """Counts drafts sentence by sentence: all counts are sums over the sentences, but for the number of words."""

    def __init__(self, context: TextContext, form: TextDraft, measures: Sequence[Measure]) -> None:
        self.context, self.form, self.measures = context, form, measures
        self.counts: dict[tuple[str, tuple[int, ...]], tuple[int, ...]] = {}
        self.vocabulary: dict[tuple[str, tuple[int, ...]], frozenset[str]] = {}

    def count(self, draft: TextDraft) -> tuple[int, ...]:
        """Return the counts of both paragraphs of a draft."""
        totals = [0] * len(self.measures)
        vocabulary: set[str] = set()
        start = 0
        for sentence in draft.sentences:
            end = start + sentence.count("{w}")
            key = sentence, draft.words[start:end]
            if key not in self.counts:
                self._count_sentence(*key)
            for n, count in enumerate(self.counts[key]):
                totals[n] += count
            vocabulary |= self.vocabulary[key]
            start = end
        if DISTINCT in self.measures:
            totals[self.measures.index(DISTINCT)] = len(vocabulary)
        return tuple(totals)

    def _count_sentence(self, sentence: str, words: tuple[int, ...]) -> None:
        form = replace(self.form, sentences=(sentence,), split=1, words=words, items=())
        text = render_text(self.context, form)
        by_character = bool(self.context.texts["by_character"])
        counts = [_count(text, kind, word, by_character) for kind, word in self.measures]
        self.counts[sentence, words] = tuple(counts)
        parts = HAN.findall(text) if by_character else [part.strip(PUNCTUATION).lower() for part in text.split()]
        self.vocabulary[sentence, words] = frozenset(parts)


def _count(text: str, kind: str, word: str, by_character: bool) -> int:
    if kind == "distinct":
        return 0
    if kind == "odd":
        return sum(sum(map(str.isalpha, part)) % 2 for part in text.split())
    if kind == "length":
        return measure_length(text, by_character)
    if by_character or kind == "frequency":
        return text.lower().count(word)
    count = sum(part.strip(PUNCTUATION).lower() == word for part in text.split())
    parts = sum(part.strip(PUNCTUATION).lower() == word for part in PART.split(text))
    return count if count == parts else UNCLEAR


def _count_rule(measure: Measure, count: int) -> TextRule:
    kind, word = measure
    if word:
        return TextRule(kind, {"u": word, "n": count}, {"word": word, "count": count})
    return TextRule(kind, {"n": count}, {"count": count})


def _shuffled(rng: Rng, draft: TextDraft) -> TextDraft:
    """Return the draft with the sentences between the first and the last in another order."""
    inner = rng.sample(draft.sentences[1:-1], len(draft.sentences) - 2)
    return replace(draft, sentences=(draft.sentences[0], *inner, draft.sentences[-1]))


def _date_order(sentences: Sequence[str]) -> list[str]:
    order = []
    for sentence in sentences:
        order += [slot for slot in SLOTS[:2] if f"{{{slot}}}" in sentence]
    return order
