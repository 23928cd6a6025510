"""Templates of the subsets in other languages than English; the texts of a language are in its TOML file.

Each draw makes one of three tasks: state a plan after many changes (`retraction`), decide a case by a rule book
(`policy`), or write a text under several rules (`instruction`). To add a language, write its TOML file, and that of
the second verifiers in `rewardbench.verifiers.hard.languages`.
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng, SizedTemplate
from rewardbench.builders.templates.hard.languages import instruction, policy, retraction

TASKS = (retraction.draw, policy.draw, instruction.draw)


def make_template(language: str) -> SizedTemplate:
    """Build the template of a language.

    Args:
        language: English name of the language, in lower case.
    """

    def draw(rng: Rng, rung: int) -> MirrorContent:
        return rng.pick(TASKS)(language, rng, rung)

    return draw
