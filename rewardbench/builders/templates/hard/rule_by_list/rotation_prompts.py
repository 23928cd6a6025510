"""The system message of the upper rungs of rule-by-list: a list in its first order, how it moves, and the rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewardbench.builders.draw import Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.rule_by_list.listing import wording
from rewardbench.builders.templates.hard.rule_by_list.rotation import RotatingList
from rewardbench.types import Messages

LAYOUTS = ("numbers", "table", "line")


def write_rotation_prompts(rng: Rng, world: Mapping[str, Any], variants: Sequence[RotatingList]) -> list[Messages]:
    """Return the prompt of each variant of a list, in the same words."""
    texts: dict[str, list[str]] = wording()["rotation"]
    first = variants[0]
    picks = {name: rng.pick(texts[name]) for name in ("head", "note", "rounds", "why", first.move, first.form)}
    alias, alias_note, reason = (rng.pick(wording()[name]) for name in ("alias", "alias_note", "reason"))
    role, request, layout = rng.pick(world["who"]), rng.pick(world["ask"]), rng.pick(LAYOUTS)
    small_talk, is_early = rng.pick(wording()["chat"]), rng.chance()
    prompts: list[Messages] = []
    for variant in variants:
        labels = {name: f"{name} ({alias} {second})" for second, name in variant.aliases.items()}
        names = [(labels.get(name, name), variant.steps[name]) for name in variant.order]
        entries = _write_entries(names, layout, world["plural"])
        how = f"{picks['note']} {picks[first.move]} {picks['rounds'].format(t=variant.rounds)} {picks['why']}".strip()
        rule = picks[first.form].format(plural=world["plural"], end=variant.end, k=variant.bound)
        parts = [f"{picks['head']}\n{entries}", how, alias_note]
        parts.insert(0 if is_early else len(parts), f"{rule} {reason}".strip())
        prompts.append(chat(*small_talk, request, system="\n\n".join([role, *parts])))
    return prompts


def _write_entries(entries: Sequence[tuple[str, int]], layout: str, plural: str) -> str:
    """Return names and steps as a numbered list, a table or a line."""
    if layout == "line":
        return ", ".join(f"{label} {step}" for label, step in entries)
    lines = [f"{plural} | number"] if layout == "table" else []
    for place, (label, step) in enumerate(entries, 1):
        lines.append(f"{label} | {step}" if layout == "table" else f"{place}. {label}: {step}")
    return "\n".join(lines)
