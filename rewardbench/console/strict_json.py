"""Write strict JSON in ASCII from any value, to files and to the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

DEEPEST = 100
"""Maximum depth of nesting, below the recursion limit of every JSON reader."""


def dump(value: object, indent: int | None = None) -> str:
    r"""Return a value as a line of JSON: NaN and infinities become null, unknown objects become text.

    >>> dump({"margin": float("inf"), "subset": "a\ud83d"})
    '{"margin": null, "subset": "a\\ud83d"}\n'
    """
    try:
        return json.dumps(value, allow_nan=False, indent=indent) + "\n"
    except (TypeError, ValueError, RecursionError):
        return json.dumps(to_plain(value), allow_nan=False, indent=indent) + "\n"


def to_plain(value: object, depth: int = 0) -> Any:
    """Convert a value to plain JSON types: NaN and infinities become null, unknown objects become text.

    Values nested deeper than `DEEPEST` levels become null.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    if depth > DEEPEST:
        return None
    if isinstance(value, Mapping):
        return {str(key): to_plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [to_plain(inner, depth + 1) for inner in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return to_plain(value.tolist(), depth + 1)
    return str(value)
