"""Picture of ties: their share against the score difference, and the held-out log-loss of each predictor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.figures import BLUE, GREEN, GREY, ORANGE, error_bars, label_axes, shorten
from rewardbench.analysis.ties.models import TIE, davidson_probabilities, rao_kupper_probabilities
from rewardbench.console.terminal import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rewardbench.analysis.ties.fit import TieAnalysis

LONGEST_LABEL = 30


def draw_ties(analysis: TieAnalysis, names: Mapping[str, str], figure: Figure) -> None:
    """Draw the share of ties by score difference with both models, and the log-loss of the predictors."""
    shares, losses = figure.subplots(1, 2, width_ratios=[1.15, 1.0])
    _draw_shares(shares, analysis)
    _draw_losses(losses, analysis, names)
    model = shorten(printable(analysis.model), LONGEST_LABEL)
    figure.suptitle(f"Ties of {model}, n = {analysis.n:,} pairs, {analysis.ties:,} ties", fontsize=12)


def _draw_shares(axes: Axes, analysis: TieAnalysis) -> None:
    """Draw the observed share of ties with 95 % intervals, the curves of both models, and the constant share."""
    x = np.array([tie_bin.difference for tie_bin in analysis.bins])
    share = np.array([tie_bin.share for tie_bin in analysis.bins])
    lows = [tie_bin.low for tie_bin in analysis.bins]
    highs = [tie_bin.high for tie_bin in analysis.bins]
    grid = np.linspace(0, 1.05 * float(x.max()) or 1.0, 200)
    davidson, rao_kupper = analysis.davidson, analysis.rao_kupper
    by_davidson = davidson_probabilities(grid, davidson.beta, davidson.tie)[:, TIE]
    by_rao_kupper = rao_kupper_probabilities(grid, rao_kupper.beta, rao_kupper.tie)[:, TIE]
    axes.errorbar(
        x,
        share,
        error_bars(share, lows, highs),
        color="black",
        marker="o",
        linestyle="",
        capsize=2,
        label="observed, 95 % interval",
    )
    axes.plot(grid, by_davidson, color=BLUE, label="Davidson")
    axes.plot(grid, by_rao_kupper, color=ORANGE, linestyle="--", label="Rao-Kupper")
    axes.axhline(analysis.ties / analysis.n, color=GREY, linestyle=":", label="constant tie rate")
    label_axes(axes, "", "absolute score difference", "share of ties")
    axes.set_ylim(0, None)
    axes.set_xlim(0, None)
    axes.legend(fontsize=8, frameon=True, framealpha=0.9, edgecolor="none")


def _draw_losses(axes: Axes, analysis: TieAnalysis, names: Mapping[str, str]) -> None:
    """Draw the difference of each log-loss to Bradley-Terry with a constant tie share, with 95 % intervals."""
    labels: list[str] = []
    for y, loss in enumerate(reversed(analysis.losses)):
        colour = BLUE if loss.name in ("davidson", "rao_kupper") else GREEN
        limits = error_bars(loss.difference, loss.low, loss.high)
        axes.errorbar(loss.difference, y, xerr=limits, color=colour, marker="o", capsize=3)
        labels.append(f"{names[loss.name]}\n{loss.value:.4f} nats")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(-0.5, len(labels) - 0.5)
    label_axes(axes, "", "held-out log-loss minus Bradley-Terry\n(nats per pair; left is better)", "")
    axes.locator_params(axis="x", nbins=4)
