"""Settings of a run: the model, the data, how it is computed. Names and types are checked before anything is loaded."""

from __future__ import annotations

import difflib
import os
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin, get_type_hints

from rewardbench.errors import InputError

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


@dataclass(frozen=True)
class ModelSpec:
    """Everything the command line says of a model; `None` means the model's own."""

    model: str
    ref_model: str | None = None
    ref_free_type: Literal["sum", "avg", "norm"] | None = None
    revision: str | None = None
    ref_revision: str | None = None
    tokenizer: str | None = None
    chat_template: str | None = None
    max_length: int | None = None
    truncation_side: Literal["left", "right"] = "left"
    dtype: str = "auto"
    attn_implementation: str | None = None
    compile: bool = False
    device: str | None = None
    trust_remote_code: bool = False
    beta: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                known = ", ".join(map(str, allowed))
                raise InputError(f"{name} is {getattr(self, name)!r}: it must be one of {known}.")
        refuse_less_than_one(self, "max_length")


CHOICES = {
    "ref_free_type": (None, "sum", "avg", "norm"),
    "truncation_side": ("left", "right"),
    "dtype": ("auto", "float16", "bfloat16", "float32", "float64"),
}
"""Fields of a ModelSpec that take but a few values."""


def refuse_less_than_one(settings: Any, *names: str) -> None:
    """Raises: InputError where a count is given that is none."""
    for name in names:
        count = getattr(settings, name)
        if count is not None and not (isinstance(count, int) and count >= 1):
            raise InputError(f"{name} is {count!r}: it must be a whole number of at least 1, or None.")


Pairs = Literal["best-worst", "all", "best-of-n"]


@dataclass(frozen=True)
class Inputs:
    """A model, and the data it is scored on."""

    model: ModelSpec
    dataset: str = "core"
    split: str | None = None
    subset: str | None = None
    dataset_revision: str | None = None
    protocol: str | None = None
    pairs: Pairs | None = None
    """Which items a prompt with several scored completions makes; None: its best against its worst."""


@dataclass(frozen=True)
class Settings(Inputs):
    """One run: a model on data. Everything the command line can say, parsed."""

    scores_only: bool = False
    load_json: bool = False
    limit: int | None = None
    fresh: int | None = None
    """The seed of a fresh draw of core's builders, to be scored beside core; `run` is given its folder."""
    batch_size: int | None = None
    batch_tokens: int | None = None
    num_processes: int | None = None
    cache: bool = False
    """Whether scores are looked up in the local cache, and kept there."""

    def __post_init__(self) -> None:
        refuse_less_than_one(self, "limit", "batch_size", "batch_tokens", "num_processes")
