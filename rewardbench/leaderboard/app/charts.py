"""Draw scatter plots as SVG, with labels for screen readers; page.css has the colors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup

from rewardbench.leaderboard.app import tables
from rewardbench.leaderboard.app.markup import address, render
from rewardbench.leaderboard.types import Figure, LeaderboardRow

WIDTH, HEIGHT = 760, 420
MANY = 100
"""Number of points above which points are small, and have an interval only while they have the focus."""
SHAPES = (
    "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z",
    "M-4.5-4.5h9v9h-9Z",
    "M0-6L5.5 4h-11Z",
    "M0-6L5 0L0 6L-5 0Z",
    "M0 6L5.5-4h-11Z",
    "M-6-2h4v-4h4v4h4v4h-4v4h-4v-4h-4Z",
)
"""Shapes of the kinds of models, as paths around 0: circle, square, triangle, diamond, another triangle, cross."""
LEFT, RIGHT, TOP, BOTTOM = 56, 44, 16, 52


@dataclass(frozen=True)
class Point:
    """A point with its interval in y; `href` is the address of its link, `mark` an extra CSS class.

    `kind` decides its shape.
    """

    x: float
    y: float
    low: float
    high: float
    name: str
    href: str
    mark: str = ""
    kind: str = ""


def make_point(row: LeaderboardRow, figure: Figure, x: float, name: str = "", mark: str = "", kind: str = "") -> Point:
    """Return the point of a figure in percent, with its interval, which links to the page of the model.

    Args:
        row: row of the model.
        figure: a share from 0 to 1.
        x: the value on the other axis.
        name: what the label calls the point; by default the model.
        mark: extra CSS class.
        kind: decides the shape.
    """
    value = figure.value or 0.0
    low = value if figure.low is None else figure.low
    high = value if figure.high is None else figure.high
    label = f"{name or row.model}: {tables.format_percent(figure)}% ({tables.format_interval(figure)})"
    href = address(view="model", suite=row.suite, model=row.key)
    return Point(x, 100 * value, 100 * low, 100 * high, label, href, mark, kind)


@dataclass(frozen=True)
class Axis:
    """An axis: title, ticks as (value, label), and a function that maps a value to a position."""

    title: str
    ticks: Sequence[tuple[float, str]]
    place: Callable[[float], float]
    """Maps a value to 0 (start of the axis) to 1 (end)."""


def linear(
    title: str, low: float, high: float, label: Callable[[float], str], count: int = 6, least: float = 0.0
) -> Axis:
    """Make an axis with ticks at round steps, none of them below `least`."""
    span = (high - low) or 1.0
    power = 10 ** floor(log10(span / count))
    factor = next(factor for factor in (1, 2, 5, 10) if span / (power * factor) <= count)
    step = max(least, power * factor)
    first, last = floor(low / step), ceil(high / step)
    ticks = [(n * step, label(n * step)) for n in range(first, last + 1)]
    start, end = ticks[0][0], ticks[-1][0]
    return Axis(title, ticks, lambda value: (value - start) / ((end - start) or 1.0))


def logarithmic(title: str, low: float, high: float, label: Callable[[float], str]) -> Axis:
    """Make an axis with ticks at powers of ten."""
    first, last = floor(log10(low)), max(ceil(log10(high)), floor(log10(low)) + 1)
    ticks = [(10.0**n, label(10.0**n)) for n in range(first, last + 1)]
    return Axis(title, ticks, lambda value: (log10(value) - first) / (last - first))


@dataclass(frozen=True)
class _Tick:
    position: float
    label: str


@dataclass(frozen=True)
class _Mark:
    """A point in the coordinates of the drawing."""

    point: Point
    x: float
    y: float
    low: float
    high: float
    shape: str


def shapes_of(points: Sequence[Point]) -> dict[str, str]:
    """Return the shape of each kind of points, the most frequent kind first; rare kinds share the last shape."""
    kinds = [kind for kind, _ in Counter(point.kind for point in points).most_common()]
    return {kind: SHAPES[min(index, len(SHAPES) - 1)] for index, kind in enumerate(kinds)}


def scatter(
    points: Sequence[Point],
    x: Axis,
    y: Axis,
    label: str,
    line: Sequence[tuple[float, float]] = (),
    curve: bool = False,
) -> Markup:
    """Draw points with their intervals; each point is a link.

    Args:
        points: what to draw.
        x: horizontal axis.
        y: vertical axis.
        label: description for screen readers.
        line: places (x, y) to join by a step line.
        curve: join all points, in their order, by straight lines instead.
    """
    drawn: list[_Mark] = []
    shapes = shapes_of(points)
    for point in points:
        across, up = _across(x, point.x), _up(y, point.y)
        drawn.append(_Mark(point, across, up, _up(y, point.low), _up(y, point.high), shapes[point.kind]))
    return render(
        "chart.html",
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        bottom=HEIGHT - BOTTOM,
        label=label,
        x_title=x.title,
        y_title=y.title,
        x_ticks=_ticks(x, _across),
        y_ticks=_ticks(y, _up),
        path=_join(drawn) if curve else _steps(line, x, y),
        is_curve=curve,
        marks=drawn,
        shapes=shapes if len(shapes) > 1 else {},
        is_many=len(points) > MANY,
    )


def _ticks(axis: Axis, position: Callable[[Axis, float], float]) -> list[_Tick]:
    return [_Tick(position(axis, value), label) for value, label in axis.ticks]


def _across(axis: Axis, value: float) -> float:
    return round(LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT), 1)


def _up(axis: Axis, value: float) -> float:
    return round(HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM), 1)


def _join(marks: Sequence[_Mark]) -> str:
    """Return the SVG path of straight lines between points."""
    return "M" + "L".join(f"{mark.x} {mark.y}" for mark in marks)


def _steps(line: Sequence[tuple[float, float]], x: Axis, y: Axis) -> str:
    """Return the SVG path of a step line, or nothing if it has fewer than two places."""
    if len(line) < 2:
        return ""
    start, *others = line
    path = f"M{_across(x, start[0])} {_up(y, start[1])}"
    for across, height in others:
        path += f"H{_across(x, across)}V{_up(y, height)}"
    return path


def pareto_front(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Return the points that are higher than all points to their left.

    >>> pareto_front([Point(1, .5, 0, 1, "", ""), Point(2, .4, 0, 1, "", ""), Point(3, .9, 0, 1, "", "")])
    [(1, 0.5), (3, 0.9)]
    """
    best: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: (point.x, -point.y)):
        if not best or point.y > best[-1][1]:
            best.append((point.x, point.y))
    return best
