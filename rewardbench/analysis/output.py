"""Write the files of a report: NAME.json, and NAME.png if there is a picture."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

from rewardbench.analysis.report import Report
from rewardbench.console.pictures import open_figure, svg_of
from rewardbench.console.strict_json import dump
from rewardbench.errors import InputError
from rewardbench.paths import write_whole

DPI = 150
_NOT_DRAWN = re.compile("<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)
"""Parts of an SVG file that an element of a page does not need; its style would apply to the page."""


def check_folder(folder: Path) -> None:
    """Check that files can be written into a folder, which need not exist, before an analysis takes its time.

    Raises:
        InputError: if they cannot.
    """
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"Reports cannot be written to {folder}: {place} is not a folder that you can write to.")


def write_report(report: Report, folder: Path, settings: dict[str, object]) -> dict[str, str]:
    """Write a report into a folder, which is made if it does not exist.

    Args:
        report: the report.
        folder: where the files are written.
        settings: the command's options, which the JSON file records.

    Returns:
        The path of each file by its kind, `report` and `figure`; `figure` says why if matplotlib is not installed.

    Raises:
        InputError: if a file cannot be written.
    """
    from importlib.metadata import version

    folder.mkdir(parents=True, exist_ok=True)
    stem = report.name.replace("-", "_")
    content = {**report.to_json(), "settings": settings, "rewardbench": version("rewardbench")}
    path = folder / f"{stem}.json"
    write_whole(path, dump(content, indent=2).encode())
    files = {"report": str(path)}
    if report.draw is not None:
        if has_matplotlib():
            files["figure"] = draw_report(report, folder / f"{stem}.png")
        else:
            files["figure"] = "none: pip install 'rewardbench[plot]'"
    return files


def has_matplotlib() -> bool:
    """Return True if pictures can be drawn."""
    return find_spec("matplotlib") is not None


def to_svg(report: Report) -> str:
    """Draw the picture of a report as an SVG element for an HTML page.

    Letters are drawn as paths, so that the picture needs no font. The ids in it start with the name of the report and
    its values, so that a page may hold several pictures.
    """
    assert report.draw is not None
    salt = f"{report.name} {sorted(report.values.items())}"
    svg = svg_of(report.draw, *report.size, salt=salt)
    start, content = _NOT_DRAWN.sub("", svg[svg.index("<svg") :]).split(">", 1)
    view_box = re.search(r'viewBox="[-.\d ]+"', start)
    assert view_box is not None
    return f"<svg {view_box[0]}>{content}"


def draw_report(report: Report, path: Path) -> str:
    """Draw the picture of a report, and return its path."""
    assert report.draw is not None
    with open_figure(str(path), *report.size, dpi=DPI) as figure:
        report.draw(figure)
    return str(path)
