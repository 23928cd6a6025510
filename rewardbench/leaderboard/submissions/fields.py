"""The fields of a submission as a model: every rule that a stranger's summary must meet before its items are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.results import schema, stated
from rewardbench.results.schema import (
    RULE,
    SENTENCE,
    STRING,
    Count,
    Difference,
    EstimateRecord,
    Record,
    RulesRecord,
    Share,
    Summary,
    must,
    shown,
)
from rewardbench.scorers.baselines import RULES as BASELINES
from rewardbench.store.local import MOST_SUMMARY, refuse_reserved
from rewardbench.types import Estimate

DEEPEST = 32
LONGEST_TEXT = 4_000
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_NAME = re.compile(rf"{_PART}(?:/{_PART})?")
_HASH = re.compile(r"[0-9a-f]{64}")
MOST_FIGURES = 10_000
"""Figures of the longest list of a submission."""
MOST_PROBLEMS = 50
"""Problems of a submission that are named."""
GAP = ("core", "fresh", "gap")
"""Names of the figures that `metrics.gap` gives."""


def read(path: Path) -> dict[str, Any]:
    """Read the summary at `path` within limits.

    Raises: InputError if it is too large, no strict JSON, nested too deep, or not of a known schema.
    """
    try:
        size = path.stat().st_size
        if size > MOST_SUMMARY:
            raise InputError(
                f"{path.name} has {size:,} bytes, and a summary at most {MOST_SUMMARY:,}: it was not read."
            )
        value = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is not strict JSON ({type(error).__name__}).") from error
    if _depth(value) > DEEPEST:
        raise InputError(f"{path.name} is nested deeper than {DEEPEST} levels.")
    return results.read_summary(path)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _depth(value: Any) -> int:
    """Return how deep lists and objects are nested."""
    depth, level = 0, [value]
    while level:
        depth += 1
        inner: list[Any] = []
        for outer in level:
            if isinstance(outer, dict):
                inner += outer.values()
            elif isinstance(outer, list):
                inner += outer
        level = inner
    return depth


def is_clean_name(name: Any) -> bool:
    """Return True if a name is safe in a path, a page and a table, and no look-alike in letters of another script.

    >>> [is_clean_name(name) for name in ("org/Model-7B.v2", "../etc", "=cmd()", "a/b/c", "mоdel", 7)]
    [True, False, False, False, False, False]
    """
    return isinstance(name, str) and bool(_NAME.fullmatch(name)) and ".." not in name


def problems(record: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the fields of a summary, in ASCII: empty if it meets all rules."""
    clauses: list[str] = []
    try:
        SubmittedSummary.model_validate(record)
    except ValidationError as error:
        clauses = schema.problems(error, MOST_PROBLEMS)
    clauses += islice(_texts(record), MOST_PROBLEMS)
    return clauses


def _model_name(name: str) -> str:
    if not is_clean_name(name):
        raise PydanticCustomError(
            SENTENCE,
            "the model's name {name} is not org/name in ASCII letters, digits, dots, dashes and underscores",
            {"name": shown(name)},
        )
    try:
        refuse_reserved(name)
    except InputError as error:
        reason = str(error).rstrip(".")
        raise PydanticCustomError(SENTENCE, "its name cannot be: {reason}", {"reason": reason}) from error
    return name


