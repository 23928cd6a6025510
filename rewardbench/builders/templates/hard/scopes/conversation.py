"""The prompts of scopes: rules in the system message, facts there or in turns of the user, and the last question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.scopes.rules import NamePool, SpeechCase, TwinPlan
from rewardbench.builders.templates.hard.scopes.wording import bare, wording
from rewardbench.types import Messages
from rewardbench.verifiers.hard.scopes import SpeechRule

ORDINALS = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"),
)
EXCHANGES_FOR_FACTS = 4
"""Turns before the last question from which on the user states facts."""


class ChatWordings:
    """Random wordings of one conversation, the same in both prompts."""

    def __init__(self, rng: Rng, rung: int, world: Mapping[str, Any], pool: NamePool) -> None:
        self.rng = rng
        self.rung = rung
        self.world = world
        self.full_names = {bare(name): name for name in pool.names}
        self.texts = wording()

    def option(self, options: Sequence[Any]) -> int:
        """Return a random position in some options."""
        return self.rng.number(0, len(options) - 1)

    def write_rule(self, rule: SpeechRule, number: int) -> str:
        """Return a rule in the wording of this number."""
        scopes = self.texts["scopes"]
        conditions = list(rule["conditions"])
        parts = []
        if len(conditions) > 1 and f"{conditions[0][0]}-{conditions[1][0]}" in scopes:
            parts.append(scopes[f"{conditions[0][0]}-{conditions[1][0]}"])
            conditions = conditions[2:]
        for condition, *numbers in conditions:
            ordinal = ORDINALS[int(numbers[0])] if numbers else ""
            parts.append(scopes[condition].format(n=ordinal))
        if rule["region"]:
            parts.append(scopes[rule["region"]])
        text = str(self.texts[rule["kind"]][number]).format(n=self.full_names[rule["name"]], s=" ".join(parts))
        return text[:1].upper() + text[1:]


def write_prompts(conversation: ChatWordings, twin: TwinPlan) -> list[Messages]:
    """Return the prompts of both cases."""
    rng, texts = conversation.rng, conversation.texts
    exchanges = twin.cases[0].facts["turn"] - 1
    wordings = [rng.number(0, 2) for _ in twin.cases[0].rules]
    in_turns = {fact for fact in ("age", "member") if exchanges >= EXCHANGES_FOR_FACTS and rng.chance()}
    places = rng.sample(range(exchanges), exchanges)
    filler = rng.sample([*texts["turns"]["filler"], *conversation.world["chat"]], exchanges)
    numbers = {kind: conversation.option(options) for kind, options in texts["turns"].items()}
    style = _Style(
        role=rng.pick(conversation.world["who"]),
        head=rng.pick(texts["head"]),
        note=_conventions(rng, texts["conventions"], twin),
        layout=rng.number(0, 2),
        profile=rng.number(0, 1),
        is_profile_first=rng.chance(),
    )
    question = rng.pick(conversation.world["ask"])
    if len(twin.cases[0].facts["used"]) + len(in_turns) > exchanges:
        in_turns = set()
    prompts = []
    for case in twin.cases:
        rules = [conversation.write_rule(rule, n) for rule, n in zip(case.rules, wordings, strict=True)]
        fact_turns = _fact_turns(conversation, case, in_turns, numbers)
        turns = [list(turn) for turn in filler]
        for place, turn in zip(places, fact_turns, strict=False):
            turns[place] = turn
        flat = [text for turn in turns for text in turn]
        prompts.append(
            chat(*flat, question, system=style.system(rules, _profile(texts, case, in_turns, style.profile)))
        )
    return prompts


@dataclass(frozen=True)
class _Style:
    """Wordings and layout of the system message."""

    role: str
    head: str
    note: str
    """How to read the rules; may be empty."""
    layout: int
    """0 for running text, 1 for numbers, 2 for bullets."""
    profile: int
    """Number of the wording of the user's profile."""
    is_profile_first: bool

    def system(self, rules: Sequence[str], profile: str) -> str:
        """Return the system message."""
        if self.layout == 0:
            list_text = f"{self.head} {' '.join(rules)}"
        else:
            marks = [f"{n}. " if self.layout == 1 else "- " for n in range(1, len(rules) + 1)]
            list_text = "\n".join([self.head, *map("".join, zip(marks, rules, strict=True))])
        parts = [list_text, self.note]
        parts.insert(0 if self.is_profile_first else 2, profile)
        return "\n\n".join(filter(None, [self.role, *parts]))


def _conventions(rng: Rng, options: Mapping[str, Sequence[str]], twin: TwinPlan) -> str:
    """Return how to read the rules, as far as they need it."""
    needs: set[str] = set()
    for rule in twin.cases[0].rules:
        if len(rule["conditions"]) > 1:
            needs.add("two")
        if any(len(condition) > 1 for condition in rule["conditions"]):
            needs.add("count")
        if rule["region"]:
            needs.add("ends" if rule["region"] in ("opening", "closing") else "halves")
    return " ".join(rng.pick(texts) for need, texts in options.items() if need in needs)


def _profile(texts: Mapping[str, Any], case: SpeechCase, in_turns: set[str], number: int) -> str:
    """Return what the system message says about user and day."""
    facts = case.facts
    lines = [texts["profile_day"][number].format(day=facts["day"])]
    if "age" not in in_turns:
        lines.append(texts["profile_age"][number].format(age=facts["age"]))
    if "member" not in in_turns:
        lines.append(texts["profile_member" if facts["is_member"] else "profile_guest"][number])
    return " ".join(lines)


def _fact_turns(
    conversation: ChatWordings, case: SpeechCase, in_turns: set[str], numbers: Mapping[str, int]
) -> list[list[str]]:
    """Return the turns in which the user states facts and uses names, each with a reply."""
    options = conversation.texts["turns"]
    turns = []
    for name in case.facts["used"]:
        text, reply = options["named"][numbers["named"] % len(options["named"])]
        turns.append([text.format(n=conversation.full_names[name]), reply])
        numbers = {**numbers, "named": numbers["named"] + 1}
    if "age" in in_turns:
        text, reply = options["age"][numbers["age"]]
        turns.append([text.format(age=case.facts["age"]), reply])
    if "member" in in_turns:
        kind = "member" if case.facts["is_member"] else "guest"
        turns.append(list(options[kind][numbers[kind]]))
    return turns
