"""Define `rewardbench reproduce`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rewardbench.cli import options
from rewardbench.cli.options import (
    DATA,
    MODEL,
    OUTPUT,
    RUN,
    BatchOptions,
    CountOption,
    DataOptions,
    ModelOptions,
    RunOptions,
    TextOption,
    flag,
)
from rewardbench.cli.process import set_up_scoring
from rewardbench.console.tables import add_text_row, make_table
from rewardbench.console.terminal import echo, echo_json, make_console, printable
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from rewardbench.doctor.reproduce import DifferingItem, Reproduction
    from rewardbench.doctor.trials import Trial

PUBLISHED_HELP = (
    "Published result with a score per item: a file of any version of rewardbench, or hf://datasets/org/name/PATH"
)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Options of the comparison and of the search for a cause."""

    limit: Annotated[CountOption, flag(DATA, "limit", "Compare only the first published items", min=1)] = None
    max_items: Annotated[
        int, flag(RUN, "max_items", "Items on which settings are tried, those that differ most first", min=1)
    ] = 32
    seed: Annotated[int, flag(RUN, "seed", "Random seed of the other items among them")] = 0
    tolerance: Annotated[
        float | None,
        flag(RUN, "tolerance", "Largest accepted difference of a score; default: 1e-4 of the largest score", min=0.0),
    ] = None
    examples: Annotated[int, flag(OUTPUT, "examples", "Number of differing items to print", min=0)] = 5
    output: Annotated[TextOption, flag(OUTPUT, "output", "Write the differing items to a .jsonl file")] = None
    as_json: Annotated[bool, flag(OUTPUT, "json", "Print the report as JSON")] = False


@options.with_groups
def reproduce_command(
    *,
    published: Annotated[str, typer.Argument(help=PUBLISHED_HELP)],
    model: Annotated[str, flag(MODEL, "model", "Hub id or folder of the model, tiny-rm, or tiny-dpo")],
    dataset: Annotated[TextOption, flag(DATA, "dataset", "The data that was scored; default: by the result")] = None,
    model_options: ModelOptions,
    data: DataOptions,
    run: RunOptions,
    batch: BatchOptions,
    search: SearchOptions,
) -> None:
    """Compare a published result with a fresh run, item by item, and find the setting that explains a difference.

    Exit code 0 if the run reproduces the published scores, 1 if it does not, whether or not a cause is found.
    """
    if search.output and Path(search.output).suffix != ".jsonl":
        raise InputError(f"--output {search.output} must end with .jsonl.")
    set_up_scoring()

    from rewardbench.doctor.reproduce import ReproduceSettings, reproduce
    from rewardbench.settings import Settings

    settings = Settings(
        options.model_spec(model, model_options, run),
        dataset=dataset or "",
        **asdict(data),
        limit=search.limit,
        batch_size=batch.batch_size,
        batch_tokens=batch.batch_tokens,
        num_processes=batch.num_processes,
        cache=not batch.no_cache,
    )
    report = reproduce(
        ReproduceSettings(settings, published, search.max_items, search.seed, search.tolerance),
        make_console(stderr=True),
    )
    if search.output:
        _write(report, Path(search.output))
    if search.as_json:
        echo_json(report.to_json())
    else:
        _print_report(report, search.examples)
    raise typer.Exit(report.exit_code)


def _write(report: Reproduction, path: Path) -> None:
    """Write the differing items, the largest differences first."""
    from rewardbench.results.row_files import JsonLinesFile

    with JsonLinesFile(path) as file:
        for item in report.differing:
            file.add(asdict(item))


def _print_report(report: Reproduction, examples: int) -> None:
    """Print the verdict, the items that differ most, the nearest settings, and `key=value` lines."""
    echo(printable(report.verdict))
    if report.differing and examples:
        _print_items(report.differing[:examples])
    trials = [trial for trial in report.trials if trial.agreement is not None]
    if trials:
        _print_trials(sorted(trials, key=lambda trial: (not trial.exact, trial.loss))[:8])
    for name, value in report.key_values().items():
        echo(f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={printable(value)}")
    for note in report.notes:
        echo(f"note: {printable(note)}")


def _print_items(items: tuple[DifferingItem, ...]) -> None:
    table = make_table("item", "subset", "published", "this run", "max |Δ|", "decision", right_from=2)
    for item in items:
        decision = "same" if item.same_decision else "differs"
        published, fresh = map(_numbers, (item.published, item.fresh))
        cells = (printable(item.id), printable(item.subset), published, fresh, f"{item.max_abs_diff:.3g}", decision)
        add_text_row(table, *cells)
    make_console().print(table)


def _numbers(scores: tuple[float, ...]) -> str:
    return ", ".join(f"{score:.5g}" for score in scores)


def _print_trials(trials: list[Trial]) -> None:
    table = make_table("setting", "agree", "median |Δ|", "max |Δ|")
    for trial in trials:
        if trial.agreement is None:
            continue
        figures = trial.agreement
        add_text_row(
            table,
            printable(trial.describe()),
            f"{figures.within} of {figures.items}",
            f"{figures.median_abs_diff:.2g}",
            f"{figures.max_abs_diff:.2g}",
            style="bold" if trial.exact else None,
        )
    make_console().print(table)
