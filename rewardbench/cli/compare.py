"""Define `rewardbench compare A B [C ...]`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rewardbench.cli.options import DATA, OUTPUT, JsonOption, TextOption, flag
from rewardbench.console.tables import add_text_row, make_table
from rewardbench.console.terminal import echo, echo_json, listed, make_console, printable
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from rewardbench.comparison.compare import Comparison, Contrast, Flip
    from rewardbench.comparison.rank import RankedModel

RESULT_HELP = "Result: the .json that rewardbench writes (any version), or per-item scores in .jsonl"
MetricOption = Annotated[
    Literal["pair", "mirror", "turn"] | None,
    flag(DATA, "metric", "pair: accuracy; mirror: mirror accuracy; turn: turn accuracy; default: that of the score"),
]
PlotOption = Annotated[TextOption, flag(OUTPUT, "plot", "Save a plot: .png, .svg or .pdf")]

MAX_ROWS = 200
"""Maximum number of sections in a table; --json has all."""


def compare_command(
    results: Annotated[list[str], typer.Argument(help=RESULT_HELP)],
    suite: Annotated[
        TextOption, flag(DATA, "suite", "Compare only the results on this suite: its name, or NAME@REVISION")
    ] = None,
    metric: MetricOption = None,
    examples: Annotated[int, flag(OUTPUT, "examples", "Number of disagreements to print", min=0)] = 3,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two models by section (difference, 95% CI, p-value), or rank several.

    Differences are the second model minus the first, paired by item and clustered by template or mirror. Of a folder
    with results on several suites, --suite takes those on one.
    """
    from rewardbench.comparison import plots
    from rewardbench.comparison.compare import compare
    from rewardbench.comparison.rank import rank
    from rewardbench.comparison.selection import read_of_suite

    if len(results) < 2:
        raise InputError("There is only one result: pass two or more to compare.")
    models, others = read_of_suite(results, suite)
    if others:
        echo(f"{len(others)} results of other suites were left out: {listed(others, 5)}.", error=True)
    if len(models) > 2:
        ranked_models = rank(models, metric)
        if plot:
            plots.draw_ranks(ranked_models, plot)
        if as_json:
            echo_json(list(map(asdict, ranked_models)))
        else:
            _print_ranks(ranked_models)
            _print_plot(plot)
        return
    comparison = compare(models[0], models[1], metric)
    if plot:
        plots.draw_comparison(comparison, plot)
    if as_json:
        echo_json(_comparison_json(comparison))
    else:
        _print_comparison(comparison, examples)
        _print_plot(plot)


def _print_plot(path: str | None) -> None:
    """Print where the plot is, if one was drawn."""
    if path:
        echo(f"plot={path}")


def _comparison_json(comparison: Comparison) -> dict[str, object]:
    """Return a comparison as plain JSON values; flips have item ids, without texts."""
    flips = []
    for flip in comparison.flips:
        flips.append(
            {
                "id": flip.item.id,
                "subset": flip.item.subset,
                "section": flip.section,
                "better": flip.better,
                "margins": flip.margins,
            }
        )
    values = {**asdict(replace(comparison, flips=())), "flips": flips}
    if not any(comparison.protocols):
        del values["protocols"]  # neither is a judge
    return values


def comparison_values(comparison: Comparison) -> dict[str, object]:
    """Return the numbers for the `key=value` lines."""
    score = comparison.score
    better = [flip.better for flip in comparison.flips]
    order = dict(zip(("first", "second"), comparison.order_inconsistency, strict=True))
    pairwise = {f"{name}_order_inconsistency": share for name, share in order.items() if share is not None}
    return {
        "metric": comparison.metric,
        "first": score.first,
        "second": score.second,
        "difference": score.difference,
        "low": score.low,
        "high": score.high,
        "p": score.p,
        "detectable": score.detectable,
        "clusters": score.clusters,
        "wins": score.wins,
        "losses": score.losses,
        "n": comparison.items,
        "flips_to_first": better.count("first"),
        "flips_to_second": better.count("second"),
        **pairwise,
        **_name_protocols(comparison),
    }


