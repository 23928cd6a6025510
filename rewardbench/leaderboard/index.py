"""Write the rows and credits of a leaderboard to its index, a parquet file, and read them back."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardbench.leaderboard.types import Board, Credits, Figure, LeaderboardRow

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = "5"
"""Version of the index; an index of another version is rebuilt."""
FIGURE_COLUMNS = ("score", "sections", "subsets", "gap", "order_inconsistency", "biases", "turns", "breakdowns")
"""Columns with a figure, a list of figures, or null, as JSON."""
INTEGER_COLUMNS = ("parameters", "requests", "failures")
RANGES = "rank_range"
"""Column with the best and the worst rank, or null."""
FLOAT_COLUMNS = ("cost",)
CLUSTERS, ITEMS = "parts", "credits"
"""Columns with the credits of a model: by cluster, and by item."""
ROW_COLUMNS = tuple(column.name for column in fields(LeaderboardRow))


def encode_index(board: Board, credits: Mapping[str, Credits]) -> bytes:
    """Return the bytes of an index.

    Args:
        board: the rows.
        credits: credits of their models, by key.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, list[object]] = {}
    for name in ROW_COLUMNS:
        values = [getattr(row, name) for row in board.rows]
        columns[name] = [json.dumps(value, default=vars) for value in values] if name in FIGURE_COLUMNS else values
    columns[CLUSTERS] = [credits[row.key].by_cluster for row in board.rows]
    columns[ITEMS] = [credits[row.key].by_item for row in board.rows]
    metadata = {"version": VERSION, "built": repr(board.built), "skipped": json.dumps(dict(board.skipped))}
    out = io.BytesIO()
    pq.write_table(pa.table(columns, schema=_schema(metadata)), out, compression="zstd")
    return out.getvalue()


def _schema(metadata: Mapping[str, str]) -> pa.Schema:
    import pyarrow as pa

    types = dict.fromkeys(ROW_COLUMNS, pa.string())
    types |= dict.fromkeys(INTEGER_COLUMNS, pa.int64())
    types[RANGES] = pa.list_(pa.int64())
    types |= dict.fromkeys(FLOAT_COLUMNS, pa.float64())
    columns = list(types.items())
    columns += [(CLUSTERS, pa.list_(pa.float64())), (ITEMS, pa.list_(pa.float64()))]
    return pa.schema(columns, metadata=dict(metadata))


def read_index(path: Path) -> Board | None:
    """Return the rows of an index, or None if it is truncated or of another version."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        metadata = file.schema_arrow.metadata or {}
        if metadata.get(b"version") != VERSION.encode() or not {CLUSTERS, ITEMS} <= set(file.schema_arrow.names):
            return None
        stored = [name for name in ROW_COLUMNS if name in file.schema_arrow.names]
        rows = file.read(columns=stored).to_pylist()
        built, skipped = float(metadata[b"built"]), json.loads(metadata[b"skipped"])
        return Board(tuple(map(_to_row, rows)), built, skipped=skipped)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, AttributeError):
        return None


def _to_row(columns: dict[str, str]) -> LeaderboardRow:
    """Return the row in the columns of an index, which are its fields; an earlier index lacks the optional ones."""
    values: dict[str, Any] = dict(columns)
    for name in FIGURE_COLUMNS:
        if name in columns:
            values[name] = _to_figures(json.loads(columns[name]))
    if values.get(RANGES) is not None:
        best, worst = values[RANGES]
        values[RANGES] = (best, worst)
    return LeaderboardRow(**values)


def _to_figures(value: Any) -> Figure | tuple[Figure, ...] | None:
    """Return the figure, or the figures, of a JSON value."""
    if isinstance(value, list):
        return tuple(Figure(**record) for record in value)
    return None if value is None else Figure(**value)


def read_credits(path: Path, keys: Iterable[str] | None = None) -> dict[str, Credits]:
    """Read the credits of models from an index.

    Args:
        path: the index.
        keys: keys of the models; None reads all.
    """
    import pyarrow.parquet as pq

    filters = [("key", "in", list(keys))] if keys is not None else None
    table = pq.read_table(path, columns=["key", CLUSTERS, ITEMS], filters=filters)
    credits: dict[str, Credits] = {}
    for row in table.to_pylist():
        credits[row["key"]] = Credits(tuple(row[CLUSTERS]), tuple(row[ITEMS]))
    return credits
