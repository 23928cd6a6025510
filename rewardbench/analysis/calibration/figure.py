"""Reliability plot: the share of right pairs against confidence, with counts, intervals and the noise floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.figures import BLUE, COLOURS, GREY, MARKS, ORANGE, error_bars, label_axes, shorten
from rewardbench.console.terminal import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rewardbench.analysis.calibration.reliability import ModelCalibration, ReliabilityBin
    from rewardbench.types import CalibrationErrors

MOST_ROWS = 40
"""Largest number of sections or subsets in the picture."""
LONGEST_LABEL = 24


def draw_calibration(models: Sequence[ModelCalibration], figure: Figure) -> None:
    """Draw the reliability before and after scaling, the counts of pairs, and the ECE with its noise floor.

    With one model the lower panel has its sections; with several it has the models.
    """
    rows = _error_rows(models)
    grid = figure.add_gridspec(3, 2, height_ratios=[3.6, 0.9, 0.35 + 0.24 * len(rows)])
    curve: Axes | None = None
    for column, is_scaled in enumerate((False, True)):
        curve = figure.add_subplot(grid[0, column], sharey=curve)
        counts = figure.add_subplot(grid[1, column])
        _draw_reliability(curve, models, is_scaled)
        _draw_counts(counts, models, is_scaled)
    assert curve is not None
    curve.set_ylim(_lowest_limit(models), 1.02)
    _draw_errors(figure.add_subplot(grid[2, :]), rows)
    title = f"Calibration of {_short(models[0].model)}, n = {models[0].figures.n:,} pairs"
    if len(models) > 1:
        figure.legend(
            *curve.get_legend_handles_labels(), loc="outside lower center", fontsize=8, frameon=False, ncols=3
        )
    figure.suptitle(title if len(models) == 1 else f"Calibration of {len(models)} models", fontsize=12)


def _bins(model: ModelCalibration, is_scaled: bool) -> Sequence[ReliabilityBin]:
    return model.bins_after if is_scaled else model.bins_before


def _errors(model: ModelCalibration, is_scaled: bool) -> CalibrationErrors:
    return model.figures.after if is_scaled else model.figures.before


def _lowest_limit(models: Sequence[ModelCalibration]) -> float:
    """Return the lower end of the vertical axis: the lowest limit of a bin that has at least 1 % of the pairs."""
    lowest = 0.45
    for model in models:
        for point in (*model.bins_before, *model.bins_after):
            if point.n >= model.figures.n / 100:
                lowest = min(lowest, point.low - 0.02)
    return lowest


def _draw_reliability(axes: Axes, models: Sequence[ModelCalibration], is_scaled: bool) -> None:
    """Draw the share of right pairs of each bin with its 95 % interval, and the range of chance of one model."""
    axes.plot([0.5, 1], [0.5, 1], color="black", linewidth=0.9, linestyle="--", label="perfect")
    for model, colour, mark in zip(models, COLOURS, MARKS, strict=False):
        bins = _bins(model, is_scaled)
        x = np.array([point.confidence for point in bins])
        right = np.array([point.right for point in bins])
        if len(models) == 1:
            chance = np.array([point.chance for point in bins])
            lower, upper = np.maximum(x - chance, 0), np.minimum(x + chance, 1)
            axes.fill_between(x, lower, upper, color=GREY, alpha=0.25, linewidth=0, label="chance, 95 %")
        errors = error_bars(right, [point.low for point in bins], [point.high for point in bins])
        label = "observed, 95 % interval" if len(models) == 1 else _short(model.model)
        axes.errorbar(x, right, errors, color=colour, marker=mark, markersize=5, linewidth=1.2, capsize=2, label=label)
    if len(models) == 1:
        title = f"as is: ECE {_errors(models[0], False).ece:.3f}"
        if is_scaled:
            title = f"margins / {models[0].figures.temperature:.2f}: ECE {_errors(models[0], True).ece:.3f}"
    else:
        title = "each at its temperature" if is_scaled else "as is"
    label_axes(axes, title, "", "accuracy on pairs")
    axes.set_xlim(0.49, 1.01)
    if not is_scaled and len(models) == 1:
        axes.legend(fontsize=8, frameon=True, framealpha=0.9, edgecolor="none", loc="upper left")


def _draw_counts(axes: Axes, models: Sequence[ModelCalibration], is_scaled: bool) -> None:
    """Draw the number of pairs of each bin."""
    for model, colour, mark in zip(models, COLOURS, MARKS, strict=False):
        bins = _bins(model, is_scaled)
        x = [point.confidence for point in bins]
        counts = [point.n for point in bins]
        if len(models) == 1:
            axes.bar(x, counts, width=0.02, color=colour)
        else:
            axes.plot(x, counts, color=colour, marker=mark, markersize=3, linewidth=0.9)
    label_axes(axes, "", "confidence of the model", "pairs")
    axes.set_xlim(0.49, 1.01)
    axes.set_ylim(0, None)
    axes.locator_params(axis="y", nbins=3)


@dataclass(frozen=True)
class _ErrorRow:
    """A row of the lower panel: label, number of pairs, and errors as is and scaled."""

    label: str
    n: int
    before: CalibrationErrors
    after: CalibrationErrors


def _error_rows(models: Sequence[ModelCalibration]) -> list[_ErrorRow]:
    """Return the rows of the lower panel: all pairs and the groups of one model, or several models."""
    rows: list[_ErrorRow] = []
    for model in models:
        label = "all pairs" if len(models) == 1 else model.model
        rows.append(_ErrorRow(label, model.figures.n, model.figures.before, model.figures.after))
    if len(models) == 1:
        for group in models[0].groups[:MOST_ROWS]:
            rows.append(_ErrorRow(group.name, group.n, group.before, group.after))
    return rows


def _draw_errors(axes: Axes, rows: Sequence[_ErrorRow]) -> None:
    """Draw the ECE of each row as is and scaled, over the range that chance alone gives."""
    y = list(range(len(rows), 0, -1))
    axes.barh(y, [row.after.floor_high for row in rows], height=0.7, color=GREY, alpha=0.3, label="chance, up to 95 %")
    axes.plot([row.before.ece for row in rows], y, color=ORANGE, marker="s", linestyle="", label="as is")
    axes.plot([row.after.ece for row in rows], y, color=BLUE, marker="o", linestyle="", label="scaled")
    axes.set_yticks(y, [f"{_short(row.label)} (n {row.n:,})" for row in rows], fontsize=9)
    label_axes(axes, "", "expected calibration error (15 bins); scaled: out of sample", "")
    axes.set_xlim(0, None)
    axes.set_ylim(0.4, len(rows) + 0.6)
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.0))


def _short(name: str) -> str:
    """Return a name that fits next to the axes."""
    return shorten(printable(name), LONGEST_LABEL)
