"""Picture of a map: heat map of the elites' rewards, and QD score against the number of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.figures import BLUE, GREY, ORANGE, label_axes
from rewardbench.analysis.map.search import Strategy
from rewardbench.analysis.map.summary import MapSummary
from rewardbench.stats.intervals import student

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES: dict[Strategy, tuple[str, str, str]] = {
    "map-elites": (BLUE, "-", "MAP-Elites"),
    "uniform": (ORANGE, "--", "uniform target"),
    "random": (GREY, ":", "free sampling"),
}
"""Colour, dashes and label of each strategy."""


def draw_map(figure: Figure, summary: MapSummary, title: str) -> None:
    """Draw the heat map on the left, and the QD scores on the right."""
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1.0])
    _draw_cells(left, summary)
    _draw_curves(right, summary)
    figure.suptitle(title, fontsize=12, x=0.01, ha="left")


def _draw_cells(axes: Axes, summary: MapSummary) -> None:
    """Draw the mean reward of the elites of each cell, with the number of texts that it was chosen from."""
    rows, columns = summary.domain.content.attribute
    is_filled = np.isfinite(summary.elites)
    totals = np.where(is_filled, summary.elites, 0.0).sum(0)
    rewards = np.where(is_filled.any(0), totals / np.maximum(is_filled.sum(0), 1), np.nan)
    image = axes.imshow(np.ma.masked_invalid(rewards), cmap="cividis", aspect="auto")
    axes.set_facecolor("#dddddd")
    middle = np.nanmean([np.nanmin(rewards), np.nanmax(rewards)]) if is_filled.any() else 0.0
    for row, row_name in enumerate(rows.names):
        for column, column_name in enumerate(columns.names):
            count = sum(run["map-elites"].counts[row_name, column_name] for run in summary.runs)
            reward = rewards[row, column]
            text = f"{reward:.2f}\nn={count:,}" if np.isfinite(reward) else "empty"
            colour = "white" if reward < middle else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(columns.names)), columns.names, rotation=30, ha="right", fontsize=9)
    axes.set_yticks(range(len(rows.names)), rows.names, fontsize=9)
    axes.figure.colorbar(image, ax=axes, location="right", pad=0.02, label="reward of the best text")
    total = sum(run["map-elites"].counts.total() for run in summary.runs)
    label_axes(axes, f"Best text of each cell, of n = {total:,} by MAP-Elites", columns.name, rows.name)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def _draw_curves(axes: Axes, summary: MapSummary) -> None:
    """Draw the QD scores; with several runs, their mean and its 95 % t interval."""
    runs = len(summary.runs)
    for strategy in summary.strategies:
        colour, dashes, label = LINES[strategy]
        curves = summary.curves(strategy)
        texts = summary.step_size * np.arange(1, curves.shape[1] + 1)
        mean = curves.mean(0)
        axes.plot(texts, mean, color=colour, linestyle=dashes, linewidth=1.8, label=f"{label}: {mean[-1]:.1f}")
        if runs > 1:
            half_width = student(runs - 1) * curves.std(0, ddof=1) / np.sqrt(runs)
            axes.fill_between(texts, mean - half_width, mean + half_width, color=colour, alpha=0.2, linewidth=0)
    offset = float(np.mean(summary.offsets))
    label_axes(
        axes,
        "Sum over cells of reward − offset",
        "texts generated",
        f"QD score (offset {offset:.2f})".replace("-", "−"),
    )
    title = f"mean of {runs} runs, 95 % interval" if runs > 1 else "at the end of one run"
    axes.legend(frameon=False, fontsize=9, title=title, title_fontsize=9, loc="lower right")
    axes.set_xlim(left=0)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
