"""A stranger's summary in, what is wrong with its fields out; nothing of it is believed, and no item is read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from rewardbench import results
from rewardbench.scored import counting
from rewardbench.store.local import MOST_SUMMARY, refuse_reserved
from rewardbench.types import InputError

DEEPEST = 32
LONGEST_TEXT = 4_000
MODEL_TYPES = (
    *("Seq. Classifier", "Custom Classifier", "DPO", "DPO Ref. Free", "Generative RM", "Generative RM PoLL"),
    *("Generative", "Baseline"),
)
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_NAME = re.compile(rf"{_PART}(?:/{_PART})?")
_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+ -]{0,39}|")
_HASH = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def read(path: Path) -> dict[str, Any]:
    """The summary at `path`. Raises: InputError where it is too large, no strict JSON, or not of our schema."""
    try:
        size = path.stat().st_size
        if size > MOST_SUMMARY:
            raise InputError(
                f"{path.name} has {size:,} bytes, and a summary at most {MOST_SUMMARY:,}: it was not read."
            )
        value = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is not strict JSON ({type(error).__name__}).") from error
    if _depth(value) > DEEPEST:
        raise InputError(f"{path.name} is nested deeper than {DEEPEST} levels.")
    return results.read_summary(path)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _depth(value: Any) -> int:
    """How deep lists and objects are nested."""
    deep, level = 0, [value]
    while level:
        deep += 1
        level = [
            one
            for outer in level
            for one in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
    return deep


FIELDS = {
    *("schema", "suite", "revision", "model", "model_type", "ref_model", "tokenizer", "chat_template", "num_prompts"),
    *("accuracy", "score", "accuracy_estimate", "sections", "subsets", "mirrors", "gap", "extra_results", "manifest"),
    *("date", results.OUTPUTS_HASH),
}


def is_clean_name(name: Any) -> bool:
    """Whether a name is safe in a path, a page and a table, and can be no other's look-alike from another script.

    >>> [is_clean_name(name) for name in ("org/Model-7B.v2", "../etc", "=cmd()", "a/b/c", "mоdel", 7)]
    [True, False, False, False, False, False]
    """
    return isinstance(name, str) and bool(_NAME.fullmatch(name)) and ".." not in name


def complaints(summary: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the fields."""
    unknown = sorted(set(summary) - FIELDS)
    if unknown:
        yield f"there is no field {_shown(unknown[0])} in a result"
    model = summary.get("model")
    if not is_clean_name(model):
        yield f"the model's name {_shown(model)} is not org/name in ASCII letters, digits, dots, dashes and underscores"
    elif (reserved := _reserved(str(model))) is not None:
        yield reserved
    if str(summary.get("model_type")).partition(" (")[0] not in MODEL_TYPES or len(str(summary.get("model_type"))) > 40:
        yield f"the model_type {_shown(summary.get('model_type'))} is none of {', '.join(MODEL_TYPES)}"
    if not isinstance(summary.get(results.OUTPUTS_HASH), str) or not _HASH.fullmatch(summary[results.OUTPUTS_HASH]):
        yield f"{results.OUTPUTS_HASH} is no sha256: scores of the items are needed"
    facts = summary["manifest"].get("suite")
    if facts is not None and not _are_rules(facts):
        yield "manifest.suite is not what a suite is"
    about = summary["manifest"].get("model")
    about = about if isinstance(about, dict) else {}
    license, day = about.get("license") or "", summary.get("date") or ""
    if not isinstance(license, str) or not _LICENSE.fullmatch(license):
        yield f"the license {_shown(license)} is not written as one"
    if day and not _has_been(day):
        yield f"the date {_shown(day)} is not written YYYY-MM-DD, or is yet to come"
    size = about.get("parameters")
    if size is not None and not (isinstance(size, int) and not isinstance(size, bool) and 0 < size < 10**14):
        yield f"{_shown(size)} parameters are no number of parameters"
    yield from _figures(summary)
    yield from _texts(summary)


def _has_been(day: Any) -> bool:
    """Whether it is a date, and has begun somewhere on the earth."""
    try:
        found = date.fromisoformat(day)
    except (TypeError, ValueError):
        return False
    return found.isoformat() == day and found <= datetime.now(UTC).date() + timedelta(days=1)


def _reserved(name: str) -> str | None:
    try:
        refuse_reserved(name)
    except InputError as error:
        return f"its name cannot be: {error}".rstrip(".")
    return None


def _figures(summary: Mapping[str, Any]) -> Iterator[str]:
    lists = {name: summary.get(name) for name in ("sections", "subsets", "mirrors", "gap")}
    for name, value in lists.items():
        if not (isinstance(value, list) and all(isinstance(one, dict) for one in value)):
            yield f"{name} is no list of figures"
            return
    named = [("score", summary.get("score")), ("accuracy_estimate", summary.get("accuracy_estimate"))]
    named += [
        (f"{name}, {_shown(one.get('name'))}", one)
        for name in ("sections", "subsets", "mirrors")
        for one in lists[name] or ()
    ]
    for name, one in named:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            yield f"{name} is no figure"
            continue
        for key in ("value", "low", "high"):
            if one.get(key) is not None and not results.is_share(one[key]):
                yield f"{key} of {name} is {_shown(one[key])}, which is no share"
        if not isinstance(one.get("n"), int) or not 0 <= one["n"] <= 10**7:
            yield f"n of {name} is {_shown(one.get('n'))}, which is no count"


def _are_rules(facts: Any) -> bool:
    """Whether what a manifest says of its suite can be read; it is not believed."""
    try:
        return isinstance(facts, dict) and ("rules" not in facts or bool(counting(facts)))
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _texts(value: Any, where: str = "the summary") -> Iterator[str]:
    """Texts with control or invisible characters, and such as no field of ours holds; also in names of fields."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            yield f"a text in {where} has {len(value):,} characters"
        if _CONTROL.search(value):
            yield f"a text in {where} holds control or invisible characters: {_shown(value)}"
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(key, where)
            yield from _texts(one, f"field {_shown(key)}")
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, where)


def _shown(value: Any) -> str:
    """A stranger's value as ASCII that steers nothing, cut short."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
