"""Write the rows of a sweep as jobs of a scheduler: `rewardbench sweep --emit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rewardbench.errors import InputError
from rewardbench.sweep.emit import hf_jobs, kubernetes, skypilot, slurm
from rewardbench.sweep.emit.jobs import Job, build_job
from rewardbench.sweep.plan import SweepPlan

TARGETS: Mapping[str, Callable[[Job], str]] = {
    "slurm": slurm.write,
    "skypilot": skypilot.write,
    "hf-jobs": hf_jobs.write,
    "k8s": kubernetes.write,
}
"""Returns the file of a job, by the name of the target."""
SUBMIT = {
    "slurm": "bash {path}",
    "skypilot": "sky jobs launch --num-jobs {tasks} {path}",
    "hf-jobs": "bash {path}",
    "k8s": "kubectl apply -f {path}",
}
"""Command that submits a file, by the name of the target."""


def emit(plan: SweepPlan, target: str, shards: int | None = None) -> tuple[Job, str]:
    """Return the job of a plan, and the text of the file that submits it.

    Args:
        plan: the rows.
        target: name of the target.
        shards: parts into which each row is divided; by default those of the plan.

    Raises:
        InputError: if there is no such target or no row, or the target cannot express a value.
    """
    if target not in TARGETS:
        raise InputError(f"--emit {target} is no target: choose one of {', '.join(TARGETS)}.")
    job = build_job(plan, target, shards)
    return job, TARGETS[target](job)
