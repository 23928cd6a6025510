"""Verdicts: what a re-run found of a stored result. A verdict holds for one summary and its scores, to the byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.store.base import Store
from rewardbench.store.local import VERDICTS

VERIFIED, FAILED = "verified", "failed"
"""The badges of a verdict: the re-run agreed, or it did not."""
SUMMARY_HASH = "summary_sha256"


def summary_hash(summary: Mapping[str, Any]) -> str:
    """Return the sha256 of a summary's canonical JSON: keys sorted, no spaces.

    The summary names the hash of its scores, so this hash covers both files of a result.

    >>> summary_hash({"a": 1, "b": 2}) == summary_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(summary, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def make_verdict(summary: Mapping[str, Any], agrees: bool, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the verdict of a re-run on a result; `facts` say which model was run, by whom, when and with what."""
    return {
        "badge": VERIFIED if agrees else FAILED,
        "model": summary["model"],
        "suite": summary["suite"],
        "revision": summary["revision"],
        SUMMARY_HASH: summary_hash(summary),
        results.OUTPUTS_HASH: summary[results.OUTPUTS_HASH],
        **facts,
    }


def verdict_place(key: str) -> str:
    """Return where the verdict of a key lies in its store."""
    return f"{VERDICTS}{key}.json"


def read_verdict(store: Store, key: str) -> dict[str, Any]:
    """Return the verdict of a key; empty where there is none, or none that can be read."""
    place = store.load(verdict_place(key))
    try:
        verdict = results.read_object(place, "a verdict") if place else {}
    except InputError:
        return {}
    return verdict


def standing(verdict: Mapping[str, Any], summary: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether a verdict verifies a summary as it stands, and a note on what it says otherwise.

    Verdicts of rewardbench before 1.0 name the hash of the scores alone. They do not cover the rest of the summary,
    and verify nothing.
    """
    if verdict.get(results.OUTPUTS_HASH) != summary.get(results.OUTPUTS_HASH):
        return False, ""
    when = _day(verdict.get("date"))
    if verdict.get("badge") == FAILED:
        return False, f"A re-run{when} did not give these scores."
    if verdict.get("badge") != VERIFIED:
        return False, ""
    if SUMMARY_HASH not in verdict:
        return False, f"Its scores were verified{when}, by a verdict that does not cover its summary: verify it again."
    if verdict[SUMMARY_HASH] != summary_hash(summary):
        return False, f"Its scores were verified{when}, but its summary has changed since: verify it again."
    return True, ""


def _day(value: Any) -> str:
    """Return " on DATE" for a date, and nothing for anything else."""
    try:
        return f" on {date.fromisoformat(value).isoformat()}"
    except (TypeError, ValueError):
        return ""
