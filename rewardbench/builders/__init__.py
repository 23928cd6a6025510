"""Makers of suites: seeded, resumable, each mirror with what verifies it. The table of builders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Builder:
    """A room of this house that makes mirrors of one subset.

    Its module holds `MOULDS`, functions from a Draw to a Drawn; or, where a mirror takes several stages, a function
    `build` of its own.
    """

    name: str
    subset: str
    section: str
    """The file of the suite to which its mirrors belong."""
    core: int
    """How many mirrors it gives to core."""

    @property
    def module(self) -> Any:
        """Imported when asked for."""
        return import_module(f"rewardbench.builders.{self.name}")


BUILDERS: Mapping[str, Builder] = {
    builder.name: builder
    for builder in (
        Builder("instructions", "instructions", "chat", 104),
        Builder("code", "code", "reasoning", 112),
        Builder("math", "math", "reasoning", 108),
        Builder("logic", "logic", "reasoning", 80),
        Builder("knapsack", "knapsack", "reasoning", 48),
        Builder("pink", "pink-elephant", "pink_elephant", 170),
    )
}
