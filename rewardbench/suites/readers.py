"""Read the rows of one file by its format: JSON, text tables, Parquet and Arrow."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO

from rewardbench.errors import InputError
from rewardbench.suites.arrow import ArrowReadError, read_arrow, read_parquet
from rewardbench.suites.data_row import DataRow
from rewardbench.suites.delimited import TableError, read_delimited


def read_file(path: Path, kind: str | None = None) -> list[DataRow]:
    """Read all rows of a file. `kind` (".json") is its format if its name does not say it.

    Raises:
        InputError: if the file cannot be read.
    """
    return list(iterate_file(path, kind))


def iterate_file(path: Path, kind: str | None = None) -> Iterator[DataRow]:
    """Yield the rows of a file; all formats but .json are read in a stream.

    Raises:
        InputError: if the file cannot be read.
    """
    reader = READERS.get(kind or suffix(path))
    if reader is None:
        raise InputError(f"{path} has a format that cannot be read: give a {', '.join(READERS)} file.")
    with readable(path):
        yield from reader(path)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Context manager: turn any error of reading a file into a one-line InputError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error
    except (EOFError, zlib.error) as error:
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise InputError(f"{path} cannot be read: it is cut off or damaged ({reason}); copy it again.") from error
    except TableError as error:
        raise InputError(f"{path} is not a table that can be read: {error}.") from error
    except ArrowReadError as error:
        raise InputError(f"{path} is not {error.format} that can be read: {error}.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def suffix(path: Path) -> str:
    """Return the suffix that names the format, without .gz.

    >>> suffix(Path("data.jsonl.gz"))
    '.jsonl'
    """
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


def _open(path: Path) -> IO[str]:
    """Open text as UTF-8, without the byte order mark; line ends are unchanged."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read_lines(path: Path) -> Iterator[DataRow]:
    with path.open("rb") if path.suffix != ".gz" else gzip.open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            # old exports end lines with a carriage return; JSON escapes it in texts
            for row_json in line.split(b"\r") if b"\r" in line else (line,):
                if row_json and not row_json.isspace():
                    yield decode_line(row_json, path, number)


def decode_line(line: bytes, path: Path, number: int) -> DataRow:
    """Decode one line of a .jsonl file.

    Raises:
        InputError: if it is not a JSON object in UTF-8.
    """
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        where = f"{path}, line {number} is not UTF-8 text (byte {error.start})"
        raise InputError(f"{where}: save it as UTF-8.") from error
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(f"{path}, line {number}: this is not JSON ({reason}).") from error
    return _as_row(value, path, number)


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build an object; raise ValueError if a key has two values."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        first_values: dict[str, object] = {}
        for key, value in pairs:
            if key in first_values and first_values[key] != value:
                raise ValueError(f"the key {key[:60]!r} occurs twice in one object, with two values")
            first_values[key] = value
    return fields


def _as_row(value: object, path: Path, line: int) -> DataRow:
    if not isinstance(value, dict):
        raise InputError(f"{path}, line {line}: a row must be a JSON object, not {json.dumps(value)[:40]}.")
    return value


def _read_json(path: Path) -> Iterator[DataRow]:
    """Read a list of rows, an object of columns, or one row per line."""
    with _open(path) as file:
        text = file.read()
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys) if text.strip() else []
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return _read_lines(path)
        raise InputError(f"{path}, line {error.lineno}: this is not JSON ({error.msg}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON that can be read: {error}.") from error
    if isinstance(value, list):
        return iter([_as_row(row, path, n) for n, row in enumerate(value, 1)])
    return iter(_from_columns(value, path))


def _from_columns(value: object, path: Path) -> list[DataRow]:
    """Convert columns (lists, or objects keyed by row, as pandas writes them) to rows; any other object is one row."""
    columns = value if isinstance(value, dict) else {}
    types = set(map(type, columns.values()))
    if types == {dict}:
        return _from_keyed_columns(columns, path)
    if types != {list}:
        return [_as_row(value, path, 1)]
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: its columns differ in length ({lengths}).")
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _from_keyed_columns(columns: Mapping[str, Mapping[str, object]], path: Path) -> list[DataRow]:
    """Join columns by the keys of their rows, in any order."""
    first_keys = next(iter(columns.values())).keys()
    for name, cells in columns.items():
        if cells.keys() != first_keys:
            raise InputError(f"{path}: its columns differ in their rows ({name!r} has others than the first column).")
    rows: list[DataRow] = []
    for key in first_keys:
        rows.append({name: cells[key] for name, cells in columns.items()})
    return rows


def _read_table(path: Path, separator: str) -> Iterator[DataRow]:
    with _open(path) as file:
        yield from read_delimited(file, separator)


def _read_csv(path: Path) -> Iterator[DataRow]:
    return _read_table(path, ",")


def _read_tsv(path: Path) -> Iterator[DataRow]:
    return _read_table(path, "\t")


READERS: dict[str, Callable[[Path], Iterator[DataRow]]] = {
    ".jsonl": _read_lines,
    ".json": _read_json,
    ".parquet": read_parquet,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".arrow": read_arrow,
    ".ndjson": _read_lines,
}


def column_names(rows: Sequence[DataRow]) -> set[str]:
    """Return the names of all columns of the rows."""
    return set(chain.from_iterable(rows))
