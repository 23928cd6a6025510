"""Check the fields of an untrusted summary against a model, before its items are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from math import isinf
from pathlib import Path
from typing import Annotated, Any, NoReturn

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
from rewardbench.results import SummaryJson, stated
from rewardbench.results.judges import JudgeRecord
from rewardbench.results.schema import (
    STRING,
    BaseRecord,
    CountField,
    DifferenceField,
    EstimateRecord,
    ResultSummary,
    RulesRecord,
    ShareField,
    TextField,
    must,
)
from rewardbench.results.schema_errors import RULE, SENTENCE, describe_errors, describe_first_error, format_untrusted
from rewardbench.scorers.baselines import RULES as BASELINES
from rewardbench.store.local import MOST_SUMMARY, reject_reserved
from rewardbench.types import Estimate

DEEPEST = 32
"""Maximum depth of nesting."""
LONGEST_TEXT = 4_000
"""Maximum number of characters of a text."""
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_NAME = re.compile(rf"{_PART}(?:/{_PART})?")
_HASH = re.compile(r"[0-9a-f]{64}")
MOST_FIGURES = 10_000
"""Maximum number of figures in a list."""
MOST_BIASES = 3
MOST_PROBLEMS = 50
"""Maximum number of problems that are reported."""
GAP = ("core", "fresh", "gap")
"""Names of the figures of `metrics.gap`."""
BASELINE_NAMES = tuple(f"baseline/{rule}" for rule in BASELINES)


def read_untrusted_summary(path: Path) -> SummaryJson:
    """Read the summary at `path` within limits.

    Raises:
        InputError: if it is too large, not strict JSON, nested too deep, or has an unknown schema number.
    """
    try:
        size = path.stat().st_size
        if size > MOST_SUMMARY:
            raise InputError(
                f"{path.name} was not read: it has {size:,} bytes, and a summary has at most {MOST_SUMMARY:,}."
            )
        value = json.loads(
            path.read_bytes(),
            parse_constant=_reject_constant,
            parse_float=_finite,
            parse_int=_limited,
            object_pairs_hook=_reject_repeated,
        )
        json.dumps(value, ensure_ascii=False).encode()  # fails for text that is not Unicode
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeEncodeError as error:
        raise InputError(f"{path.name} has control or invisible characters: an unpaired surrogate.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is not strict JSON ({type(error).__name__}).") from error
    if _depth(value) > DEEPEST:
        raise InputError(f"{path.name} is nested deeper than {DEEPEST} levels.")
    return results.read_summary(path)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    """Return a number that JSON can contain again: Python reads 1e999 as infinity."""
    number = float(digits)
    if isinf(number):
        raise ValueError("a number is too large")
    return number


def _limited(digits: str) -> int:
    """Return an integer that other programs can read too: it has 64 bits."""
    number = int(digits)
    if not -(2**63) <= number < 2**63:
        raise ValueError("an integer is too large")
    return number


def _reject_repeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object without repeated keys: other readers may take the first of two values, not the last."""
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is repeated")
    return value


def _depth(value: object) -> int:
    """Return how deep lists and objects are nested."""
    depth, level = 0, [value]
    while level:
        depth += 1
        inner: list[object] = []
        for outer in level:
            if isinstance(outer, dict):
                inner += outer.values()
            elif isinstance(outer, list):
                inner += outer
        level = inner
    return depth


def is_clean_name(name: object) -> bool:
    """Return True if a name is safe in paths, pages and tables: `name` or `org/name` in ASCII.

    >>> [is_clean_name(name) for name in ("org/Model-7B.v2", "../etc", "=cmd()", "a/b/c", "mоdel", 7)]
    [True, False, False, False, False, False]
    """
    return isinstance(name, str) and bool(_NAME.fullmatch(name)) and ".." not in name


def find_problems(record: SummaryJson) -> list[str]:
    """Return what is wrong with the fields of a summary, in ASCII; empty if it meets all rules."""
    clauses: list[str] = []
    try:
        SubmittedSummary.model_validate(record)
    except ValidationError as error:
        clauses = describe_errors(error, MOST_PROBLEMS)
    clauses += islice(_check_texts(record), MOST_PROBLEMS)
    return clauses


