"""Data models of a stored result: the summary with its figures, and a row of scores.

`Header` holds what every stored summary must state. `Summary` is the whole file. A submission must meet more rules,
which `leaderboard.submissions.fields` adds by inheritance. `summary.schema.json`, beside this file, publishes `Summary`
as JSON Schema; `json_schema()` returns its text.

Reading keeps the JSON object itself: results are copied and hashed to the byte, and no model writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, LiteralString

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from rewardbench.types import Credit, Rule, is_weight

LONGEST_ROW_TEXT = 4_096
"""Characters of the longest id, subset, group or reason of a row."""
LONGEST_SHOWN = 60
"""Characters of a rejected value that a message shows."""


def is_share(value: Any) -> bool:
    """Return True if the value can be a share; the score of Ties goes from -.01 to 1.01.

    >>> [is_share(value) for value in (0.5, 1.01, 1.5, True, "1", float("nan"))]
    [True, True, False, False, False, False]
    """
    return is_number(value) and -0.011 <= value <= 1.011


def is_number(value: Any) -> bool:
    """Return True for an int or a float that is no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


RULE, CLAUSE, SENTENCE = "rule", "clause", "sentence"
"""Types of our errors: the message follows "FIELD is VALUE, ", follows "FIELD ", or stands alone."""


def must(check: Callable[[Any], bool], message: str, kind: LiteralString = RULE) -> PlainValidator:
    """Return a validator that accepts the values for which `check` is true.

    Args:
        check: a predicate of the value.
        message: what is said of any other value.
        kind: where the message stands: `RULE`, `CLAUSE` or `SENTENCE`.
    """

    def validate(value: Any) -> Any:
        if not check(value):
            raise PydanticCustomError(kind, message)
        return value

    return PlainValidator(validate)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= 10**7


def _difference(value: Any) -> Any:
    if not is_number(value):
        raise PydanticCustomError(RULE, "which is no number")
    if not is_share(abs(value)):
        raise PydanticCustomError(RULE, "which is no share")
    return value


STRING, NUMBER = {"type": "string"}, {"type": "number"}
# pydantic's own str rejects halves of surrogate pairs, which names of files may hold.
Text = Annotated[str, must(_is_text, "which is no text"), WithJsonSchema(STRING)]
Name = Annotated[str, must(_is_text, "which is no name"), WithJsonSchema(STRING)]
Object = Annotated[Any, must(_is_object, "which is no object"), WithJsonSchema({"type": "object"})]
Number = Annotated[float, must(is_number, "which is no number"), WithJsonSchema(NUMBER)]
Share = Annotated[
    float, must(is_share, "which is no share"), WithJsonSchema({**NUMBER, "minimum": -0.011, "maximum": 1.011})
]
Count = Annotated[
    int, must(_is_count, "which is no count"), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 10**7})
]
Difference = Annotated[float, PlainValidator(_difference), WithJsonSchema(NUMBER)]
Weight = Annotated[float, must(is_weight, "which is no weight"), WithJsonSchema({**NUMBER, "minimum": 0})]


class Record(BaseModel):
    """Base of all models: strict types, and fields that the model does not name are kept."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, protected_namespaces=(), populate_by_name=True)


class EstimateRecord(Record):
    """A figure with its 95 % interval, as `types.Estimate`; the value is null where nothing was scored."""

    name: Text
    n: int
    value: Number | None
    low: Number | None = None
    high: Number | None = None
    ties: int = 0
    unscored: int = 0
    truncated: int = 0
    section: Text = ""


class StatedFigure(Record):
    """A share as an untrusted summary states it: the least that a leaderboard shows."""

    name: Any
    value: Share | None = None
    low: Share | None = None
    high: Share | None = None
    n: Any = None


class StatedDifference(StatedFigure):
    """A difference of shares, from -1 to 1."""

    value: Difference | None = None
    low: Difference | None = None
    high: Difference | None = None


class _RuleRecord(Record):
    """A subset's rule, which a summary holds as a list of three."""

    section: Text
    credit: Credit
    weight: Weight | None


def _rule(values: list[Any]) -> list[Any]:
    if len(values) != 3:
        raise PydanticCustomError(RULE, "which is no rule: section, credit and weight")
    section, credit, weight = values
    _RuleRecord(section=section, credit=credit, weight=weight)
    return values


class RulesRecord(Record):
    """How a suite is counted, in `manifest.suite`: a section, a credit rule and a weight for each subset."""

    rules: dict[Text, Annotated[list[Any], AfterValidator(_rule)]]
    section_weights: dict[Text, Weight]
    headline: Literal["accuracy", "mirror"]

    def to_settings(self) -> dict[str, Any]:
        """Return the keyword arguments of `types.Suite` that say how it is counted."""
        rules = {subset: Rule(*values) for subset, values in self.rules.items()}
        return {"rules": rules, "section_weights": self.section_weights, "headline": self.headline}


