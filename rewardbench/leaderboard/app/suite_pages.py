"""All rows of a suite in: what it holds and what a model without the prompt reaches, size and time, hardest items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from rewardbench.errors import InputError
from rewardbench.leaderboard.app import charts, tables
from rewardbench.leaderboard.app.frame import Page, badge, bar, figures_table, model_link, share, suite_choice
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import address, esc, href
from rewardbench.leaderboard.refresh import Board, Row
from rewardbench.results.browse import completions_of, prompt_of
from rewardbench.suites import load_embedded
from rewardbench.suites.registry import find_spec
from rewardbench.types import Item

BASELINE = "Baseline"
HARDEST = 25


def size_and_time(board: Board, suite: str, query: Mapping[str, str]) -> Page:
    """Score against size, with the best of each size, and against the date."""
    rows = [row for row in board.of(suite) if row.score.value is not None]
    body = f'<div class="rb-tools">{suite_choice(board, suite, "size")}</div>'
    body += "<h2>Size</h2>" + _by_size([row for row in rows if row.parameters])
    body += "<h2>Time</h2>" + _by_date([row for row in rows if _day(row) is not None])
    return Page(f"Size and time on {suite}", body, "size")


def _by_size(rows: Sequence[Row]) -> str:
    if not rows:
        return "<p>Of no model here the size is known.</p>"
    points = [_point(row, float(row.parameters or 1)) for row in rows]
    sizes = [point.x for point in points]
    x = charts.logarithmic("Parameters", min(sizes), max(sizes), lambda value: tables.size(int(value)))
    drawn = charts.scatter(
        points, x, _shares(points), f"Score against size of {len(rows)} models", charts.front(points)
    )
    return (
        f"{drawn}<p class='rb-dim'>{len(rows)} models; the line joins the best up to each size; whiskers are 95 %.</p>"
    )


def _by_date(rows: Sequence[Row]) -> str:
    if not rows:
        return "<p>Of no row here the date is known.</p>"
    points = [_point(row, float(_day(row) or 0)) for row in rows]
    days = [point.x for point in points]
    x = charts.linear("Date of submission", min(days) - 2, max(days) + 2, _month, count=5, least=1.0)
    drawn = charts.scatter(points, x, _shares(points), f"Score over time of {len(rows)} models", charts.front(points))
    return f"{drawn}<p class='rb-dim'>{len(rows)} models; the line is the best so far; whiskers are 95 %.</p>"


def _shares(points: Sequence[charts.Point]) -> charts.Axis:
    low, high = min(point.low for point in points), max(point.high for point in points)
    return charts.linear("Score, %", low, high, lambda value: f"{value:.0f}")


def _point(row: Row, x: float) -> charts.Point:
    score = row.score
    value = score.value or 0.0
    low, high = (value if limit is None else limit for limit in (score.low, score.high))
    name = f"{row.model}: {tables.percent(score)} % ({tables.interval(score)})"
    mark = "baseline" if row.model_type == BASELINE else ""
    return charts.Point(
        x, 100 * value, 100 * low, 100 * high, name, address(view="model", suite=row.suite, model=row.key), mark
    )


def _day(row: Row) -> int | None:
    try:
        return date.fromisoformat(row.date).toordinal()
    except ValueError:
        return None


def _month(day: float) -> str:
    return date.fromordinal(min(max(1, int(day)), date.max.toordinal())).strftime("%d %b %Y")


def hardest(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """The items that fewest models have right."""
    board = library.rows()
    rows = [row for row in board.of(suite) if row.ids and row.model_type != BASELINE]
    head = f'<div class="rb-tools">{suite_choice(board, suite, "items")}</div>'
    if len(rows) < 2:
        return Page(
            "Hardest items", head + "<p>There are not two models here whose scores of items are known.</p>", "items"
        )
    rows = [row for row in rows if (row.revision, row.ids) == (rows[0].revision, rows[0].ids)]
    try:
        found = _shares_right(library, rows)
        items = {item.id: item for item in library.items(rows[0]).suite.items}
    except InputError as error:
        return Page("Hardest items", f"{head}<p>{esc(error)}</p>", "items")
    missed = sum(share == 0 for share in found.values())
    words = (
        f"<p>{missed} of {len(found)} items are missed by all {len(rows)} models (baselines not counted). An item that "
        "every model misses is very hard, or wrong: these are worth a look.</p>"
    )
    order = sorted(found, key=lambda id: (found[id], id))[:HARDEST]
    body = "".join(_hard(items[id], found[id], len(rows)) for id in order)
    return Page(f"Hardest items of {suite}", head + words + body, "items")


def _shares_right(library: Library, rows: Sequence[Row]) -> dict[str, float]:
    """The share of models that have each item right."""
    ids = sorted(item.id for item in library.items(rows[0]).suite.items if item.has_preference)
    counted = [one.credits for one in library.earned(rows) if len(one.credits) == len(ids)]
    sums = [sum(of) / len(counted) for of in zip(*counted, strict=True)] if counted else []
    return dict(zip(ids, sums, strict=False))


def _hard(item: Item, right: float, models: int) -> str:
    body = f'<pre class="prompt">{esc(prompt_of(item))}</pre>' if item.prompt else ""
    for n, text in enumerate(completions_of(item)):
        side = "chosen" if n < item.num_correct else "rejected"
        body += f'<pre class="{side}"><b>{side}</b>\n{esc(text.strip())}</pre>' if text else ""
    title = f"{esc(item.id)} · {esc(item.subset)} · {round(right * models)} of {models} have it right"
    return f'<article class="rb-item"><h3>{title}</h3>{body}</article>'


def about_suite(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """What a suite holds, and what those reach that do not read the prompt."""
    board = library.rows()
    rows = board.of(suite)
    head = f'<div class="rb-tools">{suite_choice(board, suite, "suite")}</div>'
    return Page(f"The suite {suite}", head + _contents(suite, rows) + _baselines(rows) + _gaps(rows), "suite")


def _gaps(rows: Sequence[Row]) -> str:
    """Who is better on the suite's built mirrors than on fresh ones: what training on them would show."""
    found = [row for row in rows if row.gap]
    if not found:
        return ""
    names = "".join(f'<th scope="col">{esc(one.name)}</th>' for one in found[0].gap)
    lines = "".join(
        f'<tr><th scope="row">{model_link(row)}</th>'
        + "".join(f'<td class="num">{share(one)}</td>' for one in row.gap)
        + "</tr>"
        for row in found
    )
    return (
        "<h2>Core against fresh draws</h2><p>Mirrors that the suite's builders made, beside new ones of the same "
        "builders, as stated by who submitted them. A gap whose interval does not hold 0 says that the suite was "
        "trained on.</p>" + figures_table(f"<tr><th></th>{names}</tr>", lines)
    )


