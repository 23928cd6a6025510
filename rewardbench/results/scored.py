"""Read files of per-item scores as a suite and its scores, from which figures are recomputed without a model.

Results of this version contain the rules of their suite. Files of rewardbench 0.1 (the two files of its command line,
and the column lists of its results repositories) contain subsets at most: if they are the subsets of a published suite,
its rules apply.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from types import MappingProxyType

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.results import stated
from rewardbench.results.judges import protocol_of
from rewardbench.results.read import read_step_scores
from rewardbench.results.remote import local_result
from rewardbench.results.schema import RulesRecord
from rewardbench.results.types import (
    JsonObject,
    design_columns,
    object_field,
    read_completion_hashes,
    read_label_strength,
    read_order_inconsistency,
    read_position_bias,
)
from rewardbench.suites.registry import SUITES
from rewardbench.types import Item, ItemScores, Message, Suite

_NO_TEXT = (Message(role="assistant", content=""),)
"""Completion of a row without texts; one for all, since a published result has thousands."""
UNKNOWN_SUITE = "ids:"
"""Prefix of the revision of items whose suite is unknown."""


@dataclass(frozen=True)
class ModelScores:
    """Scores of one model, and the items that it scored."""

    model: str
    suite: Suite
    """The items, with the texts that the file contains."""
    items: Sequence[ItemScores]
    """Scores of each item of the suite."""
    path: Path
    fingerprint: str = ""
    """Hash of everything that decides the scores; empty if unknown."""
    chat_template: str | None = None
    """Name of the chat template that the file states; None if it states none."""
    model_type: str = ""
    """Kind of model that the file states; empty if it states none."""
    protocol: str = ""
    """Protocol of a judge; empty for other models."""
    weights: str = ""
    """Commit of the weights, or their SHA-256, as stated; empty if unknown."""
    base_model: str = ""
    """Model from which it was trained, as stated; empty if unknown."""

    @property
    def knows_suite(self) -> bool:
        """Whether the file names its suite and revision."""
        return not self.suite.revision.startswith(UNKNOWN_SUITE)


def read_scored(
    path: str | Path,
    scores_only: bool = False,
    repeated_ids: bool = False,
    known_items: Mapping[str, Item] = MappingProxyType({}),
) -> ModelScores:
    """Read the scores of a model.

    Args:
        path: a summary, also of a bucket (`s3://bucket/results/org/model.json`), or a file of per-item rows.
        scores_only: read the rows of a summary as untrusted ones: within limits, and without texts.
        repeated_ids: accept repeated ids; each row that has one then gets its row number in its id.
        known_items: the items of the suite by id, which replace those in the file, see `to_model_scores`.

    Raises:
        InputError: if it is not a file of scores, or contains an item twice.
    """
    path = local_result(path)
    summary, rows = _read(path, scores_only)
    return to_model_scores(path, summary, rows, repeated_ids, known_items)


def to_model_scores(
    path: Path,
    summary: JsonObject,
    rows: Sequence[JsonObject],
    repeated_ids: bool = False,
    known_items: Mapping[str, Item] = MappingProxyType({}),
) -> ModelScores:
    """Return the scores in the rows of a result.

    Args:
        path: path of the file, for messages.
        summary: summary of the result, or what is known of the run.
        rows: a row per item.
        repeated_ids: accept repeated ids; see `read_scored`.
        known_items: items by id; one with as many right and wrong completions as a row replaces the item of the row.

    Raises:
        InputError: if there are no rows, a row cannot be read, or an item occurs twice.
    """
    if not rows:
        raise InputError(f"{path} has no per-item scores.")
    with results.translate_parse_errors(path):
        return _parse_rows(path, summary, rows, repeated_ids, known_items)


def _parse_rows(
    path: Path,
    summary: JsonObject,
    rows: Sequence[JsonObject],
    repeated_ids: bool,
    known_items: Mapping[str, Item],
) -> ModelScores:
    scores = [_parse_scores(row, path, n) for n, row in enumerate(rows)]
    ids = _choose_ids(rows)
    if repeated_ids:
        ids = _number_repeated(ids)
    else:
        _reject_repeated(ids, path)
    columns = design_columns(object_field(summary, "manifest"))
    items: list[Item] = []
    item_scores: list[ItemScores] = []
    for row, id, values in zip(rows, ids, scores, strict=True):
        reason = None if row.get("reason") is None else str(row["reason"])
        item = known_items.get(id)
        if item is None or (len(item.completions), item.num_correct) != (len(values), _num_correct(row)):
            item = _to_item(row, id, len(values), columns)
        items.append(item)
        step_scores = read_step_scores(row)
        item_scores.append(
            ItemScores(
                id,
                values,
                reason,
                bool(row.get("truncated")),
                order_inconsistency=read_order_inconsistency(row),
                position_bias=read_position_bias(row),
                step_scores=step_scores,
            )
        )
    return describe_scores(path, summary, _to_suite(summary, items), tuple(item_scores))


def describe_scores(path: Path, summary: JsonObject, suite: Suite, item_scores: Sequence[ItemScores]) -> ModelScores:
    """Return the scores of a suite's items with what their summary states of the model."""
    manifest = object_field(summary, "manifest")
    fingerprint = manifest.get("fingerprint_sha256")
    return ModelScores(
        model=str(summary.get("model") or path.stem.removesuffix("_outputs")),
        suite=suite,
        items=item_scores,
        path=path,
        fingerprint=fingerprint if isinstance(fingerprint, str) else "",
        chat_template=template if isinstance(template := summary.get("chat_template"), str) else None,
        model_type=str(summary.get("model_type") or ""),
        protocol=protocol_of(manifest),
        weights=stated.weights_of(manifest),
        base_model=stated.base_model_of(manifest),
    )


