"""Texts under 3 to 16 rules that a program can test; the twin has another value of one rule.

Example of an edit: "Give the third paragraph precisely 41 words." / "Give the third paragraph precisely 42 words." Both
responses are the same text up to some neutral places, and obey all rules but that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng, SquareContent
from rewardbench.builders.templates.hard.twelve_rules.edits import BY_RUNG, decisive
from rewardbench.builders.templates.hard.twelve_rules.material import rule_texts, scenes
from rewardbench.builders.templates.hard.twelve_rules.prompts import Opening, write_prompts
from rewardbench.builders.templates.hard.twelve_rules.rules import (
    CountRule,
    is_usable,
    subject,
    true_rules,
    word_rule,
)
from rewardbench.builders.templates.hard.twelve_rules.text import Composition, Sentence, Slots, parse_sentence
from rewardbench.verifiers.hard.twelve_rules import COUNTS, broken_rules, count_words, split_text

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PLACES = (
    *("Ardmore", "Bellinzona", "Chefchaouen", "Dunkeld", "Esquel", "Furano", "Gmunden", "Hpa-an", "Ilhabela"),
    *("Jaisalmer", "Kuressaare", "Leiria", "Mwanza", "Nanyuki", "Oamaru", "Pskov", "Qazvin", "Rauma", "Siem Reap"),
    *("Tarnow", "Uummannaq", "Visby", "Wanaka", "Yazd", "Zwolle"),
)
EDIT_MARKS = {"letter": "~", "ten": "{10}", "pair": " & ", "question": " || "}
"""Marks of sentences with a place for an edit."""
CLOSERS = (" || ", " & ")
"""Marks of sentences that only end a paragraph."""
COUNTED = {"word": "words", "comma": "commas", "joint": "sentences", "bang": "exclamations", "capitals": "capitals"}
"""Kinds of places of which a square has zero to three more, with the rule that counts them; the first are frequent."""
SQUARE_SIZE = 4
TEXTS = 40
"""Texts to draw until one allows the edit."""
NEUTRAL = ("word", "comma", "joint", "count", "capitals")
"""Kinds of places that are flipped two at a time, so that the two texts differ in several places."""


@dataclass(frozen=True)
class _Size:
    rules: int
    topics: int
    sentences: int
    """Most sentences of a paragraph."""
    words: tuple[int, int]
    neutral: int
    """Pairs of neutral places that are flipped."""


SIZES = {
    1: _Size(3, 3, 2, (40, 80), 0),
    2: _Size(6, 4, 3, (85, 150), 1),
    3: _Size(11, 5, 4, (180, 260), 2),
    4: _Size(16, 6, 5, (250, 370), 4),
}


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Return a mirror of a rung. The kind of its edit is drawn once, so that rare kinds get their share."""
    name = rng.pick(list(BY_RUNG[rung]))
    for _ in range(TEXTS):
        with suppress(Resample):
            return _draw_mirror(rng, rung, name)
    raise Resample


def _draw_mirror(rng: Rng, rung: int, name: str) -> MirrorContent:
    """Return a mirror with this edit.

    Raises:
        Resample: if the text does not allow it.
    """
    size = SIZES[rung]
    scene, slots = _draw_scene(rng, name)
    left = _compose(rng, scene, slots, size, name)
    right, candidates = BY_RUNG[rung][name](left, rng)
    for _ in range(size.neutral):
        right = _flip_neutral(right, rng)
    pairs = [pair for pair in decisive(left, right, candidates) if is_usable(pair[0]) and is_usable(pair[1])]
    if not pairs:
        raise Resample
    edited = rng.pick(pairs)
    texts = (left, right)
    rule_sets = _rule_sets(rng, size, scene, texts, edited)
    prompts = write_prompts(rng, rung, _opening(rng, scene, slots), rule_sets)
    return MirrorContent(
        edit=" / ".join(word_rule(rule, 0, False) for rule in edited),
        a=prompts[0],
        b=prompts[1],
        x=left.text,
        y=right.text,
        check={
            "kind": "twelve-rules",
            "a": {"rules": rule_sets[0], "count": size.rules},
            "b": {"rules": rule_sets[1], "count": size.rules},
        },
    )


def draw_square(rng: Rng, rung: int) -> SquareContent:
    """Return a square of a rung: a text, and the same with one to three more of something that a rule counts."""
    name = rng.pick(list(COUNTED)[: 3 if rung < 3 else len(COUNTED)])
    for _ in range(TEXTS):
        with suppress(Resample):
            return _draw_square(rng, rung, name)
    raise Resample


def _draw_square(rng: Rng, rung: int, name: str) -> SquareContent:
    """Return a square with this edit.

    Raises:
        Resample: if the text does not allow it.
    """
    size = SIZES[rung]
    scene, slots = _draw_scene(rng, name)
    text = _compose(rng, scene, slots, size, name)
    places = text.places(name)
    if len(places) < SQUARE_SIZE - 1:
        raise Resample
    steps = rng.sample(places, SQUARE_SIZE - 1)
    for position in steps:
        if text.place(position).state:
            text = text.flipped(position)
    texts = [text]
    for position in steps:
        texts.append(texts[-1].flipped(position))
    kind = COUNTED[name]
    edited: list[CountRule] = [{"rule": kind, "n": COUNTS[kind](split_text(version.text))} for version in texts]
    if not all(map(is_usable, edited)):
        raise Resample
    rule_sets = _rule_sets(rng, size, scene, texts, edited)
    checks = {str(n): {"rules": rules, "count": size.rules} for n, rules in enumerate(rule_sets)}
    return SquareContent(
        edit=" / ".join(word_rule(rule, 0, False) for rule in edited),
        prompts=tuple(write_prompts(rng, rung, _opening(rng, scene, slots), rule_sets)),
        responses=tuple(version.text for version in texts),
        check={"kind": "twelve-rules", **checks},
    )


