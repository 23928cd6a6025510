"""Write scored rows to a JSON Lines or parquet file that appears when it is complete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rewardbench.console.strict_json import dump

ROWS_PER_GROUP = 10_000
"""Rows of a row group of a parquet file, which are held in memory."""

ScoreRow = Mapping[str, object]
"""A scored row: `id`, `score` or `scores`, `order_inconsistency`, `step_scores`, `reason`, `truncated`."""


class RowFile(ABC):
    """A file of scored rows: a context manager that moves the file into place at the end, or deletes it on an error.

    Args:
        path: its suffix, `.jsonl` or `.parquet`, decides the format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._partial = path.with_name(f".{path.name}.partial")

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
    """A parquet file with the columns of `ScoreRow`."""

    def __init__(self, path: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        super().__init__(path)
        self._schema = pyarrow.schema(
            [
                ("id", pyarrow.string()),
                ("score", pyarrow.float64()),
                ("scores", pyarrow.list_(pyarrow.float64())),
                ("order_inconsistency", pyarrow.float64()),
                ("step_scores", pyarrow.list_(pyarrow.list_(pyarrow.float64()))),
                ("reason", pyarrow.string()),
                ("truncated", pyarrow.bool_()),
            ]
        )
        self._writer = parquet.ParquetWriter(self._partial, self._schema)
        self._pending: list[ScoreRow] = []

    def _write(self, row: ScoreRow) -> None:
        self._pending.append(row)
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


def open_row_file(path: Path) -> RowFile:
    """Open a new file of rows; the suffix decides its format."""
    return ParquetFile(path) if path.suffix == ".parquet" else JsonLinesFile(path)
