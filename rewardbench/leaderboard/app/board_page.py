"""Build the leaderboard of a suite. The browser sorts, searches and filters it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from rewardbench.leaderboard import facts
from rewardbench.leaderboard.app import citations, filters, runs, tables
from rewardbench.leaderboard.app.frame import Page
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.app.scales import Scale, choose_scale, scales_of, shade
from rewardbench.leaderboard.types import Board, LeaderboardRow
from rewardbench.suites import load_embedded
from rewardbench.suites.registry import find_spec

FIRST = 100
"""Number of rows that are shown at first; page.js has the same number."""
NOT_VERIFIED = "Not verified yet"


@dataclass(frozen=True)
class TableCell:
    """A cell of the table.

    Args:
        text: what it shows.
        shade: class of a figure above or below guessing, as `scales.shade` returns it.
        interval: interval of the total.
        value: number to sort by, if the text is none.
    """

    text: str
    shade: str = ""
    interval: str = ""
    value: str = ""


@dataclass(frozen=True)
class Line:
    """A row of the table, with what the browser filters by.

    Args:
        row: the row.
        cells: its cells.
        values: its value for each filter.
        selected: whether the address names it.
        members: number and kind of the rows of its run, if it is the row that stands for the run.
        curve: small drawing of the scores of its run.
        run: key of the row that stands for its run, if that is another row.
    """

    row: LeaderboardRow
    cells: tuple[TableCell, ...]
    values: Mapping[str, str]
    selected: bool
    members: str = ""
    curve: Markup | None = None
    run: str = ""


@dataclass(frozen=True)
class LineGroup:
    """Rows under one heading.

    Args:
        name: identifies the group: verified, open, toys or baselines.
        lines: the rows, best first.
        heading: heading; empty for verified rows.
        is_folded: whether the heading opens the rows.
        above_chance: number of rows above the line of chance; None: without a line.
    """

    name: str
    lines: tuple[Line, ...]
    heading: str = ""
    is_folded: bool = False
    above_chance: int | None = None

    @property
    def is_closed(self) -> bool:
        """Whether its rows are hidden at first."""
        return self.is_folded and not any(line.selected for line in self.lines)


def build_page(board: Board, suite: str, query: Mapping[str, str], most: int | None = None) -> Page:
    """Build the leaderboard of a suite.

    Args:
        board: rows of all suites.
        suite: suite to show.
        query: `subsets=1` adds a column for each subset; `row` is the key of a row to highlight; `protocol` is that of
            the judges to show; `scale` is the name of a scale.
        most: number of rows to show; None shows all.
    """
    protocols = board.protocols(suite)
    protocol = choose_protocol(board, suite, query)
    rows, other_rows = split_by_revision(board.of(suite, protocol), suite)
    if not rows and not other_rows:
        return Page("Leaderboard", render("empty.html"))
    subsets = query.get("subsets") == "1"
    scales = scales_of(rows, suite)
    scale = choose_scale(scales, query.get("scale", ""))
    columns = tables.columns(rows, subsets, scale)
    groups = group_lines(rows, columns, scale, query.get("row", ""))
    body = render(
        "board.html",
        suites=count_models(board),
        suite=suite,
        protocols=protocols,
        protocol=protocol,
        subsets=subsets,
        scales=scales,
        scale=scale,
        lead=lead(scale, scales),
        columns=columns,
        labels=[column.label or column.name for column in columns],
        filters=filters.filters_of(rows),
        groups=_first_lines(groups, most),
        chance=[_chance(column.name, scale, rows) for column in columns],
        chance_label=chance_label(scale),
        has_chance=scale.chance("score") is not None,
        first=FIRST,
        other_rows=other_rows[:most],
        shorten=tables.shorten_hashes,
        published=any(not row.ids for row in rows),
        citation=citations.cite_suite(suite, citations.BASE, citations.common_revision(rows)),
        is_complete=most is None or len(rows) <= most,
        num_rows=len(rows),
    )
    return Page(f"Judges on {suite}, {protocol}" if protocol else f"Reward models on {suite}", body)


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


def group_lines(
    rows: Sequence[LeaderboardRow], columns: Sequence[tables.Column], scale: Scale, selected: str
) -> list[LineGroup]:
    """Group rows: verified models, models that are not verified, toy models, and baselines.

    Toy models and baselines are folded if there are other models; checkpoints of a run follow the row that stands for
    them.
    """
    by_group: dict[str, list[LeaderboardRow]] = {"verified": [], "open": [], "toys": [], "baselines": []}
    for row in rows:
        by_group[_group_of(row)].append(row)
    has_models = bool(by_group["verified"] or by_group["open"])
    chance = scale.chance("score")
    groups: list[LineGroup] = []
    for name, group_rows in by_group.items():
        if not group_rows:
            continue
        lines = tuple(_lines(group_rows, columns, scale, selected))
        is_folded = name in ("toys", "baselines") and has_models
        above = None
        if chance is not None and (name in ("verified", "open") or not has_models) and name != "baselines":
            above = _count_above(lines, chance, scale)
        groups.append(LineGroup(name, lines, _heading(name, len(group_rows)), is_folded, above))
    return groups


def _group_of(row: LeaderboardRow) -> str:
    if row.is_baseline:
        return "baselines"
    if facts.is_toy(row):
        return "toys"
    return "verified" if row.is_verified else "open"


def _heading(name: str, count: int) -> str:
    """Return the heading of a group; empty for verified models."""
    if name == "toys":
        return f"{count} toy {'model' if count == 1 else 'models'}, made for tests"
    if name == "baselines":
        return f"{count} {'baseline' if count == 1 else 'baselines'} that do not read the prompt"
    return NOT_VERIFIED if name == "open" else ""


def _count_above(lines: Sequence[Line], chance: float, scale: Scale) -> int:
    """Return the index in a group at which the line of chance goes: before the first row below chance."""
    for index, line in enumerate(lines):
        total = scale.total(line.row)
        if not line.run and (total is None or total.value is None or total.value < chance):
            return index
    return len(lines)


def _lines(
    rows: Sequence[LeaderboardRow], columns: Sequence[tables.Column], scale: Scale, selected: str
) -> Iterable[Line]:
    """Yield the lines of a group: of a run, its head, then its other members from the last to the first."""
    for group in facts.fold_checkpoints(rows):
        head = _line(group.head, columns, scale, selected)
        if not group.is_folded:
            yield head
            continue
        yield replace(head, members=runs.count_members(group), curve=runs.draw_small(group))
        for row in reversed(group.rows):
            if row.key != group.head.key:
                yield replace(_line(row, columns, scale, selected), run=group.head.key)


def _line(row: LeaderboardRow, columns: Sequence[tables.Column], scale: Scale, selected: str) -> Line:
    cells = tuple(_cell(row, column.name, scale) for column in columns)
    return Line(row, cells, filters.values_of(row), row.key == selected)


def _cell(row: LeaderboardRow, name: str, scale: Scale) -> TableCell:
    text = tables.cell_text(row, name, scale)
    if name == "Rank":
        return TableCell(text if row.rank_range else "", value=str(row.rank_range[0]) if row.rank_range else "")
    if name == "Size":
        return TableCell(text, value=str(facts.size_of(row).parameters or ""))
    if name in tables.PLAIN:
        return TableCell(text)
    figure = tables.figure_of(row, name, scale)
    if name != scale.column:
        chance = None if name in tables.TOTALS else scale.chance(name, _is_subset(row, name, scale))
        return TableCell(text, shade(figure, chance))
    interval = "" if figure is None or figure.low is None else tables.format_interval(figure)
    value = "" if figure is None or figure.value is None else f"{figure.value:.6f}"
    return TableCell(text, shade(figure, scale.chance("score")), interval, value)


def _is_subset(row: LeaderboardRow, name: str, scale: Scale) -> bool:
    """Return True if a column shows the accuracy on a subset."""
    sections = row.turns[1:] if scale.metric == "turn" else row.sections
    return name not in [figure.name for figure in sections]


def _chance(name: str, scale: Scale, rows: Sequence[LeaderboardRow]) -> TableCell:
    """Return the cell of the line of chance in a column; empty if guessing has no figure there."""
    is_total = name == scale.column
    if name in tables.PLAIN or (name in tables.TOTALS and not is_total):
        return TableCell("")
    is_subset = not is_total and all(_is_subset(row, name, scale) for row in rows)
    chance = scale.chance("score" if is_total else name, is_subset)
    if chance is None:
        return TableCell("")
    return TableCell(f"{100 * chance:.1f}", value=f"{chance:.6f}" if is_total else "")


def _first_lines(groups: Sequence[LineGroup], most: int | None) -> list[LineGroup]:
    """Return groups with at most this number of lines in all."""
    if most is None:
        return list(groups)
    shown: list[LineGroup] = []
    for group in groups:
        lines = group.lines[:most]
        most -= len(lines)
        above = group.above_chance if group.above_chance is None else min(group.above_chance, len(lines))
        shown.append(LineGroup(group.name, lines, group.heading, group.is_folded, above))
    return shown


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
