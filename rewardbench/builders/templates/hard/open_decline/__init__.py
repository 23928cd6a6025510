"""Names that must be declined openly, passed over silently, or answered; the twin has two of these rules swapped.

Example: prompt A says of a trail "say in a single sentence that you cannot discuss it, do not use its name, and offer
Bell Steps", prompt B "do not use that name: talk about Bell Steps, and do not say that there is anything you cannot
discuss".
The user asks about the trail; X declines openly and offers Bell Steps, Y goes straight to Bell Steps.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.prompts import join_words
from rewardbench.types import Messages
from rewardbench.verifiers.hard.open_decline import DECLINES, NameQuestion, answers_in_mode

MODES = ("open", "silent", "free")
NAMES = {1: 2, 2: 4, 3: 7, 4: 10}
TARGETS = {1: 1, 2: 2, 3: 4, 4: 5}
EXCHANGES = {1: (0, 1), 2: (0, 2), 3: (1, 4), 4: (3, 6)}
"""Least and largest number of exchanges before the question."""
FOLLOWING = {1: 3, 2: 2, 3: 3, 4: 3}
"""Sentences of a paragraph after its first; after a decline, the offer is one of them."""
LEVELS = ("A", "B", "C")


@dataclass(frozen=True)
class _Name:
    """A name with a rule."""

    name: str
    alias: str
    substitute: str
    model: int
    """Position of the name whose rule it shares; its own position if it has a rule of its own."""


@cache
def _read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


def worlds() -> list[dict[str, Any]]:
    """Return the worlds."""
    return list(_read_toml("worlds")["worlds"])


def wording() -> dict[str, Any]:
    """Return the wordings of rules, questions and offers."""
    return _read_toml("wording")


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Return a mirror of a rung."""
    world = rng.pick(worlds())
    names = _draw_names(rng, rung, world)
    targets = rng.sample(range(len(names)), TARGETS[rung])
    modes_a = [rng.pick(MODES) for _ in names]
    first = targets[0]
    second = rng.pick([n for n in range(len(names)) if n != first])
    if modes_a[first] == modes_a[second] or any(names[n].model != n for n in (first, second)):
        raise Resample
    modes_b = list(modes_a)
    modes_b[first], modes_b[second] = modes_a[second], modes_a[first]
    targets = rng.sample(targets, len(targets))
    prompts = _write_prompts(rng, rung, world, names, (modes_a, modes_b), targets)
    checks: list[list[NameQuestion]] = []
    for modes in (modes_a, modes_b):
        checks.append([_question(names, modes, n) for n in targets])
    replies = _write_replies(rng, rung, world, checks)
    _check_twin(replies, checks)
    return MirrorContent(
        edit=f"rules on {names[first].name} ({modes_a[first]}) and {names[second].name} ({modes_a[second]}) swapped",
        a=prompts[0],
        b=prompts[1],
        x=replies[0],
        y=replies[1],
        check={
            "kind": "open-decline",
            "a": {"questions": checks[0], "count": len(names)},
            "b": {"questions": checks[1], "count": len(names)},
        },
    )


def _draw_names(rng: Rng, rung: int, world: Mapping[str, Any]) -> list[_Name]:
    """Return names with substitutes; from rung 3 on with nicknames, and some share the rule of another."""
    number = NAMES[rung]
    pairs = [f"{first} {second}" for first in world["first"] for second in world["second"]]
    texts = rng.sample(pairs, 2 * number)
    aliases = rng.sample(world["aliases"], min(number, rung - 1))
    names = []
    for n in range(number):
        model = rng.number(0, n - 1) if rung > 2 and n > 1 and rng.chance(0.2) else n
        names.append(_Name(texts[n], aliases[n] if n < len(aliases) else "", texts[number + n], model))
    return names


def _mode(names: Sequence[_Name], modes: Sequence[str], n: int) -> str:
    """Return the mode of a name, which may be that of another."""
    while names[n].model != n:
        n = names[n].model
    return modes[n]


def _question(names: Sequence[_Name], modes: Sequence[str], n: int) -> NameQuestion:
    name = names[n]
    return {
        "mode": _mode(names, modes, n),
        "names": [name.name, name.alias] if name.alias else [name.name],
        "substitute": name.substitute,
    }


