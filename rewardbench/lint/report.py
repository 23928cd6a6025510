"""Print the results of the data checks as tables and `key=value` lines."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rewardbench.console.terminal import make_console, printable
from rewardbench.lint.contamination import Overlap
from rewardbench.lint.run import SHORTCUTS, LintResult, SubsetLint

MOST_ROWS = 100
"""Subsets in a table; --json has all."""
GLARING = 0.65
"""Accuracy of a shortcut, or of its opposite, above which it is marked."""
HEADS = ("n", "longer", "new\nlines", "mark-\ndown", "re-\nfusal", "tf-idf", "over-\nlap", "inter-\naction")
"""Heads of the columns, hyphenated so that a terminal of 80 columns has room for the names of subsets."""


def print_lint(result: LintResult, console: Console | None = None) -> None:
    """Print a table of shortcut accuracies by subset in percent, then `key=value` lines."""
    console = console or make_console()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("accuracy, %", overflow="fold")
    for header in HEADS:
        table.add_column(header, justify="right")
    for name, figures in islice(result.subsets.items(), MOST_ROWS):
        table.add_row(Text(printable(name)), str(figures.n), *_format_shares(figures))
    console.print(Text(f"{result.dataset}@{result.revision}", style="bold"), soft_wrap=True)
    console.print(table)
    _print_omitted(len(result.subsets), "subsets", console)
    for name, value in asdict(result.duplicates).items():
        console.print(Text(f"{name}={value:.4f}" if isinstance(value, float) else f"{name}={value}"))
    for section, pooled in islice(result.sections.items(), MOST_ROWS):
        console.print(Text(f"overlap.{section.lower().replace(' ', '_')}={pooled['overlap']:.4f}"))
    _print_omitted(len(result.sections), "sections", console)
    console.print(Text(f"unusable={result.unusable}"))
    for note in result.notes():
        console.print(Text(f"note: {note}"), soft_wrap=True)


def _print_omitted(rows: int, unit: str, console: Console) -> None:
    """Print how many rows a table leaves out."""
    if rows > MOST_ROWS:
        console.print(Text(f"… and {rows - MOST_ROWS:,} more {unit}: see --json"))


def _format_shares(figures: SubsetLint) -> list[Text]:
    cells: list[Text] = []
    for name in SHORTCUTS:
        if name != "shorter":
            cells.append(_format_share(getattr(figures, name)))
    return cells


def _format_share(value: float) -> Text:
    if value != value:
        return Text("–")
    return Text(f"{100 * value:.1f}", style="red" if max(value, 1 - value) > GLARING else "")


def print_overlap(overlap: Overlap, console: Console | None = None) -> None:
    """Print the hits by subset, then `key=value` lines."""
    console = console or make_console()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("rows of the suite", overflow="fold")
    for header in ("n", "hit", "half covered"):
        table.add_column(header, justify="right")
    for name, counts in islice(overlap.subsets.items(), MOST_ROWS):
        table.add_row(Text(printable(name)), str(counts["n"]), str(counts["hit"]), str(counts["covered"]))
    console.print(table)
    _print_omitted(len(overlap.subsets), "subsets", console)
    for name in ("rows_read", "rows_hit", "n", "hit", "covered", "ngram"):
        console.print(Text(f"{name}={getattr(overlap, name)}"))
    console.print(Text(f"share={overlap.share:.4f}"))
    if overlap.examples:
        console.print(Text(f"examples={','.join(overlap.examples)}"), soft_wrap=True)
