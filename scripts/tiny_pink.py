"""What tiny-rm learns from: training draws of the pink builder, in lessons from two bare names to whole dialogues.

Of the draws those are taken whose two prompts hold the same words, so that nothing can be learned but who is who:
a linear model on pairs of a prompt word and a response word finds each such feature right once and wrong once. The
topics, the frames and the names are none of core's; the rules share their wordings with core, but for those that
the builder keeps back as `reworded`. A network of this size learns to look a name up, and then what was said of it,
only if it meets the two one after the other: hence the lessons.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tiny_data import Messages, Mirror, chat

from rewardbench.builders.mirrors import Mirror as Whole
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
"""Share of a lesson's mirrors that come from the two lessons before it."""


@dataclass(frozen=True)
class Elephant:
    """A training mirror with its names: the wanted one is right in half a."""

    mirror: Whole
    forbidden: str
    wanted: str


@dataclass(frozen=True)
class Lesson:
    """So many batches of so many mirrors, each cut by a rule."""

    name: str
    steps: int
    mirrors: int
    cut: Callable[[Elephant, random.Random], Mirror]


def draw_elephants(seed: int, count: int, same_words: bool = True) -> list[Elephant]:
    """So many training mirrors, in random order, under invented names; those whose prompts hold the same words."""
    rng = random.Random(f"tiny-rm/{seed}")
    topics = {topic.name: topic for topic in TemplateBackend.of().topics if topic.pool == "train"}
    found: list[Elephant] = []
    while len(found) < count:
        found += (one for one in _deal(topics, rng) if not same_words or _same_words(one.mirror))
    rng.shuffle(found)
    return found[:count]


def _deal(topics: dict[str, Topic], rng: random.Random) -> Iterator[Elephant]:
    """Every plan that the topics allow, once, with new names for all pairs."""
    fields = [
        Field(name, [_renamed(pair, rng) for pair in topic.pairs], [_outlines(topic)] * len(topic.pairs))
        for name, topic in topics.items()
    ]
    pairs = {field.topic: field.pairs for field in fields}
    for plan in deal(fields, rng.randrange(2**31), "train"):
        yield _elephant(plan, topics[plan.topic], pairs[plan.topic][plan.pair])


def _same_words(mirror: Whole) -> bool:
    one, other = (distinct_words("\n".join(turn["content"] for turn in prompt)) for prompt in (mirror.a, mirror.b))
    return one == other


def _outlines(topic: Topic) -> list[Outline]:
    return [Outline(len(frame.turns), "") for frame in topic.frames]


def _renamed(pair: Pair, rng: random.Random) -> Pair:
    return Pair(Thing(_name(rng)), Thing(_name(rng)), pair.kind, definite=pair.definite)


def _name(rng: random.Random) -> str:
    """One to three syllables, often with a capital, now and then two words."""
    word = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice((1, 2, 2, 3))))
    word += rng.choice(_CODAS)
    word = word.capitalize() if rng.random() < 0.6 else word
    second = (rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)).capitalize()
    return f"{word} {second}" if rng.random() < 0.15 else word


def _elephant(plan: Plan, topic: Topic, pair: Pair) -> Elephant:
    """What the builder's stages make of a plan, without their files."""
    x, y = (pair.other, pair.one) if plan.turned else (pair.one, pair.other)
    frame = topic.frames[plan.frame]
    names = {"x": x.name, "y": y.name, "kind": pair.kind}
    turned = {**names, "x": y.name, "y": x.name}
    phrasing = plan.phrasing if frame.even else 0
    original = fill(frame.both_x, names) if plan.praises else reply(frame, names, phrasing)
    revision = reply(frame, turned, 1 - phrasing)
    whole = assemble(plan, pair, Dialogue(fill_turns(frame.turns, names), original, revision))
    return Elephant(whole, forbidden=x.name, wanted=y.name)


# --- the cuts, from little to all


