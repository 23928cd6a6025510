"""Training data of tiny-rm: training draws of the pink builder, in lessons from two bare names to whole dialogues.

Only mirrors whose prompts have the same words are used, so that a linear model on pairs of a prompt word and a response
word cannot learn them: it finds each such feature right once and wrong once. The topics, dialogues and names differ
from core's; the rules are those of core, except for those that the builder reserves as `reworded`. A network of this
size learns to look up a name, and then its rule, only in this order; hence the lessons. Used by
scripts/train_tiny_models, scripts/train_cross_encoder and scripts/leaderboard_demo.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tiny_data import Messages, Mirror, chat

from rewardbench.builders.mirrors import Mirror as SuiteMirror
from rewardbench.builders.templates.pink.assembly import Dialogue, forbidden_and_wanted, pink_mirror
from rewardbench.builders.templates.pink.backends import TemplateBackend, original_reply, revised_reply
from rewardbench.builders.templates.pink.material import Subject, SubjectPair, Topic, fill_turns, read_rules
from rewardbench.builders.templates.pink.plan import Outline, Plan, TopicOutlines, make_plans
from rewardbench.lint.shortcuts import distinct_words

_ONSETS = "b br c ch d dr f g gr h j k kl l m n p pr qu r s sh st t tr v w y z".split()
_VOWELS = "a e i o u ai ea oo ou y".split()
_CODAS = ["", "", *"n r s l m t nd rk x ck".split()]
_PLAIN_RULES = (
    ("Say {x}, not {y}.", "Say {y}, not {x}."),
    ("Never {y}, always {x}.", "Never {x}, always {y}."),
    ("Not {y} but {x}.", "Not {x} but {y}."),
    ("Speak of {x}. Avoid {y}.", "Speak of {y}. Avoid {x}."),
    ("Avoid {y}, praise {x}.", "Avoid {x}, praise {y}."),
)
_ANSWERS = ("{}.", "It is {}.", "I'd say {}, then.", "Take {} and be glad.", "{} it is!")
_QUESTIONS = ("Which one?", "So what is it to be?", "Tell me.", "And?")
REVIEW_SHARE = 0.3
"""Share of a lesson's mirrors that come from the two lessons before it."""


@dataclass(frozen=True)
class PinkMirror:
    """A training mirror with its two names: the wanted one is right for prompt a."""

    mirror: SuiteMirror
    forbidden: str
    wanted: str


@dataclass(frozen=True)
class Lesson:
    """`steps` batches of `mirrors` mirrors, each simplified by a function."""

    name: str
    steps: int
    mirrors: int
    simplify: Callable[[PinkMirror, random.Random], Mirror]


def draw_pink_mirrors(seed: int, count: int, same_words: bool = True) -> list[PinkMirror]:
    """Draw training mirrors under invented names, in random order.

    Args:
        seed: seed of all random choices.
        count: number of mirrors.
        same_words: whether to use only mirrors whose prompts have the same words.
    """
    rng = random.Random(f"tiny-rm/{seed}")
    topics = {topic.name: topic for topic in TemplateBackend.from_files().topics if topic.pool == "train"}
    drawn: list[PinkMirror] = []
    while len(drawn) < count:
        for pink in _draw_all_plans(topics, rng):
            if not same_words or _have_same_words(pink.mirror):
                drawn.append(pink)
    rng.shuffle(drawn)
    return drawn[:count]


def _draw_all_plans(topics: dict[str, Topic], rng: random.Random) -> Iterator[PinkMirror]:
    """Yield the mirror of every plan that the topics allow, with new names for all pairs."""
    outlines: dict[str, TopicOutlines] = {}
    for name, topic in topics.items():
        pairs = [_renamed(pair, rng) for pair in topic.pairs]
        topic_outlines = []
        for dialogue in topic.dialogues:
            topic_outlines.append(Outline(len(dialogue.turns), "", takes_side=not dialogue.is_neutral))
        outlines[name] = TopicOutlines(name, pairs, [topic_outlines] * len(pairs))
    for plan in make_plans(list(outlines.values()), rng.randrange(2**31), "train"):
        yield _assemble(plan, topics[plan.topic], outlines[plan.topic].pairs[plan.pair_index])


def _have_same_words(mirror: SuiteMirror) -> bool:
    words_a, words_b = (
        distinct_words("\n".join(turn["content"] for turn in prompt)) for prompt in (mirror.a, mirror.b)
    )
    return words_a == words_b


def _renamed(pair: SubjectPair, rng: random.Random) -> SubjectPair:
    return SubjectPair(Subject(_invent_name(rng)), Subject(_invent_name(rng)), pair.kind, definite=pair.definite)


def _invent_name(rng: random.Random) -> str:
    """Return one to three syllables, often with a capital, sometimes two words."""
    syllables = rng.choice((1, 2, 2, 3))
    word = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(syllables))
    word += rng.choice(_CODAS)
    word = word.capitalize() if rng.random() < 0.6 else word
    second_word = (rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)).capitalize()
    return f"{word} {second_word}" if rng.random() < 0.15 else word


