"""Read results back from their files: the summary and its rows. Damaged files raise InputError."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from rewardbench.errors import InputError
from rewardbench.results import parquet
from rewardbench.results.files import OUTPUTS_HASH, SCHEMA, outputs_path, spare_path, summary_path, table_path
from rewardbench.results.remote import local_result
from rewardbench.results.schema import EstimateRecord, ResultSummary, SummaryHeader
from rewardbench.results.schema_errors import describe_first_error
from rewardbench.results.types import (
    JsonObject,
    RowJson,
    SummaryJson,
    design_columns,
    read_order_inconsistency,
    read_position_bias,
)
from rewardbench.types import Estimate, ItemScores, Result

if TYPE_CHECKING:
    import pyarrow as pa

SHARD_SUFFIX = ".shard"
"""Suffix of files with the scores of a part of a run, from which `rewardbench merge` makes a result."""


def read_result(path: str | Path) -> Result:
    """Read a result, also of a bucket: the summary at `path`, and its per-item scores from the file next to it.

    Raises:
        InputError: if a file is missing or damaged.
    """
    path = local_result(path)
    data = read_summary(path)
    with translate_parse_errors(path):
        summary = ResultSummary.model_validate(data)
        return Result(
            suite=summary.suite,
            revision=summary.revision,
            model=summary.model,
            model_type=summary.model_type,
            manifest=summary.manifest,
            score=_estimate(summary.score),
            accuracy=_estimate(summary.accuracy_estimate),
            sections=tuple(map(_estimate, summary.sections)),
            subsets=tuple(map(_estimate, summary.subsets)),
            mirrors=tuple(map(_estimate, summary.mirrors)),
            mirror_subsets=tuple(map(_estimate, summary.mirror_subsets)),
            turns=tuple(map(_estimate, summary.turn.values())),
            breakdowns=tuple(map(_estimate, summary.breakdowns.values())),
            gap=tuple(map(_estimate, summary.gap)),
            items=tuple(map(read_item_scores, read_rows(path, data))),
            order_inconsistency=_estimate(summary.order_inconsistency) if summary.order_inconsistency else None,
            biases=tuple(map(_estimate, summary.biases)),
            calibration=summary.calibration.to_calibration() if summary.calibration else None,
        )


def read_summary(path: Path) -> SummaryJson:
    """Read the summary at `path`; only its schema number and the fields of `SummaryHeader` are checked.

    Raises:
        InputError: if it cannot be read, or was written by another version.
    """
    summary = _read_json(path, "a result")
    if not isinstance(summary, dict) or not isinstance(summary.get("schema"), int):
        raise InputError(f"{path} was not written by this rewardbench: it has no schema number.")
    if summary["schema"] != SCHEMA:
        raise InputError(
            f"{path} has schema {summary['schema']}, but this version reads schema {SCHEMA}: upgrade rewardbench."
        )
    with translate_parse_errors(path):
        SummaryHeader.model_validate(summary)
    return cast("SummaryJson", summary)


def read_rows(path: Path, summary: SummaryJson, scores_only: bool = False) -> list[RowJson]:
    """Read the per-item rows whose hash a summary contains; empty if only totals were published.

    Args:
        path: path of the summary.
        summary: content of the summary.
        scores_only: read a JSONL file as an untrusted one: within limits, and without texts.

    Raises:
        InputError: if no file with this hash exists, or it cannot be read.
    """
    expected = summary.get(OUTPUTS_HASH)
    places = _find_rows(path)
    if not places and expected is None:
        return []
    for place in places:
        if sha256_of(place) == expected:
            return _read_rows_file(place, scores_only, design_columns(summary["manifest"]))
    if not places:
        raise InputError(f"Cannot read the per-item scores from {outputs_path(path)}: there is no such file.")
    raise InputError(f"{places[0]} is not the outputs file of its summary; run the evaluation again.")


def read_columns(path: Path, summary: SummaryJson, names: Sequence[str]) -> pa.Table | None:
    """Read columns of the per-item rows whose hash a summary contains; None if they are not stored as a table.

    Args:
        path: path of the summary.
        summary: content of the summary.
        names: the columns; those that the table lacks are left out.

    Raises:
        InputError: if the table cannot be read.
    """
    for place in _find_rows(path):
        if place.suffix == ".parquet" and sha256_of(place) == summary.get(OUTPUTS_HASH):
            return parquet.read_columns(place, names)
    return None


def _find_rows(path: Path) -> list[Path]:
    """Return the files that may contain the rows of a summary, also those that are being replaced."""
    usual = [outputs_path(path), table_path(path)]
    return list(filter(Path.is_file, usual + list(map(spare_path, usual))))


def _read_rows_file(place: Path, scores_only: bool, columns: Sequence[str]) -> list[RowJson]:
    if place.suffix == ".parquet":
        return parquet.read_table(place, columns)
    return parquet.read_jsonl(place, columns) if scores_only else _parse_lines(place, place.read_bytes())


def sha256_of(path: Path) -> str:
    """Hash a file without loading it into memory.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error


