"""Plot comparisons: differences and scores with their intervals, 800 pixels wide.

The colours are safe for colour-blind readers, and the marks differ too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING

from rewardbench.comparison.gate import MEASURES
from rewardbench.console.pictures import open_picture
from rewardbench.console.terminal import printable
from rewardbench.stats import format_rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rewardbench.comparison.compare import Comparison
    from rewardbench.comparison.gate import Decision
    from rewardbench.comparison.rank import RankedModel

MOST_ROWS = 60
"""Largest number of rows of a plot."""
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"
BETTER, WORSE, OPEN = (BLUE, "^"), (ORANGE, "v"), (GREY, "o")


def draw_comparison(comparison: Comparison, path: str) -> None:
    """Plot the difference of each section (at most `MOST_ROWS`) and of the score, with 95 % intervals."""
    rows = [*comparison.sections[:MOST_ROWS], comparison.score]
    labels: list[str] = []
    with _figure(path, len(rows)) as axes:
        for y, row in enumerate(reversed(rows)):
            colour, mark = OPEN if row.low <= 0 <= row.high else BETTER if row.difference > 0 else WORSE
            labels.append(f"{_short(row.name)} (n {row.clusters:,})")
            _draw_interval(axes, y, row.difference, row.low, row.high, colour, mark)
        axes.axvline(0, color="black", linewidth=1)
        axes.set_yticks(range(len(rows)), labels, fontsize=11)
        unit = "items" if comparison.metric == "pair" else "mirrors"
        axes.set_xlabel(
            f"difference in points of {MEASURES[comparison.metric]}, 95 % interval (n: clusters)", fontsize=11
        )
        axes.set_title(
            f"{_short(comparison.second)} minus {_short(comparison.first)} on {_short(comparison.suite or unit)}\n"
            f"▲ better  ▼ worse  ● could be either",
            fontsize=11,
        )


def draw_gate(decision: Decision, path: str) -> None:
    """Plot each drop (at most `MOST_ROWS`) with its one-sided bounds and its limit."""
    checks = [check for check in decision.checks if check.kind == "drop"][:MOST_ROWS]
    marks = {"pass": (BLUE, "o"), "regression": (ORANGE, "X"), "inconclusive": (GREY, "s")}
    labels: list[str] = []
    with _figure(path, len(checks)) as axes:
        for y, check in enumerate(reversed(checks)):
            labels.append(f"{_short(check.name)}: {check.verdict} (n {check.items:,})")
            _draw_interval(axes, y, check.value, check.low, check.high, *marks[check.verdict])
            axes.plot([100 * check.limit] * 2, [y - 0.35, y + 0.35], color="black", linewidth=2)
        axes.axvline(0, color="black", linewidth=0.5, linestyle=":")
        axes.set_yticks(range(len(checks)), labels, fontsize=11)
        axes.set_xlabel(f"drop in points of {MEASURES[decision.metric]}, one-sided 95 % bounds", fontsize=11)
        axes.set_title(f"{_short(decision.candidate)} against {_short(decision.baseline)}\n▍ allowed drop", fontsize=11)


def draw_ranks(models: Sequence[RankedModel], path: str) -> None:
    """Plot scores with their intervals and ranges of ranks, best first; the same range has the same colour."""
    models = models[:MOST_ROWS]
    ranges = sorted({model.rank_range for model in models})
    colours = dict(zip(ranges, cycle((BLUE, ORANGE, GREY)), strict=False))
    labels: list[str] = []
    with _figure(path, len(models)) as axes:
        for y, model in enumerate(reversed(models)):
            _draw_interval(axes, y, model.score, model.low, model.high, colours[model.rank_range], "o")
            labels.append(f"{format_rank(model.rank_range)}. {_short(model.model)}")
        axes.set_yticks(range(len(models)), labels, fontsize=11)
        axes.set_xlabel(f"score, %, with its 95 % interval (n: {models[0].clusters:,} clusters)", fontsize=11)
        axes.set_title(
            "rank: from 1 + the significantly better models to 1 + those that are not significantly worse", fontsize=11
        )


@contextmanager
def _figure(path: str, rows: int) -> Iterator[Axes]:
    """Context manager: yield axes for `rows` rows, and write the picture atomically at the end."""
    with open_picture(path, 8, 1.6 + 0.42 * rows) as axes:
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.margins(y=0.15)
        yield axes


def _draw_interval(axes: Axes, y: int, value: float, low: float, high: float, colour: str, mark: str) -> None:
    axes.plot([100 * low, 100 * high], [y, y], color=colour, linewidth=2.5, solid_capstyle="butt")
    axes.plot([100 * value], [y], mark, color=colour, markersize=9)


def _short(text: str, limit: int = 40) -> str:
    """Shorten a name for a label, as one line."""
    clean = printable(text)
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"
