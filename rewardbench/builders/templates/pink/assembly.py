"""Assemble a mirror from a plan and its dialogue: the prompts, the replies, and what a verifier checks in them.

Below, x is the subject that the rule forbids and y the one that it wants. Example of a mirror of the kind "reversed":

    prompt a: system "... Write in favour of the calathea; never print the monstera, in full or in part ..."
        user "i kill everything green. one house plant that looks nice next to my desk, ..."
    prompt b: system "... Write in favour of the monstera; never print the calathea, in full or in part ..."
        user as in prompt a
    response x, right for a: "Give the calathea a chance. Set it where you see it from your chair, ..."
    response y, right for b: "I'd start you off with the monstera. Buy it small, ..."
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rewardbench.builders.mirrors import Mirror, chat
from rewardbench.builders.templates.pink.json_values import JsonMapping, text_field, texts_field
from rewardbench.builders.templates.pink.material import (
    OpenDecline,
    RuleTemplate,
    Subject,
    SubjectPair,
    WishTemplate,
    fill,
    is_casual,
    lower_case,
    read_rules,
)
from rewardbench.builders.templates.pink.plan import Plan
from rewardbench.types import Messages
from rewardbench.verifiers.names import mentions

MIN_LENGTH_RATIO, MAX_LENGTH_RATIO = 0.6, 1.6
"""Limits on the length of a revision over that of the original reply."""


@dataclass(frozen=True)
class Dialogue:
    """Turns that end with the user, and a reply about x."""

    turns: Sequence[str]
    original: str


def parse_dialogue(answer: JsonMapping) -> Dialogue:
    """Read a dialogue from the answer of its stage.

    Raises:
        ValueError: if a field is missing or has another type.
    """
    return Dialogue(texts_field(answer, "turns"), text_field(answer, "original"))


def forbidden_and_wanted(plan: Plan, pair: SubjectPair) -> tuple[Subject, Subject]:
    """Return x, which the rule forbids, and y, which it wants."""
    return (pair.second, pair.first) if plan.forbids_second else (pair.first, pair.second)


def pink_mirror(plan: Plan, pair: SubjectPair, dialogue: Dialogue, revision: str) -> Mirror:
    """Assemble the mirror; prompt a has the rule, and there the revised reply is right.

    Args:
        plan: what goes into the mirror.
        pair: the two subjects.
        dialogue: the turns, and the original reply, which is right for prompt b.
        revision: the reply about y instead of x.
    """
    x, y = forbidden_and_wanted(plan, pair)
    rule_set = read_rules()
    rule = rule_set.rules[plan.rule_index]
    article = "the " if pair.definite else ""
    values = {"x": article + x.name, "y": article + y.name, "kind": pair.kind, "brand": plan.brand}
    turns = list(dialogue.turns)
    if plan.wish_index is not None and not asks_about_x(turns[-1], x, y):
        turns = append_wish(turns, rule_set.wishes[plan.wish_index], values, subject_names=x.names + y.names)
    decline = _open_decline(plan, rule, turns, x, y)
    return Mirror(
        subset="pink-elephant",
        edit=_describe_edit(plan, rule, x, y),
        a=_prompt(rule, "rule", values, turns),
        b=_counterpart_prompt(plan, rule, values, turns),
        x=decline.dress(revision) if decline else revision,
        y=decline.dress(dialogue.original, declines=False) if decline else dialogue.original,
        check=_check(plan, rule, x, y),
        source={"declines": decline is not None},
    )


def _open_decline(plan: Plan, rule: RuleTemplate, turns: Sequence[str], x: Subject, y: Subject) -> OpenDecline | None:
    """Return the open decline of a plan; None if the rule or the user's words leave no place for one.

    The user must have named the subject that cannot be discussed: both, if the rule is reversed in prompt b.
    """
    if rule.silent:
        return None
    words = " ".join(turns[::2])
    is_named = bool(mentions(words, x.names)) and (not _forbids_y(plan, rule) or bool(mentions(words, y.names)))
    return read_rules().declines[plan.decline_index] if is_named else None


def asks_about_x(turn: str, x: Subject, y: Subject) -> bool:
    """Return True if the turn, or its last sentence, mentions x more often than y.

    >>> asks_about_x("My aunt says lager, I say ale. What does ale cost?", Subject("ale"), Subject("lager"))
    True
    """

    def mentions_x_more(text: str) -> bool:
        return len(mentions(text, x.names)) > len(mentions(text, y.names))

    return mentions_x_more(turn) or mentions_x_more(last_sentence(turn))


def last_sentence(text: str) -> str:
    """Return the last sentence of a text.

    >>> last_sentence("No lager. Is ale dear?")
    'Is ale dear?'
    """
    return re.split(r"(?<=[.!?:;])\s+", text.strip())[-1]


def append_wish(
    turns: Sequence[str], wish: WishTemplate, values: Mapping[str, str], subject_names: Sequence[str] = ()
) -> list[str]:
    """Return the dialogue with the user's wish for x at its end, in lower case if the user types so.

    Args:
        turns: the turns of the dialogue.
        wish: the wish.
        values: what the wish's places are filled with.
        subject_names: names whose capitals do not tell how the user types.
    """
    last_turn = turns[-1]
    typed = last_turn
    for name in subject_names:
        typed = typed.replace(name, "")
    sentence = fill(lower_case(wish.say) if is_casual(typed) else wish.say, values)
    if wish.reply:
        return [*turns, wish.reply, sentence]
    pause = "" if last_turn.endswith(tuple(".!?…)")) else "..."
    return [*turns[:-1], f"{last_turn}{pause} {sentence}"]


def _counterpart_prompt(plan: Plan, rule: RuleTemplate, values: Mapping[str, str], turns: Sequence[str]) -> Messages:
    """Return prompt b: with the reversed rule, the neutral line or the decoy."""
    if plan.kind == "reversed":
        return _prompt(rule, "rule", {**values, "x": values["y"], "y": values["x"]}, turns)
    return _prompt(rule, "neutral" if plan.kind == "free" else "decoy", values, turns)


def _prompt(rule: RuleTemplate, line: str, values: Mapping[str, str], turns: Sequence[str]) -> Messages:
    instruction = fill(rule.text(line), values)
    return chat(instruction, rule.ok, *turns) if rule.ok else chat(*turns, system=instruction)


def _describe_edit(plan: Plan, rule: RuleTemplate, x: Subject, y: Subject) -> str:
    counterparts = {
        "reversed": "B the other way round",
        "free": f"B has no such rule, and the user wants {x.name}",
        "decoy": f"B names both and lets {x.name} be spoken of" if rule.permits else f"B wants {x.name}, not {y.name}",
    }
    return f"A forbids {x.name} and wants {y.name}; {counterparts[plan.kind]}."


def _check(plan: Plan, rule: RuleTemplate, x: Subject, y: Subject) -> JsonMapping:
    """Return the check; if prompt b forbids nothing, the wrong reply fails because it does not mention x."""
    return {
        "kind": "pink-elephant",
        "a": {"forbidden": x.names, "wanted": y.names},
        "b": {"forbidden": y.names if _forbids_y(plan, rule) else [], "wanted": x.names},
    }


def _forbids_y(plan: Plan, rule: RuleTemplate) -> bool:
    """Return True if prompt b forbids y."""
    return plan.kind == "reversed" or (plan.kind == "decoy" and not rule.permits)


def find_mentions(text: str, x: Subject) -> list[tuple[int, int, str]]:
    """Return start, end and text of every mention of x or its aliases, in order.

    What counts as a mention is up to the verifier, which does not count a name inside another word.
    """
    plain = text.replace("’", "'")
    spans: list[tuple[int, int]] = []
    for word in set(mentions(text, x.names)):
        for match in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", plain):
            spans.append(match.span())
    return [(start, end, text[start:end]) for start, end in sorted(spans)]


def dialogue_faults(pair: SubjectPair, plan: Plan, dialogue: Dialogue) -> list[str]:
    """Describe what makes a dialogue unfit for a mirror; empty if it is fit."""
    x, y = forbidden_and_wanted(plan, pair)
    turns = dialogue.turns
    user_text, assistant_text = " \n".join(turns[::2]), " \n".join(turns[1::2])
    names_of_y = mentions(dialogue.original, y.names)
    user_names_one = bool(mentions(user_text, x.names)) != bool(mentions(user_text, y.names))
    faults = []
    if len(turns) % 2 == 0:
        faults.append("the turns do not start and end with the user")
    if not all(map(str.strip, turns)):
        faults.append("a turn is empty")
    if mentions(assistant_text, x.names + y.names):
        faults.append("the assistant names one of the two before its last reply")
    if user_names_one:
        faults.append("the user names one of the two but not the other")
    if not mentions(dialogue.original, x.names):
        faults.append(f"the reply does not speak of {x.name}")
    if names_of_y and not plan.praises:
        faults.append(f"the reply names {names_of_y[:1]}")
    if plan.praises and not names_of_y:
        faults.append(f"the reply has no good word for {y.name}")
    return faults


def revision_faults(pair: SubjectPair, plan: Plan, original: str, revision: str) -> list[str]:
    """Describe what makes a revised reply break the rule; empty if it obeys."""
    x, y = forbidden_and_wanted(plan, pair)
    names_of_x = mentions(revision, x.names)
    faults = []
    if names_of_x:
        faults.append(f"it names {', '.join(names_of_x)}")
    if not mentions(revision, y.names):
        faults.append(f"it does not speak of {y.name}")
    if len(revision) < MIN_LENGTH_RATIO * len(original):
        faults.append("it is much shorter than the original")
    if len(revision) > MAX_LENGTH_RATIO * len(original):
        faults.append("it is much longer than the original")
    return faults
