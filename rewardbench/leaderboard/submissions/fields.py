"""A stranger's summary in, what is wrong with its fields out; nothing of it is believed, and no item is read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.results import stated
from rewardbench.results.schema import RulesRecord, is_share
from rewardbench.scorers.baselines import RULES as BASELINES
from rewardbench.store.local import MOST_SUMMARY, refuse_reserved
from rewardbench.types import Estimate

DEEPEST = 32
LONGEST_TEXT = 4_000
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_NAME = re.compile(rf"{_PART}(?:/{_PART})?")
_HASH = re.compile(r"[0-9a-f]{64}")


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
    if not stated.is_model_type(summary.get("model_type")):
        yield f"the model_type {_shown(summary.get('model_type'))} is none of {', '.join(stated.MODEL_TYPES)}"
    elif wrong := _baseline_name(str(model), str(summary["model_type"])):
        yield wrong
    if not isinstance(summary.get(results.OUTPUTS_HASH), str) or not _HASH.fullmatch(summary[results.OUTPUTS_HASH]):
        yield f"{results.OUTPUTS_HASH} is no sha256: scores of the items are needed"
    facts = summary["manifest"].get("suite")
    if facts is not None and not _are_rules(facts):
        yield "manifest.suite is not what a suite is"
    yield from _statements(summary)
    yield from _figures(summary)
    yield from _gap(summary.get("gap"))
    yield from _texts(summary)


def _statements(summary: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with the license, the date, the size and the command; each may be missing."""
    manifest = summary["manifest"]
    about = manifest.get("model") if manifest.get("model") is not None else {}
    if not isinstance(about, dict):
        yield f"manifest.model is {_shown(about)}, not an object"
        return
    license, day, size, command = (
        about.get("license"),
        summary.get("date"),
        about.get("parameters"),
        manifest.get("command"),
    )
    if license not in (None, "") and not stated.is_license(license):
        yield f"the license {_shown(license)} is no SPDX or Hub identifier, such as apache-2.0, llama3.1 or other"
    if day not in (None, "") and not stated.is_day(day):
        yield f"the date {_shown(day)} is not written YYYY-MM-DD, is before {stated.EARLIEST}, or is yet to come"
    if size is not None and not stated.is_parameter_count(size):
        yield f"{_shown(size)} parameters are no plausible number of parameters"
    if command not in (None, "") and not stated.is_command(command):
        yield f"the command {_shown(command)} is no rewardbench command in one line with its arguments quoted"


def _baseline_name(model: str, model_type: str) -> str:
    """Return what is wrong with a name below baseline/, which only our own baselines have; else nothing."""
    known = [f"baseline/{rule}" for rule in BASELINES]
    if model.casefold().startswith("baseline/") and (model not in known or model_type != "Baseline"):
        return f"the name {_shown(model)} is kept for the baselines {', '.join(known)}, of type Baseline"
    return ""


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
            if one.get(key) is not None and not is_share(one[key]):
                yield f"{key} of {name} is {_shown(one[key])}, which is no share"
        if not isinstance(one.get("n"), int) or not 0 <= one["n"] <= 10**7:
            yield f"n of {name} is {_shown(one.get('n'))}, which is no count"


GAP = ("core", "fresh", "gap")


def _gap(value: Any) -> Iterator[str]:
    """Say what is wrong with the figures against a fresh draw: none, or the three that `metrics.gap` gives."""
    if not isinstance(value, list) or not value:
        return  # that it is a list was asked before
    keys = {field.name for field in fields(Estimate)}
    whole = all(isinstance(one, dict) and set(one) == keys for one in value)
    if not whole or tuple(one["name"] for one in value) != GAP:
        yield f"gap does not hold the three figures {', '.join(GAP)}"
        return
    for one in value:
        numbers = [one["value"], one["low"], one["high"]]
        if not all(is_share(abs(number)) for number in numbers if type(number) in (int, float)):
            yield f"gap, {one['name']}, is {_shown(one['value'])}, which is no share"
        if any(number is not None and type(number) not in (int, float) for number in numbers):
            yield f"gap, {one['name']}, is {_shown(one['value'])}, which is no number"


def _are_rules(facts: Any) -> bool:
    """Whether what a manifest says of its suite can be read; it is not believed."""
    try:
        return isinstance(facts, dict) and ("rules" not in facts or bool(RulesRecord.model_validate(facts)))
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _texts(value: Any, where: str = "the summary") -> Iterator[str]:
    """Texts with control or invisible characters, and such as no field of ours holds; also in names of fields."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            yield f"a text in {where} has {len(value):,} characters"
        if stated.has_hidden(value):
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
