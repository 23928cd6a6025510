"""A text under several checkable rules; the twin prompt differs in one of them.

On rungs 1 and 2, the two values of the rule are swapped. Above, the rule is one of several exact counts over both
paragraphs, which differs by one; the texts have other sentences in another order.

For example, in German:

    prompt a: Schreib den Aushang ... - Der erste Absatz hat genau 4 Sätze, der zweite genau 3. - Das Wort „Fest“ ...
    prompt b: the same, but 3 sentences in the first paragraph and 4 in the second
    responses: the same sentences, with the break between the paragraphs in another place
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng, SquareContent
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.languages.counted import draw_counted_drafts
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

KIND = "language-instruction"
RULES = {1: 2, 2: 4, 3: 6, 4: 8}
PAIRED = {1: 1, 2: 2, 3: 2, 4: 2}
"""Number of the rules with two values."""


def draw(language: str, rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror whose prompts differ in one rule: the order of its two values, or an exact count of the text."""
    draw_settings = _draw_settings if rung < 3 else _draw_counted
    edit, prompts, replies, checks = draw_settings(language, rng, rung, 1)
    return make_content(edit, prompts, replies, KIND, language, checks)


def draw_square(language: str, rng: Rng, rung: int) -> SquareContent:
    """Draw four prompts: all combinations of the orders of the values of two rules, or of two counts."""
    draw_settings = _draw_settings if rung < 3 else _draw_counted
    edit, prompts, replies, checks = draw_settings(language, rng, rung, 2)
    check: dict[str, Any] = {"kind": KIND}
    for n, rules in enumerate(checks):
        check[str(n)] = {"language": language, **rules}
    return SquareContent(edit, tuple(prompts), tuple(replies), check)


def _draw_settings(
    language: str, rng: Rng, rung: int, swaps: int
) -> tuple[str, list[Messages], list[str], list[dict[str, Any]]]:
    """Draw a text, and vary it by swapping the values of some of its rules.

    Args:
        language: English name of the language, in lower case.
        rng: makes the choices.
        rung: size of the text, and number of its rules.
        swaps: number of rules whose values are swapped; gives 2 ** swaps settings.

    Returns:
        The edit; and for each setting, prompt, right response, and data of the verifier.
    """
    texts = read_texts(language, "instruction")
    scene = TextScene(**rng.pick(texts["scenes"]))
    context = draw_context(rng, texts, scene)
    paired = rng.sample(["sentences", "words", "dates", "amounts", "order"], max(PAIRED[rung], swaps))
    drafts = [draw_draft(rng, rung, scene, paired)]
    for kind in paired[:swaps]:
        drafts += [swap_values(draft, kind) for draft in drafts]
    replies = [render_text(context, draft) for draft in drafts]
    measured = measured_rules(rng, texts, scene, replies)
    count = RULES[rung] - len(paired)
    if len(measured) < count or len(set(replies)) < len(replies):
        raise Resample
    chosen = rng.sample(measured, count)
    order = rng.sample(range(RULES[rung]), RULES[rung])
    wordings = {kind: rng.pick(options) for kind, options in texts["rules"].items()}
    lines = []
    checks = []
    for draft in drafts:
        rules = [*(paired_rule(context, draft, kind) for kind in paired), *chosen]
        rendered, expected = [], []
        for position in order:
            rule = rules[position]
            rendered.append(fill_slots(wordings[rule.kind], **rule.values))
            expected.append({"rule": rule.kind, **rule.check})
        lines.append(rendered)
        checks.append({"rules": expected})
    prompts = _render_prompts(rng, context, drafts[0], lines)
    return f"values of the rule on {' and '.join(paired[:swaps])} swapped", prompts, replies, checks


def _draw_counted(
    language: str, rng: Rng, rung: int, swaps: int
) -> tuple[str, list[Messages], list[str], list[dict[str, Any]]]:
    """Draw texts under the same rules, but for counts that differ by one; see `_draw_settings`.

    The texts have other sentences in another order, so that only a count of a whole text tells which rule it follows.
    """
    texts = read_texts(language, "instruction")
    scene = TextScene(**rng.pick(texts["scenes"]))
    context = draw_context(rng, texts, scene)
    paired = [*rng.sample(["sentences", "dates", "order"], PAIRED[rung] - 1), "lists"]
    drafts, counts, kinds = draw_counted_drafts(rng, rung, context, paired, swaps)
    replies = [render_text(context, draft) for draft in drafts]
    measured = [rule for rule in measured_rules(rng, texts, scene, replies) if rule.kind != "total"]
    shared = [*(paired_rule(context, drafts[0], kind) for kind in paired), *measured]
    shared = shared[: RULES[rung] - len(counts[0])]
    order = rng.sample(range(RULES[rung]), RULES[rung])
    wordings = {kind: rng.pick(options) for kind, options in texts["rules"].items()}
    lines, checks = [], []
    for exact in counts:
        rules = [*shared, *exact]
        rendered, expected = [], []
        for position in order:
            rule = rules[position]
            rendered.append(fill_slots(wordings[rule.kind], **rule.values))
            expected.append({"rule": rule.kind, **rule.check})
        lines.append(rendered)
        checks.append({"rules": expected})
    prompts = _render_prompts(rng, context, drafts[0], lines)
    return f"count of the rule on {kinds} changed by one", prompts, replies, checks


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
