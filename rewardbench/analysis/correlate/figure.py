"""Draw scatter plots with labels that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.correlate.correlation import rows_by_group
from rewardbench.analysis.figures import BLUE, GREY, colour_and_mark, label_axes, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELLED = 60
"""Maximum number of points whose labels are drawn."""
MOST_GROUPS = 12
"""Maximum number of groups that have a mark and a colour of their own."""
LONGEST_LABEL = 24
LABEL_SIZE = 7
"""Size of the labels, in points."""


@dataclass(frozen=True)
class ScatterPanel:
    """One scatter plot: points [rows] with labels, and groups if there are any."""

    title: str
    y_name: str
    x: np.ndarray
    y: np.ndarray
    labels: Sequence[str]
    groups: Sequence[str]


def draw_panels(figure: Figure, panels: Sequence[ScatterPanel], x_name: str, limit: float) -> None:
    """Draw panels side by side; a dashed line marks the limit of the range restriction."""
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(all_axes, panels, strict=True):
        label_axes(axes, panel.title, x_name[:60], panel.y_name[:60])
        _draw_points(axes, panel)
        if panel.x.min() < limit < panel.x.max():
            axes.axvline(limit, color=GREY, linestyle="--", linewidth=1)
        axes.margins(0.12)
    handles, names = all_axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside lower center", fontsize=8, frameon=False, ncols=2 * len(panels))
    figure.canvas.draw()  # fixes the layout, so that labels can be placed in pixels
    for axes, panel in zip(all_axes, panels, strict=True):
        if len(panel.x) <= MOST_LABELLED:
            place_labels(axes, panel)


def _draw_points(axes: Axes, panel: ScatterPanel) -> None:
    if not panel.groups:
        axes.plot(panel.x, panel.y, "o", color=BLUE, markersize=5 if len(panel.x) <= 1_000 else 2)
        return
    groups = list(rows_by_group(panel.groups).items())
    for index, (group, rows) in enumerate(groups[:MOST_GROUPS]):
        colour, mark = colour_and_mark(index)
        label = shorten(group, LONGEST_LABEL)
        axes.plot(panel.x[rows], panel.y[rows], mark, color=colour, markersize=5, label=label)
    if len(groups) > MOST_GROUPS:
        others = np.concatenate([rows for _, rows in groups[MOST_GROUPS:]])
        label = f"{len(groups) - MOST_GROUPS:,} other groups"
        axes.plot(panel.x[others], panel.y[others], ".", color=GREY, markersize=3, label=label)


def place_labels(axes: Axes, panel: ScatterPanel) -> None:
    """Write the label of each point at the nearest place where it covers no point and no other label, if there is any.

    The places are around the point, at growing distances.
    """
    pixel = axes.figure.dpi / 72
    points = axes.transData.transform(np.stack([panel.x, panel.y], axis=1))
    boxes = [(x - 4 * pixel, y - 4 * pixel, x + 4 * pixel, y + 4 * pixel) for x, y in points]
    frame = axes.get_window_extent()
    for (x, y), label in zip(points, panel.labels, strict=True):
        text = shorten(label, LONGEST_LABEL)
        width, height = len(text) * LABEL_SIZE * 0.6 * pixel, LABEL_SIZE * 1.2 * pixel
        for place, (right, up) in enumerate(_places(width, height, pixel)):
            box = (x + right, y + up, x + right + width, y + up + height)
            is_inside = frame.x0 <= box[0] and box[2] <= frame.x1 and frame.y0 <= box[1] and box[3] <= frame.y1
            if is_inside and not any(_overlap(box, other) for other in boxes):
                offset = (right / pixel, up / pixel)
                axes.annotate(
                    text,
                    (x, y),
                    offset,
                    xycoords="figure pixels",
                    textcoords="offset points",
                    fontsize=LABEL_SIZE,
                    color="#444444",
                    annotation_clip=False,
                    arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5} if place >= 2 else None,
                )
                boxes.append(box)
                break


def _places(width: float, height: float, pixel: float) -> list[tuple[float, float]]:
    """Return offsets of the lower left corner of a label from its point, in pixels, nearest first."""
    places: list[tuple[float, float]] = []
    for gap in (5 * pixel, 10 * pixel, 16 * pixel):
        middle = -height / 2
        places += [(gap, middle), (-gap - width, middle), (-width / 2, gap), (-width / 2, -gap - height)]
        places += [(gap, gap), (gap, -gap - height), (-gap - width, gap), (-gap - width, -gap - height)]
    return places


def _overlap(first: tuple[float, float, float, float], second: tuple[float, float, float, float]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
