"""Read comma- or tab-separated tables: every cell is text, and every line has the fields of the header."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import IO

from rewardbench.suites.data_row import DataRow
from rewardbench.suites.encoded_text import decode_messages

_OTHER_SEPARATORS = (";", "\t", "|", ",")
"""Separators to try if the usual one finds a single column."""


class TableError(ValueError):
    """The reason why a table cannot be read, without the file name."""


def read_delimited(file: IO[str], separator: str) -> Iterator[DataRow]:
    """Yield the rows of an open table, cells as text; a blank after a separator is not part of a cell.

    Args:
        file: the table, opened with newline="".
        separator: the usual separator of the format.

    Raises:
        TableError: if a line has another number of fields than the header, a column name repeats, or quotes are broken.
    """
    csv.field_size_limit(2**31 - 1)
    first = file.readline()
    if first.startswith("sep=") and len(first.strip()) == 5:  # Excel's separator line
        separator, first = first[4], file.readline()
    separator = _find_separator(first, separator)
    blanks = f"{separator} " in first
    records = csv.reader(chain([first], file), delimiter=separator, skipinitialspace=blanks, strict=True)
    try:
        header = _name_columns(next(filter(_has_text, records), []))
        for record in records:
            if len(record) == len(header):
                yield dict(zip(header, map(_decode_cell, record), strict=True))
            elif _has_text(record):
                raise TableError(
                    f"line {records.line_num} has {len(record)} fields, and the header {len(header)} "
                    f"({', '.join(header)[:200]}); put quotes around a text that holds a {separator!r}"
                )
    except csv.Error as error:
        raise TableError(f"{error}, line {records.line_num}") from error


def _has_text(record: list[str]) -> bool:
    return any(map(str.strip, record))


def _find_separator(header: str, separator: str) -> str:
    """Return the separator of a header line: the usual one, unless only another one finds several columns.

    >>> _find_separator("prompt;chosen;rejected", ","), _find_separator("prompt,chosen", ","), _find_separator("a", ",")
    (';', ',', ',')
    """
    if separator in header:
        return separator
    for candidate in _OTHER_SEPARATORS:
        if candidate in header:
            return candidate
    return separator


def _name_columns(record: list[str]) -> list[str]:
    """Return the column names without blanks around them; a column without one is called as pandas calls it."""
    names = [name.strip() or f"Unnamed: {n}" for n, name in enumerate(record)]
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise TableError(f"the header names the column {name[:60]!r} {count} times; give each column a unique name")
    return names


def _decode_cell(cell: str) -> object:
    """Return a cell as text, or as the messages that it encodes.

    >>> _decode_cell('[{"role": "user", "content": "Hi"}]')
    [{'role': 'user', 'content': 'Hi'}]
    >>> _decode_cell("[1]")
    '[1]'
    """
    messages = decode_messages(cell)
    return cell if messages is None else messages
