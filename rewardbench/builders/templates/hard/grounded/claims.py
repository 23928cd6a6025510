"""Statements about a table: a sentence and the assertion that it makes, both from the same random choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.grounded.table import CATEGORIES, FIGURES, TIME, Setting, read_texts
from rewardbench.verifiers.hard.grounded import KEY, Assertion, CellCondition, Table, TableRow


@dataclass(frozen=True)
class Statement:
    """A sentence of a report, and what it asserts."""

    kind: str
    sentence: str
    assertion: Assertion


@dataclass(frozen=True)
class Scribe:
    """Draws statements that are true of one table, often about its rows in focus."""

    rng: Rng
    setting: Setting
    table: Table
    focus: Sequence[int]
    """Positions of the rows whose cells differ between the prompts."""
    column: str
    """The column of these cells."""
    most: int
    """Largest number of rows that a count or a sum takes in; a small table is counted at sight."""

    def row(self) -> TableRow:
        """Choose a row: half of the time one in focus."""
        rows = self.table.rows
        return rows[self.rng.pick(self.focus)] if self.rng.chance() else self.rng.pick(rows)

    def figure(self) -> str:
        """Choose a column of numbers: half of the time the one in focus, if it is one."""
        return self.column if self.column in FIGURES and self.rng.chance() else self.rng.pick(FIGURES)

    def category(self) -> CellCondition:
        """Choose a condition on a category that some row meets."""
        column = self.column if self.column in CATEGORIES and self.rng.chance() else self.rng.pick(CATEGORIES)
        return (column, "=", self.row()[column])

    def threshold(self) -> CellCondition:
        """Choose a condition on a number or a time near that of some row."""
        if self.column == TIME or self.rng.chance(0.3):
            return (TIME, self.rng.pick("<>"), self.row()[TIME])
        column = self.figure()
        return (column, self.rng.pick((">", "<=")), max(2, int(self.row()[column]) + self.rng.number(-2, 2)))

    def second(self, condition: CellCondition) -> CellCondition:
        """Choose a condition on another column than that of a first condition."""
        other = self.threshold() if self.rng.chance() else self.category()
        if other[0] == condition[0]:
            raise Resample
        return other

    def rival(self, condition: CellCondition) -> CellCondition:
        """Choose another value of the category of a condition."""
        other = (condition[0], "=", self.row()[condition[0]])
        if other == condition:
            raise Resample
        return other

    def phrase(self, condition: CellCondition) -> str:
        """Return the phrase of a condition."""
        return self.setting.condition(*condition)

    def selected(self, *conditions: CellCondition) -> list[TableRow]:
        """Return the rows that meet the conditions, at least 2 and not too many to count.

        Raises:
            Resample: if there are fewer or more.
        """
        rows = self.table.select(conditions)
        if not 2 <= len(rows) <= self.most:
            raise Resample
        return rows

    def make(self, kind: str, assertion: Assertion, frame: str = "", /, **fields: object) -> Statement:
        """Write a statement in one of the wordings of its kind, or of `frame`."""
        wording = self.rng.pick(read_texts("phrases")["sentences"][frame or kind])
        return Statement(kind, wording.format(**self.setting.names(), **fields), assertion)


def _cells(scribe: Scribe) -> Statement:
    row, setting = scribe.row(), scribe.setting
    first, second = scribe.rng.sample((*CATEGORIES, *FIGURES, TIME), 2)
    if scribe.rng.chance():
        first = scribe.column
    if first == second:
        raise Resample
    values = {first: row[first]}
    fields: dict[str, object] = {"key": row[KEY], "says": setting.says(first, row[first])}
    if scribe.rng.chance():
        values[second] = row[second]
        return scribe.make("cells", ["cells", row[KEY], values], says2=setting.says(second, row[second]), **fields)
    return scribe.make("cells", ["cells", row[KEY], values], "cell", **fields)


def _count(scribe: Scribe) -> Statement:
    condition = scribe.category()
    n = len(scribe.selected(condition))
    return scribe.make("count", ["count", [condition], n], c=scribe.phrase(condition), n=n)


def _count_two(scribe: Scribe) -> Statement:
    condition = scribe.category()
    other = scribe.second(condition)
    n = len(scribe.selected(condition, other))
    if n == len(scribe.table.select([condition])):
        raise Resample
    phrases = {"c": scribe.phrase(condition), "c2": scribe.phrase(other)}
    return scribe.make("count", ["count", [condition, other], n], "count2", n=n, **phrases)


def _total(scribe: Scribe) -> Statement:
    condition, column = scribe.category(), scribe.figure()
    conditions, fields, frame = [condition], {"c": scribe.phrase(condition)}, "total"
    if len(scribe.table.rows) > 20 and scribe.rng.chance():
        other = scribe.second(condition)
        if other[0] == column:
            raise Resample
        conditions, fields["c2"], frame = [condition, other], scribe.phrase(other), "total2"
    scribe.selected(*conditions)
    n = scribe.table.total(conditions, column)
    return scribe.make("total", ["total", conditions, column, n], frame, says=scribe.setting.says(column, n), **fields)


def _extreme(scribe: Scribe) -> Statement:
    condition, largest = scribe.category(), scribe.rng.chance()
    column = TIME if scribe.column == TIME or scribe.rng.chance(0.3) else scribe.figure()
    scribe.selected(condition)
    extreme = scribe.table.extreme([condition], column, largest)
    if extreme is None:
        raise Resample
    frames = ("first", "last") if column == TIME else ("bottom", "top")
    _, key, value = extreme
    phrase = scribe.setting.says(column, value)
    operation = "top" if largest else "bottom"
    assertion = [operation, [condition], column, key, value]
    return scribe.make("extreme", assertion, frames[largest], key=key, c=scribe.phrase(condition), says=phrase)


def _order(scribe: Scribe) -> Statement:
    row, other = scribe.row(), scribe.row()
    if scribe.rng.chance():
        if str(row[TIME]) >= str(other[TIME]):
            raise Resample
        verb = scribe.setting.world[TIME]["says"]
        return scribe.make(
            "order", ["before", TIME, row[KEY], other[KEY]], "before", key=row[KEY], key2=other[KEY], verb=verb
        )
    column = scribe.figure()
    n = int(row[column]) - int(other[column])
    if n < 2:
        raise Resample
    phrase = scribe.setting.says(column, n)
    assertion = ["gap", column, row[KEY], other[KEY], n]
    return scribe.make("order", assertion, "gap", key=row[KEY], key2=other[KEY], says=phrase)


def _all_or_none(scribe: Scribe) -> Statement:
    """State that none, or all, of a group meet a threshold that the extreme of the group almost reaches."""
    condition, other = scribe.category(), scribe.threshold()
    rows = scribe.selected(condition)
    met = len(scribe.table.select([condition, other]))
    phrases = {"c": scribe.phrase(condition), "c2": scribe.phrase(other)}
    if met == 0:
        return scribe.make("none", ["count", [condition, other], 0], **phrases)
    if met == len(rows):
        assertion = ["lead", [condition], [condition, other], 0]
        return scribe.make("none", assertion, "every", **phrases)
    raise Resample


def _lead(scribe: Scribe) -> Statement:
    condition = scribe.category()
    other = scribe.rival(condition)
    n = len(scribe.selected(condition)) - len(scribe.selected(other))
    if n < 2:
        raise Resample
    phrases = {"c": scribe.phrase(condition), "c2": scribe.phrase(other)}
    return scribe.make("lead", ["lead", [condition], [other], n], n=n, **phrases)


def _total_lead(scribe: Scribe) -> Statement:
    condition, column = scribe.category(), scribe.figure()
    other = scribe.rival(condition)
    scribe.selected(condition), scribe.selected(other)
    n = scribe.table.total([condition], column) - scribe.table.total([other], column)
    if n < 2:
        raise Resample
    phrases = {"c": scribe.phrase(condition), "c2": scribe.phrase(other)}
    phrase = scribe.setting.says(column, n)
    return scribe.make("total_lead", ["total_lead", [condition], [other], column, n], says=phrase, **phrases)


KINDS: Mapping[str, Callable[[Scribe], Statement]] = {
    "cells": _cells,
    "count": _count,
    "count_two": _count_two,
    "total": _total,
    "extreme": _extreme,
    "order": _order,
    "none": _all_or_none,
    "lead": _lead,
    "total_lead": _total_lead,
}
