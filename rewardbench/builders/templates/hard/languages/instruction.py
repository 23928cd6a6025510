"""A text under several checkable rules; the twin prompt has the two values of one rule swapped.

For example, in German:

    prompt a: Schreib den Aushang ... - Der erste Absatz hat genau 4 Sätze, der zweite genau 3. - Das Wort „Fest“ ...
    prompt b: the same, but 3 sentences in the first paragraph and 4 in the second
    responses: the same sentences, with the break between the paragraphs in another place
"""

from __future__ import annotations

from dataclasses import replace

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.languages.drafts import (
    TextContext,
    TextDraft,
    TextScene,
    draw_context,
    draw_draft,
    paired_rule,
    render_text,
)
from rewardbench.builders.templates.hard.languages.measures import measured_rules
from rewardbench.builders.templates.hard.languages.texts import fill_slots, make_content, read_texts
from rewardbench.types import Messages

RULES = {1: 2, 2: 4, 3: 6, 4: 8}
PAIRED = {1: 1, 2: 2, 3: 3, 4: 4}
"""Number of the rules with two values, one of which the twin swaps."""


def draw(language: str, rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror whose prompts differ in the order of the values of one rule."""
    texts = read_texts(language, "instruction")
    scene = TextScene(**rng.pick(texts["scenes"]))
    context = draw_context(rng, texts, scene)
    kinds = ["sentences", "words", "dates", "amounts", "order", *(("lists",) if rung > 2 else ())]
    paired = rng.sample(kinds, PAIRED[rung])
    if rung > 2 and "lists" not in paired:
        paired[-1] = "lists"
    draft = draw_draft(rng, rung, scene, paired)
    twin = swap_values(draft, paired[0])
    replies = [render_text(context, draft), render_text(context, twin)]
    if replies[0] == replies[1]:
        raise Resample
    measured = measured_rules(rng, texts, scene, replies)
    count = RULES[rung] - len(paired)
    if len(measured) < count:
        raise Resample
    shared = [paired_rule(context, draft, kind) for kind in paired[1:]] + rng.sample(measured, count)
    position = rng.number(0, len(shared))
    wordings = {kind: rng.pick(options) for kind, options in texts["rules"].items()}
    lines = []
    halves = []
    for choice in (draft, twin):
        rules = [*shared[:position], paired_rule(context, choice, paired[0]), *shared[position:]]
        rendered, checks = [], []
        for rule in rules:
            rendered.append(fill_slots(wordings[rule.kind], **rule.values))
            checks.append({"rule": rule.kind, **rule.check})
        lines.append(rendered)
        halves.append({"rules": checks})
    prompts = _render_prompts(rng, context, draft, lines)
    edit = f"values of the rule on {paired[0]} swapped"
    return make_content(edit, prompts, replies, "language-instruction", language, halves)


def swap_values(draft: TextDraft, kind: str) -> TextDraft:
    """Return a draft that follows a rule with its two values swapped, and every other rule."""
    if kind == "sentences":
        return replace(draft, split=len(draft.sentences) - draft.split)
    if kind == "dates":
        return replace(draft, date_forms=draft.date_forms[::-1])
    if kind == "amounts":
        return replace(draft, amount_forms=draft.amount_forms[::-1])
    if kind == "lists":
        return replace(draft, list_split=len(draft.items) - draft.list_split)
    if kind == "order":
        sentences = list(draft.sentences)
        first, second = (n for n, sentence in enumerate(sentences) if "{date" in sentence)
        sentences[first], sentences[second] = sentences[second], sentences[first]
        return replace(draft, sentences=tuple(sentences))
    words = list(draft.words)
    excess = 2 * sum(words) - len(words)
    for n, word in enumerate(words):
        if excess and word == (excess > 0):
            words[n] = 1 - word
            excess -= 1 if excess > 0 else -1
    return replace(draft, words=tuple(words))


def _render_prompts(rng: Rng, context: TextContext, draft: TextDraft, lines: list[list[str]]) -> list[Messages]:
    texts, scene = context.texts, context.scene
    job, note, convention = rng.pick(scene.jobs), rng.pick(texts["notes"]), rng.pick(texts["conventions"])
    colon = texts["colon"] + texts["space"]
    facts = list(map(colon.join, zip(context.labels, context.neutral, strict=True)))
    facts = rng.sample(facts, len(facts))
    if draft.items:
        facts.append(
            fill_slots(rng.pick(texts["items"]), items=texts["comma"].join(rng.sample(draft.items, len(draft.items))))
        )
    material = "\n".join([rng.pick(texts["material"]), *facts])
    opening = rng.pick(texts["openings"])
    layout = rng.number(0, 3)
    prompts = []
    for rules in lines:
        block = "\n- ".join([opening, *rules]) + "\n" + convention
        if layout == 0:
            prompts.append(chat(f"{job}\n\n{material}\n\n{block}"))
        elif layout == 1:
            prompts.append(chat(f"{job}\n\n{material}", system=block))
        elif layout == 2:
            prompts.append(chat(block, note, f"{job}\n\n{material}"))
        else:
            prompts.append(chat(f"{job}\n\n{block}\n\n{material}"))
    return prompts
