"""First verifier of grounded reports: every sentence has an assertion, which is evaluated on the rows.

An assertion is a JSON list of its operation and its arguments. Conditions are lists of [column, comparison, value].

    ["cells", key, {column: value}]         the row has these values
    ["count", conditions, n]                n rows meet the conditions
    ["total", conditions, column, n]        the column sums to n over these rows
    ["top" | "bottom", conditions, column, key, value]    the row alone has the largest or smallest value, this one
    ["before", column, key, key2]           the value of the first row is smaller
    ["gap", column, key, key2, n]           first value minus second value
    ["lead", conditions, conditions2, n]    difference of two counts
    ["total_lead", conditions, conditions2, column, n]    difference of two sums
    ["rank", conditions, column, "highest" | "lowest", k, n]    the k-th of the sorted values, equal ones apart
    ["median", conditions, column, n]
    ["distinct", conditions, column, n]     number of different values
    ["run", conditions, n]                  most rows in a row that meet the conditions
    ["leads", rule, name, names]            a name ends with more points than each of some others; see `points`
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from statistics import median
from typing import cast

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell
from rewardbench.verifiers.hard.points import leads

CellValue = str | int
TableRow = Mapping[str, CellValue]
Assertion = Sequence[object]
CellCondition = tuple[str, str, CellValue]

KEY = "key"
"""Column of the name of a row."""
COMPARE: Mapping[str, Callable[..., bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    "<=": operator.le,
}


class Table:
    """Rows by their key, with the operations that assertions use."""

    def __init__(self, rows: Sequence[TableRow]) -> None:
        self.rows = rows
        self.by_key = dict(zip(map(itemgetter(KEY), rows), rows, strict=True))
        self.groups: dict[tuple[str, CellValue], list[TableRow]] = {}
        """The rows with a value of a column, of those that conditions have named."""

    def select(self, conditions: Sequence[CellCondition]) -> list[TableRow]:
        """Return the rows that meet all conditions."""
        rows = self.rows
        if conditions and conditions[0][1] == "=":
            column, _, value = conditions[0]
            if (column, value) not in self.groups:
                self.groups[column, value] = [row for row in self.rows if row[column] == value]
            rows, conditions = self.groups[column, value], conditions[1:]
        return [row for row in rows if _meets(row, conditions)]

    def total(self, conditions: Sequence[CellCondition], column: str) -> int:
        """Return the sum of a column over the rows that meet the conditions."""
        return sum(map(int, map(itemgetter(column), self.select(conditions))))

    def extreme(
        self, conditions: Sequence[CellCondition], column: str, largest: bool
    ) -> tuple[str, str, CellValue] | None:
        """Return column, key and value of the row with the largest or smallest value; None if it is not unique."""
        rows = sorted(self.select(conditions), key=lambda row: row[column], reverse=largest)
        if not rows or (len(rows) > 1 and rows[0][column] == rows[1][column]):
            return None
        return column, str(rows[0][KEY]), rows[0][column]

    def ties(self, assertion: Assertion) -> bool:
        """Return True if an assertion of an extreme names one of several rows that share it: is it true or false?"""
        operation, *arguments = assertion
        if operation not in ("top", "bottom"):
            return False
        conditions, column, key, _ = cast("tuple[Sequence[CellCondition], str, str, CellValue]", tuple(arguments))
        rows = sorted(self.select(conditions), key=itemgetter(column), reverse=operation == "top")
        first = [str(row[KEY]) for row in rows if row[column] == rows[0][column]]
        return len(first) > 1 and key in first

    def holds(self, assertion: Assertion) -> bool:
        """Return True if an assertion is true of these rows."""
        operation, *arguments = assertion
        return bool(OPERATIONS[str(operation)](self, *arguments))


def _meets(row: TableRow, conditions: Sequence[CellCondition]) -> bool:
    return all(COMPARE[comparison](row[column], value) for column, comparison, value in conditions)


def _cells(table: Table, key: str, values: TableRow) -> bool:
    return bool(values.items() <= table.by_key[key].items())


def longest_run(table: Table, conditions: Sequence[CellCondition]) -> int:
    """Return the largest number of rows in a row that meet the conditions."""
    length = longest = 0
    for row in table.rows:
        length = length + 1 if _meets(row, conditions) else 0
        longest = max(longest, length)
    return longest


def _is_ranked(
    table: Table, conditions: Sequence[CellCondition], column: str, end: str, rank: int, value: CellValue
) -> bool:
    values = sorted(map(itemgetter(column), table.select(conditions)), reverse=end == "highest")
    return values[rank - 1 : rank] == [value]


def _has_median(table: Table, conditions: Sequence[CellCondition], column: str, value: int) -> bool:
    return median(map(int, map(itemgetter(column), table.select(conditions)))) == value


OPERATIONS: Mapping[str, Callable[..., bool]] = {
    "cells": _cells,
    "count": lambda table, conditions, n: len(table.select(conditions)) == n,
    "total": lambda table, conditions, column, n: table.total(conditions, column) == n,
    "top": lambda table, conditions, *state: table.extreme(conditions, state[0], True) == state,
    "bottom": lambda table, conditions, *state: table.extreme(conditions, state[0], False) == state,
    "before": lambda table, column, key, key2: table.by_key[key][column] < table.by_key[key2][column],
    "gap": lambda table, column, key, key2, n: table.by_key[key][column] - table.by_key[key2][column] == n,
    "lead": lambda table, left, right, n: len(table.select(left)) - len(table.select(right)) == n,
    "total_lead": lambda table, left, right, column, n: table.total(left, column) - table.total(right, column) == n,
    "rank": _is_ranked,
    "median": _has_median,
    "distinct": lambda table, conditions, column, n: len(set(map(itemgetter(column), table.select(conditions)))) == n,
    "run": lambda table, conditions, n: longest_run(table, conditions) == n,
    "leads": lambda table, rule, leader, others: leads(table.rows, rule, leader, others),
}


def _is_supported(cell: Cell) -> bool:
    """Return True if all assertions of the sentences in the response are true of the rows.

    The check has the `header` and the `rows` of one prompt, and `claims`: the assertions of each sentence of either
    response; a sentence without assertions states no figure.
    """
    header = cell.check["header"]
    rows = []
    for values in cell.check["rows"]:
        rows.append(dict(zip(header, values, strict=True)))
    table = Table(rows)
    claims: dict[str, list[Assertion]] = cell.check["claims"]
    unread, assertions = cell.response, []
    for sentence in sorted(claims, key=len, reverse=True):
        if sentence in unread:
            unread = unread.replace(sentence, " ", 1)
            assertions += claims[sentence]
    if unread.strip():
        raise BrokenCheck(f"no assertion for {unread.strip()[:80]!r}")
    return all(map(table.holds, assertions))


verify_grounded = cell_by_cell(_is_supported)
