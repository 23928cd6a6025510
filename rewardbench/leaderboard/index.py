"""Write the rows of a leaderboard to a parquet file, its index, and read them back."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rewardbench.leaderboard.types import Board, Earned, Figure, Row

VERSION = "3"
"""Of the index: another is made anew."""


def pack(board: Board, earned: Mapping[str, Earned]) -> bytes:
    """Return the bytes of an index."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for row in board.rows:
        values = asdict(row)
        values |= {name: json.dumps(values[name]) for name in FIGURES}
        values |= {"parts": earned[row.key].parts, "credits": earned[row.key].credits}
        rows.append(values)
    metadata = {"version": VERSION, "built": repr(board.built), "skipped": json.dumps(dict(board.skipped))}
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=_schema(metadata)), out, compression="zstd")
    return out.getvalue()


FIGURES = ("score", "sections", "subsets", "gap")
NUMBERS = ("parameters", "rank", "better")
EARNED = ("parts", "credits")


def _schema(metadata: Mapping[str, str]) -> Any:
    import pyarrow as pa

    columns = [(f.name, pa.int64() if f.name in NUMBERS else pa.string()) for f in fields(Row)]
    columns += [(name, pa.list_(pa.float64())) for name in EARNED]
    return pa.schema(columns, metadata=dict(metadata))


def read_index(path: Path) -> Board | None:
    """Return the rows of an index; None if it is cut off, or of another version."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        metadata = {key.decode(): value.decode() for key, value in (file.schema_arrow.metadata or {}).items()}
        if metadata.get("version") != VERSION:
            return None
        if not set(EARNED) <= set(file.schema_arrow.names):
            return None
        table = file.read(columns=[f.name for f in fields(Row)])
        return Board(
            tuple(map(_row, table.to_pylist())), float(metadata["built"]), skipped=json.loads(metadata["skipped"])
        )
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, AttributeError):
        return None


def _row(columns: dict[str, Any]) -> Row:
    score, *several = (json.loads(columns[name]) for name in FIGURES)
    figures = {
        name: tuple(Figure(**record) for record in records) for name, records in zip(FIGURES[1:], several, strict=True)
    }
    return Row(**{**columns, "score": Figure(**score), **figures})


def read_earned(path: Path, keys: Iterable[str] | None = None) -> dict[str, Earned]:
    """Return the credits of the models in an index, of all or of some keys."""
    import pyarrow.parquet as pq

    wanted = [("key", "in", list(keys))] if keys is not None else None
    table = pq.read_table(path, columns=["key", *EARNED], filters=wanted)
    return {row["key"]: Earned(tuple(row["parts"]), tuple(row["credits"])) for row in table.to_pylist()}
