"""Options of a Ray cluster (`--engine ray`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from rewardbench.cli.options import CountOption, TextOption, flag

RAY = "Ray"
"""Panel of the help."""


@dataclass(frozen=True, kw_only=True)
class RayOptions:
    """Options of `--engine ray`; they do not change scores."""

    ray_address: Annotated[
        TextOption,
        flag(
            RAY,
            "ray_address",
            "With --engine ray: HOST:PORT of the head node, auto or local; default: RAY_ADDRESS, or this machine's",
        ),
    ] = None
    ray_actors: Annotated[
        CountOption,
        flag(
            RAY,
            "ray_actors",
            "With --engine ray: number of actors; default: as many as the cluster has room for, also when it grows",
            min=1,
        ),
    ] = None
    gpus_per_actor: Annotated[
        float | None,
        flag(
            RAY,
            "gpus_per_actor",
            "With --engine ray: GPUs of an actor, or a share of one; default: 1, of a model on a CPU 0",
            min=0,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TextEngineOptions(RayOptions):
    """Options for where texts are scored."""

    engine: Annotated[
        Literal["local", "ray"], flag(RAY, "engine", "local: run --model here; ray: run it on a Ray cluster")
    ] = "local"
