"""Compositions of sentences from the topics of a scene."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.twelve_rules.text import Composition, Sentence, Slots, parse_sentence
from rewardbench.verifiers.hard.twelve_rules import count_words

EDIT_MARKS = {"letter": "~", "ten": "{10}", "pair": " & ", "question": " || "}
"""Marks of sentences with a place for an edit."""
CLOSERS = (" || ", " & ")
"""Marks of sentences that only end a paragraph."""


@dataclass(frozen=True)
class TextSize:
    """Size of prompts and texts at one rung."""

    rules: int
    topics: int
    sentences: int
    """Most sentences of a paragraph."""
    words: tuple[int, int]
    neutral: int
    """Pairs of neutral places that are flipped."""
    laborious: int = 0
    """Rules that need a long count over the whole text, beside the one of the edit."""


SIZES = {
    1: TextSize(3, 3, 2, (40, 80), 0),
    2: TextSize(6, 4, 3, (85, 150), 1),
    3: TextSize(11, 5, 4, (180, 260), 0, 5),
    4: TextSize(16, 6, 5, (280, 400), 0, 10),
}


def compose(
    rng: Rng, scene: Mapping[str, Any], slots: Slots, size: TextSize, edit: str, model: Composition | None = None
) -> Composition:
    """Return a text on some topics of a scene, in their order, with a place for the edit.

    Args:
        rng: randomness.
        scene: the scene.
        slots: what its slots are filled with.
        size: size of the text.
        edit: kind of the edit; empty if no place is needed.
        model: a text with the same greeting, number of items and signature, and as far as possible other sentences.

    Raises:
        Resample: if no topic has a sentence with such a place, or the text is too short or too long.
    """
    has_items = bool(model.items) if model else edit == "item" or (size.topics > 3 and rng.chance())
    number = size.topics - 1 if edit == "item" and size.topics == 3 else size.topics
    topics = [scene["topics"][n] for n in sorted(rng.sample(range(len(scene["topics"])), number))]
    homes = []
    for topic in topics:
        if any(_has_mark(line, edit) for line in topic["lines"]):
            homes.append(topic)
    if edit in EDIT_MARKS and not homes:
        raise Resample
    home = rng.pick(homes) if homes else {}
    paragraphs = []
    used: list[str] = []
    avoided = set(model.lines if model else ())
    for topic in topics:
        lines = _choose_lines(rng, topic["lines"], size, edit, topic is home, avoided)
        used += lines
        paragraphs.append([parse_sentence(line, slots) for line in lines])
    items: list[str] = []
    if has_items:
        number = len(model.items) if model else rng.number(3, 5 if size.topics < 6 else 7)
        items = rng.sample(scene["items"], number)
        intro: Sentence = (scene["list_intro"],)
        paragraphs[-1].append(intro)
    composition = Composition(
        greeting=model.greeting if model else slots.fill(rng.pick(scene["greeting"])),
        paragraphs=tuple(map(tuple, paragraphs)),
        items=tuple(items),
        signature=model.signature if model else slots.fill(rng.pick(scene["signature"])),
        lines=tuple(used),
    )
    if not size.words[0] <= count_words(composition.text) <= size.words[1]:
        raise Resample
    return composition


def _choose_lines(
    rng: Rng, lines: Sequence[str], size: TextSize, edit: str, is_home: bool, avoided: Container[str]
) -> list[str]:
    """Return the opening sentence of a topic and others, at its home with the mark of the edit.

    For an edit of letters and of the number ten, only one sentence of the text has such a place.
    """
    lead, *others = lines
    marked: list[str] = []
    middle: list[str] = []
    closers: list[str] = []
    for line in others:
        is_marked = _has_mark(line, edit)
        if is_marked:
            marked.append(line)
        has_letter = edit == "letter" and bool(set("jx") & set(line.lower()))
        if not has_letter and not (edit == "ten" and is_marked):
            (closers if _is_closer(line) else middle).append(line)
    target = rng.pick(marked) if is_home and marked else ""
    if target in middle:
        middle.remove(target)
    number = min(len(middle), rng.number(max(1, size.sentences - 2), size.sentences - 1))
    chosen = _prefer_new(rng, middle, number, avoided)
    if target and not _is_closer(target):
        chosen[rng.number(0, number - 1)] = target
    elif target:
        chosen.append(target)
    elif closers and rng.chance(0.9 if edit == "question" else 0.6):
        chosen += _prefer_new(rng, closers, 1, avoided)
    return [lead, *chosen]


def _prefer_new(rng: Rng, lines: Sequence[str], number: int, avoided: Container[str]) -> list[str]:
    """Return some lines in random order, those to avoid only if there are too few others."""
    new = [line for line in lines if line not in avoided]
    used = [line for line in lines if line in avoided]
    chosen = rng.sample(new, min(number, len(new)))
    chosen += rng.sample(used, number - len(chosen))
    return rng.sample(chosen, number)


def _has_mark(line: str, edit: str) -> bool:
    return edit in EDIT_MARKS and EDIT_MARKS[edit] in line


def _is_closer(line: str) -> bool:
    return CLOSERS[0] in line or CLOSERS[1] in line
