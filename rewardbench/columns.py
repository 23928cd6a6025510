"""Per-item rows to a parquet table and back, within limits: what comes from strangers is measured before it is read.

The table holds what figures need: scores, not texts. Those stand once, in the suite.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rewardbench.types import InputError

MOST_BYTES = 64 * 2**20
MOST_UNPACKED = 256 * 2**20
"""What a table may take in memory, by its own account."""
MOST_ROWS = 1_000_000
MOST_VALUES = 4_000_000
LONGEST_TEXT = 4_096


def schema() -> Any:
    """The columns: one row an item, one score a completion, the right completions first."""
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("subset", pa.string()),
            ("group", pa.string()),
            ("num_correct", pa.int32()),
            ("scores", pa.list_(pa.float64())),
            ("results", pa.float64()),
            ("reason", pa.string()),
            ("tokens", pa.list_(pa.int32())),
            ("truncated", pa.bool_()),
        ]
    )


def pack(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as `results.to_row` gives them, as the bytes of a parquet file; columns beside ours are left out.

    Raises: InputError for half a surrogate pair, ValueError for values of other types.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = schema().names
    try:
        table = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows], schema=schema())
    except UnicodeEncodeError as error:
        raise InputError(
            f"The text {error.object[:40]!a} holds half a surrogate pair, which a published table cannot: mend it "
            "in the data, and score the model again."
        ) from error
    except pa.ArrowException as error:
        raise ValueError(_first_line(error)) from error
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def unpack(path: Path) -> list[dict[str, Any]]:
    """The rows of a table. Raises: InputError for what is no such table, or is larger than a result can be."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        _refuse_large(path, path.stat().st_size, MOST_BYTES)
        texts = [field.name for field in schema() if field.type == pa.string()]
        if missing := set(schema().names) - set(pq.read_schema(path).names):
            raise InputError(f"{path} lacks the columns {', '.join(sorted(missing))}: it is no table of scores.")
        file = pq.ParquetFile(path, read_dictionary=texts)  # a text that repeats is held once
        _refuse_large(path, file.metadata.num_rows, MOST_ROWS, "rows")
        _refuse_bomb(path, file.metadata)
        rows: list[dict[str, Any]] = []
        for batch in file.iter_batches(batch_size=4096, columns=schema().names):
            _refuse_long(path, batch)
            rows += batch.cast(schema()).to_pylist()
        return rows
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as a parquet table of scores ({_first_line(error)}).") from error


def _refuse_bomb(path: Path, told: Any) -> None:
    """Raises: InputError where the file is larger inside than out, by its own account of bytes and of values."""
    groups = [told.row_group(n) for n in range(told.num_row_groups)]
    _refuse_large(path, sum(group.total_byte_size for group in groups), MOST_UNPACKED)
    for n in range(told.num_columns):
        _refuse_large(path, sum(group.column(n).num_values for group in groups), MOST_VALUES, "values in a column")


def _refuse_long(path: Path, batch: Any) -> None:
    """Raises: InputError for a text that no id, subset or reason is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and pa.types.is_string(column.type.value_type):
            longest = pc.max(pc.binary_length(column.dictionary)).as_py()
            _refuse_large(path, longest or 0, LONGEST_TEXT, "bytes in a text")


def _refuse_large(path: Path, found: int, most: int, unit: str = "bytes") -> None:
    if found > most:
        raise InputError(f"{path} holds {found:,} {unit}, and a result at most {most:,}: it was not read.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
