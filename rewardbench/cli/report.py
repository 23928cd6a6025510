"""Define `rewardbench report RESULT...`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rewardbench.cli.options import DATA, OUTPUT, TextOption, flag
from rewardbench.console.terminal import echo, printable
from rewardbench.errors import InputError
from rewardbench.paths import write_whole

RESULTS_HELP = "Results of one model, one for each suite: the .json that rewardbench writes"


def report_command(
    results: Annotated[list[str], typer.Argument(help=RESULTS_HELP)],
    baseline: Annotated[
        list[str] | None, flag(DATA, "baseline", "Result of the model to compare with; repeat it for more suites")
    ] = None,
    include: Annotated[
        list[str] | None,
        flag(DATA, "include", "Report that rewardbench analyze wrote (.json), such as that of robustness; repeatable"),
    ] = None,
    misses: Annotated[int, flag(OUTPUT, "misses", "Number of missed items to show for each suite", min=0)] = 20,
    output: Annotated[TextOption, flag(OUTPUT, "output", "HTML file; default: the first result's name with .html")] = (
        None
    ),
) -> None:
    """Write one self-contained HTML page about a model: scores, calibration, bias, wrong items and manifest."""
    from rewardbench.analysis.page import collect, render_page

    path = Path(output) if output else Path(results[0]).with_suffix(".html")
    if path.suffix != ".html":
        raise InputError(f"--output {path} must end with .html.")
    content = collect(results, baseline or (), include or (), misses)
    page = render_page(content)
    write_whole(path, page)
    for suite in content.suites:
        name = printable(suite.scored.suite.name or "unnamed")
        echo(f"{printable(content.model)} on {name}: {suite.num_missed:,} of {suite.num_labelled:,} items missed")
        for omitted, reason in suite.omitted.items():
            echo(f"note: no {omitted}: {reason}")
    echo(f"html={path}\nbytes={len(page.encode('utf-8', 'replace'))}")
