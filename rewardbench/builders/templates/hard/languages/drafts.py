"""Drafts of texts: sentences with slots, and the choices that a rule with two values can swap."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.languages.texts import fill_slots, read_texts

SENTENCES = {1: 7, 2: 9, 3: 11, 4: 14}
ITEMS = {1: 0, 2: 0, 3: 5, 4: 7}
SLOTS = ("date0", "date1", "amount0", "amount1")


@dataclass(frozen=True)
class TextScene:
    """What a text is about."""

    jobs: list[str]
    pair: list[str]
    """Two words with the same grammar; either fits `{w}` in a sentence."""
    dates: list[list[str]]
    """Of two dates, the later one first: the label in the notes, and a sentence with `{date}`."""
    season: list[int]
    """Months of the later date."""
    weekdays: list[int]
    """Days of the week of the later date; 0 is Monday."""
    lead: list[int]
    """Fewest and most days between the dates."""
    amounts: list[list[str]]
    """Of two amounts: the label in the notes, and a sentence with `{amount}`."""
    sentences: list[str]
    """The first one opens the text; the others keep their order."""
    endings: list[str]
    """Sentences that may end the text."""
    headings: list[str]
    """Headings of the two lists."""
    items: list[str]
    """What may be in either list."""
    absent: list[str]
    """Words that the text may have to avoid."""


@dataclass(frozen=True)
class TextContext:
    """A scene with its dates and amounts, each in both forms."""

    texts: Mapping[str, Any]
    scene: TextScene
    labels: tuple[str, ...]
    """Labels of the dates and amounts."""
    neutral: tuple[str, ...]
    """The dates and amounts as the notes have them."""
    forms: tuple[tuple[str, str], ...]
    """The dates and amounts in both forms."""


@dataclass(frozen=True)
class TextDraft:
    """The choices that make a text; the twin differs in one of them."""

    sentences: tuple[str, ...]
    """Sentences of both paragraphs, with slots."""
    split: int
    """Number of sentences in the first paragraph."""
    words: tuple[int, ...]
    """Which word of the pair each `{w}` takes, in order."""
    date_forms: tuple[int, ...]
    amount_forms: tuple[int, ...]
    items: tuple[str, ...] = ()
    list_split: int = 0
    """Number of items in the first list."""


@dataclass(frozen=True)
class TextRule:
    """A rule for a text: the values of its wording, and the data of its verifier."""

    kind: str
    values: dict[str, str | int]
    check: dict[str, Any]


def draw_context(rng: Rng, texts: Mapping[str, Any], scene: TextScene) -> TextContext:
    """Draw the dates and amounts of a scene."""
    later = date(rng.number(2027, 2029), rng.pick(scene.season), rng.number(1, 22))
    while later.weekday() not in scene.weekdays:
        later += timedelta(days=1)
    neutral, forms = [], []
    for day in (later, later - timedelta(days=rng.number(*scene.lead))):
        neutral.append(fill_slots(texts["date_note"], d=day.day, m=day.month, y=day.year))
        forms.append((_write_date(texts, day, 0), _write_date(texts, day, 1)))
    for amount in rng.sample(texts["amounts"], 2):
        neutral.append(amount[0])
        forms.append((amount[0], amount[1]))
    labels = tuple(label for label, _ in (*scene.dates, *scene.amounts))
    return TextContext(texts, scene, labels, tuple(neutral), tuple(forms))


def write_date(language: str, day: date, form: int) -> str:
    """Write a date in one of the two forms of a language."""
    return _write_date(read_texts(language, "instruction"), day, form)


def _write_date(texts: Mapping[str, Any], day: date, form: int) -> str:
    digits = dict(zip(map(ord, "0123456789"), texts.get("digits", "0123456789"), strict=True))
    values: dict[str, str | int] = {"d": day.day, "m": day.month, "y": day.year}
    values |= {"dd": f"{day.day:02}", "mm": f"{day.month:02}", "month": texts["months"][day.month - 1]}
    values["day"] = texts.get("first_day", day.day) if day.day == 1 else day.day
    values["native"] = f"{day.day}".translate(digits)
    values["native_year"] = f"{day.year}".translate(digits)
    return fill_slots(texts["date_forms"][form], **values)


def draw_draft(rng: Rng, rung: int, scene: TextScene, paired: list[str], amount_form: int = 0) -> TextDraft:
    """Draw a text in which the two values of every rule differ.

    Args:
        rng: makes the choices.
        rung: size of the text.
        scene: sentences to choose from.
        paired: the rules with two values; only they make the forms of dates or amounts differ.
        amount_form: the form of both amounts on rungs 3 and 4, where words are counted.
    """
    n = SENTENCES[rung]
    inner = range(1, len(scene.sentences))
    chosen = [scene.sentences[k] for k in sorted(rng.sample(inner, n - 2 - len(SLOTS)))]
    for name in rng.sample(SLOTS, len(SLOTS)):
        pool = scene.dates if name.startswith("date") else scene.amounts
        sentence = pool[int(name[-1])][1].replace(f"{{{name[:-1]}}}", f"{{{name}}}")
        chosen.insert(rng.number(0, len(chosen)), sentence)
    sentences = (scene.sentences[0], *chosen, rng.pick(scene.endings))
    gap = 2 - n % 2
    split = (n + rng.pick((-gap, gap))) // 2
    slots = "".join(sentences).count("{w}")
    if "words" in paired and slots < 5:
        raise Resample
    gap = 2 - slots % 2
    extra_words = max(0, slots + rng.pick((-gap, gap))) // 2
    items = rng.sample(scene.items, ITEMS[rung])
    return TextDraft(
        sentences,
        split,
        tuple(rng.sample([1] * extra_words + [0] * (slots - extra_words), slots)),
        _draw_forms(rng, "dates" in paired),
        _draw_forms(rng, "amounts" in paired) if rung < 3 else (amount_form, amount_form),
        tuple(items),
        (ITEMS[rung] + rng.pick((-1, 1))) // 2 if items else 0,
    )


def _draw_forms(rng: Rng, different: bool) -> tuple[int, int]:
    """Return the forms of two values; without a rule on them, both have the usual one."""
    return rng.pick(((0, 1), (1, 0))) if different else (0, 0)


def render_text(context: TextContext, draft: TextDraft) -> str:
    """Render a draft as two paragraphs, and two lists if it has items."""
    texts, scene = context.texts, context.scene
    values = {}
    for n, form in enumerate((*draft.date_forms, *draft.amount_forms)):
        values[SLOTS[n]] = context.forms[n][form]
    words = iter(draft.words)
    sentences = []
    for sentence in draft.sentences:
        while "{w}" in sentence:
            sentence = sentence.replace("{w}", scene.pair[next(words)], 1)
        sentences.append(fill_slots(sentence, **values))
    parts = [texts["space"].join(sentences[: draft.split]), texts["space"].join(sentences[draft.split :])]
    if draft.items:
        for heading, items in zip(
            scene.headings, (draft.items[: draft.list_split], draft.items[draft.list_split :]), strict=True
        ):
            parts.append("\n- ".join([f"{heading}{texts['colon']}", *items]))
    return "\n\n".join(parts)


def paired_rule(context: TextContext, draft: TextDraft, kind: str) -> TextRule:
    """Return a rule with two values as a draft follows it."""
    scene = context.scene
    values: dict[str, str | int]
    if kind == "sentences":
        counts = [draft.split, len(draft.sentences) - draft.split]
        return TextRule(kind, {"p": counts[0], "q": counts[1]}, {"counts": counts})
    if kind == "words":
        counts = [len(draft.words) - sum(draft.words), sum(draft.words)]
        values = {"u": scene.pair[0], "v": scene.pair[1], "p": counts[0], "q": counts[1]}
        return TextRule(kind, values, {"words": scene.pair, "counts": counts})
    if kind == "lists":
        counts = [draft.list_split, len(draft.items) - draft.list_split]
        values = {"u": scene.headings[0], "v": scene.headings[1], "p": counts[0], "q": counts[1]}
        return TextRule(kind, values, {"headings": scene.headings, "counts": counts})
    if kind == "order":
        first, second = map(int, re.findall(r"\{date(\d)\}", "".join(draft.sentences)))
        values = {"u": context.labels[first], "v": context.labels[second]}
        return TextRule(kind, values, {"first": context.forms[first], "second": context.forms[second]})
    start, forms = (0, draft.date_forms) if kind == "dates" else (2, draft.amount_forms)
    examples = context.texts["date_examples" if kind == "dates" else "amount_examples"]
    present, absent = [], []
    for n, form in enumerate(forms):
        present.append(context.forms[start + n][form])
        absent.append(context.forms[start + n][1 - form])
    values = {"u": context.labels[start], "v": context.labels[start + 1]}
    values |= {"p": examples[forms[0]], "q": examples[forms[1]]}
    return TextRule(kind, values, {"present": present, "absent": absent})
