"""Read a user-defined suite from a YAML file: its dataset, column names, sections and weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from difflib import get_close_matches
from functools import partial
from glob import has_magic
from itertools import islice
from pathlib import Path
from reprlib import repr as short
from typing import Literal, TypeVar

from rewardbench.errors import InputError
from rewardbench.suites.columns import KNOWN, list_names
from rewardbench.suites.data_row import DataRow
from rewardbench.suites.registry import SuiteSpec
from rewardbench.types import Credit, Rule, is_weight

Choice = TypeVar("Choice", bound=str)
Headline = Literal["accuracy", "mirror"]

KEYS = ("name", "dataset", "revision", "splits", "columns", "sections", "subsets", "section_weights", "headline")
RULE_KEYS = ("credit", "weight")
CREDITS: tuple[Credit, ...] = ("strict", "best_of_n", "ties")
HEADLINES: tuple[Headline, ...] = ("accuracy", "mirror")
COLUMN_KEYS = {"id", "subset", "group", *KNOWN}
LISTED = ("prompt", "system", "chosen", "rejected", "completions", "num_correct", "messages", "id", "subset", "group")
"""The keys of `columns` that messages list."""


def is_suite_file(dataset: str) -> bool:
    """Return True if a dataset name is a YAML suite file."""
    return dataset.endswith((".yaml", ".yml"))


def read_suite_file(path: str) -> tuple[SuiteSpec, str]:
    """Read a suite file; return the suite and its dataset (a path relative to the YAML file, or a Hub id).

        name: my-suite
        dataset: pairs.jsonl
        columns: {prompt: question, chosen: good, rejected: bad, subset: kind}
        sections:
          Reasoning: [math, code]
          Safety: [refusals]
        subsets:
          math: {weight: 2}
        section_weights: {Safety: 2}

    Raises:
        InputError: if the file cannot be read, or its content is not valid.
    """
    content = _load(path)
    _reject_unknown(path, "the file", content, KEYS)
    name, dataset = _text(content, "name", path), _text(content, "dataset", path)
    columns = _read_columns(content, path)
    section_weights: dict[str, float] = {}
    for section, weight in _mapping(content, "section_weights", path).items():
        section_weights[section] = _weight(weight, section, path)
    spec = SuiteSpec(
        name=name,
        revision=_text(content, "revision", path) if content.get("revision") is not None else None,
        splits=tuple(_list_of_names(content.get("splits") or [], "splits", path)),
        parse=partial(_rename_columns, columns=columns),
        rules=_read_rules(content, path),
        section_weights=section_weights,
        headline=_choice(content.get("headline", "accuracy"), HEADLINES, "headline", path),
        columns=columns,
        checked=True,
    )
    local_path = Path(path).expanduser().parent / dataset
    return spec, str(local_path) if local_path.exists() or has_magic(dataset) else dataset


def _read_columns(content: Mapping[str, object], path: str) -> dict[str, str]:
    """Return the known column names, each with the name in the data."""
    mapping = _mapping(content, "columns", path)
    _reject_unknown(path, "columns", mapping, COLUMN_KEYS, LISTED)
    columns: dict[str, str] = {}
    for key, name in mapping.items():
        columns[key] = _name(name, f"column {key}", path)
    return columns


def _read_rules(content: Mapping[str, object], path: str) -> dict[str, Rule]:
    """Return the rule of each subset, from the keys `sections` and `subsets`."""
    rules: dict[str, Rule] = {}
    for section, subsets in _mapping(content, "sections", path).items():
        for subset in _list_of_names(subsets, f"section {section}", path):
            if subset in rules:
                first_section = rules[subset].section
                raise InputError(
                    f"{path}: subset {subset} is in two sections, {first_section} and {section}; leave one."
                )
            rules[subset] = Rule(section)
    for subset, fields in _mapping(content, "subsets", path).items():
        if not isinstance(fields, Mapping):
            raise InputError(f"{path}: subset {subset} must be a mapping of {', '.join(RULE_KEYS)}.")
        _reject_unknown(path, f"subset {subset}", fields, RULE_KEYS)
        credit = _choice(fields.get("credit", "strict"), CREDITS, f"credit of {subset}", path)
        weight = _weight(fields["weight"], subset, path) if "weight" in fields else None
        rules[subset] = Rule(rules[subset].section if subset in rules else subset, credit, weight)
    return rules


def check_columns(spec: SuiteSpec, rows: Iterable[tuple[str, DataRow]], where: str) -> None:
    """Raise InputError if a column that the suite file maps is in no row of the data."""
    required = set(spec.columns.values())
    names: set[str] = set()
    for _, row in rows:
        names |= row.keys()
        if required <= names:
            return
    for key, name in spec.columns.items():
        if name not in names:
            raise InputError(
                f"{where} has no column {name!r}, which the suite {spec.name} maps to {key}; there are "
                f"{list_names(names)}{_suggest(name, names)}"
            )


def check_names(spec: SuiteSpec, subsets: AbstractSet[str], part: bool) -> list[str]:
    """Check the names of a suite's rules against its data; return a note if a part of the data lacks a subset.

    Raises:
        InputError: if a subset has no items in the full data, or a weighted section does not exist.
    """
    sections = {rule.section for rule in spec.rules.values()} | (subsets - spec.rules.keys())
    for section in spec.section_weights:
        if section not in sections:
            raise InputError(
                f"The suite {spec.name} has a weight for a section {section!r} that does not exist: "
                f"{_list_some(sections)}{_suggest(section, sections)}"
            )
    absent = [name for name in spec.rules if name not in subsets]
    if absent and not part:
        raise InputError(
            f"The suite {spec.name} names a subset {absent[0]!r} that is not in its data: {_list_some(subsets)}"
            f"{_suggest(absent[0], subsets)}"
        )
    return [f"This split has no items of {', '.join(absent)[:200]}."] if absent else []


def hash_rules(spec: SuiteSpec) -> str:
    """Return the part of a revision that identifies the rules of a suite file; empty without rules.

    >>> hash_rules(SuiteSpec(name="mine"))
    ''
    >>> hash_rules(SuiteSpec(name="mine", section_weights={"Safety": 2.0}))
    '+rules=70b1cecb'
    """
    if not (spec.rules or spec.section_weights) and spec.headline == "accuracy":
        return ""
    rules: dict[str, dict[str, object]] = {}
    for subset, rule in spec.rules.items():
        rules[subset] = asdict(rule)
        del rules[subset]["threshold"]  # no suite file sets it
    content = json.dumps([rules, dict(spec.section_weights), spec.headline], sort_keys=True)
    return f"+rules={hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _list_some(names: AbstractSet[str]) -> str:
    listed = ", ".join(islice(sorted(names), 20))
    return f"there are {listed}{', ...' if len(names) > 20 else ''}"


def _suggest(name: str, names: AbstractSet[str]) -> str:
    """Return the end of a sentence that suggests the nearest name.

    >>> _suggest("Maths", {"math", "code"}), _suggest("x", {"math"})
    ('; did you mean math?', '.')
    """
    folded = {candidate.casefold(): candidate for candidate in sorted(names)}
    close = get_close_matches(name.casefold(), folded, 1, 0.5)
    return f"; did you mean {folded[close[0]]}?" if close else "."


def _load(path: str) -> Mapping[str, object]:
    from rewardbench.paths.yaml_file import YamlError, parse_yaml

    try:
        content = parse_yaml(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read the suite {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not YAML: it cannot be read.") from error
    except YamlError as error:
        where = "" if error.line is None else f", line {error.line},"
        raise InputError(f"{path}{where} is not YAML: {error.problem}.") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path} is not a suite file: it must be a mapping with a name and a dataset.")
    return content


def _reject_unknown(
    path: str, where: str, content: Iterable[object], known: Iterable[str], listed: Sequence[str] = ()
) -> None:
    names = set(known)
    for key in content:
        if key not in names:
            suggestion = _suggest(str(key), names)
            raise InputError(
                f"{path}: {where} has an unknown key {short(key)}: known are {', '.join(listed or known)}{suggestion}"
            )


def _text(content: Mapping[str, object], key: str, path: str) -> str:
    value = content.get(key)
    if value is None or value == "":
        raise InputError(f"{path} has no {key}: write one, as text.")
    if not isinstance(value, str):
        raise InputError(f"{path}: {key} is {_unquoted(value)}.")
    if not value.strip():
        raise InputError(f"{path} has no {key}: write one, as text.")
    return value


def _unquoted(value: object) -> str:
    """Describe how YAML read a value, and how to make it text."""
    if isinstance(value, bool | int | float) or hasattr(value, "isoformat"):
        return f"{value}, which YAML does not read as text: put it in quotes"
    return f"{short(value)}, and must be text"


def _mapping(content: Mapping[str, object], key: str, path: str) -> dict[str, object]:
    value = content.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: {key} must be a mapping.")
    mapping: dict[str, object] = {}
    for name, entry in value.items():
        mapping[_name(name, f"a key of {key}", path)] = entry
    return mapping


def _list_of_names(value: object, key: str, path: str) -> list[str]:
    if not isinstance(value, list):
        raise InputError(f"{path}: {key} must be a list.")
    if not value and key != "splits":
        raise InputError(f"{path}: {key} is empty: name its subsets.")
    return [_name(name, f"a name in {key}", path) for name in value]


def _name(value: object, place: str, path: str) -> str:
    """Return a name as text; a number becomes text, but booleans and dates must be quoted."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InputError(f"{path}: {place} is {_unquoted(value)}.")


def _choice(value: object, choices: Sequence[Choice], place: str, path: str) -> Choice:
    for choice in choices:
        if choice == value:
            return choice
    suggestion = _suggest(value, set(choices)) if isinstance(value, str) else "."
    raise InputError(f"{path}: {place} is {short(value)}, and must be one of {', '.join(choices)}{suggestion}")


def _weight(value: object, name: str, path: str) -> float:
    if not isinstance(value, int | float) or not is_weight(value):
        raise InputError(f"{path}: the weight of {name} is {short(value)}, and must be a number of 0 or more.")
    return float(value)


def _rename_columns(row: DataRow, split: str, columns: Mapping[str, str]) -> DataRow:
    """Rename the columns of a row to the names that rows.py knows; other columns are unchanged."""
    replaced = {*columns, *columns.values()}
    renamed = {name: value for name, value in row.items() if name not in replaced}
    for key, name in columns.items():
        renamed[key] = row.get(name)
    return renamed
