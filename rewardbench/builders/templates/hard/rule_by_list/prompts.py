"""The system message of rule-by-list: the list in one of three layouts, and the rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.rule_by_list.listing import Entry, NameList, Target, wording


class Wordings:
    """Random wordings for one list, the same in all prompts of a mirror."""

    def __init__(self, rng: Rng, world: Mapping[str, Any]) -> None:
        self.rng = rng
        self.world = world
        self.texts = wording()
        self.alias = rng.pick(self.texts["alias"])
        self.is_many = bool(world.get("many"))
        self.layout = rng.pick(("table", "bullets") if self.is_many else ("owners", "table", "bullets"))

    def pick(self, name: str) -> str:
        """Return one of the wordings of this name."""
        return str(self.rng.pick(self.texts[name]))

    def reason(self) -> str:
        """Return a sentence after the rule; may be empty."""
        return self.pick("reason")

    def small_talk(self) -> list[str]:
        """Return two turns before the request."""
        return list(self.rng.pick(self.texts["chat"]))

    def label(self, entry: Entry) -> str:
        """Return a name with its second name in brackets."""
        return f"{entry.name} ({self.alias} {entry.alias})" if entry.alias else entry.name


def write_rule(world: Mapping[str, Any], listing: NameList, form: str, target: Target, number: int) -> str:
    """Return the rule of a target in the wording of this number."""
    texts = [target.text, listing.shared.text] if listing.shared.text else [target.text]
    values = {"plural": world["plural"], "relation": world["relation"], "k": " or ".join(texts)}
    return str(wording()[form][number]).format(**values)


def write_list(wordings: Wordings, listing: NameList) -> str:
    """Return the list with its note on second names."""
    blocks = [f"{wordings.pick('head')}\n{_write_entries(wordings, listing)}"]
    if any(entry.alias for entry in listing.entries):
        blocks.append(wordings.pick("alias_note"))
    return "\n\n".join(blocks)


def _write_entries(wordings: Wordings, listing: NameList) -> str:
    world = wordings.world
    if wordings.layout == "owners":
        labels: dict[str, list[str]] = {}
        for entry in listing.entries:
            labels.setdefault(entry.classes[0], []).append(wordings.label(entry))
        return "\n".join(f"{owner}: {', '.join(names)}" for owner, names in labels.items())
    lines = []
    for entry in listing.entries:
        classes = ", ".join(entry.classes) or "none"
        if wordings.layout == "table":
            lines.append(f"{wordings.label(entry)} | {classes}")
        else:
            lines.append(f"- {wordings.label(entry)}: {classes}")
    if wordings.layout == "table":
        lines.insert(0, f"{world['plural']} | {world['column']}")
    return "\n".join(lines)
