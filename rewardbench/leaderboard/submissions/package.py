"""Pack a stored result for publication, without texts and local paths, and describe it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from math import nan
from pathlib import Path

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.results import JsonObject, PackedResult, SummaryJson, object_field, stated


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
    with results.translate_parse_errors(path):
        return results.pack_result(_public_summary(summary, name, license, today), rows)


def _public_summary(summary: SummaryJson, name: str | None, license: str | None, today: date | None) -> SummaryJson:
    """Return a summary with the name and the date of the submission, without local paths."""
    public = summary.copy()
    public["model"] = name or str(summary["model"])
    public["date"] = (today or datetime.now(UTC).date()).isoformat()
    public["manifest"] = _public_manifest(summary["manifest"], public["model"], license)
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
    model = {**object_field(public, "model"), "model": name}
    if license:
        model["license"] = license
    elif not stated.is_license(model.get("license")):
        model.pop("license", None)
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
    summary, table = entry
    manifest = summary["manifest"]
    model = manifest.get("model") or {}
    yield f"model={summary['model']}"
    yield f"model_type={summary['model_type']}"
    yield f"suite={summary['suite']}@{summary['revision']}"
    yield f"score={summary['score']['value']}"
    if order := summary.get("order_inconsistency"):
        yield f"order_inconsistency={order['value']}"
    yield f"items={summary['num_prompts']}"
    yield f"license={model.get('license') or 'unknown'}"
    yield f"parameters={model.get('parameters') or 'unknown'}"
    yield f"date={summary['date']}"
    yield f"command={manifest.get('command', '')}"
    yield f"summary_bytes={len(results.dump(summary, indent=2))}"
    yield f"scores_bytes={len(table or b'')}"


def pull_request_text(entry: PackedResult) -> str:
    """Return the description of a pull request in Markdown: estimates, command and versions."""
    summary = entry[0]
    manifest = summary["manifest"]
    lines = [f"**{summary['model']}** on {summary['suite']}@{summary['revision']}", ""]
    lines += ["| | % | 95% CI | n |", "|---|--:|--:|--:|"]
    estimates = [summary["score"], *(summary["mirrors"] or summary["sections"])]
    if order := summary.get("order_inconsistency"):
        estimates.append({**order, "name": "order inconsistency"})
    for estimate in estimates:
        value, low, high = map(_percent, (estimate["value"], estimate["low"], estimate["high"]))
        lines.append(f"| {estimate['name']} | {value:.2f} | {low:.2f}–{high:.2f} | {estimate['n']} |")
    environment = manifest.get("environment") or {}
    packages = ("rewardbench", "torch", "transformers")
    versions = ", ".join(f"{name} {environment[name]}" for name in packages if name in environment)
    command = "".join(filter(str.isprintable, str(manifest.get("command", "")))).replace("`", "")
    return "\n".join([*lines, "", f"Command: `{command}`", "", f"Scored with {versions}.", ""])


def _percent(share: float | None) -> float:
    return nan if share is None else 100 * share
