"""Edits of a text in one place, each with a rule that separates the two texts.

An edit returns the edited text and candidates for the rule: pairs of a rule for the first and one for the second text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.twelve_rules.rules import CountRule, ordinals, single_words
from rewardbench.builders.templates.hard.twelve_rules.text import Composition, render_sentence
from rewardbench.verifiers.hard.twelve_rules import (
    COUNTS,
    TextParts,
    bare_words,
    count_words,
    obeys,
    split_sentences,
    split_text,
)

RulePair = tuple[CountRule, CountRule]
"""A rule for each of two texts, of the same kind."""
Edit = Callable[[Composition, Rng], tuple[Composition, list[RulePair]]]


def _counts(kind: str, left: TextParts, right: TextParts) -> RulePair:
    return {"rule": kind, "n": COUNTS[kind](left)}, {"rule": kind, "n": COUNTS[kind](right)}


def _paragraph_counts(left: TextParts, right: TextParts) -> Iterator[RulePair]:
    """Yield the rules on the numbers of words and of sentences of each paragraph."""
    if len(left.paragraphs) != len(right.paragraphs):
        return
    for k in ordinals(left):
        pair = left.paragraph(k), right.paragraph(k)
        words, sentences = map(count_words, pair), [len(split_sentences(paragraph)) for paragraph in pair]
        for kind, numbers in (("paragraph_words", words), ("paragraph_sentences", sentences)):
            first, second = numbers
            yield {"rule": kind, "k": k, "n": first}, {"rule": kind, "k": k, "n": second}


def _last_words(left: TextParts, right: TextParts) -> Iterator[RulePair]:
    for k in ordinals(left):
        first, second = bare_words(left.paragraph(k))[-1], bare_words(right.paragraph(k))[-1]
        yield {"rule": "last_word", "k": k, "w": first}, {"rule": "last_word", "k": k, "w": second}


def _flip(kind: str, *counts: str) -> Edit:
    """Return the edit that flips one place of a kind; the rule counts one of `counts`, or what is in a paragraph."""

    def edit(composition: Composition, rng: Rng) -> tuple[Composition, list[RulePair]]:
        places = composition.places(kind)
        if not places:
            raise Resample
        edited = composition.flipped(rng.pick(places))
        left, right = split_text(composition.text), split_text(edited.text)
        pairs = [_counts(count, left, right) for count in counts]
        if kind == "joint":
            pairs += _paragraph_counts(left, right)
        return edited, pairs

    return edit


def _flip_count(composition: Composition, rng: Rng) -> tuple[Composition, list[RulePair]]:
    edited, _ = _flip("count")(composition, rng)
    place = composition.place(composition.places("count")[0])
    word = place.options[0]
    first, second = [bare_words(text).count(word) for text in (composition.text, edited.text)]
    return edited, [({"rule": "uses", "w": word, "n": first}, {"rule": "uses", "w": word, "n": second})]


def _flip_letter(composition: Composition, rng: Rng) -> tuple[Composition, list[RulePair]]:
    edited, _ = _flip("letter")(composition, rng)
    pairs: list[RulePair] = []
    for first, second in ("JX", "XJ"):
        pairs.append(({"rule": "letter", "w": first}, {"rule": "letter", "w": second}))
    return edited, pairs


def _flip_pair(composition: Composition, rng: Rng) -> tuple[Composition, list[RulePair]]:
    edited, _ = _flip("pair")(composition, rng)
    return edited, list(_last_words(split_text(composition.text), split_text(edited.text)))


def _flip_ten(composition: Composition, rng: Rng) -> tuple[Composition, list[RulePair]]:
    if len(composition.places("ten")) != 1:
        raise Resample
    edited, _ = _flip("ten")(composition, rng)
    digits: CountRule = {"rule": "ten_in_digits"}
    words: CountRule = {"rule": "ten_in_words"}
    return edited, [(digits, words), (words, digits)]


def _swap_sentences(composition: Composition, rng: Rng) -> tuple[Composition, list[RulePair]]:
    """Swap two neighbouring sentences inside a paragraph; the rule fixes the order of two of their words."""
    i = rng.number(0, len(composition.paragraphs) - 1)
    paragraph = list(composition.paragraphs[i])
    if len(paragraph) < 4:
        raise Resample
    j = rng.number(1, len(paragraph) - 3)
    choices = []
    for sentence in paragraph[j : j + 2]:
        unique = single_words(composition.text, render_sentence(sentence))
        if not unique:
            raise Resample
        choices.append(rng.pick(unique))
    paragraph[j], paragraph[j + 1] = paragraph[j + 1], paragraph[j]
    first, second = choices
    return composition.with_paragraph(i, paragraph), [
        ({"rule": "order", "w": first, "v": second}, {"rule": "order", "w": second, "v": first})
    ]


def _split_paragraph(composition: Composition, rng: Rng) -> tuple[Composition, list[RulePair]]:
    i = rng.number(0, len(composition.paragraphs) - 1)
    paragraph = composition.paragraphs[i]
    if len(paragraph) < 3:
        raise Resample
    j = rng.number(1, len(paragraph) - 1)
    edited = composition.with_paragraph(i, paragraph[:j], paragraph[j:])
    return edited, [_counts("paragraphs", split_text(composition.text), split_text(edited.text))]


def _split_item(composition: Composition, rng: Rng) -> tuple[Composition, list[RulePair]]:
    long_items = [item for item in composition.items if ", " in item]
    if not long_items:
        raise Resample
    item = rng.pick(long_items)
    n = composition.items.index(item)
    edited = replace(composition, items=(*composition.items[:n], *item.split(", "), *composition.items[n + 1 :]))
    return edited, [_counts("items", split_text(composition.text), split_text(edited.text))]


EASY: Mapping[str, Edit] = {
    "bang": _flip("bang", "exclamations"),
    "capitals": _flip("capitals", "capitals"),
    "question": _flip("question", "questions", "question_paragraphs"),
    "pair": _flip_pair,
    "split": _split_paragraph,
    "item": _split_item,
    "joint": _flip("joint", "semicolons", "sentences"),
    "count": _flip_count,
}
MEDIUM: Mapping[str, Edit] = {
    "joint": _flip("joint", "sentences", "semicolons"),
    "count": _flip_count,
    "swap": _swap_sentences,
    "ten": _flip_ten,
    "letter": _flip_letter,
    "item": _split_item,
    "bang": _flip("bang", "exclamations"),
    "capitals": _flip("capitals", "capitals"),
    "question": _flip("question", "questions", "question_paragraphs"),
}
BY_RUNG: Mapping[int, Mapping[str, Edit]] = {1: EASY, 2: MEDIUM}


def decisive(left: Composition, right: Composition, pairs: list[RulePair]) -> list[RulePair]:
    """Return the pairs of rules of which each text obeys its own only."""
    first, second = split_text(left.text), split_text(right.text)
    valid = []
    for rule_a, rule_b in pairs:
        separates = obeys(first, rule_a) and not obeys(first, rule_b)
        if separates and obeys(second, rule_b) and not obeys(second, rule_a):
            valid.append((rule_a, rule_b))
    return valid
