"""Picture of scaling: accuracy against parameters by family, and the slope without each family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.figures import BLUE, GREY, ORANGE, colour_and_mark, label_axes, legend_name
from rewardbench.analysis.scaling.fit import MixedFit, Slope
from rewardbench.analysis.scaling.table import SizedModel
from rewardbench.metrics.temperature import sigmoid
from rewardbench.stats import wilson
from rewardbench.stats.intervals import student

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FAMILIES = 12
"""Families with a mark and a name of their own; others are grey."""
MOST_ROWS = 18
TICKS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)


def size_label(parameters: float) -> str:
    """Return a number of parameters in thousands, millions, billions or trillions.

    >>> size_label(7e9), size_label(1.5e6), size_label(100)
    ('7B', '1.5M', '100')
    """
    for unit, factor in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if parameters >= factor:
            return f"{parameters / factor:g}{unit}"
    return f"{parameters:g}"


def count_families(count: int) -> str:
    """Return a number of families in words.

    >>> count_families(1), count_families(4)
    ('1 family', '4 families')
    """
    return f"{count} {'family' if count == 1 else 'families'}"


def draw_scaling(
    figure: Figure, models: Sequence[SizedModel], fit: MixedFit, slopes: Sequence[tuple[str, Slope]]
) -> None:
    """Draw the models with the fitted line, and the slopes.

    Args:
        figure: an empty figure.
        models: the models.
        fit: the mixed model.
        slopes: a name and a slope for each row of the right panel; the first is that of all families.
    """
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_models(left, models, fit)
    _draw_slopes(right, slopes)
    handles, labels = left.get_legend_handles_labels()
    columns = min(4, 130 // (max(map(len, labels)) + 6))
    figure.legend(handles, labels, fontsize=8, frameon=False, loc="outside lower center", ncols=columns)


def _draw_models(axes: Axes, models: Sequence[SizedModel], fit: MixedFit) -> None:
    """Draw accuracy with 95 % intervals on a logit axis against parameters, and the line of an average family."""
    families: dict[str, list[SizedModel]] = {}
    for model in sorted(models, key=lambda model: (model.family, model.parameters)):
        families.setdefault(model.family, []).append(model)
    for number, (family, members) in enumerate(families.items()):
        is_named = number < MOST_FAMILIES
        colour, mark = colour_and_mark(number)
        colour = colour if is_named else GREY
        sizes, points = np.array([(model.parameters, model.accuracy) for model in members]).T
        label = legend_name(family) if is_named else None
        axes.plot(
            sizes, np.clip(points, 0.005, 0.995), f"{mark}-", color=colour, linewidth=0.8, markersize=6, label=label
        )
        for model in members:
            if np.isfinite(model.n):
                low, high = wilson(model.accuracy * model.n, model.n)
                axes.plot([model.parameters] * 2, np.clip([low, high], 0.005, 0.995), color=colour, linewidth=1.2)
    x = np.linspace(*_range([np.log10(model.parameters) for model in models]), 200)
    freedom = len(models) - len(families) - 1
    half = student(freedom) * fit.errors(x) if freedom > 0 else 0 * x
    y = fit.predict(x)
    axes.plot(10**x, sigmoid(y), "--", color="black", linewidth=1.6, label="average family (fit)")
    axes.set_yscale("logit", one_half="0.5")
    low, high = axes.get_ylim()
    axes.fill_between(10**x, sigmoid(y - half), sigmoid(y + half), color=GREY, alpha=0.2, linewidth=0)
    axes.set_ylim(low, high)  # the interval of a few models may be nearly all of the axis
    axes.set_xscale("log")
    sizes = spaced_sizes([model.parameters for model in models])
    axes.set_xticks(sizes, list(map(size_label, sizes)))
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:.0%}" for tick in ticks])
    axes.minorticks_off()
    counts = f"{count_families(len(families))}, {len(models)} models"
    title = f"Accuracy by size: {counts}\n95 % intervals of models and of the fit"
    label_axes(axes, title, "parameters", "accuracy (logit axis)")


def _range(values: Sequence[float]) -> tuple[float, float]:
    margin = 0.05 * (max(values) - min(values))
    return min(values) - margin, max(values) + margin


def spaced_sizes(sizes: Sequence[float]) -> list[float]:
    """Return the sizes whose labels have room on a logarithmic axis, the smallest first.

    >>> spaced_sizes([7e9, 1e9, 1.02e9, 70e9])
    [1000000000.0, 7000000000.0, 70000000000.0]
    """
    low, high = np.log10([min(sizes), max(sizes)])
    chosen: list[float] = []
    for size in sorted(set(sizes)):
        if not chosen or np.log10(size / chosen[-1]) >= 0.08 * (high - low):
            chosen.append(size)
    return chosen


def _draw_slopes(axes: Axes, slopes: Sequence[tuple[str, Slope]]) -> None:
    """Draw slopes with 95 % intervals."""
    rows = slopes[:MOST_ROWS]
    labels: list[str] = []
    for y, (name, slope) in enumerate(reversed(rows)):
        is_first = y == len(rows) - 1
        colour, mark = (ORANGE, "D") if is_first else (BLUE, "o")
        axes.plot([slope.low, slope.high], [y, y], color=colour, linewidth=1.6)
        axes.plot(slope.value, y, mark, color=colour, markersize=5)
        labels.append(legend_name(name))
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), labels, fontsize=8)
    label_axes(
        axes, "Slope, 95 % interval\nall families, and without each", "logits per factor of 10 in parameters", ""
    )
