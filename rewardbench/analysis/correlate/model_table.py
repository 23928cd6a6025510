"""Read tables of figures by model, and join them: benchmark scores, downstream performance and groups of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from rewardbench.comparison.compare import ComparedResult, compute_means, read_compared
from rewardbench.errors import InputError
from rewardbench.paths import home_path
from rewardbench.suites.data_row import DataRow
from rewardbench.suites.readers import decode_line, iterate_file, readable, suffix

MOST_COLUMNS = 1_000
"""Maximum number of columns of a table."""


@dataclass(frozen=True)
class ModelTable:
    """A table with a row for each model.

    Attributes:
        path: the file, for error messages.
        numbers: the columns of numbers, NaN where a cell is empty: {name: [rows]}.
        texts: the other columns, as text: {name: [rows]}.
    """

    path: str
    numbers: Mapping[str, np.ndarray]
    texts: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        numbers, texts = list(self.numbers.values()), list(self.texts.values())
        if numbers:
            return len(numbers[0])
        return len(texts[0]) if texts else 0

    def text(self, name: str) -> tuple[str, ...]:
        """Return a column as text: [rows].

        Raises:
            InputError: if there is no such column.
        """
        if name in self.numbers:
            return tuple(f"{value:g}" for value in self.numbers[name])
        if name not in self.texts:
            raise InputError(f"{self.path} has no column {name!r}: it has {self._names()}.")
        return self.texts[name]

    def number(self, name: str) -> np.ndarray:
        """Return a column of numbers: [rows].

        Raises:
            InputError: if there is no such column, or it holds other text.
        """
        if name in self.texts:
            raise InputError(f"{self.path}: the column {name!r} holds text, not numbers.")
        if name not in self.numbers:
            raise InputError(f"{self.path} has no column {name!r}: it has {self._names()}.")
        return self.numbers[name]

    def _names(self) -> str:
        return ", ".join([*self.numbers, *self.texts])[:200]


def is_table(source: ComparedResult) -> bool:
    """Return True if an input is a table of models, not a result: .csv, .tsv, .parquet, or .json of columns or rows."""
    if not isinstance(source, str | PathLike):
        return False
    path = home_path(fspath(source))
    if suffix(path) in (".csv", ".tsv", ".parquet"):
        return True
    if path.suffix != ".json" or not path.is_file():
        return False
    table = _read_object(path)
    return not table or _is_split(table) or all(isinstance(cells, list | dict) for cells in table.values())


def _read_object(path: Path) -> DataRow:
    """Return the object that a .json file consists of; an empty one if it consists of a list or of lines."""
    with readable(path):
        content = path.read_bytes()
    try:
        return decode_line(content, path, 1)
    except InputError:
        return {}


def _is_split(table: DataRow) -> bool:
    """Return True for an object with the names of columns apart from the rows."""
    return {"columns", "rows"} <= table.keys()


def read_table(path: str | PathLike[str]) -> ModelTable:
    """Read a table: rows with a header, or JSON with `columns` (names) and `rows` (lists of cells).

    Raises:
        InputError: if it cannot be read, has no rows, or a row has another number of cells than there are columns.
    """
    place = home_path(fspath(path))
    table = _read_object(place) if place.suffix == ".json" else {}
    rows = _expand(table, place) if _is_split(table) else list(iterate_file(place))
    if not rows:
        raise InputError(f"{place} has no rows: give a row for each model.")
    return to_table(rows, str(place))


def to_table(rows: Sequence[DataRow], path: str) -> ModelTable:
    """Divide rows into columns of numbers and of text; a column is of numbers if every cell is one, or empty.

    Raises:
        InputError: if there are too many columns.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{path} has {len(names):,} columns: give at most {MOST_COLUMNS:,}.")
    numbers: dict[str, np.ndarray] = {}
    texts: dict[str, tuple[str, ...]] = {}
    for name in names:
        cells = [row.get(name) for row in rows]
        values = _as_numbers(cells)
        if values is None:
            texts[name] = tuple(map(_as_text, cells))
        else:
            numbers[name] = values
    return ModelTable(path, numbers, texts)


