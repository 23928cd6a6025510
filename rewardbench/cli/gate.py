"""`rewardbench gate` and `rewardbench evaluate-and-gate`: arguments in, a verdict and an exit code out."""

from __future__ import annotations

import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rewardbench.cli import options
from rewardbench.cli.compare import Json, MetricFlag, Plot
from rewardbench.cli.options import DATA, MODEL, OUTPUT, Text, flag
from rewardbench.console.logging import quieten
from rewardbench.console.terminal import echo, echo_json, make_console, printable
from rewardbench.errors import InputError
from rewardbench.paths import write_whole

GATE = "Gate"
CODES = {"pass": 0, "regression": 1, "inconclusive": 3}

Several = list[str] | None
Decided = Literal["pass", "fail"] | None
Baseline = Annotated[str, flag(GATE, "baseline", "The result to hold, a file")]


def of_the_gate(
    max_drop: Annotated[float, flag(GATE, "max_drop", "What the score may lose, as a share", min=0, max=1)] = 0.03,
    metric: MetricFlag = None,
    section: Annotated[Several, flag(GATE, "section", "NAME=0.02: what a section may lose, by --metric")] = None,
    floor: Annotated[Several, flag(GATE, "floor", "NAME=0.80: what a section or score must reach, by --metric")] = None,
    inconclusive: Annotated[Decided, flag(GATE, "inconclusive", "Exit 0 or 1 where it is undecided; else 3")] = None,
    junit: Annotated[Text, flag(OUTPUT, "junit", "Write JUnit XML here")] = None,
    markdown: Annotated[Text, flag(OUTPUT, "markdown", "Write a summary in markdown here")] = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """What is allowed, and what is written."""


@options.takes(of_the_gate)
def gate_command(
    baseline: Baseline,
    candidate: Annotated[str, flag(GATE, "candidate", "The result that may be worse, a file")],
    **more: Any,
) -> None:
    """Is the candidate worse than the baseline? Exit 0 pass, 1 regression, 3 inconclusive, 2 bad input.

    One-sided 95 % bounds, paired by item, clustered by mirror. A candidate that holds never fails by chance alone
    more than once in twenty. Limits and floors are of what the score counts (core: mirror accuracy, printed as
    mirror.NAME; other data: accuracy, printed as section.NAME), or of what --metric says.
    """
    _decide({"baseline": baseline, "candidate": candidate, **more})


@options.takes(options.of_the_model, options.of_the_data, options.of_the_run, of_the_gate)
def evaluate_and_gate_command(
    model: Annotated[str, flag(MODEL, "model", "The candidate: a checkpoint's folder, or a Hub id")],
    baseline: Baseline,
    dataset: Annotated[str, flag(DATA, "dataset", "The data of the baseline")] = "core",
    output_dir: Annotated[str, flag(OUTPUT, "output_dir", "Folder of the candidate's result")] = "results/",
    **more: Any,
) -> None:
    """Score a checkpoint, keep the result, and hold it against the baseline: one step of a CI."""
    said = {**locals(), **more}
    _limits(said)  # what is wrong there is said before anything is scored
    if not Path(baseline).is_file():
        raise InputError(f"There is no result at {baseline}: pass the .json of the baseline.")
    _decide({**said, "candidate": _score(said)})


def _score(said: dict[str, Any]) -> str:
    """The path of the candidate's result."""
    quieten()

    from rewardbench.evaluation import run_and_keep
    from rewardbench.settings import Inputs, Settings

    data = {field.name: said[field.name] for field in fields(Inputs) if field.name != "model"}
    settings = Settings(options.model_spec(said), **data, cache=True)
    kept = run_and_keep(settings, said["output_dir"], make_console(stderr=True))
    if kept is None:  # another process judges
        raise typer.Exit
    return kept[1]


def _limits(said: dict[str, Any]) -> Any:
    from rewardbench.comparison.gate import Limits

    return Limits(said["max_drop"], _shares(said["section"], "section"), _shares(said["floor"], "floor"))


def _shares(given: list[str] | None, name: str) -> dict[str, float]:
    """`NAME=0.02`, as often as it was said."""
    found = {}
    for one in given or ():
        section, equals, share = one.rpartition("=")
        try:
            found[section] = float(share)
        except ValueError:
            equals = ""
        if not equals or not section:
            raise InputError(f"--{name} {one} is not NAME=SHARE: write, say, --{name} Safety=0.8.")
    return found


def _decide(said: dict[str, Any]) -> None:
    """Judge, write what was asked for, print, and exit by the verdict."""
    from rewardbench.comparison.gate import judge, sentence, to_junit, to_markdown
    from rewardbench.comparison.plots import draw_gate
    from rewardbench.results.scored import read_scored

    limits = _limits(said)
    found = judge(read_scored(said["baseline"]), read_scored(said["candidate"]), limits, said["metric"])
    code = CODES[found.verdict]
    if found.verdict == "inconclusive" and said["inconclusive"]:
        code = 0 if said["inconclusive"] == "pass" else 1
    if said["plot"]:
        draw_gate(found, said["plot"])
    summary = to_markdown(found)
    if said["junit"]:
        write_whole(said["junit"], to_junit(found, said["inconclusive"] == "fail"))
    if said["markdown"]:
        write_whole(said["markdown"], summary)
    _append(os.environ.get("GITHUB_STEP_SUMMARY"), summary)
    if said["as_json"]:
        echo_json({**asdict(found), "exit_code": code, "candidate_result": str(said["candidate"])})
    else:
        for check in found.checks:
            echo(f"{check.verdict}: {printable(sentence(check))}")
        for line in _section_lines(found):
            echo(line)
        score = found.checks[0]
        echo(f"drop={score.value:.4f}\ndrop_low={score.low:.4f}\ndrop_high={score.high:.4f}\nn={score.items}")
        echo(f"verdict={found.verdict}\nexit_code={code}")
    raise typer.Exit(code)


def _section_lines(found: Any) -> list[str]:
    """The candidate's figures of the sections that are checked, under the names by which its report prints them."""
    from rewardbench.results.report import PREFIXES, slug

    checked = {check.name for check in found.checks}
    return [
        f"{PREFIXES[metric]}.{slug(name)}={value:.4f}"
        for metric, figures in found.sections.items()
        for name, value in figures.items()
        if name in checked
    ]


def _append(path: str | None, text: str) -> None:
    """To the file in which GitHub collects the summary of a step."""
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"GITHUB_STEP_SUMMARY names {path}, which cannot be written: {error.strerror}.") from error
