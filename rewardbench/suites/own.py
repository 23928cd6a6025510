"""A suite of one's own from a YAML file: where the data lies, what its columns are called, how its subsets count."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rewardbench.suites.table import Row, SuiteSpec
from rewardbench.types import InputError, Rule, is_weight

KEYS = ("name", "dataset", "revision", "splits", "columns", "sections", "subsets", "section_weights", "headline")
RULE_KEYS = ("credit", "weight")
CREDITS = ("strict", "best_of_n", "ties")
OF_A_ROW = {"id", "subset", "group", "prompt", "system", "chosen", "rejected", "completions", "num_correct", "messages"}


def is_suite_file(dataset: str) -> bool:
    """Whether a dataset is named by the YAML file of a suite."""
    return dataset.endswith((".yaml", ".yml"))


def read_suite_file(path: str) -> tuple[SuiteSpec, str]:
    """The suite, and the dataset that it takes its rows from: a file or folder beside the YAML, or a Hub id.

        name: my-suite
        dataset: pairs.jsonl
        columns: {prompt: question, chosen: good, rejected: bad, subset: kind}
        sections:
          Reasoning: [math, code]
          Safety: [refusals]
        subsets:
          math: {weight: 2}
        section_weights: {Safety: 2}

    Raises: InputError for what is no such file.
    """
    told = _load(path)
    _refuse_unknown(path, "the file", told, KEYS)
    name, dataset = (_text(told, key, path) for key in ("name", "dataset"))
    sections = _mapping(told, "sections", path)
    rules = {subset: Rule(section) for section, subsets in sections.items() for subset in _list(subsets, section, path)}
    for subset, facts in _mapping(told, "subsets", path).items():
        if not isinstance(facts, Mapping):
            raise InputError(f"{path}: subset {subset} must be a mapping of {', '.join(RULE_KEYS)}.")
        _refuse_unknown(path, f"subset {subset}", facts, RULE_KEYS)
        if facts.get("credit", "strict") not in CREDITS:
            raise InputError(f"{path}: credit {facts['credit']!r} of {subset} must be one of {', '.join(CREDITS)}.")
        section = rules[subset].section if subset in rules else subset
        weight = _weight(facts["weight"], subset, path) if "weight" in facts else None
        rules[subset] = Rule(section, facts.get("credit", "strict"), weight)
    columns = _mapping(told, "columns", path)
    _refuse_unknown(path, "columns", columns, sorted(OF_A_ROW))
    weights = _mapping(told, "section_weights", path)
    headline = told.get("headline", "accuracy")
    if headline not in ("accuracy", "mirror"):
        raise InputError(f"{path}: headline is {headline!r}, and must be accuracy or mirror.")
    spec = SuiteSpec(
        name=name,
        revision=told.get("revision"),
        splits=tuple(map(str, _list(told.get("splits", []), "splits", path))),
        parse=lambda row, split: _renamed(row, columns),
        rules=rules,
        section_weights={section: _weight(value, section, path) for section, value in weights.items()},
        headline=headline,
    )
    beside = Path(path).expanduser().parent / dataset
    return spec, str(beside) if beside.exists() else dataset


def _load(path: str) -> Mapping[str, Any]:
    import yaml

    try:
        told = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read the suite {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f", line {line + 1},"
        raise InputError(
            f"{path}{where} is not YAML: {getattr(error, 'problem', None) or 'it cannot be read'}."
        ) from error
    if not isinstance(told, Mapping):
        raise InputError(f"{path} describes no suite: it must be a mapping with a name and a dataset.")
    return told


def _refuse_unknown(path: str, where: str, told: Mapping[str, Any], known: Any) -> None:
    unknown = [str(key) for key in told if key not in known]
    if unknown:
        raise InputError(f"{path}: {where} has an unknown key {unknown[0]!r}: known are {', '.join(known)}.")


def _text(told: Mapping[str, Any], key: str, path: str) -> str:
    value = told.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{path} has no {key}: write one, as text.")
    return value


def _mapping(told: Mapping[str, Any], key: str, path: str) -> dict[str, Any]:
    value = told.get(key) or {}
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: {key} must be a mapping.")
    return {str(name): one for name, one in value.items()}


def _list(value: Any, key: str, path: str) -> list[str]:
    if not isinstance(value, list):
        raise InputError(f"{path}: {key} must be a list.")
    return [str(one) for one in value]


def _weight(value: Any, name: str, path: str) -> float:
    if not is_weight(value):
        raise InputError(f"{path}: the weight of {name} is {value!r}, and must be a number of 0 or more.")
    return float(value)


def _renamed(row: Row, columns: Mapping[str, Any]) -> Row:
    """A row whose columns have the names that rows.py knows; the others stay."""
    taken = {str(theirs) for theirs in columns.values()}
    kept = {name: value for name, value in row.items() if name not in taken and name not in columns}
    return kept | {ours: row.get(str(theirs)) for ours, theirs in columns.items()}