def bare_names(one: Elephant, rng: random.Random) -> Mirror:
    """The plainest rule there is, and a name as the answer."""
    rules = rng.choice(_PLAIN)
    question = {"role": "user", "content": rng.choice(_QUESTIONS)}
    prompts = [({"role": "system", "content": rule.format(x=one.wanted, y=one.forbidden)}, question) for rule in rules]
    return Mirror("names", (prompts[0], prompts[1]), (f"{one.wanted}.", f"{one.forbidden}."))


def rule_alone(one: Elephant, rng: random.Random) -> Mirror:
    """The builder's rules and their twins, with a question of three words."""
    question, answer = {"role": "user", "content": rng.choice(_QUESTIONS)}, rng.choice(_ANSWERS)
    prompts = [(*_rule(prompt), question) for prompt in (one.mirror.a, one.mirror.b)]
    return Mirror("rule", (prompts[0], prompts[1]), (answer.format(one.wanted), answer.format(one.forbidden)))


def one_sentence(one: Elephant, rng: random.Random) -> Mirror:
    """Rule and last question; of each answer the sentence with the name."""
    answers = _naming(one.mirror.x, one.wanted), _naming(one.mirror.y, one.forbidden)
    return Mirror("sentence", _short(one), answers)


def short_prompt(one: Elephant, rng: random.Random) -> Mirror:
    """Rule, last question, whole answers."""
    return Mirror("short", _short(one), (one.mirror.x, one.mirror.y))


def everything(one: Elephant, rng: random.Random) -> Mirror:
    """The mirror as it is."""
    return Mirror("whole", (one.mirror.a, one.mirror.b), (one.mirror.x, one.mirror.y))


def _rule(prompt: Messages) -> Messages:
    """The turns that hold the rule: the system message, or the first turn and the assistant's ok."""
    return prompt[: 1 if prompt[0]["role"] == "system" else 2]


def _short(one: Elephant) -> tuple[Messages, Messages]:
    def cut(prompt: Messages) -> Messages:
        rule = _rule(prompt)
        return (*rule, prompt[-1]) if len(prompt) > len(rule) else prompt

    return cut(one.mirror.a), cut(one.mirror.b)


def _naming(text: str, name: str) -> str:
    return next((part for part in re.split(r"(?<=[.!?])\s+", text) if name in part), text)


LESSONS = (
    Lesson("names", 180, 32, bare_names),
    Lesson("rule", 180, 16, rule_alone),
    Lesson("sentence", 140, 12, one_sentence),
    Lesson("short", 240, 10, short_prompt),
    Lesson("whole", 340, 8, everything),
)


def study(elephants: Sequence[Elephant], seed: int, lessons: Sequence[Lesson] = LESSONS) -> Iterator[list[Mirror]]:
    """The mirrors of each lesson in turn; some of each repeat what the two lessons before it taught."""
    rng, at = random.Random(seed), 0
    for n, lesson in enumerate(lessons):
        mine = []
        for k in range(lesson.steps * lesson.mirrors):
            back = n > 1 and rng.random() < REVISED
            cut = lessons[rng.randrange(n - 2, n)].cut if back else lesson.cut
            mine.append(cut(elephants[(at + k) % len(elephants)], rng))
        at += lesson.steps * lesson.mirrors
        yield mine


def frames() -> list[Mirror]:
    """The dialogues of the training topics as they stand, without names: what must not occur in a suite."""
    every = [frame for topic in TemplateBackend.of().topics if topic.pool == "train" for frame in topic.frames]
    return [Mirror("frame", (chat(*frame.turns), chat(frame.both_x)), (frame.on_x, frame.on_y)) for frame in every]


def words() -> list[str]:
    """What the tokenizer is trained on: every frame and every rule of the training pool, without names."""
    texts = [text for mirror in frames() for text in mirror.texts()] * 2
    rules = [rule for rule in read_rules()[0] if not rule.reworded]
    texts += [rule.says(kind) for rule in rules for kind in ("rule", "decoy", "neutral")] * 6
    return [re.sub(r"\{\w+\}", "", text) for text in texts]
