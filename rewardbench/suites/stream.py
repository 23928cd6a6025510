"""Any data as a stream of texts, one a row, without ever holding it whole; never what a column means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rewardbench.suites.files import HUB_FILES, READERS, decode_lines, read_file, suffix
from rewardbench.types import InputError

BATCH = 1024
"""Rows held at a time."""


def stream_texts(dataset: str) -> Iterator[str]:
    """All text of each row of a file, of the files of a folder, or of a Hub dataset (every split).

    A `.json` file is read whole, all else row by row. Raises: InputError for what cannot be found or read.
    """
    path = Path(dataset).expanduser()
    if path.is_file():
        return map(_text, _rows(path))
    if path.is_dir():
        files = sorted({file for pattern in HUB_FILES[1:] for file in path.rglob(pattern) if suffix(file) in READERS})
        if not files:
            raise InputError(f"{path} holds no jsonl, json, parquet or csv file.")
        return (_text(row) for file in files for row in _rows(file))
    return map(_text, _from_hub(dataset))


def _rows(path: Path) -> Iterator[Any]:
    stream = STREAMS.get(suffix(path))
    if stream is None:
        yield from read_file(path)
        return
    try:
        yield from stream(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error
    except (OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def _from_parquet(path: Path) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(BATCH):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a Parquet file that can be read: {error}.") from error


def _from_table(path: Path, separator: str) -> Iterator[Any]:
    import pandas as pd

    try:
        for part in pd.read_csv(path, dtype=str, keep_default_na=False, chunksize=BATCH, sep=separator):
            yield from part.to_dict("records")
    except pd.errors.EmptyDataError:
        return
    except pd.errors.ParserError as error:
        raise InputError(f"{path} is not a table that can be read: {error}.") from error


STREAMS: dict[str, Callable[[Path], Iterator[Any]]] = {
    ".jsonl": decode_lines,
    ".parquet": _from_parquet,
    ".csv": lambda path: _from_table(path, ","),
    ".tsv": lambda path: _from_table(path, "\t"),
}


def _from_hub(dataset: str) -> Iterator[Any]:
    import datasets

    try:
        found = datasets.load_dataset(dataset, streaming=True)
    except Exception as error:  # pyarrow, fsspec, the Hub's client and datasets each raise their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(f"There is no file, folder or Hub dataset {dataset!r} that can be read: {reason}.") from error
    try:
        for split in found.values():
            yield from split
    except Exception as error:
        raise InputError(f"The dataset {dataset} broke off: {type(error).__name__} {error}.") from error


def _text(value: Any) -> str:
    """Every string in a row, a line each.

    >>> _text({"prompt": "Hi", "chosen": [{"role": "user", "content": "Yes"}], "n": 3})
    'Hi\\nuser\\nYes'
    """
    if isinstance(value, str):
        return value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return "\n".join(text for text in map(_text, children) if text)
