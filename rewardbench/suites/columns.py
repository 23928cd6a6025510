"""Column names: match variant spellings, and report what a table lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches

from rewardbench.suites.converters import DESCRIPTIONS, known_columns
from rewardbench.suites.data_row import BadRow, DataRow
from rewardbench.suites.lazy import LazySequence
from rewardbench.suites.prompts import FIRST_NAMES, OTHER_NAMES, SYSTEM_NAMES
from rewardbench.suites.row_formats import CONVERSATIONS, PREFERENCES
from rewardbench.suites.strengths import STRENGTH_READERS

FORMATS = (*PREFERENCES, *CONVERSATIONS)
ID_COLUMNS = ("id", "subset", "group")
KNOWN = {*FIRST_NAMES, *OTHER_NAMES, *SYSTEM_NAMES, "instruction", "input", "num_correct", *known_columns()}
KNOWN |= {name for format in FORMATS for name in (*format.needs, *format.also)}
KNOWN |= {name for reader in STRENGTH_READERS for name in reader.columns}
"""All column names that a format reads."""
LONGEST_LIST = 400
"""Longest list of column names in a message, in characters."""


def rename_columns(rows: Sequence[DataRow], columns: AbstractSet[str]) -> tuple[Sequence[DataRow], AbstractSet[str]]:
    """Rename columns to their known spelling (no surrounding blanks, capitals or hyphens); return rows and names."""
    spelling = _spellings(columns)
    if not spelling:
        return rows, columns
    renamed_columns = {spelling.get(name, name) for name in columns}
    if isinstance(rows, LazySequence):
        return rows.map(lambda at, row: _renamed(row, spelling)), renamed_columns
    return [_renamed(row, spelling) for row in rows], renamed_columns


def _spellings(columns: AbstractSet[str]) -> dict[str, str]:
    """Map each column with a variant spelling to the known one, unless another column has that already.

    >>> _spellings({" chosen", "Rejected", "ID", "source"})
    {' chosen': 'chosen', 'Rejected': 'rejected'}
    """
    spelling: dict[str, str] = {}
    for name in sorted(columns):
        plain = name.strip().lstrip("\ufeff")
        folded = plain.casefold().replace("-", "_").replace(" ", "_")
        known = plain if plain in {*ID_COLUMNS, *KNOWN} else folded if folded in KNOWN else name
        if known not in columns and known not in spelling.values():
            spelling[name] = known
    return spelling


def _renamed(row: DataRow, spelling: Mapping[str, str]) -> DataRow:
    if isinstance(row, BadRow):
        return row
    return {spelling.get(name, name): value for name, value in row.items()}


RESPONSES = {"response", "responses", "completion", "completions", "output"}
"""Columns of texts that `rewardbench score` reads, or that may be renamed for it."""


def nearest_format(columns: AbstractSet[str], where: str) -> str:
    """Describe the columns of a table that fits no known format, and the nearest format."""
    needs = [" and ".join(format.needs) for format in FORMATS]
    expected = dict.fromkeys([*needs, *DESCRIPTIONS])
    nearest = max(FORMATS, key=lambda format: len(columns & set(format.needs)))
    missing = [name for name in nearest.needs if name not in columns]
    if len(missing) < len(nearest.needs):
        similar = get_close_matches(missing[0], sorted(columns), 1)
        hint = f"nearest is {' and '.join(nearest.needs)}, and {missing[0]} is missing"
        hint += f" (is it {similar[0]!r}?)" if similar else ""
    else:
        hint = "none of these columns exists"
    scores_only = " Texts without a preference are scored by rewardbench score." if columns & RESPONSES else ""
    return (
        f"{where} has the columns {list_names(columns)}; it needs {', or '.join(expected)}; {hint}. "
        "A suite file (.yaml) with a dataset and "
        f"columns: {{chosen: NAME, rejected: NAME, prompt: NAME}} maps other names.{scores_only}"
    )


def list_names(columns: AbstractSet[str]) -> str:
    """List column names for a message, sorted; surrounding blanks are shown."""
    text = ", ".join(map(_display_name, sorted(columns)))
    return text if len(text) <= LONGEST_LIST else f"{text[:LONGEST_LIST]}..."


def _display_name(name: str) -> str:
    """Return a column name, quoted if it is blank at an end, and cut to 60 characters."""
    shown = repr(name) if name != name.strip() or not name else name
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
