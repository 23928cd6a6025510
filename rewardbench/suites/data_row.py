"""The type of a row of preference data, and a row that could not be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

DataRow = Mapping[str, object]
"""A row of a dataset, as read: column names to values as JSON has them."""
LABEL_STRENGTH = "label_strength"
"""Column of how strongly the label prefers the right completions; 0 for a tie."""


class BadRow(dict[str, object]):
    """The fields that name the row (id, subset, group), and the reason why no model can score it.

    >>> BadRow({"id": 7}, "loser_list is missing").reason
    'loser_list is missing'
    """

    def __init__(self, fields: DataRow, reason: str) -> None:
        super().__init__(fields)
        self.reason = reason


def completions_row(
    row: DataRow,
    completions: Iterable[object],
    num_correct: int,
    used: Collection[str],
    strength: float | None = None,
    **fields: object,
) -> DataRow:
    """Build a row of completions from a row of another format; a tie gets the label `tie`, and the strength 0.

    Args:
        row: the row as read.
        completions: the completions, the right ones first.
        num_correct: number of right completions; 0 for a tie.
        used: the columns that held the completions, which are left out.
        strength: how strongly the label prefers the right completions; None leaves it to the columns of the row.
        fields: further columns, which replace those of the row.
    """
    others = {name: value for name, value in row.items() if name not in used}
    label: dict[str, object] = {} if strength is None else {LABEL_STRENGTH: strength}
    if num_correct == 0:
        label = {"preference_label": "tie", LABEL_STRENGTH: 0.0}
    return {**others, **label, "completions": list(completions), "num_correct": num_correct, **fields}


def first_column(names: Iterable[str], columns: Collection[str]) -> str | None:
    """Return the first of some names that is a column; None if none is."""
    for name in names:
        if name in columns:
            return name
    return None
