"""Scorers of other packages: the entry point group `rewardbench.scorers`.

An entry point's name is the model's name, and its object a function of a `ModelSpec` that returns a `BaseScorer`:

    [project.entry-points."rewardbench.scorers"]
    mine = "my_package:load"

`--model mine` and `--model mine:argument` then call `load(spec)`, with `spec.model` as the user wrote it.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from rewardbench.errors import InputError
from rewardbench.models.failures import first_sentence
from rewardbench.scorers.base import BaseScorer
from rewardbench.settings import ModelSpec

GROUP = "rewardbench.scorers"


def find_plugin(model: str) -> EntryPoint | None:
    """Return the entry point of a model named NAME or NAME:argument; None if no installed package has one."""
    name = model.partition(":")[0]
    return next((point for point in entry_points(group=GROUP) if point.name == name), None)


def load_plugin(point: EntryPoint, spec: ModelSpec) -> BaseScorer:
    """Return the scorer of an entry point.

    Raises:
        InputError: if the package cannot be imported, or its function fails or returns anything but a BaseScorer.
    """
    try:
        scorer = point.load()(spec)
    except InputError:
        raise
    except Exception as error:  # of another package's code
        raise InputError(
            f"The scorer {point.name} ({point.value}) cannot be loaded: {type(error).__name__}: "
            f"{first_sentence(error)}. Repair or uninstall the package that provides it."
        ) from error
    if not isinstance(scorer, BaseScorer):
        raise InputError(
            f"The scorer {point.name} ({point.value}) is of type {type(scorer).__name__}: it must be a subclass of "
            "rewardbench.scorers.base.BaseScorer."
        )
    return scorer
