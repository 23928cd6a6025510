"""Write per-item rows as a parquet table, and read rows of untrusted files within limits on their size.

The table contains scores, not texts: those are stored once, in the suite.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from pydantic import ValidationError

from rewardbench.errors import InputError
from rewardbench.metrics import column_value
from rewardbench.results.schema import LONGEST_ROW_TEXT, RowRecord
from rewardbench.results.schema_errors import describe_first_error
from rewardbench.results.types import (
    RowJson,
    read_completion_hashes,
    read_label_strength,
    read_order_inconsistency,
    read_position_bias,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

MOST_BYTES = 64 * 2**20
"""Maximum size of a table on disk."""
MOST_UNPACKED = 256 * 2**20
"""Maximum size of a table in memory, as its metadata states and as it is read."""
MAGIC = b"PAR1"
"""The last bytes of a parquet file."""
MOST_FOOTER = 2**20
"""Maximum size of its metadata on disk: parsing takes some seventy times as much memory."""
MOST_ROWS = 250_000
MOST_VALUES = 4_000_000
MOST_SCORED = 20_000
"""Maximum number of rows that are read as arrays, at once."""
MOST_LINES_BYTES = 8 * MOST_BYTES
"""Maximum size of a JSONL file of rows, which contains texts too."""
LONGEST_LINE = 16 * 2**20
"""Maximum size of a line in such a file: a row with all its texts."""


OPTIONAL: Final = ("order_inconsistency", "position_bias", "completion_hashes", "label_strength")
"""Columns of the results of pairwise scorers, of judges, of items in groups, and of graded labels; others lack them."""


def table_schema(optional: Sequence[str] = (), columns: Sequence[str] = ()) -> pa.Schema:
    """Return the columns of the table: a row per item, a score per completion, right completions first.

    Args:
        optional: which of the columns `OPTIONAL` it has.
        columns: the columns of the dataset that it has, as text.
    """
    import pyarrow as pa

    types = (pa.float64(), pa.float64(), pa.list_(pa.int64()), pa.float64())
    optional_columns = [(name, kind) for name, kind in zip(OPTIONAL, types, strict=True) if name in optional]
    optional_columns += [(name, pa.string()) for name in columns]
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
            *optional_columns,
        ]
    )


def encode_table(rows: Iterable[RowJson], columns: Sequence[str] = ()) -> bytes:
    """Return rows of `results.to_row` as a parquet file; columns that are not in the schema are left out.

    Args:
        rows: the rows.
        columns: columns of the dataset to store as text, from which clusters and breakdowns are recomputed.

    Raises:
        InputError: if a text contains a lone surrogate, which parquet cannot store.
        ValueError: if a value has another type than its column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = table_schema().names
    records: list[dict[str, object]] = []
    present: set[str] = set()
    for row in rows:
        optional = _optional_values(row)
        present |= optional.keys()
        records.append({**{name: row.get(name) for name in names}, **optional, **_texts(row, columns)})
    try:
        table = pa.Table.from_pylist(records, schema=table_schema(tuple(present), columns))
    except UnicodeEncodeError as error:
        raise InputError(
            f"The text {error.object[:40]!a} contains a lone surrogate, which a published table cannot store: correct "
            "the data, and score the model again."
        ) from error
    except pa.ArrowException as error:
        raise ValueError(_first_line(error)) from error
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def _optional_values(row: Mapping[str, object]) -> dict[str, object]:
    """Return the columns `OPTIONAL` that a row has."""
    hashes = list(read_completion_hashes(row)) or None
    values = (read_order_inconsistency(row), read_position_bias(row), hashes, read_label_strength(row))
    return {name: value for name, value in zip(OPTIONAL, values, strict=True) if value is not None}


def _texts(row: Mapping[str, object], columns: Sequence[str]) -> dict[str, str]:
    """Return columns of the dataset as text, cut to the longest text of a row."""
    return {name: column_value(row, name)[:LONGEST_ROW_TEXT] for name in columns}


