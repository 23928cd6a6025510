"""Build the pages about a suite (contents, size and time, hardest items) and about the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from markupsafe import Markup

from rewardbench.errors import InputError
from rewardbench.leaderboard import facts
from rewardbench.leaderboard.app import charts, citations, tables
from rewardbench.leaderboard.app.frame import Page, make_card
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.app.scales import Scale, scales_of
from rewardbench.leaderboard.types import Board, Figure, LeaderboardRow
from rewardbench.suites import load_embedded
from rewardbench.suites.registry import find_spec
from rewardbench.types import Suite

HARDEST = 25
"""Items on the page of the hardest items."""


def build_size_page(board: Board, suite: str, query: Mapping[str, str]) -> Page:
    """Build the page with two charts: score against size, and score against date."""
    by_size: list[charts.Point] = []
    by_date: list[charts.Point] = []
    rows = board.of(suite)
    scale = scales_of(rows, suite)[0]
    for row in rows:
        total = scale.total(row)
        if total is None or total.value is None:
            continue
        parameters = facts.size_of(row).parameters
        if parameters:
            by_size.append(_point(row, scale, float(parameters)))
        day = _day(row)
        if day is not None:
            by_date.append(_point(row, scale, float(day)))
    body = render(
        "size.html",
        suites=board.suites,
        suite=suite,
        scale=scale,
        by_size=_draw_sizes(by_size, scale),
        num_sizes=len(by_size),
        by_date=_draw_dates(by_date, scale),
        num_dates=len(by_date),
        only_day=_format_day(by_date[0].x) if by_date else "",
    )
    return Page(f"Size and time on {suite}", body, "size")


def _draw_sizes(points: Sequence[charts.Point], scale: Scale) -> Markup:
    if not points:
        return Markup()
    front = charts.pareto_front(points)
    sizes = [point.x for point in points]
    x = charts.logarithmic("Parameters", min(sizes), max(sizes), lambda value: tables.format_size(int(value)))
    return charts.scatter(
        points, x, _figure_axis(points, scale), f"{scale.label} against size of {len(points)} models", front
    )


def _draw_dates(points: Sequence[charts.Point], scale: Scale) -> Markup:
    """Draw the figures over time; nothing if all points have one date."""
    days = [point.x for point in points]
    if len(set(days)) < 2:
        return Markup()
    front = charts.pareto_front(points)
    x = charts.linear("Date of submission", min(days) - 2, max(days) + 2, _format_day, count=5, least=1.0)
    return charts.scatter(
        points, x, _figure_axis(points, scale), f"{scale.label} over time of {len(points)} models", front
    )


def _figure_axis(points: Sequence[charts.Point], scale: Scale) -> charts.Axis:
    low, high = min(point.low for point in points), max(point.high for point in points)
    return charts.linear(f"{scale.label} (%)", low, high, lambda value: f"{value:.0f}")


def _point(row: LeaderboardRow, scale: Scale, x: float) -> charts.Point:
    mark = "baseline" if row.is_baseline else ""
    return charts.make_point(row, scale.total(row) or row.score, x, mark=mark, kind=row.model_type)


def _day(row: LeaderboardRow) -> int | None:
    try:
        return date.fromisoformat(row.date).toordinal()
    except ValueError:
        return None


def _format_day(day: float) -> str:
    return date.fromordinal(min(max(1, int(day)), date.max.toordinal())).strftime("%d %b %Y")


def build_hardest_page(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Build the page of the items that the fewest models get right; with `markdown=1`, texts are rendered."""
    is_markdown = query.get("markdown") == "1"
    board = library.rows()
    rows = _comparable_rows(board, suite)
    values: dict[str, object] = {"suites": board.suites, "suite": suite, "message": ""}
    if len(rows) < 2:
        values["message"] = "This page needs two models with per-item scores, not counting baselines."
        return Page("Hardest items", render("hardest.html", **values), "items")
    try:
        shares = _shares_correct(library, rows)
        items = {item.id: item for item in library.items(rows[0]).suite.items}
    except InputError as error:
        values["message"] = error
        return Page("Hardest items", render("hardest.html", **values), "items")
    cards = []
    for id in sorted(shares, key=lambda id: (shares[id], id))[:HARDEST]:
        correct = f"{round(shares[id] * len(rows))} of {len(rows)} models are correct"
        cards.append(make_card(items[id], f"{id} · {items[id].subset} · {correct}", with_markdown=is_markdown))
    values |= {
        "num_missed": list(shares.values()).count(0.0),
        "num_items": len(shares),
        "num_models": len(rows),
        "cards": cards,
        "query": {"view": "items", "suite": suite},
        "is_markdown": is_markdown,
    }
    return Page(f"Hardest items of {suite}", render("hardest.html", **values), "items")


def _comparable_rows(board: Board, suite: str) -> list[LeaderboardRow]:
    """Return the rows of the best model and of others that scored the same items, without baselines."""
    comparable: list[LeaderboardRow] = []
    for row in board.of(suite):
        if row.ids and not row.is_baseline:
            best = comparable[0] if comparable else row
            if (row.revision, row.ids) == (best.revision, best.ids):
                comparable.append(row)
    return comparable


def _shares_correct(library: Library, rows: Sequence[LeaderboardRow]) -> dict[str, float]:
    """Return the mean credit of the models on each item, by item id."""
    ids = sorted(item.id for item in library.items(rows[0]).suite.items if item.has_preference)
    credits: list[np.ndarray] = []
    for model in library.credits(rows):
        if len(model.by_item) == len(ids):
            credits.append(model.by_item)
    if not credits:
        return {}
    return dict(zip(ids, np.mean(credits, axis=0).tolist(), strict=True))


def build_suite_page(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Build the page of a suite: its sections, the scores of baselines, and gaps to freshly generated mirrors."""
    board = library.rows()
    rows = board.of(suite)
    spec = find_spec(suite)
    embedded = load_embedded(spec.name) if spec is not None and spec.embedded else None
    scored = next((row for row in rows if row.ids), None)
    baselines: list[LeaderboardRow] = []
    gaps: list[LeaderboardRow] = []
    for row in rows:
        if row.is_baseline:
            baselines.append(row)
        if row.gap:
            gaps.append(row)
    gap_headers = [""]
    for row in gaps[:1]:
        gap_headers += [*(figure.name for figure in row.gap), "Source"]
    body = render(
        "suite.html",
        suites=board.suites,
        suite=suite,
        num_items=len(embedded.items) if embedded else 0,
        revision=tables.shorten_hashes(embedded.revision) if embedded else "",
        sections=scored.sections if scored else (),
        others=_outside_sections(embedded, scored) if embedded and scored else [],
        mirrors=scored is not None and scored.metric == "mirror",
        baselines=baselines,
        gaps=gaps,
        gap_headers=gap_headers,
        citation=citations.cite_suite(suite, citations.BASE, citations.common_revision(rows)),
    )
    return Page(f"The suite {suite}", body, "suite")


def _outside_sections(suite: Suite, row: LeaderboardRow) -> list[Figure]:
    """Return the subsets of a row whose section does not count in the score."""
    sections = {section.name for section in row.sections}
    outside: list[Figure] = []
    for subset in row.subsets:
        rule = suite.rules.get(subset.name)
        if rule and rule.section not in sections:
            outside.append(subset)
    return outside


def build_about_page() -> Page:
    """Build the page that explains the protocol."""
    return Page("About", render("about.html"), "about")