def _draw_scene(rng: Rng, edit: str) -> tuple[Mapping[str, Any], Slots]:
    """Return a scene, and what its slots are filled with."""
    scene = rng.pick(scenes())
    slots = Slots(
        rng,
        place=rng.pick(PLACES),
        day=rng.pick(DAYS),
        counted=scene["counted"],
        synonym=scene["synonym"],
        people=rng.people(40),
        liveliness=0.6 if edit in ("bang", "capitals") else 0.25,
    )
    return scene, slots


def _opening(rng: Rng, scene: Mapping[str, Any], slots: Slots) -> Opening:
    """Return the beginning of the conversation, with an early, short version of the text that obeys no rules."""
    sketch = _compose(rng, scene, slots, _Size(0, 2, 2, (0, 1000), 0), "")
    draft = f"{rng.pick(rule_texts('frames')['draft'])}\n\n{sketch.text}"
    return Opening(slots.fill(rng.pick(scene["who"])), slots.fill(rng.pick(scene["ask"])), draft)


def _rule_sets(
    rng: Rng, size: _Size, scene: Mapping[str, Any], texts: Sequence[Composition], edited: Sequence[CountRule]
) -> list[list[CountRule]]:
    """Return the rules of each text: one of its own, and others that all texts obey.

    Raises:
        Resample: if there are too few, or a text breaks none or several rules of another.
    """
    shared = _shared_rules(rng, texts, edited[0], size.rules - 1, scene["counted"])
    position = rng.number(0, len(shared))
    rule_sets = [[*shared[:position], rule, *shared[position:]] for rule in edited]
    for n, rules in enumerate(rule_sets):
        for m, version in enumerate(texts):
            if len(broken_rules(version.text, rules)) != (n != m):
                raise Resample
    return rule_sets


def _compose(rng: Rng, scene: Mapping[str, Any], slots: Slots, size: _Size, edit: str) -> Composition:
    """Return a text on some topics of a scene, in their order, with a place for the edit.

    Raises:
        Resample: if no topic has a sentence with such a place, or the text is too short or too long.
    """
    has_items = edit == "item" or (size.topics > 3 and rng.chance())
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
    for topic in topics:
        lines = _choose_lines(rng, topic["lines"], size, edit, topic is home)
        paragraphs.append([parse_sentence(line, slots) for line in lines])
    items: list[str] = []
    if has_items:
        items = rng.sample(scene["items"], rng.number(3, 5 if size.topics < 6 else 7))
        intro: Sentence = (scene["list_intro"],)
        paragraphs[-1].append(intro)
    has_frame = size.topics > 3 or rng.chance(0.6)
    composition = Composition(
        greeting=slots.fill(rng.pick(scene["greeting"])) if has_frame else "",
        paragraphs=tuple(map(tuple, paragraphs)),
        items=tuple(items),
        signature=slots.fill(rng.pick(scene["signature"])) if has_frame else "",
    )
    if not size.words[0] <= count_words(composition.text) <= size.words[1]:
        raise Resample
    return composition


def _choose_lines(rng: Rng, lines: Sequence[str], size: _Size, edit: str, is_home: bool) -> list[str]:
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
    chosen = rng.sample(middle, number)
    if target and not _is_closer(target):
        chosen[rng.number(0, number - 1)] = target
    elif target:
        chosen.append(target)
    elif closers and rng.chance(0.9 if edit == "question" else 0.6):
        chosen.append(rng.pick(closers))
    return [lead, *chosen]


def _has_mark(line: str, edit: str) -> bool:
    return edit in EDIT_MARKS and EDIT_MARKS[edit] in line


def _is_closer(line: str) -> bool:
    return CLOSERS[0] in line or CLOSERS[1] in line


def _flip_neutral(composition: Composition, rng: Rng) -> Composition:
    """Flip two places of a kind, one to its first and one to its second option."""
    kind = rng.pick(NEUTRAL)
    places: dict[int, list[tuple[int, int, int]]] = {0: [], 1: []}
    for position in composition.places(kind):
        places[composition.place(position).state].append(position)
    if not places[0] or not places[1]:
        return composition
    return composition.flipped(rng.pick(places[0])).flipped(rng.pick(places[1]))


def _shared_rules(
    rng: Rng, texts: Sequence[Composition], edited: CountRule, number: int, counted: str
) -> list[CountRule]:
    """Return rules that all texts obey, no two about the same.

    Raises:
        Resample: if there are too few.
    """
    subjects = {subject(edited)}
    shared: list[CountRule] = []
    for rule in true_rules(split_text(texts[0].text), rng, counted):
        is_new = subject(rule) not in subjects and is_usable(rule)
        if is_new and not any(broken_rules(version.text, [rule]) for version in texts):
            shared.append(rule)
            subjects.add(subject(rule))
        if len(shared) == number:
            return shared
    raise Resample
