"""Draw the scores of tokens or steps behind their text, for a paper or a slide.

Colours are safe for colour-blind readers: from yellow to blue, or from orange to purple for scores on both sides of a
neutral value. The text on each colour is black or white, whichever is easier to read.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.console.pictures import open_picture
from rewardbench.console.terminal import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

COLUMNS = 84
"""Characters in a line."""
MOST_LINES = 120
"""Largest number of lines of text in a picture; what comes after is left out."""
FONT_SIZE = 9.0
CELL_WIDTH = 0.602 * FONT_SIZE / 72
"""Width of a character in inches: of DejaVu Sans Mono, which comes with matplotlib."""
LINE_HEIGHT = 0.22
"""In inches."""
NO_SCORE = "#d9d9d9"
FONTS = ["DejaVu Sans Mono", "Noto Sans Mono CJK SC", "Noto Sans CJK SC", "WenQuanYi Zen Hei Mono", "MS Gothic"]
"""The first font that has a character draws it."""


@dataclass(frozen=True)
class Caption:
    """Title and colour bar of a picture."""

    title: str
    label: str
    """Of the colour bar."""
    neutral: float | None = None
    """The score between bad and good, which is white; None if there is no such score."""


def draw_tokens(texts: Sequence[str], scores: Sequence[float], caption: Caption, path: str) -> int:
    """Draw a text whose tokens have the colour of their scores.

    Args:
        texts: the text of each token.
        scores: one for each; NaN is grey.
        caption: title and colour bar.
        path: a .png, .svg or .pdf file.

    Returns:
        The number of tokens that were left out, because the text is too long.
    """
    pieces = list(_place(texts))
    lines = min(1 + max(line for _, line, _, _ in pieces), MOST_LINES)
    shown = [piece for piece in pieces if piece[1] < lines]
    with open_picture(path, _width(COLUMNS), LINE_HEIGHT * lines + 1.2, dpi=200) as axes:
        colours = _colours(scores, caption.neutral)
        for index, line, column, text in shown:
            _draw_cell(axes, colours, scores[index], line, column, text)
        _finish(axes, colours, lines, COLUMNS, caption)
    return len(texts) - len({index for index, _, _, _ in shown})


def draw_steps(texts: Sequence[str], scores: Sequence[float], caption: Caption, path: str) -> int:
    """Draw a list of steps, each on the colour of its score, which is written at its end; see `draw_tokens`."""
    rows: list[tuple[int, str]] = []
    for index, text in enumerate(texts):
        for wrapped in _wrap(text):
            rows.append((index, wrapped))
    shown = rows[:MOST_LINES]
    columns = COLUMNS + 12
    with open_picture(path, _width(columns), LINE_HEIGHT * len(shown) + 1.2, dpi=200) as axes:
        colours = _colours(scores, caption.neutral)
        for line, (index, text) in enumerate(shown):
            is_first = line == 0 or shown[line - 1][0] != index
            _draw_cell(axes, colours, scores[index], line, 4, text, COLUMNS)
            if is_first:
                axes.plot([4, COLUMNS + 4], [line, line], color="white", linewidth=3, solid_capstyle="butt")
                _write(axes, 3, line, str(index + 1), align="right")
                _write(axes, COLUMNS + 5, line, f"{scores[index]:.3f}" if isfinite(scores[index]) else "none")
        _finish(axes, colours, len(shown), columns, caption)
    return len(texts) - len({index for index, _ in shown})


def _place(texts: Sequence[str]) -> Iterator[tuple[int, int, int, str]]:
    """Yield the pieces of tokens with their token, line and column; only a token longer than a line is divided."""
    line = column = 0
    for index, text in enumerate(texts):
        shown, piece = _visible(text), ""
        if column + _cells(shown) > COLUMNS and column:
            line, column = line + 1, 0
        for character in shown:
            if column + _cells(piece + character) > COLUMNS:
                if piece:
                    yield index, line, column, piece
                line, column, piece = line + 1, 0, ""
            piece += character
        yield index, line, column, piece
        column += _cells(piece)
        if "\n" in text:
            line, column = line + text.count("\n"), 0


def _visible(text: str) -> str:
    """Return a token as one line: line breaks as ⏎, tabs as →, other control characters escaped."""
    return printable(text.replace("\r", "").replace("\n", "⏎").replace("\t", "→")) or "·"


def _cells(text: str) -> int:
    """Count the columns of a text in a monospaced font; East Asian characters take two.

    >>> _cells("ab"), _cells("你好")
    (2, 4)
    """
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _wrap(text: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines += textwrap.wrap(printable(paragraph), COLUMNS - 2) or [""]
    return lines


def _width(columns: int) -> float:
    """Return the width of a figure in inches."""
    return CELL_WIDTH * columns + 0.4


def _colours(scores: Sequence[float], neutral: float | None) -> ScalarMappable:
    """Return the colours of scores: from orange to purple around a neutral score, else from yellow to blue."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    finite = [score for score in scores if isfinite(score)] or [0.0]
    low, high = min(finite), max(finite)
    if neutral is not None:
        largest = max(neutral - low, high - neutral) or 1.0
        return ScalarMappable(Normalize(neutral - largest, neutral + largest), "PuOr")
    return ScalarMappable(Normalize(low, high if high > low else low + 1), "YlGnBu")


def _draw_cell(
    axes: Axes, colours: ScalarMappable, score: float, line: int, column: int, text: str, width: int | None = None
) -> None:
    """Draw a text on the colour of its score."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    colour = to_rgba(colours.to_rgba(np.array([score]))[0] if isfinite(score) else NO_SCORE)
    cells = width or _cells(text)
    edge, height = ("none", 1.02) if width else ("white", 0.9)
    axes.add_patch(Rectangle((column, line), cells, height, facecolor=colour, edgecolor=edge, linewidth=0.4))
    red, green, blue, _ = colour
    is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
    _write(axes, column + (1 if width else 0), line, text, "white" if is_dark else "black")


def _write(axes: Axes, column: float, line: int, text: str, colour: str = "black", align: str = "left") -> None:
    axes.text(
        column,
        line + 0.5,
        text,
        color=colour,
        fontsize=FONT_SIZE,
        family=FONTS,
        va="center",
        ha=align,
        parse_math=False,
    )


def _finish(axes: Axes, colours: ScalarMappable, lines: int, columns: int, caption: Caption) -> None:
    """Set the limits of the axes, and add the title and the colour bar."""
    axes.set_xlim(0, columns)
    axes.set_ylim(lines, 0)
    axes.axis("off")
    axes.set_title(printable(caption.title), fontsize=FONT_SIZE + 1, loc="left", parse_math=False)
    bar = axes.figure.colorbar(colours, ax=axes, location="bottom", shrink=0.5, aspect=40, anchor=(0.0, 0.0))
    bar.set_label(caption.label, fontsize=FONT_SIZE)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1)
    bar.outline.set_visible(False)
