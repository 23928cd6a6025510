"""Build the pages over all suites: a row for each model, how the suites agree, and the results of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rewardbench.leaderboard.app import charts, tables
from rewardbench.leaderboard.app.frame import Page
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import address, render
from rewardbench.leaderboard.app.overview import (
    FEWEST_COMMON,
    ModelResults,
    SuiteAgreement,
    SuiteColumn,
    above_chance,
    collect_models,
    describe_suites,
    is_comparable,
    main_items,
    measure_agreement,
    ranked_figure,
    sort_models,
)
from rewardbench.leaderboard.app.scales import shade
from rewardbench.leaderboard.types import Board, LeaderboardRow

STEP = 100
"""Models on a page."""
MARKS = {"verified": "V", "published": "P", "recomputed": "R", "self-reported": "S"}
"""Letters for the badges, which the page explains."""


@dataclass(frozen=True)
class _ScoreCell:
    """The score of a model on a suite; `shade` is the CSS class of its distance from guessing."""

    row: LeaderboardRow
    text: str
    mark: str
    shade: str
    is_comparable: bool
    others: int


@dataclass(frozen=True)
class _ModelLine:
    model: ModelResults
    cells: tuple[_ScoreCell | None, ...]


@dataclass(frozen=True)
class _Overview:
    """What the table needs, computed once for the rows of a store."""

    columns: tuple[SuiteColumn, ...]
    models: tuple[ModelResults, ...]
    main_items: Mapping[str, str]


def build_page(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Build the table over all suites.

    Args:
        library: results to read.
        suite: suite of the links of the page.
        query: `q` is the text that names contain; `sort` the suite to sort by, ascending if it begins with "-";
            `scale=chance` shows scores above chance; `protocol` is that of the judges to show; `from` is the first
            model; `x` and `y` are the suites of the plot.
    """
    board = library.rows()
    protocols = _protocols(board)
    protocol = query.get("protocol", "")
    protocol = protocol if protocol in protocols else next(iter(protocols), "")
    overview = library.cached(("overview", protocol), lambda: _collect(board, protocol))
    agreements = library.cached(("agreement", protocol), lambda: measure_agreement(board, overview.models))
    models = _select(overview, query)
    start = _start(query, len(models))
    is_scaled = query.get("scale") == "chance"
    body = render(
        "overview.html",
        suite=suite,
        columns=overview.columns,
        protocols=protocols,
        protocol=protocol,
        keep=_kept_query(query, protocol),
        is_scaled=is_scaled,
        sort=query.get("sort", ""),
        lines=[_line(model, overview, is_scaled) for model in models[start : start + STEP]],
        start=start,
        count=len(models),
        step=STEP,
        marks=MARKS,
        agreements=agreements,
        num_pairs=len(overview.columns) * (len(overview.columns) - 1) // 2,
        fewest=FEWEST_COMMON,
        plot=_plot(agreements, query),
    )
    return Page("All suites", body, "suites")


def _protocols(board: Board) -> list[str]:
    """Return the protocols of all suites, the empty one of models that are no judges first."""
    return sorted({row.protocol for row in board.rows})


def _collect(board: Board, protocol: str) -> _Overview:
    models = collect_models(board, protocol)
    present: set[str] = set()
    for model in models:
        present |= model.rows.keys()
    columns: list[SuiteColumn] = []
    ids: dict[str, str] = {}
    for column in describe_suites(board):
        if column.name in present:
            columns.append(column)
            ids[column.name] = main_items(board, column.name)
    return _Overview(tuple(columns), tuple(sort_models(models, columns)), ids)


def _kept_query(query: Mapping[str, str], protocol: str) -> dict[str, str]:
    """Return the parameters that links of the page keep."""
    names = ("q", "sort", "scale")
    return {"view": "suites", "protocol": protocol, **{name: query.get(name, "") for name in names}}


def _select(overview: _Overview, query: Mapping[str, str]) -> list[ModelResults]:
    """Return the models that a query selects, in its order."""
    words = query.get("q", "").lower().split()
    models: list[ModelResults] = []
    for model in overview.models:
        name = model.name.lower()
        if not [word for word in words if word not in name]:
            models.append(model)
    sort = query.get("sort", "")
    suite = sort.removeprefix("-")
    if suite in overview.main_items:
        return sort_models(models, overview.columns, suite, is_ascending=sort.startswith("-"))
    return models


