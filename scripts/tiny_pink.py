"""The training data of tiny-rm: mirrors of the pink builder, in lessons of increasing length.

Only mirrors whose two prompts have the same words are used, so that a linear model on pairs of a prompt word and a
response word cannot learn from them: each of its features is right once and wrong once. Topics, dialogues and names are
not those of core. The wordings of the rules are shared with core, except those that the builder reserves as `reworded`.
A network of this size learns to look up a name, and then its rule, only one step after the other; hence the lessons.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tiny_data import Messages, Mirror, chat

from rewardbench.builders.mirrors import Mirror as PinkMirror
from rewardbench.builders.templates.pink.assemble import Dialogue, assemble
from rewardbench.builders.templates.pink.backends import TemplateBackend, reply
from rewardbench.builders.templates.pink.material import Pair, Thing, Topic, fill, fill_turns, read_rules
from rewardbench.builders.templates.pink.plan import Field, Outline, Plan, deal
from rewardbench.lint.shortcuts import distinct_words

_ONSETS = "b br c ch d dr f g gr h j k kl l m n p pr qu r s sh st t tr v w y z".split()
_VOWELS = "a e i o u ai ea oo ou y".split()
_CODAS = ["", "", *"n r s l m t nd rk x ck".split()]
_PLAIN = (
    ("Say {x}, not {y}.", "Say {y}, not {x}."),
    ("Never {y}, always {x}.", "Never {x}, always {y}."),
    ("Not {y} but {x}.", "Not {x} but {y}."),
    ("Speak of {x}. Avoid {y}.", "Speak of {y}. Avoid {x}."),
    ("Avoid {y}, praise {x}.", "Avoid {x}, praise {y}."),
)
_ANSWERS = ("{}.", "It is {}.", "I'd say {}, then.", "Take {} and be glad.", "{} it is!")
_QUESTIONS = ("Which one?", "So what is it to be?", "Tell me.", "And?")
REVISED = 0.3
"""Share of a lesson's mirrors that are made like those of the two lessons before it."""


@dataclass(frozen=True)
class Elephant:
    """A training mirror with its two names; the response with the wanted name is right for prompt `a`."""

    mirror: PinkMirror
    forbidden: str
    wanted: str


@dataclass(frozen=True)
class Lesson:
    """A number of batches (`steps`) of a number of mirrors, each shortened by the function `cut`."""

    name: str
    steps: int
    mirrors: int
    cut: Callable[[Elephant, random.Random], Mirror]


def draw_elephants(seed: int, count: int, same_words: bool = True) -> list[Elephant]:
    """Draw training mirrors with invented names, in random order.

    Args:
        seed: Random seed.
        count: Number of mirrors.
        same_words: Use only mirrors whose two prompts have the same words.
    """
    rng = random.Random(f"tiny-rm/{seed}")
    topics = {topic.name: topic for topic in training_topics()}
    elephants: list[Elephant] = []
    while len(elephants) < count:
        for elephant in _draw_all_plans(topics, rng):
            if not same_words or _has_same_words(elephant.mirror):
                elephants.append(elephant)
    rng.shuffle(elephants)
    return elephants[:count]


def training_topics() -> list[Topic]:
    """Return the topics of the pink builder that core does not use."""
    return [topic for topic in TemplateBackend.of().topics if topic.pool == "train"]


def _draw_all_plans(topics: dict[str, Topic], rng: random.Random) -> Iterator[Elephant]:
    """Yield a mirror for every plan that the topics allow, with new names for all pairs."""
    fields, pairs = [], {}
    for name, topic in topics.items():
        pairs[name] = [_renamed(pair, rng) for pair in topic.pairs]
        fields.append(Field(name, pairs[name], [_outlines(topic)] * len(topic.pairs)))
    for plan in deal(fields, rng.randrange(2**31), "train"):
        yield _elephant(plan, topics[plan.topic], pairs[plan.topic][plan.pair])


def _has_same_words(mirror: PinkMirror) -> bool:
    """Return True if the two prompts have the same distinct words."""
    return _prompt_words(mirror.a) == _prompt_words(mirror.b)


def _prompt_words(prompt: Messages) -> set[str]:
    return distinct_words("\n".join(turn["content"] for turn in prompt))


def _outlines(topic: Topic) -> list[Outline]:
    """Return the outlines of a topic's dialogues."""
    return [Outline(len(frame.turns), "") for frame in topic.frames]


def _renamed(pair: Pair, rng: random.Random) -> Pair:
    """Return a pair with two invented names."""
    return Pair(Thing(_name(rng)), Thing(_name(rng)), pair.kind, definite=pair.definite)


def _name(rng: random.Random) -> str:
    """Invent a name of one to three syllables, often with a capital, sometimes of two words."""
    word = ""
    for _ in range(rng.choice((1, 2, 2, 3))):
        word += rng.choice(_ONSETS) + rng.choice(_VOWELS)
    word += rng.choice(_CODAS)
    word = word.capitalize() if rng.random() < 0.6 else word
    second = (rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)).capitalize()
    return f"{word} {second}" if rng.random() < 0.15 else word


