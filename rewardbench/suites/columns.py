"""Names of columns: what is meant by one that is written a little differently, and what a table lacks."""

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
"""Every column name that some form or format reads."""
LONGEST_LIST = 400
"""Characters of the names of columns in a message."""


def rename_columns(rows: Sequence[Row], columns: AbstractSet[str]) -> tuple[Sequence[Row], AbstractSet[str]]:
    """Return rows whose columns have the known spelling (no blanks around them, no capitals, no hyphens), and those."""
    spelling = _spellings(columns)
    if not spelling:
        return rows, columns
    renamed = {spelling.get(name, name) for name in columns}
    if isinstance(rows, Lazy):
        return rows.map(lambda at, row: _renamed(row, spelling)), renamed
    return [_renamed(row, spelling) for row in rows], renamed


def _spellings(columns: AbstractSet[str]) -> dict[str, str]:
    """Return the known spelling of each column that has another one, where no column has it already.

    >>> _spellings({" chosen", "Rejected", "ID", "source"})
    {' chosen': 'chosen', 'Rejected': 'rejected'}
    """
    spelling: dict[str, str] = {}
    for name in sorted(columns):
        plain = name.strip().lstrip("\ufeff")
        folded = plain.casefold().replace("-", "_").replace(" ", "_")
        known = plain if plain in {*_WHO, *KNOWN} else folded if folded in KNOWN else name
        if known not in columns and known not in spelling.values():
            spelling[name] = known
    return spelling


def _renamed(row: Row, spelling: Mapping[str, str]) -> Row:
    return row if isinstance(row, BadRow) else {spelling.get(name, name): value for name, value in row.items()}


def nearest_format(columns: AbstractSet[str], where: str) -> str:
    """Return the sentence for a table that no form and no format fits: what it has, and what comes nearest."""
    listed = list_names(columns)
    expected = ", or ".join([*(" and ".join(form.needs) for form in FORMS), *DESCRIPTIONS])
    near = max(FORMS, key=lambda form: len(columns & set(form.needs)))
    missing = [name for name in near.needs if name not in columns]
    if len(missing) < len(near.needs):
        close = get_close_matches(missing[0], sorted(columns), 1)
        hint = f"nearest is {' and '.join(near.needs)}, and {missing[0]} is missing"
        hint += f" (is it {close[0]!r}?)" if close else ""
    else:
        hint = "none of them is there"
    return (
        f"{where} has the columns {listed}; it needs {expected}; {hint}. A suite file (.yaml) with a dataset and "
        "columns: {chosen: NAME, rejected: NAME, prompt: NAME} maps other names."
    )


def list_names(columns: AbstractSet[str]) -> str:
    """Return the names of columns for a message, sorted; blanks at their ends are shown."""
    names = [repr(name) if name != name.strip() or not name else name for name in sorted(columns)]
    text = ", ".join(name if len(name) <= 60 else f"{name[:60]}..." for name in names)
    return text if len(text) <= LONGEST_LIST else f"{text[:LONGEST_LIST]}..."
