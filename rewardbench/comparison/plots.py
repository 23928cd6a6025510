"""Comparisons in, pictures out: differences and scores with their intervals. It computes nothing.

Colours that every kind of sight tells apart, and marks that need none; 800 pixels wide.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardbench.comparison.gate import MEASURES
from rewardbench.console.terminal import printable
from rewardbench.errors import InputError
from rewardbench.paths import write_whole

if TYPE_CHECKING:
    from rewardbench.comparison.compare import Comparison, Standing
    from rewardbench.comparison.gate import Gate

MOST_ROWS = 60
"""Rows of a picture; more are too high to draw."""
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"
BETTER, WORSE, OPEN = (BLUE, "^"), (ORANGE, "v"), (GREY, "o")


def draw_comparison(found: Comparison, path: str) -> None:
    """The difference of each section (at most `MOST_ROWS`) and of the score, with its 95 % interval, about 0."""
    rows = [*found.sections[:MOST_ROWS], found.score]
    with _figure(path, len(rows)) as axes:
        for y, one in enumerate(reversed(rows)):
            colour, mark = OPEN if one.low <= 0 <= one.high else BETTER if one.difference > 0 else WORSE
            _whisker(axes, y, one.difference, one.low, one.high, colour, mark)
        axes.axvline(0, color="black", linewidth=1)
        labels = [f"{_short(one.name)} (n {one.clusters:,})" for one in reversed(rows)]
        axes.set_yticks(range(len(rows)), labels, fontsize=11)
        unit = "mirrors" if found.metric == "mirror" else "items"
        axes.set_xlabel(f"difference in points of {MEASURES[found.metric]}, 95 % interval (n: clusters)", fontsize=11)
        axes.set_title(
            f"{_short(found.second)} less {_short(found.first)} on {_short(found.suite or unit)}\n"
            f"▲ better  ▼ worse  ● could be either",
            fontsize=11,
        )


def draw_gate(gate: Gate, path: str) -> None:
    """Each drop (up to `MOST_ROWS`) with its one-sided bounds, and where its limit is."""
    checks = [check for check in gate.checks if check.kind == "drop"][:MOST_ROWS]
    with _figure(path, len(checks)) as axes:
        marks = {"pass": (BLUE, "o"), "regression": (ORANGE, "X"), "inconclusive": (GREY, "s")}
        for y, check in enumerate(reversed(checks)):
            _whisker(axes, y, check.value, check.low, check.high, *marks[check.verdict])
            axes.plot([100 * check.limit] * 2, [y - 0.35, y + 0.35], color="black", linewidth=2)
        axes.axvline(0, color="black", linewidth=0.5, linestyle=":")
        labels = [f"{_short(check.name)}: {check.verdict} (n {check.items:,})" for check in reversed(checks)]
        axes.set_yticks(range(len(checks)), labels, fontsize=11)
        axes.set_xlabel(f"drop in points of {MEASURES[gate.metric]}, one-sided 95 % bounds", fontsize=11)
        axes.set_title(f"{_short(gate.candidate)} against {_short(gate.baseline)}\n▍ what is allowed", fontsize=11)


def draw_ranks(standings: Sequence[Standing], path: str) -> None:
    """Scores with their intervals, best first, each with its rank; models of one rank have one colour."""
    standings = standings[:MOST_ROWS]
    colours = {rank: (BLUE, ORANGE, GREY)[n % 3] for n, rank in enumerate(sorted({one.rank for one in standings}))}
    with _figure(path, len(standings)) as axes:
        for y, one in enumerate(reversed(standings)):
            colour = colours[one.rank]
            _whisker(axes, y, one.score, one.low, one.high, colour, "o")
        labels = [f"{one.rank}. {_short(one.model)}" for one in reversed(standings)]
        axes.set_yticks(range(len(standings)), labels, fontsize=11)
        axes.set_xlabel(f"score, %, with its 95 % interval (n: {standings[0].clusters:,} clusters)", fontsize=11)
        axes.set_title("rank: one more than the number of models that are significantly better", fontsize=11)


@contextmanager
def _figure(path: str, rows: int) -> Iterator[Any]:
    """Axes for so many rows; in the end the picture is written, whole or not at all."""
    if find_spec("matplotlib") is None:
        raise InputError("A picture needs matplotlib: pip install 'rewardbench[plot]'.")
    kind = Path(path).suffix
    if kind not in (".png", ".svg", ".pdf"):
        raise InputError(f"{path} is no picture: name a .png, .svg or .pdf file.")
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 1.6 + 0.42 * rows), dpi=100, layout="constrained")
    try:
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.margins(y=0.15)
        yield axes
        drawn = io.BytesIO()
        figure.savefig(drawn, format=kind[1:])
        write_whole(path, drawn.getvalue())
    finally:
        pyplot.close(figure)


def _whisker(axes: Any, y: int, value: float, low: float, high: float, colour: str, mark: str) -> None:
    axes.plot([100 * low, 100 * high], [y, y], color=colour, linewidth=2.5, solid_capstyle="butt")
    axes.plot([100 * value], [y], mark, color=colour, markersize=9)


def _short(text: str, most: int = 40) -> str:
    """A name that leaves room for the picture, and in which no sign means anything to matplotlib."""
    clean = printable(text)
    cut = clean if len(clean) <= most else f"{clean[: most - 1]}…"
    return cut.replace("$", r"\$")
