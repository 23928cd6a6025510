"""Makers of suites: seeded, resumable, each mirror with what verifies it. The table of builders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

CORE_SEED = 0


def fresh_seed(seed: int) -> int:
    """The seed of a fresh draw, which no other kind of draw shares.

    >>> fresh_seed(0) == CORE_SEED
    False
    """
    return 2**32 + seed


def training_seed(seed: int) -> int:
    """The seed of a draw to train on: never core's, and never that of a fresh draw."""
    return 2**33 + seed


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
        return import_module(f"rewardbench.builders.templates.{self.name}")


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
