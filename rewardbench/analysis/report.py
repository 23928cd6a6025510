"""Report of an analysis: values, tables, a figure, and a conclusion with what the user should do."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING

from rewardbench.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rewardbench.results.scored import ModelScores

Value = float | int | str | bool | None

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_BAR = re.compile(r"([-+\w.]+)\s*(>=|<=|==|>|<)\s*([-+\w.]+)")


@dataclass(frozen=True)
class Bar:
    """A bound that one of the values must keep, such as `fp32_flips<=0`."""

    key: str
    comparison: str
    bound: float

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Return True if the value keeps the bound; NaN and text never do.

        Raises:
            InputError: if there is no such value.
        """
        if self.key not in values:
            raise InputError(f"There is no value {self.key!r} to check; the values are {', '.join(values)}.")
        value = values[self.key]
        if value is None or isinstance(value, str):
            return False
        return _OPERATORS[self.comparison](value, self.bound)

    def __str__(self) -> str:
        return f"{self.key}{self.comparison}{self.bound:g}"


def parse_bar(text: str) -> Bar:
    """Parse a bound.

    >>> parse_bar("coverage>=0.95").holds({"coverage": 0.97})
    True

    Raises:
        InputError: if the text is not KEY, a comparison and a number.
    """
    match = _BAR.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        return Bar(match[1], match[2], float(match[3]))
    except ValueError as error:
        raise InputError(f"{text!r} is not a bound: write KEY>=NUMBER, with >=, <=, ==, > or <.") from error


def parse_bars(text: str) -> tuple[Bar, ...]:
    """Parse bounds with spaces between them.

    >>> [str(bar) for bar in parse_bars("mcc>=0.95 random_mcc<=0.4")]
    ['mcc>=0.95', 'random_mcc<=0.4']
    """
    return tuple(map(parse_bar, text.split()))


@dataclass(frozen=True)
class ReportTable:
    """A table: its title, column headers, and rows of the same length."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]


@dataclass(frozen=True)
class Report:
    """What an analysis returns.

    Attributes:
        name: name of the analysis.
        values: the values, printed as `key=value` lines.
        sentence: the conclusion, with what the user should do.
        tables: tables to print; long ones are truncated on the terminal, not in the JSON file.
        draw: draws on an empty figure; None if the report has no figure.
        size: width and height of the figure in inches.
        details: more for the JSON file, such as curves and items.
        notes: limits of this run that a reader must know.
        sources: what the figures come from, such as `source_of` returns.
        bars: bounds that the values must keep; the command exits 1 if one does not.
    """

    name: str
    values: Mapping[str, Value]
    sentence: str
    tables: Sequence[ReportTable] = ()
    draw: Callable[[Figure], None] | None = None
    size: tuple[float, float] = (8.0, 5.0)
    details: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()
    sources: Sequence[Mapping[str, object]] = ()
    bars: Sequence[Bar] = ()

    def missed(self) -> list[str]:
        """Return the bounds that a value does not keep, each with the value."""
        missed_bars: list[str] = []
        for bar in self.bars:
            if not bar.holds(self.values):
                missed_bars.append(f"{bar} (is {format_value(self.values[bar.key])})")
        return missed_bars

    def to_json(self) -> dict[str, object]:
        """Return everything but the picture."""
        tables: list[dict[str, object]] = []
        for table in self.tables:
            rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
            tables.append({"title": table.title, "rows": rows})
        return {
            "analysis": self.name,
            "values": dict(self.values),
            "sentence": self.sentence,
            "tables": tables,
            "notes": list(self.notes),
            "details": dict(self.details),
            "sources": list(map(dict, self.sources)),
            "bars": list(map(str, self.bars)),
            "missed": self.missed(),
        }


def format_value(value: Value) -> str:
    """Format a value: four decimals, and scientific notation below 0.0001.

    >>> [format_value(value) for value in (0.91539, 2e-13, 3, True, None, "sonnet")]
    ['0.9154', '2.0e-13', '3', '1', 'nan', 'sonnet']
    """
    if value is None or (isinstance(value, float) and isnan(value)):
        return "nan"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < abs(value) < 1e-4 else f"{value:.4f}"
    return str(value)


def unique_keys(names: Sequence[str]) -> list[str]:
    """Return names as parts of the names of values, all different: a repeated one ends with its place.

    >>> unique_keys(["org/a-1", "org/b", "org/a_1"])
    ['org_a_1', 'org_b', 'org_a_1_3']
    """
    keys: list[str] = []
    for place, name in enumerate(names, 1):
        key = re.sub(r"\W+", "_", name).strip("_")
        while key in keys:
            key = f"{key}_{place}"
        keys.append(key)
    return keys


def source_of(scored: ModelScores) -> dict[str, object]:
    """Return where scores come from: model, fingerprint, suite and its revision."""
    return {
        "model": scored.model,
        "fingerprint": scored.fingerprint,
        "suite": scored.suite.name,
        "revision": scored.suite.revision,
        "items": len(scored.items),
        "path": scored.path.name,
    }
