"""Define `rewardbench export RESULT`: parse arguments, and write a result in the format of another program."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rewardbench.cli.options import HUB, MODEL, OUTPUT, TextOption, flag
from rewardbench.console.terminal import echo
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from rewardbench.types import Result

ResultFormat = Literal["eval_results", "every_eval_ever", "badge"]
Relationship = Literal["first_party", "third_party", "collaborative", "other"]


def export_result_command(
    result: Annotated[str, typer.Argument(help="Result file (.json)")],
    to: Annotated[
        ResultFormat,
        flag(
            OUTPUT,
            "to",
            "eval_results: evaluation results for the model's repository on the Hub; every_eval_ever: record of that "
            "datastore; badge: SVG for a model card",
        ),
    ],
    output: Annotated[Path, flag(OUTPUT, "output", "Folder to write to; --to badge: the SVG file")] = Path("."),
    dataset_id: Annotated[
        TextOption, flag(HUB, "dataset_id", "Hub id of an embedded suite's dataset, to which data push uploaded it")
    ] = None,
    name: Annotated[TextOption, flag(MODEL, "name", "Name of the model: org/name; default: that of the result")] = None,
    organization: Annotated[
        TextOption, flag(OUTPUT, "organization", "With --to every_eval_ever: who ran the evaluation")
    ] = None,
    relationship: Annotated[
        Relationship, flag(OUTPUT, "relationship", "With --to every_eval_ever: of who ran it to who made the model")
    ] = "other",
) -> None:
    """Write a result in the format of another program: evaluation results of the Hub, Every Eval Ever, or a badge."""
    from rewardbench.paths import write_whole
    from rewardbench.results import read_result

    stored = read_result(result)
    if part := re.search(r"\+(?:split|subset|limit|sample)=[^+]*", stored.revision):
        raise InputError(f"{result} is of a part of the suite ({part[0][1:]}): only results of all items are exported.")
    if to == "eval_results":
        path, content = _encode_eval_results(stored, output, dataset_id)
    elif to == "every_eval_ever":
        path, content = _encode_every_eval_ever(stored, output, name, dataset_id, organization, relationship)
    else:
        path, content = _draw_badge(stored, output, name)
    write_whole(path, content)
    echo(f"file={path}")


def _encode_eval_results(result: Result, folder: Path, dataset_id: str | None) -> tuple[Path, bytes]:
    from rewardbench.results.export import encode_eval_results, eval_results_path

    content = encode_eval_results(result, dataset_id or "")
    if not content.strip(b"[]\n"):
        raise InputError(
            f"It is not known which dataset on the Hub the suite {result.suite} is: pass --dataset_id org/name, to "
            "which rewardbench data push uploaded it."
        )
    return folder / eval_results_path(result.suite), content


def _encode_every_eval_ever(
    result: Result,
    folder: Path,
    name: str | None,
    dataset_id: str | None,
    organization: str | None,
    relationship: str,
) -> tuple[Path, bytes]:
    from rewardbench.results import dump
    from rewardbench.results.every_eval_ever import datastore_path, to_evaluation_log

    if not organization:
        raise InputError("--to every_eval_ever needs who ran the evaluation: pass --organization.")
    record = to_evaluation_log(result, organization, relationship, name, dataset_id or "", time.time())
    return folder / datastore_path(record, result.suite), dump(record, indent=2).encode()


def _draw_badge(result: Result, output: Path, name: str | None) -> tuple[Path, bytes]:
    from rewardbench.leaderboard.app.badge import draw_badge
    from rewardbench.leaderboard.types import Figure

    metric = "turn accuracy" if result.turns else "mirror accuracy" if result.mirrors else "score"
    estimate = result.turns[0] if result.turns else result.score
    figure = Figure(metric, estimate.value, estimate.low, estimate.high)
    path = output if output.suffix == ".svg" else output / "badge.svg"
    return path, draw_badge(name or result.model, result.suite, metric, figure, "self-reported")
