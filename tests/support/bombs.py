"""Small files that take much memory when they are read."""

import hashlib
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rewardbench import results
from rewardbench.results import parquet

MIB = 2**20
WIDE = b'{"id":"a","scores":[1,2],"x":[' + b"[]," * (5 * MIB) + b"[]]}\n"
LINES = {
    "lines of an empty list": (b'{"a":[]}\n' * (7 * MIB), "has no id or no scores"),
    "lines of an empty object": (b"{}\n" * (20 * MIB), "has no id or no scores"),
    "a row of a million scores": (b'{"id":"a","scores":[' + b"0," * (5 * MIB) + b"0]}\n", "5,242,881 values"),
    "scores of lists": (b'{"id":"a","scores":[' + b"[]," * MIB + b"0]}\n", "a value that is not a number"),
    "one endless line": (b'{"id":"' + b"a" * (30 * MIB) + b'"}\n', "bytes in a line"),
    "a million levels": (b'{"id":' + b"[" * MIB + b"]" * MIB + b"}\n", "line 1, is not JSON"),
    "a long text": (json.dumps({"id": "a" * 5_000, "scores": [1, 2]}).encode(), "id is not text of at most"),
}


def write(folder, summary, content, suffix=".jsonl"):
    """Write a result with these rows; return the path of its summary."""
    path = folder / "result.json"
    place = results.outputs_path(path) if suffix == ".jsonl" else results.table_path(path)
    place.write_bytes(content)
    path.write_text(json.dumps({**summary, results.OUTPUTS_HASH: hashlib.sha256(content).hexdigest()}))
    return path


def dictionary_bomb(rows=240_000):
    """Return a table that repeats one long text: 100 kB on disk, a gigabyte as rows."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 4_000]))
    arrays = [texts if field.type == pa.string() else pa.nulls(rows, field.type) for field in parquet.table_schema()]
    out = io.BytesIO()
    pq.write_table(pa.table(arrays, names=parquet.table_schema().names), out, compression="zstd")
    return out.getvalue()


def lying_table(values=40_000_000):
    """Return a table of one row with a page of 320 MB, whose footer states 2 kB: 15 kB that take a gigabyte to read."""
    scores = pa.ListArray.from_arrays(pa.array([0, values], pa.int32()), pa.array(np.zeros(values)))
    plain = {pa.string(): pa.array(["a"])}
    fields = [(field.name, plain.get(field.type, pa.nulls(1, field.type))) for field in parquet.table_schema()]
    table = pa.table(dict(fields) | {"scores": scores}, schema=parquet.table_schema())
    out = io.BytesIO()
    pq.write_table(
        table, out, compression="zstd", use_dictionary=False, data_page_size=2**31 - 1, write_batch_size=10**9
    )
    content = out.getvalue()
    size = int.from_bytes(content[-8:-4], "little")
    pages, footer = content[: -8 - size], content[-8 - size : -8]
    group = pq.ParquetFile(out).metadata.row_group(0)
    column = next(c for c in map(group.column, range(group.num_columns)) if c.path_in_schema.startswith("scores"))
    for true, stated in (
        (column.num_values, 1),
        (column.total_uncompressed_size, 1_000),
        (group.total_byte_size, 2_000),
    ):
        length = len(_varint(true))
        assert _varint(true) in footer
        footer = footer.replace(_varint(true), _varint(stated, length))
    return pages + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def _varint(number, length=0):
    """Encode a number as a varint of Thrift's compact protocol, padded to a length."""
    remaining, parts = 2 * number, []
    while remaining or not parts or len(parts) < length:
        parts.append(remaining & 127)
        remaining >>= 7
    return bytes(part | 128 for part in parts[:-1]) + bytes(parts[-1:])
