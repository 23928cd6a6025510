"""Reports on tables of 140 to 1,950 rows; see `templates.hard.grounded`."""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.hard.grounded import ReportSize, draw_of_size

SIZES = {1: ReportSize(140, 20, 80, 8), 2: ReportSize(490, 20, 250, 20), 3: ReportSize(1950, 20, 900, 60)}


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror of a rung."""
    return draw_of_size(rng, SIZES[rung])
