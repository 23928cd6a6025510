"""Find head specs by name: those of this package, of other packages, and of the user's files.

Other packages offer theirs by the entry point group `rewardbench.heads`. Its object is a `HeadSpec`, the path of a YAML
file, a list of these, or a function that returns one of them:

    [project.entry-points."rewardbench.heads"]
    mine = "my_package:SPEC"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import EntryPoint
from importlib.resources import files
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.models.failures import first_sentence
from rewardbench.paths import entry_points
from rewardbench.scorers.heads.read import read_spec
from rewardbench.scorers.heads.spec import HeadSpec

GROUP = "rewardbench.heads"


@cache
def builtin_specs() -> Mapping[str, HeadSpec]:
    """Return the specs of this package by name."""
    folder = Path(str(files("rewardbench.scorers.heads") / "specs"))
    specs = [read_spec(path) for path in sorted(folder.glob("*.yaml"))]
    return {spec.name: spec for spec in specs}


def known_specs() -> dict[str, HeadSpec]:
    """Return the specs of this package and of other packages by name.

    Raises:
        InputError: if another package's specs cannot be loaded, or one has the name of another spec.
    """
    specs = dict(builtin_specs())
    for point in entry_points(group=GROUP):
        for spec in load_specs(point):
            if spec.name in specs:
                raise InputError(
                    f"The head spec {spec.name} of the entry point {point.name} ({point.value}) has the name of "
                    "another spec: rename it, or uninstall the package that provides it."
                )
            specs[spec.name] = spec
    return specs


def load_specs(entry_point: EntryPoint) -> list[HeadSpec]:
    """Load the specs of an entry point.

    Raises:
        InputError: if the package cannot be imported, its function fails, or its object is not a head spec.
    """
    try:
        offered = entry_point.load()
        specs = list(_as_specs(offered() if callable(offered) else offered))
    except Exception as error:  # code of another package may raise anything
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {first_sentence(error)}."
        raise InputError(
            f"The head specs {entry_point.name} ({entry_point.value}) cannot be loaded: {reason} Repair or uninstall "
            "the package that provides them."
        ) from error
    return specs


def _as_specs(offered: object) -> Iterator[HeadSpec]:
    """Yield the specs of an object: a spec, a path, or several of them."""
    if isinstance(offered, HeadSpec):
        yield offered
    elif isinstance(offered, str | Path):
        yield read_spec(Path(offered))
    elif isinstance(offered, list | tuple):
        for part in offered:
            yield from _as_specs(part)
    else:
        raise TypeError(f"{type(offered).__name__} is neither a HeadSpec nor the path of one")


def named_spec(adapter: str) -> HeadSpec:
    """Return the spec of `--adapter`: a name, NAME:PRINCIPLE, or a YAML or Python file.

    Raises:
        InputError: if there is no such spec, or the family takes no principle.
    """
    specs = known_specs()
    if adapter in specs:
        return specs[adapter]
    path = Path(adapter).expanduser()
    if path.is_file():
        return read_spec(path)
    name, _, principle = adapter.partition(":")
    if name not in specs:
        raise InputError(f"--adapter {adapter} is neither a file nor one of {', '.join(specs)}.")
    spec = specs[name]
    if not spec.input.needs_principle:
        raise InputError(f"--adapter {adapter}: the family {name} takes no principle. Pass --adapter {name}.")
    if not principle.strip():
        raise InputError(f"--adapter {adapter} names no principle: pass --adapter {name}:PRINCIPLE.")
    return spec.model_copy(update={"input": spec.input.model_copy(update={"principle": principle.strip()})})


def rejected_spec(name: str) -> HeadSpec | None:
    """Return the spec that lists a Hub id, if no checkpoint of the family can be scored as it is."""
    for spec in known_specs().values():
        if spec.rejection and _lists(spec, name):
            return spec
    return None


def spec_of_checkpoint(name: str) -> HeadSpec | None:
    """Return the spec that lists a Hub id and that no file of a checkpoint shows; None for all others."""
    for spec in known_specs().values():
        if spec.match.is_empty and _lists(spec, name):
            return spec
    return None


def listed_spec(name: str) -> HeadSpec | None:
    """Return the spec that lists a Hub id; None if none does."""
    for spec in known_specs().values():
        if _lists(spec, name):
            return spec
    return None


def _lists(spec: HeadSpec, name: str) -> bool:
    """Return True if a spec lists a Hub id, or a pattern that it matches."""
    return any(fnmatchcase(name, pattern) for pattern in spec.checkpoints)
