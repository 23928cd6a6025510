"""Format the breakdowns of a result as tables: a row for each subset, a column for each value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

from rewardbench.console.tables import add_text_row
from rewardbench.console.terminal import printable
from rewardbench.metrics import LADDER, reaches
from rewardbench.types import Estimate

TOTAL = "all"


@dataclass(frozen=True)
class BreakdownTable:
    """The score by the values of a column, as text: the headers, and the cells of each row."""

    column: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


def breakdown_tables(breakdowns: Sequence[Estimate]) -> Iterator[BreakdownTable]:
    """Yield a table for each column: a row over all subsets, then a row per subset, in percent.

    The last column of a ladder is the reach of the subset.
    """
    reach = reaches(breakdowns)
    for column, estimates in _by_column(breakdowns).items():
        values: dict[str, None] = {}
        for shares in estimates.values():
            values |= dict.fromkeys(shares)
        headers = [column, *values]
        rows: list[list[str]] = []
        for subset, shares in estimates.items():
            cells = [subset, *(_percent(shares.get(value)) for value in values)]
            if column == LADDER:
                cells.append(str(reach.get(subset, "")))
            rows.append(cells)
        if column == LADDER:
            headers.append("reach")
        yield BreakdownTable(column, headers, rows)


def _by_column(breakdowns: Sequence[Estimate]) -> dict[str, dict[str, dict[str, Estimate]]]:
    """Return the breakdowns by column, by subset (or `TOTAL`), and by value."""
    columns: dict[str, dict[str, dict[str, Estimate]]] = {}
    for breakdown in breakdowns:
        subset, _, label = breakdown.name.rpartition("/")
        column, _, value = label.partition(".")
        columns.setdefault(column, {}).setdefault(subset or TOTAL, {})[value] = breakdown
    return columns


def _percent(estimate: Estimate | None) -> str:
    return "–" if estimate is None or estimate.value is None else f"{100 * estimate.value:.1f}"


def to_rich(breakdown: BreakdownTable, most: int) -> Table:
    """Return a table to print, with at most `most` subsets."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    first, *others = breakdown.headers
    table.add_column(printable(first), overflow="fold")
    for header in others:
        table.add_column(printable(header), justify="right")
    for cells in breakdown.rows[: most + 1]:
        add_text_row(table, *map(printable, cells), style="bold" if cells[0] == TOTAL else "")
    return table