def _write_replies(
    rng: Rng, rung: int, world: Mapping[str, Any], checks: Sequence[Sequence[NameQuestion]]
) -> list[str]:
    """Return a reply for each prompt, one paragraph for each name that the user asks about.

    From rung 3 on the replies have different sentences, so that every paragraph must be checked.
    """
    number, following = len(checks[0]), FOLLOWING[rung]
    replies: list[str] = []
    for questions in checks:
        if rung > 2 or not replies:
            leads = rng.sample(world["lead"], number)
            follows = rng.sample(world["follow"], following * number)
            declines = rng.sample(DECLINES, number)
            offers = rng.sample(wording()["offer"], number)
        paragraphs = []
        for n, name in enumerate(questions):
            follow = follows[following * n : following * (n + 1)]
            if name["mode"] == "open":
                sentences = [declines[n], offers[n].format(m=name["substitute"]), *follow[1:]]
            else:
                subject = name["names"][0] if name["mode"] == "free" else name["substitute"]
                sentences = [leads[n].format(n=subject), *follow]
            paragraphs.append(" ".join(sentences))
        replies.append("\n\n".join(paragraphs))
    return replies


def _check_twin(replies: Sequence[str], checks: Sequence[Sequence[NameQuestion]]) -> None:
    """Raise Resample unless each reply is right for its own prompt only."""
    for n, questions in enumerate(checks):
        right = all(map(answers_in_mode, replies[n].split("\n\n"), questions))
        wrong = all(map(answers_in_mode, replies[1 - n].split("\n\n"), questions))
        if not right or wrong:
            raise Resample


def _write_prompts(
    rng: Rng,
    rung: int,
    world: Mapping[str, Any],
    names: Sequence[_Name],
    modes: tuple[Sequence[str], Sequence[str]],
    targets: Sequence[int],
) -> list[Messages]:
    """Return both prompts: the rules in the system message, small talk, and the question."""
    texts = wording()
    target_names = []
    for n in targets:
        target_names.append(names[n].alias if names[n].alias and rng.chance(0.6) else names[n].name)
    question = rng.pick(texts["ask_one" if len(targets) == 1 else "ask_many"]).format(names=join_words(target_names))
    turns: list[str] = []
    for exchange in rng.sample(texts["chat"], rng.number(*EXCHANGES[rung])):
        turns += exchange
    role = rng.pick(world["who"])
    blocks = _write_rules(rng, world, names, modes)
    notes = []
    for name in names:
        if name.alias:
            notes.append(rng.pick(texts["alias"]).format(n=name.name, a=name.alias))
    if notes:
        notes = [*rng.sample(notes, len(notes)), rng.pick(texts["note"])]
    prompts = []
    for block in blocks:
        system = "\n\n".join(filter(None, [role, block, " ".join(notes)]))
        prompts.append(chat(*turns, question, system=system))
    return prompts


def _write_rules(
    rng: Rng, world: Mapping[str, Any], names: Sequence[_Name], modes: tuple[Sequence[str], Sequence[str]]
) -> list[str]:
    """Return the rules of both prompts, as sentences or as a table of levels."""
    texts = wording()
    is_table, mark = rng.chance(0.45), rng.pick(("", "- "))
    order = rng.sample(range(len(names)), len(names))
    order.sort(key=lambda n: is_table and names[n].model != n)  # a sentence does not stand between the rows of a table
    wordings = [rng.number(0, 2) for _ in names]
    letters = dict(zip(MODES, rng.sample(LEVELS, len(LEVELS)), strict=True))
    references = {n: rng.pick(texts["same"]) for n in order}
    levels = {mode: rng.pick(texts[f"level_{mode}"]) for mode in MODES}
    head = rng.pick(texts["level_head"]).format(kind=world["kind"])
    blocks = []
    for side in modes:
        lines = []
        if is_table:
            lines = [head, *(f"Level {letter}: {levels[mode]}." for letter, mode in _by_letter(letters)), ""]
            lines.append(f"{world['kind']} | level | substitute")
        for n in order:
            name = names[n]
            if name.model != n:
                text = references[n].format(n=name.name, k=names[name.model].name, m=name.substitute)
                text = text if is_table else mark + text
            elif is_table:
                text = f"{name.name} | {letters[side[n]]} | {name.substitute}"
            else:
                text = mark + texts[side[n]][wordings[n]].format(n=name.name, m=name.substitute)
            lines.append(text)
        blocks.append("\n".join(lines))
    return blocks


def _by_letter(letters: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return letters and modes, by letter."""
    return sorted((letter, mode) for mode, letter in letters.items())
