"""Lists of names by class: owners, second names, and what the rule is about."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import Resample, Rng

ENTRIES = {1: (10, 13), 2: (18, 24)}
"""Least and largest number of names, by rung."""
CLASSES = {1: 4, 2: 5}
"""Classes of a list, by rung."""
MANY_CLASSES = 3
"""Classes of a name, at most."""


@dataclass(frozen=True)
class Entry:
    """A name of the list."""

    name: str
    alias: str
    """Second name; empty if it has none."""
    classes: tuple[str, ...]


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
    targets = [Target(name, (name,)) for name in classes[:number]]
    remaining = classes[number:]
    shared_number = 1 if form == "only" else int(rung > 1 and rng.chance())
    names = tuple(remaining[:shared_number])
    if len(names) < shared_number:
        raise Resample
    shared = Target(" or ".join(names), names)
    weights = [*classes, *(names * 5 if form == "only" else ())]
    entries = _draw_entries(rng, rung, world, weights)
    classes_of_entries: set[str] = set()
    for entry in entries:
        classes_of_entries.update(entry.classes)
    if not set(names) <= classes_of_entries:
        raise Resample
    return NameList(tuple(entries), tuple(targets), shared)


def draw_names(rng: Rng, world: Mapping[str, Any], number: int) -> list[str]:
    """Return names of a world."""
    names = [f"{first} {second}" for first in world["first"] for second in world["second"]]
    return rng.sample(names, number)


def _draw_entries(rng: Rng, rung: int, world: Mapping[str, Any], weights: list[str]) -> list[Entry]:
    """Return entries whose classes are drawn from `weights`, in random order."""
    names = draw_names(rng, world, rng.number(*ENTRIES[rung]))
    aliases = rng.sample(world["aliases"], 2 * rung)
    different = sorted(set(weights))
    entries = []
    for n, name in enumerate(names):
        if world.get("many"):
            classes = tuple(rng.sample(different, rng.number(0, MANY_CLASSES)))
        else:
            classes = (rng.pick(weights),)
        entries.append(Entry(name, aliases[n] if n < len(aliases) else "", classes))
    return rng.sample(entries, len(entries))
