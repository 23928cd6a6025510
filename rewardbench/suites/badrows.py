"""A row that a converter could not read: it becomes an item without scores, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BadRow(dict[str, Any]):
    """The fields that name the row (id, subset, group), and the reason why no model can score it.

    >>> BadRow({"id": 7}, "loser_list is missing").reason
    'loser_list is missing'
    """

    def __init__(self, fields: Mapping[str, Any], reason: str) -> None:
        super().__init__(fields)
        self.reason = reason
