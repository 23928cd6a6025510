"""Check arguments by exhaustion: derivations over all values of their letters, statements on names over all worlds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell
from rewardbench.verifiers.hard.truth_table import follows

SOUND = re.compile(r"every line follows|all lines are justified|each one follows|no gap", re.IGNORECASE)
UNSOUND = re.compile(r"doesn't follow|all lines but one", re.IGNORECASE)
CRUCIAL = re.compile(r"(?:Line (?=\d+, finally)|As for line |That leaves line )(\d+)")
VALID = re.compile(r"^(?:Valid|Yes|The argument is valid)\b")
INVALID = re.compile(r"^(?:Not valid|No|The argument is not valid)\b")

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


@lru_cache(maxsize=8)
def _follows(check: str) -> bool:
    premises, conclusion = json.loads(check)
    return follows(premises, conclusion)


def _passes(cell: Cell) -> bool:
    if "premises" in cell.check:
        is_valid = _follows(json.dumps([cell.check["premises"], cell.check["conclusion"]]))
        return _accepts(cell.response, VALID, INVALID) == is_valid
    failures = _unsound_lines(json.dumps([cell.check[key] for key in ("low", "high", "data", "lines")]))
    if _accepts(cell.response, SOUND, UNSOUND):
        return not failures
    crucial = CRUCIAL.search(cell.response)
    if not crucial:
        raise BrokenCheck("the response names no line")
    return failures == [int(crucial[1])]


def _accepts(response: str, accepted: re.Pattern[str], rejected: re.Pattern[str]) -> bool:
    """Return the verdict of the first paragraph."""
    opening = response.split("\n\n")[0]
    is_accepted, is_rejected = accepted.search(opening) is not None, rejected.search(opening) is not None
    if is_accepted == is_rejected:
        raise BrokenCheck("the response has no clear verdict")
    return is_accepted


verify_valid_or_not = cell_by_cell(_passes)
