"""Log figures of results to experiment trackers, each by its own client: W&B, TensorBoard, Trackio or MLflow."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from math import isfinite

from rewardbench.console.strict_json import dump
from rewardbench.errors import InputError
from rewardbench.paths.objects import is_object_address
from rewardbench.results.model_names import run_in_name
from rewardbench.results.report import key_values
from rewardbench.types import Result

CHECKPOINT = re.compile(r"(?P<run>.*?)/?checkpoint-(?P<step>\d{1,9})/?")
"""Folder of a checkpoint, as trainers of transformers name it."""
PROJECT = "rewardbench"
"""Project or experiment, unless the tracker's environment variable names another."""


@dataclass(frozen=True)
class TrackedRun:
    """What is logged of the results of a command."""

    name: str
    """Of the run: the model or checkpoint, or the run name."""
    group: str
    """Name that the checkpoints of a training run share."""
    step: int
    """Training step that the model's name states, or else 0."""
    figures: Mapping[str, float]
    """Figures by `SUITE/KEY`."""
    config: Mapping[str, str]
    folder: str
    """Folder of results on this machine."""


def parse_trackers(text: str | None) -> list[str]:
    """Return the trackers that `--report_to` names: several are separated by commas; `all` are those installed.

    Raises:
        InputError: if a name is unknown, or the package of a tracker is not installed.

    >>> parse_trackers(None), parse_trackers("none")
    ([], [])
    """
    names = [name.strip() for name in ("none" if text is None else text).split(",")]
    if names == ["none"]:
        return []
    if names == ["all"]:
        return [name for name in TRACKERS if find_spec(name)]
    for name in names:
        if name not in TRACKERS:
            near = get_close_matches(name, TRACKERS, 1)
            hint = f"did you mean {near[0]}?" if near else f"pass {', '.join(TRACKERS)}, all or none."
            raise InputError(f"--report_to {name[:60]!a} is not a tracker: {hint}")
        if find_spec(name) is None:
            raise InputError(f"--report_to {name} needs its package: pip install {name}.")
    return list(dict.fromkeys(names))


def log_results(trackers: Sequence[str], results: Sequence[Result], folder: str, name: str | None = None) -> None:
    """Log the figures of the results of a model as one run of each tracker.

    Args:
        trackers: names, as `parse_trackers` returns them.
        results: results of one model, on one or several suites, which are stored already.
        folder: folder of results.
        name: name of the run; None: the name of the model.

    Raises:
        InputError: if a tracker fails.
    """
    run = describe_run(results, folder, name)
    for tracker in trackers:
        try:
            with redirect_stdout(sys.stderr):  # stdout is for the result
                TRACKERS[tracker](run)
        except Exception as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise InputError(f"The result is stored, but --report_to {tracker} failed: {reason}") from error


def describe_run(results: Sequence[Result], folder: str, name: str | None = None) -> TrackedRun:
    """Return what is logged of the results of a model."""
    figures: dict[str, float] = {}
    for result in results:
        for line in key_values(result):
            key, _, text = line.partition("=")
            try:
                value = float(text)
            except ValueError:
                continue
            if isfinite(value):
                figures[f"{result.suite}/{key}"] = value
    first = results[0]
    model = first.manifest.get("model")
    revision = model.get("revision") if isinstance(model, Mapping) else None
    full_name = f"{first.model}@{revision}" if revision else first.model
    group, step = split_step(full_name)
    config = {"model": first.model, "model_type": first.model_type}
    config["suites"] = ", ".join(f"{result.suite}@{result.revision}" for result in results)
    config["fingerprint"] = dump(first.manifest.get("fingerprint") or {}).strip()
    config["command"] = str(first.manifest.get("command", ""))
    return TrackedRun(
        name=name or full_name,
        group=name or group,
        step=step,
        figures=figures,
        config=config,
        folder="" if is_object_address(folder) else folder,
    )


def split_step(name: str) -> tuple[str, int]:
    """Return the name that the checkpoints of a training run share, and the step of this one; 0 if it states none.

    >>> split_step("runs/rm/checkpoint-24"), split_step("org/rm@step_2000"), split_step("org/rm")
    (('rm', 24), ('org/rm', 2000), ('org/rm', 0))
    """
    if match := CHECKPOINT.fullmatch(name):
        return os.path.basename(os.path.abspath(match["run"])) or name, int(match["step"])
    member = run_in_name(name)
    if member is None or member.unit != "step" or member.step is None:
        return name, 0
    return member.run, int(member.step)


def _log_tensorboard(run: TrackedRun) -> None:
    """Write an event file; checkpoints of a training run share a folder, and so a curve."""
    tensorboard = import_module("torch.utils.tensorboard")
    root = os.environ.get("TENSORBOARD_LOGGING_DIR") or os.path.join(run.folder, "runs")
    folder = os.path.join(root, run.group.replace("\\", "/").strip("/.").replace("..", "_").replace("/", os.sep))
    with tensorboard.SummaryWriter(folder) as writer:
        for name, value in run.figures.items():
            writer.add_scalar(name, value, run.step)
        for name, text in run.config.items():
            writer.add_text(name, text, run.step)


def _log_wandb(run: TrackedRun) -> None:
    wandb = import_module("wandb")
    project = os.environ.get("WANDB_PROJECT") or PROJECT
    with wandb.init(
        project=project, name=run.name, group=run.group, config=dict(run.config), job_type="evaluation"
    ) as logged:
        logged.log(dict(run.figures), step=run.step)


def _log_trackio(run: TrackedRun) -> None:
    trackio = import_module("trackio")
    trackio.init(project=os.environ.get("TRACKIO_PROJECT") or PROJECT, name=run.name, config=dict(run.config))
    trackio.log(dict(run.figures), step=run.step)
    trackio.finish()


def _log_mlflow(run: TrackedRun) -> None:
    mlflow = import_module("mlflow")
    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT)
    with mlflow.start_run(run_name=run.name):
        mlflow.set_tags({"group": run.group})
        mlflow.log_params({name: text[:6000] for name, text in run.config.items()})
        mlflow.log_metrics(dict(run.figures), step=run.step)


TRACKERS: dict[str, Callable[[TrackedRun], None]] = {
    "wandb": _log_wandb,
    "tensorboard": _log_tensorboard,
    "trackio": _log_trackio,
    "mlflow": _log_mlflow,
}
"""By the name of the package, as `report_to` of transformers has it."""
