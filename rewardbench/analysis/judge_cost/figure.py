"""Picture of judge-cost: accuracy against cost with the Pareto front, and the cost to rank systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.figures import GREY, colour_and_mark, error_bars, label_axes, legend_name
from rewardbench.analysis.judge_cost.counts import ranking_calls
from rewardbench.analysis.judge_cost.usage import RunUsage
from rewardbench.stats import Mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class MeasureText:
    """Words for a kind of cost."""

    noun: str
    axis: str
    advice: str
    """Options that make it known."""


MEASURES: Mapping[str, MeasureText] = {
    "dollars": MeasureText("price", "US dollars", "--input_price and --output_price, or --hour_price with --seconds"),
    "seconds": MeasureText("time", "seconds", "--seconds MODEL=SECONDS, or --model"),
    "flops": MeasureText("FLOPs", "FLOPs (2 · parameters · tokens)", "--parameters MODEL=NUMBER"),
    "tokens": MeasureText("tokens", "tokens", "a result that rewardbench wrote"),
}


@dataclass(frozen=True)
class CostPoint:
    """A model in the figure; costs are None where they are unknown."""

    usage: RunUsage
    accuracy: Mean
    amount: float | None
    """Cost of 1,000 decisions."""
    per_call: float | None
    ranking_calls: int


def pareto_front(costs: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """Return the indices of the models that no other beats in accuracy at the same cost or less, cheapest first.

    >>> pareto_front([3, 1, 2], [0.8, 0.6, 0.5])
    [1, 0]
    """
    front: list[int] = []
    best = -np.inf
    for index in sorted(range(len(costs)), key=lambda index: (costs[index], -accuracies[index])):
        if accuracies[index] > best:
            front.append(index)
            best = accuracies[index]
    return front


def draw_costs(
    figure: Figure, points: Sequence[CostPoint], measure: MeasureText, systems: int, prompts: int, items: int
) -> None:
    """Draw accuracy against the cost of 1,000 decisions, and the cost to rank 2 to `systems` systems."""
    left, right = figure.subplots(1, 2)
    drawn = list(filter(attrgetter("amount"), points))
    if drawn:
        _draw_pareto(left, drawn, measure, items)
    else:
        _draw_accuracies(left, points, items)
    _draw_ranking(right, drawn or points, measure, systems, prompts)
    handles, labels = right.get_legend_handles_labels()
    front_handles, front_labels = left.get_legend_handles_labels()
    handles, labels = [*handles, *front_handles], [*labels, *front_labels]
    figure.legend(handles, labels, fontsize=9, frameon=False, loc="outside lower center", ncols=2)


def _draw_pareto(axes: Axes, points: Sequence[CostPoint], measure: MeasureText, items: int) -> None:
    amounts = list(map(float, map(attrgetter("amount"), points)))
    accuracies = list(map(float, map(attrgetter("accuracy.value"), points)))
    front = pareto_front(amounts, accuracies)
    if len(front) > 1:
        axes.step([amounts[i] for i in front], [accuracies[i] for i in front], where="post", color=GREY, lw=1, ls="--",
                  label="Pareto front")  # fmt: skip
    _draw_points(axes, amounts, points)
    axes.set_xscale("log")
    axes.set_xlim(min(amounts) / 5, max(amounts) * 5)
    label_axes(axes, f"Accuracy and cost, n = {items:,} items, 95 % intervals",
               f"Cost of 1,000 decisions, {measure.axis}", "Agreement with the labels")  # fmt: skip


def _draw_accuracies(axes: Axes, points: Sequence[CostPoint], items: int) -> None:
    """Draw the accuracies of models whose costs are unknown, side by side."""
    places = list(range(len(points)))
    _draw_points(axes, places, points)
    axes.set_xticks([])
    axes.set_xlim(-0.5, len(points) - 0.5)
    label_axes(axes, f"Accuracy, n = {items:,} items, 95 % intervals", "Models; their cost is unknown",
               "Agreement with the labels")  # fmt: skip


def _draw_points(axes: Axes, places: Sequence[float], points: Sequence[CostPoint]) -> None:
    """Draw the accuracy of each model with its interval, and the line of chance."""
    for number, point in enumerate(points):
        colour, mark = colour_and_mark(number)
        axes.errorbar(
            places[number],
            point.accuracy.value,
            yerr=error_bars(point.accuracy.value, point.accuracy.low, point.accuracy.high),
            fmt=mark,
            color=colour,
            capsize=3,
            ms=7,
        )
    axes.axhline(0.5, color=GREY, lw=0.8, ls=":")
    place = axes.get_yaxis_transform()
    axes.text(0.99, 0.5, "chance", transform=place, ha="right", va="bottom", fontsize=8, color=GREY)


def _draw_ranking(axes: Axes, points: Sequence[CostPoint], measure: MeasureText, systems: int, prompts: int) -> None:
    numbers = np.unique(np.linspace(2, max(systems, 3), 40).round().astype(int))
    is_known = all(point.per_call is not None for point in points)
    for number, point in enumerate(points):
        scale = float(point.per_call or 0.0) if is_known else 1.0
        usage = point.usage
        heights = [ranking_calls(int(m), prompts, usage.view, usage.orders) * scale for m in numbers]
        colour, mark = colour_and_mark(number)
        axes.plot(numbers, heights, color=colour, marker=mark, ms=4,
                  markevery=max(1, len(numbers) // 8), label=f"{legend_name(usage.label)}: {usage.view} {usage.kind}",
            ls=DASHES[number % len(DASHES)])  # fmt: skip
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(low / 2, high * 2)
    what = measure.axis if is_known else "calls"
    label_axes(axes, f"To rank systems on {prompts:,} prompts", "Number of systems", f"Cost, {what}")
