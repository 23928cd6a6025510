"""Colours and small parts that the pictures of analyses share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER, GREY = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"),
    "#777777",
)
"""Colours of Okabe and Ito, which colour-blind readers can distinguish; use different marks or dashes as well."""
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER)
MARKS = ("o", "s", "^", "D", "v", "P")
LONGEST_NAME = 40
"""Maximum characters of a model's name in a legend."""


def shorten(name: str, longest: int) -> str:
    """Cut the middle out of a name that is too long; names of models often differ at their ends only.

    >>> shorten("org/reward-model-of-a-series-v2.1", 16)
    'org/re…ries-v2.1'
    """
    if len(name) <= longest:
        return name
    start = (longest - 1) * 2 // 5
    return f"{name[:start]}…{name[start + 1 - longest :]}"


def legend_name(model: str) -> str:
    """Return the name of a model for a legend.

    >>> legend_name("org/a-reward-model-with-a-name-of-50-characters-and-")
    'org/a-reward-mo…me-of-50-characters-and-'
    """
    return shorten(model, LONGEST_NAME)


def short_name(model: str) -> str:
    """Return the name of a model; of a folder its last part.

    >>> short_name("/data/models/my-rm"), short_name("org/my-rm")
    ('my-rm', 'org/my-rm')
    """
    return Path(model).name if model.startswith(("/", "~", "./", "../")) else model


def error_bars(values: ArrayLike, lows: ArrayLike, highs: ArrayLike) -> np.ndarray:
    """Return the lengths of error bars below and above values: [2, values].

    A length is 0 where a limit is unknown, or beyond its value by a rounding error.

    >>> error_bars([1.0, 2.0], [0.5, 2.0], [1.5, float("nan")]).tolist()
    [[0.5, 0.0], [0.5, 0.0]]
    """
    middle = np.atleast_1d(np.asarray(values, dtype=float))
    lengths = np.stack([middle - np.atleast_1d(lows), np.atleast_1d(highs) - middle])
    return np.asarray(np.clip(np.nan_to_num(lengths), 0, None))


def colour_and_mark(number: int) -> tuple[str, str]:
    """Return colour and mark of a series by its number from 0; no two of 36 have both in common.

    >>> len({colour_and_mark(number) for number in range(36)})
    36
    """
    return COLOURS[number % len(COLOURS)], MARKS[(number + number // len(COLOURS)) % len(MARKS)]


def label_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Set the title and the axis labels (with units), and remove the frame above and on the right."""
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel(x, fontsize=10)
    axes.set_ylabel(y, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
