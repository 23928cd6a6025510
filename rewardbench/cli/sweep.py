"""The command `rewardbench sweep`: parse the plan, run it, and print. Nothing is computed here."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit

from rewardbench.cli.evaluate import draw_fresh
from rewardbench.cli.options import (
    DATA,
    MODEL,
    OUTPUT,
    RUN,
    BatchOptions,
    CountOption,
    DataOptions,
    JsonOption,
    ModelOptions,
    RunOptions,
    SampleOptions,
    TextOption,
    flag,
    with_groups,
)
from rewardbench.cli.process import set_up_scoring
from rewardbench.console.terminal import echo, echo_json, make_console
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewardbench.sweep import PlanLists, RowOutcome, Sweep, SweepPlan

CURVE = "sweep.png"
"""Name of the picture in the folder of results."""


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """Options that name the rows of a sweep."""

    models: Annotated[
        list[str] | None, flag(MODEL, "models", "Models (Hub ids, folders, runs/checkpoint-*)", metavar="<str ...>")
    ] = None
    revisions: Annotated[
        list[str] | None, flag(MODEL, "revisions", "Revisions of each model on the Hub", metavar="<str ...>")
    ] = None
    datasets: Annotated[
        list[str] | None, flag(DATA, "datasets", "Suites, files or Hub ids; default: core", metavar="<str ...>")
    ] = None
    watch: Annotated[
        TextOption, flag(RUN, "watch", "Folder of a training run: score each new checkpoint once it is whole")
    ] = None
    until: Annotated[CountOption, flag(RUN, "until", "With --watch: stop after this many checkpoints", min=1)] = None
    dry_run: Annotated[bool, flag(RUN, "dry_run", "Only print the rows, with sizes, cost and an estimate of hours")] = (
        False
    )
    emit: Annotated[
        TextOption,
        flag(RUN, "emit", "Write the rows as jobs of a scheduler", metavar="<slurm|skypilot|hf-jobs|k8s>"),
    ] = None
    shards: Annotated[CountOption, flag(RUN, "shards", "With --emit: divide each row into this many jobs", min=1)] = (
        None
    )
    output: Annotated[TextOption, flag(OUTPUT, "output", "With --emit: file of the jobs; default: print it")] = None
    output_dir: Annotated[
        TextOption, flag(OUTPUT, "output_dir", "Folder or bucket of results; default: that of the plan, else results/")
    ] = None
    plot: Annotated[
        TextOption,
        flag(OUTPUT, "plot", f"Picture (.png, .svg, .pdf) of scores over steps; default: {CURVE} with the results"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class SweepArguments:
    """All options of `rewardbench sweep`."""

    plan: PlanOptions
    model: ModelOptions
    data: DataOptions
    sample: SampleOptions
    run: RunOptions
    batch: BatchOptions

    def row_options(self) -> dict[str, object]:
        """Return the options that the user set for every row, by their names."""
        values: dict[str, object] = {}
        for group in (self.model, self.data, self.sample, self.run, self.batch):
            for field in fields(group):
                value = getattr(group, field.name)
                if value != field.default:
                    values[field.name] = value
        return values


@with_groups
def sweep_command(
    file: Annotated[
        str | None, Argument(metavar="[FILE]", help="Plan of the sweep (.yaml)", show_default=False)
    ] = None,
    *,
    arguments: SweepArguments,
    as_json: JsonOption = False,
) -> None:
    """Score many checkpoints on many suites: models × revisions × datasets, in one process.

    Rows whose result is stored are skipped, and a sweep that was interrupted continues where it stopped. A row that
    fails is one line, and the others are scored; the exit code is then 1.
    """
    options = arguments.plan
    if options.plot:
        from rewardbench.console.pictures import check_picture

        check_picture(options.plot)
    if options.until and not options.watch:
        raise InputError("--until ends --watch: pass both, or leave it out.")
    if options.watch and options.dry_run:
        raise InputError("--watch finds its rows as they appear: leave out --dry_run.")
    if options.emit is not None:
        _emit(file, arguments, as_json)
        return
    if options.shards or options.output:
        raise InputError("--shards and --output belong to --emit: add it, or leave them out.")
    set_up_scoring()
    from huggingface_hub.utils.tqdm import disable_progress_bars

    from rewardbench.sweep import SweepPlan, build_plan
    from rewardbench.sweep.watch import score_checkpoints

    disable_progress_bars()  # downloads run beside the progress of scoring
    lists, rows = _lists(file, options), arguments.row_options()
    if options.watch:
        sweep = _open(SweepPlan((), lists.output_dir))
        outcomes = score_checkpoints(sweep, lists, rows, options.watch, options.until)
    else:
        sweep = _open(build_plan(lists, rows), is_quiet=options.dry_run)
        sweep.find_stored()
        if options.dry_run:
            _print_estimates(sweep, as_json)
            return
        outcomes = sweep.run()
    _print_outcomes(sweep, outcomes, options.plot, as_json)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise Exit(1)


def _emit(file: str | None, arguments: SweepArguments, as_json: bool) -> None:
    """Print the file of jobs, or write it and print how it is submitted."""
    from rewardbench.paths import home_path, write_whole
    from rewardbench.sweep import build_plan
    from rewardbench.sweep.emit import SUBMIT, emit

    options = arguments.plan
    if options.watch or options.dry_run:
        raise InputError("--emit scores nothing, and --watch and --dry_run write no jobs: pass one of them.")
    target = str(options.emit)
    job, text = emit(build_plan(_lists(file, options), arguments.row_options()), target, options.shards)
    if options.output is None:
        echo(text.rstrip("\n"))
        return
    path = home_path(options.output)
    write_whole(path, text)
    submit = SUBMIT[target].format(path=shlex.quote(str(path)), tasks=len(job.tasks))
    values = {"jobs": str(path), "tasks": len(job.tasks), "merges": len(job.merges), "submit": submit}
    if as_json:
        echo_json(values)
        return
    for name, value in values.items():
        echo(f"{name}={value}")


def _lists(file: str | None, options: PlanOptions) -> PlanLists:
    """Return the lists of the plan: those of the file, replaced by those of the command line."""
    from rewardbench.sweep import PlanLists, read_lists

    lists = read_lists(file) if file else PlanLists()
    for name in ("models", "revisions", "datasets", "output_dir"):
        value = getattr(options, name)
        if value:
            lists = replace(lists, **{name: value})
    return lists


def _open(plan: SweepPlan, is_quiet: bool = False) -> Sweep:
    """Return the sweep of a plan, which logs to stderr unless it is quiet."""
    from rewardbench.sweep import Sweep

    def log(line: str) -> None:
        if not is_quiet:
            echo(line, error=True)

    return Sweep(plan, make_console(stderr=True), log, draw_fresh)


def _print_estimates(sweep: Sweep, as_json: bool) -> None:
    """Print what the rows take."""
    from rewardbench.sweep.estimate import estimate_rows
    from rewardbench.sweep.report import estimate_lines, estimate_table, estimates_json

    estimates = estimate_rows(sweep)
    if as_json:
        echo_json(estimates_json(estimates))
        return
    make_console().print(estimate_table(estimates))
    for line in estimate_lines(estimates):
        echo(line)


def _print_outcomes(sweep: Sweep, outcomes: Sequence[RowOutcome], plot: str | None, as_json: bool) -> None:
    """Draw the curves, and print the table and the counts."""
    from rewardbench.store import LocalStore
    from rewardbench.sweep.report import draw_curves, outcome_lines, outcome_table, outcomes_json

    folder = sweep.store.root if isinstance(sweep.store, LocalStore) else None  # a bucket gets no plot
    picture = plot or (str(folder / CURVE) if folder else "")
    is_drawn = bool(plot or (picture and find_spec("matplotlib"))) and draw_curves(outcomes, picture)
    if as_json:
        echo_json({**outcomes_json(outcomes, sweep.renderings_count), "plot": picture if is_drawn else None})
        return
    make_console().print(outcome_table(outcomes))
    for line in outcome_lines(outcomes, sweep.renderings_count):
        echo(line)
    echo(f"results={sweep.plan.output_dir}")
    if is_drawn:
        echo(f"plot={picture}")