def _as_text(cell: object) -> str:
    return "" if cell is None else str(cell)


def _expand(table: DataRow, path: Path) -> list[DataRow]:
    """Convert an object of `columns` and `rows` to rows."""
    columns, rows = table["columns"], table["rows"]
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise InputError(f"{path}: columns must be a list of names, and rows a list of lists.")
    expanded: list[DataRow] = []
    for number, cells in enumerate(rows, 1):
        if not isinstance(cells, list) or len(cells) != len(columns):
            raise InputError(f"{path}, row {number}: there must be {len(columns)} cells, one for each column.")
        expanded.append(dict(zip(map(str, columns), cells, strict=True)))
    return expanded


def _as_numbers(cells: Sequence[object]) -> np.ndarray | None:
    """Return cells as numbers, NaN where they are empty or not finite; None if one is text, or all are empty."""
    values = np.full(len(cells), nan)
    for index, cell in enumerate(cells):
        if cell is None or cell == "":
            continue
        try:
            if isinstance(cell, bool) or not isinstance(cell, int | float | str):
                return None
            value = float(cell)
        except (ValueError, OverflowError):
            return None
        values[index] = value if isfinite(value) else nan
    return values if np.isfinite(values).any() else None


def join(first: ModelTable, second: ModelTable, key: str) -> tuple[ModelTable, int]:
    """Join two tables by a column; rows follow the first table.

    Args:
        first: a table with the column.
        second: another one; where both have a column, that of the second gets the suffix `.2`.
        key: the column, whose values must be unique in each table.

    Returns:
        The joined table, and how many rows of either have no partner.

    Raises:
        InputError: if a table lacks the column, repeats a value, or no value is in both.
    """
    first_rows, second_rows = _rows_by_key(first, key), _rows_by_key(second, key)
    shared = [value for value in first_rows if value in second_rows]
    if not shared:
        example = f"such as {next(iter(first_rows))[:40]!r} and {next(iter(second_rows))[:40]!r}"
        raise InputError(f"{first.path} and {second.path} have no {key} in common ({example}): write names alike.")
    left = np.array(list(map(first_rows.__getitem__, shared)))
    right = np.array(list(map(second_rows.__getitem__, shared)))
    numbers: dict[str, np.ndarray] = {}
    texts: dict[str, tuple[str, ...]] = {key: tuple(shared)}
    for table, rows in ((first, left), (second, right)):
        for name, values in table.numbers.items():
            if name != key:
                numbers[_free_name(name, numbers, texts)] = values[rows]
        for name, cells in table.texts.items():
            if name != key:
                texts[_free_name(name, numbers, texts)] = tuple(cells[row] for row in rows)
    unmatched = len(first_rows) + len(second_rows) - 2 * len(shared)
    return ModelTable(f"{first.path} and {second.path}", numbers, texts), unmatched


def _free_name(name: str, *tables: Mapping[str, object]) -> str:
    return f"{name}.2" if any(name in table for table in tables) else name


def _rows_by_key(table: ModelTable, key: str) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, value in enumerate(table.text(key)):
        if value in rows:
            raise InputError(
                f"{table.path}: {value[:60]!r} occurs twice in the column {key!r}; give each model one row."
            )
        rows[value] = row
    return rows


def table_of_results(results: Sequence[ComparedResult], key: str) -> ModelTable:
    """Tabulate the headline scores of stored results, in percent: a row for each model, a column for each suite.

    Raises:
        InputError: if a result cannot be read, holds no score, or a model has two results of one suite.
    """
    scores: dict[str, dict[str, object]] = {}
    for result in results:
        scored = read_compared(result)
        means = compute_means(scored)
        row = scores.setdefault(scored.model, {key: scored.model})
        if scored.suite.name in row:
            raise InputError(f"Two results are of {scored.model} on {scored.suite.name}: give each once.")
        row[scored.suite.name] = 100 * means.total(means.headline).value
    return to_table(list(scores.values()), "the results")
