"""Write a script that submits a Hugging Face Job for each task, waits for them, and submits the merge."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from rewardbench.errors import InputError
from rewardbench.sweep.emit.jobs import Job, check_keys, reject_lost_results, text_of
from rewardbench.sweep.emit.resources import Resources

FLAVORS = {
    ("t4", 1): "t4-small",
    ("l4", 1): "l4x1",
    ("l4", 4): "l4x4",
    ("l40s", 1): "l40sx1",
    ("l40s", 4): "l40sx4",
    ("l40s", 8): "l40sx8",
    ("a10g", 1): "a10g-large",
    ("a10g", 2): "a10g-largex2",
    ("a10g", 4): "a10g-largex4",
    ("a100", 1): "a100-large",
    ("a100", 4): "a100x4",
    ("a100", 8): "a100x8",
    ("h200", 1): "h200",
    ("h200", 2): "h200x2",
    ("h200", 4): "h200x4",
    ("h200", 8): "h200x8",
}
"""Flavor of the hardware, by the kind and the number of GPUs."""
CPU_FLAVOR = "cpu-upgrade"
OPTIONS = ("flavor", "namespace", "volume")
ATTEMPTS = "3"
"""Runs of a job until it fails; a second one resumes from the cache."""


def write(job: Job) -> str:
    """Return a shell script that submits a job.

    Raises:
        InputError: if no hardware has the resources of a task, or results have no bucket.
    """
    check_keys(job.options, OPTIONS, "hf-jobs in jobs")
    reject_lost_results(job, ("volume",), "volume: hf://buckets/org/sweep:/shared under hf-jobs")
    lines = ["#!/usr/bin/env bash", "# Submit with: bash FILE", "set -euo pipefail", "ids=()"]
    for name in job.secrets:
        lines.append(f': "${{{name}:?set {name} before submitting}}"')
    for task in job.tasks:
        script = [*job.preamble(with_environment=False), *job.task_lines(task)]
        lines.append(f'ids+=("$({_run(job, task.resources, script)})")')
    if job.merges:
        merge = Resources(gpus=0, cpus=2, memory=16, time=240, accelerator=None, shards=1)
        namespace = _namespace(job)
        lines.append(f'{shlex.join(["hf", "jobs", "wait", *namespace])} "${{ids[@]}}" || true')
        script = [*job.preamble(with_environment=False), *job.merge_lines()]
        lines.append(f'ids+=("$({_run(job, merge, script)})")')
    lines.append('echo "jobs=${ids[*]}"')
    return "\n".join(lines) + "\n"


def _run(job: Job, resources: Resources, script: Sequence[str]) -> str:
    """Return the command that submits a script and prints the id of its job."""
    return shlex.join([*_run_arguments(job, resources), job.image, "--", "bash", "-c", "\n".join(script)])


def _run_arguments(job: Job, resources: Resources) -> Iterator[str]:
    yield from ("hf", "jobs", "run", "--quiet", "--detach", "--name", job.name, "--attempts", ATTEMPTS)
    yield from ("--flavor", _flavor(job, resources), "--timeout", f"{resources.time}m")
    yield from _namespace(job)
    for name, value in job.environment.items():
        yield from ("--env", f"{name}={value}")
    for name in job.secrets:
        yield from ("--secrets", name)
    if "volume" in job.options:
        yield from ("--volume", text_of(job.options, "volume", ""))


def _namespace(job: Job) -> list[str]:
    return ["--namespace", text_of(job.options, "namespace", "")] if "namespace" in job.options else []


def _flavor(job: Job, resources: Resources) -> str:
    """Return the hardware of a task.

    Raises:
        InputError: if there is none with its GPUs.
    """
    if not resources.gpus:
        return CPU_FLAVOR
    if "flavor" in job.options:
        return text_of(job.options, "flavor", "")
    kind = (resources.accelerator or "a100").lower()
    if (kind, resources.gpus) in FLAVORS:
        return FLAVORS[kind, resources.gpus]
    kinds = dict.fromkeys(name for name, _ in FLAVORS)
    counts = [str(count) for name, count in FLAVORS if name == kind]
    hint = f"{kind} has {', '.join(counts)} GPUs" if counts else f"there are {', '.join(kinds)}"
    raise InputError(
        f"Hugging Face Jobs have no hardware with {resources.gpus} × {kind}: {hint}; or name one by flavor."
    )
