"""Define `rewardbench data ...`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer import Argument, Option

from rewardbench.cli.options import Group, JsonOption, TextOption
from rewardbench.console.terminal import echo, echo_json, make_console
from rewardbench.errors import InputError
from rewardbench.settings import Pairs

if TYPE_CHECKING:
    from rewardbench.builders.check import CheckedSuite
    from rewardbench.console.progress import StepBar

data = typer.Typer(
    cls=Group,
    help="List, check, build and upload preference data.",
    no_args_is_help=True,
    context_settings={"token_normalize_func": lambda token: token.replace("-", "_")},
)

DatasetArgument = Annotated[str, Argument(help="core, another suite, a Hub id, a folder, or a preference file")]
LabelRule = Literal["best", "meanq", "exact"]
ExportFormat = Literal["trl", "ilql", "rest"]
Side = Literal["chosen", "rejected", "both"]


@data.command("list")
def list_command(as_json: JsonOption = False) -> None:
    """List the suites; for core also sections, subsets, counts, version and sha256."""
    from rewardbench.suites.describe import describe, print_catalogue

    suites = describe()
    if as_json:
        echo_json(suites)
    else:
        print_catalogue(suites)


@data.command("lint")
def lint_command(
    dataset: DatasetArgument,
    split: Annotated[TextOption, Option("--split", help="Split of the dataset")] = None,
    subset: Annotated[TextOption, Option("--subset", help="Only this subset, or configuration of the dataset")] = None,
    revision: Annotated[TextOption, Option("--dataset_revision", help="Revision of the dataset on the Hub")] = None,
    protocol: Annotated[
        TextOption, Option("--protocol", help="Suite whose columns and rules apply to a copy of its data")
    ] = None,
    max_shortcut: Annotated[
        float | None,
        Option("--max_shortcut", help="Exit 1 if a shortcut, or its opposite, is more accurate", min=0.5, max=1),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure shortcut accuracy on each subset, and find empty, duplicate or conflicting rows."""
    from rewardbench.lint.report import print_lint
    from rewardbench.lint.run import exceeding, lint, steps
    from rewardbench.suites import load_suite

    suite = load_suite(dataset, split=split, subset=subset, revision=revision, protocol=protocol)
    with _progress("linting", steps(suite)) as tick:
        report = lint(suite, tick)
    if as_json:
        echo_json(report.to_json())
    else:
        print_lint(report)
    sentences = exceeding(report, max_shortcut) if max_shortcut is not None else []
    for sentence in sentences:
        echo(sentence, error=True)
    raise typer.Exit(1 if sentences else 0)


