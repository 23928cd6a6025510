"""Options of one row of a sweep, by their names on the command line, and the settings that they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from reprlib import repr as short
from typing import Any

from rewardbench.errors import InputError
from rewardbench.scorers.options import SYNONYMS
from rewardbench.settings import Endpoint, JudgeSpec, ModelSpec, ServerSpec, Settings

RowOptions = Mapping[str, object]
"""Values by the names of options, as YAML or the command line gives them."""

NOT_OPTIONS = frozenset({"model", "dataset", "judge", "server", "endpoint", "cache", "shard"})
"""Fields of settings that a row names otherwise, or that belong to the sweep."""
SWITCHES = {"no_cache": ("cache", False), "debug": ("limit", 10)}
"""Options that set another field to a value."""


def _field_names(group: type) -> frozenset[str]:
    return frozenset(field.name for field in fields(group)) - NOT_OPTIONS


MODEL, RUN = _field_names(ModelSpec), _field_names(Settings)
JUDGE, SERVER, ENDPOINT = _field_names(JudgeSpec), _field_names(ServerSpec), _field_names(Endpoint)
KNOWN = frozenset({*MODEL, *RUN, *JUDGE, *SERVER, *ENDPOINT, *SYNONYMS, *SWITCHES, "data_protocol", "engine"})
"""Every option of a row."""


DIGITS = frozenset({"revision", "ref_revision", "dataset_revision", "subset", "label"})
"""Options whose text may be digits, which YAML reads as a number."""


def check_names(options: Iterable[object], place: str, known: frozenset[str] = KNOWN) -> None:
    """Check that every name is an option.

    Args:
        options: the options.
        place: where they are written, for the error.
        known: the names that there are.

    Raises:
        InputError: for an unknown name, with the nearest option.
    """
    for name in options:
        if name not in known:
            near = get_close_matches(str(name), sorted(known), 1)
            hint = f"did you mean {near[0]}?" if near else "rewardbench --help lists the options."
            raise InputError(f"{place} sets {name!r}, which is no option of a run: {hint}")


def build_settings(model: str, dataset: str, options: RowOptions, is_judge: bool = False) -> Settings:
    """Return the settings of a row.

    Args:
        model: name of the model, or of the judge.
        dataset: name of the data.
        options: options by their names on the command line.
        is_judge: True if the model is a language model that judges.

    Raises:
        InputError: if a value is wrong, or an option does not apply.
    """
    values: dict[str, Any] = {}
    for name, value in options.items():
        field, constant = SWITCHES.get(name, (SYNONYMS.get(name, name), value))
        if name in SWITCHES and not isinstance(value, bool):
            raise InputError(f"{name} is {short(value)}: it must be true or false.")
        if name not in SWITCHES or value:
            is_number = name in DIGITS and isinstance(value, int) and not isinstance(value, bool)
            values[field] = str(value) if is_number else constant
    judge, server = _remote(model, values, is_judge)
    spec = {name: values.pop(name) for name in MODEL & values.keys()}
    run = {name: values.pop(name) for name in (RUN | {"cache"}) & values.keys()}
    if values:
        needed = "dialect and base_url, a server" if is_judge else "a judge (judge: NAME) or a server (dialect)"
        raise InputError(f"{min(values)} of {model} needs {needed}: add it, or leave {min(values)} out.")
    return Settings(replace(ModelSpec(model, **spec), judge=judge, server=server), dataset, **{"cache": True, **run})


def _remote(model: str, values: dict[str, Any], is_judge: bool) -> tuple[JudgeSpec | None, ServerSpec | None]:
    """Take the options of a judge or a server from `values`, and return the judge or the server that they make."""
    engine = values.get("engine")
    if engine in ("http", "transformers"):
        del values["engine"]
    if not is_judge and engine != "http" and "dialect" not in values:
        return None, None
    if engine == "http" and "dialect" not in values:
        raise InputError(f"{model} is behind a server: name its API by dialect, and its address by base_url.")
    group = {name: values.pop(name) for name in (JUDGE if is_judge else SERVER) & values.keys()}
    endpoint = {name: values.pop(name) for name in ENDPOINT & values.keys()}
    if endpoint and "base_url" not in endpoint:
        raise InputError(f"{min(endpoint)} of {model} needs a server: add base_url.")
    server = Endpoint(**endpoint) if endpoint else None
    if is_judge:
        if "data_protocol" in values:
            values["protocol"] = values.pop("data_protocol")
        return JudgeSpec(endpoint=server, **group), None
    if server is None:
        raise InputError(f"{model} is behind a server: name its address by base_url.")
    return None, ServerSpec(endpoint=server, **group)
