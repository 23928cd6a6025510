"""The type of a row of preference data, and a row that could not be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

DataRow = Mapping[str, object]
"""A row of a dataset, as read: column names to values as JSON has them."""


class BadRow(dict[str, object]):
    """The fields that name the row (id, subset, group), and the reason why no model can score it.

    >>> BadRow({"id": 7}, "loser_list is missing").reason
    'loser_list is missing'
    """

    def __init__(self, fields: DataRow, reason: str) -> None:
        super().__init__(fields)
        self.reason = reason


def completions_row(
    row: DataRow, completions: Iterable[object], num_correct: int, used: Collection[str], **fields: object
) -> DataRow:
    """Build a row of completions from a row of another format; a tie gets the label `tie`.

    Args:
        row: the row as read.
        completions: the completions, the right ones first.
        num_correct: number of right completions; 0 for a tie.
        used: the columns that held the completions, which are left out.
        fields: further columns, which replace those of the row.
    """
    others = {name: value for name, value in row.items() if name not in used}
    tie = {"preference_label": "tie"} if num_correct == 0 else {}
    return {**others, **tie, "completions": list(completions), "num_correct": num_correct, **fields}


def first_column(names: Iterable[str], columns: Collection[str]) -> str | None:
    """Return the first of some names that is a column; None if none is."""
    for name in names:
        if name in columns:
            return name
    return None
