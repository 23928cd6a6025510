"""Pink elephants: whether a response names what it must not, under any alias and in its plain inflections."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rewardbench.verifiers.cells import Cell, each

ENDING = r"(?:'s|s'|s|es|d|ed|ing)?"


def mentions(text: str, names: Sequence[str]) -> list[str]:
    """The names that stand in the text as words, in any case, with the ending of a plural, a genitive or a verb.

    >>> mentions("Adidas's shoes are no NIKES; snikers", ["Nike", "Puma"])
    ['NIKES']
    """
    text = text.replace("’", "'")
    found: list[str] = []
    for name in names:
        before = r"(?<!\w)" if name[0].isalnum() else ""
        after = rf"{ENDING}(?!\w)" if name[-1].isalnum() else ""
        found += re.findall(f"{before}{re.escape(name)}{after}", text, re.IGNORECASE)
    return found


def steers(cell: Cell) -> bool:
    """No forbidden name, and at least one of those that are wanted."""
    return not mentions(cell.response, cell.check["forbidden"]) and bool(mentions(cell.response, cell.check["wanted"]))


verify_names = each(steers)
