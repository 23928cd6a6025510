"""Findings in, words for a terminal out. It computes no figure."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rewardbench.console.terminal import make_console, printable
from rewardbench.lint.contamination import Overlap
from rewardbench.lint.run import SHORTCUTS, Lint, SubsetLint

MOST_ROWS = 100
"""Subsets in a table; --json has all."""
GLARING = 0.65
"""A shortcut, or its opposite, that gets so much right is marked."""


def print_lint(found: Lint, console: Console | None = None) -> None:
    """A table of shortcuts by subset in percent, then `key=value` lines."""
    console = console or make_console()
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    out.add_column("accuracy, %", overflow="fold")
    for header in ("n", "longer", "new\nlines", "mark\ndown", "refu\nsal", "tf-idf", "over\nlap", "inter\naction"):
        out.add_column(header, justify="right")
    for name, figures in islice(found.subsets.items(), MOST_ROWS):
        out.add_row(Text(printable(name)), str(figures.n), *_shares(figures))
    console.print(Text(f"{found.dataset}@{found.revision}", style="bold"), soft_wrap=True)
    console.print(out)
    _print_more(len(found.subsets), "subsets", console)
    for name, value in asdict(found.doubles).items():
        console.print(Text(f"{name}={value:.4f}" if isinstance(value, float) else f"{name}={value}"))
    for section, pooled in islice(found.sections.items(), MOST_ROWS):
        console.print(Text(f"overlap.{section.lower().replace(' ', '_')}={pooled['overlap']:.4f}"))
    _print_more(len(found.sections), "sections", console)
    console.print(Text(f"unusable={found.unusable}"))
    for note in found.notes():
        console.print(Text(f"note: {note}"), soft_wrap=True)


def _print_more(rows: int, what: str, console: Console) -> None:
    """Say how many rows a table leaves out."""
    if rows > MOST_ROWS:
        console.print(Text(f"… and {rows - MOST_ROWS:,} more {what}: see --json"))


def _shares(figures: SubsetLint) -> list[Text]:
    shown = [name for name in SHORTCUTS if name != "shorter"]
    return [_share(getattr(figures, name)) for name in shown]


def _share(value: float) -> Text:
    if value != value:
        return Text("–")
    return Text(f"{100 * value:.1f}", style="red" if max(value, 1 - value) > GLARING else "")


def print_overlap(found: Overlap, console: Console | None = None) -> None:
    """Hits by subset, then `key=value` lines."""
    console = console or make_console()
    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    out.add_column("rows of the suite", overflow="fold")
    for header in ("n", "hit", "half covered"):
        out.add_column(header, justify="right")
    for name, counts in islice(found.subsets.items(), MOST_ROWS):
        out.add_row(Text(printable(name)), *(str(counts[kind]) for kind in ("n", "hit", "covered")))
    console.print(out)
    _print_more(len(found.subsets), "subsets", console)
    for name in ("rows_read", "rows_hit", "n", "hit", "covered", "ngram"):
        console.print(Text(f"{name}={getattr(found, name)}"))
    console.print(Text(f"share={found.share:.4f}"))
    if found.examples:
        console.print(Text(f"examples={','.join(found.examples)}"), soft_wrap=True)
