"""Read the scores of many results of one suite, without an object for each item of their tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa

from rewardbench import results
from rewardbench.results.read import read_columns
from rewardbench.results.scored import ModelScores, describe_scores
from rewardbench.results.types import read_order_inconsistency, read_position_bias
from rewardbench.types import ItemScores, Suite

REQUIRED, OPTIONAL = ("id", "num_correct", "scores", "reason", "truncated"), ("order_inconsistency", "position_bias")


class TableScores(Sequence[ItemScores]):
    """The scores of the items of a suite in a table, whose rows become objects when they are used.

    Args:
        table: a row per item, with the columns that `ScoresReader` reads.
        place_of: index of each item by its id.
        ends: number of completions up to each item, and with it.
    """

    def __init__(self, table: pa.Table, place_of: Mapping[str, int], ends: Sequence[int]) -> None:
        self._place_of, self._ends = place_of, ends
        self._ids = list(place_of)
        self._values = table["scores"].combine_chunks().values.to_numpy(zero_copy_only=False).tolist()
        self._reasons, self._truncated = table["reason"].to_pylist(), table["truncated"].to_pylist()
        optional = table.select([name for name in OPTIONAL if name in table.column_names])
        self._others: list[dict[str, Any]] | None = optional.to_pylist() if optional.num_columns else None

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, place: int) -> ItemScores: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[ItemScores, ...]: ...

    def __getitem__(self, place: int | slice) -> ItemScores | tuple[ItemScores, ...]:
        return self._all[place]

    def of(self, id: str) -> ItemScores:
        """Return the scores of an item."""
        return self._make(self._place_of[id])

    @cached_property
    def _all(self) -> tuple[ItemScores, ...]:
        return tuple(map(self._make, range(len(self))))

    def _make(self, place: int) -> ItemScores:
        scores = tuple(self._values[self._ends[place - 1] if place else 0 : self._ends[place]])
        others: Mapping[str, Any] = self._others[place] if self._others else {}
        return ItemScores(
            self._ids[place],
            scores,
            self._reasons[place],
            bool(self._truncated[place]),
            order_inconsistency=read_order_inconsistency(others),
            position_bias=read_position_bias(others),
        )


def scores_by_id(scored: ModelScores) -> Callable[[str], ItemScores]:
    """Return a function that returns the scores of an item by its id."""
    if isinstance(scored.items, TableScores):
        return scored.items.of
    return {item_scores.id: item_scores for item_scores in scored.items}.__getitem__


class ScoresReader:
    """Reads the scores of many results of one suite.

    Args:
        suite: the suite, with its items.
    """

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self._place_of = {item.id: place for place, item in enumerate(suite.items)}
        self._num_correct = [item.num_correct for item in suite.items]
        self._lengths = np.array([len(item.completions) for item in suite.items])
        self._ends = np.cumsum(self._lengths).tolist()

    def read(self, path: Path) -> ModelScores | None:
        """Read the scores of a result as `read_scored` does, but with the items of the suite.

        Args:
            path: path of the summary.

        Returns:
            The scores; None if they are not stored as a table, or not of these items in this order.

        Raises:
            InputError: if a file cannot be read.
        """
        summary = results.read_summary(path)
        table = read_columns(path, summary, (*REQUIRED, *OPTIONAL))
        if table is None or not set(REQUIRED) <= set(table.column_names):
            return None
        lengths = np.diff(table["scores"].combine_chunks().offsets.to_numpy())
        is_same = table["id"].to_pylist() == list(self._place_of) and np.array_equal(lengths, self._lengths)
        if not is_same or table["num_correct"].to_pylist() != self._num_correct:
            return None
        with results.translate_parse_errors(path):
            return describe_scores(path, summary, self.suite, TableScores(table, self._place_of, self._ends))