def _contents(suite: str, rows: Sequence[Row]) -> str:
    spec = find_spec(suite)
    if spec is None or not spec.embedded:
        return _counts(rows)
    own = load_embedded(spec.name)
    version = esc(tables.short(own.revision))
    return f"<p>{len(own.items):,} items, revision {version}, embedded in the package.</p>" + _counts(rows)


def _counts(rows: Sequence[Row]) -> str:
    whole = next((row for row in rows if row.ids), None)
    if whole is None:
        return "<p>Only published figures are known of this suite here.</p>"
    lines = "".join(
        f'<tr><th scope="row">{esc(one.name)}</th><td class="num">{one.n}</td></tr>' for one in whole.sections
    )
    unit = "mirrors" if whole.metric == "mirror" else "items"
    head = f'<tr><th scope="col">Section</th><th scope="col">{unit}</th></tr>'
    return figures_table(head, lines)


def _baselines(rows: Sequence[Row]) -> str:
    found = [row for row in rows if row.model_type == BASELINE]
    if not found:
        return "<p>No baseline has been scored here: <code>rewardbench --model baseline/longest</code>.</p>"
    lines = "".join(
        f'<tr><th scope="row">{model_link(row)}</th><td class="num">{share(row.score)}</td><td>{bar(row.score)}</td>'
        f"<td>{badge(row.badge)}</td></tr>"
        for row in found
    )
    return (
        "<h2>Baselines that do not read the prompt</h2><p>What a shortcut reaches. Where it is far above chance, so "
        "may be a model that learned nothing else.</p>" + figures_table("", lines)
    )


ABOUT = f"""
<h2>What is measured</h2>
<p>A reward model gives every completion a score. An item counts as right where each right completion scores above every
wrong one; equal scores earn nothing. On suites of mirrors, whose two halves turn on one detail of the prompt, a mirror
counts where both halves are right: who does not read the prompt reaches 0.</p>
<h2>What the figures mean</h2>
<p>Intervals are 95 %, clustered by mirror or prompt. A rank is 1 + the number of models that are significantly better,
by a paired sign-flip test on the same items with Holm's correction over all pairs. Two models on one rank cannot be
told apart by this suite.</p>
<h2>What the badges mean</h2>
<p>verified: a sample, drawn after the submission, was scored again by the maintainers and agrees. recomputed: the
figures follow from the scores of the items; that proves the arithmetic and no more. self-reported: figures without
items. published: imported from a published table.</p>
<h2>How to add a model</h2>
<p><code>rewardbench --model org/name</code>, then <code>rewardbench submit results/org/name.json --to STORE</code>, or
<a href="{href(view="submit")}">upload the two files</a>.</p>
"""


def about() -> Page:
    """The protocol in short."""
    return Page("About", ABOUT, "about")
