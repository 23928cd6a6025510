"""Resolve a plan to tasks: the command of each row or shard, with its environment, cache and resources."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import version

from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec
from rewardbench.sweep.emit.resources import Resources, read_resources
from rewardbench.sweep.plan import SweepPlan, SweepRow

OPTIONS = ("name", "environment", "secrets", "cache", "image", "setup")
"""Keys of `jobs` in a plan, beside one for each target."""
TARGET_KEYS = ("slurm", "skypilot", "hf-jobs", "k8s")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NAME = re.compile(r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?")
SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "API_KEY", "ACCESS_KEY")
"""Parts of the names of variables whose values are secrets."""
KEY_LENGTH = 16
"""Characters of the key of a row in paths."""


@dataclass(frozen=True)
class JobTask:
    """A command of a job: a row, or a shard of it."""

    row: SweepRow
    command: tuple[str, ...]
    cache: str
    """Value of REWARDBENCH_CACHE."""
    resources: Resources
    shard: str | None = None


@dataclass(frozen=True)
class Merge:
    """The command that merges the shards of a row."""

    command: tuple[str, ...]
    shard_dir: str
    count: int


@dataclass(frozen=True)
class Job:
    """What a scheduler is asked to run."""

    tasks: tuple[JobTask, ...]
    merges: Mapping[SweepRow, Merge]
    """Of the rows that are divided."""
    name: str
    environment: Mapping[str, str]
    secrets: tuple[str, ...]
    """Environment variables that hold keys and tokens."""
    image: str
    setup: tuple[str, ...]
    """Shell commands that run before a task."""
    options: Mapping[str, object]
    """Options of the target."""

    def groups(self, size: int | None = None) -> list[list[JobTask]]:
        """Return the tasks that have equal resources together, at most `size` of them."""
        groups: dict[Resources, list[JobTask]] = {}
        for task in self.tasks:
            groups.setdefault(replace(task.resources, shards=1), []).append(task)
        chunks: list[list[JobTask]] = []
        for group in groups.values():
            step = size or len(group)
            for start in range(0, len(group), step):
                chunks.append(group[start : start + step])
        return chunks

    def preamble(self, with_environment: bool = True) -> Iterator[str]:
        """Yield the lines of a script before its command: the environment, and the setup."""
        yield "set -eo pipefail"
        for name, value in self.environment.items() if with_environment else ():
            yield f"export {name}={shlex.quote(value)}"
        yield from self.setup

    def case_lines(self, variable: str, tasks: Sequence[JobTask], merges_last: bool = False) -> Iterator[str]:
        """Yield a shell command that runs the task whose index is in a variable.

        Args:
            variable: the environment variable.
            tasks: the tasks by their indices.
            merges_last: True if the task that writes the last shard of a row merges the shards.
        """
        yield f'case "${variable}" in'
        for index, task in enumerate(tasks):
            yield f"{index})"
            yield from self.task_lines(task, merges_last)
            yield ";;"
        yield f'*) echo "There is no task ${variable}." >&2; exit 2 ;;'
        yield "esac"

    def task_lines(self, task: JobTask, merges_last: bool = False) -> Iterator[str]:
        """Yield the shell commands of a task."""
        yield f"export REWARDBENCH_CACHE={shlex.quote(task.cache)}"
        yield shlex.join(task.command)
        merge = self.merges.get(task.row)
        if merge and merges_last:
            folder = shlex.quote(merge.shard_dir)
            yield f"""if [ "$(find {folder} -name '*.shard' | wc -l)" -ge {merge.count} ]; then"""
            yield shlex.join(merge.command)
            yield "fi"

    def merge_lines(self) -> Iterator[str]:
        """Yield the shell commands that merge the shards of each row, also if another row has failed."""
        yield "status=0"
        for merge in self.merges.values():
            yield f"{shlex.join(merge.command)} || status=1"
        yield "exit $status"


def build_job(plan: SweepPlan, target: str, shards: int | None = None) -> Job:
    """Resolve a plan to a job.

    Args:
        plan: the rows, and the options under `jobs`.
        target: name of the target.
        shards: parts into which each row is divided; by default those of the plan.

    Raises:
        InputError: if there is no row, or a value is wrong.
    """
    if not plan.rows:
        raise InputError("The plan has no rows: add models.")
    jobs = plan.jobs
    if plan.output_dir.startswith("~"):
        raise InputError(f"{plan.output_dir} is another folder on other machines: write output_dir in full.")
    check_keys(jobs, (*OPTIONS, *TARGET_KEYS), "jobs")
    tasks: list[JobTask] = []
    merges: dict[SweepRow, Merge] = {}
    cache = text_of(jobs, "cache", _inside(plan.output_dir, "cache"))
    for row in plan.rows:
        resources = read_resources(row.resources, row.model)
        if shards is not None:
            resources = replace(resources, shards=shards)
        tasks.extend(_row_tasks(row, resources, cache))
        if resources.shards > 1:
            folder = _shard_dir(row)
            command = ("rewardbench", "merge", folder, "--output_dir", row.output_dir)
            merges[row] = Merge(command, folder, resources.shards)
    name = text_of(jobs, "name", "rewardbench")
    if not NAME.fullmatch(name):
        raise InputError(f"name of jobs is {name!r}: use at most 42 of a-z, 0-9 and -, and begin with a letter.")
    specs = dict.fromkeys(row.model for row in plan.rows)
    setup = _texts(jobs, "setup", () if target == "slurm" else (f"pip install rewardbench=={version('rewardbench')}",))
    return Job(
        tasks=tuple(tasks),
        merges=merges,
        name=name,
        environment=_environment(jobs),
        secrets=_secrets(jobs, list(specs)),
        image=text_of(jobs, "image", "python:3.12"),
        setup=setup,
        options=_mapping(jobs, target),
    )


def _row_tasks(row: SweepRow, resources: Resources, cache: str) -> Iterator[JobTask]:
    """Yield the tasks of a row: one for each shard."""
    spec = row.model
    if resources.gpus > 1 and "gpus" not in row.resources and not spec.device_map:
        spec = replace(spec, device_map="auto")  # a model that needs several GPUs, by its size
        row_command = replace(row, settings=replace(row.settings, model=spec)).command()
    else:
        row_command = row.command()
    for argument in row_command:
        if "\0" in argument:
            raise InputError(f"An option of {spec.model} has a zero byte, which no command can have: remove it.")
    for index in range(resources.shards):
        shard = f"{index}/{resources.shards}" if resources.shards > 1 else None
        command = row_command
        if shard:
            command = [*row_command[:-1], _shard_dir(row), "--shard", shard]
        yield JobTask(row, tuple(command), _task_cache(cache, row, shard), resources, shard)


def _shard_dir(row: SweepRow) -> str:
    """Return the folder of the shards of a row."""
    if "://" in row.output_dir:
        raise InputError(
            f"Shards are written to a folder that all tasks share, not to {row.output_dir}: "
            "set output_dir to a folder, or leave out --shards."
        )
    return f"{_inside(row.output_dir, 'shards')}/{row.key[:KEY_LENGTH]}"


def _task_cache(cache: str, row: SweepRow, shard: str | None) -> str:
    """Return the cache of a task: a file of its own, since SQLite is not safe on a file system of many machines."""
    if "://" in cache:
        return cache
    part = f"-{shard.replace('/', '-of-')}" if shard else ""
    return f"{cache.rstrip('/')}/{row.key[:KEY_LENGTH]}{part}/scores.sqlite"


def _inside(folder: str, name: str) -> str:
    """Return a folder in the folder of results; a relative one if the results are no folder."""
    return f"rewardbench-{name}" if "://" in folder else f"{folder.rstrip('/') or '/.'}/{name}"


def _environment(jobs: Mapping[str, object]) -> dict[str, str]:
    """Return the variables of `environment`.

    Raises:
        InputError: if a name is no variable, or the value must be kept out of the file.
    """
    variables: dict[str, str] = {}
    for name, value in _mapping(jobs, "environment").items():
        if not isinstance(name, str) or not VARIABLE.fullmatch(name):
            raise InputError(f"environment of jobs sets {name!r}, which is not the name of a variable.")
        if any(word in name.upper() for word in SECRET_WORDS):
            raise InputError(f"environment of jobs has the value of {name}: list its name under secrets instead.")
        if not isinstance(value, str | int | float) or isinstance(value, bool) or "\0" in str(value):
            raise InputError(f"{name} in environment of jobs is {value!r}: it must be text.")
        variables[name] = str(value)
    return variables


def _secrets(jobs: Mapping[str, object], specs: Sequence[ModelSpec]) -> tuple[str, ...]:
    """Return the names of secrets: those of the plan, and the keys of the servers of models."""
    names = dict.fromkeys(_texts(jobs, "secrets", ()))
    for spec in specs:
        remote = spec.judge or spec.server
        if remote and remote.endpoint:
            names[remote.endpoint.api_key_env] = None
    for name in names:
        if not VARIABLE.fullmatch(name):
            raise InputError("secrets of jobs lists names of environment variables, not their values.")
    return tuple(names)


def check_keys(values: Mapping[str, object], known: Sequence[str], place: str) -> None:
    """Check the keys of a mapping.

    Raises:
        InputError: for an unknown key, with the nearest one.
    """
    for key in values:
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}."
            raise InputError(f"{place} has no key {key!r}: {hint}")


def reject_lost_results(job: Job, mounts: Sequence[str], example: str) -> None:
    """Check that a target whose machines end with their task mounts a folder of results.

    Args:
        job: the job.
        mounts: options of the target that mount a folder.
        example: how the plan sets one.

    Raises:
        InputError: if none is set, and the results are in a folder.
    """
    folder = job.tasks[0].row.output_dir
    if "://" not in folder and not any(option in job.options for option in mounts):
        raise InputError(
            f"{folder} is lost when its machine ends: mount a shared folder, such as {example} in jobs, and set "
            "output_dir to a folder in it."
        )


def text_of(values: Mapping[str, object], key: str, default: str) -> str:
    """Return the text of a key.

    Raises:
        InputError: if it is not text, or empty.
    """
    value = values.get(key, default)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise InputError(f"{key} of jobs is {value!r}: it must be text.")
    return value


def _texts(values: Mapping[str, object], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return the list of texts of a key; one text is a list of one."""
    value = values.get(key, default)
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise InputError(f"{key} of jobs is {value!r}: it must be a list of texts.")
    return tuple(value)


def _mapping(values: Mapping[str, object], key: str) -> dict[str, object]:
    value = values.get(key) or {}
    if not isinstance(value, dict):
        raise InputError(f"{key} of jobs is {value!r}: it must map names to values.")
    return value
