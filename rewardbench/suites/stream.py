"""Stream the texts of any data, one per row, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.suites.readers import READERS, iterate_file, suffix
from rewardbench.suites.sources import DATA_FILES
from rewardbench.suites.stdin import STDIN, copy_stream


def stream_texts(dataset: str) -> Iterator[str]:
    """Yield the text of each row of a file, a folder or a Hub dataset (every split).

    A `.json` file is loaded at once, other formats row by row.

    Raises:
        InputError: if the data cannot be found or read.
    """
    path = copy_stream(STDIN).path if dataset == STDIN else Path(dataset).expanduser()
    if path.is_file():
        return map(_row_text, iterate_file(path))
    if path.is_dir():
        return map(_row_text, chain.from_iterable(map(iterate_file, _data_files(path))))
    return map(_row_text, _stream_hub(dataset))


def _data_files(folder: Path) -> list[Path]:
    """Return the data files of a folder, at any depth, sorted; raise InputError if there are none."""
    files: set[Path] = set()
    for pattern in DATA_FILES:
        files.update(path for path in folder.rglob(pattern) if suffix(path) in READERS)
    if not files:
        raise InputError(f"{folder} contains no jsonl, json, parquet or csv file.")
    return sorted(files)


def _stream_hub(dataset: str) -> Iterator[object]:
    import datasets

    try:
        splits = datasets.load_dataset(dataset, streaming=True)
    except Exception as error:  # pyarrow, fsspec, the Hub's client and datasets each raise their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(f"There is no file, folder or Hub dataset {dataset!r} that can be read: {reason}.") from error
    try:
        for split in splits.values():
            yield from split
    except Exception as error:
        raise InputError(f"Reading the dataset {dataset} failed: {type(error).__name__} {error}.") from error


def _row_text(value: object) -> str:
    r"""Join all strings of a row, one per line.

    >>> _row_text({"prompt": "Hi", "chosen": [{"role": "user", "content": "Yes"}], "n": 3})
    'Hi\nuser\nYes'
    """
    if isinstance(value, str):
        return value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return "\n".join(filter(None, map(_row_text, children)))
