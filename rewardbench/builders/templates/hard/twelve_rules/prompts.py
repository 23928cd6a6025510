"""The prompts of twelve-rules: rules over the system message and one or two turns of the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardbench.builders.draw import Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.twelve_rules.material import rule_texts
from rewardbench.builders.templates.hard.twelve_rules.rules import CountRule, conventions, word_rule
from rewardbench.types import Messages

LAYOUTS = 3
"""Running text, numbers and bullets."""


@dataclass(frozen=True)
class Opening:
    """How a conversation begins."""

    role: str
    """Description of the assistant."""
    request: str
    """The request of the user."""
    draft: str
    """A first draft by the assistant."""


def write_prompts(rng: Rng, rung: int, opening: Opening, rule_sets: Sequence[Sequence[CountRule]]) -> list[Messages]:
    """Return a prompt for each set of rules, which differ in the values of one rule."""
    lines: list[list[str]] = [[] for _ in rule_sets]
    for rules in zip(*rule_sets, strict=True):
        wording, is_spelled = rng.number(0, LAYOUTS - 1), rng.chance()
        for side, rule in zip(lines, rules, strict=True):
            side.append(word_rule(rule, wording, is_spelled))
    notes = " ".join(conventions(rule_sets[0], rng))
    layout, is_early = rng.number(0, LAYOUTS - 1), rng.chance()
    if rung == 1:
        system = opening.role if rng.chance() else ""
        return [chat(_join(opening.request, _list_rules(side, layout, ""), notes), system=system) for side in lines]
    number = len(rule_sets[0])
    cuts = [0, *sorted(rng.sample(range(1, number), 1 if rung == 2 else 2)), number]
    frames = rule_texts("frames")
    has_draft = rng.chance(0.7)
    heads = [*rng.sample(frames["rules"], 2), rng.pick(frames["later" if has_draft else "more"])]
    reply = opening.draft if has_draft else rng.pick(frames["offer"])
    prompts = []
    for side in lines:
        blocks = []
        for n in range(len(cuts) - 1):
            blocks.append(_list_rules(side[cuts[n] : cuts[n + 1]], layout + n, heads[n]))
        place = 0 if is_early else len(blocks) - 1
        blocks[place] = _join(blocks[place], notes)
        later_turns = [reply, blocks[2]] if len(blocks) > 2 else []
        prompts.append(chat(_join(opening.request, blocks[1]), *later_turns, system=_join(opening.role, blocks[0])))
    return prompts


def _join(*blocks: str) -> str:
    return "\n\n".join(filter(None, blocks))


def _list_rules(texts: Sequence[str], layout: int, head: str) -> str:
    """Return rules as running text, numbered or as bullets, after a heading if there is one."""
    if layout % LAYOUTS == 0:
        return f"{head} {' '.join(texts)}".strip()
    lines = [head] if head else []
    for n, text in enumerate(texts, 1):
        lines.append(f"{n}. {text}" if layout % LAYOUTS == 1 else f"- {text}")
    return "\n".join(lines)
