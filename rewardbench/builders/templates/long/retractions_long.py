"""Plans that a user amends over 125 to 2,000 turns; 12 entries are wanted. See `templates.hard.retractions`."""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.hard.retractions import Length, draw_of_size

LENGTHS = {1: Length(125, 30, 2, 12), 2: Length(500, 100, 2, 12), 3: Length(2000, 400, 2, 12)}


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror of a rung."""
    return draw_of_size(rng, LENGTHS[rung])