def count_rows(table: bytes) -> int:
    """Return the number of rows in the bytes of a table."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(io.BytesIO(table)).num_rows)


def unknown_columns(path: Path, columns: Sequence[str] = ()) -> list[str]:
    """Return the columns of a table of scores that no result has; empty if it lacks a column of all results.

    Args:
        path: the table.
        columns: columns of the dataset that its manifest names.

    Raises:
        InputError: if it is not a parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        _check_footer(path)
        stored = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as a parquet table of scores ({_first_line(error)}).") from error
    is_table = set(table_schema().names) <= set(stored)
    return sorted(set(stored) - set(table_schema(OPTIONAL, columns).names)) if is_table else []


def read_table(path: Path, columns: Sequence[str] = ()) -> list[RowJson]:
    """Read the rows of a table.

    Args:
        path: the file.
        columns: columns of the dataset to read if the table has them.

    Raises:
        InputError: if it is not a table of scores, or exceeds a limit.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    required = table_schema()
    try:
        _check_limit(path, path.stat().st_size, MOST_BYTES)
        _check_footer(path)
        stored = pq.read_schema(path).names
        columns = [name for name in columns if name in stored]
        if missing := set(required.names) - set(stored):
            raise InputError(f"{path} is not a table of scores: it lacks the columns {', '.join(sorted(missing))}.")
        texts = [field.name for field in table_schema(columns=columns) if field.type == pa.string()]
        file = pq.ParquetFile(path, read_dictionary=texts)  # a repeated text is in memory once
        _check_metadata(path, file.metadata)
        return _read_batches(path, file, columns)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as a parquet table of scores ({_first_line(error)}).") from error


def read_columns(path: Path, names: Sequence[str]) -> pa.Table:
    """Read columns of a table of scores, without an object for each value; columns that it lacks are left out.

    Args:
        path: the file.
        names: the columns, of those of `table_schema`.

    Raises:
        InputError: if it is not a parquet file, or exceeds a limit.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        _check_limit(path, path.stat().st_size, MOST_BYTES)
        with pq.ParquetFile(path) as file:
            _check_metadata(path, file.metadata)
            stored = [name for name in names if name in file.schema_arrow.names]
            table = file.read(columns=stored, use_threads=False)
        return table.cast(pa.schema([table_schema(OPTIONAL).field(name) for name in stored]))
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as a parquet table of scores ({_first_line(error)}).") from error


def _read_batches(path: Path, file: pq.ParquetFile, columns: Sequence[str]) -> list[RowJson]:
    """Read the rows of a file in batches, so that reading stops at a limit."""
    import pyarrow as pa

    schema = table_schema(file.schema_arrow.names, columns)
    rows: list[RowJson] = []
    size = RowsSize(path)
    for batch in file.iter_batches(batch_size=4096, columns=schema.names, use_threads=False):
        _check_texts(path, batch)
        plain = batch.cast(schema)
        values = sum(len(column.flatten()) for column in plain.columns if pa.types.is_list(column.type))
        size.add(plain.num_rows, values, plain.nbytes)
        rows += plain.to_pylist()
    return rows


@dataclass(frozen=True)
class ScoreColumns:
    """The scores of a table, as arrays."""

    ids: tuple[str | None, ...]
    """Ids of the items: [items]."""
    num_correct: np.ndarray
    """Number of right completions of each item: [items]."""
    counts: np.ndarray
    """Number of completions of each item: [items]."""
    scores: np.ndarray
    """Scores of the completions of all items: [completions]; NaN if unknown."""


def read_score_columns(path: Path) -> ScoreColumns | None:
    """Read the scores of a table of this version, without its other columns; None if it is no such table.

    Raises:
        InputError: if it exceeds a limit.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = pa.schema([table_schema().field(name) for name in ("id", "num_correct", "scores")])
    try:
        _check_limit(path, path.stat().st_size, MOST_BYTES)
        file = pq.ParquetFile(path)
        if any(name not in file.schema_arrow.names for name in wanted.names):
            return None
        _check_metadata(path, file.metadata)
        if file.metadata.num_rows > MOST_SCORED:
            return None
        table = file.read(columns=wanted.names, use_threads=False).select(wanted.names).cast(wanted).combine_chunks()
    except (OSError, pa.ArrowException):
        return None
    if table["num_correct"].null_count or table["scores"].null_count:
        return None
    lists = table["scores"].combine_chunks()
    scores = lists.flatten().fill_null(math.nan).to_numpy(zero_copy_only=False)
    counts = np.diff(lists.offsets.to_numpy())
    return ScoreColumns(tuple(table["id"].to_pylist()), table["num_correct"].to_numpy(), counts, scores)


class RowsSize:
    """Size of the rows that have been read from a file.

    Args:
        path: the file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self.values = self.bytes = 0

    def add(self, rows: int, values: int, size: int) -> None:
        """Add rows, the values in their lists, and their bytes.

        Raises:
            InputError: if a total exceeds its limit.
        """
        self.rows += rows
        self.values += values
        self.bytes += size
        _check_limit(self.path, self.rows, MOST_ROWS, "rows")
        _check_limit(self.path, self.values, MOST_VALUES, "values")
        _check_limit(self.path, self.bytes, MOST_UNPACKED)


