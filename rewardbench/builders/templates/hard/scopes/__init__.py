"""Rules on names with scopes, a conversation, and replies that use a name where it is allowed or where it is not.

From rung 3 on scopes depend on counts over the conversation, such as "while the user's messages have fewer than 285
words in all, unless your replies so far have at least 41 words of 4 letters". Example of a lower rung: prompt A says
"Never mention Velorra to members. Never mention Pannix before your third reply.", prompt B has the names swapped. The
user is a member and it is the fourth reply: in A Pannix may be named, in B Velorra.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.templates.hard.scopes.conversation import ChatWordings, draw_turns, write_prompts
from rewardbench.builders.templates.hard.scopes.measured import draw_measures, plan_measured_twin
from rewardbench.builders.templates.hard.scopes.rules import (
    NamePool,
    TwinPlan,
    draw_case,
    draw_facts,
    place_other_names,
    plan_twin,
)
from rewardbench.builders.templates.hard.scopes.wording import worlds
from rewardbench.verifiers.hard.scopes import broken_speech_rules

RULES = {1: 2, 2: 4, 3: 9, 4: 15}
TURNS = {1: (1, 2), 2: (3, 4), 3: (6, 7), 4: (12, 14)}
"""Least and largest number of replies, the last one included."""
LAST_RUNG_WITHOUT_COUNTS = 2
"""Rung up to which no scope depends on a count over the conversation."""
ITEMS = {1: 2, 2: 4, 3: 10, 4: 16}
"""Items of the list in a reply."""
SHARES = {1: 0.8, 2: 0.8, 3: 0.65, 4: 0.6}
"""Share of the names allowed that a reply uses; the smaller, the fewer names the two replies have in common."""
Places = Mapping[str | int, str]
"""The name at the opening, the closing, and items of the list by their position."""


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Return a mirror of a rung."""
    world = rng.pick(worlds())
    pool = NamePool.draw(rng, world, RULES[rung])
    turn = rng.number(*TURNS[rung])
    conversation = ChatWordings(rng, rung, world, pool)
    if rung <= LAST_RUNG_WITHOUT_COUNTS:
        twin = plan_twin(rng, draw_case(rng, pool, turn, rung), pool, rung, ITEMS[rung])
        turns = draw_turns(conversation, twin.cases[0].facts)
    else:
        facts = draw_facts(rng, pool, turn, rung)
        turns = draw_turns(conversation, facts)
        facts["measures"] = draw_measures(rng, turns.by_speaker(facts), rung)
        twin = plan_measured_twin(rng, facts, pool, rung, ITEMS[rung])
    replies = _write_replies(rng, rung, world, pool, twin)
    _check_twin(twin, replies)
    prompts = write_prompts(conversation, turns, twin)
    checks = []
    for side in twin.cases:
        checks.append({"rules": list(side.rules), "facts": side.facts, "count": len(side.rules)})
    return MirrorContent(
        edit=twin.edit,
        a=prompts[0],
        b=prompts[1],
        x=replies[0],
        y=replies[1],
        check={"kind": "scopes", "a": checks[0], "b": checks[1]},
    )


def _check_twin(twin: TwinPlan, replies: Sequence[str]) -> None:
    """Raise Resample unless each reply follows the rules of its own prompt only."""
    for n, case in enumerate(twin.cases):
        right = broken_speech_rules(replies[n], case.rules, case.facts)
        wrong = broken_speech_rules(replies[1 - n], case.rules, case.facts)
        if right or not wrong:
            raise Resample


def _write_replies(rng: Rng, rung: int, world: Mapping[str, Any], pool: NamePool, twin: TwinPlan) -> list[str]:
    """Return a reply for each prompt.

    Up to rung 2 they have the same sentences but for the two names; from rung 3 on other sentences, with other names
    that both prompts allow, so that every name must be looked up.
    """
    number = ITEMS[rung]
    replies: list[str] = []
    for places in twin.places:
        if rung > 2 or not replies:
            others = place_other_names(rng, twin, pool, number, SHARES[rung])
            lines = _choose_lines(rng, world, pool, {**others, **places}, number)
        replies.append(_write_reply(lines, {**others, **places}, number))
    return replies


def _choose_lines(
    rng: Rng, world: Mapping[str, Any], pool: NamePool, places: Places, number: int
) -> dict[str | int, str]:
    """Return a sentence for every place of a reply, with a slot for a name where one belongs."""
    lines: dict[str | int, str] = {}
    for category in ("product", "place", "person"):
        items = [place for place in places if isinstance(place, int) and pool.category(places[place]) == category]
        if len(items) > len(world[category]):
            raise Resample
        lines.update(zip(items, rng.sample(world[category], len(items)), strict=True))
    empty = [place for place in range(number) if place not in places]
    if len(empty) > len(world["neutral"]):
        raise Resample
    lines.update(zip(empty, rng.sample(world["neutral"], len(empty)), strict=True))
    for end in ("opening", "closing"):
        lines[end] = world[end][pool.category(places[end]) if end in places else "neutral"]
    return lines


def _write_reply(lines: Mapping[str | int, str], places: Places, number: int) -> str:
    texts: dict[str | int, str] = {}
    for place, line in lines.items():
        text = line.replace("{n}", places.get(place, ""))
        texts[place] = text[:1].upper() + text[1:]
    items = "\n".join(f"- {texts[place]}" for place in range(number))
    return f"{texts['opening']}\n\n{items}\n\n{texts['closing']}"