def _name_protocols(comparison: Comparison) -> dict[str, str]:
    """Return the protocols of judges, by the names under which they are printed."""
    protocols = dict(zip(("first_protocol", "second_protocol"), comparison.protocols, strict=True))
    return {name: printable(protocol) for name, protocol in protocols.items() if protocol}


def _format_value(name: str, value: object) -> str:
    """Format a number with four decimals; a very small p in scientific notation, since no p is 0."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1e}" if name == "p" and 0 < value < 0.0001 else f"{value:.4f}"


def _print_comparison(comparison: Comparison, examples: int) -> None:
    """Print the table of sections, the minimum detectable effect, some flips, and `key=value` lines."""
    from rewardbench.comparison.compare import power_sentence
    from rewardbench.comparison.gate import MEASURES

    first, second = printable(comparison.first), printable(comparison.second)
    suite = printable(comparison.suite or "their items")
    first_label = first + _label("first", comparison.protocols[0])
    second_label = second + _label("second", comparison.protocols[1])
    echo(f"{second_label} against {first_label} on {suite}, by {MEASURES[comparison.metric]}")
    table = make_table("%", "n", "first", "second", "diff.", "95% CI", "wins", "losses", "p (Holm)")
    for section in comparison.sections[:MAX_ROWS]:
        add_text_row(table, *_cells(section, section.adjusted))
    table.add_section()
    add_text_row(table, *_cells(comparison.score, comparison.score.p), style="bold")
    make_console().print(table)
    if len(comparison.sections) > MAX_ROWS:
        echo(f"… and {len(comparison.sections) - MAX_ROWS:,} more sections: see --json")
    echo(power_sentence(comparison.score))
    if all(comparison.protocols) and len(set(comparison.protocols)) == 2:
        echo("note: the judges have different protocols, so the difference is that of judge and protocol together.")
    for flip in comparison.flips[:examples]:
        _print_flip(flip, comparison)
    for name, value in comparison_values(comparison).items():
        echo(f"{name}={_format_value(name, value)}")


def _label(position: str, protocol: str) -> str:
    """Return the position of a model in a comparison, with its protocol if it is a judge."""
    return f" ({position}, protocol {printable(protocol)})" if protocol else f" ({position})"


def _cells(contrast: Contrast, p: float) -> list[str]:
    """Return the row of a section, or of the score."""
    return [
        printable(contrast.name),
        str(contrast.clusters),
        f"{100 * contrast.first:.1f}",
        f"{100 * contrast.second:.1f}",
        f"{100 * contrast.difference:+.1f}",
        f"{100 * contrast.low:+.1f} … {100 * contrast.high:+.1f}",
        str(contrast.wins),
        str(contrast.losses),
        f"{p:.2g}",
    ]


def _print_flip(flip: Flip, comparison: Comparison) -> None:
    """Print an item that only one of the models gets right."""
    from rewardbench.results.browse import decimal, excerpt

    better = comparison.first if flip.better == "first" else comparison.second
    margins = ", ".join(map(decimal, flip.margins))
    echo(
        f"\n{printable(flip.item.id)} ({printable(flip.section)}): only {printable(better)} is correct; "
        f"margins {margins}"
    )
    echo(excerpt(flip.item))


def _print_ranks(ranked_models: Sequence[RankedModel]) -> None:
    """Print the range of ranks of each model."""
    from rewardbench.stats import format_rank

    table = make_table("model", "rank", "score %", "95% CI", "significantly better")
    for ranked in ranked_models:
        better = ", ".join(map(printable, ranked.better)) or "none"
        score, interval = f"{100 * ranked.score:.1f}", f"{100 * ranked.low:.1f}–{100 * ranked.high:.1f}"
        add_text_row(table, printable(ranked.model), format_rank(ranked.rank_range), score, interval, better)
    make_console().print(table)
    for ranked in ranked_models:
        echo(f"rank.{printable(ranked.model)}={format_rank(ranked.rank_range, '-')}")
