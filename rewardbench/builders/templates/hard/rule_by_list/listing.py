"""Lists of names by class: owners, groups of owners, corrections, second names, and what the rule is about."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import Resample, Rng

ENTRIES = {1: (10, 13), 2: (18, 24), 3: (32, 42), 4: (50, 64)}
"""Least and largest number of names, by rung."""
CLASSES = {1: 4, 2: 5, 3: 8, 4: 9}
"""Classes of a list, by rung."""
CORRECTED = {3: 0.2, 4: 0.3}
"""Share of the names that a correction concerns, on the upper rungs."""
MANY_CLASSES = 3
"""Classes of a name, at most."""


@dataclass(frozen=True)
class Entry:
    """A name of the list."""

    name: str
    alias: str
    """Second name; empty if it has none."""
    classes: tuple[str, ...]
    """Its classes, after all corrections."""
    listed: tuple[str, ...]
    """Its classes in the list."""

    def spoken(self, rng: Rng, rung: int) -> str:
        """Return the name or, from rung 3 on, sometimes the second name."""
        return self.alias if self.alias and rung > 2 and rng.chance() else self.name


@dataclass(frozen=True)
class Target:
    """Classes that a rule is about, with their common name in the prompt."""

    text: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class NameList:
    """A list of names, and the targets of which each variant of the rule names one."""

    entries: tuple[Entry, ...]
    targets: tuple[Target, ...]
    shared: Target
    """Classes that all variants of the rule name too; may be empty."""
    groups: tuple[Target, ...]
    """Groups of owners, their names without "group"."""

    def entries_of(self, target: Target) -> list[Entry]:
        """Return the entries of one target that belong to no other and are not shared."""
        others: set[str] = set()
        for other in (*self.targets, self.shared):
            if other != target:
                others.update(other.classes)
        entries = []
        for entry in self.entries:
            if set(entry.classes) & set(target.classes) and not set(entry.classes) & others:
                entries.append(entry)
        return entries

    def common(self, form: str) -> list[Entry]:
        """Return the entries that every variant of the rule allows."""
        if form == "only":
            return [entry for entry in self.entries if set(entry.classes) <= set(self.shared.classes)]
        named = set(self.shared.classes)
        for target in self.targets:
            named.update(target.classes)
        return [entry for entry in self.entries if not set(entry.classes) & named]


@cache
def _read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


def worlds() -> list[dict[str, Any]]:
    """Return the worlds."""
    return list(_read_toml("worlds")["worlds"])


def wording() -> dict[str, Any]:
    """Return the wordings of rules and lists."""
    return _read_toml("wording")


def draw_listing(rng: Rng, rung: int, world: Mapping[str, Any], form: str, number: int) -> NameList:
    """Return a list with `number` targets.

    Raises:
        Resample: if the classes do not suffice.
    """
    classes = rng.sample(world["owners"], min(len(world["owners"]), max(CLASSES[rung], number + 2)))
    remaining = list(classes)
    groups: list[Target] = []
    targets: list[Target] = []
    if rung > 2 and number == 2 and world["groups"] and rng.chance(0.7):
        for group in rng.sample(world["groups"], 3):
            groups.append(Target(group, (remaining.pop(), remaining.pop())))
        targets = [Target(f"the {group.text} group", group.classes) for group in groups[:2]]
    else:
        targets = [Target(name, (name,)) for name in remaining[:number]]
        remaining = remaining[number:]
    shared_number = (2 if rung > 2 else 1) if form == "only" else int(rung > 1 and rng.chance())
    names = tuple(remaining[:shared_number])
    if len(names) < shared_number:
        raise Resample
    shared = Target(" or ".join(names), names)
    weights = [*classes, *(names * 5 if form == "only" else ())]
    entries = _draw_entries(rng, rung, world, weights)
    listed_classes: set[str] = set()
    for entry in entries:
        listed_classes.update(entry.listed)
    if not set(names) <= listed_classes:
        raise Resample
    return NameList(tuple(entries), tuple(targets), shared, tuple(groups))


def _draw_entries(rng: Rng, rung: int, world: Mapping[str, Any], weights: list[str]) -> list[Entry]:
    """Return entries whose classes are drawn from `weights`, in random order."""
    pairs = [f"{first} {second}" for first in world["first"] for second in world["second"]]
    names = rng.sample(pairs, rng.number(*ENTRIES[rung]))
    aliases = rng.sample(world["aliases"], min(len(world["aliases"]), 2 * rung))
    different = sorted(set(weights))
    entries = []
    for n, name in enumerate(names):
        if world.get("many"):
            classes = tuple(rng.sample(different, rng.number(0, MANY_CLASSES)))
        else:
            classes = (rng.pick(weights),)
        listed_classes = classes
        if rung > 2 and classes and rng.chance(CORRECTED[rung]):
            other = rng.pick([name for name in different if name not in classes])
            listed_classes = (other, *classes[1:])
        entries.append(Entry(name, aliases[n] if n < len(aliases) else "", classes, listed_classes))
    return rng.sample(entries, len(entries))
