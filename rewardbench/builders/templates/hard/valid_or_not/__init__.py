"""Arguments that are valid or not: derivations line by line at the lower rungs, at the upper ones a search in cases."""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.hard.valid_or_not.arguments import PREMISE_SIZES, draw_argument
from rewardbench.builders.templates.hard.valid_or_not.derivations import draw_derivation


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror of a derivation or, from rung 3, of an argument."""
    return draw_argument(rng, rung) if rung in PREMISE_SIZES else draw_derivation(rng, rung)
