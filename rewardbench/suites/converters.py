"""Convert preference data in the formats of other projects to rows with the columns that rows.py knows.

Formats: Arena battles, HelpSteer, PKU-SafeRLHF, SHP, AlpacaFarm, UltraFeedback, KTO. A tie becomes an item with two
completions and no right one: it is scored, but counts in no accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from rewardbench.settings import Pairs
from rewardbench.suites.data_row import BadRow, DataRow, first_column
from rewardbench.suites.labels import LABEL_READERS
from rewardbench.suites.scored_responses import LISTS, SCORES, convert_output, scored_converter
from rewardbench.suites.single_responses import KTO, RATINGS
from rewardbench.suites.turns import Unusable
from rewardbench.suites.two_responses import (
    NAMED_PAIRS,
    SIDES,
    RowConverter,
    find_label,
    labelled_converter,
    named_converter,
)

PAIRS: tuple[Pairs, ...] = ("best-worst", "all", "best-of-n")
"""Which items a prompt with several scored completions makes: the best against the worst, every strictly ordered pair,
or one item in which the best must beat all others."""

SCORED = "completions with scores"

DESCRIPTIONS = (
    "two responses with a label (response_a, response_b, winner)",
    SCORED,
    "conversations",
)
"""The formats here, for a message about unknown columns."""


@dataclass(frozen=True)
class Converter:
    """Converts the rows of one format to rows that rows.py knows."""

    name: str
    columns: tuple[str, ...]
    convert: RowConverter


def find_converter(columns: AbstractSet[str], sample: Sequence[DataRow] = ()) -> Converter | None:
    """Return the converter whose columns a table has; None if no format fits. `sample` are rows to look into."""
    label = find_label(columns)
    for first, second in SIDES:
        if label and {first, second} <= columns:
            name = f"pairs of {first} and {second}, by {' and '.join(label.columns)}"
            return Converter(name, (first, second, *label.columns), labelled_converter(first, second, label))
    for better, worse in NAMED_PAIRS:
        if {better, worse} <= columns:
            return Converter(f"pairs of {better} and {worse}", (better, worse), named_converter(better, worse))
    texts, scores = first_column(LISTS, columns), first_column(SCORES, columns)
    if texts and (scores or texts in LISTS[:2] or any(_holds_objects(row.get(texts)) for row in sample)):
        return Converter(SCORED, (texts, scores) if scores else (texts,), scored_converter(texts, scores))
    if "output" in columns and any(isinstance(row.get("output"), list) for row in sample):
        return Converter("pairs in output, the preferred one first", ("output",), convert_output)
    return None


def _holds_objects(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(entry, dict) for entry in value))


def convert_rows(converter: Converter, rows: Sequence[DataRow], pairs: Pairs) -> list[DataRow]:
    """Convert every row; one that cannot be read becomes a BadRow with the reason."""
    converted: list[DataRow] = []
    for at, row in enumerate(rows):
        converted += _convert_row(converter, row, at, pairs)
    return converted


def _convert_row(converter: Converter, row: DataRow, at: int, pairs: Pairs) -> Sequence[DataRow]:
    if isinstance(row, BadRow):
        return [row]
    numbered = row if row.get("id") is not None else {**row, "id": at}
    try:
        return converter.convert(numbered, pairs)
    except Unusable as reason:
        return [BadRow(row, str(reason))]
    except RecursionError:
        return [BadRow(row, "a value is nested too deep")]


def known_columns() -> Iterator[str]:
    """Yield every column name of these formats."""
    for names in (*SIDES, *NAMED_PAIRS, LISTS, SCORES, *KTO, RATINGS, ("winner",)):
        yield from names
    for label in LABEL_READERS:
        yield from label.columns
