"""Templates of the subsets in other languages than English; the texts of a language are in its TOML file.

Each draw makes one of three tasks: state what is left after many changes (`retraction`, and `stock` on rungs 3 and 4),
apply a rule book (`policy`, and `tariff` on rungs 3 and 4), or write a text under several rules (`instruction`). To add
a language, write its TOML file, and that of
the second verifiers in `rewardbench.verifiers.hard.languages`.
"""

from __future__ import annotations

from contextlib import suppress

from rewardbench.builders.draw import MirrorContent, Resample, Rng, SizedTemplate, SquareContent, SquareTemplate
from rewardbench.builders.templates.hard.languages import instruction, policy, retraction, stock, tariff

SMALL_TASKS = (retraction.draw, policy.draw, instruction.draw)
"""Tasks of rungs 1 and 2."""
LARGE_TASKS = (stock.draw, tariff.draw, instruction.draw)
"""Tasks of rungs 3 and 4."""
ATTEMPTS = 20
"""Choices that a task may reject before another task is tried, so that the tasks stay equally frequent."""


def make_template(language: str) -> SizedTemplate:
    """Build the template of a language.

    Args:
        language: English name of the language, in lower case.
    """

    def draw(rng: Rng, rung: int) -> MirrorContent:
        task = rng.pick(SMALL_TASKS if rung < 3 else LARGE_TASKS)
        for _ in range(ATTEMPTS):
            with suppress(Resample):
                return task(language, rng, rung)
        raise Resample

    return draw


def make_square_template(language: str) -> SquareTemplate:
    """Build the template of the squares of a language: texts under rules. The argument is that of `make_template`."""

    def draw_square(rng: Rng, rung: int) -> SquareContent:
        return instruction.draw_square(language, rng, rung)

    return draw_square
