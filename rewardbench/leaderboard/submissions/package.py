"""Pack a stored result for publication, without texts and paths of this machine, and describe what is sent."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.results import stated
from rewardbench.store.local import Entry


def pack(path: str | Path, name: str | None = None, license: str | None = None, today: date | None = None) -> Entry:
    """Pack the result at `path` for publication: its summary without paths of this machine, and its scores.

    Args:
        path: of its summary.
        name: what the model is called, `org/name`; else what it was called when it was scored.
        license: of its weights; else what its card said, if that is an identifier of SPDX or the Hub.
        today: the date of the submission.

    Raises: InputError where there is no whole result of ours with scores of its items.
    """
    path = Path(path)
    summary = results.read_summary(path)
    rows = results.read_rows(path, summary, scores_only=True)
    if not rows:
        raise InputError(f"{path} has no scores of its items, which a submission must have.")
    with results.whole(path):
        return results.sealed(_told(summary, name, license, today), rows)


def _told(summary: dict[str, Any], name: str | None, license: str | None, today: date | None) -> dict[str, Any]:
    settings = summary["manifest"].get("model") or {}
    called = name or str(summary["model"])
    local = {key: None for key in ("tokenizer", "ref_model") if _is_local(summary.get(key))}
    return {
        **summary,
        **local,
        "model": called,
        "date": (today or datetime.now(UTC).date()).isoformat(),
        "manifest": _public(summary["manifest"], settings, called, license),
    }


def _public(manifest: Mapping[str, Any], settings: Mapping[str, Any], name: str, license: str | None) -> dict[str, Any]:
    """Return the manifest with a name in place of each local path."""
    local = {str(value): Path(str(value)).name for value in settings.values() if _is_local(value)}
    if _is_local(settings.get("model")):  # its own folder, which may also be that of its tokenizer
        local[str(settings["model"])] = name
    local |= {_source(manifest): Path(_source(manifest)).name} if _is_local(_source(manifest)) else {}
    public = {key: _renamed(value, local) for key, value in manifest.items()}
    about = {**(public.get("model") or {}), "model": name}
    if license:
        about["license"] = license
    elif not stated.is_license(about.get("license")):
        about.pop("license", None)
    return {**public, "model": about, "command": _quoted(public.get("command"))}


def _quoted(command: Any) -> str:
    """Return a command with its arguments quoted anew, for their names have changed; empty if it is not one line."""
    try:
        command = shlex.join(shlex.split(command or ""))
    except (AttributeError, TypeError, ValueError):
        return ""
    return command if stated.is_command(command) else ""


def _source(manifest: Mapping[str, Any]) -> str:
    return str((manifest.get("suite") or {}).get("source") or "").partition(" (")[0]


def _is_local(value: Any) -> bool:
    """Whether it is a path of this machine rather than a name."""
    text = str(value or "")
    return text.startswith(("/", "./", "../", "~", "\\")) or text.count("/") > 1 or "\\" in text


def _renamed(value: Any, local: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for path in sorted(local, key=len, reverse=True):
            value = value.replace(path, local[path])
        return value
    if isinstance(value, Mapping):
        return {key: _renamed(inner, local) for key, inner in value.items()}
    return [_renamed(inner, local) for inner in value] if isinstance(value, list) else value


def shown(entry: Entry) -> Iterator[str]:
    """Yield what will be sent, as `key=value` lines."""
    summary, table = entry
    about = summary["manifest"].get("model") or {}
    for key, value in (
        ("model", summary["model"]),
        ("model_type", summary["model_type"]),
        ("suite", f"{summary['suite']}@{summary['revision']}"),
        ("score", summary["score"]["value"]),
        ("items", summary["num_prompts"]),
        ("license", about.get("license") or "unknown"),
        ("parameters", about.get("parameters") or "unknown"),
        ("date", summary["date"]),
        ("command", summary["manifest"].get("command", "")),
        ("summary_bytes", len(results.dump(summary, indent=2))),
        ("scores_bytes", len(table or b"")),
    ):
        yield f"{key}={value}"


def card(entry: Entry) -> str:
    """Return the text of a pull request: what was scored, on what, how, and by which command."""
    summary = entry[0]
    manifest = summary["manifest"]
    lines = [f"**{summary['model']}** on {summary['suite']}@{summary['revision']}", ""]
    lines += ["| | % | 95 % | n |", "|---|--:|--:|--:|"]
    for figure in (summary["score"], *(summary["mirrors"] or summary["sections"])):
        value, low, high = (
            100 * figure[key] if figure[key] is not None else float("nan") for key in ("value", "low", "high")
        )
        lines.append(f"| {figure['name']} | {value:.2f} | {low:.2f}–{high:.2f} | {figure['n']} |")
    environment = manifest.get("environment") or {}
    command = "".join(c for c in str(manifest.get("command", "")) if c.isprintable() and c != "`")
    versions = ", ".join(
        f"{name} {environment[name]}" for name in ("rewardbench", "torch", "transformers") if name in environment
    )
    return "\n".join([*lines, "", f"Command: `{command}`", "", f"Scored with {versions}.", ""])
