"""Table of builders, and the seeds of the kinds of data that they generate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from rewardbench.builders.draw import RUNGS
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
    """One module of `rewardbench.builders.templates`, which generates the mirrors of one subset.

    A module of core has `TEMPLATES`, functions from an Rng to a MirrorContent; or, if a mirror takes several stages, a
    function `build`. A module of core-hard (in `templates.hard`) or core-long (in `templates.long`) has `draw`, a
    SizedTemplate, and may have `draw_square`, a SquareTemplate.
    """

    name: str
    subset: str
    section: str
    """File of the suite that its mirrors go to, without `.jsonl`."""
    count: int
    """Number of its mirrors in the suite."""
    candidates: int = 0
    """Number of mirrors that it generates, if the suite leaves out near twins; 0 if it leaves out none."""
    prefix: str = ""
    """Beginning of the names of its mirrors; empty: section and subset."""
    suite: str = "core"
    squares: int = 0
    """Number of its squares in the suite."""
    rungs: tuple[int, ...] = RUNGS
    """Sizes of its templates, if they have one."""

    @property
    def name_prefix(self) -> str:
        """The beginning of the names of its mirrors."""
        return self.prefix or f"{self.section}-{self.subset}"

    @property
    def is_sized(self) -> bool:
        """Whether its templates have a size."""
        return self.suite != "core"

    @property
    def module(self) -> ModuleType:
        """The module, imported at first use."""
        package = {"core-hard": "hard.", "core-long": "long."}.get(self.suite, "")
        return import_module(f"rewardbench.builders.templates.{package}{self.name.replace('-', '_')}")


def _hard(name: str, section: str, count: int, squares: int = 0) -> Builder:
    return Builder(name, name, section, count, suite="core-hard", squares=squares)


def _long(name: str) -> Builder:
    return Builder(name, name, "long_context", 60, suite="core-long", rungs=RUNGS[:3])


_BUILDERS = (
    # The prefixes are those of core 1, which had these mirrors in other sections.
    Builder("instructions", "instructions", "instructions", 112, 124, "chat-instructions"),
    Builder("pink", "pink-elephant", "instructions", 116, 210, "pink-elephant"),
    Builder("code", "code", "reasoning", 100, 140),
    Builder("math", "math", "reasoning", 118, 132),
    Builder("logic", "logic", "reasoning", 72, 104),
    Builder("knapsack", "knapsack", "reasoning", 56, 64),
    _hard("grounded", "chat", 100, squares=16),
    _hard("retractions", "chat", 100, squares=16),
    _hard("user-is-sure", "chat", 100),
    _hard("twelve-rules", "instructions", 100, 16),
    _hard("rule-by-list", "instructions", 100, 16),
    _hard("scopes", "instructions", 100),
    _hard("open-decline", "instructions", 80),
    _hard("policy-engine", "safety", 100),
    _hard("who-may-instruct", "safety", 100),
    _hard("disguised-leak", "safety", 100),
    _hard("no-certificate", "reasoning", 100),
    _hard("hard-code", "reasoning", 100, squares=16),
    _hard("what-prints", "reasoning", 100, squares=16),
    _hard("german", "languages", 96, squares=12),
    _hard("french", "languages", 96, squares=12),
    _hard("spanish", "languages", 96, squares=12),
    _hard("hindi", "languages", 96, squares=12),
    _hard("chinese", "languages", 96, squares=12),
    _hard("tools", "tools", 124),
    _long("grounded-long"),
    _long("retractions-long"),
    _hard("valid-or-not", "reasoning", 100),
    _hard("enough-to-tell", "chat", 100, squares=16),
)
BUILDERS: Mapping[str, Builder] = {builder.name: builder for builder in _BUILDERS}


def builders_of(suite: str) -> dict[str, Builder]:
    """Return the builders of a suite, by name."""
    return {name: builder for name, builder in BUILDERS.items() if builder.suite == suite}


def find_builder(name: str) -> Builder:
    """Return the builder of this name.

    Raises:
        InputError: if there is no such builder.
    """
    if name not in BUILDERS:
        raise InputError(f"There is no builder {name!r}: it must be one of {', '.join(BUILDERS)}.")
    return BUILDERS[name]
