"""Read the plan of a sweep, and resolve it to rows: models × revisions × suites, each with its options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from glob import glob, has_magic
from itertools import product
from pathlib import Path
from reprlib import repr as short
from typing import Any

from rewardbench.errors import InputError
from rewardbench.manifest import format_command
from rewardbench.models.fingerprint import digest
from rewardbench.paths import home_path
from rewardbench.settings import ModelSpec, Settings
from rewardbench.sweep.row_options import KNOWN, RowOptions, build_settings, check_names

PLAN_KEYS = ("output_dir", "defaults", "models", "revisions", "datasets", "resources", "jobs")
SAME_RESULT = frozenset(
    {"batch_size", "batch_tokens", "num_processes", "cache", "step_threshold", "calibration", "fresh"}
)
"""Settings in which two rows may differ, and still have one result."""
STEP = re.compile(r"(?:step|checkpoint|ckpt|iter(?:ation)?|epoch)s?[-_=]?(\d+)(k?)(?![a-z\d])", re.IGNORECASE)
"""Finds the training step in the name of a revision or a folder."""


@dataclass(frozen=True)
class SweepRow:
    """One row: a checkpoint on a suite."""

    settings: Settings
    output_dir: str
    resources: Mapping[str, object] = field(default_factory=dict, compare=False)
    """Resources of its task, if a scheduler runs the row."""

    @property
    def model(self) -> ModelSpec:
        """Return the model and how it runs."""
        return self.settings.model

    @cached_property
    def key(self) -> str:
        """Return a digest of what the row scores, without options that cannot change a score."""
        return digest(format_command(replace(self.settings, batch_size=None, batch_tokens=None, num_processes=None)))

    @property
    def target(self) -> tuple[object, ...]:
        """Return what decides the name of the result: the settings, without those that only change its figures."""
        values = vars(self.settings)
        return tuple(value for name, value in values.items() if name not in SAME_RESULT)

    @property
    def step(self) -> int | None:
        """Return the training step in the revision or else in the name of the folder; None if there is none."""
        return step_of(self.model.revision or Path(self.model.model).name)

    @property
    def series(self) -> str:
        """Return what the checkpoints of one training run share: the repository, or the folder that holds them."""
        if self.model.revision or self.step is None:
            return self.model.model
        return str(Path(self.model.model).parent)

    @property
    def label(self) -> str:
        """Return the checkpoint as `key=value` text."""
        revision = f" revision={self.model.revision}" if self.model.revision else ""
        return f"model={self.model.model}{revision}"

    def command(self) -> list[str]:
        """Return the arguments of the command that scores this row."""
        arguments = shlex.split(format_command(self.settings))
        if not self.settings.cache:
            arguments.append("--no_cache")
        return [*arguments, "--output_dir", self.output_dir]


@dataclass(frozen=True)
class SweepPlan:
    """The rows of a sweep; the rows of one checkpoint follow each other."""

    rows: tuple[SweepRow, ...]
    output_dir: str
    jobs: Mapping[str, object] = field(default_factory=dict)
    """Options of the jobs of a scheduler."""

    def checkpoints(self) -> Iterator[list[SweepRow]]:
        """Yield the rows of each checkpoint, which is loaded once."""
        groups: dict[object, list[SweepRow]] = {}
        for row in self.rows:
            groups.setdefault((row.model, row.settings.cache), []).append(row)
        yield from groups.values()


def step_of(name: str) -> int | None:
    """Return the training step in a name; None if there is none.

    >>> [step_of(name) for name in ("step_1000", "checkpoint-500", "global_step12k", "step1000-tokens4B", "2000", "v2")]
    [1000, 500, 12000, 1000, 2000, None]
    """
    if name.isdecimal():
        return int(name)
    matches = STEP.findall(name)
    if not matches:
        return None
    number, thousands = matches[0]
    return int(number) * (1000 if thousands else 1)


@dataclass(frozen=True)
class PlanLists:
    """The lists of a plan, as a file or the command line gives them."""

    models: Sequence[object] = ()
    """Names, folders (`*` matches several), or mappings with `model` or `judge` and options; such a mapping may have
    `revisions` and `datasets` of its own."""
    revisions: Sequence[object] = ()
    """Revisions of every model without its own."""
    datasets: Sequence[object] = ()
    """Names, or mappings with `dataset` and options; core if there are none."""
    defaults: RowOptions = field(default_factory=dict)
    """Options of every row, which those of a model and of a dataset override."""
    resources: Mapping[str, object] = field(default_factory=dict)
    """Resources of every row, which those of a model and of a dataset override."""
    jobs: Mapping[str, object] = field(default_factory=dict)
    """Options of the jobs of a scheduler."""
    output_dir: str = "results/"
    place: str = "The command line"
    """Where the lists are written, for errors."""


def read_lists(path: str) -> PlanLists:
    """Read the lists of a plan from a YAML file.

        output_dir: results/
        defaults: {max_length: 2048, batch_size: 16}
        datasets: [core, core-hard, {dataset: pairs.jsonl, subset: math}]
        models:
          - model: org/rm
            revisions: [step_1000, step_2000]
          - runs/rm/checkpoint-*

    Args:
        path: the file.

    Raises:
        InputError: if the file cannot be read, or a key or an option is unknown.
    """
    content = _load(path)
    check_names(content, path, KNOWN.union(PLAN_KEYS))
    for key in content:
        if key not in PLAN_KEYS:
            raise InputError(f"{path} sets {key} for no row: move it under defaults, or to a model.")
    folder = content.get("output_dir", "results/")
    if not isinstance(folder, str) or not folder.strip():
        raise InputError(f"output_dir of {path} must be a folder.")
    defaults = _mapping_of(content, "defaults", path)
    check_names(defaults, f"defaults of {path}")
    lists = {key: _list_of(content, key, path) for key in ("models", "revisions", "datasets")}
    resources, jobs = _mapping_of(content, "resources", path), _mapping_of(content, "jobs", path)
    return PlanLists(**lists, defaults=defaults, resources=resources, jobs=jobs, output_dir=folder, place=path)


def build_plan(lists: PlanLists, options: RowOptions | None = None) -> SweepPlan:
    """Resolve the lists of a plan to rows.

    Args:
        lists: the lists.
        options: options of every row, which nothing overrides.

    Raises:
        InputError: if there is no model, a row occurs twice, an option is unknown, or a value is wrong.
    """
    if not lists.models:
        raise InputError(f"{lists.place} names no model: add models, such as tiny-rm.")
    rows: dict[tuple[object, ...], SweepRow] = {}
    for entry in lists.models:
        for row in _rows_of(entry, lists, options or {}):
            if rows.setdefault(row.target, row) is not row:
                raise InputError(
                    f"{lists.place} names {row.label} on {row.settings.dataset} twice, with one result for both: name "
                    "each row once."
                )
    return SweepPlan(tuple(rows.values()), lists.output_dir, lists.jobs)


def _rows_of(entry: object, lists: PlanLists, options: RowOptions) -> Iterator[SweepRow]:
    """Yield the rows of an entry of `models`; `options` override those of the plan."""
    place = lists.place
    names, is_judge, model_options = _read_model(entry, place)
    common = () if "revision" in model_options else lists.revisions
    model_resources = _pop_resources(model_options, place)
    revisions = _pop_list(model_options, "revisions", common, place)
    datasets = _pop_list(model_options, "datasets", lists.datasets or ["core"], place)
    check_names(model_options, f"{names[0]} in {place}")
    if not datasets:
        raise InputError(f"datasets of {names[0]} in {place} is empty: name one, or leave the key out.")
    if revisions and "revision" in model_options:
        raise InputError(f"{names[0]} in {place} has revision and revisions: keep one of them.")
    chosen = [{"revision": _text(revision, "revisions", place)} for revision in revisions] or [{}]
    for name, revision, dataset in product(names, chosen, datasets):
        data, data_options = _read_dataset(dataset, place)
        resources = {**lists.resources, **model_resources, **_pop_resources(data_options, place)}
        values = {**lists.defaults, **model_options, **revision, **data_options, **options}
        try:
            settings = build_settings(name, data, values, is_judge)
        except InputError as error:
            raise InputError(f"{name} on {data} in {place}: {error}") from error
        yield SweepRow(settings, lists.output_dir, resources)


def read_plan(path: str) -> SweepPlan:
    """Read the plan of a sweep from a YAML file, and resolve it to rows; see `read_lists` and `build_plan`."""
    return build_plan(read_lists(path))


def _read_model(entry: object, place: str) -> tuple[list[str], bool, dict[str, Any]]:
    """Return the names of an entry of `models`, whether they are judges, and the other keys.

    Raises:
        InputError: if the entry names no model, or a pattern matches no folder.
    """
    if not isinstance(entry, dict):
        return _match_folders(_text(entry, "models", place), place), False, {}
    values = dict(entry)
    names = [key for key in ("model", "judge") if key in values]
    if len(names) != 1:
        raise InputError(f"An entry of models in {place} must have one of the keys model and judge.")
    name, is_judge = _text(values.pop(names[0]), "models", place), names[0] == "judge"
    return [name] if is_judge else _match_folders(name, place), is_judge, values


def _match_folders(name: str, place: str) -> list[str]:
    """Return the folders that a pattern matches, by their training steps; a name without a pattern as it is."""
    if not has_magic(name) or home_path(name).is_dir():
        return [str(home_path(name))] if name.startswith("~") else [name]
    folders = [path for path in glob(str(home_path(name))) if Path(path).is_dir()]
    if not folders:
        raise InputError(f"{name} in {place} matches no folder: check the pattern.")
    return sorted(folders, key=lambda path: (step_of(Path(path).name) or 0, path))


def _read_dataset(entry: object, place: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of an entry of `datasets`.

    Raises:
        InputError: if it names no dataset, or an option is unknown.
    """
    if not isinstance(entry, dict):
        return _text(entry, "datasets", place), {}
    options = dict(entry)
    if "dataset" not in options:
        raise InputError(f"An entry of datasets in {place} has no key dataset: add it.")
    name = _text(options.pop("dataset"), "datasets", place)
    check_names(options.keys() - {"resources"}, f"{name} in {place}")
    if "revision" in options:
        raise InputError(f"{name} in {place} sets revision, which is that of the model: set dataset_revision.")
    return name, options


