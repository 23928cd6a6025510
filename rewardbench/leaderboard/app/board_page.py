"""Build the leaderboard of a suite. The browser sorts, searches and filters it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rewardbench.leaderboard.app import citations, tables
from rewardbench.leaderboard.app.frame import Page
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.types import Board, LeaderboardRow
from rewardbench.stats.ranking import LEVEL
from rewardbench.suites import load_embedded
from rewardbench.suites.registry import find_spec

FIRST = 100
"""Number of rows that are shown at first; page.js has the same number."""


@dataclass(frozen=True)
class Line:
    """A row of the table, with what the browser searches and filters by."""

    row: LeaderboardRow
    text: str
    size: str
    selected: bool


def build_page(board: Board, suite: str, query: Mapping[str, str], most: int | None = None) -> Page:
    """Build the leaderboard of a suite.

    Args:
        board: rows of all suites.
        suite: suite to show.
        query: `subsets=1` adds a column for each subset; `row` is the key of a row to highlight; `protocol` is that of
            the judges to show.
        most: number of rows to show; None shows all.
    """
    protocols = board.protocols(suite)
    protocol = choose_protocol(board, suite, query)
    rows, other_rows = split_by_revision(board.of(suite, protocol), suite)
    rows = rows[:most]
    if not rows and not other_rows:
        return Page("Leaderboard", render("empty.html"))
    subsets = query.get("subsets") == "1"
    lines: list[Line] = []
    for row in rows:
        is_selected = row.key == query.get("row")
        lines.append(Line(row, tables.search_text(row), tables.size_class(row.parameters), is_selected))
    body = render(
        "board.html",
        suites=board.suites,
        suite=suite,
        protocols=protocols,
        protocol=protocol,
        subsets=subsets,
        columns=tables.columns(rows, with_subsets=subsets),
        choices=tables.filter_choices(rows),
        lines=lines,
        first=FIRST,
        cell_text=tables.cell_text,
        mirrors=any(row.metric == "mirror" for row in rows),
        turns=any(row.turn for row in rows),
        ranks=any(row.rank_range for row in rows),
        rank_level=LEVEL,
        rank_measure=tables.rank_measure(rows),
        other_rows=other_rows[:most],
        shorten=tables.shorten_hashes,
        published=any(not row.ids for row in rows),
        citation=citations.cite_suite(suite, citations.BASE, citations.common_revision(rows)),
    )
    return Page(f"Judges on {suite}, {protocol}" if protocol else f"Reward models on {suite}", body)


def split_by_revision(
    rows: Sequence[LeaderboardRow], suite: str
) -> tuple[Sequence[LeaderboardRow], Sequence[LeaderboardRow]]:
    """Split the rows of a suite into those of its current revision, and those of earlier ones.

    Rows of a suite that is not embedded in this package are all of the first kind, as are rows of earlier revisions if
    there are no others.
    """
    spec = find_spec(suite)
    if spec is None or not spec.embedded:
        return rows, ()
    version = load_embedded(spec.name).revision.partition("+")[0]
    current: list[LeaderboardRow] = []
    earlier: list[LeaderboardRow] = []
    for row in rows:
        (current if row.revision.partition("+")[0] == version else earlier).append(row)
    return (current, earlier) if current else (rows, ())


def choose_protocol(board: Board, suite: str, query: Mapping[str, str]) -> str:
    """Return the protocol whose table a query shows: that of the row it names, the one it names, or the first."""
    protocols = board.protocols(suite)
    wanted = query.get("protocol", "")
    for row in board.rows:
        if row.key == query.get("row") and row.suite == suite:
            wanted = row.protocol
    return wanted if wanted in protocols or not protocols else protocols[0]
