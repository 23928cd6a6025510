"""Strength of a preference label, on the scale of the data: margins, score differences and probabilities.

Labels of two responses are read in `labels.py`; here are the columns beside `chosen` and `rejected`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from rewardbench.suites.data_row import LABEL_STRENGTH, DataRow

DECIMALS = 9
"""Differences are rounded, so that 0.3 - 0.2 and 0.2 - 0.1 are one level."""
NEGATIVE: Final = (
    "The strength of some labels is negative (chosen has the lower margin, score or probability): it was left out."
)


@dataclass(frozen=True)
class StrengthReader:
    """Columns of a label strength, and their reader, which returns None for an invalid value."""

    columns: tuple[str, ...]
    read: Callable[[DataRow], float | None]


def parse_number(value: object) -> float | None:
    """Return a finite number, also one that is written as text; None for anything else.

    >>> parse_number("-2"), parse_number(True), parse_number("x"), parse_number([1])
    (-2.0, 1.0, None, None)
    """
    if not isinstance(value, bool | int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return {"true": 1.0, "false": 0.0}.get(value.strip().casefold()) if isinstance(value, str) else None
    return number if abs(number) < float("inf") else None


def subtract_scores(first: float, second: float) -> float:
    """Return a score difference, rounded to `DECIMALS`.

    >>> subtract_scores(0.3, 0.2) == subtract_scores(0.2, 0.1)
    True
    """
    return round(first - second, DECIMALS)


def _number_reader(column: str) -> Callable[[DataRow], float | None]:
    """Return a reader of a margin."""

    def read(row: DataRow) -> float | None:
        return parse_number(row.get(column))

    return read


def _size_reader(column: str) -> Callable[[DataRow], float | None]:
    """Return a reader of a strength whose sign is the order of the responses before they were sorted."""

    def read(row: DataRow) -> float | None:
        strength = parse_number(row.get(column))
        return None if strength is None else abs(strength)

    return read


def _difference_reader(chosen: str, rejected: str) -> Callable[[DataRow], float | None]:
    """Return a reader of the difference of two scores."""

    def read(row: DataRow) -> float | None:
        first, second = parse_number(row.get(chosen)), parse_number(row.get(rejected))
        return None if first is None or second is None else subtract_scores(first, second)

    return read


def _probability_reader(column: str) -> Callable[[DataRow], float | None]:
    """Return a reader of the probability p that chosen is better: its strength is 2p - 1."""

    def read(row: DataRow) -> float | None:
        probability = parse_number(row.get(column))
        if probability is None or not 0 <= probability <= 1:
            return None
        return probability_strength(probability)

    return read


def probability_strength(probability: float) -> float:
    """Return the strength of a soft label, 2p - 1, which is 0 for a tie and 1 for certainty.

    >>> probability_strength(0.5), probability_strength(1.0), probability_strength(0.55)
    (0.0, 1.0, 0.1)
    """
    return round(2 * probability - 1, DECIMALS)


_SCORES = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("rating_chosen", "rating_rejected"),
    ("chosen_rating", "rejected_rating"),
    ("value_chosen", "value_rejected"),
)

STRENGTH_READERS = (
    StrengthReader((LABEL_STRENGTH,), _number_reader(LABEL_STRENGTH)),
    StrengthReader(("margin",), _number_reader("margin")),
    StrengthReader(("preference_strength",), _size_reader("preference_strength")),
    *(StrengthReader(names, _difference_reader(*names)) for names in _SCORES),
    *(StrengthReader((name,), _probability_reader(name)) for name in ("chosen_probability", "chosen_prob")),
)
"""Strengths beside a preference; the first that has a value in a row is its strength."""


def find_strengths(columns: AbstractSet[str]) -> tuple[StrengthReader, ...]:
    """Return the readers whose columns a table has."""
    return tuple(reader for reader in STRENGTH_READERS if columns >= set(reader.columns))


def read_strength(row: DataRow, readers: tuple[StrengthReader, ...]) -> float | None:
    """Return the first strength that a row has; None if it has none."""
    for reader in readers:
        strength = reader.read(row)
        if strength is not None:
            return strength
    return None
