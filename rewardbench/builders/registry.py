"""Table of builders, and the seeds of the kinds of data that they generate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from rewardbench.errors import InputError

CORE_SEED = 0


def fresh_seed(seed: int) -> int:
    """Return the internal seed of a fresh draw; core and training data never use it.

    >>> fresh_seed(0) == CORE_SEED
    False
    """
    return 2**32 + seed


def training_seed(seed: int) -> int:
    """Return the internal seed of training data; core and fresh draws never use it."""
    return 2**33 + seed


@dataclass(frozen=True)
class Builder:
    """One package of `rewardbench.builders.templates`, which generates the mirrors of one subset.

    The package has `TEMPLATES`, functions from an Rng to a MirrorContent. If a mirror takes several stages, it has a
    function `build` instead.
    """

    name: str
    subset: str
    section: str
    """File of the suite that its mirrors go to, without `.jsonl`."""
    core_count: int
    """Number of its mirrors in core."""

    @property
    def module(self) -> ModuleType:
        """The package, imported at first use."""
        return import_module(f"rewardbench.builders.templates.{self.name}")


BUILDERS: Mapping[str, Builder] = {
    "instructions": Builder("instructions", "instructions", "chat", 104),
    "code": Builder("code", "code", "reasoning", 112),
    "math": Builder("math", "math", "reasoning", 108),
    "logic": Builder("logic", "logic", "reasoning", 80),
    "knapsack": Builder("knapsack", "knapsack", "reasoning", 48),
    "pink": Builder("pink", "pink-elephant", "pink_elephant", 170),
}


def find_builder(name: str) -> Builder:
    """Return the builder of this name.

    Raises:
        InputError: if there is no such builder.
    """
    if name not in BUILDERS:
        raise InputError(f"There is no builder {name!r}: it must be one of {', '.join(BUILDERS)}.")
    return BUILDERS[name]
