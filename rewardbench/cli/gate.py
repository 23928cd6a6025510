"""Run `rewardbench gate` and `rewardbench evaluate-and-gate`: print a verdict, and exit by it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rewardbench.cli import options
from rewardbench.cli.compare import MetricOption, PlotOption
from rewardbench.cli.config import ConfigOptions
from rewardbench.cli.options import (
    DATA,
    MODEL,
    OUTPUT,
    BatchOptions,
    DataOptions,
    JsonOption,
    ModelOptions,
    NameOption,
    RunOptions,
    SampleOptions,
    TextOption,
    flag,
)
from rewardbench.cli.process import set_up_scoring
from rewardbench.console.terminal import echo, echo_json, make_console, printable
from rewardbench.errors import InputError
from rewardbench.paths import write_whole
from rewardbench.paths.objects import is_object_address

if TYPE_CHECKING:
    from rewardbench.comparison.gate import Decision, Limits
    from rewardbench.settings import Settings

GATE = "Gate"
CODES = {"pass": 0, "regression": 1, "inconclusive": 3}

RepeatedOption = list[str] | None
VerdictOption = Literal["pass", "fail"] | None
BaselineOption = Annotated[str, flag(GATE, "baseline", "Baseline result (.json)")]


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """Options for the limits, and for the files to write."""

    max_drop: Annotated[float, flag(GATE, "max_drop", "Allowed drop of the score, from 0 to 1", min=0, max=1)] = 0.03
    metric: MetricOption = None
    section: Annotated[
        RepeatedOption, flag(GATE, "section", "NAME=0.02: allowed drop of a section, by --metric; repeatable")
    ] = None
    floor: Annotated[
        RepeatedOption, flag(GATE, "floor", "NAME=0.80: minimum of a section or score, by --metric; repeatable")
    ] = None
    inconclusive: Annotated[
        VerdictOption, flag(GATE, "inconclusive", "Exit code if inconclusive: pass is 0, fail is 1; default: 3")
    ] = None
    junit: Annotated[TextOption, flag(OUTPUT, "junit", "Write JUnit XML to this file")] = None
    markdown: Annotated[TextOption, flag(OUTPUT, "markdown", "Write a summary in markdown to this file")] = None
    plot: PlotOption = None
    as_json: JsonOption = False

    def limits(self) -> Limits:
        """Build the limits.

        Raises:
            InputError: if one is not a number from 0 to 1.
        """
        from rewardbench.comparison.gate import Limits

        return Limits(self.max_drop, _shares(self.section, "section"), _shares(self.floor, "floor"))


@options.with_groups
def gate_command(
    baseline: BaselineOption,
    candidate: Annotated[str, flag(GATE, "candidate", "Candidate result (.json)")],
    gate: GateOptions,
) -> None:
    """Test whether a candidate is worse than a baseline. Exit codes: 0 pass, 1 regression, 3 inconclusive, 2 bad input.

    One-sided 95% bounds, paired by item, clustered by template or mirror: a candidate that is no worse fails by chance
    at most once in twenty runs. Limits and floors apply to the metric of the score (core: mirror accuracy, printed as
    mirror.NAME; other data: accuracy, printed as section.NAME), or to --metric.
    """
    _decide(baseline, candidate, gate)


@options.with_groups
def evaluate_and_gate_command(
    *,
    model: Annotated[str, flag(MODEL, "model", "Candidate: folder of a checkpoint, or a Hub id")],
    baseline: BaselineOption,
    dataset: Annotated[str, flag(DATA, "dataset", "Dataset of the baseline")] = "core",
    output_dir: Annotated[str, flag(OUTPUT, "output_dir", "Folder or bucket of the candidate's result")] = "results/",
    name: NameOption = None,
    model_options: ModelOptions,
    data: DataOptions,
    sample: SampleOptions,
    run: RunOptions,
    batch: BatchOptions,
    gate: GateOptions,
    config: ConfigOptions,
) -> None:
    """Score a checkpoint, store the result, and gate it against the baseline: one step of a CI job."""
    gate.limits()  # report a wrong limit before hours of scoring
    if not is_object_address(baseline) and not Path(baseline).is_file():
        raise InputError(f"There is no result at {baseline}: pass the .json of the baseline.")
    set_up_scoring()

    from rewardbench.settings import Settings

    settings = Settings(
        options.model_spec(model, model_options, run),
        dataset=dataset,
        **asdict(data),
        **asdict(sample),
        batch_size=batch.batch_size,
        batch_tokens=batch.batch_tokens,
        num_processes=batch.num_processes,
        cache=not batch.no_cache,
    )
    _decide(baseline, _score(settings, output_dir, name), gate)


def _score(settings: Settings, output_dir: str, name: str | None) -> str:
    """Score the candidate; return the path of its result."""
    from rewardbench.evaluation import run_and_store

    stored = run_and_store(settings, output_dir, make_console(stderr=True), name)
    if stored is None:  # rank 0 decides
        raise typer.Exit
    return stored[1]


def _shares(values: list[str] | None, option: str) -> dict[str, float]:
    """Parse the values of a repeated option, each `NAME=0.02`.

    Raises:
        InputError: if one has another form.
    """
    shares = {}
    for value in values or ():
        section, equals, share = value.rpartition("=")
        try:
            shares[section] = float(share)
        except ValueError:
            equals = ""
        if not equals or not section:
            raise InputError(f"--{option} {value} is not NAME=NUMBER: write, for example, --{option} Safety=0.8.")
    return shares


def _decide(baseline: str, candidate: str, gate: GateOptions) -> None:
    """Compare the results, write the requested files, print, and exit with the code of the verdict."""
    from rewardbench.comparison.gate import decide, to_junit, to_markdown
    from rewardbench.comparison.plots import draw_gate
    from rewardbench.results.scored import read_scored

    decision = decide(read_scored(baseline), read_scored(candidate), gate.limits(), gate.metric)
    code = CODES[decision.verdict]
    if decision.verdict == "inconclusive" and gate.inconclusive:
        code = CODES["pass" if gate.inconclusive == "pass" else "regression"]
    if gate.plot:
        draw_gate(decision, gate.plot)
    summary = to_markdown(decision)
    if gate.junit:
        write_whole(gate.junit, to_junit(decision, gate.inconclusive == "fail"))
    if gate.markdown:
        write_whole(gate.markdown, summary)
    _append(os.environ.get("GITHUB_STEP_SUMMARY"), summary)
    if gate.as_json:
        echo_json({**asdict(decision), "exit_code": code, "candidate_result": candidate})
    else:
        _print_decision(decision, code)
    raise typer.Exit(code)


def _print_decision(decision: Decision, code: int) -> None:
    """Print each check in a sentence, then `key=value` lines."""
    from rewardbench.comparison.gate import sentence

    for check in decision.checks:
        echo(f"{check.verdict}: {printable(sentence(check))}")
    for line in _section_lines(decision):
        echo(line)
    score = decision.checks[0]
    echo(f"drop={score.value:.4f}\ndrop_low={score.low:.4f}\ndrop_high={score.high:.4f}\nn={score.items}")
    echo(f"verdict={decision.verdict}\nexit_code={code}")


def _section_lines(decision: Decision) -> list[str]:
    """Format the candidate's values of the checked sections, under the names of its report."""
    from rewardbench.results.report import PREFIXES, slug

    checked = {check.name for check in decision.checks}
    lines = []
    for metric, sections in decision.sections.items():
        for name, value in sections.items():
            if name in checked:
                lines.append(f"{PREFIXES[metric]}.{slug(name)}={value:.4f}")
    return lines


def _append(path: str | None, text: str) -> None:
    """Append to the file in which GitHub collects the summary of a step.

    Raises:
        InputError: if it cannot be written.
    """
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"GITHUB_STEP_SUMMARY names {path}, which cannot be written: {error.strerror}.") from error
