"""Choose the filters of a table: what rows can be filtered by, and the values of each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rewardbench.leaderboard import facts
from rewardbench.leaderboard.app import tables
from rewardbench.leaderboard.types import BADGES, LeaderboardRow

WEIGHTS = {True: "open weights", False: "API only", None: "unknown weights"}
NONE = "none stated"
"""Value of rows without an organization or a base model."""
LABELS = {
    "kind": "Kind",
    "organization": "Organization",
    "size": "Size",
    "license": "License",
    "weights": "Weights",
    "base": "Base model",
    "badge": "Checked",
}
"""Label of each filter, by its name in the address and in the attributes of a row."""
_ORDERS = {
    "size": tables.SIZES,
    "license": facts.LICENSE_CLASSES,
    "weights": tuple(WEIGHTS.values()),
    "badge": tuple(BADGES),
}
"""Order of the values of a filter; values of other filters are sorted by their number of rows."""


@dataclass(frozen=True)
class FilterValue:
    """A value of a filter: as rows have it, as the page shows it, and its number of rows."""

    value: str
    label: str
    count: int


@dataclass(frozen=True)
class RowFilter:
    """A filter of a table.

    Args:
        name: its name in the address and in the attributes of a row.
        label: its heading.
        choices: its values.
    """

    name: str
    label: str
    choices: tuple[FilterValue, ...]


def values_of(row: LeaderboardRow) -> dict[str, str]:
    """Return the value of a row for each filter; organizations and base models in lower case, as on the Hub."""
    return {
        "kind": row.model_type,
        "organization": facts.organization(row).casefold() or NONE,
        "size": tables.size_class(facts.size_of(row).parameters),
        "license": facts.license_class(row),
        "weights": WEIGHTS[facts.is_open_weights(row)],
        "base": row.base_model.casefold() or NONE,
        "badge": row.badge,
    }


def filters_of(rows: Sequence[LeaderboardRow]) -> list[RowFilter]:
    """Return the filters that distinguish rows: those with at least two values."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in LABELS}
    spellings: dict[str, str] = {}
    for row in rows:
        for spelling in (facts.organization(row), row.base_model):
            spellings.setdefault(spelling.casefold(), spelling)
        for name, value in values_of(row).items():
            counts[name][value] += 1
    filters: list[RowFilter] = []
    for name, label in LABELS.items():
        if len(counts[name]) > 1:
            is_name = name in ("organization", "base")
            choices = [
                FilterValue(value, spellings.get(value, value) if is_name else value, counts[name][value])
                for value in _sorted_values(name, counts[name])
            ]
            filters.append(RowFilter(name, label, tuple(choices)))
    return filters


def _sorted_values(name: str, counts: Counter[str]) -> list[str]:
    """Return the values of a filter in their order; otherwise those with most rows first, and `NONE` last."""
    order = _ORDERS.get(name)
    if order:
        return sorted(counts, key=order.index)
    return sorted(counts, key=lambda value: (value == NONE, -counts[value], value))