def _may_be_empty(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value in (None, "") or check(value)


def _is_outputs_hash(value: Any) -> bool:
    return isinstance(value, str) and bool(_HASH.fullmatch(value))


def _suite_facts(value: Any) -> Any:
    """Check what a manifest says of its suite; the checks do not rely on it."""
    if value is None or (isinstance(value, dict) and "rules" not in value):
        return value
    try:
        RulesRecord.model_validate(value)
    except ValidationError as error:
        text = "manifest.suite is not what a suite is: {reason}"
        raise PydanticCustomError(SENTENCE, text, {"reason": schema.explain(error)}) from error
    return value


def _figure(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise PydanticCustomError(RULE, "which is no figure")
    return value


def _gap(values: Any) -> Any:
    """Check that a gap is empty, or holds the three figures of `metrics.gap` with all their fields."""
    if not isinstance(values, list) or not values:
        return values
    keys = {field.name for field in fields(Estimate)}
    complete = all(isinstance(figure, dict) and set(figure) == keys for figure in values)
    if not complete or tuple(figure["name"] for figure in values) != GAP:
        raise PydanticCustomError(SENTENCE, f"gap does not hold the three figures {', '.join(GAP)}")
    return values


ModelName = Annotated[str, PlainValidator(_model_name), WithJsonSchema({**STRING, "pattern": _NAME.pattern})]
ModelType = Annotated[
    str,
    must(stated.is_model_type, f"which is none of {', '.join(stated.MODEL_TYPES)}"),
    WithJsonSchema({"enum": list(stated.MODEL_TYPES)}),
]
License = Annotated[
    Any,
    must(
        _may_be_empty(stated.is_license),
        "which is no SPDX or Hub identifier, such as apache-2.0, llama3.1 or other",
    ),
    WithJsonSchema(STRING),
]
Parameters = Annotated[
    Any,
    must(lambda value: value is None or stated.is_parameter_count(value), "which is no plausible number of parameters"),
    WithJsonSchema({"type": "integer"}),
]
Command = Annotated[
    Any,
    must(
        _may_be_empty(stated.is_command),
        "which is no rewardbench command in one line with its arguments quoted",
    ),
    WithJsonSchema(STRING),
]
Day = Annotated[
    Any,
    must(
        _may_be_empty(stated.is_day),
        f"which is not written YYYY-MM-DD, is before {stated.EARLIEST}, or is yet to come",
    ),
    WithJsonSchema({**STRING, "format": "date"}),
]
OutputsHash = Annotated[
    str,
    must(_is_outputs_hash, f"{results.OUTPUTS_HASH} is no sha256: scores of the items are needed", SENTENCE),
    WithJsonSchema({**STRING, "pattern": _HASH.pattern}),
]


class SubmittedFigure(EstimateRecord):
    """A figure of a submission: a share of so many clusters. Fields beside its own are left to the arithmetic."""

    n: Count
    value: Share | None
    low: Share | None = None
    high: Share | None = None


class SubmittedDifference(EstimateRecord):
    """A figure of a gap, which may be negative."""

    value: Difference | None
    low: Difference | None = None
    high: Difference | None = None


class ModelFacts(Record):
    """What a manifest says of its model; each field may be missing."""

    license: License = None
    parameters: Parameters = None


class SubmittedManifest(Record):
    """The manifest of a submission."""

    fingerprint: Any = None
    fingerprint_sha256: Any = None
    suite: Annotated[Any, AfterValidator(_suite_facts)] = None
    model: ModelFacts | None = None
    command: Command = None


Figures = Annotated[
    Sequence[Annotated[SubmittedFigure, BeforeValidator(_figure)]],
    Field(max_length=MOST_FIGURES),
]


class SubmittedSummary(Summary):
    """The summary of a submission: no field beside those of `Summary`, and each within its rule."""

    model_config = ConfigDict(extra="forbid")

    model: ModelName
    model_type: ModelType
    manifest: SubmittedManifest
    score: Annotated[SubmittedFigure, BeforeValidator(_figure)]
    accuracy_estimate: Annotated[SubmittedFigure, BeforeValidator(_figure)]
    sections: Figures
    subsets: Figures
    mirrors: Figures
    gap: Annotated[Sequence[SubmittedDifference], BeforeValidator(_gap), Field(max_length=len(GAP))]
    date: Day = None
    outputs_sha256: OutputsHash

    @model_validator(mode="after")
    def _has_no_name_of_a_baseline(self) -> SubmittedSummary:
        """Check that only our own baselines have a name below baseline/."""
        known = [f"baseline/{rule}" for rule in BASELINES]
        if self.model.casefold().startswith("baseline/") and (self.model not in known or self.model_type != "Baseline"):
            raise PydanticCustomError(
                SENTENCE,
                "the name {name} is kept for the baselines {known}, of type Baseline",
                {"name": shown(self.model), "known": ", ".join(known)},
            )
        return self


def _texts(value: Any, where: str = "the summary") -> Iterator[str]:
    """Yield a clause for each text, at any depth, that is too long or holds hidden characters; also for keys."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            yield f"a text in {where} has {len(value):,} characters"
        if stated.has_hidden(value):
            yield f"a text in {where} holds control or invisible characters: {shown(value)}"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(key, where)
            yield from _texts(inner, f"field {shown(key)}")
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, where)
