"""Files, folders and Hub datasets to rows, split by split; never what a column means."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from rewardbench.hub import snapshot
from rewardbench.suites.lazy import Lazy, lines
from rewardbench.suites.table import Row
from rewardbench.types import InputError

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_KINDS = ("parquet", "json", "jsonl", "csv", "arrow")
HUB_FILES = ["README.md", *(f"*.{kind}" for kind in _KINDS), *(f"*.{kind}.gz" for kind in _KINDS)]


@dataclass(frozen=True)
class Source:
    """Rows, each with its split, and where they came from."""

    rows: Sequence[tuple[str, Row]]
    where: str
    commit: str = ""
    """Of a Hub dataset."""
    version: str = ""
    """Of an embedded suite."""
    config: str | None = None
    """The configuration taken, where a dataset has several."""


def read_source(
    dataset: str,
    splits: Sequence[str] = (),
    revision: str | None = None,
    config: str | None = None,
    kind: str | None = None,
) -> Source:
    """Rows of a local file, a local folder or a Hub id, tried in this order.

    A single file has no splits, and what is local no revisions; `kind` (".json") is its format where its name
    does not say it. Raises InputError for all that cannot be read.
    """
    path = Path(dataset).expanduser()
    if path.is_file():
        return Source(_untitled(_read_large(path) or read_file(path, kind)), str(path))
    if dataset and path.is_dir():
        rows, config = read_folder(path, splits, config, str(path))
        return Source(rows, str(path), config=config)
    if suffix(path) in READERS or not _HUB_ID.fullmatch(dataset):
        raise InputError(
            f"There is no dataset {dataset!r}: no suite has that name, no file or folder is there, and a dataset of "
            "the Hub is written org/name."
        )
    return read_hub(dataset, splits, revision, config)


LARGE = 2**26
"""Bytes above which a .jsonl file is read line by line, whenever a line is needed."""


def _read_large(path: Path) -> Lazy[Row] | None:
    if path.suffix != ".jsonl" or path.stat().st_size < LARGE:
        return None

    def decode(line: bytes, number: int) -> Row:
        try:
            return _as_row(_decode(line.decode("utf-8-sig" if number == 1 else "utf-8"), path, number), path, number)
        except UnicodeDecodeError as error:
            raise InputError(f"{path}, line {number} is not UTF-8 text: save it as UTF-8.") from error

    return lines(path, decode)


def _untitled(rows: Sequence[Row]) -> Sequence[tuple[str, Row]]:
    """Rows of no split."""
    return rows.map(lambda n, row: ("", row)) if isinstance(rows, Lazy) else [("", row) for row in rows]


def read_hub(dataset: str, splits: Sequence[str], revision: str | None, config: str | None) -> Source:
    """Rows of a Hub dataset at a revision (None: its main). Raises InputError for all that cannot be read."""
    folder = snapshot("dataset", dataset, revision, HUB_FILES)
    where = f"{dataset}@{folder.name}"
    rows, config = read_folder(folder, splits, config, where)
    return Source(rows, where, commit=folder.name, config=config)


def read_embedded(folder: Path, stems: Sequence[str]) -> Source:
    """The files of an embedded suite, each a split, in that order; its VERSION stands beside them."""
    try:
        version = (folder / "VERSION").read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(f"The embedded suite in {folder} is incomplete: {error}.") from error
    rows = [(stem, row) for stem in stems for row in read_file(folder / f"{stem}.jsonl")]
    return Source(rows, str(folder), version=version)


def read_file(path: Path, kind: str | None = None) -> list[Row]:
    """Every row of a .jsonl, .json, .parquet, .csv or .tsv file (.gz too, but for parquet)."""
    reader = READERS.get(kind or suffix(path))
    if reader is None:
        raise InputError(f"{path} is of no kind that can be read: give a {', '.join(READERS)} file.")
    try:
        return reader(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def suffix(path: Path) -> str:
    """What kind of file a name says, .gz aside."""
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def decode_lines(path: Path) -> Iterator[Row]:
    """The rows of a .jsonl file, one at a time."""
    with _open(path) as lines:
        yield from (_as_row(_decode(line, path, n), path, n) for n, line in enumerate(lines, 1) if line.strip())


def _read_lines(path: Path) -> list[Row]:
    return list(decode_lines(path))


def _decode(text: str, path: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(f"{path}, line {line}: this is not JSON ({reason}).") from error


def _as_row(value: Any, path: Path, line: int) -> Row:
    if not isinstance(value, dict):
        raise InputError(f"{path}, line {line}: a row must be a JSON object, not {json.dumps(value)[:40]}.")
    return value


def _read_json(path: Path) -> list[Row]:
    """A list of rows, an object of columns, or, under the name .json, a row a line."""
    with _open(path) as file:
        text = file.read()
    try:
        value = json.loads(text) if text.strip() else []
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return _read_lines(path)
        raise InputError(f"{path}, line {error.lineno}: this is not JSON ({error.msg}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON that can be read: {error}.") from error
    if isinstance(value, list):
        return [_as_row(row, path, n) for n, row in enumerate(value, 1)]
    return _from_columns(value, path)


def _from_columns(value: Any, path: Path) -> list[Row]:
    """Columns as lists, or as pandas writes them: objects keyed by row. An object of neither kind is one row."""
    columns = value if isinstance(value, dict) else {}
    if columns and all(isinstance(cells, dict) for cells in columns.values()):
        columns = {name: list(cells.values()) for name, cells in columns.items()}
    if not columns or not all(isinstance(cells, list) for cells in columns.values()):
        return [_as_row(value, path, 1)]
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: its columns differ in length ({lengths}).")
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _read_parquet(path: Path) -> list[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        return cast("list[Row]", pyarrow.parquet.read_table(path).to_pylist())
    except (pyarrow.ArrowException, ValueError) as error:
        raise InputError(f"{path} is not a Parquet file that can be read: {_first_line(error)}.") from error


def _read_table(path: Path, separator: str) -> list[Row]:
    import pandas as pd

    try:
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        return []
    except pd.errors.ParserError as error:
        raise InputError(f"{path} is not a table that can be read: {_first_line(error)}.") from error
    return [{name: _cell(cell) for name, cell in row.items()} for row in table.to_dict("records")]


def _cell(cell: Any) -> Any:
    """Text, or the messages that it spells as JSON.

    >>> _cell('[{"role": "user", "content": "Hi"}]')
    [{'role': 'user', 'content': 'Hi'}]
    >>> _cell("[1]")
    '[1]'
    """
    if isinstance(cell, str) and cell.startswith("[{"):
        try:
            found = json.loads(cell)
        except ValueError:
            return cell
        if all(isinstance(one, dict) and one.keys() & {"role", "from"} for one in found):
            return found
    return cell


READERS: dict[str, Callable[[Path], list[Row]]] = {
    ".jsonl": _read_lines,
    ".json": _read_json,
    ".parquet": _read_parquet,
    ".csv": lambda path: _read_table(path, ","),
    ".tsv": lambda path: _read_table(path, "\t"),
}


def read_folder(
    folder: Path, splits: Sequence[str], config: str | None, where: str
) -> tuple[list[tuple[str, Row]], str | None]:
    """Rows of a dataset folder as `datasets` takes it, with their splits, and the configuration taken if several."""
    import datasets

    try:
        at = str(folder.resolve())
        if any((folder / name).exists() for name in ("state.json", "dataset_dict.json")):
            data, config = datasets.load_from_disk(at), None
        else:
            config = _pick_config(datasets.get_dataset_config_names(at), config, where)
            data = datasets.load_dataset(at, config, verification_mode="no_checks")
    except InputError:
        raise
    except Exception as error:  # pyarrow, fsspec and datasets each raise their own
        differ = isinstance(_root(error), datasets.table.CastError)
        reason = "its files differ in their columns, so give one of them" if differ else _first_line(_root(error))
        raise InputError(f"{where} cannot be read as a dataset: {reason}.") from error
    found = data if isinstance(data, dict) else {"train": data}
    names = pick_splits(list(found), splits, where)
    return [(name, row) for name in names for row in found[name].to_list()], config


def _pick_config(names: Sequence[str], asked: str | None, where: str) -> str | None:
    if len(names) < 2 or (asked is None and "default" in names):
        return None
    if asked in names:
        return asked
    raise InputError(f"{where} has the configurations {', '.join(names)}: choose one with --subset.")


def pick_splits(names: Sequence[str], asked: Sequence[str], where: str) -> Sequence[str]:
    """The splits asked for; else test, else validation, else the only one. Raises InputError where it is open.

    >>> pick_splits(["train", "test"], (), "org/data")
    ['test']
    """
    missing = [name for name in asked if name not in names]
    if asked and not missing:
        return asked
    if len(names) == 1 and (not asked or list(names) == ["train"]):
        return names  # "train" is what files without a split in their names are called
    if asked:
        raise InputError(f"{where} has no split {', '.join(missing)}: it has {', '.join(names)}.")
    for usual in ("test", "validation"):
        if usual in names:
            return [usual]
    raise InputError(f"{where} has the splits {', '.join(names)}: choose one with --split.")


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _first_line(error: BaseException) -> str:
    return f"{str(error).strip()}\n".splitlines()[0].rstrip(".") or type(error).__name__
