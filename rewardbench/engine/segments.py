"""Encode scores of the cache as parquet files, which other machines read."""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rewardbench.errors import InputError

if TYPE_CHECKING:
    import pyarrow

FORMAT_VERSION = 1
KEY_BYTES = 16
"""Bytes of the key of a request."""

StoredScore = float | bytes | None
"""A value of the column `score` of the cache: a float, the bytes of several floats, or None for NaN."""
SegmentRow = tuple[str, bytes, StoredScore]
"""Digest of the scorer, key of the request, and score."""


class SegmentScorer(NamedTuple):
    """A scorer with scores in a segment."""

    digest: str
    name: str
    """The model, as the user named it."""
    fingerprint: str
    """JSON of everything that can change its scores."""
    used: float
    """Time of its last use, in seconds since 1970."""


def encode_segment(rows: Sequence[SegmentRow], scorers: Sequence[SegmentScorer]) -> bytes:
    """Return the parquet file of some scores; its metadata name the scorers."""
    import pyarrow as pa
    from pyarrow import parquet

    digests, keys, columns = zip(*rows, strict=True)
    table = pa.table(
        {
            "scorer": pa.array(digests, pa.string()).dictionary_encode(),
            "key": pa.array(keys, pa.binary(KEY_BYTES)),
            "scores": pa.array(map(_to_floats, columns), pa.list_(pa.float64())),
            "is_single": pa.array([not isinstance(column, bytes) for column in columns], pa.bool_()),
        }
    )
    metadata = {"format": str(FORMAT_VERSION), "scorers": json.dumps(scorers)}
    file = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata(metadata), file, compression="zstd")
    return file.getvalue()


def decode_segment(content: bytes, name: str) -> tuple[list[SegmentRow], list[SegmentScorer]]:
    """Return the scores and the scorers of a segment, the inverse of `encode_segment`.

    Args:
        content: the parquet file.
        name: its address, for the error.

    Raises:
        InputError: if it is not a segment of this version.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(content))
        metadata = table.schema.metadata or {}
        if metadata.get(b"format") != str(FORMAT_VERSION).encode():
            raise InputError(f"{name} is of another version of rewardbench: set REWARDBENCH_CACHE to another prefix.")
        scorers = [_to_scorer(*values) for values in json.loads(metadata[b"scorers"])]
        return _to_rows(table), scorers
    except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{name} is not a segment of a score cache ({type(error).__name__}): delete it.") from error


def _to_rows(table: pyarrow.Table) -> list[SegmentRow]:
    columns = (table[name].to_pylist() for name in ("scorer", "key", "scores", "is_single"))
    rows: list[SegmentRow] = []
    for digest, key, floats, is_single in zip(*columns, strict=True):
        if len(key) != KEY_BYTES:
            raise ValueError("a key has another length")
        rows.append((digest, key, _to_column(floats, is_single)))
    return rows


def _to_scorer(digest: str, name: str, fingerprint: str, used: float) -> SegmentScorer:
    json.loads(fingerprint)
    return SegmentScorer(digest, name, fingerprint, float(used))


def _to_floats(column: StoredScore) -> Sequence[float]:
    if isinstance(column, bytes):
        return struct.unpack(f"<{len(column) // 8}d", column)
    return (math.nan if column is None else column,)


def _to_column(floats: Sequence[float], is_single: bool) -> StoredScore:
    """Return the value of the column `score`, the inverse of `_to_floats`.

    >>> _to_column(_to_floats(-0.0), True), _to_column(_to_floats(None), True), len(_to_column([1.0, 2.0], False))
    (-0.0, None, 16)
    """
    if not is_single:
        return struct.pack(f"<{len(floats)}d", *floats)
    (value,) = floats
    return None if math.isnan(value) else value
