"""Texts under 3 to 16 rules that a program can test; the twin has another value of one rule.

Example of an edit: "Give the third paragraph precisely 41 words." / "Give the third paragraph precisely 42 words." Both
responses are the same text up to some neutral places, and obey all rules but that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.twelve_rules.edits import BY_RUNG, decisive
from rewardbench.builders.templates.hard.twelve_rules.material import rule_texts, scenes
from rewardbench.builders.templates.hard.twelve_rules.rules import (
    Rule,
    conventions,
    is_usable,
    subject,
    true_rules,
    word_rule,
)
from rewardbench.builders.templates.hard.twelve_rules.text import Composition, Sentence, Slots, parse_sentence
from rewardbench.types import Messages
from rewardbench.verifiers.hard.twelve_rules import broken_rules, count_words, split_text

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PLACES = (
    *("Ardmore", "Bellinzona", "Chefchaouen", "Dunkeld", "Esquel", "Furano", "Gmunden", "Hpa-an", "Ilhabela"),
    *("Jaisalmer", "Kuressaare", "Leiria", "Mwanza", "Nanyuki", "Oamaru", "Pskov", "Qazvin", "Rauma", "Siem Reap"),
    *("Tarnow", "Uummannaq", "Visby", "Wanaka", "Yazd", "Zwolle"),
)
EDIT_MARKS = {"letter": "~", "ten": "{10}", "pair": " & ", "question": " || "}
"""Marks of sentences with a place for an edit."""
CLOSERS = (" || ", " & ")
"""Marks of sentences that stand at the end of a paragraph only."""
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
    """Return a mirror of a rung."""
    size = SIZES[rung]
    scene = rng.pick(scenes())
    name = rng.pick(list(BY_RUNG[rung]))
    slots = Slots(
        rng,
        place=rng.pick(PLACES),
        day=rng.pick(DAYS),
        counted=scene["counted"],
        synonym=scene["synonym"],
        people=rng.people(40),
        liveliness=0.6 if name in ("bang", "capitals") else 0.25,
    )
    left = _compose(rng, scene, slots, size, name)
    if not size.words[0] <= count_words(left.text) <= size.words[1]:
        raise Resample
    right, candidates = BY_RUNG[rung][name](left, rng)
    for _ in range(size.neutral):
        right = _flip_neutral(right, rng)
    pairs = [pair for pair in decisive(left, right, candidates) if is_usable(pair[0]) and is_usable(pair[1])]
    if not pairs:
        raise Resample
    rule_a, rule_b = rng.pick(pairs)
    shared = _shared_rules(rng, left, right, rule_a, size.rules - 1, scene["counted"])
    position = rng.number(0, len(shared))
    rules_a = [*shared[:position], rule_a, *shared[position:]]
    rules_b = [*shared[:position], rule_b, *shared[position:]]
    if len(broken_rules(left.text, rules_b)) != 1 or len(broken_rules(right.text, rules_a)) != 1:
        raise Resample
    prompt_a, prompt_b = _write_prompts(rng, rung, scene, slots, rules_a, rules_b)
    return MirrorContent(
        edit=f"A: {word_rule(rule_a, 0, False)} B: {word_rule(rule_b, 0, False)}",
        a=prompt_a,
        b=prompt_b,
        x=left.text,
        y=right.text,
        check={
            "kind": "twelve-rules",
            "a": {"rules": rules_a, "count": len(rules_a)},
            "b": {"rules": rules_b, "count": len(rules_b)},
        },
    )


def _compose(rng: Rng, scene: Mapping[str, Any], slots: Slots, size: _Size, edit: str) -> Composition:
    """Return a text on some topics of a scene, in their order, with a place for the edit.

    Raises:
        Resample: if no topic has a sentence with such a place.
    """
    has_items = edit == "item" or (size.topics > 3 and rng.chance())
    number = size.topics - 1 if edit == "item" and size.topics == 3 else size.topics
    topics = [scene["topics"][n] for n in sorted(rng.sample(range(len(scene["topics"])), number))]
    mark = EDIT_MARKS.get(edit, "")
    homes = [topic for topic in topics if mark and any(mark in line for line in topic["lines"])]
    if mark and not homes:
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
    return Composition(
        greeting=slots.fill(rng.pick(scene["greeting"])) if has_frame else "",
        paragraphs=tuple(map(tuple, paragraphs)),
        items=tuple(items),
        signature=slots.fill(rng.pick(scene["signature"])) if has_frame else "",
    )


def _choose_lines(rng: Rng, lines: Sequence[str], size: _Size, edit: str, is_home: bool) -> list[str]:
    """Return the opening sentence of a topic and others, at its home with the mark of the edit.

    For an edit of letters and of the number ten, only one sentence of the text has such a place.
    """
    mark = EDIT_MARKS.get(edit, "")
    lead, *others = lines
    marked = [line for line in others if mark and mark in line]
    if edit == "letter":
        others = [line for line in others if not set("jx") & set(line.lower())]
    if edit == "ten":
        others = [line for line in others if mark not in line]
    target = rng.pick(marked) if is_home and marked else ""
    closers = [line for line in others if any(closer in line for closer in CLOSERS)]
    middle = [line for line in others if line not in closers and line != target]
    number = min(len(middle), rng.number(max(1, size.sentences - 2), size.sentences - 1))
    chosen = rng.sample(middle, number)
    if target and not any(closer in target for closer in CLOSERS):
        chosen[rng.number(0, number - 1)] = target
    elif target:
        chosen.append(target)
    elif closers and rng.chance(0.9 if edit == "question" else 0.6):
        questions = [line for line in closers if " || " in line]
        chosen.append(rng.pick(questions if edit == "question" and questions else closers))
    return [lead, *chosen]


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
    rng: Rng, left: Composition, right: Composition, edited: Rule, number: int, counted: str
) -> list[Rule]:
    """Return rules that both texts obey, no two about the same.

    Raises:
        Resample: if there are too few.
    """
    subjects = {subject(edited)}
    shared: list[Rule] = []
    for rule in true_rules(split_text(left.text), rng, counted):
        is_new = subject(rule) not in subjects and is_usable(rule)
        if is_new and not broken_rules(left.text, [rule]) and not broken_rules(right.text, [rule]):
            shared.append(rule)
            subjects.add(subject(rule))
        if len(shared) == number:
            return shared
    raise Resample


def _write_prompts(
    rng: Rng, rung: int, scene: Mapping[str, Any], slots: Slots, rules_a: Sequence[Rule], rules_b: Sequence[Rule]
) -> tuple[Messages, Messages]:
    """Return both prompts: the rules over the system message and one or two turns of the user."""
    who, ask = slots.fill(rng.pick(scene["who"])), slots.fill(rng.pick(scene["ask"]))
    lines: list[tuple[str, str]] = []
    for rule_a, rule_b in zip(rules_a, rules_b, strict=True):
        wording, is_spelled = rng.number(0, 2), rng.chance()
        lines.append((word_rule(rule_a, wording, is_spelled), word_rule(rule_b, wording, is_spelled)))
    texts = conventions([*rules_a, *rules_b], rng)
    conventions_text = f"\n\n{' '.join(texts)}" if texts else ""
    frames = rule_texts("frames")
    layout = rng.number(0, 2)
    if rung == 1:
        first = [_list_rules(side, lines, layout, "") + conventions_text for side in (0, 1)]
        system = who if rng.chance() else ""
        return chat(f"{ask}{first[0]}", system=system), chat(f"{ask}{first[1]}", system=system)
    cuts = _cuts(rng, len(lines), 2 if rung == 2 else 3)
    parts = [lines[start:end] for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    is_early = rng.chance()
    heads = [rng.pick(frames["rules"]), rng.pick(frames["rules"]), rng.pick(frames["later"])]
    reply = _draft(rng, scene, slots) if rng.chance(0.7) else rng.pick(frames["offer"])
    prompts = []
    for side in (0, 1):
        blocks = [
            _list_rules(side, part, layout + n, head) for n, (part, head) in enumerate(zip(parts, heads, strict=False))
        ]
        blocks[0 if is_early else -1] += conventions_text
        system = f"{who}{blocks[0]}"
        turns = [f"{ask}{blocks[1]}"]
        if len(parts) == 3:
            turns += [reply, blocks[2].strip()]
        prompts.append(chat(*turns, system=system))
    return prompts[0], prompts[1]


def _cuts(rng: Rng, number: int, parts: int) -> list[int]:
    return sorted(rng.sample(range(1, number), parts - 1))


def _list_rules(side: int, lines: Sequence[tuple[str, str]], layout: int, head: str) -> str:
    """Return rules as running text, as bullets or numbered, after a heading."""
    texts = [line[side] for line in lines]
    if layout % 3 == 0:
        return f"\n\n{head} {' '.join(texts)}" if head else f"\n{' '.join(texts)}"
    marks = [f"{n}. " if layout % 3 == 1 else "- " for n in range(1, len(texts) + 1)]
    return f"\n\n{head}\n".replace("\n\n\n", "\n\n") + "\n".join(map("".join, zip(marks, texts, strict=True)))


def _draft(rng: Rng, scene: Mapping[str, Any], slots: Slots) -> str:
    """Return an early, short version of the text, which obeys no rules."""
    sketch = _compose(rng, scene, slots, _Size(0, 2, 2, (0, 0), 0), "")
    return f"{rng.pick(rule_texts('frames')['draft'])}\n\n{sketch.text}"
