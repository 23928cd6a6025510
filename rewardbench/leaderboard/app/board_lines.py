"""Arrange rows as the lines of a table: in groups, with cells, runs folded, and a line of chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from rewardbench.leaderboard import facts
from rewardbench.leaderboard.app import filters, runs, tables
from rewardbench.leaderboard.app.scales import Scale, shade
from rewardbench.leaderboard.types import LeaderboardRow

NOT_VERIFIED = "Not verified yet"
TAG = 64
"""Maximum number of bytes of a line besides its attributes and cells."""


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
        attributes: its attributes as HTML, but for those that depend on the address.
        html: its cells as HTML, once they are rendered.
    """

    row: LeaderboardRow
    cells: tuple[TableCell, ...]
    values: Mapping[str, str]
    selected: bool
    members: str = ""
    curve: Markup | None = None
    run: str = ""
    attributes: str = ""
    html: str = ""

    @property
    def size(self) -> int:
        """Bytes of its HTML, with room for the rest of its tag."""
        return len(f"{self.attributes}{self.html}".encode("utf-8", "replace")) + TAG


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
        if name == "open" and by_group["verified"] and above == len(lines):
            above = None  # the verified rows have the line already, and no row here is below it
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
        chance = None if name in tables.TOTALS else scale.chance(name, is_subset_column(row, name, scale))
        return TableCell(text, shade(figure, chance))
    interval = "" if figure is None or figure.low is None else tables.format_interval(figure)
    value = "" if figure is None or figure.value is None else f"{figure.value:.6f}"
    return TableCell(text, shade(figure, scale.chance("score")), interval, value)


def is_subset_column(row: LeaderboardRow, name: str, scale: Scale) -> bool:
    """Return True if a column shows the accuracy on a subset."""
    sections = row.turns[1:] if scale.metric == "turn" else row.sections
    return name not in [figure.name for figure in sections]


def render_lines(groups: Iterable[LineGroup], macros: Mapping[str, Callable[[Line], str]]) -> list[LineGroup]:
    """Return groups whose lines have their HTML in place of cells.

    Args:
        groups: the groups.
        macros: what renders the `attributes` and the `cells` of a line.
    """
    rendered: list[LineGroup] = []
    for group in groups:
        lines: list[Line] = []
        for line in group.lines:
            attributes, html = Markup(macros["attributes"](line)), Markup(macros["cells"](line))
            lines.append(replace(line, cells=(), values={}, attributes=attributes, html=html))
        rendered.append(replace(group, lines=tuple(lines)))
    return rendered


def cut_groups(groups: Iterable[LineGroup], start: int, end: int, selected: str) -> list[LineGroup]:
    """Return the lines from `start` to `end`, counted over all groups, and mark that of the row `selected`."""
    shown: list[LineGroup] = []
    for group in groups:
        count = len(group.lines)
        first, last = max(0, start), min(count, end)
        start, end = start - count, end - count
        if first >= last:
            continue
        above = group.above_chance
        is_here = above is not None and (first <= above < last or (above == last == count))
        lines = [replace(line, selected=line.row.key == selected) for line in group.lines[first:last]]
        shown.append(
            replace(group, lines=tuple(lines), above_chance=above - first if is_here and above is not None else None)
        )
    return shown
