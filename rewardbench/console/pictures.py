"""Write pictures with matplotlib: one figure a file, written atomically."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.paths import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def check_picture(path: str) -> None:
    """Check that a picture can be drawn.

    Raises:
        InputError: if matplotlib is not installed, or the file is of another kind.
    """
    if find_spec("matplotlib") is None:
        raise InputError("A picture needs matplotlib: pip install 'rewardbench[plot]'.")
    if Path(path).suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"{path} is not a picture: name a .png, .svg or .pdf file.")


@contextmanager
def open_picture(path: str, width: float, height: float, dpi: int = 100) -> Iterator[Axes]:
    """Context manager: yield the axes of a figure, and write the picture at the end; see `open_figure`."""
    with open_figure(path, width, height, dpi) as figure:
        yield figure.subplots()


@contextmanager
def open_figure(path: str, width: float, height: float, dpi: int = 100) -> Iterator[Figure]:
    """Context manager: yield an empty figure, and write the picture at the end.

    Args:
        path: a .png, .svg or .pdf file.
        width: in inches.
        height: in inches.
        dpi: pixels per inch.

    Raises:
        InputError: if the picture cannot be drawn or written.
    """
    check_picture(path)
    picture = io.BytesIO()
    with _new_figure(width, height, dpi) as figure:
        yield figure
        _use_plain_log_labels(figure)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")
            figure.savefig(picture, format=Path(path).suffix[1:])
    write_whole(path, picture.getvalue())


def svg_of(draw: Callable[[Figure], object], width: float, height: float, salt: str) -> str:
    """Draw a figure as SVG with letters as paths; the same `salt`, from which its ids are made, gives the same text."""
    picture = io.StringIO()
    with _new_figure(width, height, dpi=100) as figure:
        import matplotlib

        draw(figure)
        _use_plain_log_labels(figure)
        with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "path"}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")
            figure.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()


@contextmanager
def _new_figure(width: float, height: float, dpi: int) -> Iterator[Figure]:
    """Context manager: yield an empty figure without a window, and close it at the end."""
    import matplotlib

    matplotlib.use("agg")
    logging.getLogger("matplotlib.font_manager").setLevel(logging.CRITICAL)  # fonts that are not installed
    from matplotlib import pyplot

    with matplotlib.rc_context({"text.parse_math": False}):  # a name in the data may contain $
        figure = pyplot.figure(figsize=(width, height), dpi=dpi, layout="constrained")
        try:
            yield figure
        finally:
            pyplot.close(figure)


def _use_plain_log_labels(figure: Figure) -> None:
    """Label logarithmic axes with plain numbers, since their usual labels are formulas, which are not parsed."""
    from matplotlib.ticker import LogFormatter

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatter):
                axis.set_major_formatter(LogFormatter())
            if isinstance(axis.get_minor_formatter(), LogFormatter):
                axis.set_minor_formatter(LogFormatter())