@data.command("verify")
def verify_labels_command(
    dataset: Annotated[
        str,
        Argument(help="core, core-style, core-hard, core-long, a data folder with checks/, or a file of data perturb"),
    ] = "core",
    suite: Annotated[TextOption, Option("--suite", help="Suite in a data folder; default: core")] = None,
    trust_remote_code: Annotated[
        bool, Option("--trust_remote_code", help="Allow programs in other folders and files to run")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check all labels again: rerun programs, recompute sums and packings, recheck premises, constraints and names."""
    from rewardbench.builders.checked_rows import read_checked_rows
    from rewardbench.builders.request import SUITE_NAMES
    from rewardbench.builders.style import read_any_suite
    from rewardbench.builders.suite_files import data_folder_of
    from rewardbench.verifiers import VERIFIERS

    is_embedded = dataset in SUITE_NAMES
    if not is_embedded and not trust_remote_code:
        raise InputError(
            f"Verifying {dataset} runs the programs in it with your permissions. If you trust its source, pass "
            "--trust_remote_code."
        )
    if not is_embedded and Path(dataset).is_file():
        checked: CheckedSuite = read_checked_rows(Path(dataset))
    else:
        folder = data_folder_of(dataset) if is_embedded else Path(dataset)
        checked = read_any_suite(folder, dataset if is_embedded else suite or "core")
    with _progress("verifying", len(VERIFIERS)) as tick:
        verification = checked.verify(tick)
    counts = {
        "verified": verification.pairs,
        "confirmed": verification.confirmed,
        "failed": len(verification.failed),
        "skipped": len(verification.skipped),
        "rows": checked.size(),
    }
    if as_json:
        echo_json({**counts, "failures": verification.failed, "skips": verification.skipped})
    else:
        for sentence in (*verification.failed, *verification.skipped):
            echo(sentence)
        echo(_join_values(counts, " "))
    raise typer.Exit(1 if verification.failed else 0)


@data.command("overlap")
def overlap_command(
    training: Annotated[str, Argument(help="Training data: a file, a folder or a Hub id; streamed")],
    suite: Annotated[str, Argument(help="Suite whose rows are searched for in the training data")] = "core",
    ngram: Annotated[int, Option("--ngram", help="Length of matching n-grams, in words", min=3)] = 13,
    max_share: Annotated[
        float | None, Option("--max_share", help="Exit 1 if a larger share of the suite's rows matches", min=0, max=1)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure contamination: the share of a suite's rows with n-grams that occur in training data."""
    from rewardbench.lint.contamination import find_overlap
    from rewardbench.lint.report import print_overlap
    from rewardbench.suites import load_suite, stream_texts

    with _progress("reading", None) as tick:
        overlap = find_overlap(stream_texts(training), load_suite(suite), ngram, tick)
    if as_json:
        echo_json(overlap.to_json())
    else:
        print_overlap(overlap)
    raise typer.Exit(1 if max_share is not None and overlap.share > max_share else 0)


@data.command("build")
def build_command(
    name: Annotated[
        str, Argument(help="A suite (core, core-style, core-hard, core-long) or a builder, such as math or pink")
    ],
    seed: Annotated[int, Option("--seed", help="Random seed")] = 0,
    fresh: Annotated[
        int | None, Option("--fresh", help="Of a suite: generate new mirrors for all generated subsets, with this seed")
    ] = None,
    count: Annotated[
        int | None, Option("--count", help="Number of mirrors; default: as many as in core", min=1)
    ] = None,
    output: Annotated[Path | None, Option("--output", help="Output file; of a suite: data folder")] = None,
    workers: Annotated[int, Option("--workers", help="Number of processes; does not change the output", min=1)] = 1,
    label: Annotated[
        LabelRule | None, Option("--label", help="Of knapsack: label sibling states of a tree search by this rule")
    ] = None,
    backend: Annotated[
        str, Option("--backend", help="Of pink: template, or the URL of an OpenAI-compatible API")
    ] = "template",
    llm: Annotated[str, Option("--llm", help="Of pink: name of the model at that API")] = "",
    as_json: JsonOption = False,
) -> None:
    """Generate mirrors. The same seed gives the same bytes; an interrupted build resumes."""
    from rewardbench.builders.request import BuildRequest, run_request

    request = BuildRequest(name, seed, fresh, count, output, workers, label, backend, llm)
    with _progress(f"building {name}", request.total()) as tick:
        values = run_request(request, tick)
    if as_json:
        echo_json(values)
    else:
        echo(_join_values(values, "\n"))


@data.command("export")
def export_command(
    dataset: DatasetArgument,
    output: Annotated[Path, Argument(help="File to write (.jsonl)")],
    to: Annotated[
        ExportFormat,
        Option(
            "--to",
            help="trl: pairs with margins; ilql: completions with rewards; rest: completions above --quantile",
        ),
    ] = "trl",
    result: Annotated[
        TextOption, Option("--result", help="With --to ilql or rest: result (.json) with the rewards")
    ] = None,
    quantile: Annotated[
        float,
        Option("--quantile", help="With --to rest: quantile of all rewards above which rows are written", min=0, max=1),
    ] = 0.9,
    margin_scale: Annotated[
        float, Option("--margin_scale", help="With --to trl: factor by which margins are multiplied", min=0)
    ] = 1.0,
    pairs: Annotated[
        Pairs | None,
        Option(
            "--pairs",
            help="Items from a prompt with several scored completions; default: best-worst",
            metavar="<best-worst|all|best-of-n>",
        ),
    ] = None,
    split: Annotated[TextOption, Option("--split", help="Split of the dataset")] = None,
    subset: Annotated[TextOption, Option("--subset", help="Only this subset, or configuration of the dataset")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write preference data for trainers: pairs with the strength of labels as margins, or completions with rewards."""
    from rewardbench.analysis.trainer_files import check_output, export, write_rows
    from rewardbench.suites import load_suite

    check_output(output, dataset)
    suite = load_suite(dataset, split=split, subset=subset, pairs=pairs)
    exported = export(suite, to, result, quantile, margin_scale)
    write_rows(exported, output)
    values: dict[str, object] = {"rows": len(exported.rows), "left_out": exported.left_out, "file": str(output)}
    if exported.threshold is not None:
        values["threshold"] = round(exported.threshold, 6)
    if as_json:
        echo_json(values)
    else:
        echo(_join_values(values, "\n"))


@data.command("perturb")
def perturb_command(
    dataset: DatasetArgument,
    output: Annotated[Path, Argument(help="File to write (.jsonl)")],
    perturbation: Annotated[
        list[str] | None, Option("--perturbation", help="Perturbation; repeat it for more [default: all]")
    ] = None,
    side: Annotated[Side, Option("--side", help="Which responses are perturbed")] = "both",
    seed: Annotated[int, Option("--seed", help="Random seed")] = 0,
    split: Annotated[TextOption, Option("--split", help="Split of the dataset")] = None,
    subset: Annotated[TextOption, Option("--subset", help="Only this subset, or configuration of the dataset")] = None,
    as_json: JsonOption = False,
) -> None:
    """Change the form of responses but not their meaning; write the rows whose label still passes its check."""
    from rewardbench.analysis.robustness import perturb_suite
    from rewardbench.suites import load_suite
    from rewardbench.verifiers import VERIFIERS

    suite = load_suite(dataset, split=split, subset=subset)
    with _progress("verifying labels", len(VERIFIERS)) as tick:
        perturbed = perturb_suite(suite, perturbation or (), side, seed, tick)
    perturbed.write(output)
    values: dict[str, object] = {
        "rows": len(perturbed.items),
        "verified": sum(perturbed.verified.values()),
        "left_out": sum(perturbed.left_out.values()),
        "file": str(output),
    }
    if as_json:
        echo_json(values)
    else:
        echo(_join_values(values, "\n"))


@data.command("push")
def push_command(
    repo: Annotated[str, Argument(help="Dataset on the Hub: org/name")],
    folder: Annotated[Path | None, Option("--folder", help="Data folder; default: the embedded one")] = None,
    private: Annotated[bool, Option("--private", help="Create a new dataset as private")] = False,
    create_pr: Annotated[bool, Option("--create_pr", help="Open a pull request instead of committing")] = False,
) -> None:
    """Upload the suite with its checks and dataset card to the Hub, after verifying the files."""
    from rewardbench.builders.suite_files import push

    echo(f"pushed={push(folder, repo, private, create_pr)}")


def _progress(description: str, steps: int | None) -> StepBar:
    """Return a progress bar on stderr."""
    from rewardbench.console.progress import StepBar

    return StepBar(description, steps, make_console(stderr=True))


def _join_values(values: Mapping[str, object], separator: str) -> str:
    """Format values as `key=value`."""
    return separator.join(f"{name}={value}" for name, value in values.items())