def _check_model_name(name: str) -> str:
    if not is_clean_name(name):
        raise PydanticCustomError(
            SENTENCE,
            "the model's name {name} is not org/name in ASCII letters, digits, dots, dashes and underscores",
            {"name": format_untrusted(name)},
        )
    try:
        reject_reserved(name)
    except InputError as error:
        reason = str(error).rstrip(".")
        raise PydanticCustomError(SENTENCE, "its name is not allowed: {reason}", {"reason": reason}) from error
    return name


def _or_empty(check: Callable[[object], bool]) -> Callable[[object], bool]:
    """Return a predicate that is also true for None and the empty text."""
    return lambda value: value in (None, "") or check(value)


def _is_outputs_hash(value: object) -> bool:
    return isinstance(value, str) and bool(_HASH.fullmatch(value))


def _check_suite(value: object) -> object:
    """Check the rules of a suite in a manifest, if there are any; later checks do not depend on them."""
    if value is None or (isinstance(value, dict) and "rules" not in value):
        return value
    try:
        RulesRecord.model_validate(value)
    except ValidationError as error:
        text = "manifest.suite does not describe a suite: {reason}"
        raise PydanticCustomError(SENTENCE, text, {"reason": describe_first_error(error)}) from error
    return value


def _check_figure(value: object) -> object:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise PydanticCustomError(RULE, "which is not a figure")
    return value


def _check_gap(values: object) -> object:
    """Check that a gap is empty, or has the three figures of `metrics.gap` with all their fields."""
    if not isinstance(values, list) or not values:
        return values
    keys = {field.name for field in fields(Estimate)}
    complete = all(isinstance(figure, dict) and figure.keys() == keys for figure in values)
    if not complete or tuple(figure["name"] for figure in values) != GAP:
        raise PydanticCustomError(SENTENCE, f"gap does not have the three figures {', '.join(GAP)}")
    return values


def _check_run(value: object) -> object:
    """Check what a manifest states about a judge, if it does; other facts of a run do not matter."""
    if not isinstance(value, dict) or "judge" not in value:
        return value
    try:
        judge = JudgeRecord.model_validate(value["judge"])
    except ValidationError as error:
        text = "manifest.run.judge does not describe the run of a judge: {reason}"
        raise PydanticCustomError(SENTENCE, text, {"reason": describe_first_error(error)}) from error
    if judge.stopped:
        raise PydanticCustomError(SENTENCE, "its run stopped at a limit, so its score is not that of the judge")
    return value


ModelName = Annotated[str, PlainValidator(_check_model_name), WithJsonSchema({**STRING, "pattern": _NAME.pattern})]
ModelType = Annotated[
    str,
    must(stated.is_model_type, f"which is not one of {', '.join(stated.MODEL_TYPES)}"),
    WithJsonSchema({"enum": list(stated.MODEL_TYPES)}),
]
License = Annotated[
    Any,
    must(
        _or_empty(stated.is_license),
        "which is not an SPDX or Hub identifier, such as apache-2.0, llama3.1 or other",
    ),
    WithJsonSchema(STRING),
]
Parameters = Annotated[
    Any,
    must(
        lambda value: value is None or stated.is_parameter_count(value),
        "which is not a plausible number of parameters",
    ),
    WithJsonSchema({"type": "integer"}),
]
BaseModelName = Annotated[
    Any,
    must(
        _or_empty(lambda value: bool(value) and stated.plain_name(value) == value),
        "which is not org/name of a model",
    ),
    WithJsonSchema(STRING),
]
Command = Annotated[
    Any,
    must(
        _or_empty(stated.is_command),
        "which is not a rewardbench command in one line with its arguments quoted",
    ),
    WithJsonSchema(STRING),
]
Day = Annotated[
    Any,
    must(
        _or_empty(stated.is_day),
        f"which is not a date YYYY-MM-DD from {stated.EARLIEST} to today",
    ),
    WithJsonSchema({**STRING, "format": "date"}),
]
OutputsHash = Annotated[
    str,
    must(_is_outputs_hash, f"{results.OUTPUTS_HASH} is not a SHA-256: per-item scores are required", SENTENCE),
    WithJsonSchema({**STRING, "pattern": _HASH.pattern}),
]


