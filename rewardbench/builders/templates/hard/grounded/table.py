"""Worlds and tables of the grounded reports."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.verifiers.hard.grounded import KEY, CellValue, Table

Rows = list[dict[str, CellValue]]

CATEGORIES, FIGURES, TIME = ("who", "place"), ("most", "less"), "time"
COLUMNS = (*CATEGORIES, *FIGURES, TIME)
ONE_DAY = 300
"""Largest number of rows whose times are on one day."""
MONTHS = ("March", "April", "May", "June", "July", "August")
GROUPS = 8
"""Largest number of values of a category."""


@cache
def read_texts(name: str) -> Mapping[str, Any]:
    """Return the content of a TOML file of this package."""
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Setting:
    """A world with the choices that all tables of one mirror share."""

    world: Mapping[str, Any]
    dated: bool
    """Whether times have a date."""

    def header(self, column: str) -> str:
        """Return the heading of a column."""
        return str(self.world["noun"][0] if column == KEY else self.world[column]["header"])

    def names(self) -> dict[str, str]:
        """Return the nouns and the reader, as fields of a text."""
        noun, plural = self.world["noun"]
        return {"noun": noun, "Noun": noun.capitalize(), "nouns": plural, "reader": self.world["reader"]}

    def says(self, column: str, value: object) -> str:
        """Return the phrase for a value of a column, such as "weighed 12 kg"."""
        phrase = str(self.world[column]["says"])
        if column == TIME:
            return f"{phrase} at {spoken(str(value))}"
        return phrase.format(value)

    def condition(self, column: str, comparison: str, value: CellValue) -> str:
        """Return the phrase for a condition, such as "weighed more than 12 kg"."""
        if column == TIME:
            word = {"<": "before", ">": "after"}[comparison]
            return f"{self.world[TIME]['says']} {word} {spoken(str(value))}"
        amount = {"=": "{}", ">": "more than {}", "<=": "at most {}"}[comparison].format(value)
        return self.says(column, amount)


def draw_setting(rng: Rng, size: int) -> Setting:
    """Choose a world; a long table has dates."""
    return Setting(rng.pick(list(read_texts("worlds").values())), size > ONE_DAY or (size > 12 and rng.chance(0.4)))


def draw_rows(rng: Rng, setting: Setting, size: int) -> Rows:
    """Draw a table; its times are strings that sort, such as "05-14 07:42"."""
    world = setting.world
    groups = min(GROUPS, 2 + size // 6)
    choices: dict[str, list[str]] = {}
    for column in CATEGORIES:
        spec = world[column]
        options = rng.people(GROUPS) if spec.get("people") else list(spec["values"])
        choices[column] = rng.sample(options, min(groups, len(options)))
    start = rng.number(1, 9) * 100
    numbers = rng.numbers(size, start, start + max(90, 3 * size))
    if rng.chance():
        numbers.sort()
    rows: Rows = []
    for number in numbers:
        row: dict[str, CellValue] = {KEY: world["form"].format(number)}
        for column in CATEGORIES:
            row[column] = rng.pick(choices[column])
        for column in FIGURES:
            row[column] = rng.number(world[column]["low"], world[column]["high"])
        row[TIME] = _draw_time(rng, setting.dated)
        rows.append(row)
    return rows


def _draw_time(rng: Rng, dated: bool) -> str:
    clock = f"{rng.number(6, 21):02d}:{rng.number(0, 59):02d}"
    return f"{rng.number(1, len(MONTHS)):02d}-{rng.number(1, 30):02d} {clock}" if dated else clock


def shown(value: CellValue) -> str:
    """Return a cell as the table shows it: such as "14 May 07:42" for "03-14 07:42", whose months count from March."""
    text = str(value)
    if text[2:3] == "-" and text[5:6] == " ":
        date, clock = text.split()
        return f"{_date(date)} {clock}"
    return text


def spoken(time: str) -> str:
    """Return a time as a sentence has it, such as "07:42 on 14 May"."""
    if " " in time:
        date, clock = time.split()
        return f"{clock} on {_date(date)}"
    return time


def _date(date: str) -> str:
    month, day = date.split("-")
    return f"{int(day)} {MONTHS[int(month) - 1]}"


def rotate_cells(rng: Rng, rows: Rows, settings: int) -> tuple[str, list[int], list[Rows]]:
    """Return a column, the positions of some of its cells, and the tables in which these cells take turns.

    Args:
        rng: random choices.
        rows: the first table.
        settings: number of tables and of cells: 2 swaps two cells, 4 rotates four.
    """
    column = rng.pick((*COLUMNS, *FIGURES))
    positions = rng.sample(range(len(rows)), settings)
    values = [rows[position][column] for position in positions]
    distinct = len(set(values))
    if distinct < 2 or (column not in CATEGORIES and distinct < settings):
        raise Resample
    tables = []
    for turn in range(settings):
        table = [dict(row) for row in rows]
        for n, position in enumerate(positions):
            table[position][column] = values[(n + turn) % settings]
        tables.append(table)
    return column, positions, tables


def evaluate_all(tables: Sequence[Table], assertion: Sequence[object]) -> list[bool]:
    """Return for each table whether an assertion is true of it."""
    return [table.holds(assertion) for table in tables]
