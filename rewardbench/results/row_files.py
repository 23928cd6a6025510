"""Write scored rows to a JSON Lines or parquet file that appears when it is complete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rewardbench.console.strict_json import dump
from rewardbench.errors import InputError
from rewardbench.types import Item

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_GROUP = 2_000
"""Rows of a row group of a parquet file, which are held in memory."""

ScoreRow = Mapping[str, object]
"""A scored row: the columns of `SCORE_COLUMNS` that it has, then the other columns of the data."""
SCORE_COLUMNS = ("id", "score", "scores", "order_inconsistency", "step_scores", "reason", "truncated")
LARGEST_INTEGER = 2**63 - 1
"""Of a column of integers; one with a larger integer is stored as text."""


def name_columns(item: Item) -> dict[str, object]:
    """Return the other columns of an item's row; a name that a score has gets the suffix `_input`."""
    columns: dict[str, object] = {"subset": item.subset} if item.subset != "all" else {}
    if item.group:
        columns["group"] = item.group
    for name, value in item.meta.items():
        while name in SCORE_COLUMNS or name in columns:
            name += "_input"
        columns[name] = value
    return columns


class RowFile(ABC):
    """A file of scored rows: a context manager that moves the file into place at the end, or deletes it on an error.

    Args:
        path: its suffix, `.jsonl` or `.parquet`, decides the format.

    Raises:
        InputError: if it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._partial = path.with_name(f".{path.name}.partial")
        if path.is_dir():
            raise InputError(f"The scores cannot be written to {path}: it is a folder.")
        try:
            self._partial.open("wb").close()
        except OSError as error:
            raise InputError(f"The scores cannot be written to {path}: {error.strerror}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close()
            if kind is None:
                self._partial.replace(self.path)
        finally:
            self._partial.unlink(missing_ok=True)

    def add(self, row: ScoreRow) -> None:
        """Write a row."""
        self.rows += 1
        self._write(row)

    @abstractmethod
    def _write(self, row: ScoreRow) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...


class JsonLinesFile(RowFile):
    """A file with a JSON object per line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = self._partial.open("w", encoding="utf-8")

    def _write(self, row: ScoreRow) -> None:
        self._file.write(dump(dict(row)))

    def _close(self) -> None:
        self._file.close()


class ParquetFile(RowFile):
    """A parquet file with SCORE_COLUMNS and the other columns of the data.

    Args:
        path: the file.
        types: of the other columns; columns of type `object` are stored as JSON.
    """

    def __init__(self, path: Path, types: Mapping[str, type]) -> None:
        from pyarrow import parquet

        super().__init__(path)
        self._types = types
        self._schema = _schema(types)
        self._writer = parquet.ParquetWriter(self._partial, self._schema)
        self._pending: list[ScoreRow] = []

    def _write(self, row: ScoreRow) -> None:
        columns = {name: row.get(name) for name in SCORE_COLUMNS}
        for name, type_ in self._types.items():
            value = row.get(name)
            columns[name] = dump(value).rstrip("\n") if type_ is object and value is not None else value
        self._pending.append({name: _storable(value) for name, value in columns.items()})
        if len(self._pending) == ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        self._writer.write_table(pyarrow.Table.from_pylist(list(map(dict, self._pending)), schema=self._schema))
        self._pending = []

    def _close(self) -> None:
        if self._pending:
            self._flush()
        self._writer.close()


def _storable(value: object) -> object:
    """Return a text with lone surrogates as escapes, since parquet is UTF-8; any other value unchanged."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _schema(types: Mapping[str, type]) -> pa.Schema:
    import pyarrow

    arrow_types = {bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64()}
    columns = [
        ("id", pyarrow.string()),
        ("score", pyarrow.float64()),
        ("scores", pyarrow.list_(pyarrow.float64())),
        ("order_inconsistency", pyarrow.float64()),
        ("step_scores", pyarrow.list_(pyarrow.list_(pyarrow.float64()))),
        ("reason", pyarrow.string()),
        ("truncated", pyarrow.bool_()),
    ]
    for name, type_ in types.items():
        columns.append((name, arrow_types.get(type_, pyarrow.string())))
    return pyarrow.schema(columns)


def column_types(items: Iterable[Item]) -> dict[str, type]:
    """Return the type of each other column: that of all its values, or `object` if they differ or are no scalars."""
    types: dict[str, type] = {}
    for item in items:
        for name, value in name_columns(item).items():
            kind = _scalar_type(value)
            known = types.get(name, kind)
            if {known, kind} == {int, float}:
                types[name] = float
            elif type(None) in (known, kind):
                types[name] = kind if known is type(None) else known
            else:
                types[name] = known if known is kind else object
    return types


def _scalar_type(value: object) -> type:
    """Return bool, int, float, str or NoneType; `object` for any other value, and for an integer beyond 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_INTEGER:
        return object
    kind = type(value)
    return kind if kind in (bool, int, float, str, type(None)) else object


def open_row_file(path: Path, items: Iterable[Item]) -> RowFile:
    """Open a new file of rows; the suffix decides its format, and the items the columns of a parquet file."""
    return ParquetFile(path, column_types(items)) if path.suffix == ".parquet" else JsonLinesFile(path)
