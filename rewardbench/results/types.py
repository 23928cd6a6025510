"""Types of the JSON values in the files of a result."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, NamedTuple, NotRequired, TypedDict

JsonObject = Mapping[str, object]
"""A JSON object of unknown content."""


class EstimateJson(TypedDict):
    """A `rewardbench.types.Estimate` in a summary."""

    name: str
    n: int
    value: float | None
    low: float | None
    high: float | None
    ties: int
    unscored: int
    truncated: int
    section: str


class SummaryJson(TypedDict):
    """The summary of a result.

    Of a file that was read, only the fields of `schema.SummaryHeader` have been checked: others may be malformed.
    """

    schema: int
    suite: str
    revision: str
    model: str
    model_type: str
    ref_model: NotRequired[str | None]
    tokenizer: NotRequired[str | None]
    chat_template: NotRequired[str | None]
    num_prompts: int
    accuracy: float | None
    score: EstimateJson
    accuracy_estimate: EstimateJson
    sections: list[EstimateJson]
    subsets: list[EstimateJson]
    mirrors: list[EstimateJson]
    mirror_subsets: NotRequired[list[EstimateJson]]
    turn: NotRequired[dict[str, EstimateJson]]
    breakdowns: NotRequired[dict[str, EstimateJson]]
    reach: NotRequired[dict[str, int]]
    gap: list[EstimateJson]
    order_inconsistency: NotRequired[EstimateJson]
    biases: NotRequired[list[EstimateJson]]
    calibration: NotRequired[dict[str, Any]]
    extra_results: dict[str, float | None]
    manifest: dict[str, Any]
    date: NotRequired[str]
    outputs_sha256: NotRequired[str | None]
    answers_sha256: NotRequired[str]


class RowJson(TypedDict, total=False):
    """A row of per-item scores; rows of a published result have no `prompt` and no `texts`."""

    id: str
    subset: str | None
    group: str | None
    prompt: str
    reason: str | None
    num_correct: int | None
    scores: list[float | None]
    results: float | None
    credit: float
    tokens: list[int]
    texts: list[str]
    truncated: bool
    order_inconsistency: float | None
    position_bias: float | None
    completion_hashes: list[int]
    label_strength: float | None


class PackedResult(NamedTuple):
    """A result as its published files."""

    summary: SummaryJson
    """The summary, which contains the hash of the table."""
    table: bytes | None
    """The per-item scores as a parquet file; None if only totals were published."""
    answers: bytes | None = None
    """The raw answers of a judge, packed; None for other models."""


def read_order_inconsistency(row: Mapping[str, object]) -> float | None:
    """Return the order inconsistency of a row of a pairwise scorer; None for rows of other scorers."""
    return _read_number(row, "order_inconsistency", 0)


def read_position_bias(row: Mapping[str, object]) -> float | None:
    """Return the position bias of a row of a judge; None for rows of other scorers."""
    return _read_number(row, "position_bias", -1)


def _read_number(row: Mapping[str, object], column: str, low: float) -> float | None:
    value = row.get(column)
    if isinstance(value, float) and low <= value <= 1:
        return value
    return None  # any other value is a column of the dataset


def read_completion_hashes(row: Mapping[str, object]) -> tuple[int, ...]:
    """Return the hashes of the completions of a row; empty for rows without them."""
    value = row.get("completion_hashes")
    if isinstance(value, list) and all(isinstance(number, int) and 0 <= number < 2**48 for number in value):
        return tuple(value)
    return ()  # any other value is a column of the dataset


def read_label_strength(row: Mapping[str, object]) -> float | None:
    """Return the strength of a row's label; None for rows without one."""
    value = row.get("label_strength")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
        return None  # any other value is a column of the dataset
    return float(value)


MOST_DESIGN_COLUMNS = 16


def design_columns(manifest: JsonObject) -> tuple[str, ...]:
    """Return the columns of the dataset from which clusters and breakdowns of a result are recomputed.

    Of an untrusted manifest, names that are not text are left out.
    """
    suite = manifest.get("suite")
    if not isinstance(suite, Mapping):
        return ()
    breakdowns = suite.get("breakdowns")
    names = [suite.get("cluster_by"), *(breakdowns if isinstance(breakdowns, Mapping) else ())]
    columns = [name for name in names if isinstance(name, str) and name and name not in RowJson.__annotations__]
    return tuple(dict.fromkeys(columns))[:MOST_DESIGN_COLUMNS]


def object_field(record: JsonObject, name: str) -> JsonObject:
    """Return a field of a JSON object that is an object itself; empty if it is missing or null.

    Raises:
        TypeError: if it has another type.
    """
    value = record.get(name) or {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is not an object")
    return value
