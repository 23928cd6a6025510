"""Read results back from their files: a summary, its rows, and nothing that is not whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from math import nan
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rewardbench.errors import InputError
from rewardbench.results import parquet
from rewardbench.results.files import OUTPUTS_HASH, SCHEMA, outputs_path, spare_path, table_path
from rewardbench.results.schema import EstimateRecord, Header, Summary, explain
from rewardbench.types import Estimate, ItemScores, Result


def read_result(path: str | Path) -> Result:
    """Return the result whose summary is at `path`, with its per-item scores from the outputs file beside it.

    Raises: InputError if a file cannot be read, or holds no whole result.
    """
    path = Path(path)
    data = read_summary(path)
    with whole(path):
        summary = Summary.model_validate(data)
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
            gap=tuple(map(_estimate, summary.gap)),
            items=tuple(map(_item_scores, read_rows(path, data))),
        )


def read_summary(path: Path) -> dict[str, Any]:
    """Return the summary at `path` as it is stored, with a known schema number and all fields of `Header`.

    Raises: InputError if it cannot be read, or was written by another version.
    """
    data = _read_json(path, "a result")
    if not isinstance(data, dict) or not isinstance(data.get("schema"), int):
        raise InputError(f"{path} was not written by this rewardbench: it has no schema number.")
    if data["schema"] != SCHEMA:
        raise InputError(f"{path} has schema {data['schema']}, and this rewardbench reads {SCHEMA}; upgrade it.")
    with whole(path):
        Header.model_validate(data)
    return data


def read_rows(path: Path, summary: Mapping[str, Any], scores_only: bool = False) -> list[dict[str, Any]]:
    """Read the per-item rows with the hash that a summary names; empty if only figures were published.

    Args:
        path: of the summary.
        summary: what it holds.
        scores_only: read a JSONL file as an untrusted one: within limits, and without its texts.
    """
    wanted = summary.get(OUTPUTS_HASH)
    usual = (outputs_path(path), table_path(path))
    places = [place for place in (*usual, *map(spare_path, usual)) if place.is_file()]
    if not places and wanted is None:
        return []
    for place in places:
        if sha256_of(place) != wanted:
            continue
        if place.suffix == ".parquet":
            return parquet.unpack(place)
        return parquet.read_lines(place) if scores_only else _lines(place, place.read_bytes())
    if not places:
        raise InputError(f"Cannot read the per-item scores from {outputs_path(path)}: there is no such file.")
    raise InputError(f"{places[0]} is not the outputs file of its summary; run the evaluation again.")


def sha256_of(place: Path) -> str:
    """Hash a file without holding it in memory. Raises: InputError if it cannot be read."""
    try:
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"Cannot read {place}: {error.strerror}.") from error


def _lines(path: Path, content: bytes) -> list[dict[str, Any]]:
    with whole(path):
        rows = [json.loads(line) for line in content.splitlines()]
        if not all(isinstance(row, dict) for row in rows):
            raise TypeError("a line is no object")
    return rows


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Context manager: what cannot be read of an untrusted file becomes a one-line error. Raises: InputError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, ArithmeticError) as error:
        raise InputError(f"{path} is not a whole result ({_reason(error)}); run the evaluation again.") from error


def _reason(error: Exception) -> str:
    return explain(error) if isinstance(error, ValidationError) else ascii(error)[:80]


def read_object(path: Path, what: str) -> dict[str, Any]:
    """Read the JSON object at `path`. Raises: InputError, in which `what` says what was to be read."""
    value = _read_json(path, what)
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no {what}: its JSON is no object.")
    return value


def _read_json(path: Path, what: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"Cannot read {what} from {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON, so {what} cannot be read from it.") from error


def _estimate(record: EstimateRecord) -> Estimate:
    return Estimate(**{field.name: getattr(record, field.name) for field in fields(Estimate)})


def _item_scores(row: Mapping[str, Any]) -> ItemScores:
    return ItemScores(
        id=row["id"],
        scores=tuple(nan if score is None else float(score) for score in row["scores"]),
        reason=row["reason"],
        truncated=row["truncated"],
        tokens=tuple(row["tokens"]),
        texts=tuple(row.get("texts") or ()),  # a published result keeps none
        order_inconsistency=read_order_inconsistency(row),
    )


def read_order_inconsistency(row: Mapping[str, object]) -> float | None:
    """Return the order inconsistency of a row of a pairwise scorer; None for rows of other scorers."""
    value = row.get("order_inconsistency")
    if isinstance(value, float) and 0 <= value <= 1:
        return value
    return None  # any other value is a column of the dataset