def _pop_list(values: dict[str, Any], key: str, default: Sequence[object], place: str) -> Sequence[object]:
    """Take a list from the keys of a model; return the default if it has none."""
    return _list_of({key: values.pop(key)}, key, place) if key in values else default


def _pop_resources(values: dict[str, Any], place: str) -> Mapping[str, object]:
    """Take the resources from the keys of a model or a dataset."""
    return _mapping_of({"resources": values.pop("resources", None)}, "resources", place)


def _mapping_of(content: Mapping[str, object], key: str, place: str) -> dict[str, object]:
    """Return the mapping of a key; an empty one if there is none.

    Raises:
        InputError: if the value is not a mapping.
    """
    value = content.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{key} of {place} must map options to values.")
    return value


def _list_of(content: Mapping[str, object], key: str, place: str) -> Sequence[object]:
    """Return the list of a key; a single value is a list of one.

    Raises:
        InputError: if the value cannot be a list.
    """
    value = content.get(key)
    if value is None:
        return []
    if isinstance(value, str | int | float | dict):
        return [value]
    if not isinstance(value, list):
        raise InputError(f"{key} of {place} must be a list.")
    return value


def _text(value: object, key: str, place: str) -> str:
    """Return the text of an entry; YAML reads a revision of digits as a number.

    Raises:
        InputError: if it is not a name.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        hint = ", in quotes" if isinstance(value, float) else ""
        raise InputError(f"An entry of {key} in {place} is {short(value)}: it must be a name{hint}.")
    return value


def _load(path: str) -> dict[str, object]:
    """Read the YAML file of a plan.

    Raises:
        InputError: if it cannot be read, or has no keys.
    """
    from rewardbench.paths.yaml_file import YamlError, parse_yaml

    try:
        content = parse_yaml(home_path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, YamlError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"The plan {path} cannot be read: {reason}.") from error
    if not isinstance(content, dict):
        raise InputError(f"The plan {path} must have the keys models and datasets.")
    return content
