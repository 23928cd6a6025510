"""Convert preference data in memory (lists of dicts, DataFrames, datasets) to rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rewardbench.console.strict_json import to_plain
from rewardbench.errors import InputError
from rewardbench.suites.data_row import DataRow
from rewardbench.suites.sources import pick_splits

WHERE = "the data in memory"
ACCEPTED = "pass a path, a name, a list of dicts, a pandas DataFrame or a datasets.Dataset"
TO_ROWS = ("to_pylist", "to_dicts", "to_list")
"""Methods that return rows: of pyarrow tables, polars, datasets and pandas Series."""


def read_in_memory(data: object, split: str | None = None) -> list[DataRow]:
    """Read the rows of data in memory; values become those of JSON, so NaN is a missing value.

    Args:
        data: an iterable of dicts, a DataFrame (pandas or polars), a pyarrow Table, a Dataset or a DatasetDict.
        split: the split of a DatasetDict.

    Raises:
        InputError: if `data` is of another type.
    """
    if isinstance(data, Mapping) and data and all(hasattr(value, "to_list") for value in data.values()):
        (name,) = pick_splits(list(data), (split,) if split else (), WHERE)
        return read_in_memory(data[name])
    if split:
        raise InputError(f"{WHERE} has no splits: leave out split={split!r}, or pass a DatasetDict.")
    rows: list[DataRow] = []
    for n, row in enumerate(_iterate_rows(data), 1):
        if not isinstance(row, Mapping):
            raise InputError(f"Row {n} of {WHERE} is of type {type(row).__name__}, not a dict: {ACCEPTED}.")
        rows.append({str(name): to_plain(value) for name, value in row.items()})
    return rows


def _iterate_rows(data: object) -> Iterable[object]:
    if hasattr(data, "to_dict") and hasattr(data, "columns"):  # pandas
        records: Iterable[object] = data.to_dict("records")
        return records
    for method in TO_ROWS:
        if hasattr(data, method):
            rows: Iterable[object] = getattr(data, method)()
            return rows
    if isinstance(data, Iterable) and not isinstance(data, Mapping | bytes):
        return data
    raise InputError(f"A dataset of type {type(data).__name__} cannot be read: {ACCEPTED}.")
