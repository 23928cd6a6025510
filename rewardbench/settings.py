"""Options given in Python: their names and types are checked before anything is loaded."""

from __future__ import annotations

import difflib
import os
import reprlib
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin, get_type_hints

from rewardbench.types import InputError

EXPECTED = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
SYNONYMS = {"torch_dtype": "dtype", "prioritize_scoring": "scores_only"}
"""Options that the command line calls otherwise."""


def read_options(options: Mapping[str, Any], *classes: type) -> list[dict[str, Any]]:
    """Sort options by the dataclass whose field they are.

    Raises: InputError for a name that no class has, and for a value of another type than the field's.
    """
    hints = [get_type_hints(one) for one in classes]
    known = {name: hint for fields in hints for name, hint in fields.items() if hint not in classes}
    known.pop("model", None)
    known.pop("dataset", None)
    values = {}
    for given, value in options.items():
        name = SYNONYMS.get(given, given)
        if name not in known:
            near = difflib.get_close_matches(given, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"evaluate() knows no option {given!r}: {hint}It takes {', '.join(sorted(known))}.")
        values[name] = _read(name, value, known[name])
    return [{name: value for name, value in values.items() if name in fields} for fields in hints]


def _read(name: str, value: Any, hint: Any) -> Any:
    """Return the value as the field holds it; paths and a torch dtype as text, numbers of numpy as Python's."""
    kinds = [kind for kind in (get_args(hint) or (hint,)) if get_origin(kind) is not Literal]
    optional = type(None) in kinds or hint is None
    if value is None and optional:
        return None
    if get_origin(hint) is Literal or len(kinds) < len(get_args(hint)):
        return value  # one of a few values, which the class itself checks
    if str in kinds and isinstance(value, os.PathLike):
        return os.fspath(value)
    if name == "dtype" and not isinstance(value, str):
        return str(value).removeprefix("torch.")
    if bool in kinds and isinstance(value, bool):
        return value
    if int in kinds and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if float in kinds and isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    if str in kinds and isinstance(value, str):
        return value
    expected = " or ".join([EXPECTED[kind] for kind in kinds if kind in EXPECTED] + ["None"] * optional)
    raise InputError(f"{name} is {reprlib.repr(value)}: it must be {expected}.")
