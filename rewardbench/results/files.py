"""The files of a result, versioned: Results to strict JSON and back.

`{model}.json` holds the figures and the manifest, `{model}_outputs.jsonl` one row an item. Both are supersets
of what allenai/reward-bench 0.1 writes. A score that is NaN or infinite is null with its reason beside it.
A published result has its rows in `{model}.parquet`, or, where only its figures were ever published, nowhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

from rewardbench.console.strict_json import to_plain
from rewardbench.metrics import credit, rule_of, summarize
from rewardbench.results import parquet
from rewardbench.types import Estimate, Item, ItemScores, Messages, Result, Rule, Suite

SCHEMA = 1
OUTPUTS_HASH = "outputs_sha256"
"""Key of the summary that ties it to its outputs file: two files cannot be replaced in one stroke."""

_PAIR_COLUMNS = ("scores_chosen", "scores_rejected", "text_chosen", "text_rejected")


def assemble(
    suite: Suite,
    model: str,
    model_type: str,
    items: Sequence[ItemScores],
    manifest: Mapping[str, Any],
    gap: tuple[Estimate, ...] = (),
) -> Result:
    """Compute the result of a model's scores by the suite's rules, which its manifest records."""
    summary = summarize(suite, items)
    facts = {
        "name": suite.name,
        "revision": suite.revision,
        "source": suite.source,
        "headline": suite.headline,
        "rules": {name: [rule.section, rule.credit, rule.weight] for name, rule in suite.rules.items()},
        "section_weights": dict(suite.section_weights),
    }
    figures = {field.name: getattr(summary, field.name) for field in fields(summary)}
    return Result(
        suite=suite.name,
        revision=suite.revision,
        model=model,
        model_type=model_type,
        items=tuple(items),
        gap=gap,
        manifest={**manifest, "suite": facts},
        **figures,
    )


def to_json(result: Result) -> dict[str, Any]:
    """Return the figures and the manifest of a result, as plain JSON values.

    `accuracy`, `num_prompts`, `model`, `ref_model`, `tokenizer`, `chat_template` and `extra_results` mean what
    they mean in the incumbent's file; the three settings are read from `manifest["model"]`. `manifest["session"]` says
    what was computed this time and what was known: that is left out, so that a rerun gives the same bytes.
    """
    model_settings = result.manifest.get("model") or {}
    settings = {key: model_settings.get(key) for key in ("ref_model", "tokenizer", "chat_template")}
    figures: dict[str, Any] = {
        "schema": SCHEMA,
        "suite": result.suite,
        "revision": result.revision,
        "model": result.model,
        "model_type": result.model_type,
        **settings,
        "num_prompts": len(result.items),
        "accuracy": result.accuracy.value,
        "score": asdict(result.score),
        "accuracy_estimate": asdict(result.accuracy),
        "sections": [asdict(estimate) for estimate in result.sections],
        "subsets": [asdict(estimate) for estimate in result.subsets],
        "mirrors": [asdict(estimate) for estimate in result.mirrors],
        "gap": [asdict(estimate) for estimate in result.gap],
        "extra_results": {e.name: e.value for e in result.subsets if e.value is not None},
        "manifest": {name: value for name, value in result.manifest.items() if name != "session"},
    }
    plain: dict[str, Any] = to_plain(figures)
    return plain


def to_rows(result: Result, suite: Suite) -> Iterator[dict[str, Any]]:
    """One row an item, in the suite's order."""
    by_id = {item_scores.id: item_scores for item_scores in result.items}
    for item in suite.items:
        yield to_row(item, by_id[item.id], rule_of(suite, item.subset))


def outputs_path(path: Path) -> Path:
    """Where the per-item rows of the summary at `path` are.

    >>> outputs_path(Path("results/org/Llama-3.1.json")).as_posix()
    'results/org/Llama-3.1_outputs.jsonl'
    """
    return path.with_name(f"{path.stem}_outputs.jsonl")


def identity(summary: Mapping[str, Any]) -> str:
    """Hash what a result is a result of: suite, revision and model fingerprint; no setting that moves no score.

    >>> a = {"suite": "core", "revision": "1", "model": "m", "manifest": {"fingerprint_sha256": "ab"}}
    >>> identity(a) == identity(a | {"model": "same weights elsewhere"}), identity(a) == identity(a | {"revision": "2"})
    (True, False)
    """
    manifest = summary["manifest"]
    named = {"model": summary["model"]} | ({"published": manifest["published"]} if "published" in manifest else {})
    fingerprint = manifest.get("fingerprint_sha256") or named
    return hashlib.sha256(json.dumps([summary["suite"], summary["revision"], fingerprint]).encode()).hexdigest()


def sealed(summary: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], bytes]:
    """Pack a result for publication: its summary with the hash of the table of its scores, and that table."""
    table = parquet.pack(rows)
    return {**summary, OUTPUTS_HASH: hashlib.sha256(table).hexdigest()}, table


def table_path(path: Path) -> Path:
    """Where the rows of a published result are."""
    return path.with_name(f"{path.stem}.parquet")


def spare_path(place: Path) -> Path:
    """Where the rows at `place` are while new ones take it, until the new summary stands."""
    return place.with_name(f".spare.{place.name}")


def to_row(item: Item, item_scores: ItemScores, rule: Rule) -> dict[str, Any]:
    """One item's row; the dataset's own columns follow ours and never overwrite them."""
    earned = credit(item, item_scores.scores, rule)
    row = {
        "id": item.id,
        "subset": item.subset,
        "group": item.group,
        "prompt": _prompt_text(item.prompt),
        "results": int(earned) if earned in (0, 1) else earned,
        "credit": earned,
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
    columns = {key: value for key, value in item.meta.items() if key not in row and key not in _PAIR_COLUMNS}
    plain: dict[str, Any] = to_plain(row | columns)
    return plain


def _two(values: Sequence[Any]) -> tuple[Any, Any]:
    return (values[0], values[1]) if len(values) == 2 else (None, None)


def why_unscored(scores: Sequence[float]) -> str | None:
    """Return why scores earn no credit, or None if all are finite."""
    bad = next((score for score in scores or (nan,) if not isfinite(score)), None)
    if bad is None:
        return None
    return "score is infinite" if bad in (inf, -inf) else "score is NaN"


def _prompt_text(prompt: Messages) -> str:
    """Return the user's text if that is the whole prompt, else the conversation with its roles."""
    if len(prompt) == 1 and prompt[0]["role"] == "user":
        return prompt[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in prompt)
