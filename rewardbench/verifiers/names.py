"""Verifier for pink elephants: check that a response avoids forbidden names, their aliases and inflections."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rewardbench.verifiers.cells import Cell, cell_by_cell

ENDING = r"(?:'s|s'|s|es|d|ed|ing)?"


def mentions(text: str, names: Sequence[str]) -> list[str]:
    """List the names that occur in the text as words, in any case, also as plural, genitive or verb.

    >>> mentions("Adidas's shoes are no NIKES; snikers", ["Nike", "Puma"])
    ['NIKES']
    """
    text = text.replace("’", "'")
    matches: list[str] = []
    for name in names:
        prefix = r"(?<!\w)" if name[0].isalnum() else ""
        suffix = rf"{ENDING}(?!\w)" if name[-1].isalnum() else ""
        matches += re.findall(f"{prefix}{re.escape(name)}{suffix}", text, re.IGNORECASE)
    return matches


def steers(cell: Cell) -> bool:
    """Return True if the response has no forbidden name and at least one wanted name."""
    return not mentions(cell.response, cell.check["forbidden"]) and bool(mentions(cell.response, cell.check["wanted"]))


verify_names = cell_by_cell(steers)