class Header(Record):
    """What every stored summary states."""

    schema_number: int = Field(alias="schema")
    suite: Name
    revision: Name
    model: Name
    manifest: Object


class Summary(Header):
    """The summary of a result, `{model}.json`: figures, and the manifest of what decided them."""

    model_type: Text
    ref_model: Text | None = None
    tokenizer: Text | None = None
    chat_template: Text | None = None
    num_prompts: int = 0
    accuracy: Number | None = None
    score: EstimateRecord
    accuracy_estimate: EstimateRecord
    sections: Sequence[EstimateRecord]
    subsets: Sequence[EstimateRecord]
    mirrors: Sequence[EstimateRecord]
    gap: Sequence[EstimateRecord] = ()
    extra_results: Any = None
    date: Any = None
    outputs_sha256: Any = None


def _is_short_text(value: Any) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= LONGEST_ROW_TEXT)


def _is_row_number(value: Any) -> bool:
    return isinstance(value, int | float | None)


def _read_numbers(value: Any) -> Any:
    if not isinstance(value, list | None):
        raise PydanticCustomError(CLAUSE, "is no list")
    if not all(isinstance(number, int | float | None) for number in value or ()):
        raise PydanticCustomError(CLAUSE, "holds something that is no number")
    return value


ShortText = Annotated[
    str | None,
    must(_is_short_text, f"is no text of at most {LONGEST_ROW_TEXT:,} characters", CLAUSE),
    WithJsonSchema({"type": ["string", "null"], "maxLength": LONGEST_ROW_TEXT}),
]
RowNumber = Annotated[
    float | None,
    must(_is_row_number, "is no number", CLAUSE),
    WithJsonSchema({"type": ["number", "boolean", "null"]}),
]
Numbers = Annotated[
    list[float | None] | None,
    PlainValidator(_read_numbers),
    WithJsonSchema({"type": ["array", "null"], "items": {"type": ["number", "null"]}}),
]


class RowRecord(BaseModel):
    """An item's row of an outputs file, without its texts: the columns of the parquet table."""

    model_config = ConfigDict(strict=True, extra="ignore")

    id: ShortText = None
    subset: ShortText = None
    group: ShortText = None
    reason: ShortText = None
    num_correct: RowNumber = None
    scores: Numbers = None
    results: RowNumber = None
    truncated: RowNumber = None
    tokens: Numbers = None

    @model_validator(mode="after")
    def _has_scores(self) -> RowRecord:
        if self.id is None or self.scores is None:
            raise PydanticCustomError(SENTENCE, "has no id or no scores")
        return self


CLAUSES = {
    "list_type": "which is no list",
    "sequence_str": "which is no list",
    "is_instance_of": "which is no list",
    "dict_type": "which is no object",
    "model_type": "which is no object",
    "int_type": "which is no whole number",
    "literal_error": "which is none of the values that it may have",
    "too_long": "which is too long",
}
"""What messages say of pydantic's own types of error."""


def explain(error: ValidationError) -> str:
    """Return the first problem of a record as a clause: which field, what it holds, what is wrong with that."""
    return problems(error)[0]


def problems(error: ValidationError, most: int = 50) -> list[str]:
    """Return the problems of a record, each once, in ASCII; `most` bounds their number."""
    clauses = (_describe(details) for details in error.errors(include_url=False)[:most])
    return list(dict.fromkeys(clauses))


def _describe(details: ErrorDetails) -> str:
    kind, message, place = details["type"], details["msg"], _place(details["loc"])
    if kind == SENTENCE:
        return message
    if kind == CLAUSE:
        return f"{place} {message}"
    if not details["loc"]:
        return f"the name of a field, {shown(details['input'])}, cannot be read"
    if kind == "missing":
        return f"{place} is missing"
    if kind == "extra_forbidden":
        return f"there is no field {shown(details['loc'][-1])} in a result"
    clause = message if kind == RULE else CLAUSES.get(kind, "which cannot be read")
    return f"{place} is {shown(details['input'])}, {clause}"


def _place(path: Sequence[int | str]) -> str:
    """Return the path of a field, such as `sections[0].value`."""
    place = ""
    for step in path:
        if isinstance(step, int):
            place += f"[{step}]"
        else:
            place += ("." if place else "") + ascii(step)[1:-1][:LONGEST_SHOWN]
    return place


def shown(value: Any) -> str:
    """Return an untrusted value as ASCII that steers no terminal, cut short."""
    text = ascii(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


def json_schema() -> str:
    """Return the JSON Schema of a summary, as `summary.schema.json` publishes it."""
    return json.dumps(Summary.model_json_schema(), indent=2) + "\n"
