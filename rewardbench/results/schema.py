"""Data models of a stored result: its summary, and one row of per-item scores.

`SummaryHeader` has the fields that every stored summary must have; `ResultSummary` is the whole file. Submissions must
meet more rules, which `leaderboard.submissions.fields` adds by inheritance. The file `summary.schema.json` publishes
`ResultSummary` as JSON Schema.

The models only check: code that reads a summary keeps its JSON object (`types.SummaryJson`), since results are copied
and hashed byte by byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, Literal, LiteralString, TypeGuard

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rewardbench.results.schema_errors import CLAUSE, RULE, SENTENCE
from rewardbench.types import Calibration, CalibrationErrors, Credit, Metric, Rule, is_weight

LONGEST_ROW_TEXT = 4_096
"""Maximum number of characters of an id, subset, group or reason in a row."""


def is_share(value: object) -> bool:
    """Return True if the value can be a share. The score of Ties ranges from -.01 to 1.01.

    >>> [is_share(value) for value in (0.5, 1.01, 1.5, True, "1", float("nan"))]
    [True, True, False, False, False, False]
    """
    return is_number(value) and -0.011 <= value <= 1.011


def is_number(value: object) -> TypeGuard[int | float]:
    """Return True for an int or a float; a bool is not a number here."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def must(check: Callable[[object], bool], message: str, kind: LiteralString = RULE) -> PlainValidator:
    """Return a validator that accepts the values for which `check` is true.

    Args:
        check: a predicate of the value.
        message: error message for any other value.
        kind: form of the message: `RULE`, `CLAUSE` or `SENTENCE`.
    """

    def validate(value: object) -> object:
        if not check(value):
            raise PydanticCustomError(kind, message)
        return value

    return PlainValidator(validate)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= 10**7


def _check_difference(value: object) -> object:
    if is_number(value):
        if not is_share(abs(value)):
            raise PydanticCustomError(RULE, "which is not a share")
        return value
    raise PydanticCustomError(RULE, "which is not a number")


STRING, NUMBER = {"type": "string"}, {"type": "number"}
# pydantic's own str rejects lone surrogates, which file names may contain.
TextField = Annotated[str, must(_is_text, "which is not text"), WithJsonSchema(STRING)]
NameField = Annotated[str, must(_is_text, "which is not a name"), WithJsonSchema(STRING)]
ObjectField = Annotated[Any, must(_is_object, "which is not an object"), WithJsonSchema({"type": "object"})]
NumberField = Annotated[float, must(is_number, "which is not a number"), WithJsonSchema(NUMBER)]
ShareField = Annotated[
    float, must(is_share, "which is not a share"), WithJsonSchema({**NUMBER, "minimum": -0.011, "maximum": 1.011})
]
CountField = Annotated[
    int, must(_is_count, "which is not a count"), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 10**7})
]
DifferenceField = Annotated[float, PlainValidator(_check_difference), WithJsonSchema(NUMBER)]
WeightField = Annotated[float, must(is_weight, "which is not a weight"), WithJsonSchema({**NUMBER, "minimum": 0})]


class BaseRecord(BaseModel):
    """Base of all models: types are strict, and additional fields are kept."""

    model_config = ConfigDict(
        strict=True,
        extra="allow",
        frozen=True,
        protected_namespaces=(),
        populate_by_name=True,
        use_attribute_docstrings=True,
        defer_build=True,  # a run writes summaries and reads none: building the models takes a tenth of a second
    )


class EstimateRecord(BaseRecord):
    """A mean with its 95% confidence interval."""

    model_config = ConfigDict(title="Estimate")

    name: TextField
    """Name of the section, subset or metric."""
    n: int
    """Number of items, or of mirrors if they are the unit."""
    value: NumberField | None
    """The mean, from 0 to 1; null if nothing was scored."""
    low: NumberField | None = None
    """Lower limit of the interval."""
    high: NumberField | None = None
    """Upper limit of the interval."""
    ties: int = 0
    """Items whose right and wrong completions have equal scores."""
    unscored: int = 0
    """Items with a score that is NaN or infinite; they count as wrong."""
    truncated: int = 0
    """Items of which a completion was cut to the maximum length."""
    section: TextField = ""
    """Section of a subset."""


