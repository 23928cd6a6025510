"""Read annotations: a row for each label that an annotator gave to an item, optionally with its time and session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

import numpy as np

from rewardbench.errors import InputError
from rewardbench.lint.arrays import Floats, Indices
from rewardbench.paths import home_path
from rewardbench.suites.data_row import DataRow
from rewardbench.suites.readers import read_file

MOST_LABELS = 50
"""Largest number of different labels; a file with more does not hold categories."""
COLUMNS = ("item", "annotator", "label")


@dataclass(frozen=True)
class Annotations:
    """Labels of items by annotators, as numbers of names.

    Attributes:
        items: names of the items.
        annotators: names of the annotators.
        labels: the different labels.
        item: number of the item of each annotation: [annotations].
        annotator: number of its annotator: [annotations].
        label: number of its label: [annotations].
        sessions: names of the sessions; empty if unknown.
        session: number of the session of each annotation; None if unknown: [annotations].
        time: time or number of the session of each annotation; None if unknown: [annotations].
        missing: number of rows without a label, which are left out.
    """

    items: Sequence[str]
    annotators: Sequence[str]
    labels: Sequence[str]
    item: Indices
    annotator: Indices
    label: Indices
    sessions: Sequence[str] = ()
    session: Indices | None = None
    time: Floats | None = None
    missing: int = 0

    def counts(self) -> Floats:
        """Count the annotators who gave each label to each item: [items, labels]."""
        size = len(self.items) * len(self.labels)
        cells = self.item * len(self.labels) + self.label
        return np.bincount(cells, minlength=size).reshape(len(self.items), len(self.labels)).astype(float)


def read_annotations(path: str) -> Annotations:
    """Read a table (.csv, .tsv, .jsonl, .json, .parquet) with the columns item, annotator and label.

    The columns `time` (a number or an ISO 8601 date) and `session` are optional. A row without a label is a missing
    rating, which is left out.

    Raises:
        InputError: if a column or a value is missing, an annotator labels an item twice, no item has two annotators, or
            there are more than 50 different labels.
    """
    rows = read_file(home_path(path))
    if not rows:
        raise InputError(f"{path} has no rows: an annotation has the columns {', '.join(COLUMNS)}.")
    columns = {name: _column(rows, name, path) for name in COLUMNS}
    places = [place for place, label in enumerate(columns["label"]) if label]
    items, item = _enumerate(columns["item"], places)
    annotators, annotator = _enumerate(columns["annotator"], places)
    labels, label = _enumerate(columns["label"], places)
    if len(labels) > MOST_LABELS:
        raise InputError(
            f"{path} has {len(labels)} different labels: a label is one of at most {MOST_LABELS} categories."
        )
    if not places or np.bincount(item).max() < 2:
        raise InputError(f"{path} has one annotator for each item: agreement needs items with at least two.")
    _reject_repeated(item, annotator, items, annotators, path)
    sessions: list[str] = []
    session: Indices | None = None
    time: Floats | None = None
    if "session" in rows[0]:
        sessions, session = _enumerate(_column(rows, "session", path), places)
        time = session.astype(float)
    if "time" in rows[0]:
        time = np.array(_times(rows, path))[places]
    missing = len(rows) - len(places)
    return Annotations(items, annotators, labels, item, annotator, label, sessions, session, time, missing)


def _column(rows: Sequence[DataRow], name: str, path: str) -> list[str]:
    """Return the values of a column as text; a missing label is empty."""
    values: list[str] = []
    for number, row in enumerate(rows, 1):
        value = row.get(name)
        is_missing = value is None or value != value or not str(value).strip()
        if is_missing and (name != "label" or name not in rows[0]):
            where = f"no column {name!r}" if name not in rows[0] else f"no {name} in row {number}"
            raise InputError(f"{path} has {where}: an annotation has the columns {', '.join(COLUMNS)}.")
        values.append("" if is_missing else str(value).strip())
    return values


def _enumerate(values: Sequence[str], places: Sequence[int]) -> tuple[list[str], Indices]:
    """Return the different values at some places in the order in which they occur, and the number of each: [places]."""
    numbers: dict[str, int] = {}
    indices = [numbers.setdefault(values[place], len(numbers)) for place in places]
    return list(numbers), np.array(indices, dtype=np.int64)


def _reject_repeated(
    item: Indices, annotator: Indices, items: Sequence[str], annotators: Sequence[str], path: str
) -> None:
    cells, counts = np.unique(item * len(annotators) + annotator, return_counts=True)
    if counts.max() > 1:
        item_number, annotator_number = divmod(int(cells[counts.argmax()]), len(annotators))
        raise InputError(
            f"{path} has item {items[item_number]!r} twice by annotator {annotators[annotator_number]!r}: keep one row."
        )


def _times(rows: Sequence[DataRow], path: str) -> list[float]:
    """Return the time of each row as a number."""
    times: list[float] = []
    for number, text in enumerate(_column(rows, "time", path), 1):
        value = _parse_time(text)
        if value is None:
            raise InputError(
                f"{path}, row {number}: {text[:40]!r} is not a time; write a number or a date (2026-01-31)."
            )
        times.append(value)
    return times


def _parse_time(text: str) -> float | None:
    """Return a number, or the seconds of an ISO 8601 date.

    >>> _parse_time("2.5"), _parse_time("1970-01-02T00:00:00+00:00"), _parse_time("noon"), _parse_time("nan")
    (2.5, 86400.0, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        try:
            value = datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError, OSError):
            return None
    return value if isfinite(value) else None