def _number_repeated(ids: Sequence[str]) -> list[str]:
    """Append the row number to each id that occurs several times.

    >>> _number_repeated(["a", "b", "a"])
    ['a#row 1', 'b', 'a#row 3']
    """
    counts = Counter(ids)
    return [f"{id}#row {number}" if counts[id] > 1 else id for number, id in enumerate(ids, 1)]


def _reject_repeated(ids: Sequence[str], path: Path) -> None:
    id, count = Counter(ids).most_common(1)[0]
    if count > 1:
        raise InputError(f"{path} contains item {id!r} twice, so its rows cannot be paired with those of another file.")


def _read(path: Path, scores_only: bool = False) -> tuple[JsonObject, Sequence[JsonObject]]:
    """Return what is known of a run, and a row per item."""
    if path.suffix == ".jsonl":
        return _read_outputs(path, scores_only)
    summary = results.read_object(path, "scores")
    if "schema" in summary:
        ours = results.read_summary(path)
        return ours, results.read_rows(path, ours, scores_only)
    columns = {name: value for name, value in summary.items() if isinstance(value, list)}
    if columns:
        return summary, _from_columns(columns, path)
    outputs = results.outputs_path(path)
    if not outputs.is_file():
        raise InputError(f"{path} has no per-item scores, and there is no {outputs.name} next to it.")
    return summary, _read_lines(outputs)


def _read_outputs(path: Path, scores_only: bool) -> tuple[JsonObject, Sequence[JsonObject]]:
    """Read a JSONL file of rows, with the summary next to it if there is one."""
    place = results.summary_path(path)
    if not path.name.endswith("_outputs.jsonl") or not place.is_file():
        return {}, _read_lines(path)
    summary = results.read_object(place, "scores")
    return _read(place, scores_only) if "schema" in summary else (summary, _read_lines(path))


def _read_lines(path: Path) -> list[JsonObject]:
    rows: list[JsonObject] = []
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
            raise InputError(f"{path}, line {n}, is not a JSON object.")
        rows.append(row)
    return rows


