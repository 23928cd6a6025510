"""Write per-item rows as a parquet table, and read them back within limits: untrusted files are measured while read.

The table holds what figures need: scores, not texts. Those stand once, in the suite.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rewardbench.errors import InputError
from rewardbench.results.schema import LONGEST_ROW_TEXT, RowRecord, explain

MOST_BYTES = 64 * 2**20
MOST_UNPACKED = 256 * 2**20
"""What a table may take in memory, by its own account."""
MOST_ROWS = 250_000
MOST_VALUES = 4_000_000
MOST_LINES_BYTES = 8 * MOST_BYTES
"""Bytes of the largest JSONL file of rows, which holds texts beside scores."""
LONGEST_LINE = 16 * 2**20
"""Bytes of the longest line of such a file: a row with all its texts."""


def schema() -> Any:
    """Return the columns: one row an item, one score a completion, right completions first."""
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


def count_rows(table: bytes) -> int:
    """Return the number of rows of a table that `pack` made."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(io.BytesIO(table)).num_rows)


def unpack(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a table. Raises: InputError if it is no such table, or larger than a result can be."""
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
        size = Size(path)
        for batch in file.iter_batches(batch_size=4096, columns=schema().names, use_threads=False):
            _refuse_long(path, batch)
            plain = batch.cast(schema())
            lists = [column for column in plain.columns if pa.types.is_list(column.type)]
            size.add(plain.num_rows, sum(len(column.flatten()) for column in lists), plain.nbytes)
            rows += plain.to_pylist()
        return rows
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as a parquet table of scores ({_first_line(error)}).") from error


class Size:
    """Count what is read of a file of rows.

    Args:
        path: the file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self.values = self.bytes = 0

    def add(self, rows: int, values: int, size: int) -> None:
        """Count rows, the values of their lists, and their bytes. Raises: InputError above the limits of a result."""
        self.rows += rows
        self.values += values
        self.bytes += size
        _refuse_large(self.path, self.rows, MOST_ROWS, "rows")
        _refuse_large(self.path, self.values, MOST_VALUES, "values")
        _refuse_large(self.path, self.bytes, MOST_UNPACKED)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a JSONL file, each with the columns of the table alone; texts are dropped line by line.

    Raises: InputError for what holds no such rows, or is larger than a result can be.
    """
    rows: list[dict[str, Any]] = []
    size = Size(path)
    try:
        _refuse_large(path, path.stat().st_size, MOST_LINES_BYTES)
        with path.open("rb") as file:
            while line := file.readline(LONGEST_LINE + 1):
                _refuse_large(path, len(line), LONGEST_LINE, "bytes in a line")
                rows.append(_row(line, path, len(rows) + 1))
                lists = [rows[-1][name] for name in ("scores", "tokens")]
                texts = [rows[-1][name] or "" for name in TEXTS]
                size.add(1, sum(map(len, lists)), sum(map(len, texts)))
    except OSError as error:
        raise InputError(f"Cannot read per-item scores from {path}: {error.strerror}.") from error
    return rows


TEXTS = ("id", "subset", "group", "reason")


def _row(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """Parse a row and keep the columns of the table. Raises: InputError if one is missing or of another type."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}, line {number}, is not JSON.") from error
    if not isinstance(row, dict):
        raise InputError(f"{path}, line {number}, is no JSON object.")
    try:
        record = RowRecord.model_validate({name: row[name] for name in RowRecord.model_fields if name in row})
    except ValidationError as error:
        reason = explain(error)
    else:
        return {**vars(record), "tokens": record.tokens or []}
    separator = ":" if reason.startswith(tuple(RowRecord.model_fields)) else ","
    raise InputError(f"{path}, line {number}{separator} {reason}.")


def _refuse_bomb(path: Path, metadata: Any) -> None:
    """Reject a table whose metadata states more bytes or values than a result has. Raises: InputError."""
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    _refuse_large(path, sum(group.total_byte_size for group in groups), MOST_UNPACKED)
    for n in range(metadata.num_columns):
        _refuse_large(path, sum(group.column(n).num_values for group in groups), MOST_VALUES, "values in a column")


def _refuse_long(path: Path, batch: Any) -> None:
    """Reject texts longer than an id, subset or reason can be. Raises: InputError."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and pa.types.is_string(column.type.value_type):
            longest = pc.max(pc.binary_length(column.dictionary)).as_py()
            _refuse_large(path, longest or 0, LONGEST_ROW_TEXT, "bytes in a text")


def _refuse_large(path: Path, amount: int, most: int, unit: str = "bytes") -> None:
    if amount > most:
        raise InputError(f"{path} holds {amount:,} {unit}, and a result at most {most:,}: it was not read.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
