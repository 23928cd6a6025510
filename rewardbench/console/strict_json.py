"""Strict JSON in ASCII of any value: the one writer of JSON, to files and to the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

DEEPEST = 100
"""Levels of nesting that are kept; no reader or writer of JSON reaches its recursion limit there."""


def dump(value: Any, indent: int | None = None) -> str:
    r"""Write a line of JSON. NaN and infinities become null, other objects text; any text survives any reader.

    >>> dump({"margin": float("inf"), "subset": "a\ud83d"})
    '{"margin": null, "subset": "a\\ud83d"}\n'
    """
    try:
        return json.dumps(value, allow_nan=False, indent=indent) + "\n"
    except (TypeError, ValueError, RecursionError):
        return json.dumps(to_plain(value), allow_nan=False, indent=indent) + "\n"


def to_plain(value: Any, depth: int = 0) -> Any:
    """Return the nearest JSON value: NaN and infinities are null, what JSON does not know becomes text.

    What is nested deeper than `DEEPEST` levels becomes null.
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