def _assemble(plan: Plan, topic: Topic, pair: SubjectPair) -> PinkMirror:
    """Make the mirror that the builder's stages would make of a plan, without their files."""
    x, y = forbidden_and_wanted(plan, pair)
    template = topic.dialogues[plan.dialogue_index]
    values = {"x": x.name, "y": y.name, "kind": pair.kind}
    original = original_reply(template, values, plan.phrasing, plan.praises)
    revision = revised_reply(template, values, plan.phrasing)
    mirror = pink_mirror(plan, pair, Dialogue(fill_turns(template.turns, values), original), revision)
    return PinkMirror(mirror, forbidden=x.name, wanted=y.name)


# Simplifications, from the shortest mirrors to full ones


def bare_names(pink: PinkMirror, rng: random.Random) -> Mirror:
    """Return the plainest rule possible, with a name as the answer."""
    rules = rng.choice(_PLAIN_RULES)
    question = {"role": "user", "content": rng.choice(_QUESTIONS)}
    prompts = []
    for rule in rules:
        content = rule.format(x=pink.wanted, y=pink.forbidden)
        prompts.append(({"role": "system", "content": content}, question))
    return Mirror("names", (prompts[0], prompts[1]), (f"{pink.wanted}.", f"{pink.forbidden}."))


def rule_only(pink: PinkMirror, rng: random.Random) -> Mirror:
    """Return the rules of the builder, with a short question and a short answer."""
    question, answer = {"role": "user", "content": rng.choice(_QUESTIONS)}, rng.choice(_ANSWERS)
    prompts = ((*_rule(pink.mirror.a), question), (*_rule(pink.mirror.b), question))
    return Mirror("rule", prompts, (answer.format(pink.wanted), answer.format(pink.forbidden)))


def one_sentence(pink: PinkMirror, rng: random.Random) -> Mirror:
    """Return rule and last question, with the sentence of each answer that contains the name."""
    answers = _sentence_with(pink.wanted, pink.mirror.x), _sentence_with(pink.forbidden, pink.mirror.y)
    return Mirror("sentence", _short_prompts(pink), answers)


def short_prompt(pink: PinkMirror, rng: random.Random) -> Mirror:
    """Return rule and last question, with full answers."""
    return Mirror("short", _short_prompts(pink), (pink.mirror.x, pink.mirror.y))


def full_mirror(pink: PinkMirror, rng: random.Random) -> Mirror:
    """Return the mirror as it is."""
    return Mirror("dialogue", (pink.mirror.a, pink.mirror.b), (pink.mirror.x, pink.mirror.y))


def _rule(prompt: Messages) -> Messages:
    """Return the messages with the rule: the system message, or the first turn and the assistant's answer to it."""
    return prompt[: 1 if prompt[0]["role"] == "system" else 2]


def _short_prompts(pink: PinkMirror) -> tuple[Messages, Messages]:
    return _short_prompt(pink.mirror.a), _short_prompt(pink.mirror.b)


def _short_prompt(prompt: Messages) -> Messages:
    """Return the rule and the last turn."""
    rule = _rule(prompt)
    return (*rule, prompt[-1]) if len(prompt) > len(rule) else prompt


def _sentence_with(name: str, text: str) -> str:
    """Return the first sentence that contains a name; the whole text if none does."""
    for sentence in re.split(r"(?<=[.!?])\s+", text):
        if name in sentence:
            return sentence
    return text


LESSONS = (
    Lesson("names", 180, 32, bare_names),
    Lesson("rule", 180, 16, rule_only),
    Lesson("sentence", 140, 12, one_sentence),
    Lesson("short", 240, 10, short_prompt),
    Lesson("dialogue", 340, 8, full_mirror),
)


def lesson_mirrors(
    pink_mirrors: Sequence[PinkMirror], seed: int, lessons: Sequence[Lesson] = LESSONS
) -> Iterator[list[Mirror]]:
    """Yield the mirrors of each lesson; some of them repeat what the two lessons before it taught."""
    rng = random.Random(seed)
    position = 0
    for n, lesson in enumerate(lessons):
        mirrors = []
        for _ in range(lesson.steps * lesson.mirrors):
            is_review = n > 1 and rng.random() < REVIEW_SHARE
            simplify = lessons[rng.randrange(n - 2, n)].simplify if is_review else lesson.simplify
            mirrors.append(simplify(pink_mirrors[position % len(pink_mirrors)], rng))
            position += 1
        yield mirrors


def dialogue_templates() -> list[Mirror]:
    """Return the dialogues of the training topics without names: what must not occur in a suite."""
    mirrors = []
    for topic in TemplateBackend.from_files().topics:
        if topic.pool == "train":
            for dialogue in topic.dialogues:
                prompts = chat(*dialogue.turns), chat(dialogue.both_x)
                mirrors.append(Mirror("frame", prompts, (dialogue.on_x, dialogue.on_y)))
    return mirrors


def tokenizer_texts() -> list[str]:
    """Return the texts to train the tokenizer on: every dialogue and rule of the training pool, without names."""
    texts: list[str] = []
    for mirror in dialogue_templates() * 2:
        texts += mirror.texts()
    rule_texts: list[str] = []
    for rule in read_rules().rules:
        if not rule.reworded:
            rule_texts += map(rule.text, ("rule", "decoy", "neutral"))
    return [re.sub(r"\{\w+\}", "", text) for text in texts + rule_texts * 6]
