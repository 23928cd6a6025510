"""Check each line of a derivation by exhaustion over all values of its letters, with the statements as polynomials."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

SOUND = re.compile(r"every line follows|all lines are justified|each one follows|no gap", re.IGNORECASE)
UNSOUND = re.compile(r"doesn't follow|all lines but one", re.IGNORECASE)
CRUCIAL = re.compile(r"(?:Line (?=\d+, finally)|As for line |That leaves line )(\d+)")
LISTED = re.compile(r"Line (\d+)")

PolynomialStatement = Sequence[Any]
"""Relation, modulus and the terms of a polynomial."""
LetterGrid = Mapping[str, NDArray[np.int64]]
"""Values of each letter in all assignments: [assignments]."""


def truth(statement: PolynomialStatement, grid: LetterGrid) -> NDArray[np.bool_]:
    """Return in which assignments a statement holds."""
    relation, modulus, terms = statement
    size = len(next(iter(grid.values())))
    value = np.zeros(size, dtype=np.int64)
    for letters, coefficient in terms.items():
        product = np.full(size, coefficient, dtype=np.int64)
        for letter in letters:
            product *= grid[letter]
        value += product
    if modulus:
        divisible: NDArray[np.bool_] = value % modulus == (1 if relation == "odd" else 0)
        return divisible
    signs = {"=": (0,), "≠": (-1, 1), "<": (-1,), "≤": (-1, 0), ">": (1,), "≥": (0, 1)}[relation]
    return np.isin(np.sign(value), signs)


def letters_of(statement: PolynomialStatement) -> set[str]:
    """Return the letters of a statement."""
    return set("".join(statement[2]))


def unsound_lines(
    low: int, high: int, data: Sequence[PolynomialStatement], lines: Sequence[PolynomialStatement]
) -> list[int]:
    """Return the numbers of the lines, from 1, that can fail while the data and all lines above hold."""
    groups: list[set[str]] = []
    for statement in [*data, *lines]:
        letters = letters_of(statement)
        apart = []
        for group in groups:
            if group & letters:
                letters |= group
            else:
                apart.append(group)
        groups = [*apart, letters]
    failures = []
    for group in filter(None, groups):  # a statement without letters is read with every group
        names = sorted(group)
        axes = np.meshgrid(*[np.arange(low, high + 1)] * len(names), indexing="ij")
        grid = dict(zip(names, map(np.ravel, axes), strict=True))
        possible = np.ones(len(grid[names[0]]), dtype=bool)
        for statement in data:
            if letters_of(statement) <= group:
                possible &= truth(statement, grid)
        if not possible.any():
            raise BrokenCheck(f"no values of {', '.join(names)} satisfy the data")
        for number, statement in enumerate(lines, 1):
            if letters_of(statement) <= group:
                holds = truth(statement, grid)
                if (possible & ~holds).any():
                    failures.append(number)
                possible &= holds
    return sorted(set(failures))


@lru_cache(maxsize=8)
def _unsound_lines(check: str) -> list[int]:
    low, high, data, lines = json.loads(check)
    return unsound_lines(low, high, data, lines)


def _passes(cell: Cell) -> bool:
    failures = _unsound_lines(json.dumps([cell.check[key] for key in ("low", "high", "data", "lines")]))
    opening = cell.response.split("\n\n")[0]
    is_sound, is_unsound = SOUND.search(opening) is not None, UNSOUND.search(opening) is not None
    if is_sound == is_unsound:
        raise BrokenCheck("the response has no clear verdict")
    crucial = CRUCIAL.search(cell.response)
    if is_sound:
        return not failures
    if crucial:
        return failures == [int(crucial[1])]
    return len(failures) == 1 and str(failures[0]) in LISTED.findall(cell.response)


verify_valid_or_not = cell_by_cell(_passes)
