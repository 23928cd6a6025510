"""Write a SkyPilot task whose jobs (`--num-jobs`) choose their row by their rank."""

from __future__ import annotations

from rewardbench.errors import InputError
from rewardbench.sweep.emit.jobs import Job, check_keys, reject_lost_results
from rewardbench.sweep.emit.yaml_text import dump_yaml

OPTIONS = ("infra", "use_spot", "disk_size", "max_hourly_cost", "any_of", "ordered", "job_recovery")
"""Fields of the resources of a task that a plan may set."""
MOUNTS = ("file_mounts", "volumes")
"""Fields of a task that a plan may set."""
ACCELERATOR = "A100-80GB"
"""The GPU if the plan names none."""


def write(job: Job) -> str:
    """Return the YAML of a task.

    Raises:
        InputError: if rows need unlike resources, or an option is no field of a task.
    """
    check_keys(job.options, (*OPTIONS, *MOUNTS), "skypilot in jobs")
    reject_lost_results(job, MOUNTS, "file_mounts: {/shared: {source: s3://bucket, mode: MOUNT}} under skypilot")
    groups = job.groups()
    if len(groups) > 1:
        first, second = groups[0][0].row.label, groups[1][0].row.label
        raise InputError(
            f"SkyPilot gives all jobs of a file the same resources, and those of {first} and {second} differ: "
            "set equal resources, or write a plan for each."
        )
    needs = job.tasks[0].resources
    resources: dict[str, object] = {"cpus": f"{needs.cpus}+", "memory": f"{needs.memory}+"}
    if needs.gpus:
        resources["accelerators"] = f"{needs.accelerator or ACCELERATOR}:{needs.gpus}"
    for option in OPTIONS:
        if option in job.options:
            resources[option] = job.options[option]
    task: dict[str, object] = {"name": job.name, "resources": resources}
    if job.environment:
        task["envs"] = dict(job.environment)
    if job.secrets:
        task["secrets"] = dict.fromkeys(job.secrets)
    for option in MOUNTS:
        if option in job.options:
            task[option] = job.options[option]
    if job.setup:
        task["setup"] = "\n".join(job.setup) + "\n"
    run = ["set -eo pipefail", *job.case_lines("SKYPILOT_JOB_RANK", job.tasks, merges_last=True)]
    task["run"] = "\n".join(run) + "\n"
    return f"# Submit with: sky jobs launch --num-jobs {len(job.tasks)} FILE\n" + dump_yaml(task)
