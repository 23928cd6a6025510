"""Read Parquet and Arrow tables into rows of plain Python values, whatever the types of the other columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.suites.data_row import DataRow
from rewardbench.suites.lazy import LazySequence

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 1024
"""Rows that are decoded at a time."""


class ArrowReadError(ValueError):
    """The reason why a table cannot be read, without the file name; `format` is "a Parquet file", say."""

    def __init__(self, reason: str, format: str) -> None:
        super().__init__(reason)
        self.format = format


def read_parquet(path: Path) -> Iterator[DataRow]:
    """Yield the rows of a Parquet file.

    Raises:
        ArrowReadError: for a damaged file.
    """
    import pyarrow.parquet

    with _arrow_errors("a Parquet file"), pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH):
            yield from batch_rows(batch)


def lazy_parquet(path: Path) -> LazySequence[DataRow]:
    """Return the rows of a Parquet file, which are decoded on access, a row group at a time.

    Raises:
        ArrowReadError: for a damaged file.
    """
    import pyarrow.parquet

    with _arrow_errors("a Parquet file"), pyarrow.parquet.ParquetFile(path) as file:
        groups = range(file.metadata.num_row_groups)
        ends = list(accumulate(file.metadata.row_group(group).num_rows for group in groups))

    def read(first: int, end: int) -> Iterator[DataRow]:
        wanted = [group for group in groups if ends[group] > first and (group == 0 or ends[group - 1] < end)]
        at = ends[wanted[0] - 1] if wanted and wanted[0] else 0
        with _arrow_errors("a Parquet file"), pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH, row_groups=wanted, use_threads=False):
                if at < end and at + batch.num_rows > first:
                    start = max(first - at, 0)
                    yield from batch_rows(batch.slice(start, min(end, at + batch.num_rows) - at - start))
                at += batch.num_rows

    return LazySequence(ends[-1] if ends else 0, read)


def read_arrow(path: Path) -> Iterator[DataRow]:
    """Yield the rows of an Arrow file or stream.

    Raises:
        ArrowReadError: for a damaged file.
    """
    import pyarrow as pa

    with _arrow_errors("an Arrow file"), pa.OSFile(str(path)) as source:
        is_file = source.read(6) == b"ARROW1"
        source.seek(0)
        if is_file:
            reader = pa.ipc.open_file(source)
            batches = map(reader.get_batch, range(reader.num_record_batches))
        else:
            batches = pa.ipc.open_stream(source)
        for batch in batches:
            yield from batch_rows(batch)


@contextmanager
def _arrow_errors(format: str) -> Iterator[None]:
    """Context manager: turn what pyarrow raises (its classes differ from type to type) into an ArrowReadError."""
    try:
        yield
    except (GeneratorExit, FileNotFoundError, PermissionError, ArrowReadError):
        raise
    except Exception as error:
        raise ArrowReadError(first_line(error), format) from error


def batch_rows(batch: pa.RecordBatch | pa.Table) -> Iterator[DataRow]:
    """Yield the rows of a record batch or table.

    Raises:
        ValueError: if two columns share a name.
    """
    names = batch.schema.names
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise ValueError(f"it has {count} columns called {name[:60]!r}")
    columns = list(map(_column_values, batch.columns))
    for cells in zip(*columns, strict=True):
        yield dict(zip(names, cells, strict=True))


def _column_values(column: pa.Array | pa.ChunkedArray) -> list[object]:
    """Return the values of a column as Python's; those that Python cannot hold (a date past 9999) as their numbers.

    A column that no cast can read is missing in every row.
    """
    import pyarrow as pa

    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        column = _binary_as_text(column)
    try:
        return list(column.to_pylist())
    except Exception:  # OverflowError, ValueError, a zone that is not known: each type has its own
        pass
    for target in (_with_integer_times(column.type), pa.string()):
        try:
            return list(column.cast(target).to_pylist())
        except Exception:  # the same
            continue
    return [None] * len(column)


def _binary_as_text(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return a column of bytes as text if it is UTF-8: some writers do not mark text as such."""
    import pyarrow as pa

    try:
        return column.cast(pa.string())
    except pa.ArrowException:
        return column


def _with_integer_times(type: pa.DataType) -> pa.DataType:
    """Return a type with integers for times and dates, at any depth."""
    import pyarrow as pa

    if pa.types.is_date32(type) or pa.types.is_time32(type):
        return pa.int32()
    if pa.types.is_temporal(type):
        return pa.int64()
    if pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type):
        return pa.list_(_with_integer_times(type.value_type))
    if pa.types.is_struct(type):
        fields = map(type.field, range(type.num_fields))
        return pa.struct([pa.field(field.name, _with_integer_times(field.type)) for field in fields])
    if pa.types.is_dictionary(type):
        return _with_integer_times(type.value_type)
    return type


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class."""
    return f"{str(error).strip()}\n".splitlines()[0].rstrip(".") or type(error).__name__
