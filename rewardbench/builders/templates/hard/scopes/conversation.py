"""The prompts of scopes: rules in the system message, facts there or in turns of the user, and the last question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.scopes.rules import NamePool, SpeechCase, TwinPlan
from rewardbench.builders.templates.hard.scopes.wording import bare, long_turns, wording
from rewardbench.types import Messages
from rewardbench.verifiers.hard.scopes import COUNTS, ChatFacts, SpeechRule

ORDINALS = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"),
)
LAST_RUNG_OF_SHORT_TURNS = 2
"""Rung up to which the turns of the conversation are short."""
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
        for condition in conditions:
            parts.append(self._write_condition(condition, "while"))
        if rule["region"]:
            parts.append(scopes[rule["region"]])
        if rule["unless"]:
            exceptions = [self._write_condition(condition, "") for condition in rule["unless"]]
            parts[-1] += f", unless {' and '.join(exceptions)}"
        text = str(self.texts[rule["kind"]][number]).format(n=self.full_names[rule["name"]], s=" ".join(parts))
        return text[:1].upper() + text[1:]

    def _write_condition(self, condition: Sequence[str], start: str) -> str:
        """Return a condition as a phrase, on a count over the conversation after `start`."""
        kind, *values = condition
        if kind not in self.texts["counts"]:
            ordinal = ORDINALS[int(values[0])] if values else ""
            return str(self.texts["scopes"][kind]).format(n=ordinal)
        measure, threshold = values
        speaker, subject, *keys = measure.split()
        count = str(self.texts["counts"][kind]).format(t=threshold)
        clause = str(self.texts["measures"][f"{speaker}_{subject}"])
        return f"{start} {clause.format(c=count, k=''.join(keys).upper())}".strip()


@dataclass(frozen=True)
class TurnPlan:
    """The turns of a conversation up to the last question, the same for all facts as far as these allow."""

    conversation: ChatWordings
    filler: Sequence[Sequence[str]]
    places: Sequence[int]
    """Places of the turns that state facts."""
    in_turns: frozenset[str]
    """Facts that the user states."""
    numbers: Mapping[str, int]
    """Number of the wording of each kind of turn."""
    question: str

    def messages(self, facts: ChatFacts) -> list[str]:
        """Return messages of the user and replies in turn, the last question at the end."""
        turns = [list(turn) for turn in self.filler]
        for place, turn in zip(self.places, _fact_turns(self, facts), strict=False):
            turns[place] = turn
        messages: list[str] = []
        for turn in turns:
            messages += turn
        return [*messages, self.question]

    def by_speaker(self, facts: ChatFacts) -> dict[str, list[str]]:
        """Return the messages of the user, and the replies."""
        messages = self.messages(facts)
        return {"user": messages[::2], "replies": messages[1::2]}


def draw_turns(conversation: ChatWordings, facts: ChatFacts) -> TurnPlan:
    """Return the turns of a conversation with these facts."""
    rng, texts = conversation.rng, conversation.texts
    exchanges = facts["turn"] - 1
    in_turns = {fact for fact in ("age", "member") if exchanges >= EXCHANGES_FOR_FACTS and rng.chance()}
    if len(facts["used"]) + len(in_turns) > exchanges:
        in_turns = set()
    if conversation.rung > LAST_RUNG_OF_SHORT_TURNS:
        filler = [*rng.sample(long_turns(), exchanges - 1), rng.pick(conversation.world["chat"])]
    else:
        filler = [*texts["turns"]["filler"], *conversation.world["chat"]]
    return TurnPlan(
        conversation=conversation,
        filler=rng.sample(filler, exchanges),
        places=rng.sample(range(exchanges), exchanges),
        in_turns=frozenset(in_turns),
        numbers={kind: conversation.option(options) for kind, options in texts["turns"].items()},
        question=rng.pick(conversation.world["ask"]),
    )


def write_prompts(conversation: ChatWordings, plan: TurnPlan, twin: TwinPlan) -> list[Messages]:
    """Return the prompts of both cases."""
    rng, texts = conversation.rng, conversation.texts
    wordings = [rng.number(0, 2) for _ in twin.cases[0].rules]
    style = _Style(
        role=rng.pick(conversation.world["who"]),
        head=rng.pick(texts["head"]),
        note=_conventions(rng, texts["conventions"], twin),
        layout=rng.number(0, 2),
        profile=rng.number(0, 1),
        is_profile_first=rng.chance(),
    )
    prompts = []
    for case in twin.cases:
        rules = [conversation.write_rule(rule, n) for rule, n in zip(case.rules, wordings, strict=True)]
        system = style.system(rules, _profile(texts, case, plan.in_turns, style.profile))
        prompts.append(chat(*plan.messages(case.facts), system=system))
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
        if any(condition[0] in ("until", "from") for condition in rule["conditions"]):
            needs.add("count")
        if rule["unless"]:
            needs.add("unless")
        if any(condition[0] in COUNTS for condition in rule["conditions"]):
            needs.add("counts")
        if rule["region"]:
            needs.add("ends" if rule["region"] in ("opening", "closing") else "halves")
    return " ".join(rng.pick(texts) for need, texts in options.items() if need in needs)


def _profile(texts: Mapping[str, Any], case: SpeechCase, in_turns: frozenset[str], number: int) -> str:
    """Return what the system message says about user and day."""
    facts = case.facts
    lines = [texts["profile_day"][number].format(day=facts["day"])]
    if "age" not in in_turns:
        lines.append(texts["profile_age"][number].format(age=facts["age"]))
    if "member" not in in_turns:
        lines.append(texts["profile_member" if facts["is_member"] else "profile_guest"][number])
    return " ".join(lines)


def _fact_turns(plan: TurnPlan, facts: ChatFacts) -> list[list[str]]:
    """Return the turns in which the user states facts and uses names, each with a reply."""
    options, numbers = plan.conversation.texts["turns"], plan.numbers
    turns = []
    for n, name in enumerate(facts["used"], numbers["named"]):
        text, reply = options["named"][n % len(options["named"])]
        turns.append([text.format(n=plan.conversation.full_names[name]), reply])
    if "age" in plan.in_turns:
        text, reply = options["age"][numbers["age"]]
        turns.append([text.format(age=facts["age"]), reply])
    if "member" in plan.in_turns:
        kind = "member" if facts["is_member"] else "guest"
        turns.append(list(options[kind][numbers[kind]]))
    return turns
