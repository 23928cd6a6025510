"""Pack a stored result for publication, without texts and local paths, and describe it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from math import nan
from pathlib import Path

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.metrics import model_family
from rewardbench.results import JsonObject, PackedResult, RowJson, SummaryJson, object_field, stated
from rewardbench.results.answers import pack_answers
from rewardbench.results.judges import judge_of

ABSOLUTE_PATH = re.compile(r"(?<![\w:/.\-])~?(?:/[^\s/'\"]+)+/([^\s/'\",;)]*[^\s/'\",;).:])")
"""An absolute path, with its last part as the group."""
SELF_PREFERENCE = "self_preference"
"""Bias that follows from the name of a judge; left out if its new name is of another family."""


def pack_submission(
    path: str | Path, name: str | None = None, license: str | None = None, today: date | None = None
) -> PackedResult:
    """Pack the result at `path` for publication: its summary without local paths, and its scores.

    Args:
        path: path of its summary.
        name: name of the model, `org/name`; by default the name that it was scored by.
        license: license of the weights; by default that of the model's card, if it is an SPDX or Hub identifier.
        today: date of the submission.

    Raises:
        InputError: if it cannot be read, or has no per-item scores.
    """
    path = Path(path)
    summary = results.read_summary(path)
    rows = results.read_rows(path, summary, scores_only=True)
    if not rows:
        raise InputError(f"{path} has no per-item scores, which a submission needs.")
    judge = judge_of(summary["manifest"])
    if judge and judge.stopped:
        raise InputError(f"{path} cannot be submitted. {judge.stop_sentence}")
    answers = pack_answers(path, summary)
    with results.translate_parse_errors(path):
        public = _public_summary(summary, name, license, today)
        if answers:
            public[results.ANSWERS_HASH] = answers[1]
        return results.pack_result(public, list(map(_public_row, rows)))._replace(
            answers=answers[0] if answers else None
        )


def _public_row(row: RowJson) -> RowJson:
    """Return a row without local paths in its reason, which may name the folder of a model."""
    reason = row.get("reason")
    return {**row, "reason": ABSOLUTE_PATH.sub(r"\1", reason)} if reason else row


def write_entry(entry: PackedResult, path: Path) -> None:
    """Write the files of a packed result.

    Args:
        entry: the packed result.
        path: path of its summary; the other files are written next to it.
    """
    path.write_text(results.dump(entry.summary))
    results.table_path(path).write_bytes(entry.table or b"")
    if entry.answers is not None:
        results.packed_answers_path(path).write_bytes(entry.answers)


def read_entry(path: Path, summary: SummaryJson) -> PackedResult:
    """Read the files of a packed result, given its summary and the path of that."""
    answers = results.packed_answers_path(path)
    return PackedResult(
        summary, results.table_path(path).read_bytes(), answers.read_bytes() if answers.is_file() else None
    )


def _public_summary(summary: SummaryJson, name: str | None, license: str | None, today: date | None) -> SummaryJson:
    """Return a summary with the name and the date of the submission, without local paths."""
    public = summary.copy()
    public["model"] = name or str(summary["model"])
    public["date"] = (today or datetime.now(UTC).date()).isoformat()
    public["manifest"] = _public_manifest(summary["manifest"], public["model"], license)
    if "biases" in summary and model_family(public["model"]) != model_family(str(summary["model"])):
        public["biases"] = [bias for bias in summary["biases"] if bias["name"] != SELF_PREFERENCE]
    if _is_local_path(summary.get("tokenizer")):
        public["tokenizer"] = None
    if _is_local_path(summary.get("ref_model")):
        public["ref_model"] = None
    return public


def _public_manifest(manifest: JsonObject, name: str, license: str | None) -> dict[str, object]:
    """Return a manifest with a name in place of each local path."""
    settings = object_field(manifest, "model")
    names: dict[str, str] = {}
    for value in settings.values():
        if _is_local_path(value):
            names[str(value)] = Path(str(value)).name
    if _is_local_path(settings.get("model")):  # the tokenizer may have the same path
        names[str(settings["model"])] = name
    source = str(object_field(manifest, "suite").get("source") or "").partition(" (")[0]
    if _is_local_path(source):
        names[source] = Path(source).name
    public = {key: _replace_paths(value, names) for key, value in manifest.items()}
    if isinstance(notes := public.get("notes"), list):  # they may name other folders, such as the base of an adapter
        public["notes"] = [ABSOLUTE_PATH.sub(r"\1", str(note)) for note in notes]
    model = {**object_field(public, "model"), "model": name}
    if license:
        model["license"] = license
    elif not stated.is_license(model.get("license")):
        model.pop("license", None)
    if "/" not in stated.plain_name(model.get("base_model")):  # also a local path, which is now its last folder
        model.pop("base_model", None)
    return {**public, "model": model, "command": _quote(public.get("command"))}


def _quote(command: object) -> str:
    """Return a command with its arguments quoted again, after paths were replaced; empty if it is not one line."""
    try:
        quoted = shlex.join(shlex.split(command)) if isinstance(command, str) else ""
    except ValueError:
        return ""
    return quoted if stated.is_command(quoted) else ""


def _is_local_path(value: object) -> bool:
    """Return True if a value is a path on this machine rather than a name."""
    text = str(value or "")
    return text.startswith(("/", "./", "../", "~", "\\")) or text.count("/") > 1 or "\\" in text


def _replace_paths(value: object, names: Mapping[str, str]) -> object:
    """Return a JSON value with all paths in its texts replaced, the longest first.

    Args:
        value: the value.
        names: name of each path.
    """
    if isinstance(value, str):
        for path in sorted(names, key=len, reverse=True):
            value = value.replace(path, names[path])
        return value
    if isinstance(value, Mapping):
        return {key: _replace_paths(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replace_paths(inner, names) for inner in value]
    return value


def describe_submission(entry: PackedResult) -> Iterator[str]:
    """Yield what is submitted, as `key=value` lines."""
    summary, table, answers = entry
    manifest = summary["manifest"]
    model = manifest.get("model") or {}
    yield f"model={summary['model']}"
    yield f"model_type={summary['model_type']}"
    yield f"suite={summary['suite']}@{summary['revision']}"
    yield f"score={summary['score']['value']}"
    if order := summary.get("order_inconsistency"):
        yield f"order_inconsistency={order['value']}"
    for bias in summary.get("biases", ()):
        yield f"{bias['name']}={bias['value']}"
    if judge := judge_of(manifest):
        for name, value in judge.figures.items():
            yield f"{name}={value}"
        yield f"failed={judge.failed}"
    yield f"items={summary['num_prompts']}"
    yield f"license={model.get('license') or 'unknown'}"
    yield f"parameters={model.get('parameters') or 'unknown'}"
    yield f"date={summary['date']}"
    yield f"command={manifest.get('command', '')}"
    yield f"summary_bytes={len(results.dump(summary, indent=2))}"
    yield f"scores_bytes={len(table or b'')}"
    if answers is not None:
        yield f"answers_bytes={len(answers)}"


def pull_request_text(entry: PackedResult) -> str:
    """Return the description of a pull request in Markdown: estimates, command and versions."""
    summary = entry.summary
    manifest = summary["manifest"]
    lines = [f"**{summary['model']}** on {summary['suite']}@{summary['revision']}", ""]
    lines += ["| | % | 95% CI | n |", "|---|--:|--:|--:|"]
    estimates = [summary["score"], *(summary["mirrors"] or summary["sections"])]
    if order := summary.get("order_inconsistency"):
        estimates.append({**order, "name": "order inconsistency"})
    for estimate in estimates:
        value, low, high = map(_percent, (estimate["value"], estimate["low"], estimate["high"]))
        lines.append(f"| {estimate['name']} | {value:.2f} | {low:.2f}–{high:.2f} | {estimate['n']} |")
    if judge := judge_of(manifest):
        lines += ["", f"Judge: {''.join(filter(str.isprintable, judge.description)).replace('`', '')}."]
    environment = manifest.get("environment") or {}
    packages = ("rewardbench", "torch", "transformers")
    versions = ", ".join(f"{name} {environment[name]}" for name in packages if name in environment)
    command = "".join(filter(str.isprintable, str(manifest.get("command", "")))).replace("`", "")
    return "\n".join([*lines, "", f"Command: `{command}`", "", f"Scored with {versions}.", ""])


def _percent(share: float | None) -> float:
    return nan if share is None else 100 * share