def _from_columns(columns: Mapping[str, Sequence[object]], path: Path) -> list[JsonObject]:
    """Convert columns to rows.

    Raises:
        InputError: if their lengths differ.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path} has columns of different lengths ({lengths}).")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _parse_scores(row: JsonObject, path: Path, n: int) -> tuple[float, ...]:
    """Return the scores of an item, right completions first.

    A judge's verdict without scores (1 for a win, .5 for a tie, 0 for a loss) becomes two scores that sum to 1.
    """
    try:
        if row.get("scores") is not None:
            return tuple(map(_to_float, _iterable(row["scores"])))
        if row.get("score") is not None and not row.keys() & {"scores_chosen", "results"}:
            return (_to_float(row["score"]),)
        pair = (_to_float(row.get("scores_chosen")), _to_float(row.get("scores_rejected")))
        without_scores = isnan(pair[0]) and isnan(pair[1])
        if without_scores and row.get("reason") is None and row.get("results") is not None:
            return _verdict_scores(row["results"])
        if "scores_chosen" in row or "scores_rejected" in row:
            return pair
        raise KeyError("scores")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}, row {n + 1}, has no scores: it needs scores, or scores_chosen and scores_rejected, or results."
        ) from error


def _iterable(value: object) -> Iterable[object]:
    if not isinstance(value, Iterable):
        raise TypeError("scores are not a list")
    return value


def _verdict_scores(value: object) -> tuple[float, float]:
    """Return the verdict of a judge as two scores.

    Raises:
        ValueError: if it is not from 0 to 1.
    """
    share = _to_float(value)
    if not 0 <= share <= 1:
        raise ValueError("a verdict is from 0 to 1")
    return share, 1 - share


def _to_float(value: object) -> float:
    """Parse a score, which rewardbench 0.1 may write as `[x]`; null is NaN.

    >>> _to_float([0.5]), _to_float(2)
    (0.5, 2.0)
    """
    if isinstance(value, list):
        (value,) = value
    if value is None:
        return nan
    if not isinstance(value, int | float):
        raise TypeError("a score is a number")
    return float(value)


def _num_correct(row: JsonObject) -> int:
    value = row.get("num_correct")
    if value is None:
        return 1
    if not isinstance(value, int | float | str):
        raise TypeError("a count is a number")
    return int(value)


def _choose_ids(rows: Sequence[JsonObject]) -> list[str]:
    """Return the ids of rows if they are unique, else ids with subsets if those are unique; row numbers if one lacks.

    Ids that are ambiguous even with their subsets are returned as they are.
    """
    ids = ["" if row.get("id") is None else str(row["id"]) for row in rows]
    if not all(ids):
        return [f"row {n + 1}" for n in range(len(rows))]
    if len(set(ids)) < len(ids):
        with_subsets = [f"{row.get('subset')}/{id}" for row, id in zip(rows, ids, strict=True)]
        if len(set(with_subsets)) == len(ids):
            return with_subsets
    return ids


def _to_item(row: JsonObject, id: str, num_completions: int, columns: Sequence[str]) -> Item:
    texts = row.get("texts") or row.get("text") or [row.get("text_chosen"), row.get("text_rejected")]
    if not isinstance(texts, list) or len(texts) != num_completions:
        texts = [None] * num_completions
    completions = (_NO_TEXT,) * num_completions
    if any(texts):
        completions = tuple((Message(role="assistant", content=str(text or "")),) for text in texts)
    prompt = row.get("prompt")
    prompt_text = prompt if isinstance(prompt, str) else json.dumps(prompt) if prompt is not None else ""
    hashes = read_completion_hashes(row)
    return Item(
        id=id,
        subset=str(row.get("subset") or "all"),
        prompt=(Message(role="user", content=prompt_text),) if prompt_text else (),
        completions=completions,
        num_correct=_num_correct(row),
        group=str(row.get("group") or ""),
        rendered=True,
        meta={name: row[name] for name in columns if name in row},
        label_strength=read_label_strength(row),
        first_error=_read_first_error(row, num_completions),
        completion_hashes=hashes if len(hashes) == num_completions else (),
    )


def _read_first_error(row: JsonObject, num_completions: int) -> int | None:
    """Return the index of the first wrong step of a solution; None for rows without labelled steps."""
    value = row.get("first_error")
    if not isinstance(value, int) or isinstance(value, bool) or value < -1:
        return None
    return value if num_completions == 1 and row.get("num_correct") == 0 else None


def _to_suite(summary: JsonObject, items: Sequence[Item]) -> Suite:
    """Return the suite of some items, with the rules of the summary, or of the published suite with their subsets."""
    described = object_field(summary, "manifest").get("suite")
    if isinstance(described, Mapping) and "rules" in described:
        record = RulesRecord.model_validate(described)
        return Suite(
            name=str(summary["suite"]),
            revision=str(summary["revision"]),
            items=items,
            rules=record.to_rules(),
            section_weights=record.section_weights,
            headline=record.headline,
            cluster_by=record.cluster_by,
            breakdowns=record.breakdowns,
            source=str(described.get("source") or ""),
        )
    revision = f"{UNKNOWN_SUITE}{hash_of_ids(items)}"
    subsets = {item.subset for item in items}
    for spec in SUITES.values():
        if spec.rules.keys() >= subsets:
            rules = {name: rule for name, rule in spec.rules.items() if name in subsets}
            return Suite(spec.name, revision, items, rules, spec.section_weights)
    return Suite(str(summary.get("dataset") or ""), revision, items, rules={})


def hash_of_ids(items: Iterable[Item]) -> str:
    """Hash a set of items by ids and numbers of completions, to distinguish sets whose revision is unknown.

    >>> hash_of_ids([Item("a", "s", (), ((), ())), Item("b", "s", (), ((), ()))])[:8]
    'ddb6420b'
    """
    lines = sorted(f"{item.id}\t{len(item.completions)}\t{item.num_correct}" for item in items)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]
