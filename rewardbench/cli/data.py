"""Define `rewardbench data ...`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Argument, Option

from rewardbench.cli.options import Group
from rewardbench.console.terminal import echo, echo_json, make_console
from rewardbench.errors import InputError

data = typer.Typer(
    cls=Group,
    help="List, check, build and upload preference data.",
    no_args_is_help=True,
    context_settings={"token_normalize_func": lambda token: token.replace("-", "_")},
)

Text = str | None
Json = Annotated[bool, Option("--json", help="Print as JSON")]
Dataset = Annotated[str, Argument(help="core, another suite, a Hub id, a folder, or a preference file")]
Label = Literal["best", "meanq", "exact"]


@data.command("list")
def list_command(as_json: Json = False) -> None:
    """List the suites; for core also sections, subsets, counts, version and sha256."""
    from rewardbench.suites.describe import describe, print_catalogue

    found = describe()
    echo_json(found) if as_json else print_catalogue(found)


@data.command("lint")
def lint_command(
    dataset: Dataset,
    split: Annotated[Text, Option("--split", help="Split of the dataset")] = None,
    subset: Annotated[Text, Option("--subset", help="Subset, or configuration of the dataset")] = None,
    revision: Annotated[Text, Option("--dataset_revision", help="Revision of the dataset on the Hub")] = None,
    protocol: Annotated[Text, Option("--protocol", help="Treat a local copy as this suite")] = None,
    max_shortcut: Annotated[
        float | None,
        Option(
            "--max_shortcut", help="Exit 1 if the accuracy of a shortcut, or of its opposite, is higher", min=0.5, max=1
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure shortcut accuracy on each subset, and find empty, duplicate or conflicting rows."""
    from rewardbench.lint.report import print_lint
    from rewardbench.lint.run import exceeding, lint, steps
    from rewardbench.suites import load_suite

    suite = load_suite(dataset, split=split, subset=subset, revision=revision, protocol=protocol)
    with _ticks("linting", steps(suite)) as tick:
        found = lint(suite, tick)
    echo_json(found.to_json()) if as_json else print_lint(found)
    over = exceeding(found, max_shortcut) if max_shortcut is not None else []
    for sentence in over:
        echo(sentence, error=True)
    raise typer.Exit(1 if over else 0)


@data.command("verify")
def verify_command(
    dataset: Annotated[str, Argument(help="core, or a data folder with core/ and checks/")] = "core",
    trust_remote_code: Annotated[
        bool, Option("--trust_remote_code", help="Allow running the programs in a folder other than core")
    ] = False,
    as_json: Json = False,
) -> None:
    """Rerun all checks of the labels: programs, sums, packings, premises, constraints, names."""
    from rewardbench.builders.core import read_core
    from rewardbench.paths import data_dir
    from rewardbench.verifiers import VERIFIERS

    if dataset != "core" and not trust_remote_code:
        raise InputError(
            f"Verifying {dataset} runs the programs in it with your permissions. If you trust its source, pass "
            "--trust_remote_code."
        )
    core = read_core(data_dir() if dataset == "core" else Path(dataset))
    with _ticks("verifying", len(VERIFIERS)) as tick:
        verification = core.verify(tick)
    figures = {
        "verified": verification.pairs,
        "failed": len(verification.failed),
        "skipped": len(verification.skipped),
        "rows": core.size(),
    }
    if as_json:
        echo_json(figures | {"failures": verification.failed, "skips": verification.skipped})
    else:
        for finding in (*verification.failed, *verification.skipped):
            echo(finding)
        echo(_key_values(figures))
    raise typer.Exit(1 if verification.failed else 0)


@data.command("overlap")
def overlap_command(
    training: Annotated[str, Argument(help="Training data: a file, a folder or a Hub id; streamed")],
    suite: Annotated[str, Argument(help="Suite to search for")] = "core",
    ngram: Annotated[int, Option("--ngram", help="Length of matching n-grams, in words", min=3)] = 13,
    max_share: Annotated[
        float | None, Option("--max_share", help="Exit 1 if a larger share of the suite's rows matches", min=0, max=1)
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure contamination: the share of a suite whose n-grams occur in training data."""
    from rewardbench.lint.contamination import find_overlap
    from rewardbench.lint.report import print_overlap
    from rewardbench.suites import load_suite, stream_texts

    with _ticks("reading", None) as tick:
        found = find_overlap(stream_texts(training), load_suite(suite), ngram, tick)
    echo_json(found.to_json()) if as_json else print_overlap(found)
    raise typer.Exit(1 if max_share is not None and found.share > max_share else 0)


@data.command("build")
def build_command(
    name: Annotated[str, Argument(help="core, or a builder: instructions, code, math, logic, knapsack, pink")],
    seed: Annotated[int, Option("--seed", help="Random seed")] = 0,
    fresh: Annotated[
        int | None, Option("--fresh", help="core: generate new mirrors for all generated subsets, with this seed")
    ] = None,
    count: Annotated[
        int | None, Option("--count", help="Number of mirrors; default: as many as in core", min=1)
    ] = None,
    output: Annotated[Path | None, Option("--output", help="Output file (core: data folder)")] = None,
    workers: Annotated[int, Option("--workers", help="Number of processes; does not change the output", min=1)] = 1,
    label: Annotated[
        Label | None, Option("--label", help="knapsack: label sibling states of a tree search by this rule")
    ] = None,
    backend: Annotated[
        str, Option("--backend", help="pink: template, or the URL of an OpenAI-compatible API")
    ] = "template",
    llm: Annotated[str, Option("--llm", help="pink: model name for that API")] = "",
    as_json: Json = False,
) -> None:
    """Build mirrors. The same seed gives the same bytes; an interrupted build resumes."""
    from rewardbench.builders.request import BuildRequest, run_request

    request = BuildRequest(name, seed, fresh, count, output, workers, label, backend, llm)
    with _ticks(f"building {name}", request.total()) as tick:
        figures = run_request(request, tick)
    echo_json(figures) if as_json else echo(_key_values(figures, "\n"))


@data.command("push")
def push_command(
    repo: Annotated[str, Argument(help="Dataset on the Hub: org/name")],
    folder: Annotated[Path | None, Option("--folder", help="Data folder; default: the embedded one")] = None,
    private: Annotated[bool, Option("--private", help="Create a new dataset as private")] = False,
    create_pr: Annotated[bool, Option("--create_pr", help="Open a pull request instead of committing")] = False,
) -> None:
    """Upload the suite with its checks and card to the Hub, after verifying the files."""
    from rewardbench.builders.core import push

    echo(f"pushed={push(folder, repo, private, create_pr)}")


def _ticks(what: str, total: int | None) -> Any:

    from rewardbench.console.progress import Ticks

    return Ticks(what, total, make_console(stderr=True))


def _key_values(figures: Mapping[str, object], between: str = " ") -> str:
    return between.join(f"{name}={value}" for name, value in figures.items())
