"""Choose the processes that score: this one, a pool, or the ranks of torchrun."""

from __future__ import annotations

from functools import partial

from rewardbench.engine.backends.base import Workers
from rewardbench.engine.backends.inline import Inline
from rewardbench.engine.backends.pool import Pool
from rewardbench.engine.backends.torchrun import Ranks, launch
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.settings import Settings


def choose_workers(settings: Settings) -> Workers:
    """Return the processes that score: the ranks of torchrun or accelerate, a pool, or this process.

    Ranks connect here, before anything is loaded, so that all end if one fails later.

    Raises:
        InputError: for several processes of a model behind a server, or of a judge without a cache.
    """
    launched, model = launch(), settings.model
    count = launched.size if launched else settings.num_processes or 1
    if count == 1:
        return Inline()
    if model.server or (model.judge and model.judge.endpoint):
        raise InputError(
            f"{model.model} is behind a server, which one process calls: leave out --num_processes, and torchrun."
        )
    if model.judge and not settings.cache:
        raise InputError("The processes of a judge share its answers in the cache: enable it, or use one process.")
    return Ranks(launched) if launched else Pool(count, partial(load_scorer, model, settings.cache))
