"""Write a SkyPilot task whose jobs (`--num-jobs`) choose their row by their rank."""

from __future__ import annotations

from rewardbench.errors import InputError
from rewardbench.sweep.emit.jobs import Job, check_keys
from rewardbench.sweep.emit.yaml_text import dump_yaml

OPTIONS = ("infra", "use_spot", "disk_size", "max_hourly_cost", "any_of", "ordered", "job_recovery", "file_mounts")
"""Fields of a task that a plan may set."""
ACCELERATOR = "A100-80GB"
"""The GPU if the plan names none."""


def write(job: Job) -> str:
    """Return the YAML of a task.

    Raises:
        InputError: if rows need unlike resources, or an option is no field of a task.
    """
    check_keys(job.options, OPTIONS, "skypilot in jobs")
    groups = job.groups()
    if len(groups) > 1:
        first, second = groups[0][0].row.label, groups[1][0].row.label
        raise InputError(
            f"SkyPilot gives all jobs of a file the same resources, and those of {first} and {second} differ: "
            "set equal resources, or write a plan for each."
        )
    options = dict(job.options)
    mounts = options.pop("file_mounts", None)
    needs = job.tasks[0].resources
    resources: dict[str, object] = {"cpus": f"{needs.cpus}+", "memory": f"{needs.memory}+"}
    if needs.gpus:
        resources["accelerators"] = f"{needs.accelerator or ACCELERATOR}:{needs.gpus}"
    task: dict[str, object] = {"name": job.name, "resources": {**resources, **options}}
    if job.environment:
        task["envs"] = dict(job.environment)
    if job.secrets:
        task["secrets"] = dict.fromkeys(job.secrets)
    if mounts:
        task["file_mounts"] = mounts
    if job.setup:
        task["setup"] = "\n".join(job.setup) + "\n"
    run = ["set -eo pipefail", *job.case_lines("SKYPILOT_JOB_RANK", job.tasks, merges_last=True)]
    task["run"] = "\n".join(run) + "\n"
    return f"# Submit with: sky jobs launch --num-jobs {len(job.tasks)} FILE\n" + dump_yaml(task)
