"""Picture of the audit: mean margins with the fitted mixture, and the AUC of single features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.audit.leaks import Leak
from rewardbench.analysis.audit.misses import Misses
from rewardbench.analysis.figures import BLUE, GREY, ORANGE, label_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 14


def draw_audit(figure: Figure, misses: Misses | None, leaks: Sequence[Leak], pairs: int, models: int) -> None:
    """Draw the margins of the pairs, if models are above chance, and the largest leaks, if texts are known."""
    panels = list(filter(None, (misses, leaks)))
    axes = figure.subplots(1, max(1, len(panels)), squeeze=False)[0]
    if misses:
        _draw_margins(axes[0], misses, pairs, models)
    if leaks:
        _draw_leaks(axes[-1], leaks)
    if not panels:
        axes[0].text(0.5, 0.5, "no models above chance, and no texts", ha="center", va="center")
        axes[0].axis("off")


def _draw_margins(axes: Axes, misses: Misses, pairs: int, models: int) -> None:
    """Draw the histogram of mean margins with both parts of the mixture, and the pairs to review."""
    values = misses.margins[misses.order]
    edges = np.linspace(values.min(), values.max(), 50)
    width = edges[1] - edges[0]
    axes.hist(values, edges.tolist(), color="#dddddd", edgecolor="#bbbbbb", linewidth=0.4, label="pairs")
    mixture = misses.mixture
    grid = np.linspace(edges[0], edges[-1], 300)
    parts = (
        ("right label (fit)", 1 - mixture.share, mixture.mean, BLUE, "-"),
        ("wrong label (fit)", mixture.share, -mixture.mean, ORANGE, "--"),
    )
    for label, share, mean, colour, dash in parts:
        density = np.exp(-0.5 * ((grid - mean) / mixture.spread) ** 2) / (mixture.spread * np.sqrt(2 * np.pi))
        axes.plot(grid, share * len(values) * width * density, dash, color=colour, linewidth=1.8, label=label)
    last = values[misses.reviewed - 1]
    label = f"{misses.reviewed} pairs to review"
    axes.axvspan(edges[0], last, color=ORANGE, alpha=0.15, linewidth=0, label=label)
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
    low, high = misses.precision_interval
    estimate = f"estimated wrong: {misses.precision:.0%} [{low:.0%}, {high:.0%}]" if misses.fits else "poor fit"
    label_axes(
        axes,
        f"{pairs:,} pairs, {models} models\n{misses.reviewed} to review, {estimate}",
        "mean margin (standard deviations of each model)",
        "pairs",
    )


def _draw_leaks(axes: Axes, leaks: Sequence[Leak]) -> None:
    """Draw the AUC of the largest leaks and of the features on all items, with 95 % intervals."""
    flagged = [leak for leak in leaks if leak.flagged]
    largest = max(leak.items for leak in leaks)
    others = [leak for leak in leaks if not leak.flagged and leak.items == largest]
    rows = [*flagged[:MOST_ROWS], *others[: max(0, MOST_ROWS - len(flagged))]]
    labels: list[str] = []
    for y, leak in enumerate(reversed(rows)):
        colour, mark = (ORANGE, "D") if leak.flagged else (GREY, "o")
        axes.plot([leak.low, leak.high], [y, y], color=colour, linewidth=1.6)
        axes.plot(leak.auc, y, mark, color=colour, markersize=5)
        labels.append(f"{leak.feature}, {leak.subset} (n {leak.items:,})")
    axes.axvline(0.5, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), labels, fontsize=8)
    axes.set_xlim(0, 1)
    title = f"Single features, leaks (◆): {len(flagged)}" if flagged else "Single features: no leak"
    label_axes(axes, f"{title}\n95 % intervals over clusters", "AUC for the right response (0.5: chance)", "")
