"""A plan and its dialogue to a mirror: the rule, its twin, the two replies, and what a program checks of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.mirrors import Mirror, chat
from rewardbench.builders.templates.pink.material import Ask, Pair, Rule, Thing, casual, fill, lowered, read_rules
from rewardbench.builders.templates.pink.plan import Plan
from rewardbench.types import Messages
from rewardbench.verifiers.names import mentions

SHORTEST, LONGEST = 0.6, 1.6
"""A revision's length over the original's."""


@dataclass(frozen=True)
class Dialogue:
    """Turns that end with the user, the reply on X, and the reply that steers to Y."""

    turns: Sequence[str]
    original: str
    revision: str


def things(plan: Plan, pair: Pair) -> tuple[Thing, Thing]:
    """X, which the rule forbids, and Y, which it wants."""
    return (pair.other, pair.one) if plan.turned else (pair.one, pair.other)


def assemble(plan: Plan, pair: Pair, dialogue: Dialogue) -> Mirror:
    """The mirror whose half a carries the rule: there the steering reply is right, and in b the other one."""
    x, y = things(plan, pair)
    rules, asks, _ = read_rules()
    rule, turns = rules[plan.rule], list(dialogue.turns)
    the = "the " if pair.definite else ""
    places = {"x": the + x.name, "y": the + y.name, "kind": pair.kind, "brand": plan.brand}
    if plan.ask is not None and not asks_already(turns[-1], x, y):
        turns = asking(turns, asks[plan.ask], places, typed=x.names + y.names)
    turned = {**places, "x": places["y"], "y": places["x"]}
    side, told = {"reversed": ("rule", turned), "free": ("neutral", places), "decoy": ("decoy", places)}[plan.kind]
    return Mirror(
        subset="pink-elephant",
        edit=_edit(plan, rule, x, y),
        a=_prompt(rule, "rule", places, turns),
        b=_prompt(rule, side, told, turns),
        x=_trapped(dialogue.revision, pair),
        y=_trapped(dialogue.original, pair),
        check=_check(plan, rule, x, y),
    )


def asks_already(turn: str, x: Thing, y: Thing) -> bool:
    """Whether the user's last turn is about X rather than Y: named more often, or alone in the last sentence.

    >>> asks_already("My aunt says lager, I say ale. What does ale cost?", Thing("ale"), Thing("lager"))
    True
    """
    return any(len(mentions(part, x.names)) > len(mentions(part, y.names)) for part in (turn, last_sentence(turn)))


def last_sentence(text: str) -> str:
    """What follows the last stop inside a text.

    >>> last_sentence("No lager. Is ale dear?")
    'Is ale dear?'
    """
    return re.split(r"(?<=[.!?:;])\s+", text.strip())[-1]


def asking(turns: Sequence[str], ask: Ask, places: Mapping[str, str], typed: Sequence[str] = ()) -> list[str]:
    """The dialogue with the user's wish for X in it, in the user's manner of typing (the names `typed` aside)."""
    said = fill(lowered(ask.say) if casual(_without(turns[-1], typed)) else ask.say, places)
    pause = "" if turns[-1][-1:] in tuple(".!?…)") else "..."
    return [*turns, ask.reply, said] if ask.reply else [*turns[:-1], f"{turns[-1]}{pause} {said}"]


def _without(text: str, names: Sequence[str]) -> str:
    for name in names:
        text = text.replace(name, "")
    return text


def _prompt(rule: Rule, side: str, places: Mapping[str, str], turns: Sequence[str]) -> Messages:
    told = fill(rule.says(side), places)
    return chat(told, rule.ok, *turns) if rule.ok else chat(*turns, system=told)


def _trapped(text: str, pair: Pair) -> str:
    """Both replies of a pair with a trap end with it: each may stand where the hidden name is forbidden."""
    return f"{text} {pair.trap}" if pair.trap else text


def _edit(plan: Plan, rule: Rule, x: Thing, y: Thing) -> str:
    twin = {
        "reversed": "B the other way round",
        "free": f"B has no such rule, and the user wants {x.name}",
        "decoy": f"B names both and lets {x.name} be spoken of" if rule.permits else f"B wants {x.name}, not {y.name}",
    }
    return f"A forbids {x.name} and wants {y.name}; {twin[plan.kind]}."


def _check(plan: Plan, rule: Rule, x: Thing, y: Thing) -> dict[str, Any]:
    """With no prohibition in b, what the reply lacks if it steers away is X's name."""
    banned = plan.kind == "reversed" or (plan.kind == "decoy" and not rule.permits)
    return {
        "kind": "pink-elephant",
        "a": {"forbidden": x.names, "wanted": y.names},
        "b": {"forbidden": y.names if banned else [], "wanted": x.names},
    }


def mention_places(text: str, pair: Pair, plan: Plan) -> list[list[int | str]]:
    """Where X or an alias of it stands in a text: [start, end, the words], in order.

    A word is told from one inside another as the verifier does it.
    """
    plain = text.replace("’", "'")
    words = sorted(set(mentions(text, things(plan, pair)[0].names)))
    found = [hit.span() for word in words for hit in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", plain)]
    return [[start, end, text[start:end]] for start, end in sorted(found)]


def dialogue_faults(pair: Pair, plan: Plan, answer: Mapping[str, Any]) -> list[str]:
    """What makes a dialogue unfit for a mirror, in words; nothing where it is fit."""
    x, y = things(plan, pair)
    turns, original = list(answer["turns"]), str(answer["original"])
    users, helpers = " \n".join(turns[::2]), " \n".join(turns[1::2])
    rivals = mentions(original, y.names)
    asked = [bool(mentions(users, thing.names)) for thing in (x, y)]
    faults = {
        "the turns do not start and end with the user": len(turns) % 2 == 0,
        "a turn is empty": not all(turn.strip() for turn in turns),
        "the assistant names one of the two before its last reply": bool(mentions(helpers, x.names + y.names)),
        "the user names one of the two but not the other": asked[0] != asked[1],
        f"the reply does not speak of {x.name}": not mentions(original, x.names),
        f"the reply names {rivals[:1]}": bool(rivals) and not plan.praises,
        f"the reply has no good word for {y.name}": plan.praises and not rivals,
    }
    return [fault for fault, held in faults.items() if held]


def revision_faults(pair: Pair, plan: Plan, original: str, answer: Mapping[str, Any]) -> list[str]:
    """What makes a revision no answer to the rule, in words; nothing where it is one."""
    x, y = things(plan, pair)
    text = str(answer["revision"])
    named = mentions(text, x.names)
    faults = {
        f"it names {', '.join(named)}": bool(named),
        f"it does not speak of {y.name}": not mentions(text, y.names),
        "it is much shorter than the original": len(text) < SHORTEST * len(original),
        "it is much longer than the original": len(text) > LONGEST * len(original),
    }
    return [fault for fault, held in faults.items() if held]
