"""Stream the texts of any data, one per row, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from rewardbench.errors import InputError
from rewardbench.suites.readers import READERS, iterate_file, suffix
from rewardbench.suites.sources import HUB_FILES
from rewardbench.suites.stdin import STDIN, spool


def stream_texts(dataset: str) -> Iterator[str]:
    """Yield the text of each row of a file, a folder or a Hub dataset (every split).

    A `.json` file is loaded at once, other formats row by row.

    Raises:
        InputError: if the data cannot be found or read.
    """
    path = spool(STDIN).path if dataset == STDIN else Path(dataset).expanduser()
    if path.is_file():
        return map(_text, iterate_file(path))
    if path.is_dir():
        matches = chain.from_iterable(path.rglob(pattern) for pattern in HUB_FILES[1:])
        files = sorted({file for file in matches if suffix(file) in READERS})
        if not files:
            raise InputError(f"{path} contains no jsonl, json, parquet or csv file.")
        return map(_text, chain.from_iterable(map(iterate_file, files)))
    return map(_text, _from_hub(dataset))


def _from_hub(dataset: str) -> Iterator[Any]:
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


def _text(value: Any) -> str:
    r"""Join all strings of a row, one per line.

    >>> _text({"prompt": "Hi", "chosen": [{"role": "user", "content": "Yes"}], "n": 3})
    'Hi\nuser\nYes'
    """
    if isinstance(value, str):
        return value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return "\n".join(text for text in map(_text, children) if text)
