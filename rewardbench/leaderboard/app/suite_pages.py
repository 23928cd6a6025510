"""Build the pages about a suite (contents, size and time, hardest items) and about the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from markupsafe import Markup

from rewardbench.errors import InputError
from rewardbench.leaderboard.app import charts, tables
from rewardbench.leaderboard.app.frame import Page, card
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import address, render
from rewardbench.leaderboard.refresh import Board, Figure, Row
from rewardbench.suites import load_embedded
from rewardbench.suites.registry import find_spec
from rewardbench.types import Suite

BASELINE = "Baseline"
HARDEST = 25
"""Items on the page of the hardest items."""


def size_and_time(board: Board, suite: str, query: Mapping[str, str]) -> Page:
    """Build the page with two charts: score against size, and score against date."""
    rows = [row for row in board.of(suite) if row.score.value is not None]
    with_size = [row for row in rows if row.parameters]
    with_date = [row for row in rows if _day(row) is not None]
    body = render(
        "size.html",
        suites=board.suites,
        suite=suite,
        by_size=_by_size(with_size),
        num_sizes=len(with_size),
        by_date=_by_date(with_date),
        num_dates=len(with_date),
    )
    return Page(f"Size and time on {suite}", body, "size")


def _by_size(rows: Sequence[Row]) -> Markup:
    if not rows:
        return Markup()
    points = [_point(row, float(row.parameters or 1)) for row in rows]
    sizes = [point.x for point in points]
    x = charts.logarithmic("Parameters", min(sizes), max(sizes), lambda value: tables.size(int(value)))
    return charts.scatter(points, x, _shares(points), f"Score against size of {len(rows)} models", charts.front(points))


def _by_date(rows: Sequence[Row]) -> Markup:
    if not rows:
        return Markup()
    points = [_point(row, float(_day(row) or 0)) for row in rows]
    days = [point.x for point in points]
    x = charts.linear("Date of submission", min(days) - 2, max(days) + 2, _month, count=5, least=1.0)
    return charts.scatter(points, x, _shares(points), f"Score over time of {len(rows)} models", charts.front(points))


def _shares(points: Sequence[charts.Point]) -> charts.Axis:
    low, high = min(point.low for point in points), max(point.high for point in points)
    return charts.linear("Score (%)", low, high, lambda value: f"{value:.0f}")


def _point(row: Row, x: float) -> charts.Point:
    score = row.score
    value = score.value or 0.0
    low, high = (value if limit is None else limit for limit in (score.low, score.high))
    return charts.Point(
        x=x,
        y=100 * value,
        low=100 * low,
        high=100 * high,
        name=f"{row.model}: {tables.percent(score)}% ({tables.interval(score)})",
        href=address(view="model", suite=row.suite, model=row.key),
        mark="baseline" if row.model_type == BASELINE else "",
    )


def _day(row: Row) -> int | None:
    try:
        return date.fromisoformat(row.date).toordinal()
    except ValueError:
        return None


def _month(day: float) -> str:
    return date.fromordinal(min(max(1, int(day)), date.max.toordinal())).strftime("%d %b %Y")


def hardest(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Build the page of the items that the fewest models get right."""
    board = library.rows()
    rows = [row for row in board.of(suite) if row.ids and row.model_type != BASELINE]
    values: dict[str, object] = {"suites": board.suites, "suite": suite, "message": ""}
    if len(rows) < 2:
        message = "This page needs two models with per-item scores, baselines not counted."
        return Page("Hardest items", render("hardest.html", **values | {"message": message}), "items")
    rows = [row for row in rows if (row.revision, row.ids) == (rows[0].revision, rows[0].ids)]
    try:
        shares = _shares_right(library, rows)
        items = {item.id: item for item in library.items(rows[0]).suite.items}
    except InputError as error:
        return Page("Hardest items", render("hardest.html", **values | {"message": error}), "items")
    cards = []
    for id in sorted(shares, key=lambda id: (shares[id], id))[:HARDEST]:
        right = f"{round(shares[id] * len(rows))} of {len(rows)} models are right"
        cards.append(card(items[id], f"{id} · {items[id].subset} · {right}"))
    values |= {
        "num_missed": sum(share == 0 for share in shares.values()),
        "num_items": len(shares),
        "num_models": len(rows),
        "cards": cards,
    }
    return Page(f"Hardest items of {suite}", render("hardest.html", **values), "items")


def _shares_right(library: Library, rows: Sequence[Row]) -> dict[str, float]:
    """Return the share of models that get each item right, by item id."""
    ids = sorted(item.id for item in library.items(rows[0]).suite.items if item.has_preference)
    credits = [earned.credits for earned in library.earned(rows) if len(earned.credits) == len(ids)]
    if not credits:
        return {}
    return {id: sum(column) / len(credits) for id, column in zip(ids, zip(*credits, strict=True), strict=True)}


def about_suite(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Build the page of a suite: its sections, the scores of baselines, and gaps to freshly generated mirrors."""
    board = library.rows()
    rows = board.of(suite)
    spec = find_spec(suite)
    embedded = load_embedded(spec.name) if spec is not None and spec.embedded else None
    scored = next((row for row in rows if row.ids), None)
    gaps = [row for row in rows if row.gap]
    body = render(
        "suite.html",
        suites=board.suites,
        suite=suite,
        num_items=len(embedded.items) if embedded else 0,
        revision=tables.short(embedded.revision) if embedded else "",
        sections=scored.sections if scored else (),
        others=_outside_sections(embedded, scored) if embedded and scored else [],
        mirrors=scored is not None and scored.metric == "mirror",
        baselines=[row for row in rows if row.model_type == BASELINE],
        gaps=gaps,
        gap_headers=["", *(figure.name for figure in gaps[0].gap)] if gaps else [],
    )
    return Page(f"The suite {suite}", body, "suite")


def _outside_sections(suite: Suite, row: Row) -> list[Figure]:
    """Return the subsets of a row whose section does not count in the score."""
    sections = {section.name for section in row.sections}
    return [
        subset
        for subset in row.subsets
        if subset.name in suite.rules and suite.rules[subset.name].section not in sections
    ]


def about() -> Page:
    """Build the page that explains the protocol."""
    return Page("About", render("about.html"), "about")
