"""Read files, folders and Hub datasets into rows, split by split."""

from __future__ import annotations

import glob
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.hub import snapshot
from rewardbench.suites.arrow import batch_rows, first_line, lazy_parquet
from rewardbench.suites.data_row import DataRow
from rewardbench.suites.lazy import LazySequence, lazy_lines
from rewardbench.suites.readers import READERS, column_names, decode_line, read_file, readable, suffix
from rewardbench.suites.stdin import STDIN, StreamCopy, copy_stream, unpack

if TYPE_CHECKING:
    import datasets

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_KINDS = ("parquet", "json", "jsonl", "ndjson", "csv", "tsv", "arrow")
DATA_FILES = [*(f"*.{kind}" for kind in _KINDS), *(f"*.{kind}.gz" for kind in _KINDS)]
"""Patterns of the files that hold data."""


@dataclass(frozen=True)
class Source:
    """Rows with their splits, and their origin."""

    rows: Sequence[tuple[str, DataRow]]
    where: str
    commit: str = ""
    """Commit of a Hub dataset."""
    version: str = ""
    """Version of an embedded suite."""
    config: str | None = None
    """The selected configuration, if a dataset has several."""
    notes: tuple[str, ...] = ()
    """Notes for the user: what was selected, and which options had no effect."""


def read_source(
    dataset: str,
    splits: Sequence[str] = (),
    revision: str | None = None,
    config: str | None = None,
    kind: str | None = None,
    lazy: bool = False,
) -> Source:
    """Read the rows of standard input ("-"), a local file, a local folder, a glob or a Hub id, tried in this order.

    A single file has no splits, and local data has no revisions.

    Args:
        dataset: "-", a path, a glob or a Hub id.
        splits: the splits to read; see `pick_splits`.
        revision: revision of a Hub dataset.
        config: configuration of a dataset that has several.
        kind: format of a file (".json"), if its name does not say it.
        lazy: read a .jsonl or .parquet file on access, whatever its size.

    Raises:
        InputError: if the data cannot be found or read.
    """
    path = Path(dataset).expanduser()
    if dataset in (STDIN, "/dev/stdin") or _is_pipe(path):
        copy = copy_stream(STDIN if dataset == "/dev/stdin" else str(path))
        return _note_unsplit(_read_copy(copy, kind, lazy), splits, revision)
    if path.is_file():
        rows = _read_lazily(path, kind, lazy) or read_file(path, kind)
        return _note_unsplit(Source(_without_split(rows), str(path)), splits, revision)
    if dataset and path.is_dir():
        source = _read_splits(path, splits, config, str(path))
        return _note_unused(source, {"--dataset_revision": revision, "--load_json": kind})
    if files := _matches(dataset):
        source = Source(_without_split(_read_parts(files, dataset)), dataset)
        return _note_unused(_note_unsplit(source, splits, revision), {"--load_json": kind})
    if suffix(path) in READERS or not _HUB_ID.fullmatch(dataset):
        raise InputError(
            f"There is no dataset {dataset!r}: no suite has that name, no file or folder is there, and a dataset of "
            "the Hub is written org/name."
        )
    return _note_unused(read_hub(dataset, splits, revision, config), {"--load_json": kind})


def reject_slice(split: str | None) -> None:
    """Raise InputError for a slice of a split, which `datasets` accepts, but this package does not."""
    if split and re.search(r"[\[\]+]", split):
        raise InputError(f"--split {split}: a slice of a split cannot be taken; pass the split's name, and --limit.")


def _note_unsplit(source: Source, splits: Sequence[str], revision: str | None) -> Source:
    """Note the options that have no effect on data without splits and revisions."""
    return _note_unused(source, {"--split": ", ".join(splits), "--dataset_revision": revision})


def _note_unused(source: Source, options: Mapping[str, str | None]) -> Source:
    """Note each option that has no effect on this data."""
    notes = [f"{name} has no effect on {source.where}." for name, value in options.items() if value]
    return replace(source, notes=(*source.notes, *notes))