class CalibrationErrorsRecord(BaseRecord):
    """Calibration errors of pairs, each from 0 to 1."""

    model_config = ConfigDict(title="CalibrationErrors")

    ece: ShareField
    """Expected calibration error over 15 bins of equal width."""
    ece_mass: ShareField
    """The same over 15 bins with equal numbers of pairs."""
    smooth_ece: ShareField
    """Smooth ECE, which has no bins."""
    brier: ShareField
    """Brier score."""
    floor: ShareField
    """Mean `ece` that chance alone gives a perfectly calibrated model."""
    floor_high: ShareField
    """95 % quantile of that."""


class CalibrationRecord(BaseRecord):
    """Temperature of the margins of pairs, and calibration errors without it and with it."""

    model_config = ConfigDict(title="Calibration")

    n: CountField
    """Number of pairs."""
    temperature: NumberField
    """Temperature from 0.02 to 50, fitted by maximum likelihood on all pairs."""
    temperature_low: NumberField
    """Lower limit of its interval."""
    temperature_high: NumberField
    """Upper limit of its interval."""
    at_bound: bool
    """Whether the temperature is at a bound: every pair is right, or the margins are uninformative."""
    before: CalibrationErrorsRecord
    """Errors of the margins as they are."""
    after: CalibrationErrorsRecord
    """Errors of the margins divided by a temperature; each half of the pairs by that fitted on the other half."""

    def to_calibration(self) -> Calibration:
        """Return the calibration without the fields that this version does not know."""
        values = self.model_dump(include={field.name for field in fields(Calibration)})
        names = {field.name for field in fields(CalibrationErrors)}
        for errors in ("before", "after"):
            values[errors] = CalibrationErrors(**getattr(self, errors).model_dump(include=names))
        return Calibration(**values)


class StatedFigure(BaseRecord):
    """A share in an untrusted summary, with the few fields that a leaderboard shows."""

    name: object
    value: ShareField | None = None
    low: ShareField | None = None
    high: ShareField | None = None
    n: object = None


class StatedDifference(StatedFigure):
    """A difference of shares, from -1 to 1."""

    value: DifferenceField | None = None
    low: DifferenceField | None = None
    high: DifferenceField | None = None


class _RuleRecord(BaseRecord):
    """The rule of a subset, which a summary stores as a list of three values, or of four with `first_error`."""

    section: TextField
    credit: Credit
    weight: WeightField | None
    threshold: NumberField = Rule.threshold


def _check_rule(values: list[Any]) -> list[Any]:
    if len(values) != (4 if "first_error" in values[1:2] else 3):
        raise PydanticCustomError(RULE, "which is not a rule: section, credit and weight")
    _RuleRecord(**dict(zip(_RuleRecord.model_fields, values, strict=False)))
    return values


class RulesRecord(BaseRecord):
    """Rules of a suite, in `manifest.suite`: section, credit rule and weight of each subset."""

    rules: dict[TextField, Annotated[list[Any], AfterValidator(_check_rule)]]
    section_weights: dict[TextField, WeightField]
    headline: Literal["accuracy", "mirror"]
    cluster_by: TextField = ""
    breakdowns: dict[TextField, Metric] = Field({})

    def to_rules(self) -> dict[str, Rule]:
        """Return the rule of each subset."""
        return {subset: Rule(*values) for subset, values in self.rules.items()}


class SummaryHeader(BaseRecord):
    """Fields that every stored summary must have."""

    schema_number: int = Field(alias="schema")
    """Version of this format."""
    suite: NameField
    """Name of the suite."""
    revision: NameField
    """Revision of the suite's items and rules."""
    model: NameField
    """Name of the model: a Hub id, or a path."""
    manifest: ObjectField
    """Everything that decides the scores (fingerprint, suite, model, environment), and notes of the run."""


