"""Print the results of a model on several suites: one table, then `key=value` lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rewardbench.console.terminal import printable
from rewardbench.results.judges import judge_of
from rewardbench.results.report import (
    count_cells,
    interval_cell,
    key_values,
    print_breakdowns,
    print_meanings,
    share_cell,
    slug,
)
from rewardbench.types import Estimate, Result


def print_suites(results: Sequence[Result], console: Console) -> None:
    """Print a title, a table with a block of rows for each suite, `key=value` lines and the notes of each run."""
    first = results[0]
    console.print(Text(printable(f"{first.model} ({first.model_type}) on {len(results)} suites"), style="bold"))
    console.print(suites_table(results))
    print_meanings(results, console)
    for result in results:
        if result.breakdowns:
            console.print(Text(printable(f"{result.suite}, %"), style="bold"))
            print_breakdowns(result, console)
    for line in suites_key_values(results):
        console.print(Text(printable(line)), soft_wrap=True)
    for result in results:
        for note in result.manifest.get("notes", ()):
            console.print(Text(printable(f"note on {result.suite}: {note}")), soft_wrap=True)
        judge = judge_of(result.manifest)
        if judge and judge.stopped:
            warning = f"warning on {result.suite}: {judge.stop_sentence}"
            console.print(Text(printable(warning), style="bold red"), soft_wrap=True)


def suites_key_values(results: Sequence[Result]) -> Iterator[str]:
    """Yield the `key=value` lines of each result, with the name of its suite before the key."""
    for result in results:
        for line in key_values(result):
            yield f"{slug(result.suite)}.{line}"


def suites_table(results: Sequence[Result]) -> Table:
    """Return a table with a row for the score of each suite, followed by a row for each section, in percent.

    The score of a suite is in the column of its headline: mirror accuracy, or the accuracy of items.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for header in ("n", "score\n%", "95 %", "turn\n%", "ties", "un-\nscored", "trun-\ncated"):
        table.add_column(header, justify="right")
    for result in results:
        turns = {turn.name: turn for turn in result.turns}
        table.add_section()
        table.add_row(*_cells(result.suite, result.score, turns.get("score")), style="bold")
        for section in result.mirrors or result.sections:
            table.add_row(*_cells(f" {section.name}", section, turns.get(section.name)))
    return table


def _cells(name: str, estimate: Estimate, turn: Estimate | None) -> list[Text]:
    return [
        Text(printable(name)),
        Text(str(estimate.n)),
        share_cell(estimate),
        interval_cell(estimate),
        share_cell(turn),
        *count_cells(estimate),
    ]
