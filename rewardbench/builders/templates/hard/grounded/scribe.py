"""Statements about a table: a sentence and the assertion that it makes, both from the same random choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.grounded.table import CATEGORIES, FIGURES, TIME, Setting, read_texts
from rewardbench.verifiers.hard.grounded import Assertion, CellCondition, Table, TableRow


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
    least: int = 2
    """Smallest number of such rows."""

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
        """Return the rows that meet the conditions, neither too few nor too many.

        Raises:
            Resample: if there are fewer or more.
        """
        rows = self.table.select(conditions)
        if not self.least <= len(rows) <= self.most:
            raise Resample
        return rows

    def group(self) -> tuple[list[CellCondition], list[TableRow], str]:
        """Choose one or two conditions; return them, the rows that meet them, and their phrase."""
        condition = self.category()
        if self.rng.chance():
            return [condition], self.selected(condition), self.phrase(condition)
        other = self.second(condition)
        phrase = f"{self.phrase(condition)} and {self.phrase(other)}"
        return [condition, other], self.selected(condition, other), phrase

    def make(self, kind: str, assertion: Assertion, frame: str = "", /, **fields: object) -> Statement:
        """Write a statement in one of the wordings of its kind, or of `frame`."""
        wording = self.rng.pick(read_texts("phrases")["sentences"][frame or kind])
        return Statement(kind, wording.format(**self.setting.names(), **fields), assertion)
