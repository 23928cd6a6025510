"""Points in, drawings as SVG out: in the page's own colours, with words for those who cannot see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from rewardbench.leaderboard.app.markup import esc

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 56, 44, 16, 52


@dataclass(frozen=True)
class Point:
    """Something at (x, y), y with its interval; `href` is where it leads, `mark` a class of its own."""

    x: float
    y: float
    low: float
    high: float
    name: str
    href: str
    mark: str = ""


@dataclass(frozen=True)
class Axis:
    """What is drawn along an axis, and at which values it has ticks."""

    title: str
    ticks: Sequence[tuple[float, str]]
    place: Callable[[float], float]
    """From 0 to 1."""


def linear(
    title: str, low: float, high: float, label: Callable[[float], str], count: int = 6, least: float = 0.0
) -> Axis:
    """An axis of round steps, none of them below `least`."""
    span = (high - low) or 1.0
    step = 10 ** floor(log10(span / count))
    step = max(least, next(step * factor for factor in (1, 2, 5, 10) if span / (step * factor) <= count))
    first, last = floor(low / step), ceil(high / step)
    ticks = [(n * step, label(n * step)) for n in range(first, last + 1)]
    start, end = ticks[0][0], ticks[-1][0]
    return Axis(title, ticks, lambda value: (value - start) / ((end - start) or 1.0))


def logarithmic(title: str, low: float, high: float, label: Callable[[float], str]) -> Axis:
    """An axis of powers of ten."""
    first, last = floor(log10(low)), max(ceil(log10(high)), floor(log10(low)) + 1)
    ticks = [(10.0**n, label(10.0**n)) for n in range(first, last + 1)]
    return Axis(title, ticks, lambda value: (log10(value) - first) / (last - first))


def scatter(points: Sequence[Point], x: Axis, y: Axis, words: str, line: Sequence[tuple[float, float]] = ()) -> str:
    """A drawing of points with their intervals, each a link; `line` joins some places by steps."""
    parts = [
        f'<div class="rb-scroll"><svg class="rb-chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" ',
        f'aria-label="{esc(words)}">',
        *_grid(x, y),
        _steps(line, x, y),
        *(_point(point, x, y) for point in points),
        "</svg></div>",
    ]
    return "".join(parts)


def _across(axis: Axis, value: float) -> float:
    return round(LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT), 1)


def _up(axis: Axis, value: float) -> float:
    return round(HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM), 1)


def _grid(x: Axis, y: Axis) -> list[str]:
    parts = []
    for value, label in y.ticks:
        at = _up(y, value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{esc(label)}</text>')
    for value, label in x.ticks:
        at = _across(x, value)
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{at}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{esc(label)}</text>')
    middle = (HEIGHT - BOTTOM + TOP) / 2
    parts.append(f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{esc(x.title)}</text>')
    parts.append(f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{esc(y.title)}</text>')
    return parts


def _steps(line: Sequence[tuple[float, float]], x: Axis, y: Axis) -> str:
    if len(line) < 2:
        return ""
    path = f"M{_across(x, line[0][0])} {_up(y, line[0][1])}"
    path += "".join(f"H{_across(x, at)}V{_up(y, height)}" for at, height in line[1:])
    return f'<path class="front" d="{path}"/>'


def _point(point: Point, x: Axis, y: Axis) -> str:
    across, up = _across(x, point.x), _up(y, point.y)
    low, high = _up(y, point.low), _up(y, point.high)
    return (
        f'<a href="{esc(point.href)}" aria-label="{esc(point.name)}"><title>{esc(point.name)}</title>'
        f'<line class="whisker" x1="{across}" x2="{across}" y1="{low}" y2="{high}"/>'
        f'<circle class="{esc(point.mark)}" cx="{across}" cy="{up}" r="6"/></a>'
    )


def front(points: Sequence[Point]) -> list[tuple[float, float]]:
    """The best so far from left to right.

    >>> front([Point(1, .5, 0, 1, "", ""), Point(2, .4, 0, 1, "", ""), Point(3, .9, 0, 1, "", "")])
    [(1, 0.5), (3, 0.9)]
    """
    best: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: (point.x, -point.y)):
        if not best or point.y > best[-1][1]:
            best.append((point.x, point.y))
    return best
