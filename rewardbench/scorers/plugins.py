"""Find scorers of other packages, by the entry point group `rewardbench.scorers`.

The name of an entry point is the name of a model; its object is a function that maps a `ModelSpec` to a `BaseScorer`:

    [project.entry-points."rewardbench.scorers"]
    mine = "my_package:load"

`--model mine` and `--model mine:argument` then call `load(spec)`; `spec.model` is the name as the user wrote it.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint

from rewardbench.errors import InputError
from rewardbench.models.failures import first_sentence
from rewardbench.paths import entry_points
from rewardbench.scorers.base import BaseScorer
from rewardbench.settings import ModelSpec

GROUP = "rewardbench.scorers"


def find_plugin(model: str) -> EntryPoint | None:
    """Return the entry point of a model called NAME or NAME:argument; None if no installed package has it."""
    name = model.partition(":")[0]
    return next((point for point in entry_points(group=GROUP) if point.name == name), None)


def load_plugin(entry_point: EntryPoint, spec: ModelSpec) -> BaseScorer:
    """Load the scorer of an entry point.

    Raises:
        InputError: if the package cannot be imported, or its function fails or does not return a BaseScorer.
    """
    try:
        scorer = entry_point.load()(spec)
    except InputError:
        raise
    except Exception as error:  # code of another package may raise anything
        raise InputError(
            f"The scorer {entry_point.name} ({entry_point.value}) cannot be loaded: {type(error).__name__}: "
            f"{first_sentence(error)}. Repair or uninstall the package that provides it."
        ) from error
    if not isinstance(scorer, BaseScorer):
        raise InputError(
            f"The scorer {entry_point.name} ({entry_point.value}) is of type {type(scorer).__name__}: it must be a "
            "subclass of rewardbench.scorers.base.BaseScorer."
        )
    return scorer
