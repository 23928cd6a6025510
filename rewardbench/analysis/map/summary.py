"""Figures of a map: coverage, QD score against the controls, and the lowest and highest row and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from rewardbench.analysis.map.domains import Attribute, Domain
from rewardbench.analysis.map.search import SearchResult, Strategy
from rewardbench.analysis.report import ReportTable, Value
from rewardbench.stats import COVERAGE, normal

EXCERPT = 60
"""Characters of a text in the table of elites."""
MapRun = Mapping[Strategy, SearchResult]
"""The results of one run by strategy: MAP-Elites, and the controls if they ran."""


@dataclass(frozen=True)
class MapSummary:
    """Results of one or several runs with different seeds.

    Attributes:
        domain: of the map.
        runs: one or more; all have the same strategies.
        offsets: for each run the reward that counts as 0 in its QD scores; a cell without text counts as this.
        step_size: number of texts of a step.
    """

    domain: Domain
    runs: Sequence[MapRun]
    offsets: Sequence[float]
    step_size: int

    @property
    def strategies(self) -> list[Strategy]:
        """Return the strategies, MAP-Elites first."""
        return list(self.runs[0])

    @cached_property
    def elites(self) -> NDArray[np.float64]:
        """Return the rewards of the elites of MAP-Elites: [runs, rows, columns]; NaN for an empty cell."""
        return self.rewards("map-elites")

    def rewards(self, strategy: Strategy) -> NDArray[np.float64]:
        """Return the highest reward of each cell: [runs, rows, columns]; NaN for an empty cell."""
        shape = (len(self.domain.rows.names), len(self.domain.columns.names))
        rewards = np.full((len(self.runs), *shape), nan)
        for number, run in enumerate(self.runs):
            for (row, column), elite in run[strategy].elites.items():
                assert elite.reward is not None
                index = (self.domain.rows.names.index(row), self.domain.columns.names.index(column))
                rewards[number][index] = elite.reward
        return rewards

    def qd_scores(self, strategy: Strategy) -> NDArray[np.float64]:
        """Return the QD score of each run."""
        scores = [run[strategy].qd_score(offset) for run, offset in zip(self.runs, self.offsets, strict=True)]
        return np.array(scores)

    def curves(self, strategy: Strategy) -> NDArray[np.float64]:
        """Return the QD score after each step: [runs, steps]."""
        curves = [run[strategy].qd_curve(offset) for run, offset in zip(self.runs, self.offsets, strict=True)]
        return np.array(curves)

    def coverage(self, strategy: Strategy) -> float:
        """Return the share of cells with a text, as the mean over runs."""
        return float(np.mean([len(run[strategy].elites) for run in self.runs])) / len(self.domain.cells)

    def category_means(self, axis: int, strategy: Strategy = "map-elites") -> NDArray[np.float64]:
        """Return the mean reward of the elites of each category; NaN for one without.

        Args:
            axis: 0 for the rows, 1 for the columns.
            strategy: of the search.
        """
        rewards = np.moveaxis(self.rewards(strategy), 1 + axis, 0).reshape(-1, self.elites.size // self._size(axis))
        is_filled = np.isfinite(rewards)
        totals = np.where(is_filled, rewards, 0.0).sum(1)
        return np.where(is_filled.any(1), totals / np.maximum(is_filled.sum(1), 1), nan)

    def _size(self, axis: int) -> int:
        return len(self.domain.content.attribute[axis].names)

    def extreme(self, axis: int, strategy: Strategy = "map-elites", highest: bool = False) -> str | None:
        """Return the category whose elites have the lowest or highest mean reward; None if all cells are empty."""
        means = self.category_means(axis, strategy)
        if not np.isfinite(means).any():
            return None
        index = np.nanargmax(means) if highest else np.nanargmin(means)
        return self.domain.content.attribute[axis].names[int(index)]

    def total(self, name: str) -> int:
        """Return a count of `SearchResult`, added over all searches."""
        return sum(getattr(result, name) for run in self.runs for result in run.values())

    def values(self) -> dict[str, Value]:
        """Return the figures of the report."""
        values: dict[str, Value] = {
            "coverage": self.coverage("map-elites"),
            "qd_score": float(self.qd_scores("map-elites").mean()),
            "qd_offset": float(np.mean(self.offsets)),
        }
        for strategy in self.strategies[1:]:
            values[f"coverage_{strategy}"] = self.coverage(strategy)
            values[f"qd_score_{strategy}"] = float(self.qd_scores(strategy).mean())
        for strategy in self.strategies[1:]:
            values[f"qd_ratio_vs_{strategy}"] = self.ratio(strategy)
        for axis, attribute in enumerate(self.domain.content.attribute):
            values[f"lowest_{attribute.name}"] = self.extreme(axis)
            values[f"highest_{attribute.name}"] = self.extreme(axis, highest=True)
            if len(self.strategies) > 1:
                values[f"lowest_{attribute.name}_uniform"] = self.extreme(axis, "uniform")
        targeted = self.total("targeted")
        values["target_hit_rate"] = self.total("hits") / targeted if targeted else nan
        values["unknown_cells"] = self.total("unknown")
        values["unscored"] = self.total("unscored")
        return values

    def ratio(self, strategy: Strategy) -> float:
        """Return the mean QD score of MAP-Elites over that of a control; NaN if the control has none."""
        control = float(self.qd_scores(strategy).mean())
        return float(self.qd_scores("map-elites").mean()) / control if control > 0 else nan

    def tables(self) -> list[ReportTable]:
        """Return a table for each attribute, and one of the elites of the first run."""
        tables = [self._category_table(axis, attribute) for axis, attribute in enumerate(self.domain.content.attribute)]
        return [*tables, self._elites_table()]

    def _category_table(self, axis: int, attribute: Attribute) -> ReportTable:
        strategy = self.strategies[-1]
        means = self.category_means(axis)
        rows: list[list[Value]] = []
        for index, name in enumerate(attribute.names):
            mean, half_width, count = self.text_mean(axis, name, strategy)
            rows.append([name, float(means[index]), mean, mean - half_width, mean + half_width, count])
        title = f"Rewards by {attribute.name}: elites of MAP-Elites, and all texts of the search {strategy}"
        return ReportTable(title, [attribute.name, "elites", "texts", "95 % low", "95 % high", "n"], rows)

    def text_mean(self, axis: int, name: str, strategy: Strategy) -> tuple[float, float, int]:
        """Return the mean reward of all texts of a category, the half-width of its 95 % interval, and their number."""
        count, total, squares = 0, 0.0, 0.0
        for run in self.runs:
            result = run[strategy]
            for cell in self.domain.cells:
                if cell[axis] == name:
                    count += result.counts[cell]
                    total += result.sums.get(cell, 0.0)
                    squares += result.squares.get(cell, 0.0)
        if count < 2:
            return total / count if count else nan, nan, count
        variance = max(squares - total**2 / count, 0.0) / (count - 1)
        return total / count, normal(COVERAGE) * sqrt(variance / count), count

    def _elites_table(self) -> ReportTable:
        result = self.runs[0]["map-elites"]
        rows: list[list[Value]] = []
        for row, column in self.domain.cells:
            elite = result.elites.get((row, column))
            text = " / ".join(elite.draft.text.split("\n")) if elite else None
            if text and len(text) > EXCERPT:
                text = f"{text[: EXCERPT - 1]}…"
            rows.append([row, column, elite.reward if elite else None, result.counts[row, column], text])
        columns = [self.domain.rows.name, self.domain.columns.name, "reward", "n", "text"]
        return ReportTable("Elites: the text with the highest reward of each cell", columns, rows)

    def sentence(self, model: str) -> str:
        """Return what follows for the user."""
        parts: list[str] = []
        for axis in (0, 1):
            means = self.category_means(axis)
            low, high = self.extreme(axis), self.extreme(axis, highest=True)
            if low is None:
                if self.total("unknown"):
                    return "No text has a known cell and a reward: read the journal, or name another --cells."
                return "The generator wrote no text that could be scored: look at its answers, or name another one."
            if low != high:
                parts.append(f"{low} ({np.nanmin(means):.2f}, against {np.nanmax(means):.2f} for {high})")
        if not parts:
            return (
                f"The best texts found for {model} have the same mean reward in every category that was reached, so "
                "none is the lowest: read the elites, or generate more texts."
            )
        return (
            f"The best texts found for {model} have their lowest mean reward in {' and in '.join(parts)}: a policy "
            "trained on this reward has the least to gain there, so read those elites, and add preference data if they "
            "are as good as the others."
        )

    def details(self) -> dict[str, object]:
        """Return everything that the picture shows, and the texts of the elites."""
        curves = {strategy: self.curves(strategy).tolist() for strategy in self.strategies}
        elites: list[dict[str, object]] = []
        for number, run in enumerate(self.runs):
            elites += elite_rows(self.domain, run["map-elites"], number)
        return {"step_size": self.step_size, "qd_curves": curves, "qd_offsets": list(self.offsets), "elites": elites}


def elite_rows(domain: Domain, result: SearchResult, run: int = 0) -> list[dict[str, object]]:
    """Return the archive of a search: a row for each cell with a text."""
    rows: list[dict[str, object]] = []
    for cell in domain.cells:
        if (elite := result.elites.get(cell)) is not None:
            row = {"run": run, domain.rows.name: cell[0], domain.columns.name: cell[1]}
            rows.append(
                {
                    **row,
                    "text": elite.draft.text,
                    "reward": elite.reward,
                    "iteration": elite.iteration,
                    "parent": elite.parent,
                }
            )
    return rows
