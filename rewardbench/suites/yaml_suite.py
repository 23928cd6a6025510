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
from typing import Any

from rewardbench.errors import InputError
from rewardbench.suites.columns import KNOWN, list_names
from rewardbench.suites.registry import Row, SuiteSpec
from rewardbench.types import Rule, is_weight

KEYS = ("name", "dataset", "revision", "splits", "columns", "sections", "subsets", "section_weights", "headline")
RULE_KEYS = ("credit", "weight")
CREDITS = ("strict", "best_of_n", "ties")
HEADLINES = ("accuracy", "mirror")
OF_A_ROW = {"id", "subset", "group", *KNOWN}
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
    _refuse_unknown(path, "the file", content, KEYS)
    name, dataset = _text(content, "name", path), _text(content, "dataset", path)
    columns = _mapping(content, "columns", path)
    _refuse_unknown(path, "columns", columns, OF_A_ROW, LISTED)
    columns = {key: _name(value, f"column {key}", path) for key, value in columns.items()}
    weights = _mapping(content, "section_weights", path)
    spec = SuiteSpec(
        name=name,
        revision=_text(content, "revision", path) if content.get("revision") is not None else None,
        splits=tuple(_names(content.get("splits") or [], "splits", path)),
        parse=partial(_renamed, columns=columns),
        rules=_read_rules(content, path),
        section_weights={section: _weight(value, section, path) for section, value in weights.items()},
        headline=_choice(content.get("headline", "accuracy"), HEADLINES, "headline", path),
        columns=columns,
        checked=True,
    )
    local_path = Path(path).expanduser().parent / dataset
    return spec, str(local_path) if local_path.exists() or has_magic(dataset) else dataset


def _read_rules(content: Mapping[str, Any], path: str) -> dict[str, Rule]:
    """Return the rule of each subset, from the keys `sections` and `subsets`."""
    rules: dict[str, Rule] = {}
    for section, subsets in _mapping(content, "sections", path).items():
        for subset in _names(subsets, f"section {section}", path):
            if subset in rules:
                first_section = rules[subset].section
                raise InputError(
                    f"{path}: subset {subset} is in two sections, {first_section} and {section}; leave one."
                )
            rules[subset] = Rule(section)
    for subset, facts in _mapping(content, "subsets", path).items():
        if not isinstance(facts, Mapping):
            raise InputError(f"{path}: subset {subset} must be a mapping of {', '.join(RULE_KEYS)}.")
        _refuse_unknown(path, f"subset {subset}", facts, RULE_KEYS)
        credit = _choice(facts.get("credit", "strict"), CREDITS, f"credit of {subset}", path)
        weight = _weight(facts["weight"], subset, path) if "weight" in facts else None
        rules[subset] = Rule(rules[subset].section if subset in rules else subset, credit, weight)
    return rules


def check_columns(spec: SuiteSpec, rows: Iterable[tuple[str, Row]], where: str) -> None:
    """Raise InputError if a column that the suite file maps is in no row of the data."""
    missing = dict(spec.columns)
    names: set[str] = set()
    for _, row in rows:
        names |= row.keys()
        missing = {key: name for key, name in missing.items() if name not in row}
        if not missing:
            return
    key, name = next(iter(missing.items()))
    raise InputError(
        f"{where} has no column {name!r}, which the suite {spec.name} maps to {key}; there are {list_names(names)}"
        f"{_nearest(name, names)}"
    )


