"""Verdicts of re-runs. A verdict applies to one summary and its scores, byte by byte."""

from __future__ import annotations

import hashlib
import json
from datetime import date

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.results import JsonObject, SummaryJson
from rewardbench.store.base import Store
from rewardbench.store.local import VERDICTS

VERIFIED, FAILED = "verified", "failed"
"""Badges of a verdict: the re-run agrees with the result, or it does not."""
SUMMARY_HASH = "summary_sha256"
GAP = "gap"
"""Field of a verdict with the gap that the maintainers measured: estimates of `metrics.gap`, or none."""
ALIKE = "alike"
"""Field of a verdict with the names of earlier models that the scores may be made from, or none."""


def summary_hash(summary: JsonObject) -> str:
    """Return the SHA-256 of the canonical JSON of a summary: keys sorted, no spaces.

    A summary contains the hash of its scores, so this hash covers both files of a result.

    >>> summary_hash({"a": 1, "b": 2}) == summary_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(summary, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def make_verdict(summary: SummaryJson, agrees: bool, details: JsonObject) -> dict[str, object]:
    """Return the verdict of a re-run.

    Args:
        summary: summary of the stored result.
        agrees: whether the re-run agrees with it.
        details: which model was run, by whom, when, and with which outcome.
    """
    return {
        "badge": VERIFIED if agrees else FAILED,
        "model": summary["model"],
        "suite": summary["suite"],
        "revision": summary["revision"],
        SUMMARY_HASH: summary_hash(summary),
        results.OUTPUTS_HASH: summary[results.OUTPUTS_HASH],
        **details,
    }


def verdict_name(key: str) -> str:
    """Return the name of the file in a store that contains the verdict on a result."""
    return f"{VERDICTS}{key}.json"


def read_verdict(store: Store, key: str) -> JsonObject:
    """Read the verdict on a result; empty if there is none, or it cannot be read."""
    path = store.load(verdict_name(key))
    try:
        return results.read_object(path, "a verdict") if path else {}
    except InputError:
        return {}


def check_verdict(verdict: JsonObject, summary: SummaryJson) -> tuple[bool, str]:
    """Return whether a verdict verifies a summary, and a note if the re-run failed or the verdict is outdated.

    Verdicts of development versions before 1.0 contain the hash of the scores but not of the summary, and verify
    nothing.
    """
    if verdict.get(results.OUTPUTS_HASH) != summary.get(results.OUTPUTS_HASH):
        return False, ""
    when = _format_day(verdict.get("date"))
    if verdict.get("badge") == FAILED:
        return False, f"A re-run{when} did not reproduce these scores."
    if verdict.get("badge") != VERIFIED:
        return False, ""
    if SUMMARY_HASH not in verdict:
        return False, f"The scores were verified{when}, but not the summary: verify the result again."
    if verdict[SUMMARY_HASH] != summary_hash(summary):
        return False, f"The scores were verified{when}, but the summary has changed since: verify the result again."
    return True, ""


def _format_day(value: object) -> str:
    """Return " on DATE" for a date YYYY-MM-DD, and an empty text for any other value."""
    try:
        return f" on {date.fromisoformat(value).isoformat()}" if isinstance(value, str) else ""
    except ValueError:
        return ""