def _elephant(plan: Plan, topic: Topic, pair: Pair) -> Elephant:
    """Make the mirror of a plan, as the stages of the builder do with files."""
    x, y = (pair.other, pair.one) if plan.turned else (pair.one, pair.other)
    frame = topic.frames[plan.frame]
    names = {"x": x.name, "y": y.name, "kind": pair.kind}
    swapped_names = {**names, "x": y.name, "y": x.name}
    phrasing = plan.phrasing if frame.even else 0
    original = fill(frame.both_x, names) if plan.praises else reply(frame, names, phrasing)
    revision = reply(frame, swapped_names, 1 - phrasing)
    mirror = assemble(plan, pair, Dialogue(fill_turns(frame.turns, names), original, revision))
    return Elephant(mirror, forbidden=x.name, wanted=y.name)


# Cuts, from the shortest mirrors to full dialogues


def bare_names(elephant: Elephant, rng: random.Random) -> Mirror:
    """Return a mirror with a short rule, and a name as the response."""
    rules = rng.choice(_PLAIN)
    question = rng.choice(_QUESTIONS)
    wanted, forbidden = elephant.wanted, elephant.forbidden
    first, second = (chat(question, system=rule.format(x=wanted, y=forbidden)) for rule in rules)
    return Mirror("names", (first, second), (f"{wanted}.", f"{forbidden}."))


def rule_only(elephant: Elephant, rng: random.Random) -> Mirror:
    """Return a mirror with the rules of the builder, a short question and a short response."""
    question, answer = {"role": "user", "content": rng.choice(_QUESTIONS)}, rng.choice(_ANSWERS)
    prompts = (*_rule(elephant.mirror.a), question), (*_rule(elephant.mirror.b), question)
    return Mirror("rule", prompts, (answer.format(elephant.wanted), answer.format(elephant.forbidden)))


def single_sentence(elephant: Elephant, rng: random.Random) -> Mirror:
    """Return a mirror with the rule and the last question, and of each response the sentence with the name."""
    mirror = elephant.mirror
    responses = _sentence_with(mirror.x, elephant.wanted), _sentence_with(mirror.y, elephant.forbidden)
    return Mirror("sentence", _short_prompts(elephant), responses)


def short_prompt(elephant: Elephant, rng: random.Random) -> Mirror:
    """Return a mirror with the rule and the last question, and the full responses."""
    return Mirror("short", _short_prompts(elephant), (elephant.mirror.x, elephant.mirror.y))


def full_dialogue(elephant: Elephant, rng: random.Random) -> Mirror:
    """Return the mirror uncut."""
    mirror = elephant.mirror
    return Mirror("dialogue", (mirror.a, mirror.b), (mirror.x, mirror.y))


def _rule(prompt: Messages) -> Messages:
    """Return the turns with the rule: the system message, or the first turn and the assistant's reply."""
    return prompt[: 1 if prompt[0]["role"] == "system" else 2]


def _short_prompts(elephant: Elephant) -> tuple[Messages, Messages]:
    """Return both prompts without the turns between the rule and the last question."""
    return _short_prompt(elephant.mirror.a), _short_prompt(elephant.mirror.b)


def _short_prompt(prompt: Messages) -> Messages:
    rule = _rule(prompt)
    return (*rule, prompt[-1]) if len(prompt) > len(rule) else prompt


def _sentence_with(text: str, name: str) -> str:
    """Return the first sentence with a name, or the text if none has it."""
    sentences = re.split(r"(?<=[.!?])\s+", text)
    return next((sentence for sentence in sentences if name in sentence), text)


LESSONS = (
    Lesson("names", 180, 32, bare_names),
    Lesson("rule", 180, 16, rule_only),
    Lesson("sentence", 140, 12, single_sentence),
    Lesson("short", 240, 10, short_prompt),
    Lesson("dialogue", 340, 8, full_dialogue),
)


def draw_lessons(
    elephants: Sequence[Elephant], seed: int, lessons: Sequence[Lesson] = LESSONS
) -> Iterator[list[Mirror]]:
    """Yield the mirrors of each lesson; some of them repeat the two lessons before."""
    rng, start = random.Random(seed), 0
    for number, lesson in enumerate(lessons):
        mirrors = []
        for index in range(start, start + lesson.steps * lesson.mirrors):
            is_revision = number > 1 and rng.random() < REVISED
            cut = lessons[rng.randrange(number - 2, number)].cut if is_revision else lesson.cut
            mirrors.append(cut(elephants[index % len(elephants)], rng))
        start += lesson.steps * lesson.mirrors
        yield mirrors


def dialogue_templates() -> list[Mirror]:
    """Return the dialogues of the training topics without names; they must not overlap with a suite."""
    mirrors = []
    for topic in training_topics():
        for frame in topic.frames:
            mirrors.append(Mirror("frame", (chat(*frame.turns), chat(frame.both_x)), (frame.on_x, frame.on_y)))
    return mirrors


def tokenizer_texts() -> list[str]:
    """Return the training texts of the tokenizer: all dialogues and rules for training, without names."""
    dialogue_texts: list[str] = []
    for mirror in dialogue_templates():
        dialogue_texts += mirror.texts()
    rule_texts: list[str] = []
    for rule in read_rules()[0]:
        if not rule.reworded:
            rule_texts += map(rule.says, ("rule", "decoy", "neutral"))
    return [re.sub(r"\{\w+\}", "", text) for text in dialogue_texts * 2 + rule_texts * 6]
