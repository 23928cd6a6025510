"""Draw the badge of a model as SVG: suite, score with its interval, and how the score was checked."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from rewardbench.leaderboard.app.markup import address, render
from rewardbench.leaderboard.app.tables import format_interval, format_percent, headline
from rewardbench.leaderboard.types import VERIFIED, Figure, LeaderboardRow

COLORS = {VERIFIED: "#2e7d32", "recomputed": "#1565c0", "self-reported": "#616161", "published": "#6d4c41"}
"""Color by badge; white text on each has a contrast above 4.5."""
UNKNOWN = "#757575"
LONGEST_SUITE, LONGEST_NAME = 40, 200
PADDING = 6.0
_NARROW, _WIDE = frozenset("ijlI.,:;!'|()[]{} ft/\\\"-"), frozenset("mwMW@%")
NARROW, NORMAL, WIDE, FULL = 4.4, 7.0, 10.0, 11.5
"""Widths of characters at a font size of 11, in pixels."""


def draw_badge(model: str, suite: str, metric: str, score: Figure, checked: str) -> bytes:
    """Draw the badge of a model.

    Args:
        model: name of the model.
        suite: name of the suite.
        metric: name of the figure, such as accuracy.
        score: the figure.
        checked: how the score was checked, a key of `BADGES`.
    """
    check = _visible(checked, LONGEST_SUITE)
    figure = "no score" if score.value is None else f"{metric} {format_percent(score)}%"
    if score.value is not None and score.low is not None and score.high is not None:
        figure += f" ({format_interval(score)})"
    label, value = f"rewardbench {_visible(suite, LONGEST_SUITE)}", f"{figure} · {check}"
    title = f"{_visible(model, LONGEST_NAME)} on {_visible(suite, LONGEST_SUITE)}: {figure}, {check}"
    return _draw(label, value, COLORS.get(checked, UNKNOWN), title)


def draw_row(row: LeaderboardRow) -> bytes:
    """Draw the badge of a row."""
    return draw_badge(row.model, row.suite, *headline(row), row.badge)


@dataclass(frozen=True)
class BadgeSnippet:
    """The badge of a row, and the text that shows it on another page.

    Args:
        picture: the badge as SVG.
        markdown: Markdown text.
        html: HTML text.
    """

    picture: Markup
    markdown: str
    html: str


def describe_snippet(row: LeaderboardRow, base: str) -> BadgeSnippet:
    """Return the badge of a row, and the text that shows it on another page.

    Args:
        row: the row.
        base: address of the leaderboard.
    """
    picture = Markup(draw_row(row).decode())
    image = f"{base}badge.svg{address(model=row.key)}"
    page = f"{base}{address(view='model', suite=row.suite, model=row.key)}"
    label = re.sub(r"[^\w .-]", "", f"rewardbench {row.suite}")
    return BadgeSnippet(
        picture,
        markdown=f"[![{label}]({image})]({page})",
        html=f'<a href="{escape(page)}"><img src="{escape(image)}" alt="{label}"></a>',
    )


def draw_unknown() -> bytes:
    """Draw the badge of a model that has no row."""
    return _draw("rewardbench", "unknown", UNKNOWN, "rewardbench: unknown model")


def _draw(label: str, value: str, color: str, title: str) -> bytes:
    label_width, value_width = text_width(label), text_width(value)
    left, right = round(label_width + 2 * PADDING, 1), round(value_width + 2 * PADDING, 1)
    svg = render(
        "badge.svg",
        title=title,
        label=label,
        value=value,
        color=color,
        left=left,
        right=right,
        width=round(left + right, 1),
        label_width=label_width,
        value_width=value_width,
        padding=PADDING,
    )
    return str(svg).encode()


def text_width(text: str) -> float:
    """Return the width of a text at a font size of 11, in pixels.

    >>> text_width("ill") < text_width("abc") < text_width("MMM") < text_width("漢字漢")
    True
    """
    width = 0.0
    for character in text:
        if unicodedata.east_asian_width(character) in "WF":
            width += FULL
        elif character in _NARROW:
            width += NARROW
        else:
            width += WIDE if character in _WIDE else NORMAL
    return round(width, 1)


def _visible(text: str, longest: int) -> str:
    r"""Return a text without control characters and direction marks, cut to a length.

    >>> _visible("a\x00b\u202ec", 9), _visible("abcdef", 4)
    ('abc', 'abc…')
    """
    shown = "".join(character for character in text if not unicodedata.category(character).startswith("C"))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