def _parse_lines(path: Path, content: bytes) -> list[RowJson]:
    with translate_parse_errors(path):
        rows = list(map(json.loads, content.splitlines()))
        if not all(isinstance(row, dict) for row in rows):
            raise TypeError("a line is not an object")
    return rows


@contextmanager
def translate_parse_errors(path: Path) -> Iterator[None]:
    """Context manager: translate errors of parsing an untrusted file to a one-line error.

    Raises:
        InputError: if the file lacks a value, or has one of the wrong type.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, ArithmeticError) as error:
        raise InputError(f"{path} is not a valid result ({_reason(error)}); run the evaluation again.") from error


def _reason(error: Exception) -> str:
    return describe_first_error(error) if isinstance(error, ValidationError) else ascii(error)[:80]


def read_object(path: Path, what: str) -> dict[str, Any]:
    """Read the JSON object at `path`.

    Args:
        path: the file.
        what: content of the file, for messages.

    Raises:
        InputError: if it cannot be read, or is not a JSON object.
    """
    value = _read_json(path, what)
    if not isinstance(value, dict):
        raise InputError(f"{path} is not a JSON object, so {what} cannot be read from it.")
    return value


def read_manifest(path: Path) -> JsonObject:
    """Read the manifest of a result; it is empty if the result has none.

    Args:
        path: the summary, or the rows beside it.

    Raises:
        InputError: if the summary cannot be read.
    """
    summary = summary_path(path)
    if summary.suffix != ".json" or not summary.is_file():
        return {}
    manifest = read_object(summary, "a result").get("manifest")
    return manifest if isinstance(manifest, dict) else {}


def _read_json(path: Path, what: str) -> object:
    if path.suffix == SHARD_SUFFIX:
        raise InputError(f"{path} is a shard of a run, not a result: merge all its shards with rewardbench merge.")
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"Cannot read {what} from {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON, so {what} cannot be read from it.") from error


def _estimate(record: EstimateRecord) -> Estimate:
    return Estimate(**{field.name: getattr(record, field.name) for field in fields(Estimate)})


def read_item_scores(row: RowJson) -> ItemScores:
    """Return the scores in a row, without the answers of a judge; a score that is null is NaN."""
    scores = [nan if score is None else float(score) for score in row["scores"]]
    return ItemScores(
        id=row["id"],
        scores=tuple(scores),
        reason=row["reason"],
        truncated=row["truncated"],
        tokens=tuple(row["tokens"]),
        texts=tuple(row.get("texts") or ()),  # a published result has none
        order_inconsistency=read_order_inconsistency(row),
        position_bias=read_position_bias(row),
        step_scores=read_step_scores(row),
    )


def read_step_scores(row: Mapping[str, object]) -> tuple[tuple[float, ...], ...]:
    """Return the scores of each completion's steps; empty for rows of scorers that are not stepwise."""
    completions = row.get("step_scores")
    if not isinstance(completions, list):
        return ()
    step_scores: list[tuple[float, ...]] = []
    for steps in completions:
        if not isinstance(steps, list) or not all(isinstance(score, float | None) for score in steps):
            return ()  # any other value is a column of the dataset
        step_scores.append(tuple(nan if score is None else score for score in steps))
    return tuple(step_scores)
