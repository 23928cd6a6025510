"""Read Parquet and Arrow tables into rows of plain Python values, whatever the types of the other columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rewardbench.suites.registry import Row

BATCH = 1024
"""Rows that are decoded at a time."""


class ArrowReadError(ValueError):
    """The reason why a table cannot be read, without the file name; `format` is "a Parquet file", say."""

    def __init__(self, reason: str, format: str) -> None:
        super().__init__(reason)
        self.format = format


def read_parquet(path: Path) -> Iterator[Row]:
    """Yield the rows of a Parquet file.

    Raises:
        ArrowReadError: for a damaged file.
    """
    import pyarrow.parquet

    with _decoded("a Parquet file"), pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH):
            yield from batch_rows(batch)


def read_arrow(path: Path) -> Iterator[Row]:
    """Yield the rows of an Arrow file or stream.

    Raises:
        ArrowReadError: for a damaged file.
    """
    import pyarrow as pa

    with _decoded("an Arrow file"), pa.OSFile(str(path)) as source:
        is_file = source.read(6) == b"ARROW1"
        source.seek(0)
        if is_file:
            reader = pa.ipc.open_file(source)
            batches = (reader.get_batch(n) for n in range(reader.num_record_batches))
        else:
            batches = pa.ipc.open_stream(source)
        for batch in batches:
            yield from batch_rows(batch)


@contextmanager
def _decoded(format: str) -> Iterator[None]:
    """Context manager: turn what pyarrow raises (its classes differ from type to type) into an ArrowReadError."""
    try:
        yield
    except (GeneratorExit, FileNotFoundError, PermissionError, ArrowReadError):
        raise
    except Exception as error:
        raise ArrowReadError(first_line(error), format) from error


def batch_rows(batch: Any) -> Iterator[Row]:
    """Yield the rows of a record batch or table.

    Raises:
        ValueError: if two columns share a name.
    """
    names = batch.schema.names
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise ValueError(f"it has {count} columns called {name[:60]!r}")
    columns = [_values(column) for column in batch.columns]
    for cells in zip(*columns, strict=True):
        yield dict(zip(names, cells, strict=True))


def _values(column: Any) -> list[Any]:
    """Return the values of a column as Python's; those that Python cannot hold (a date past 9999) as their numbers.

    A column that no cast can read is missing in every row.
    """
    import pyarrow as pa

    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        column = _as_text(column)
    try:
        return list(column.to_pylist())
    except Exception:  # OverflowError, ValueError, a zone that is not known: each type has its own
        pass
    for target in (_plain(column.type), pa.string()):
        try:
            return list(column.cast(target).to_pylist())
        except Exception:  # the same
            continue
    return [None] * len(column)


def _as_text(column: Any) -> Any:
    """Return a column of bytes as text if it is UTF-8: some writers leave out that mark."""
    import pyarrow as pa

    try:
        return column.cast(pa.string())
    except pa.ArrowException:
        return column


def _plain(type: Any) -> Any:
    """Return a type with integers for times and dates, at any depth."""
    import pyarrow as pa

    if pa.types.is_date32(type) or pa.types.is_time32(type):
        return pa.int32()
    if pa.types.is_temporal(type):
        return pa.int64()
    if pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type):
        return pa.list_(_plain(type.value_type))
    if pa.types.is_struct(type):
        return pa.struct([pa.field(type.field(n).name, _plain(type.field(n).type)) for n in range(type.num_fields)])
    if pa.types.is_dictionary(type):
        return _plain(type.value_type)
    return type


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class."""
    return f"{str(error).strip()}\n".splitlines()[0].rstrip(".") or type(error).__name__
