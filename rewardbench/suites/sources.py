"""Read files, folders and Hub datasets into rows, split by split."""

from __future__ import annotations

import glob
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rewardbench.errors import InputError
from rewardbench.hub import snapshot
from rewardbench.suites.arrow import batch_rows, first_line
from rewardbench.suites.lazy import Lazy, lines
from rewardbench.suites.readers import READERS, column_names, decode_line, iterate_file, read_file, suffix
from rewardbench.suites.registry import Row
from rewardbench.suites.stdin import STDIN, Spooled, spool

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_KINDS = ("parquet", "json", "jsonl", "ndjson", "csv", "tsv", "arrow")
HUB_FILES = ["README.md", *(f"*.{kind}" for kind in _KINDS), *(f"*.{kind}.gz" for kind in _KINDS)]


@dataclass(frozen=True)
class Source:
    """Rows with their splits, and their origin."""

    rows: Sequence[tuple[str, Row]]
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
) -> Source:
    """Read the rows of standard input ("-"), a local file, a local folder, a glob or a Hub id, tried in this order.

    A single file has no splits, and local data has no revisions.

    Args:
        dataset: "-", a path, a glob or a Hub id.
        splits: the splits to read; see `pick_splits`.
        revision: revision of a Hub dataset.
        config: configuration of a dataset that has several.
        kind: format of a file (".json"), if its name does not say it.

    Raises:
        InputError: if the data cannot be found or read.
    """
    path = Path(dataset).expanduser()
    if dataset in (STDIN, "/dev/stdin") or _is_pipe(path):
        spooled = spool(STDIN if dataset == "/dev/stdin" else str(path))
        return _unsplit(_read_spooled(spooled, kind), splits, revision)
    if path.is_file():
        rows = _read_large(path) or read_file(path, kind)
        return _unsplit(Source(_untitled(rows), str(path)), splits, revision)
    if dataset and path.is_dir():
        source = _read_local_folder(path, splits, config)
        return _note_useless(source, {"--dataset_revision": revision, "--load_json": kind})
    if files := _matches(dataset):
        rows = _read_alike(files, dataset)
        return _note_useless(_unsplit(Source(_untitled(rows), dataset), splits, revision), {"--load_json": kind})
    if suffix(path) in READERS or not _HUB_ID.fullmatch(dataset):
        raise InputError(
            f"There is no dataset {dataset!r}: no suite has that name, no file or folder is there, and a dataset of "
            "the Hub is written org/name."
        )
    return _note_useless(read_hub(dataset, splits, revision, config), {"--load_json": kind})


def refuse_slice(split: str | None) -> None:
    """Raise InputError for a slice of a split, which `datasets` accepts, but this package does not."""
    if split and re.search(r"[\[\]+]", split):
        raise InputError(f"--split {split}: a slice of a split cannot be taken; pass the split's name, and --limit.")


def _unsplit(source: Source, splits: Sequence[str], revision: str | None) -> Source:
    """Note the options that have no effect on data without splits and revisions."""
    return _note_useless(source, {"--split": ", ".join(splits), "--dataset_revision": revision})


def _note_useless(source: Source, options: dict[str, str | None]) -> Source:
    """Note each option that has no effect on this data."""
    notes = [f"{name} has no effect on {source.where}." for name, value in options.items() if value]
    return replace(source, notes=(*source.notes, *notes))


