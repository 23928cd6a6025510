"""Read files of per-item scores as a suite and its scores, which can be recomputed without a model.

Ours know their suite's rules. Those of rewardbench 0.1 (the two files of its command line, and the column lists of its
results repositories) know subsets at most: where those are a published suite's, its rules count them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Any

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.paths import home_path
from rewardbench.results.read import read_order_inconsistency
from rewardbench.results.schema import RulesRecord
from rewardbench.suites.registry import SUITES
from rewardbench.types import Item, ItemScores, Message, Suite

Row = Mapping[str, Any]
UNTOLD = "ids:"
"""Begins the revision of items whose suite is not known."""


@dataclass(frozen=True)
class Scored:
    """What one model's scores say, and of which items; `suite.items` hold what the file keeps of their texts."""

    model: str
    suite: Suite
    items: tuple[ItemScores, ...]
    path: Path
    fingerprint: str = ""
    """Hash of all that decided the scores; empty where that is not known."""

    @property
    def knows_suite(self) -> bool:
        """Whether its file says of which suite it is."""
        return not self.suite.revision.startswith(UNTOLD)


def read_scored(path: str | Path, scores_only: bool = False) -> Scored:
    """Read the scores of a result, by the path of its summary or of its per-item rows.

    Args:
        path: of the summary, or of the rows.
        scores_only: read the rows of a summary of ours as untrusted ones: within limits, and without their texts.

    Raises: InputError for what is no file of scores, or holds an item twice.
    """
    path = home_path(path)
    summary, rows = _read(path, scores_only)
    return to_scored(path, summary, rows)


def to_scored(path: Path, summary: Mapping[str, Any], rows: Sequence[Row]) -> Scored:
    """Return the scores in the rows of a result.

    Args:
        path: of the file, for messages.
        summary: of the result, or what else is known of the run.
        rows: one an item.

    Raises: InputError if there are none, one cannot be read, or an item is there twice.
    """
    if not rows:
        raise InputError(f"{path} holds no scores of items.")
    with results.whole(path):
        return _scored(path, summary, rows)


def _scored(path: Path, summary: Mapping[str, Any], rows: Sequence[Row]) -> Scored:
    parsed = [_parse(row, path, n) for n, row in enumerate(rows)]
    ids = _ids(rows)
    if len(set(ids)) < len(ids):
        twice = next(id for id, count in Counter(ids).items() if count > 1)
        raise InputError(f"{path} holds item {twice!r} twice, so its rows cannot be paired with another's.")
    items = [_item(row, id, len(scores)) for row, id, scores in zip(rows, ids, parsed, strict=True)]
    item_scores = [
        ItemScores(
            id,
            scores,
            _reason(row),
            truncated=bool(row.get("truncated")),
            order_inconsistency=read_order_inconsistency(row),
        )
        for row, id, scores in zip(rows, ids, parsed, strict=True)
    ]
    fingerprint = (summary.get("manifest") or {}).get("fingerprint_sha256", "")
    model = str(summary.get("model") or path.stem.removesuffix("_outputs"))
    return Scored(model, _suite(summary, items), tuple(item_scores), path, fingerprint)


def _read(path: Path, scores_only: bool = False) -> tuple[Mapping[str, Any], Sequence[Row]]:
    """Return what is known of the run, and a row an item."""
    if path.suffix == ".jsonl":
        beside = path.with_name(path.name.removesuffix("_outputs.jsonl") + ".json")
        summary = (
            results.read_object(beside, "scores") if path.name.endswith("_outputs.jsonl") and beside.is_file() else {}
        )
        if "schema" in summary:
            return _read(beside, scores_only)
        return summary, _rows(path)
    summary = results.read_object(path, "scores")
    if "schema" in summary:
        return results.read_summary(path), results.read_rows(path, summary, scores_only)
    columns = {name: value for name, value in summary.items() if isinstance(value, list)}
    if columns:
        return summary, _from_columns(columns, path)
    outputs = results.outputs_path(path)
    if not outputs.is_file():
        raise InputError(f"{path} holds no scores of items, and there is no {outputs.name} beside it.")
    return summary, _rows(outputs)


def _rows(path: Path) -> list[Row]:
    rows: list[Row] = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"Cannot read scores from {path}: {error.strerror}.") from error
    for n, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {n}, is not JSON.") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {n}, is no JSON object.")
        rows.append(row)
    return rows


