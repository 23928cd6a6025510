"""Results and their files: store them, read them back, and show them."""

from __future__ import annotations

from rewardbench.console.strict_json import dump
from rewardbench.results.files import (
    ANSWERS_HASH,
    OUTPUTS_HASH,
    SCHEMA,
    answers_path,
    assemble,
    counts_steps,
    identity,
    outputs_path,
    pack_result,
    packed_answers_path,
    spare_path,
    summary_path,
    table_path,
    to_row,
    to_rows,
    to_summary,
    why_unscored,
    with_calibration,
)
from rewardbench.results.read import (
    read_manifest,
    read_object,
    read_result,
    read_rows,
    read_summary,
    sha256_of,
    translate_parse_errors,
)
from rewardbench.results.types import JsonObject, PackedResult, RowJson, SummaryJson, object_field

__all__ = [
    "ANSWERS_HASH",
    "OUTPUTS_HASH",
    "SCHEMA",
    "JsonObject",
    "PackedResult",
    "RowJson",
    "SummaryJson",
    "answers_path",
    "assemble",
    "counts_steps",
    "dump",
    "identity",
    "object_field",
    "outputs_path",
    "pack_result",
    "packed_answers_path",
    "read_manifest",
    "read_object",
    "read_result",
    "read_rows",
    "read_summary",
    "sha256_of",
    "spare_path",
    "summary_path",
    "table_path",
    "to_row",
    "to_rows",
    "to_summary",
    "translate_parse_errors",
    "why_unscored",
    "with_calibration",
]
