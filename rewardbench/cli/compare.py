"""Define `rewardbench compare A B [C ...]`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

import typer

from rewardbench.cli.options import DATA, OUTPUT, Text, flag
from rewardbench.console.terminal import echo, echo_json, make_console, printable
from rewardbench.errors import InputError

RESULTS_HELP = "Result: the .json that rewardbench writes (any version), or per-item scores in .jsonl"
MetricFlag = Annotated[
    Literal["pair", "mirror"] | None,
    flag(DATA, "metric", "pair: accuracy; mirror: mirror accuracy; default: that of the score"),
]
Plot = Annotated[Text, flag(OUTPUT, "plot", "Save a plot: .png, .svg or .pdf")]
Json = Annotated[bool, flag(OUTPUT, "json", "Print as JSON")]

MOST_ROWS = 200
"""Maximum number of sections in a table; --json has all."""


def compare_command(
    results: Annotated[list[str], typer.Argument(help=RESULTS_HELP)],
    metric: MetricFlag = None,
    examples: Annotated[int, flag(OUTPUT, "examples", "Number of disagreements to print", min=0)] = 3,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Compare two models by section (difference, 95% CI, p-value), or rank several.

    Differences are the second model minus the first, paired by item and clustered by mirror.
    """
    from rewardbench.comparison import plots
    from rewardbench.comparison.compare import compare, rank
    from rewardbench.results.scored import read_scored

    if len(results) < 2:
        raise InputError("There is only one result: pass two or more to compare.")
    models = [read_scored(path) for path in results]
    if len(models) > 2:
        standings = rank(models, metric)
        if plot:
            plots.draw_ranks(standings, plot)
        echo_json([asdict(one) for one in standings]) if as_json else _print_ranks(standings)
        return
    found = compare(models[0], models[1], metric)
    if plot:
        plots.draw_comparison(found, plot)
    if as_json:
        echo_json(_plain(found))
        return
    _print_comparison(found)
    for flip in found.flips[:examples]:
        _print_flip(flip, found)
    for name, value in key_values(found).items():
        echo(f"{name}={_figure(name, value)}")


def _figure(name: str, value: Any) -> str:
    """Format a number with four decimals; a very small p in scientific notation, since no p is 0."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1e}" if name == "p" and 0 < value < 0.0001 else f"{value:.4f}"


def _plain(found: Any) -> dict[str, Any]:
    """Return a comparison as plain JSON values; disagreements have item ids only."""
    flips = [
        {
            "id": flip.item.id,
            "subset": flip.item.subset,
            "section": flip.section,
            "better": flip.better,
            "margins": flip.margins,
        }
        for flip in found.flips
    ]
    return {**asdict(replace(found, flips=())), "flips": flips}


def key_values(found: Any) -> dict[str, Any]:
    """Return the numbers for the `key=value` lines."""
    whole = found.score
    figures = {"metric": found.metric, "first": whole.first, "second": whole.second}
    figures |= {"difference": whole.difference, "low": whole.low, "high": whole.high, "p": whole.p}
    figures |= {"detectable": whole.detectable, "clusters": whole.clusters, "wins": whole.wins, "losses": whole.losses}
    return figures | {
        "n": found.items,
        "flips_to_first": sum(flip.better == "first" for flip in found.flips),
        "flips_to_second": sum(flip.better == "second" for flip in found.flips),
    }


def _table(*headers: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for n, header in enumerate(headers):
        out.add_column(header, justify="right" if n else "left", overflow="fold")
    return out


def _print_comparison(found: Any) -> None:
    from rich.text import Text as Cell

    from rewardbench.comparison.compare import power_sentence
    from rewardbench.comparison.gate import MEASURES

    second, first, suite = map(printable, (found.second, found.first, found.suite or "their items"))
    echo(f"{second} (second) against {first} (first) on {suite}, by {MEASURES[found.metric]}")
    out = _table("%", "n", "first", "second", "diff.", "95% CI", "wins", "losses", "p (Holm)")
    for one in found.sections[:MOST_ROWS]:
        out.add_row(*map(Cell, _cells(one, one.adjusted)))
    out.add_section()
    out.add_row(*map(Cell, _cells(found.score, found.score.p)), style="bold")
    make_console().print(out)
    if len(found.sections) > MOST_ROWS:
        echo(f"… and {len(found.sections) - MOST_ROWS:,} more sections: see --json")
    echo(power_sentence(found.score))


def _cells(one: Any, p: float) -> list[str]:
    shares = [f"{100 * one.first:.1f}", f"{100 * one.second:.1f}", f"{100 * one.difference:+.1f}"]
    interval = f"{100 * one.low:+.1f} … {100 * one.high:+.1f}"
    return [printable(one.name), str(one.clusters), *shares, interval, str(one.wins), str(one.losses), f"{p:.2g}"]


def _print_flip(flip: Any, found: Any) -> None:
    from rewardbench.results.browse import decimal, excerpt

    better = found.first if flip.better == "first" else found.second
    margins = ", ".join(map(decimal, flip.margins))
    what = f"{printable(flip.item.id)} ({printable(flip.section)})"
    echo(f"\n{what}: only {printable(better)} is correct; margins {margins}")
    echo(excerpt(flip.item))


def _print_ranks(standings: Any) -> None:
    """Print ranks; models that no model is significantly better than share rank 1."""
    from rich.text import Text as Cell

    out = _table("model", "rank", "score %", "95% CI", "significantly better")
    for one in standings:
        shares = f"{100 * one.score:.1f}", f"{100 * one.low:.1f}–{100 * one.high:.1f}"
        better = ", ".join(map(printable, one.better)) or "none"
        out.add_row(*map(Cell, (printable(one.model), str(one.rank), *shares, better)))
    make_console().print(out)
    for one in standings:
        echo(f"rank.{printable(one.model)}={one.rank}")