def _is_pipe(path: Path) -> bool:
    """Return True for a named pipe, such as <(command) in a shell."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _read_copy(copy: StreamCopy, kind: str | None, lazy: bool) -> Source:
    rows = _read_lazily(copy.path, kind, lazy) or read_file(copy.path, kind)
    return Source(_without_split(rows), f"stdin (sha256:{copy.sha256})")


def _matches(dataset: str) -> list[Path]:
    """Return the files that match a glob, sorted; empty for a name without wildcards."""
    if not glob.has_magic(dataset):
        return []
    paths = map(Path, glob.glob(str(Path(dataset).expanduser()), recursive=True))
    return sorted(filter(Path.is_file, paths))


LARGE = 2**26
"""Size in bytes above which a .jsonl file is read line by line on access."""


def _read_lazily(path: Path, kind: str | None, lazy: bool) -> LazySequence[DataRow] | None:
    """Return the rows of a file, read on access; None for another format, or for a small file unless `lazy`."""
    with readable(path):
        if kind or not (lazy or path.stat().st_size >= LARGE):
            return None
        if path.suffixes[-2:] == [".jsonl", ".gz"] and lazy:
            path = unpack(path)
        if path.suffix == ".parquet" and lazy:
            return lazy_parquet(path)
        if path.suffix in (".jsonl", ".ndjson") and not _has_bare_returns(path):
            return lazy_lines(path, lambda line, number: decode_line(line, path, number))
    return None


def _has_bare_returns(path: Path) -> bool:
    """Return True if the first lines of a file end with a carriage return only, as those of old exports do."""
    with path.open("rb") as file:
        return re.search(rb"\r(?!\n)", file.read(2**16)[:-1]) is not None


def _without_split(rows: Sequence[DataRow]) -> Sequence[tuple[str, DataRow]]:
    """Return each row with an empty split."""
    if isinstance(rows, LazySequence):
        return rows.map(lambda n, row: ("", row))
    return [("", row) for row in rows]


def read_hub(dataset: str, splits: Sequence[str], revision: str | None, config: str | None) -> Source:
    """Read the rows of a Hub dataset at a revision (None: main); raise InputError if it cannot be read."""
    folder = snapshot("dataset", dataset, revision, ["README.md", *DATA_FILES])
    where = f"{dataset}@{folder.name}"
    source = _read_splits(folder, splits, config, where)
    return replace(source, commit=folder.name)


def read_embedded(folder: Path, stems: Sequence[str]) -> Source:
    """Read the files of an embedded suite in order, each as a split, and its VERSION."""
    version = read_version(folder)
    rows: list[tuple[str, DataRow]] = []
    for stem in stems:
        rows += [(stem, row) for row in read_file(folder / f"{stem}.jsonl")]
    return Source(rows, str(folder), version=version)


def read_version(folder: Path) -> str:
    """Return the version of an embedded suite, with which its revision begins."""
    try:
        return (folder / "VERSION").read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(f"The embedded suite in {folder} is incomplete: {error}.") from error


def _read_splits(folder: Path, splits: Sequence[str], config: str | None, where: str) -> Source:
    """Read the requested splits of a folder (see `pick_splits`); raise InputError if it cannot be read.

    `datasets` decides which files are which split; they are read as single files are, so that types are not inferred.
    """
    try:
        if (folder / "state.json").exists() or (folder / "dataset_dict.json").exists():
            readers, config = _saved_readers(folder), None
        else:
            readers, config = _file_readers(folder, config, where)
        selected = pick_splits(list(readers), splits, where)
        rows: list[tuple[str, DataRow]] = []
        for split in selected:
            rows += [(split, row) for row in readers[split]()]
    except InputError:
        raise
    except Exception as error:  # pyarrow, fsspec and datasets each raise their own
        raise InputError(f"{where} cannot be read as a dataset: {first_line(_root_cause(error))}.") from error
    return Source(rows, where, config=config, notes=_note_split(list(readers), selected, splits))


def _note_split(names: Sequence[str], selected: Sequence[str], requested: Sequence[str]) -> tuple[str, ...]:
    """Note which split was selected by default, and which others exist."""
    others = [name for name in names if name not in selected]
    if requested or not others:
        return ()
    return (f"The split {', '.join(selected)} was taken; there are also {', '.join(others)} (--split).",)


SplitReaders = dict[str, Callable[[], Iterable[DataRow]]]
"""By split, a function that reads its rows."""


def _saved_readers(folder: Path) -> SplitReaders:
    """Return the readers of a folder written by `save_to_disk`, by split."""
    import datasets

    saved = datasets.load_from_disk(str(folder.resolve()))
    tables = saved if isinstance(saved, dict) else {"train": saved}
    readers: SplitReaders = {}
    for split, table in tables.items():
        readers[split] = partial(_read_saved, table)
    return readers


def _read_saved(table: datasets.Dataset) -> Iterable[DataRow]:
    return batch_rows(table.with_format("arrow")[:])


def _file_readers(folder: Path, config: str | None, where: str) -> tuple[SplitReaders, str | None]:
    """Return the readers of the files of each split, by the dataset card or the file names; and the configuration."""
    import datasets

    try:
        path = str(folder.resolve())
        config = _pick_config(datasets.get_dataset_config_names(path), config, where)
        builder = datasets.load_dataset_builder(path, config)
        files = builder.config.data_files or {}
        separator = getattr(builder.config, "sep", ",")
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{where} cannot be read as a dataset: {first_line(_root_cause(error))}.") from error
    kind = ".tsv" if separator == "\t" else None
    readers: SplitReaders = {}
    for split, paths in files.items():
        readers[str(split)] = partial(_read_parts, list(map(Path, paths)), where, kind)
    return readers, config


def _read_parts(files: Sequence[Path], where: str, kind: str | None = None) -> list[DataRow]:
    """Read files that are parts of one table, all of one format; raise InputError if their columns differ."""
    rows: list[DataRow] = []
    first_columns: set[str] = set()
    for file in files:
        try:
            part = read_file(file, kind)
        except InputError as error:
            raise InputError(f"{where} cannot be read as a dataset: {str(error).rstrip('.')}.") from error
        columns = column_names(part)
        first_columns = first_columns or columns
        if not (columns <= first_columns or first_columns <= columns):
            raise InputError(
                f"{where} cannot be read as a dataset: its files differ in their columns, so give one of them "
                f"({file.name} has {', '.join(sorted(columns))[:200]})."
            )
        rows += part
    return rows


def _pick_config(names: Sequence[str], requested: str | None, where: str) -> str | None:
    if len(names) < 2 or (requested is None and "default" in names):
        return None
    if requested in names:
        return requested
    raise InputError(f"{where} has the configurations {', '.join(names)}: choose one with --subset.")


def pick_splits(names: Sequence[str], requested: Sequence[str], where: str) -> Sequence[str]:
    """Return the requested splits; by default test, else validation, else the only one.

    >>> pick_splits(["train", "test"], (), "org/data")
    ['test']

    Raises:
        InputError: if a split does not exist, or there are several and no default.
    """
    missing = [name for name in requested if name not in names]
    if requested and not missing:
        return requested
    if len(names) == 1 and (not requested or list(names) == ["train"]):
        return names  # "train" is what files without a split in their names are called
    if requested:
        raise InputError(f"{where} has no split {', '.join(missing)}: it has {', '.join(names)}.")
    for usual in ("test", "validation"):
        if usual in names:
            return [usual]
    raise InputError(f"{where} has the splits {', '.join(names)}: choose one with --split.")


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