class ResultSummary(SummaryHeader):
    """Summary of a result, stored as `{model}.json`: its estimates and its manifest."""

    model_config = ConfigDict(title="Summary of a rewardbench result")

    model_type: TextField
    """Kind of reward model, such as "Seq. Classifier" or "DPO"."""
    ref_model: TextField | None = None
    """Reference model of a DPO policy."""
    tokenizer: TextField | None = None
    """Tokenizer, if it was set separately."""
    chat_template: TextField | None = None
    """Chat template, if it was set."""
    num_prompts: int = 0
    """Number of items."""
    accuracy: NumberField | None = None
    """Accuracy over all items, from 0 to 1; null if nothing was scored."""
    score: EstimateRecord
    """Headline score of the suite: the mean over its sections."""
    accuracy_estimate: EstimateRecord
    """Accuracy over all items, with its interval."""
    sections: Sequence[EstimateRecord]
    """Mean of each section."""
    subsets: Sequence[EstimateRecord]
    """Mean of each subset."""
    mirrors: Sequence[EstimateRecord]
    """Share of mirrors (pairs of prompts that differ in one detail) with every item right, by section."""
    mirror_subsets: Sequence[EstimateRecord] = ()
    """The same by subset; missing for suites without mirrors."""
    turn: Mapping[TextField, EstimateRecord] = Field({})
    """Turn accuracy (whether the preference turns with the prompt), by name: `score`, each section, each subset;
    missing for suites without mirrors."""
    breakdowns: Mapping[TextField, EstimateRecord] = Field({})
    """The score by the values of a column, such as `rung.1`, and by subset, such as `twelve-rules/rung.1`."""
    reach: Mapping[TextField, int] = Field({})
    """Of each subset with rungs, the highest rung up to which no accuracy is below 50 %."""
    gap: Sequence[EstimateRecord] = ()
    """Mirror accuracy on the suite, on freshly generated mirrors, and the difference; empty if not measured."""
    order_inconsistency: EstimateRecord | None = None
    """Of pairwise and listwise scorers, the share of items whose preferred completion changes with the order."""
    biases: Sequence[EstimateRecord] = ()
    """Of judges, differences from -1 to 1 by which something other than quality moves their choices; else missing."""
    calibration: CalibrationRecord | None = None
    """Temperature and calibration errors of the margins; only if they were measured (`--calibration`)."""
    extra_results: Any = None
    """Value of each subset by name, as rewardbench 0.1 wrote it."""
    date: Any = None
    """Date of submission, YYYY-MM-DD."""
    outputs_sha256: Any = None
    """SHA-256 of the file with the per-item scores."""
    answers_sha256: Any = None
    """SHA-256 of the raw answers of a judge, unpacked; missing for other models."""


def _is_short_text(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= LONGEST_ROW_TEXT)


def _is_row_number(value: object) -> bool:
    return isinstance(value, int | float | None)


def _check_numbers(value: object) -> object:
    if not isinstance(value, list | None):
        raise PydanticCustomError(CLAUSE, "is not a list")
    if not all(map(_is_row_number, value or ())):
        raise PydanticCustomError(CLAUSE, "contains a value that is not a number")
    return value


ShortTextField = Annotated[
    str | None,
    must(_is_short_text, f"is not text of at most {LONGEST_ROW_TEXT:,} characters", CLAUSE),
    WithJsonSchema({"type": ["string", "null"], "maxLength": LONGEST_ROW_TEXT}),
]
RowNumberField = Annotated[
    float | None,
    must(_is_row_number, "is not a number", CLAUSE),
    WithJsonSchema({"type": ["number", "boolean", "null"]}),
]
NumbersField = Annotated[
    list[float | None] | None,
    PlainValidator(_check_numbers),
    WithJsonSchema({"type": ["array", "null"], "items": {"type": ["number", "null"]}}),
]


class RowRecord(BaseModel):
    """A row of per-item scores without texts: the columns of the parquet table."""

    model_config = ConfigDict(strict=True, extra="ignore")

    id: ShortTextField = None
    subset: ShortTextField = None
    group: ShortTextField = None
    reason: ShortTextField = None
    num_correct: RowNumberField = None
    scores: NumbersField = None
    results: RowNumberField = None
    truncated: RowNumberField = None
    tokens: NumbersField = None

    @model_validator(mode="after")
    def _has_scores(self) -> RowRecord:
        if self.id is None or self.scores is None:
            raise PydanticCustomError(SENTENCE, "has no id or no scores")
        return self


def json_schema() -> str:
    """Return the JSON Schema of a summary, the content of `summary.schema.json`."""
    return json.dumps(ResultSummary.model_json_schema(), indent=2) + "\n"
