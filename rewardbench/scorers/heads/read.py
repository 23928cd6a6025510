"""Read a head spec from a YAML or Python file."""

from __future__ import annotations

import runpy
from pathlib import Path

from pydantic import ValidationError

from rewardbench.errors import InputError
from rewardbench.models.failures import first_sentence
from rewardbench.scorers.heads.spec import HeadSpec


def read_spec(path: Path) -> HeadSpec:
    """Read a spec from a YAML file, or from a Python file that defines SPEC; the code of the latter runs.

    Raises:
        InputError: if the file cannot be read, or a key or value is not one of a spec's.
    """
    return _run(path) if path.suffix == ".py" else _parse(path)


def _run(path: Path) -> HeadSpec:
    try:
        spec = runpy.run_path(str(path)).get("SPEC")
    except ValidationError as error:
        raise _invalid(path, error) from error
    except Exception as error:  # the file may raise anything
        reason = f"{type(error).__name__}: {first_sentence(error)}"
        raise InputError(f"The adapter {path} cannot be run ({reason}): correct it.") from error
    if not isinstance(spec, HeadSpec):
        raise InputError(f"The adapter {path} defines no SPEC: add SPEC = HeadSpec(...).")
    return spec


def _parse(path: Path) -> HeadSpec:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster; some builds of PyYAML lack it
    try:
        fields = yaml.load(path.read_text(encoding="utf-8"), loader)
    except (OSError, ValueError, LookupError, AttributeError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"The adapter {path} cannot be read ({reason}): pass a YAML file with a head spec.") from error
    if not isinstance(fields, dict):
        raise InputError(f"The adapter {path} is not a mapping of keys: pass a YAML file with a head spec.")
    try:
        return HeadSpec.model_validate({"name": path.stem, **fields})
    except ValidationError as error:
        raise _invalid(path, error) from error


def _invalid(path: Path, error: ValidationError) -> InputError:
    problem = error.errors()[0]
    key = ".".join(map(str, problem["loc"])) or "the file"
    return InputError(f"The adapter {path} is not a head spec: {key}: {problem['msg']}.")
