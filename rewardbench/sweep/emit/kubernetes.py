"""Write Kubernetes Indexed Jobs, one for each kind of resources; the pod that writes a row's last shard merges them."""

from __future__ import annotations

from collections.abc import Sequence

from rewardbench.errors import InputError
from rewardbench.sweep.emit.jobs import Job, JobTask, check_keys, reject_lost_results, text_of
from rewardbench.sweep.emit.yaml_text import dump_yaml

OPTIONS = ("namespace", "claim", "mount_path", "secret", "node_selector", "gpu_resource", "parallelism")
VOLUME = "shared"
JOB_SIZE = 100
"""Tasks of an Indexed Job: Linux limits an argument, here the script of all tasks, to 128 KiB."""
BACKOFF = 3
"""Runs of a task until it fails; a second one resumes from the cache."""


def write(job: Job) -> str:
    """Return the manifests of a job.

    Raises:
        InputError: if an option is unknown, or a task needs what a manifest cannot say.
    """
    check_keys(job.options, OPTIONS, "k8s in jobs")
    reject_lost_results(job, ("claim",), "{claim: NAME, mount_path: /shared} under k8s")
    groups = job.groups(JOB_SIZE)
    manifests: list[object] = []
    for number, tasks in enumerate(groups):
        manifests.append(_manifest(job, job.name if len(groups) == 1 else f"{job.name}-{number}", tasks))
    return "# Submit with: kubectl apply -f FILE\n" + dump_yaml(*manifests)


def _manifest(job: Job, name: str, tasks: Sequence[JobTask]) -> dict[str, object]:
    """Return the manifest of an Indexed Job."""
    resources = tasks[0].resources
    if resources.accelerator:
        raise InputError(
            f"A manifest cannot name the GPU {resources.accelerator}: leave out accelerator, and select nodes by their "
            "labels with node_selector under k8s in jobs."
        )
    limits: dict[str, object] = {"memory": f"{resources.memory}Gi"}
    if resources.gpus:
        limits[text_of(job.options, "gpu_resource", "nvidia.com/gpu")] = str(resources.gpus)
    lines = [*job.preamble(with_environment=False), *job.case_lines("JOB_COMPLETION_INDEX", tasks, merges_last=True)]
    container: dict[str, object] = {
        "name": "rewardbench",
        "image": job.image,
        "command": ["bash", "-c", _escape("\n".join(lines) + "\n")],
        "env": _environment(job),
        "resources": {"requests": {"cpu": str(resources.cpus), "memory": f"{resources.memory}Gi"}, "limits": limits},
    }
    pod: dict[str, object] = {"restartPolicy": "Never", "containers": [container]}
    if "node_selector" in job.options:
        pod["nodeSelector"] = job.options["node_selector"]
    if "claim" in job.options:
        path = text_of(job.options, "mount_path", "/shared")
        container["volumeMounts"] = [{"name": VOLUME, "mountPath": path}]
        claim = {"claimName": text_of(job.options, "claim", "")}
        pod["volumes"] = [{"name": VOLUME, "persistentVolumeClaim": claim}]
    metadata: dict[str, object] = {"name": name, "labels": {"app": job.name}}
    if "namespace" in job.options:
        metadata["namespace"] = text_of(job.options, "namespace", "")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "completionMode": "Indexed",
            "completions": len(tasks),
            "parallelism": min(len(tasks), _parallelism(job, len(tasks))),
            "backoffLimitPerIndex": BACKOFF,
            "maxFailedIndexes": len(tasks),
            "template": {
                "metadata": {"labels": {"app": job.name}},
                "spec": {**pod, "activeDeadlineSeconds": 60 * resources.time},
            },
        },
    }


def _environment(job: Job) -> list[dict[str, object]]:
    """Return the variables of a container."""
    variables: list[dict[str, object]] = []
    for name, value in job.environment.items():
        variables.append({"name": name, "value": _escape(value)})
    secret = text_of(job.options, "secret", "rewardbench")
    for name in job.secrets:
        variables.append({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}})
    return variables


def _escape(text: str) -> str:
    """Double each dollar sign: Kubernetes expands $(NAME) in commands and variables, and reduces $$ to $."""
    return text.replace("$", "$$")


def _parallelism(job: Job, default: int) -> int:
    value = job.options.get("parallelism", default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"parallelism of k8s is {value!r}: it must be a whole number of at least 1.")
    return value