def check_names(spec: SuiteSpec, subsets: AbstractSet[str], part: bool) -> list[str]:
    """Check the names of a suite's rules against its data; return a note if a part of the data lacks a subset.

    Raises:
        InputError: if a subset has no items in the full data, or a weighted section does not exist.
    """
    sections = {rule.section for rule in spec.rules.values()} | {name for name in subsets if name not in spec.rules}
    for section in spec.section_weights:
        if section not in sections:
            raise InputError(
                f"The suite {spec.name} has a weight for a section {section!r} that does not exist: {_some(sections)}"
                f"{_nearest(section, sections)}"
            )
    absent = [name for name in spec.rules if name not in subsets]
    if absent and not part:
        raise InputError(
            f"The suite {spec.name} names a subset {absent[0]!r} that is not in its data: {_some(subsets)}"
            f"{_nearest(absent[0], subsets)}"
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
    rules = {subset: asdict(rule) for subset, rule in spec.rules.items()}
    content = json.dumps([rules, dict(spec.section_weights), spec.headline], sort_keys=True)
    return f"+rules={hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _some(names: AbstractSet[str]) -> str:
    listed = ", ".join(islice(sorted(names), 20))
    return f"there are {listed}{', ...' if len(names) > 20 else ''}"


def _nearest(name: str, names: AbstractSet[str]) -> str:
    """Return the end of a sentence that suggests the nearest name.

    >>> _nearest("Maths", {"math", "code"}), _nearest("x", {"math"})
    ('; did you mean math?', '.')
    """
    folded = {candidate.casefold(): candidate for candidate in sorted(names)}
    close = get_close_matches(name.casefold(), folded, 1, 0.5)
    return f"; did you mean {folded[close[0]]}?" if close else "."


def _load(path: str) -> Mapping[str, Any]:
    import yaml

    class UniqueKeys(yaml.SafeLoader):  # type: ignore[misc]
        """A safe loader that rejects duplicate keys."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [getattr(key, "value", None) for key, _ in node.value]
            duplicate = next((key for n, key in enumerate(keys) if isinstance(key, str) and key in keys[:n]), None)
            if duplicate is not None and duplicate != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {duplicate!r} occurs twice", node.start_mark
                )
            return super().construct_mapping(node, deep)

    try:
        content = yaml.load(Path(path).expanduser().read_text(encoding="utf-8"), UniqueKeys)
    except OSError as error:
        raise InputError(f"Cannot read the suite {path}: {error.strerror}.") from error
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f", line {line + 1},"
        raise InputError(
            f"{path}{where} is not YAML: {getattr(error, 'problem', None) or 'it cannot be read'}."
        ) from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path} is not a suite file: it must be a mapping with a name and a dataset.")
    return content


def _refuse_unknown(
    path: str, where: str, content: Mapping[Any, Any], known: Iterable[str], listed: Sequence[str] = ()
) -> None:
    names = set(known)
    for key in content:
        if key not in names:
            suggestion = _nearest(str(key), names)
            raise InputError(
                f"{path}: {where} has an unknown key {short(key)}: known are {', '.join(listed or known)}{suggestion}"
            )


def _text(content: Mapping[str, Any], key: str, path: str) -> str:
    value = content.get(key)
    if value is None or value == "":
        raise InputError(f"{path} has no {key}: write one, as text.")
    if not isinstance(value, str):
        raise InputError(f"{path}: {key} is {_unquoted(value)}.")
    if not value.strip():
        raise InputError(f"{path} has no {key}: write one, as text.")
    return value


def _unquoted(value: Any) -> str:
    """Describe how YAML read a value, and how to make it text."""
    if isinstance(value, bool | int | float) or hasattr(value, "isoformat"):
        return f"{value}, which YAML does not read as text: put it in quotes"
    return f"{short(value)}, and must be text"


def _mapping(content: Mapping[str, Any], key: str, path: str) -> dict[str, Any]:
    value = content.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: {key} must be a mapping.")
    return {_name(name, f"a key of {key}", path): entry for name, entry in value.items()}


def _names(value: Any, key: str, path: str) -> list[str]:
    if not isinstance(value, list):
        raise InputError(f"{path}: {key} must be a list.")
    if not value and key != "splits":
        raise InputError(f"{path}: {key} is empty: name its subsets.")
    return [_name(name, f"a name in {key}", path) for name in value]


def _name(value: Any, place: str, path: str) -> str:
    """Return a name as text; a number becomes text, but booleans and dates must be quoted."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InputError(f"{path}: {place} is {_unquoted(value)}.")


def _choice(value: Any, choices: Sequence[str], place: str, path: str) -> Any:
    if not isinstance(value, str) or value not in choices:
        suggestion = _nearest(str(value), set(choices)) if isinstance(value, str) else "."
        raise InputError(f"{path}: {place} is {short(value)}, and must be one of {', '.join(choices)}{suggestion}")
    return value


def _weight(value: Any, name: str, path: str) -> float:
    if not is_weight(value):
        raise InputError(f"{path}: the weight of {name} is {short(value)}, and must be a number of 0 or more.")
    return float(value)


def _renamed(row: Row, split: str, columns: Mapping[str, str]) -> Row:
    """Rename the columns of a row to the names that rows.py knows; other columns are unchanged."""
    data_names = set(columns.values())
    others = {name: value for name, value in row.items() if name not in data_names and name not in columns}
    return others | {key: row.get(name) for key, name in columns.items()}
