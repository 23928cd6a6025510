"""Draw the scores of a training run: small beside its row in a table, large on the pages of its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from rewardbench.leaderboard.app import charts, tables
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.facts import RunGroup
from rewardbench.leaderboard.types import Figure, LeaderboardRow
from rewardbench.results.model_names import CUT_OFF, EPOCH, ITERATION, LAUNCH, SEED, STEP, TRAINING

WIDTH, HEIGHT, MARGIN = 84, 20, 3
"""Size of the small curve, in pixels."""
DAY = 86_400.0
PLURALS = {
    STEP: "checkpoints",
    EPOCH: "epochs",
    ITERATION: "iterations",
    SEED: "seeds",
    LAUNCH: "runs",
    CUT_OFF: "checkpoints",
}
"""What the rows of a run are, by their unit."""


@dataclass(frozen=True)
class _Member:
    """A row of a run, with its place as text and its figure."""

    row: LeaderboardRow
    place: str
    figure: Figure


def figure_of(row: LeaderboardRow) -> Figure:
    """Return the figure by which the table sorts a row: turn accuracy if there is any, else the score."""
    return row.turn or row.score


def count_members(group: RunGroup) -> str:
    """Return the number of rows of a run, and what they are."""
    return f"{len(group.rows)} {PLURALS[group.unit]}"


def format_place(step: float | None, unit: str) -> str:
    """Return the place of a row in its run.

    >>> format_place(143000.0, "step"), format_place(2.5, "epoch"), format_place(1743549903.0, "launch")
    ('step 143,000', 'epoch 2.5', '2025-04-01 23:25')
    """
    if step is None:
        return "unknown"
    if unit == LAUNCH:
        return datetime.fromtimestamp(step, UTC).strftime("%Y-%m-%d %H:%M")
    return f"{unit} {_format_number(step)}"


def _format_number(value: float) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def describe(group: RunGroup) -> str:
    """Return the scores of a run in words: of a training the first, the last and the highest, else their range."""
    members = _scored_members(group)
    if not members:
        return f"{count_members(group)}, none with a score"
    best = max(members, key=lambda member: member.figure.value or 0.0)
    highest = tables.format_percent(best.figure)
    if group.unit not in TRAINING:
        worst = min(members, key=lambda member: member.figure.value or 0.0)
        return f"Scores of {count_members(group)}: {tables.format_percent(worst.figure)}% to {highest}%"
    first, last = members[0], members[-1]
    text = (
        f"Score over {count_members(group)}: {tables.format_percent(first.figure)}% at {first.place}, "
        f"{tables.format_percent(last.figure)}% at {last.place}"
    )
    return text if best in (first, last) else f"{text}; highest {highest}% at {best.place}"


def draw_small(group: RunGroup) -> Markup:
    """Draw the scores of a run as an inline picture with a text alternative; empty with fewer than two scores."""
    members = _scored_members(group)
    if len(members) < 2:
        return Markup()
    steps = [step for row, step in zip(group.rows, group.steps, strict=True) if figure_of(row).value is not None]
    places = [float(n) if step is None else step for n, step in enumerate(steps)]
    values = [member.figure.value or 0.0 for member in members]
    across = _scaled(places, MARGIN, WIDTH - MARGIN)
    up = _scaled(values, HEIGHT - MARGIN, MARGIN)
    dots = list(zip(across, up, strict=True))
    return render(
        "sparkline.html",
        width=WIDTH,
        height=HEIGHT,
        label=describe(group),
        line=" ".join(f"{x:g},{y:g}" for x, y in dots) if group.unit in TRAINING else "",
        dots=[] if group.unit in TRAINING else dots,
        last=None if group.unit == CUT_OFF else dots[-1],
    )


def _scaled(values: Sequence[float], start: float, end: float) -> list[float]:
    """Return values as positions between two ends; all in the middle if they are equal."""
    low, span = min(values), max(values) - min(values)
    share = [(value - low) / span if span else 0.5 for value in values]
    return [round(start + part * (end - start), 1) for part in share]


def draw_large(group: RunGroup, row: LeaderboardRow) -> Markup:
    """Draw the scores of a run with their intervals; empty if the places of its rows are unknown.

    Args:
        group: the run.
        row: row whose page it is, which is marked.
    """
    points: list[charts.Point] = []
    for member, step in zip(group.rows, group.steps, strict=True):
        figure = figure_of(member)
        if step is not None and figure.value is not None:
            name = f"{member.model}, {format_place(step, group.unit)}"
            points.append(charts.make_point(member, figure, step, name, "here" if member.key == row.key else ""))
    if len(points) < 2:
        return Markup()
    title, label = _axis_labels(group.unit)
    across = [point.x for point in points]
    x = charts.linear(title, min(across), max(across), label, count=5, least=DAY if group.unit == LAUNCH else 0.0)
    y = charts.linear(
        "Score (%)", min(point.low for point in points), max(point.high for point in points), lambda v: f"{v:g}"
    )
    return charts.scatter(points, x, y, describe(group), curve=group.unit in TRAINING)


def _axis_labels(unit: str) -> tuple[str, Callable[[float], str]]:
    """Return the title of the axis of a unit, and a function that writes its ticks."""
    if unit == LAUNCH:
        return "Start of the run", lambda value: datetime.fromtimestamp(value, UTC).strftime("%d %b %Y")
    return unit.capitalize(), _format_number


def render_run(group: RunGroup, row: LeaderboardRow) -> Markup:
    """Return the section of a page about the run of its model: the curve, and a table of the checkpoints."""
    return render(
        "run.html",
        group=group,
        row=row,
        count=count_members(group),
        is_training=group.unit in TRAINING,
        chart=draw_large(group, row),
        members=_members(group),
        is_turn=bool(row.turn),
    )


def _members(group: RunGroup) -> list[_Member]:
    """Return the rows of a run with their places."""
    members: list[_Member] = []
    for row, step in zip(group.rows, group.steps, strict=True):
        members.append(_Member(row, format_place(step, group.unit), figure_of(row)))
    return members


def _scored_members(group: RunGroup) -> list[_Member]:
    return [member for member in _members(group) if member.figure.value is not None]
