"""A Result in, words for a terminal out. It computes no figure."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rewardbench import results
from rewardbench.console.terminal import printable
from rewardbench.errors import InputError
from rewardbench.types import Estimate, Result

PREFIXES = {"pair": "section", "mirror": "mirror"}
"""What a section's figure by a metric is called in `key=value` lines: accuracy of items, or of whole mirrors."""
MOST_ROWS = 200
"""Sections and subsets that are printed; the JSON file has all."""
WIDTH = 80
"""Columns of the picture; the table fits in them."""


def table(result: Result) -> Table:
    """Each section with its subsets, then the totals; shares in percent.

    The interval is that of the accuracy, and in the last row that of the score. Of more than `MOST_ROWS` sections and
    subsets the first are shown.
    """
    mirrors = {mirror.name: mirror for mirror in result.mirrors}
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    out.add_column("", overflow="fold")
    for header in ("n", "acc. %", "95 %", *(["mirror %"] if mirrors else []), "ties", "un-\nscored", "trun-\ncated"):
        out.add_column(header, justify="right")
    figures = list(_sections_with_subsets(result))
    for figure, is_section in figures[:MOST_ROWS]:
        name, mirror = (figure.name, mirrors.get(figure.name)) if is_section else (f"  {figure.name}", None)
        out.add_row(*_cells(name, figure, mirror, bool(mirrors)), style="bold" if is_section else None)
    out.add_section()
    out.add_row(*_cells("all pairs" if mirrors else "all items", result.accuracy, None, bool(mirrors)))
    out.add_row(*_score_cells(result.score, bool(mirrors)), style="bold")
    return out


def _sections_with_subsets(result: Result) -> Iterator[tuple[Estimate, bool]]:
    """Yield each section (True), and after it its subsets (False); a subset that is its own section is not repeated."""
    subsets: dict[str, list[Estimate]] = {}
    for subset in result.subsets:
        subsets.setdefault(subset.section, []).append(subset)
    for section in result.sections:
        yield section, True
        for subset in subsets.get(section.name, ()):
            if subset.name != section.name:
                yield subset, False


def print_result(result: Result, console: Console) -> None:
    """Print a title, the table, `key=value` lines for scripts, and the notes of the run."""
    _print_table(result, console)
    for line in key_values(result):
        _print(console, line)
    for note in result.manifest.get("notes", ()):
        _print(console, f"note: {note}")


def _print_table(result: Result, console: Console) -> None:
    _print(console, f"{result.model} ({result.model_type}) on {result.suite}@{_short(result.revision)}", style="bold")
    console.print(table(result))
    left_out = sum(1 for _ in _sections_with_subsets(result)) - MOST_ROWS
    if left_out > 0:
        _print(console, f"… and {left_out:,} more sections and subsets, in the JSON file")


def key_values(result: Result) -> Iterator[str]:
    """Yield the figures as `key=value` lines: shares from 0 to 1 with four decimals, `nan` if unscored.

    `n` counts items with a preference; the counts are of items. `computed` counts the texts whose score was not known.
    Of more than `MOST_ROWS` sections the first have a line, and `more_sections` counts the others.
    """
    accuracy = result.accuracy
    shares = {"score": result.score.value, "score_low": result.score.low, "score_high": result.score.high}
    for name, share in (shares | {"accuracy": accuracy.value}).items():
        yield f"{name}={_decimal(share)}"
    for name in ("n", "ties", "unscored", "truncated"):
        yield f"{name}={getattr(accuracy, name)}"
    if "session" in result.manifest:
        yield f"computed={result.manifest['session']['computed']}"
    for metric, estimates in (("pair", result.sections), ("mirror", result.mirrors)):
        prefix = PREFIXES[metric]
        for estimate in estimates[:MOST_ROWS]:
            yield f"{prefix}.{slug(estimate.name)}={_decimal(estimate.value)}"
        if len(estimates) > MOST_ROWS:
            yield f"more_{prefix}s={len(estimates) - MOST_ROWS}"
    for estimate in result.gap:
        yield f"built.{estimate.name}={_decimal(estimate.value)}"
    for estimate in result.gap[2:]:
        yield f"built.gap_low={_decimal(estimate.low)}"
        yield f"built.gap_high={_decimal(estimate.high)}"


def to_json(result: Result) -> dict[str, Any]:
    """Return the same figures as JSON values: the summary that a store keeps, with the notes."""
    return results.to_json(result) | {"notes": list(result.manifest.get("notes", ()))}


def save_svg(result: Result, path: str | Path) -> None:
    """Render the title and the table as SVG, 80 columns wide, without fonts of other hosts."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    _print_table(result, console)
    svg = re.sub(r"@font-face\s*{[^}]*}", "", console.export_svg(title="rewardbench"))
    try:
        Path(path).write_text(svg, encoding="utf-8")
    except OSError as error:
        raise InputError(f"The picture cannot be written to {path}: {error.strerror}.") from error


def slug(name: str) -> str:
    """Return a name that a script can match.

    >>> slug("Chat Hard")
    'chat_hard'
    """
    return re.sub(r"\W+", "_", name.lower()).strip("_")


def _short(revision: str) -> str:
    return re.sub(r"[0-9a-f]{40,}", lambda commit: commit[0][:12], revision)


def _cells(name: str, figure: Estimate, mirror: Estimate | None, with_mirrors: bool) -> list[Text]:
    middle = [_share(mirror)] if with_mirrors else []
    return [Text(printable(name)), Text(str(figure.n)), _share(figure), _interval(figure), *middle, *_counts(figure)]


def _score_cells(score: Estimate, with_mirrors: bool) -> list[Text]:
    """Return the column of the score: that of mirrors if there are any."""
    shares = [Text(""), _interval(score), _share(score)] if with_mirrors else [_share(score), _interval(score)]
    return [Text("score"), Text(str(score.n)), *shares, *_counts(score)]


def _share(figure: Estimate | None) -> Text:
    if figure is None:
        return Text("")
    return Text("–" if figure.value is None else f"{100 * figure.value:.1f}")


def _interval(figure: Estimate) -> Text:
    if figure.low is None or figure.high is None:
        return Text("")
    return Text(f"{100 * figure.low:.1f}–{100 * figure.high:.1f}", style="dim")


def _counts(figure: Estimate) -> list[Text]:
    marks = ((figure.ties, ""), (figure.unscored, "yellow"), (figure.truncated, "yellow"))
    return [Text(str(count), style=mark if count else "dim") for count, mark in marks]


def _decimal(share: float | None) -> str:
    return "nan" if share is None else f"{share:.4f}"


def _print(console: Console, line: str, style: str | None = None) -> None:
    """Print one line as it is: no markup, no highlighting, no line breaks of ours."""
    console.print(Text(printable(line), style=style or ""), soft_wrap=True)
