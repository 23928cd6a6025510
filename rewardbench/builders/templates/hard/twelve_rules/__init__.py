"""Texts under 3 to 16 rules that a program can test; the twin has another value of one rule.

Example of an edit: "Give the third paragraph precisely 41 words." / "Give the third paragraph precisely 42 words."
Up to rung 2 both responses are the same text up to some neutral places. From rung 3 on they have other sentences, and
many rules need a long count over the whole text, of letters, words or sentences; both texts obey all but one of them,
in which they differ by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng, SquareContent
from rewardbench.builders.templates.hard.twelve_rules.apart import APART, draw_apart
from rewardbench.builders.templates.hard.twelve_rules.compose import SIZES, TextSize, compose
from rewardbench.builders.templates.hard.twelve_rules.edits import BY_RUNG, decisive
from rewardbench.builders.templates.hard.twelve_rules.material import rule_texts, scenes
from rewardbench.builders.templates.hard.twelve_rules.prompts import Opening, write_prompts
from rewardbench.builders.templates.hard.twelve_rules.rules import (
    CountRule,
    is_usable,
    laborious_rules,
    quick_rules,
    subject,
    true_rules,
    word_rule,
)
from rewardbench.builders.templates.hard.twelve_rules.text import Composition, Slots
from rewardbench.verifiers.hard.twelve_rules import COUNTS, TextParts, broken_rules, obeys, split_text

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PLACES = (
    *("Ardmore", "Bellinzona", "Chefchaouen", "Dunkeld", "Esquel", "Furano", "Gmunden", "Hpa-an", "Ilhabela"),
    *("Jaisalmer", "Kuressaare", "Leiria", "Mwanza", "Nanyuki", "Oamaru", "Pskov", "Qazvin", "Rauma", "Siem Reap"),
    *("Tarnow", "Uummannaq", "Visby", "Wanaka", "Yazd", "Zwolle"),
)
COUNTED = {"word": "words", "comma": "commas", "joint": "sentences", "bang": "exclamations", "capitals": "capitals"}
"""Kinds of places of which a square has zero to three more, with the rule that counts them; the first are frequent."""
SQUARE_SIZE = 4
LAST_EDITED_RUNG = 2
"""Rung up to which the second text is the first with one edit; above, the texts are independent."""
TEXTS = 200
"""Texts to draw until one allows the edit."""
NEUTRAL = ("word", "comma", "joint", "count", "capitals")
"""Kinds of places that are flipped two at a time, so that the two texts differ in several places."""


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Return a mirror of a rung. The kinds of its edit are drawn once, so that rare kinds get their share."""
    kinds = rng.pick(APART[rung] if rung > LAST_EDITED_RUNG else [(name,) for name in BY_RUNG[rung]])
    for _ in range(TEXTS):
        with suppress(Resample):
            return _draw_mirror(rng, rung, kinds)
    raise Resample


def _draw_mirror(rng: Rng, rung: int, kinds: Sequence[str]) -> MirrorContent:
    """Return a mirror with an edit of one of these kinds.

    Raises:
        Resample: if the text does not allow it.
    """
    size = SIZES[rung]
    name = kinds[0]
    scene, slots = _draw_scene(rng, name)
    if rung > LAST_EDITED_RUNG:
        left, right, pairs = draw_apart(rng, scene, slots, size, kinds)
    else:
        left = compose(rng, scene, slots, size, name)
        right, candidates = BY_RUNG[rung][name](left, rng)
        for _ in range(size.neutral):
            right = _flip_neutral(right, rng)
        pairs = decisive(left, right, candidates)
    pairs = [pair for pair in pairs if is_usable(pair[0]) and is_usable(pair[1])]
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
    text = compose(rng, scene, slots, size, name)
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
    sketch = compose(rng, scene, slots, TextSize(0, 2, 2, (0, 1000), 0), "")
    draft = f"{rng.pick(rule_texts('frames')['draft'])}\n\n{sketch.text}"
    return Opening(slots.fill(rng.pick(scene["who"])), slots.fill(rng.pick(scene["ask"])), draft)


def _rule_sets(
    rng: Rng, size: TextSize, scene: Mapping[str, Any], texts: Sequence[Composition], edited: Sequence[CountRule]
) -> list[list[CountRule]]:
    """Return the rules of each text: one of its own, and others that all texts obey.

    Raises:
        Resample: if there are too few, or a text breaks none or several rules of another.
    """
    shared = _shared_rules(rng, texts, edited[0], size, scene["counted"])
    position = rng.number(0, len(shared))
    rule_sets = [[*shared[:position], rule, *shared[position:]] for rule in edited]
    for n, rules in enumerate(rule_sets):
        for m, version in enumerate(texts):
            if len(broken_rules(version.text, rules)) != (n != m):
                raise Resample
    return rule_sets


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
    rng: Rng, texts: Sequence[Composition], edited: CountRule, size: TextSize, counted: str
) -> list[CountRule]:
    """Return rules that all texts obey, no two about the same, in random order; some need a long count.

    Raises:
        Resample: if there are too few.
    """
    texts_in_parts = [split_text(version.text) for version in texts]
    parts = texts_in_parts[0]
    shared = _obeyed_by_all(texts_in_parts, laborious_rules(parts, rng), [edited], size.laborious)
    others = quick_rules(parts, rng, counted) if size.laborious else true_rules(parts, rng, counted)
    shared += _obeyed_by_all(texts_in_parts, others, [edited, *shared], size.rules - 1 - size.laborious)
    return rng.sample(shared, len(shared))


def _obeyed_by_all(
    texts: Sequence[TextParts], rules: Iterable[CountRule], chosen: Sequence[CountRule], number: int
) -> list[CountRule]:
    """Return the first rules that all texts obey and that are not about the same as those already chosen.

    Raises:
        Resample: if there are too few.
    """
    subjects = set(map(subject, chosen))
    obeyed: list[CountRule] = []
    for rule in rules:
        if len(obeyed) == number:
            break
        is_new = subject(rule) not in subjects and is_usable(rule)
        if is_new and all(obeys(parts, rule) for parts in texts):
            obeyed.append(rule)
            subjects.add(subject(rule))
    if len(obeyed) < number:
        raise Resample
    return obeyed
