"""Read the scores of many results of one suite, without an object for each value of their tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rewardbench import results
from rewardbench.results.read import read_columns
from rewardbench.results.scored import ModelScores, describe_scores
from rewardbench.results.types import read_order_inconsistency, read_position_bias
from rewardbench.types import ItemScores, Suite

REQUIRED, OPTIONAL = ("id", "num_correct", "scores", "reason", "truncated"), ("order_inconsistency", "position_bias")


class ScoresReader:
    """Reads the scores of many results of one suite.

    Args:
        suite: the suite, with its items.
    """

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self._ids = [item.id for item in suite.items]
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
        if table is None or not set(REQUIRED) <= set(table.column_names) or table["id"].to_pylist() != self._ids:
            return None
        scores = table["scores"].combine_chunks()
        is_same = np.array_equal(np.diff(scores.offsets.to_numpy()), self._lengths)
        if not is_same or table["num_correct"].to_pylist() != self._num_correct:
            return None
        values = scores.values.to_numpy(zero_copy_only=False).tolist()
        reasons, truncated = table["reason"].to_pylist(), table["truncated"].to_pylist()
        optional = table.select([name for name in OPTIONAL if name in table.column_names])
        others = optional.to_pylist() if optional.num_columns else None
        item_scores: list[ItemScores] = []
        start = 0
        for place, (id, end) in enumerate(zip(self._ids, self._ends, strict=True)):
            order, bias = None, None
            if others:
                order, bias = read_order_inconsistency(others[place]), read_position_bias(others[place])
            scores_of_item, reason, is_cut = tuple(values[start:end]), reasons[place], bool(truncated[place])
            item_scores.append(
                ItemScores(id, scores_of_item, reason, is_cut, order_inconsistency=order, position_bias=bias)
            )
            start = end
        with results.translate_parse_errors(path):
            return describe_scores(path, summary, self.suite, item_scores)
