"""Settings of a run: the model, the data, how it is computed. Names and types are checked before anything is loaded."""

from __future__ import annotations

import difflib
import os
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import Any, Literal, TypedDict, TypeVar, get_args, get_origin, get_type_hints

from rewardbench.errors import InputError
from rewardbench.types import Scorer

Model = str | os.PathLike[str] | Scorer | tuple[Any, Any] | Callable[..., Any]
"""A name, a folder or a Hub id; in memory: a scorer, (model, tokenizer), or a function of prompt and completion."""
Data = str | os.PathLike[str] | Iterable[Any]
"""A name, a file, a folder, a Hub id; or in memory: a list of dicts, a DataFrame or a `datasets.Dataset`."""

EXPECTED = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
SYNONYMS = {"torch_dtype": "dtype", "prioritize_scoring": "scores_only"}
"""Names of the command line and of transformers, by which an option is known too."""


F = TypeVar("F", bound=Callable[..., Any])


def with_options(*classes: type) -> Callable[[F], F]:
    """Decorator: show the fields of dataclasses as the keywords of a function that takes them as `**options`.

    `inspect.signature`, help() and notebooks then name every option with its type and default; type checkers read the
    function's own annotation, and unknown names still reach `read_options`.
    """

    def decorate(function: F) -> F:
        own = signature(function)
        parameters = [one for one in own.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        names = {one.name for one in parameters}
        hints = {name: hint for name, hint in get_type_hints(function).items() if name in {*names, "return"}}
        for group in classes:
            types = get_type_hints(group)
            for field in fields(group):
                if field.name not in names:
                    parameters.append(Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default))
                    hints[field.name] = types[field.name]
        parameters = [one.replace(annotation=hints[one.name]) for one in parameters]
        function.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        function.__annotations__ = hints
        return function

    return decorate


def read_options(options: Mapping[str, Any], *classes: type, function: str = "evaluate") -> list[dict[str, Any]]:
    """Sort options by the dataclass whose field they are.

    Args:
        options: values by the names of options.
        classes: dataclasses whose fields are the options.
        function: the function that was called, for the error.

    Raises: InputError for a name that no class has, and for a value of another type than the field's.
    """
    hints = [get_type_hints(kind) for kind in classes]
    known = {name: hint for fields in hints for name, hint in fields.items() if hint not in classes}
    known.pop("model", None)
    known.pop("dataset", None)
    values = {}
    for option, value in options.items():
        name = SYNONYMS.get(option, option)
        if name not in known:
            near = difflib.get_close_matches(option, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"{function}() knows no option {option!r}: {hint}It takes {', '.join(sorted(known))}.")
        values[name] = _read(name, value, known[name])
    return [{name: value for name, value in values.items() if name in fields} for fields in hints]


def _read(name: str, value: Any, hint: Any) -> Any:
    """Convert a value to the type of its field: paths and a torch dtype to text, numbers of numpy to Python's."""
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
    """Which model is scored, and how it runs; `None` means the model's own. `evaluate` documents each option."""

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
"""Fields of a ModelSpec that take one of a few values."""


def refuse_less_than_one(settings: Any, *names: str) -> None:
    """Check counts. Raises: InputError if a setting is below 1."""
    for name in names:
        count = getattr(settings, name)
        if count is not None and not (isinstance(count, int) and count >= 1):
            raise InputError(f"{name} is {count!r}: it must be a whole number of at least 1, or None.")


Pairs = Literal["best-worst", "all", "best-of-n"]


@dataclass(frozen=True)
class Inputs:
    """A model and the data on which it is scored."""

    model: ModelSpec
    dataset: str = "core"
    split: str | None = None
    subset: str | None = None
    dataset_revision: str | None = None
    protocol: str | None = None
    pairs: Pairs | None = None
    """Items built from a prompt with several scored completions; None: its best against its worst."""


@dataclass(frozen=True)
class Settings(Inputs):
    """One run: a model on data, and how it is computed."""

    scores_only: bool = False
    load_json: bool = False
    limit: int | None = None
    fresh: int | None = None
    """The seed of a fresh draw of core's builders, which is scored too; `run` takes the folder of the draw."""
    batch_size: int | None = None
    batch_tokens: int | None = None
    num_processes: int | None = None
    cache: bool = False
    """Whether scores are read from and written to the local cache."""

    def __post_init__(self) -> None:
        refuse_less_than_one(self, "limit", "batch_size", "batch_tokens", "num_processes")


class ScorerOptions(TypedDict, total=False):
    """Options of `load_scorer` and `score`; all may be left out, and mean what they mean in `evaluate`."""

    ref_model: str | None
    ref_free_type: Literal["sum", "avg", "norm"] | None
    revision: str | None
    ref_revision: str | None
    tokenizer: str | None
    chat_template: str | None
    max_length: int | None
    truncation_side: Literal["left", "right"]
    dtype: str
    attn_implementation: str | None
    compile: bool
    device: str | None
    trust_remote_code: bool
    beta: float
    seed: int
    batch_size: int | None
    batch_tokens: int | None
    cache: bool


class EvaluateOptions(ScorerOptions, total=False):
    """Options of `evaluate`: those of `ModelSpec` and `Settings`, for type checkers; all may be left out."""

    split: str | None
    subset: str | None
    dataset_revision: str | None
    protocol: str | None
    pairs: Pairs | None
    scores_only: bool
    load_json: bool
    limit: int | None
    fresh: int | None
    num_processes: int | None
