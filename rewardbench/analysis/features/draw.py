"""Pictures of features: effects on the reward, and accuracy before and after an ablation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rewardbench.analysis.features.study import FeatureStudy
from rewardbench.analysis.figures import BLUE, GREY, ORANGE, error_bars, label_axes, legend_name, short_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rewardbench.comparison.compare import Contrast

BARS = 15
"""Features in the picture."""


def draw_effects(figure: Figure, study: FeatureStudy, labels: Sequence[str]) -> None:
    """Draw the mean change of the reward without each feature, with 95 % intervals.

    Args:
        figure: an empty figure.
        study: the features.
        labels: names of the features, in the order of their effects.
    """
    axes = figure.subplots()
    effects = study.effects[:BARS]
    for place, effect in enumerate(effects):
        colour, hatch = (ORANGE, "//") if effect.mean > 0 else (BLUE, "")
        axes.barh(place, effect.mean, color=colour, hatch=hatch, edgecolor="white", height=0.72)
        axes.errorbar(effect.mean, place, xerr=effect.half_width, fmt="none", ecolor="#222222", capsize=2, lw=1)
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set_yticks(range(len(effects)), labels[: len(effects)], fontsize=8)
    axes.invert_yaxis()
    name = legend_name(short_name(study.scorer.name))
    title = f"{name}, {study.layer}: reward without a feature (n = {len(study.requests):,} texts)"
    label_axes(axes, title, "Mean change of the reward without the feature (95 % interval)", "")
    handles = [axes.barh([0], [0], color=ORANGE, hatch="//", edgecolor="white"), axes.barh([0], [0], color=BLUE)]
    axes.legend(handles, ["lowers the reward", "raises the reward"], fontsize=8, frameon=False, loc="lower right")


def draw_ablation(figure: Figure, contrasts: Sequence[Contrast], removed: str, items: int) -> None:
    """Draw the change of accuracy by section, with 95 % intervals.

    Args:
        figure: an empty figure.
        contrasts: all items, then each section.
        removed: the removed features, in words.
        items: number of items.
    """
    axes = figure.subplots()
    for place, contrast in enumerate(contrasts):
        change = 100 * contrast.difference
        reach = 100 * error_bars(contrast.difference, contrast.low, contrast.high)
        axes.errorbar(change, place, xerr=reach, fmt="o", color=BLUE, capsize=3)
    axes.axvline(0, color=GREY, lw=0.8, ls="--")
    names = [contrast.name for contrast in contrasts]
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.margins(y=0.15)
    title = f"Accuracy without {removed} (n = {items:,} items)"
    label_axes(axes, title, "Change of accuracy in points (95 % interval)", "")
