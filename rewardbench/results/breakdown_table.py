"""Print the breakdowns of a result: a table for each column, and `key=value` lines."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from rewardbench.console.terminal import printable
from rewardbench.metrics import LADDER, reaches
from rewardbench.types import Estimate, Result

TOTAL = "all"


def tables(result: Result, most: int) -> Iterator[Table]:
    """Yield a table for each column: a row per subset (at most `most`), and a column per value, in percent.

    The last column of a ladder is the reach of the subset.
    """
    reach = reaches(result.breakdowns)
    for column, rows in _by_column(result).items():
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
        table.add_column(printable(column), overflow="fold")
        values = dict.fromkeys(value for estimates in rows.values() for value in estimates)
        for value in values:
            table.add_column(printable(value), justify="right")
        if column == LADDER:
            table.add_column("reach", justify="right")
        for name in list(rows)[: most + 1]:
            cells = [_share(rows[name].get(value)) for value in values]
            if column == LADDER:
                cells.append(str(reach.get(name, "")))
            style = "bold" if name == TOTAL else ""
            table.add_row(Text(printable(name)), *map(Text, cells), style=style)
        yield table


def _by_column(result: Result) -> dict[str, dict[str, dict[str, Estimate]]]:
    """Return the breakdowns by column, by subset (or `TOTAL`), and by value."""
    columns: dict[str, dict[str, dict[str, Estimate]]] = {}
    for breakdown in result.breakdowns:
        subset, _, label = breakdown.name.rpartition("/")
        column, _, value = label.partition(".")
        columns.setdefault(column, {}).setdefault(subset or TOTAL, {})[value] = breakdown
    return columns


def _share(estimate: Estimate | None) -> str:
    return "–" if estimate is None or estimate.value is None else f"{100 * estimate.value:.1f}"