def _from_columns(columns: Mapping[str, Sequence[Any]], path: Path) -> list[Row]:
    """Column lists to rows. Raises: InputError where their lengths differ."""
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path} has columns of different lengths ({lengths}).")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _parse(row: Row, path: Path, n: int) -> tuple[float, ...]:
    """Return an item's scores, right completions first.

    A judge's verdict without scores (a win 1, a tie .5, a loss 0) counts as 1 against 0.
    """
    try:
        if row.get("scores") is not None:
            return tuple(map(_number, row["scores"]))
        pair = (_number(row.get("scores_chosen")), _number(row.get("scores_rejected")))
        without_scores = isnan(pair[0]) and isnan(pair[1])
        if without_scores and row.get("reason") is None and row.get("results") is not None:
            return _verdict(row["results"])
        if "scores_chosen" in row or "scores_rejected" in row:
            return pair
        raise KeyError("scores")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}, row {n + 1}, has no scores: it needs scores, or scores_chosen and scores_rejected, or results."
        ) from error


def _verdict(value: Any) -> tuple[float, float]:
    """Return a judge's verdict as two scores. Raises: ValueError for a number that is none."""
    share = _number(value)
    if not 0 <= share <= 1:
        raise ValueError("a verdict is from 0 to 1")
    return share, 1 - share


def _number(value: Any) -> float:
    """Parse a score, which rewardbench 0.1 may write as `[x]`; null is NaN.

    >>> _number([0.5]), _number(2)
    (0.5, 2.0)
    """
    if isinstance(value, list):
        (value,) = value
    if isinstance(value, str):
        raise TypeError("a score is a number")
    return nan if value is None else float(value)


def _reason(row: Row) -> str | None:
    return None if row.get("reason") is None else str(row["reason"])


def _ids(rows: Sequence[Row]) -> list[str]:
    """Return the rows' ids if they are unique, else with the subset before them, else row numbers."""
    ids = [str(row["id"]) if row.get("id") is not None else "" for row in rows]
    for names in (ids, [f"{row.get('subset')}/{id}" for row, id in zip(rows, ids, strict=True)]):
        if all(ids) and len(set(names)) == len(names):
            return names
    if all(ids):
        return ids
    return [f"row {n + 1}" for n in range(len(rows))]


def _item(row: Row, id: str, completions: int) -> Item:
    texts = row.get("texts") or row.get("text") or [row.get("text_chosen"), row.get("text_rejected")]
    texts = list(texts) if isinstance(texts, list) and len(texts) == completions else [None] * completions
    prompt = row.get("prompt")
    prompt_text = prompt if isinstance(prompt, str) else json.dumps(prompt) if prompt is not None else ""
    return Item(
        id=id,
        subset=str(row.get("subset") or "all"),
        prompt=(Message(role="user", content=prompt_text),) if prompt_text else (),
        completions=tuple((Message(role="assistant", content=str(text or "")),) for text in texts),
        num_correct=1 if row.get("num_correct") is None else int(row["num_correct"]),
        group=str(row.get("group") or ""),
        rendered=True,
    )


def _suite(summary: Mapping[str, Any], items: Sequence[Item]) -> Suite:
    """Return what is known of the suite that these items are."""
    facts = (summary.get("manifest") or {}).get("suite") or {}
    if "rules" in facts:
        counting = RulesRecord.model_validate(facts).to_settings()
        return Suite(name=summary["suite"], revision=summary["revision"], items=items, **counting)
    subsets = {item.subset for item in items}
    spec = next((spec for spec in SUITES.values() if spec.rules.keys() >= subsets), None)
    return Suite(
        name=spec.name if spec else str(summary.get("dataset") or ""),
        revision=f"{UNTOLD}{hash_of_ids(items)}",
        items=items,
        rules={name: rule for name, rule in spec.rules.items() if name in subsets} if spec else {},
        section_weights=spec.section_weights if spec else {},
    )


def hash_of_ids(items: Iterable[Item]) -> str:
    """Hash a set of items, to tell it from another where no revision is known.

    >>> hash_of_ids([Item("a", "s", (), ((), ())), Item("b", "s", (), ((), ()))])[:8]
    'ddb6420b'
    """
    lines = sorted(f"{item.id}\t{len(item.completions)}\t{item.num_correct}" for item in items)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def same_scores(scored: Scored, other: Scored) -> bool:
    """Whether two models gave every item the same scores to the last bit, so that they are one as far as these go."""
    theirs = {item_scores.id: item_scores.scores for item_scores in other.items}
    return all(
        item_scores.scores == theirs.get(item_scores.id) and all(map(isfinite, item_scores.scores))
        for item_scores in scored.items
    )