def _start(query: Mapping[str, str], count: int) -> int:
    """Return the index of the first model of a page; an odd `from` means 0, one too high the last page."""
    text = query.get("from", "0")
    index = int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else 0
    return min(index, max(0, count - 1)) // STEP * STEP


def _line(model: ModelResults, overview: _Overview, is_scaled: bool) -> _ModelLine:
    cells: list[_ScoreCell | None] = []
    for column in overview.columns:
        rows = model.rows.get(column.name)
        cells.append(_cell(rows, column, overview.main_items[column.name], is_scaled) if rows else None)
    return _ModelLine(model, tuple(cells))


def _cell(rows: Sequence[LeaderboardRow], column: SuiteColumn, ids: str, is_scaled: bool) -> _ScoreCell:
    row = rows[0]
    figure = ranked_figure(row)
    text = tables.format_percent(figure)
    if is_scaled:
        distance = above_chance(figure.value, column.chance)
        text = "–" if distance is None else f"{round(100 * distance):+d}"
    mark = MARKS.get(row.badge, "")
    return _ScoreCell(row, text, mark, shade(figure, column.chance), is_comparable(row, ids), len(rows) - 1)


def _plot(agreements: Sequence[SuiteAgreement], query: Mapping[str, str]) -> Markup:
    """Draw the models of two suites, which `x` and `y` name; nothing if they have too few in common."""
    for agreement in agreements:
        if (agreement.first, agreement.second) == (query.get("x"), query.get("y")):
            return _scatter(agreement)
    return Markup()


def _scatter(agreement: SuiteAgreement) -> Markup:
    points: list[charts.Point] = []
    for model in agreement.models:
        across, up = model.rows[agreement.first][0], model.rows[agreement.second][0]
        x, y = ranked_figure(across), ranked_figure(up)
        if x.value is not None and y.value is not None:
            name = f"{model.name}: {tables.format_percent(x)} and {tables.format_percent(y)}"
            low = y.value if y.low is None else y.low
            high = y.value if y.high is None else y.high
            href = address(view="model", name=model.name, protocol=model.protocol)
            points.append(charts.Point(100 * x.value, 100 * y.value, 100 * low, 100 * high, name, href))
    xs: list[float] = []
    ys: list[float] = []
    for point in points:
        xs.append(point.x)
        ys += (point.low, point.high)
    return charts.scatter(
        points,
        charts.linear(f"{agreement.first} (%)", min(xs), max(xs), _whole),
        charts.linear(f"{agreement.second} (%)", min(ys), max(ys), _whole),
        f"Scores of {len(points)} models on {agreement.first} and {agreement.second}",
    )


def _whole(value: float) -> str:
    return f"{value:.0f}"


def build_model_page(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Build the page with all results of the models of a name.

    Args:
        library: results to read.
        suite: suite of the links of the page.
        query: `name` is the name; `protocol` that of the judge.
    """
    board = library.rows()
    name, protocol = query.get("name", ""), query.get("protocol", "")
    overview = library.cached(("overview", protocol), lambda: _collect(board, protocol))
    models = [model for model in overview.models if model.name == name]
    body = render("model_results.html", models=models, columns=_by_name(overview), suite=suite, protocol=protocol)
    return Page(name if models else "No such model", body, "model")


def other_results(library: Library, row: LeaderboardRow) -> Markup:
    """Return the results of a row's model on other suites as HTML; empty if there are none."""
    board = library.rows()
    overview = library.cached(("overview", row.protocol), lambda: _collect(board, row.protocol))
    for model in overview.models:
        if model.name == row.model and len(model.rows) > 1 and row in model.rows.get(row.suite, ()):
            rows = [first for first in model.first_rows if first.suite != row.suite]
            return render("other_results.html", row=row, rows=rows, columns=_by_name(overview))
    return Markup()


def _by_name(overview: _Overview) -> dict[str, SuiteColumn]:
    return {column.name: column for column in overview.columns}
