"""Two independent texts under the same rules, but for one count over the whole text in which they differ by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.twelve_rules.compose import TextSize, compose
from rewardbench.builders.templates.hard.twelve_rules.edits import RulePair
from rewardbench.builders.templates.hard.twelve_rules.rules import LEAST_COUNT, CountRule, keyed_rules
from rewardbench.builders.templates.hard.twelve_rules.text import Composition, Slots
from rewardbench.verifiers.hard.twelve_rules import count_of, count_words, split_text

TUNED: Mapping[str, str] = {
    "words": "word",
    "commas": "comma",
    "sentences": "joint",
    "exclamations": "bang",
    "capitals": "capitals",
    "questions": "question",
}
"""Counts that are made equal in both texts, with the kind of places that change them and nothing else."""
APART: Mapping[int, tuple[tuple[str, ...], ...]] = {
    3: (("words",), ("letter_words", "uses"), ("length_words",), ("initial_words", "final_words")),
    4: (
        *(("letters",), ("letters",), ("words",), ("letter_words",)),
        *(("length_words", "doubled_words"), ("initial_words", "final_words")),
    ),
}
"""Kinds of the rule in which the texts differ, in groups, by rung; one group has a double share."""


def draw_apart(
    rng: Rng, scene: Mapping[str, Any], slots: Slots, size: TextSize, kinds: Sequence[str]
) -> tuple[Composition, Composition, list[RulePair]]:
    """Return two texts of other sentences, and the pairs of rules of these kinds whose counts differ by one.

    Raises:
        Resample: if the texts do not allow it.
    """
    left = compose(rng, scene, slots, size, "")
    right = compose(rng, scene, slots, size, "", left)
    for count, places in TUNED.items():
        step = rng.pick((-1, 1)) if count in kinds else 0
        right = _tune(rng, right, places, {"rule": count}, _count(left, {"rule": count}) + step)
    uses: CountRule = {"rule": "uses", "w": scene["counted"]}
    right = _tune(rng, right, "count", uses, _count(left, uses))
    if not size.words[0] <= count_words(right.text) <= size.words[1]:
        raise Resample
    pairs: list[RulePair] = []
    for kind in kinds:
        for rule in keyed_rules(kind):
            numbers = _count(left, rule), _count(right, rule)
            if abs(numbers[0] - numbers[1]) == 1 and min(numbers) >= LEAST_COUNT:
                pairs.append((rule | {"n": numbers[0]}, rule | {"n": numbers[1]}))
    return left, right, pairs


def _count(text: Composition, rule: CountRule) -> int:
    return count_of(split_text(text.text), rule)


def _tune(rng: Rng, text: Composition, places: str, rule: CountRule, goal: int) -> Composition:
    """Flip places of a kind as long as that brings the count of a rule nearer to the goal."""
    positions = text.places(places)
    number = _count(text, rule)
    for position in rng.sample(positions, len(positions)):
        if number == goal:
            break
        flipped = text.flipped(position)
        new_number = _count(flipped, rule)
        if abs(goal - new_number) < abs(goal - number):
            text, number = flipped, new_number
    return text