def read_jsonl(path: Path, columns: Sequence[str] = ()) -> list[RowJson]:
    """Read the rows of an untrusted JSONL file, without their texts: only columns of the table are kept.

    Args:
        path: the file.
        columns: columns of the dataset to keep too, as text.

    Raises:
        InputError: if a line is not a row of scores, or the file exceeds a limit.
    """
    rows: list[RowJson] = []
    size = RowsSize(path)
    try:
        _check_limit(path, path.stat().st_size, MOST_LINES_BYTES)
        with path.open("rb") as file:
            while line := file.readline(LONGEST_LINE + 1):
                _check_limit(path, len(line), LONGEST_LINE, "bytes in a line")
                row = _parse_line(line, path, len(rows) + 1, columns)
                texts = (row["id"], row["subset"], row["group"], row["reason"])
                characters = sum(len(text) for text in texts if text)
                size.add(1, len(row["scores"]) + len(row["tokens"]), characters)
                rows.append(row)
    except OSError as error:
        raise InputError(f"Cannot read per-item scores from {path}: {error.strerror}.") from error
    return rows


def _parse_line(line: bytes, path: Path, number: int, columns: Sequence[str]) -> RowJson:
    """Parse a row, and keep the columns of the table.

    Raises:
        InputError: if a column is missing or has the wrong type.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}, line {number}, is not JSON.") from error
    if not isinstance(row, dict):
        raise InputError(f"{path}, line {number}, is not a JSON object.")
    try:
        record = RowRecord.model_validate({name: row[name] for name in RowRecord.model_fields if name in row})
    except ValidationError as error:
        reason = describe_first_error(error)
    else:
        return cast(
            "RowJson", {**vars(record), "tokens": record.tokens or [], **_optional_values(row), **_texts(row, columns)}
        )
    separator = ":" if reason.startswith(tuple(RowRecord.model_fields)) else ","
    raise InputError(f"{path}, line {number}{separator} {reason}.")


def _check_footer(path: Path) -> None:
    """Check the size of the metadata, which is at the end of a file, before it is parsed.

    Raises:
        InputError: if it exceeds its limit.
    """
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, io.SEEK_END) - 8))
        size, mark = int.from_bytes(file.read(4), "little"), file.read(4)
    if mark == MAGIC:  # otherwise it is no parquet file, which its parser says
        _check_limit(path, size, MOST_FOOTER, "bytes of metadata")


def _check_metadata(path: Path, metadata: pq.FileMetaData) -> None:
    """Check the sizes that the metadata of a table states.

    Raises:
        InputError: if one exceeds its limit.
    """
    _check_limit(path, metadata.num_rows, MOST_ROWS, "rows")
    groups = list(map(metadata.row_group, range(metadata.num_row_groups)))
    _check_limit(path, sum(group.total_byte_size for group in groups), MOST_UNPACKED)
    for n in range(metadata.num_columns):
        _check_limit(path, sum(group.column(n).num_values for group in groups), MOST_VALUES, "values in a column")


def _check_texts(path: Path, batch: pa.RecordBatch) -> None:
    """Check the lengths of ids, subsets, groups and reasons.

    Raises:
        InputError: if one exceeds its limit.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and pa.types.is_string(column.type.value_type):
            longest = pc.max(pc.binary_length(column.dictionary)).as_py()
            _check_limit(path, longest or 0, LONGEST_ROW_TEXT, "bytes in a text")


def _check_limit(path: Path, amount: int, most: int, unit: str = "bytes") -> None:
    if amount > most:
        raise InputError(f"{path} was not read: it has {amount:,} {unit}, and a result has at most {most:,}.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
