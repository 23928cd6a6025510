"""Picture of the ceiling: accuracy of a perfect model by agreement, and the agreement of annotators and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.ceiling.drift import DriftTest
from rewardbench.analysis.ceiling.noise import flip_rates, majority_ceiling
from rewardbench.analysis.figures import AMBER, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, label_axes
from rewardbench.stats import COVERAGE, normal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS, MOST_MODELS = 20, 5


def draw_ceiling(
    figure: Figure,
    labels: int,
    agreement: tuple[float, float, float],
    models: Sequence[tuple[str, float]],
    tests: Sequence[DriftTest],
) -> None:
    """Draw the ceilings at every agreement, and the tests of annotators and sessions if there are any.

    Args:
        figure: an empty figure.
        labels: number of different labels.
        agreement: the observed agreement with its limits.
        models: name and accuracy of each model.
        tests: tests of annotators and sessions.
    """
    compared = [test for test in tests if test.kind != "trend"][:MOST_ROWS]
    axes = figure.subplots(1, 2 if compared else 1, squeeze=False)[0]
    _draw_curves(axes[0], labels, agreement, models)
    if compared:
        trends = {test.name for test in tests if test.kind == "trend" and test.flagged}
        _draw_agreements(axes[1], compared, trends)


def _draw_curves(
    axes: Axes, labels: int, agreement: tuple[float, float, float], models: Sequence[tuple[str, float]]
) -> None:
    """Draw both ceilings against agreement, the observed agreement, and the accuracies of models."""
    grid = np.linspace(1 / labels, 1, 300)
    flips = flip_rates(grid, labels)
    majority = [majority_ceiling(flip, labels) for flip in flips.tolist()]
    axes.plot(grid, 1 - flips, color=BLUE, linewidth=1.8, label="against one annotator")
    axes.plot(grid, majority, "--", color=GREEN, linewidth=1.8, label="against the majority of 3")
    value, low, high = agreement
    flip = float(flip_rates(np.array([value]), labels)[0])
    axes.axvspan(low, high, color=GREY, alpha=0.3, linewidth=0)
    points = ((1 - flip, BLUE, "o"), (majority_ceiling(flip, labels), GREEN, "s"))
    for y, colour, mark in points:
        axes.plot(value, y, mark, color=colour, markersize=7)
        axes.annotate(f"{y:.1%}", (value, y), xytext=(9, -4), textcoords="offset points", va="top", fontsize=9)
    dashes = cycle([":", "-.", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1))])
    colours = cycle([ORANGE, PURPLE, SKY, AMBER, GREY])
    for (name, accuracy), colour, dash in zip(models[:MOST_MODELS], colours, dashes, strict=False):
        axes.axhline(accuracy, color=colour, linestyle=dash, linewidth=1.5, label=f"{name}: {accuracy:.1%}")
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
    axes.set_xlim(1 / labels, 1)
    axes.set_ylim(min([1 / labels, *(accuracy for _, accuracy in models)]) - 0.02, 1.01)
    interval = f" [{low:.1%}, {high:.1%}]" if high > low else ""
    title = f"Accuracy of a perfect model\nagreement {value:.1%}{interval}, flip rate {flip:.1%}"
    label_axes(axes, title, "share of pairs of annotators who agree", "accuracy against the labels")


def _draw_agreements(axes: Axes, tests: Sequence[DriftTest], trends: set[str]) -> None:
    """Draw the agreement of annotators and sessions with 95 % intervals; significant ones have another mark."""
    rows = sorted(tests, key=lambda test: (test.kind == "session", test.agreement))
    labels: list[str] = []
    half = normal(COVERAGE)
    for y, test in enumerate(reversed(rows)):
        is_trend = test.kind == "annotator" and test.name in trends
        colour, mark = (ORANGE, "D") if test.flagged or is_trend else (BLUE, "o")
        axes.plot([test.agreement - half * test.error, test.agreement + half * test.error], [y, y], color=colour)
        axes.plot(test.agreement, y, mark, color=colour, markersize=5)
        suffix = ", changes over time" if is_trend else ""
        name = test.name if len(test.name) <= 20 else f"{test.name[:19]}…"
        labels.append(f"{name} (n {test.items:,}){suffix}")
    axes.set_yticks(range(len(rows)), labels, fontsize=8)
    title = "Agreement with the other annotators\n◆ significant (Holm); 95 % intervals"
    label_axes(axes, title, "share of other annotators with the same label", "")
