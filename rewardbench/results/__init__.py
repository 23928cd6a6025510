"""Results and their files: what is written, how it is read back, and how it is shown."""

from __future__ import annotations

from rewardbench.console.strict_json import dump
from rewardbench.results.files import (
    OUTPUTS_HASH,
    SCHEMA,
    assemble,
    identity,
    outputs_path,
    sealed,
    spare_path,
    table_path,
    to_json,
    to_row,
    to_rows,
    why_unscored,
)
from rewardbench.results.read import (
    read_object,
    read_result,
    read_rows,
    read_summary,
    sha256_of,
    whole,
)

__all__ = [
    "OUTPUTS_HASH",
    "SCHEMA",
    "assemble",
    "dump",
    "identity",
    "outputs_path",
    "read_object",
    "read_result",
    "read_rows",
    "read_summary",
    "sealed",
    "sha256_of",
    "spare_path",
    "table_path",
    "to_json",
    "to_row",
    "to_rows",
    "whole",
    "why_unscored",
]
