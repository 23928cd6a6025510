"""`rewardbench data ...`: arguments in, words and figures out; nothing is computed here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Argument, Option

from rewardbench.cli.options import Group
from rewardbench.console.terminal import echo, echo_json, make_console
from rewardbench.errors import InputError

data = typer.Typer(
    cls=Group,
    help="Preference data: what is there, what it gives away, whether it is right, and how it is built.",
    no_args_is_help=True,
    context_settings={"token_normalize_func": lambda token: token.replace("-", "_")},
)

Text = str | None
Json = Annotated[bool, Option("--json", help="Print the figures as JSON")]
Dataset = Annotated[str, Argument(help="core, a suite, a Hub id, a folder, or a file with preferences")]
Label = Literal["best", "meanq", "exact"]


@data.command("list")
def list_command(as_json: Json = False) -> None:
    """The suites, and of core its sections, subsets, counts, version and sha256."""
    from rewardbench.suites.describe import describe, print_catalogue

    found = describe()
    echo_json(found) if as_json else print_catalogue(found)


@data.command("lint")
def lint_command(
    dataset: Dataset,
    split: Annotated[Text, Option("--split", help="Split of the data")] = None,
    subset: Annotated[Text, Option("--subset", help="One subset, or one configuration of the data")] = None,
    revision: Annotated[Text, Option("--dataset_revision", help="Revision of the data on the Hub")] = None,
    protocol: Annotated[Text, Option("--protocol", help="Read a local copy as this suite")] = None,
    max_shortcut: Annotated[
        float | None, Option("--max_shortcut", help="Exit 1 if a shortcut, or its opposite, beats this", min=0.5, max=1)
    ] = None,
    as_json: Json = False,
) -> None:
    """What a shortcut reaches on each subset, and rows that are empty, double or in conflict."""
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
        bool, Option("--trust_remote_code", help="Run the programs of a folder that is not core")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run every check again: programs, sums, packings, premises, constraints, names; on all four cells."""
    from rewardbench.builders.core import read_core
    from rewardbench.paths import data_dir
    from rewardbench.verifiers import VERIFIERS

    if dataset != "core" and not trust_remote_code:
        raise InputError(
            f"To verify {dataset} is to run the programs in it, with your rights: pass --trust_remote_code if you "
            "trust where it came from."
        )
    core = read_core(data_dir() if dataset == "core" else Path(dataset))
    with _ticks("verifying", len(VERIFIERS)) as tick:
        found = core.verify(tick)
    figures = {"verified": found.pairs, "failed": len(found.failed), "skipped": len(found.skipped), "rows": core.size()}
    if as_json:
        echo_json(figures | {"failures": found.failed, "skips": found.skipped})
    else:
        for finding in (*found.failed, *found.skipped):
            echo(finding)
        echo(_key_values(figures))
    raise typer.Exit(1 if found.failed else 0)


@data.command("overlap")
def overlap_command(
    training: Annotated[str, Argument(help="Training data: a file, a folder or a Hub id; read in a stream")],
    suite: Annotated[str, Argument(help="The suite that should not be in it")] = "core",
    ngram: Annotated[int, Option("--ngram", help="Words in a row that must be the same", min=3)] = 13,
    max_share: Annotated[
        float | None, Option("--max_share", help="Exit 1 if more of the suite's rows are hit", min=0, max=1)
    ] = None,
    as_json: Json = False,
) -> None:
    """How much of a suite stands in a training set: shared runs of words, in bounded memory."""
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
    seed: Annotated[int, Option("--seed", help="Of the draw")] = 0,
    fresh: Annotated[int | None, Option("--fresh", help="core: new draws of all built subsets, by this seed")] = None,
    count: Annotated[int | None, Option("--count", help="Mirrors; else as many as core has", min=1)] = None,
    output: Annotated[Path | None, Option("--output", help="File (core: data folder) to write")] = None,
    workers: Annotated[int, Option("--workers", help="Processes; moves nothing in the output", min=1)] = 1,
    label: Annotated[
        Label | None, Option("--label", help="knapsack: sibling states of a tree search, labelled so")
    ] = None,
    backend: Annotated[str, Option("--backend", help="pink: template, or the URL of an OpenAI-like API")] = "template",
    llm: Annotated[str, Option("--llm", help="pink: the model asked at that URL")] = "",
    as_json: Json = False,
) -> None:
    """Make mirrors. The same seed gives the same bytes; an interrupted build goes on where it was."""
    from rewardbench.builders.order import Order, carry_out

    order = Order(name, seed, fresh, count, output, workers, label, backend, llm)
    with _ticks(f"building {name}", order.total()) as tick:
        figures = carry_out(order, tick)
    echo_json(figures) if as_json else echo(_key_values(figures, "\n"))


@data.command("push")
def push_command(
    repo: Annotated[str, Argument(help="Dataset on the Hub: org/name")],
    folder: Annotated[Path | None, Option("--folder", help="Data folder; else the embedded one")] = None,
    private: Annotated[bool, Option("--private", help="Where the dataset is made anew")] = False,
    create_pr: Annotated[bool, Option("--create_pr", help="Open a pull request instead of a commit")] = False,
) -> None:
    """Upload the suite with its checks and card to the Hub, after verifying that the files are whole."""
    from rewardbench.builders.core import push

    echo(f"pushed={push(folder, repo, private, create_pr)}")


def _ticks(what: str, total: int | None) -> Any:

    from rewardbench.console.progress import Ticks

    return Ticks(what, total, make_console(stderr=True))


def _key_values(figures: dict[str, Any], between: str = " ") -> str:
    return between.join(f"{name}={value}" for name, value in figures.items())