AnswersHash = Annotated[
    str | None,
    must(
        lambda value: value is None or _is_outputs_hash(value),
        f"{results.ANSWERS_HASH} is not a SHA-256",
        SENTENCE,
    ),
    WithJsonSchema({**STRING, "pattern": _HASH.pattern}),
]


class SubmittedFigure(EstimateRecord):
    """A figure of a submission. Additional fields are reported when figures are recomputed."""

    n: CountField
    value: ShareField | None
    low: ShareField | None = None
    high: ShareField | None = None


class SubmittedDifference(EstimateRecord):
    """A figure of a gap, which may be negative."""

    value: DifferenceField | None
    low: DifferenceField | None = None
    high: DifferenceField | None = None


class SubmittedModel(BaseRecord):
    """What a manifest states about its model; each field may be missing."""

    license: License = None
    parameters: Parameters = None
    base_model: BaseModelName = None


class SubmittedManifest(BaseRecord):
    """The manifest of a submission."""

    fingerprint: Any = None
    fingerprint_sha256: Any = None
    suite: Annotated[Any, AfterValidator(_check_suite)] = None
    model: SubmittedModel | None = None
    command: Command = None
    run: Annotated[Any, AfterValidator(_check_run)] = None


FigureField = Annotated[SubmittedFigure, BeforeValidator(_check_figure)]
FiguresField = Annotated[Sequence[FigureField], Field(max_length=MOST_FIGURES)]
NamedFiguresField = Annotated[Mapping[TextField, FigureField], Field(max_length=MOST_FIGURES)]


class SubmittedSummary(ResultSummary):
    """The summary of a submission. Fields that `ResultSummary` does not have are not allowed."""

    model_config = ConfigDict(extra="forbid")

    model: ModelName
    model_type: ModelType
    manifest: SubmittedManifest
    score: FigureField
    accuracy_estimate: FigureField
    sections: FiguresField
    subsets: FiguresField
    mirrors: FiguresField
    mirror_subsets: FiguresField = ()
    turn: NamedFiguresField = Field({})
    breakdowns: NamedFiguresField = Field({})
    reach: Annotated[Mapping[TextField, CountField], Field(max_length=MOST_FIGURES)] = Field({})
    gap: Annotated[Sequence[SubmittedDifference], BeforeValidator(_check_gap), Field(max_length=len(GAP))]
    order_inconsistency: FigureField | None = None
    biases: Annotated[
        Sequence[Annotated[SubmittedDifference, BeforeValidator(_check_figure)]], Field(max_length=MOST_BIASES)
    ] = ()
    date: Day = None
    outputs_sha256: OutputsHash
    answers_sha256: AnswersHash = None

    @model_validator(mode="after")
    def _has_no_name_of_a_baseline(self) -> SubmittedSummary:
        """Check that names that start with baseline/ belong to our own baselines."""
        is_ours = self.model in BASELINE_NAMES and self.model_type == "Baseline"
        if self.model.casefold().startswith("baseline/") and not is_ours:
            raise PydanticCustomError(
                SENTENCE,
                "the name {name} is reserved for the baselines {known}, of type Baseline",
                {"name": format_untrusted(self.model), "known": ", ".join(BASELINE_NAMES)},
            )
        return self


def _check_texts(value: object, where: str = "the summary") -> Iterator[str]:
    """Yield a clause for each text or key, at any depth, that is too long or has hidden characters."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            yield f"a text in {where} has {len(value):,} characters"
        if stated.has_hidden(value):
            yield f"a text in {where} has control or invisible characters: {format_untrusted(value)}"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _check_texts(key, where)
            yield from _check_texts(inner, f"field {format_untrusted(key)}")
    elif isinstance(value, list):
        for inner in value:
            yield from _check_texts(inner, where)
