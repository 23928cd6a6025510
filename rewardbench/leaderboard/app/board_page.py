"""A suite's rows in, the table out: sorted, searched and filtered in the browser, where it takes no time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rewardbench.leaderboard.app import tables
from rewardbench.leaderboard.app.frame import Page, badge, model_link, share, suite_choice
from rewardbench.leaderboard.app.markup import esc, href
from rewardbench.leaderboard.refresh import Board, Row

FIRST = 100
"""Rows that are laid out at first; page.js says the same."""


def show(board: Board, suite: str, query: Mapping[str, str], most: int | None = None) -> Page:
    """The leaderboard of a suite, or its first rows."""
    rows = board.of(suite)[:most]
    if not rows:
        return Page(
            "Leaderboard",
            "<p>There are no results here yet: score a model with <code>rewardbench --model X</code>, or "
            f'<a href="{href(view="submit")}">submit one</a>.</p>',
        )
    columns = tables.columns(rows, with_subsets=query.get("subsets") == "1")
    body = (
        f'<div class="rb-tools">{suite_choice(board, suite, "board")}{_tools(rows, columns, suite, query)}</div>'
        f'<p class="rb-count" role="status" aria-live="polite"></p>'
        f'<div class="rb-scroll" tabindex="0" role="region" aria-label="Models">{_table(rows, columns, query)}</div>'
        f'<p><button type="button" class="rb-more" data-more hidden>Show all</button></p>{_legend(rows)}'
    )
    return Page(f"Reward models on {suite}", body)


def _tools(rows: Sequence[Row], columns: Sequence[tables.Column], suite: str, query: Mapping[str, str]) -> str:
    parts = ['<label>Search <input type="search" data-search placeholder="model, kind, license"></label>']
    for name, values in tables.choices(rows).items():
        if len(values) > 1:
            boxes = "".join(
                f'<label><input type="checkbox" data-filter="{name}" value="{esc(value)}">{esc(value)}</label>'
                for value in values
            )
            parts.append(f"<details><summary>{name.capitalize()}</summary><div>{boxes}</div></details>")
    boxes = "".join(
        f'<label><input type="checkbox" data-column="{n}"{" checked" if column.shown else ""}>'
        f"{esc(column.name)}</label>"
        for n, column in enumerate(columns)
        if column.name not in ("Rank", "Model", "Score")
    )
    other = "" if query.get("subsets") == "1" else "1"
    words = "without subsets" if query.get("subsets") == "1" else "with all subsets"
    boxes += f'<a href="{href(view="board", suite=suite, subsets=other)}">{words}</a>'
    parts.append(f"<details><summary>Columns</summary><div>{boxes}</div></details>")
    parts += [f'<button type="button" data-copy="{kind}">Copy {kind}</button>' for kind in ("CSV", "LaTeX", "BibTeX")]
    return "".join(parts)


def _table(rows: Sequence[Row], columns: Sequence[tables.Column], query: Mapping[str, str]) -> str:
    head = "".join(
        f'<th scope="col" data-c="{n}"{"" if column.shown else " hidden"}{" class=num" if column.number else ""}>'
        f'<button type="button" title="{esc(column.title or column.name)}">{esc(column.name)}</button></th>'
        for n, column in enumerate(columns)
    )
    lines = "".join(_line(row, columns, row.key == query.get("row"), n >= FIRST) for n, row in enumerate(rows))
    suite = esc(rows[0].suite)
    return f'<table class="rb-table" data-suite="{suite}"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'


def _line(row: Row, columns: Sequence[tables.Column], chosen: bool, later: bool) -> str:
    cells = "".join(
        f'<td data-c="{n}"{"" if column.shown else " hidden"}{" class=num" if column.number else ""}'
        f"{_sort_key(row, column)}>{_content(row, column)}</td>"
        for n, column in enumerate(columns)
    )
    marks = f'data-key="{esc(row.key)}" data-text="{esc(tables.search_text(row))}" data-kind="{esc(row.model_type)}"'
    marks += f' data-size="{tables.size_class(row.parameters)}" data-badge="{esc(row.badge)}"'
    marks += (" class=chosen aria-selected=true" if chosen else "") + (" hidden" if later and not chosen else "")
    return f"<tr {marks}>{cells}</tr>"


def _sort_key(row: Row, column: tables.Column) -> str:
    """What a column is sorted by, where that is not its text."""
    if column.name == "Size":
        return f' data-v="{row.parameters or 0}"'
    if column.name == "Score":
        return f' data-v="{row.score.value or 0:.6f}"'
    return ""


def _content(row: Row, column: tables.Column) -> str:
    if column.name == "Model":
        anchor = href(view="board", suite=row.suite, row=row.key)
        note = f' <span class="rb-warn" title="{esc(row.note)}">note</span>' if row.note else ""
        return f'{model_link(row)}{note} <a class="rb-anchor" href="{anchor}" aria-label="Link to this row">#</a>'
    if column.name == "Score":
        return share(row.score)
    if column.name == "Badge":
        return badge(row.badge)
    return esc(tables.cell(row, column.name))


def _legend(rows: Sequence[Row]) -> str:
    bare = any(not row.ids for row in rows)
    words = (
        "A rank is 1 + the number of models that are significantly better (paired by item, clustered by mirror, Holm's "
        "correction over all pairs), so models that chance cannot tell apart share one."
    )
    if any(row.metric == "mirror" for row in rows):
        words += (
            " A mirror counts when all its items are right: of two pairs that ask for opposite responses, guessing "
            "gets 25 %, and a preference for one of them whatever was asked 0 %."
        )
    if bare:
        words += " Rows without items have no interval, and stand by their score."
    return f'<p class="rb-dim">{words}</p>'
