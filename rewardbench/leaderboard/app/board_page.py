"""Build the leaderboard of a suite. The browser sorts, searches and filters it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rewardbench.leaderboard import facts
from rewardbench.leaderboard.app import citations, filters, tables
from rewardbench.leaderboard.app.board_lines import (
    Line,
    LineGroup,
    TableCell,
    cut_groups,
    group_lines,
    is_subset_column,
    render_lines,
)
from rewardbench.leaderboard.app.frame import Page
from rewardbench.leaderboard.app.markup import address, macros_of, render
from rewardbench.leaderboard.app.scales import Scale, choose_scale, scales_of
from rewardbench.leaderboard.types import Board, LeaderboardRow
from rewardbench.suites import embedded_version
from rewardbench.suites.registry import find_spec

FIRST = 100
"""Number of rows that are shown at first; page.js has the same number."""
MOST_OTHERS = 1_000
"""Maximum number of rows of other revisions on a page."""


@dataclass(frozen=True)
class BoardTable:
    """A table with its rows as HTML, from which its pages are cut.

    Args:
        title: title of its pages.
        query: address of its first page.
        values: variables of the template besides the rows.
        groups: all rows.
        size: bytes of a page without rows.
    """

    title: str
    query: Mapping[str, str]
    values: Mapping[str, object]
    groups: tuple[LineGroup, ...] = ()
    size: int = 0

    @property
    def lines(self) -> list[Line]:
        """The lines of all groups."""
        return [line for group in self.groups for line in group.lines]


def build_page(board: Board, suite: str, query: Mapping[str, str], most: int | None = None) -> Page:
    """Build the leaderboard of a suite; see `make_table` and `show_table`."""
    return show_table(make_table(board, suite, query), query, most=most)


def make_table(board: Board, suite: str, query: Mapping[str, str]) -> BoardTable:
    """Build the table of a suite.

    Args:
        board: rows of all suites.
        suite: suite to show.
        query: `subsets=1` adds a column for each subset; `protocol` is that of the judges to show; `scale` is the name
            of a scale.
    """
    protocols = board.protocols(suite)
    protocol = choose_protocol(board, suite, query)
    rows, other_rows = split_by_revision(board.of(suite, protocol), suite)
    if not rows and not other_rows:
        return BoardTable("Leaderboard", {}, {})
    subsets = query.get("subsets") == "1"
    scales = scales_of(rows, suite)
    scale = choose_scale(scales, query.get("scale", ""))
    columns = tables.columns(rows, subsets, scale)
    values: dict[str, object] = {
        "suites": count_models(board),
        "suite": suite,
        "protocols": protocols,
        "protocol": protocol,
        "subsets": subsets,
        "scales": scales,
        "scale": scale,
        "lead": lead(scale, scales),
        "columns": columns,
        "labels": [scale.label if column.name == scale.column else column.name for column in columns],
        "filters": filters.filters_of(rows),
        "chance": [_chance(column.name, scale, rows) for column in columns],
        "chance_label": chance_label(scale),
        "has_chance": scale.chance("score") is not None,
        "first": FIRST,
        "other_rows": other_rows[:MOST_OTHERS],
        "shorten": tables.shorten_hashes,
        "published": any(not row.ids for row in rows),
        "citation": citations.cite_suite(suite, citations.BASE, citations.common_revision(rows)),
    }
    macros = macros_of("board_parts.html", **values)
    groups = tuple(render_lines(group_lines(rows, columns, scale, ""), macros))
    table = BoardTable(
        f"Judges on {suite}, {protocol}" if protocol else f"Reward models on {suite}",
        {
            "view": "board",
            "suite": suite,
            "protocol": protocol,
            "scale": "" if scale == scales[0] else scale.name,
            "subsets": "1" if subsets else "",
        },
        values,
        groups,
    )
    return replace(table, size=len(show_table(table, {}, most=0).body.encode("utf-8", "replace")))


def show_table(
    table: BoardTable, query: Mapping[str, str], largest: int | None = None, most: int | None = None
) -> Page:
    """Build a page of a table: all rows if they fit.

    Args:
        table: the table.
        query: `from` is the first row to show; `row` is the key of a row to highlight, on the page that has it.
        largest: maximum size of a page in bytes; by default there is none.
        most: maximum number of rows; by default there is none.
    """
    if not table.values:
        return Page(table.title, render("empty.html"))
    lines = table.lines
    sizes = [line.size for line in lines]
    room = None if largest is None else largest - table.size
    start = _choose_start(lines, query, _page_starts(sizes, room, most))
    following = _page_starts(sizes[start:], room, most)[1:2]
    end = start + following[0] if following else len(lines)
    preceding = [place for place in _page_starts(sizes, room, most) if place < start]
    body = render(
        "board.html",
        **table.values,
        groups=cut_groups(table.groups, start, end, query.get("row", "")),
        is_complete=end - start == len(lines),
        first_place=start + 1,
        last_place=end,
        num_rows=len(lines),
        previous=address(**table.query, **{"from": preceding[-1]}) if preceding else "",
        next=address(**table.query, **{"from": end}) if end < len(lines) else "",
    )
    return Page(table.title, body)


def _page_starts(sizes: Sequence[int], room: int | None, most: int | None) -> list[int]:
    """Return the index of the first line of each page.

    Args:
        sizes: bytes of each line.
        room: bytes of the lines of a page; None: without a limit.
        most: maximum number of lines of a page.
    """
    starts, size = [0], 0
    for place, amount in enumerate(sizes):
        size += amount
        is_full = (room is not None and size > room) or (most is not None and place - starts[-1] >= most)
        if is_full and place > starts[-1]:
            starts.append(place)
            size = amount
    return starts


def _choose_start(lines: Sequence[Line], query: Mapping[str, str], starts: Sequence[int]) -> int:
    """Return the index of the first line to show: that of the page with the selected row, or `from`, or 0."""
    for place, line in enumerate(lines):
        if line.row.key == query.get("row"):
            return max(start for start in starts if start <= place)
    text = query.get("from", "0")
    place = int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else 0
    return place if place < len(lines) else 0


def lead(scale: Scale, scales: Sequence[Scale]) -> str:
    """Return the sentence above a table: what is scored, what counts, and what guessing gets."""
    ranked = scales[0] if scale.name == "above" else scale
    if ranked.metric == "pair":
        text = (
            "Reward models score several responses to a prompt, and an item counts if every chosen response scores "
            "above every rejected one"
        )
    else:
        counts = "under both" if ranked.metric == "mirror" else "with the prompt"
        verb = "the right response wins" if ranked.metric == "mirror" else "the preference turns"
        text = (
            "Reward models score the same two responses under two prompts that differ in one detail, and such a pair "
            f"of prompts, a mirror, counts if {verb} {counts}"
        )
    if scale.name == "above":
        return f"{text}: 0 is guessing, 100 is all right."
    chance = scale.chance("score")
    return f"{text}." if chance is None else f"{text}: guessing gets {_short_percent(chance)}."


def chance_label(scale: Scale) -> str:
    """Return the name of the line of chance."""
    if scale.name == "above":
        return "chance 0: guessing"
    chance = scale.chance("score") or 0.0
    guess = "random picks" if scale.metric == "pair" and chance < 0.5 else "coin flips"
    return f"chance {_short_percent(chance)}: {guess}"


def _short_percent(share: float) -> str:
    """Return a share in percent, without a decimal if it is 0.

    >>> _short_percent(0.25), _short_percent(0.0039), _short_percent(1e-9)
    ('25', '0.4', '0')
    """
    return f"{round(100 * share, 1):g}"


def _chance(name: str, scale: Scale, rows: Sequence[LeaderboardRow]) -> TableCell:
    """Return the cell of the line of chance in a column; empty if guessing has no figure there."""
    is_total = name == scale.column
    if name in tables.PLAIN or (name in tables.TOTALS and not is_total):
        return TableCell("")
    is_subset = not is_total and all(is_subset_column(row, name, scale) for row in rows)
    chance = scale.chance("score" if is_total else name, is_subset)
    if chance is None:
        return TableCell("")
    return TableCell(f"{100 * chance:.1f}", value=f"{chance:.6f}" if is_total else "")


def count_models(board: Board) -> dict[str, int]:
    """Return the suites of a board with their numbers of models (neither baselines nor toys), most models first.

    Of suites with equally many models, core comes first.
    """
    counts = Counter(dict.fromkeys(board.suites, 0))
    for row in board.rows:
        if not row.is_baseline and not facts.is_toy(row):
            counts[row.suite] += 1
    order = {name: index for index, name in enumerate(board.suites)}
    names = sorted(counts, key=lambda name: (-counts[name], name != "core", order[name]))
    return {name: counts[name] for name in names}


def first_suite(board: Board) -> str:
    """Return the suite on which the page opens; empty without rows."""
    return next(iter(count_models(board)), "")


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
    version = embedded_version(spec)
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
