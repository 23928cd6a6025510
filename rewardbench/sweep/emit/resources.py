"""Resources of the task of a row: as the plan sets them, or by the number of parameters in the name of the model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches

from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec
from rewardbench.sweep.sources import has_files

SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[bB](?![a-zA-Z\d])")
"""Finds the billions of parameters in the name of a model."""
GPU_GB = 80
"""Memory of a GPU by which the default number of GPUs is chosen."""
LOADED_GB = 2.4
"""Gigabytes on the GPU for a billion parameters: 2 bytes each, and activations."""
TIME = re.compile(r"(\d+)\s*([mhd])")
MINUTES = {"m": 1, "h": 60, "d": 24 * 60}
MEMORY = re.compile(r"(\d+)\s*(?:G|GB|Gi|GiB)?", re.IGNORECASE)


@dataclass(frozen=True)
class Resources:
    """What the task of a row is given."""

    gpus: int
    cpus: int
    memory: int
    """Main memory in GiB."""
    time: int
    """Minutes after which the scheduler ends the task."""
    accelerator: str | None
    """Kind of GPU, as the target names it; None: any."""
    shards: int
    """Parts into which the row is divided, each a task."""


NAMES = tuple(field.name for field in fields(Resources))


def read_resources(values: Mapping[str, object], spec: ModelSpec) -> Resources:
    """Return the resources of a row.

    Args:
        values: resources by their names, as the plan has them.
        spec: the model, whose size decides what is not set.

    Raises:
        InputError: if a name is unknown or a value is wrong.
    """
    for name in values:
        if name not in NAMES:
            near = get_close_matches(str(name), NAMES, 1) or [", ".join(NAMES)]
            raise InputError(
                f"resources of {spec.model} sets {name!r}, which is not a resource: did you mean {near[0]}?"
            )
    billions = _billions(spec.model)
    gpus = _count(values, "gpus", _default_gpus(spec, billions), spec.model, least=0)
    accelerator = values.get("accelerator")
    if accelerator is not None and not (isinstance(accelerator, str) and re.fullmatch(r"[\w.-]+", accelerator)):
        raise InputError(f"accelerator of {spec.model} is {accelerator!r}: it must be the name of a GPU, such as H100.")
    return Resources(
        gpus=gpus,
        cpus=_count(values, "cpus", 8 * max(1, gpus), spec.model),
        memory=_memory(values.get("memory", max(32, round(3 * billions))), spec.model),
        time=_time(values.get("time", "4h"), spec.model),
        accelerator=accelerator,
        shards=_count(values, "shards", 1, spec.model),
    )


def _billions(name: str) -> float:
    """Return the billions of parameters in a name; 0 if there are none.

    >>> _billions("org/Llama-3.1-70B-Reward"), _billions("org/rm-1.7b"), _billions("org/8bit-v2")
    (70.0, 1.7, 0.0)
    """
    matches = SIZE.findall(name)
    return max(map(float, matches), default=0.0)


def _default_gpus(spec: ModelSpec, billions: float) -> int:
    """Return the smallest power of two of GPUs that hold a model; 0 for a model that is not read from files."""
    if not has_files(spec) or spec.device == "cpu":
        return 0
    gpus = 1
    while gpus * GPU_GB < billions * LOADED_GB:
        gpus *= 2
    return gpus


def _count(values: Mapping[str, object], name: str, default: int, model: str, least: int = 1) -> int:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} of {model} is {value!r}: it must be a whole number of at least {least}.")
    return value


def _memory(value: object, model: str) -> int:
    """Return GiB of a value such as 64 or 64G."""
    match = MEMORY.fullmatch(str(value).strip())
    if isinstance(value, bool) or match is None or int(match[1]) < 1:
        raise InputError(f"memory of {model} is {value!r}: it must be a number of gigabytes, such as 64G.")
    return int(match[1])


def _time(value: object, model: str) -> int:
    """Return the minutes of a value such as 90m, 4h or 2d."""
    match = TIME.fullmatch(str(value).strip())
    if match is None or int(match[1]) < 1:
        raise InputError(f"time of {model} is {value!r}: write minutes, hours or days, such as 90m, 4h or 2d.")
    return int(match[1]) * MINUTES[match[2]]
