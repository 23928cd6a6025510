"""Layouts of a table in a prompt: CSV, Markdown, columns of equal width, log lines, and lines as in an e-mail."""

from __future__ import annotations

from collections.abc import Callable

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.grounded.table import COLUMNS, TIME, Rows, Setting, shown
from rewardbench.verifiers.hard.grounded import KEY

TableLayout = Callable[[Rows], str]


def draw_layout(rng: Rng, setting: Setting) -> TableLayout:
    """Choose a layout and an order of the columns; the key comes first but in log lines."""
    columns = [KEY, *rng.sample(COLUMNS, len(COLUMNS))]
    headings = [setting.header(column) for column in columns]
    make = rng.pick((_csv, _markdown, _aligned, _log, _mail))
    return make(columns, headings)


def _cells(rows: Rows, columns: list[str]) -> list[list[str]]:
    lines = []
    for row in rows:
        lines.append([shown(row[column]) for column in columns])
    return lines


def _csv(columns: list[str], headings: list[str]) -> TableLayout:
    return lambda rows: "\n".join(map(",".join, [headings, *_cells(rows, columns)]))


def _markdown(columns: list[str], headings: list[str]) -> TableLayout:
    def write(rows: Rows) -> str:
        lines = map(" | ".join, [headings, ["---"] * len(headings), *_cells(rows, columns)])
        return "| " + " |\n| ".join(lines) + " |"

    return write


def _aligned(columns: list[str], headings: list[str]) -> TableLayout:
    def write(rows: Rows) -> str:
        lines = [headings, *_cells(rows, columns)]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    return write


def _log(columns: list[str], headings: list[str]) -> TableLayout:
    labels = dict(zip(columns, headings, strict=True))
    del labels[KEY], labels[TIME]

    def write(rows: Rows) -> str:
        lines = []
        for row in rows:
            pairs = ", ".join(f"{label}={row[column]}" for column, label in labels.items())
            lines.append(f"[{shown(row[TIME])}] {row[KEY]}: {pairs}")
        return "\n".join(lines)

    return write


def _mail(columns: list[str], headings: list[str]) -> TableLayout:
    return lambda rows: "\n* ".join(["Each line has: " + "; ".join(headings), *map("; ".join, _cells(rows, columns))])
