"""Convert a Result to the rows and the summary that are stored, and name the files that store them.

`{model}.json` contains the estimates and the manifest, `{model}_outputs.jsonl` one row per item. Both contain
everything that allenai/reward-bench 0.1 writes, and more. A score that is NaN or infinite is stored as null, with the
reason. A published result stores its rows in `{model}.parquet`; if only totals were published, it has no rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from math import inf, isfinite, nan
from pathlib import Path
from typing import Final, TypeVar

from rewardbench.console.strict_json import to_plain
from rewardbench.errors import InputError
from rewardbench.metrics import JUDGE_TYPES, completion_hashes, credit, judge_biases, reaches, rule_of, summarize
from rewardbench.results import parquet
from rewardbench.results.types import (
    PackedResult,
    RowJson,
    SummaryJson,
    design_columns,
    object_field,
    read_order_inconsistency,
    read_position_bias,
)
from rewardbench.types import Estimate, Item, ItemScores, Messages, Result, Rule, Suite

SCHEMA = 1
"""Version of the format of summaries."""
OUTPUTS_HASH: Final = "outputs_sha256"
"""Key of the hash by which a summary names its rows, since two files cannot be replaced in one atomic step."""
ANSWERS_HASH: Final = "answers_sha256"
"""Key of the hash of the raw answers of a judge; missing if there are none."""

_PAIR_COLUMNS = ("scores_chosen", "scores_rejected", "text_chosen", "text_rejected")

T = TypeVar("T")


def assemble(
    suite: Suite,
    model: str,
    model_type: str,
    items: Sequence[ItemScores],
    manifest: Mapping[str, object],
    gap: tuple[Estimate, ...] = (),
) -> Result:
    """Compute the result of a model from its scores, by the rules of the suite.

    Args:
        suite: the items and their rules.
        model: name of the model.
        model_type: kind of reward model.
        items: scores of each item of the suite.
        manifest: what decided the scores; the rules of the suite are added.
        gap: estimates of `metrics.gap`, if they were computed.
    """
    summary = summarize(suite, items)
    rules = {name: _rule_values(rule) for name, rule in suite.rules.items()}
    counting: dict[str, object] = {
        "name": suite.name,
        "revision": suite.revision,
        "source": suite.source,
        "headline": suite.headline,
        "rules": rules,
        "section_weights": dict(suite.section_weights),
    }
    if suite.cluster_by:
        counting["cluster_by"] = suite.cluster_by
    if suite.breakdowns:
        counting["breakdowns"] = dict(suite.breakdowns)
    estimates = {field.name: getattr(summary, field.name) for field in fields(summary)}
    biases = judge_biases(suite, items, model) if model_type in JUDGE_TYPES else ()
    return Result(
        suite=suite.name,
        revision=suite.revision,
        model=model,
        model_type=model_type,
        items=tuple(items),
        gap=gap,
        manifest={**manifest, "suite": counting},
        biases=biases,
        **estimates,
    )


def with_calibration(result: Result, suite: Suite) -> Result:
    """Return a result with the calibration of its margins, or with a note if there are too few pairs."""
    from rewardbench.metrics import calibration

    scores = {item_scores.id: item_scores for item_scores in result.items}
    pairs = calibration.pair_margins(suite, [scores[item.id] for item in suite.items])
    measured = calibration.calibrate(pairs.margins, pairs.clusters)
    if measured is None:
        note = f"Calibration was not measured: it needs {calibration.FEWEST} scored pairs, and there are {pairs.count}."
        notes = [*result.manifest.get("notes", ()), note]
        return replace(result, manifest={**result.manifest, "notes": notes})
    return replace(result, calibration=measured)


def counts_steps(manifest: Mapping[str, object]) -> bool:
    """Return True if the manifest of a result has rules by which labelled steps count."""
    rules = object_field(object_field(manifest, "suite"), "rules")
    return any(isinstance(rule, list) and "first_error" in rule for rule in rules.values())


def _rule_values(rule: Rule) -> list[object]:
    """Return a rule as JSON: section, credit rule and weight, and the threshold of a rule that has one."""
    values: list[object] = [rule.section, rule.credit, rule.weight]
    return [*values, rule.threshold] if rule.credit == "first_error" else values


def to_summary(result: Result) -> SummaryJson:
    """Return the summary of a result: its estimates and its manifest, as plain JSON values.

    `accuracy`, `num_prompts`, `model`, `ref_model`, `tokenizer`, `chat_template` and `extra_results` mean the same as
    in rewardbench 0.1; the three settings come from `manifest["model"]`. `manifest["session"]`, which counts cached and
    computed scores, is left out, so that a rerun gives the same bytes.
    """
    settings = result.manifest.get("model") or {}
    manifest = dict(result.manifest)
    manifest.pop("session", None)
    values: dict[str, object] = {
        "schema": SCHEMA,
        "suite": result.suite,
        "revision": result.revision,
        "model": result.model,
        "model_type": result.model_type,
        "ref_model": settings.get("ref_model"),
        "tokenizer": settings.get("tokenizer"),
        "chat_template": settings.get("chat_template"),
        "num_prompts": len(result.items),
        "accuracy": result.accuracy.value,
        "score": asdict(result.score),
        "accuracy_estimate": asdict(result.accuracy),
        "sections": list(map(asdict, result.sections)),
        "subsets": list(map(asdict, result.subsets)),
        "mirrors": list(map(asdict, result.mirrors)),
        "gap": list(map(asdict, result.gap)),
        "extra_results": {subset.name: subset.value for subset in result.subsets if subset.value is not None},
        "manifest": manifest,
    }
    if result.mirror_subsets:
        values["mirror_subsets"] = list(map(asdict, result.mirror_subsets))
    if result.turns:
        values["turn"] = {turn.name: asdict(turn) for turn in result.turns}
    if result.breakdowns:
        values["breakdowns"] = {breakdown.name: asdict(breakdown) for breakdown in result.breakdowns}
    if reach := reaches(result.breakdowns):
        values["reach"] = reach
    if result.order_inconsistency:
        values["order_inconsistency"] = asdict(result.order_inconsistency)
    if result.biases:
        values["biases"] = list(map(asdict, result.biases))
    if result.calibration:
        values["calibration"] = asdict(result.calibration)
    summary: SummaryJson = to_plain(values)
    return summary


def to_rows(result: Result, suite: Suite) -> Iterator[RowJson]:
    """Yield the row of each item, in the order of the suite."""
    by_id = {item_scores.id: item_scores for item_scores in result.items}
    for item in suite.items:
        yield to_row(item, by_id[item.id], rule_of(suite, item.subset))


def outputs_path(path: Path) -> Path:
    """Return the path of the rows, given the path of the summary.

    >>> outputs_path(Path("results/org/Llama-3.1.json")).as_posix()
    'results/org/Llama-3.1_outputs.jsonl'
    """
    return path.with_name(f"{path.stem}_outputs.jsonl")


def summary_path(path: Path) -> Path:
    """Return the path of the summary, given that of the summary or of the rows.

    >>> summary_path(Path("results/rm_outputs.jsonl")).name, summary_path(Path("results/rm.json")).name
    ('rm.json', 'rm.json')
    """
    name = path.name.removesuffix("_outputs.jsonl")
    return path if name == path.name else path.with_name(f"{name}.json")


def answers_path(path: Path) -> Path:
    """Return the path of the raw answers of a judge, given the path of the summary."""
    return path.with_name(f"{path.stem}_answers.jsonl")


def packed_answers_path(path: Path) -> Path:
    """Return the path of the raw answers of a published result, given the path of its summary."""
    return path.with_name(f"{path.stem}_answers.jsonl.gz")


def table_path(path: Path) -> Path:
    """Return the path of the rows of a published result, given the path of its summary."""
    return path.with_name(f"{path.stem}.parquet")


def spare_path(rows: Path) -> Path:
    """Return where the previous rows are kept while new rows and their summary replace them."""
    return rows.with_name(f".spare.{rows.name}")


def identity(summary: SummaryJson) -> str:
    """Hash what was scored: suite, revision and model fingerprint, but no setting that does not affect scores.

    >>> a = {"suite": "core", "revision": "1", "model": "m", "manifest": {"fingerprint_sha256": "ab"}}
    >>> identity(a) == identity(a | {"model": "same weights elsewhere"}), identity(a) == identity(a | {"revision": "2"})
    (True, False)
    """
    manifest = summary["manifest"]
    names: dict[str, object] = {"model": summary["model"]}
    if "published" in manifest:
        names["published"] = manifest["published"]
    fingerprint = manifest.get("fingerprint_sha256") or names
    return hashlib.sha256(json.dumps([summary["suite"], summary["revision"], fingerprint]).encode()).hexdigest()


def pack_result(summary: SummaryJson, rows: Iterable[RowJson]) -> PackedResult:
    """Pack a result for publication: the table of its scores, and the summary with the hash of that table.

    Raises:
        InputError: if its credits follow from the scores of steps, which the table does not contain.
    """
    if counts_steps(summary["manifest"]):
        raise InputError(
            f"A result of {summary['suite']} cannot be published: its figures follow from the scores of steps, and a "
            "published table has one score per response."
        )
    table = parquet.encode_table(rows, design_columns(summary["manifest"]))
    digest = hashlib.sha256(table).hexdigest()
    return PackedResult({**summary, OUTPUTS_HASH: digest}, table)


def to_row(item: Item, item_scores: ItemScores, rule: Rule) -> RowJson:
    """Return the row of an item. Columns of the dataset come last, and do not replace ours.

    A share in its column `order_inconsistency` or `position_bias` is left out, since it would be read as that of this
    scorer.
    """
    value = credit(item, item_scores.scores, rule, item_scores.step_scores)
    row: dict[str, object] = {
        "id": item.id,
        "subset": item.subset,
        "group": item.group,
        "prompt": _prompt_text(item.prompt),
        "results": int(value) if value in (0, 1) else value,
        "credit": value,
        "reason": item_scores.reason or why_unscored(item_scores.scores),
        "num_correct": item.num_correct,
        "scores": item_scores.scores,
        "texts": item_scores.texts,
        "tokens": item_scores.tokens,
        "truncated": item_scores.truncated,
    }
    if len(item.completions) == 2 and item.num_correct == 1:
        row |= dict(zip(_PAIR_COLUMNS, (*_two(item_scores.scores), *_two(item_scores.texts)), strict=True))
    if item_scores.order_inconsistency is not None:
        row["order_inconsistency"] = item_scores.order_inconsistency
    if item_scores.position_bias is not None:
        row["position_bias"] = item_scores.position_bias
    if item_scores.step_scores:
        row["step_scores"] = item_scores.step_scores
    if item.group and item.has_preference and (hashes := completion_hashes(item)):
        row["completion_hashes"] = hashes
    if item.label_strength is not None:
        row["label_strength"] = item.label_strength
    if item.first_error is not None:
        row["first_error"] = item.first_error
    for name, column in item.meta.items():
        cell = {name: column}
        if name not in _PAIR_COLUMNS and read_order_inconsistency(cell) is None and read_position_bias(cell) is None:
            row.setdefault(name, column)
    plain: RowJson = to_plain(row)
    return plain


def _two(values: Sequence[T]) -> tuple[T | None, T | None]:
    return (values[0], values[1]) if len(values) == 2 else (None, None)


def why_unscored(scores: Sequence[float]) -> str | None:
    """Return why an item with these scores is unscored, or None if all of them are finite."""
    invalid = next((score for score in scores or (nan,) if not isfinite(score)), None)
    if invalid is None:
        return None
    return "score is infinite" if invalid in (inf, -inf) else "score is NaN"


def _prompt_text(prompt: Messages) -> str:
    """Return the text of a prompt: of a single user message its content, else all messages with their roles."""
    if len(prompt) == 1 and prompt[0]["role"] == "user":
        return prompt[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in prompt)
