"""Column names: match variant spellings, and report what a table lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches

from rewardbench.suites.badrows import BadRow
from rewardbench.suites.formats import DESCRIPTIONS, known_columns
from rewardbench.suites.forms import CONVERSATIONS, PREFERENCES
from rewardbench.suites.lazy import Lazy
from rewardbench.suites.prompts import FIRST_NAMES, OTHER_NAMES, SYSTEM_NAMES
from rewardbench.suites.registry import Row

FORMS = (*PREFERENCES, *CONVERSATIONS)
_WHO = ("id", "subset", "group")
KNOWN = {*FIRST_NAMES, *OTHER_NAMES, *SYSTEM_NAMES, "instruction", "input", "num_correct", *known_columns()}
KNOWN |= {name for form in FORMS for name in form.needs}
"""All column names that a form or format reads."""
LONGEST_LIST = 400
"""Longest list of column names in a message, in characters."""


def rename_columns(rows: Sequence[Row], columns: AbstractSet[str]) -> tuple[Sequence[Row], AbstractSet[str]]:
    """Rename columns to their known spelling (no surrounding blanks, capitals or hyphens); return rows and names."""
    spelling = _spellings(columns)
    if not spelling:
        return rows, columns
    renamed = {spelling.get(name, name) for name in columns}
    if isinstance(rows, Lazy):
        return rows.map(lambda at, row: _renamed(row, spelling)), renamed
    return [_renamed(row, spelling) for row in rows], renamed


def _spellings(columns: AbstractSet[str]) -> dict[str, str]:
    """Map each column with a variant spelling to the known one, unless another column has that already.

    >>> _spellings({" chosen", "Rejected", "ID", "source"})
    {' chosen': 'chosen', 'Rejected': 'rejected'}
    """
    spelling: dict[str, str] = {}
    for name in sorted(columns):
        plain = name.strip().lstrip("\ufeff")
        folded = plain.casefold().replace("-", "_").replace(" ", "_")
        spelled = plain if plain in {*_WHO, *KNOWN} else folded if folded in KNOWN else name
        if spelled not in columns and spelled not in spelling.values():
            spelling[name] = spelled
    return spelling


def _renamed(row: Row, spelling: Mapping[str, str]) -> Row:
    return row if isinstance(row, BadRow) else {spelling.get(name, name): value for name, value in row.items()}


def nearest_format(columns: AbstractSet[str], where: str) -> str:
    """Describe the columns of a table that fits no known format, and the nearest format."""
    names = list_names(columns)
    expected = ", or ".join([*(" and ".join(form.needs) for form in FORMS), *DESCRIPTIONS])
    nearest = max(FORMS, key=lambda form: len(columns & set(form.needs)))
    missing = [name for name in nearest.needs if name not in columns]
    if len(missing) < len(nearest.needs):
        similar = get_close_matches(missing[0], sorted(columns), 1)
        hint = f"nearest is {' and '.join(nearest.needs)}, and {missing[0]} is missing"
        hint += f" (is it {similar[0]!r}?)" if similar else ""
    else:
        hint = "none of these columns exists"
    return (
        f"{where} has the columns {names}; it needs {expected}; {hint}. A suite file (.yaml) with a dataset and "
        "columns: {chosen: NAME, rejected: NAME, prompt: NAME} maps other names."
    )


def list_names(columns: AbstractSet[str]) -> str:
    """List column names for a message, sorted; surrounding blanks are shown."""
    names = [repr(name) if name != name.strip() or not name else name for name in sorted(columns)]
    text = ", ".join(name if len(name) <= 60 else f"{name[:60]}..." for name in names)
    return text if len(text) <= LONGEST_LIST else f"{text[:LONGEST_LIST]}..."