def _is_pipe(path: Path) -> bool:
    """Return True for a named pipe, such as <(command) in a shell."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _read_spooled(spooled: Spooled, kind: str | None) -> Source:
    rows = _read_large(spooled.path) or read_file(spooled.path, kind)
    return Source(_untitled(rows), f"stdin (sha256:{spooled.sha256})")


def _matches(dataset: str) -> list[Path]:
    """Return the files that match a glob, sorted; empty for a name without wildcards."""
    if not glob.has_magic(dataset):
        return []
    paths = map(Path, glob.glob(str(Path(dataset).expanduser()), recursive=True))
    return sorted(path for path in paths if path.is_file())


LARGE = 2**26
"""Size in bytes above which a .jsonl file is read line by line on access."""


def _read_large(path: Path) -> Lazy[Row] | None:
    if path.suffix != ".jsonl" or path.stat().st_size < LARGE:
        return None
    return lines(path, lambda line, number: decode_line(line, path, number))


def _untitled(rows: Sequence[Row]) -> Sequence[tuple[str, Row]]:
    """Return rows without a split."""
    return rows.map(lambda n, row: ("", row)) if isinstance(rows, Lazy) else [("", row) for row in rows]


def read_hub(dataset: str, splits: Sequence[str], revision: str | None, config: str | None) -> Source:
    """Read the rows of a Hub dataset at a revision (None: main); raise InputError if it cannot be read."""
    folder = snapshot("dataset", dataset, revision, HUB_FILES)
    where = f"{dataset}@{folder.name}"
    source = _read_splits(folder, splits, config, where)
    return replace(source, commit=folder.name)


def _read_local_folder(folder: Path, splits: Sequence[str], config: str | None) -> Source:
    return _read_splits(folder, splits, config, str(folder))


def read_embedded(folder: Path, stems: Sequence[str]) -> Source:
    """Read the files of an embedded suite in order, each as a split, and its VERSION."""
    try:
        version = (folder / "VERSION").read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(f"The embedded suite in {folder} is incomplete: {error}.") from error
    rows: list[tuple[str, Row]] = []
    for stem in stems:
        rows += [(stem, row) for row in read_file(folder / f"{stem}.jsonl")]
    return Source(rows, str(folder), version=version)


def read_folder(
    folder: Path, splits: Sequence[str], config: str | None, where: str
) -> tuple[list[tuple[str, Row]], str | None]:
    """Read the rows of a dataset folder with their splits, and the selected configuration if there are several.

    `datasets` says which files are which split; they are read as single files are, so that types are not inferred.
    """
    source = _read_splits(folder, splits, config, where)
    return list(source.rows), source.config


def _read_splits(folder: Path, splits: Sequence[str], config: str | None, where: str) -> Source:
    """Read the requested splits of a folder (see `pick_splits`); raise InputError if it cannot be read."""
    try:
        is_saved = any((folder / name).exists() for name in ("state.json", "dataset_dict.json"))
        data, config = (_load_saved(folder), None) if is_saved else _resolve_files(folder, config, where)
        names = pick_splits(list(data), splits, where)
        rows: list[tuple[str, Row]] = []
        for name in names:
            rows += [(name, row) for row in _read_split(data[name], where)]
    except InputError:
        raise
    except Exception as error:  # pyarrow, fsspec and datasets each raise their own
        raise InputError(f"{where} cannot be read as a dataset: {first_line(_root(error))}.") from error
    return Source(rows, where, config=config, notes=_note_split(list(data), names, splits))


def _note_split(names: Sequence[str], selected: Sequence[str], requested: Sequence[str]) -> tuple[str, ...]:
    """Note which split was selected by default, and which others exist."""
    others = [name for name in names if name not in selected]
    if requested or not others:
        return ()
    return (f"The split {', '.join(selected)} was taken; there are also {', '.join(others)} (--split).",)


def _load_saved(folder: Path) -> dict[str, Any]:
    """Load the tables of a folder written by `save_to_disk`, by split."""
    import datasets

    data = datasets.load_from_disk(str(folder.resolve()))
    return dict(data) if isinstance(data, dict) else {"train": data}


def _resolve_files(folder: Path, config: str | None, where: str) -> tuple[dict[str, Any], str | None]:
    """Return the files of each split of a configuration, by the dataset card or the file names."""
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
        raise InputError(f"{where} cannot be read as a dataset: {first_line(_root(error))}.") from error
    kind = ".tsv" if separator == "\t" else None
    splits = {}
    for split, paths in files.items():
        splits[str(split)] = [(Path(file), kind) for file in paths]
    return splits, config


def _read_split(data: Any, where: str) -> Iterable[Row]:
    """Read the rows of a split from its files or its saved table."""
    if isinstance(data, list):
        return _read_alike([file for file, _ in data], where, [kind for _, kind in data])
    return batch_rows(data.with_format("arrow")[:])


def _read_alike(files: Sequence[Path], where: str, kinds: Sequence[str | None] = ()) -> list[Row]:
    """Read files that are parts of one table; raise InputError if their columns differ."""
    rows: list[Row] = []
    first: set[str] = set()
    for n, file in enumerate(files):
        try:
            part = list(iterate_file(file, kinds[n] if kinds else None))
        except InputError as error:
            raise InputError(f"{where} cannot be read as a dataset: {str(error).rstrip('.')}.") from error
        columns = column_names(part)
        first = first or columns
        if not (columns <= first or first <= columns):
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


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
