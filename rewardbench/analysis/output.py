"""Write the files of a report: NAME.json, and NAME.png if there is a picture."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from rewardbench.analysis.report import Report
from rewardbench.console.pictures import open_figure
from rewardbench.console.strict_json import dump
from rewardbench.paths import write_whole

DPI = 150


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
        if find_spec("matplotlib") is None:
            files["figure"] = "none: pip install 'rewardbench[plot]'"
        else:
            files["figure"] = draw_report(report, folder / f"{stem}.png")
    return files


def draw_report(report: Report, path: Path) -> str:
    """Draw the picture of a report, and return its path."""
    assert report.draw is not None
    with open_figure(str(path), *report.size, dpi=DPI) as figure:
        report.draw(figure)
    return str(path)
