"""Make the tables that commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def make_table(*headers: str, right_from: int = 1) -> Table:
    """Return an empty table without vertical lines; columns from index `right_from` on are right-aligned."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index >= right_from else "left", overflow="fold")
    return table


def add_text_row(table: Table, *values: object, style: str | None = None) -> None:
    """Add a row whose values are printed literally, without interpreting markup."""
    from rich.text import Text

    cells = [value if isinstance(value, Text) else Text(str(value)) for value in values]
    table.add_row(*cells, style=style)
