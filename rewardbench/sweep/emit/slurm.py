"""Write a script that submits Slurm job arrays, one for each kind of resources, and the job that merges shards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rewardbench.errors import InputError
from rewardbench.sweep.emit.jobs import Job, JobTask, check_keys
from rewardbench.sweep.emit.resources import Resources

ARRAY_SIZE = 1000
"""Tasks of an array: the usual limit of a site (MaxArraySize) is 1001."""
OPTIONS = (
    "account",
    "chdir",
    "constraint",
    "exclude",
    "mail-type",
    "mail-user",
    "output",
    "partition",
    "qos",
    "reservation",
)
"""Options of sbatch that a plan may set."""
WORD = re.compile(r"[^\s\"'\\#]+")
"""A value that needs no quotes in a directive."""
END = "END_OF_REWARDBENCH_JOB"
"""Line that ends a job in the script."""


def write(job: Job) -> str:
    """Return a shell script that submits a job.

    Raises:
        InputError: if an option cannot be written as a directive.
    """
    check_keys(job.options, OPTIONS, "slurm in jobs")
    for name, value in job.options.items():
        if not WORD.fullmatch(str(value)):
            raise InputError(f"{name} of slurm is {value!r}, which a #SBATCH line cannot express: use one word.")
    lines = ["#!/usr/bin/env bash", "# Submit with: bash FILE", "set -euo pipefail"]
    for name in job.secrets:
        lines.append(f': "${{{name}:?set {name} before submitting}}"')
    ids: list[str] = []
    for tasks in job.groups(ARRAY_SIZE):
        ids.append(f"$id{len(ids)}")
        lines += _submit(f"id{len(ids) - 1}", "", _array_lines(job, tasks))
    if job.merges:
        ids.append("$merge")
        lines += _submit("merge", f" --dependency=afterany:{':'.join(ids[:-1])}", _merge_lines(job))
    lines.append(f'echo "jobs={" ".join(ids)}"')
    return "\n".join(lines) + "\n"


def _submit(variable: str, options: str, script: Sequence[str]) -> Iterator[str]:
    """Yield the lines that submit a script, and put the number of its job in a variable."""
    end = END
    while any(end in line for line in script):
        end += "_"
    yield f"{variable}_script() {{ cat <<'{end}'"
    yield from script
    yield end
    yield "}"
    yield f"{variable}=$({variable}_script | sbatch --parsable{options})"
    yield f"{variable}=${{{variable}%%;*}}"


def _array_lines(job: Job, tasks: Sequence[JobTask]) -> list[str]:
    return [
        "#!/bin/bash",
        *_directives(job, job.name, tasks[0].resources),
        f"#SBATCH --array=0-{len(tasks) - 1}",
        *job.preamble(),
        *job.case_lines("SLURM_ARRAY_TASK_ID", tasks),
    ]


def _merge_lines(job: Job) -> list[str]:
    merge = Resources(gpus=0, cpus=2, memory=16, time=240, accelerator=None, shards=1)
    return ["#!/bin/bash", *_directives(job, f"{job.name}-merge", merge), *job.preamble(), *job.merge_lines()]


def _directives(job: Job, name: str, resources: Resources) -> Iterator[str]:
    """Yield the lines that ask for resources; a task that is requeued resumes from its cache."""
    hours, minutes = divmod(resources.time, 60)
    options: dict[str, object] = {
        "job-name": name,
        "nodes": 1,
        "ntasks": 1,
        "cpus-per-task": resources.cpus,
        "mem": f"{resources.memory}G",
        "time": f"{hours}:{minutes:02}:00",
        "export": "ALL",
        "open-mode": "append",
    }
    if resources.gpus:
        kind = f"{resources.accelerator}:" if resources.accelerator else ""
        options["gpus-per-node"] = f"{kind}{resources.gpus}"
    for option, value in {**options, **job.options}.items():
        yield f"#SBATCH --{option}={value}"
    yield "#SBATCH --requeue"
