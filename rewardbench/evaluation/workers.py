"""Choose the processes that score: this one, a pool, the ranks of torchrun, or actors of a Ray cluster."""

from __future__ import annotations

from functools import lru_cache, partial

from rewardbench.engine.backends.base import Workers
from rewardbench.engine.backends.inline import Inline
from rewardbench.engine.backends.pool import Pool
from rewardbench.engine.backends.ray import Ray
from rewardbench.engine.backends.ray_cluster import Cluster
from rewardbench.engine.backends.torchrun import Ranks, launch
from rewardbench.errors import InputError
from rewardbench.models.tensor_parallel import DEVICE_MAP
from rewardbench.processes import whole_number
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec, Settings


def choose_workers(settings: Settings) -> Workers:
    """Return the processes that score: the ranks of torchrun or accelerate, actors of Ray, a pool, or this process.

    Ranks and Ray connect here, before anything is loaded, so that all end if one fails later.

    Raises:
        InputError: for several processes of a model behind a server, or of a judge without a cache.
    """
    launched, model = launch(), settings.model
    if settings.engine == "ray":
        _check_ray(settings, is_launched=launched is not None)
        return _ray_workers(model, settings.ray_address, settings.ray_actors, settings.gpus_per_actor)
    count = launched.size if launched else settings.num_processes or 1
    if count == 1:
        return Inline()
    if model.server or (model.judge and model.judge.endpoint):
        raise InputError(
            f"{model.model} is behind a server, which one process calls: leave out --num_processes, and torchrun."
        )
    if model.judge and not settings.cache:
        raise InputError("The processes of a judge share its answers in the cache: enable it, or use one process.")
    if launched:
        return Ranks(launched, shares_model=model.device_map == DEVICE_MAP)
    return Pool(count, partial(load_scorer, model, settings.cache))


def _check_ray(settings: Settings, is_launched: bool) -> None:
    """Check that actors of Ray can score a model.

    Raises:
        InputError: for a judge or a model behind a server, and in a process of torchrun.
    """
    model = settings.model
    if is_launched:
        raise InputError("torchrun and --engine ray exclude each other: unset RANK and WORLD_SIZE, or leave out ray.")
    if model.server or model.judge:
        raise InputError(
            f"--engine ray scores reward models: the requests and answers of {model.model} are counted and kept by one "
            "process; leave it out, and pass --max_concurrency for a server."
        )


@lru_cache(maxsize=1)  # the actors of a model keep it for its next dataset; those of another model end
def _ray_workers(model: ModelSpec, address: str | None, actors: int | None, gpus: float | None) -> Ray:
    """Connect to a Ray cluster.

    Raises:
        InputError: if the cluster cannot be reached, or the number of CPUs is below 1.
    """
    cpus = whole_number("REWARDBENCH_RAY_CPUS")
    if cpus is not None and cpus < 1:
        raise InputError(f"REWARDBENCH_RAY_CPUS is {cpus}: it must be at least 1, the CPUs of an actor.")
    return Ray(Cluster(address), partial(load_scorer, model), actors, gpus, cpus or 1)
