"""Draw scores with their intervals as an SVG of any width: a group for each section, a line in it for each model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rewardbench.leaderboard.app import charts, tables
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.types import Figure

SHAPES = charts.SHAPES[:5]
"""SVG path of the mark of each model, around (0, 0); page.css has the colors."""
TITLE, LANE, GAP, AXIS = 22, 18, 10, 26
"""Heights in pixels: the title of a group, the line of a model, the space below a group, and the axis."""
MARGIN = 3.0
"""Space left and right of the axis in percent of the width."""


@dataclass(frozen=True)
class DotGroup:
    """Figures of all models that are drawn below one title, with what guessing gets."""

    title: str
    figures: tuple[Figure | None, ...]
    chance: float | None = None


@dataclass(frozen=True)
class _Dot:
    """A figure in the coordinates of the drawing: x in percent of the width, y in pixels."""

    index: int
    label: str
    x: float
    low: float
    high: float
    y: float


@dataclass(frozen=True)
class _Band:
    """A group in the coordinates of the drawing."""

    title: str
    y: float
    bottom: float
    dots: tuple[_Dot, ...]
    chance: float | None


@dataclass(frozen=True)
class _GridLine:
    x: float
    label: str


def draw(names: Sequence[str], groups: Sequence[DotGroup], label: str) -> Markup:
    """Draw the figures of models by group.

    Args:
        names: names of the models, at most as many as `SHAPES`.
        groups: figures of each model, by group: shares from 0 to 1.
        label: description for screen readers; the page has the same figures as a table.
    """
    axis = _axis(groups)
    bands: list[_Band] = []
    y = float(AXIS)
    for group in groups:
        bottom = y + TITLE + LANE * len(names)
        chance = None if group.chance is None else _percent(axis, group.chance)
        bands.append(_Band(group.title, y, bottom, _dots(names, group, axis, y + TITLE), chance))
        y = bottom + GAP
    ticks = [_GridLine(_percent(axis, value / 100), text) for value, text in axis.ticks]
    return render("dots.html", label=label, height=y, top=AXIS, bands=bands, ticks=ticks, shapes=SHAPES)


def _dots(names: Sequence[str], group: DotGroup, axis: charts.Axis, top: float) -> tuple[_Dot, ...]:
    dots: list[_Dot] = []
    for index, (name, figure) in enumerate(zip(names, group.figures, strict=True)):
        if figure is None or figure.value is None:
            continue
        low = figure.value if figure.low is None else figure.low
        high = figure.value if figure.high is None else figure.high
        label = f"{name}, {group.title}: {tables.format_percent(figure)} ({tables.format_interval(figure)})"
        place = (_percent(axis, figure.value), _percent(axis, low), _percent(axis, high))
        dots.append(_Dot(index, label, *place, top + LANE * (index + 0.5)))
    return tuple(dots)


def _axis(groups: Sequence[DotGroup]) -> charts.Axis:
    """Return the axis in percent that shows all intervals and what guessing gets."""
    shares: list[float] = []
    for group in groups:
        limits = [group.chance]
        for figure in group.figures:
            limits += [figure.value, figure.low, figure.high] if figure else []
        shares += [share for share in limits if share is not None]
    low, high = min(shares, default=0.0), max(shares, default=1.0)
    return charts.linear("Score (%)", 100 * low, 100 * high, lambda value: f"{value:.0f}", count=5)


def _percent(axis: charts.Axis, share: float) -> float:
    return round(MARGIN + (100 - 2 * MARGIN) * axis.place(100 * share), 2)
