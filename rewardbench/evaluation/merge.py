"""Merge the shards of runs: check that they are of one run and complete, then compute its result."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from rewardbench.console.progress import StepBar
from rewardbench.console.strict_json import dump
from rewardbench.console.terminal import make_console
from rewardbench.engine.views import check_any_scored
from rewardbench.errors import InputError
from rewardbench.evaluation.runs import DrawFresh, fresh_folder, load_data, summarize_run
from rewardbench.evaluation.shard_files import (
    LOCAL_MODEL_SETTINGS,
    LOCAL_SETTINGS,
    ShardFile,
)
from rewardbench.evaluation.shard_records import ShardRecords
from rewardbench.evaluation.totals import combine_counts, combine_facts
from rewardbench.manifest import build_manifest, format_command
from rewardbench.metrics import rule_of
from rewardbench.paths import home_path
from rewardbench.results.read import SHARD_SUFFIX
from rewardbench.settings import Inputs, ModelSpec, Settings
from rewardbench.store import open_run_store
from rewardbench.store.base import RunStore
from rewardbench.store.run_names import check_run_name, to_key
from rewardbench.types import ItemScores, Result, Suite

HARDWARE = ("threads", "thread_settings", "device")
"""What is recorded of each shard's machine even if all are alike."""


def merge_shards(
    paths: Sequence[str],
    folder: str,
    dataset: str | None = None,
    draw_fresh: DrawFresh | None = None,
    console: Console | None = None,
    name: str | None = None,
) -> Iterator[tuple[Result, str]]:
    """Merge the shards of one or several runs, and store the result of each as one process would.

    Args:
        paths: shard files, and folders that contain some.
        folder: folder of results.
        dataset: where the data is on this machine, if not where the run read it.
        draw_fresh: builds the fresh draw of a suite.
        console: where the progress bar is drawn; stderr by default.
        name: run name, as `check_run_name` accepts it; None: the name of the model.

    Yields:
        Each result and the path of its summary.

    Raises:
        InputError: if a shard is missing, doubled, damaged, or of another run.
    """
    name = None if name is None else check_run_name(name)
    store = open_run_store(folder)
    runs = sort_runs(map(ShardFile.read, find_shards(paths)))
    keys = [name and to_key(name, shards[0].header.model, shards[0].header.suite, len(runs) > 1) for shards in runs]
    if len(set(keys)) < len(keys) and name:
        raise InputError(f"--name {name} is that of {len(runs)} runs, of several models: add {{model}} to it.")
    for shards, key in zip(runs, keys, strict=True):
        yield _merge_run(shards, store, dataset, draw_fresh, console, key)


def find_shards(paths: Sequence[str]) -> list[Path]:
    """Return the shard files that are named, and those in the folders that are named, each once.

    Raises:
        InputError: if there are none.
    """
    files: dict[Path, Path] = {}
    for name in paths:
        path = home_path(name)
        inside = sorted(path.rglob(f"*{SHARD_SUFFIX}")) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"There are no shards in {path}: pass the --output_dir of rewardbench --shard.")
        for file in inside:
            files.setdefault(Path(os.path.realpath(file)), file)
    return list(files.values())


def sort_runs(files: Iterable[ShardFile]) -> list[list[ShardFile]]:
    """Sort shard files by the run they are of, and check that each run is complete.

    Returns:
        The shards of each run, in the order of their parts.

    Raises:
        InputError: if a shard is missing, doubled, or of another run than the others of its model and data.
    """
    by_name: dict[tuple[str, ...], list[ShardFile]] = {}
    for file in files:
        settings = file.settings
        names = (file.header.model, str(settings.model.revision), settings.dataset)
        by_name.setdefault(names, []).append(file)
    runs: list[list[ShardFile]] = []
    for group in by_name.values():
        by_identity: dict[str, list[ShardFile]] = {}
        for file in group:
            by_identity.setdefault(dump(file.header.identity), []).append(file)
        candidates = sorted(by_identity.values(), key=len, reverse=True)
        if len(candidates) > 1 and any(map(_missing_parts, candidates)):
            raise InputError(_difference(candidates[0][0], candidates[1][0]))
        for shards in candidates:
            check_parts(shards)
            runs.append(sorted(shards, key=lambda file: file.shard.first))
    return runs


def _missing_parts(shards: Sequence[ShardFile]) -> list[int]:
    """Return the parts of a run that no shard holds, by the number of parts of the first shard."""
    missing = set(range(shards[0].shard.count))
    for file in shards:
        missing.difference_update(file.shard.parts)
    return sorted(missing)


def check_parts(shards: Sequence[ShardFile]) -> None:
    """Check that the shards of one run are each of its parts once.

    Raises:
        InputError: if they are not.
    """
    first = shards[0]
    holders: dict[int, ShardFile] = {}
    for file in shards:
        if file.shard.count != first.shard.count:
            raise InputError(
                f"{first.path} is shard {first.shard} and {file.path} is shard {file.shard}: all shards of a run have "
                "the same number of parts; remove those of one division."
            )
        for part in file.shard.parts:
            if part in holders:
                raise InputError(
                    f"Part {part} of {first.shard.count} is in {holders[part].path} and in {file.path}: remove one."
                )
            holders[part] = file
    missing = _missing_parts(shards)
    if missing:
        command = format_command(replace(first.settings, shard=f"{missing[0]}/{first.shard.count}"))
        numbers = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
        raise InputError(
            f"{len(missing)} of {first.shard.count} parts of {first.header.model} on {first.header.suite} are missing "
            f"({numbers}): run {command}"
        )


def _difference(a: ShardFile, b: ShardFile) -> str:
    """Return the first field in which two shards differ, with both values, as an error message."""
    a_fields, b_fields = dict(_flatten(a.header.identity)), dict(_flatten(b.header.identity))
    for name in dict.fromkeys([*a_fields, *b_fields]):
        if a_fields.get(name) != b_fields.get(name):
            return (
                f"{a.path} and {b.path} are not shards of one run: {name} is {a_fields.get(name)!r:.80} in the first "
                f"and {b_fields.get(name)!r:.80} in the second. Score all shards with the same model, data and options."
            )
    raise AssertionError("shards with equal headers are of one run")


def _flatten(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield the fields of nested JSON objects by their dotted names."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, inner in value.items():
        yield from _flatten(inner, f"{name}.{key}" if name else str(key))


def _merge_run(
    shards: Sequence[ShardFile],
    store: RunStore,
    dataset: str | None,
    draw_fresh: DrawFresh | None,
    console: Console | None,
    key: str | None,
) -> tuple[Result, str]:
    """Compute and store the result of a run from its complete shards."""
    settings = _settings_of_all(shards)
    settings = replace(settings, dataset=dataset or settings.dataset)
    suite, fresh = load_data(settings, fresh_folder(settings, draw_fresh))
    _check_revision(shards[0], suite, "revision")
    if fresh:
        _check_revision(shards[0], fresh, "fresh")
    headers = [file.header for file in shards]
    facts = combine_facts(headers)
    items: list[ItemScores] = []
    bar = StepBar("merging", len(suite.items), console or make_console(stderr=True))
    with ShardRecords(shards) as records, store.draft() as draft, bar as advance:
        records.check(suite, fresh)
        for item in suite.items:
            advance()
            item_scores = records.read(item)
            draft.add(item, item_scores, rule_of(suite, item.subset))
            items.append(replace(item_scores, texts=(), answers=()))
        fresh_items: list[ItemScores] = []
        for item in fresh.items if fresh else ():
            fresh_items.append(replace(records.read(item, is_fresh=True), texts=(), answers=()))
        check_any_scored(suite, items, facts.name, facts.report.notes if settings.model.judge else ())
        manifest = build_manifest(settings, suite, facts, combine_counts(headers, items))
        manifest = {**manifest, **_describe_machines(shards)}
        result = summarize_run(settings, suite, facts, items, manifest, fresh, fresh_items)
        return result, store.put(result, suite, draft, key)


def _check_revision(file: ShardFile, data: Suite, name: str) -> None:
    """Check that the data on this machine is what a shard was scored on.

    Raises:
        InputError: if it has another revision.
    """
    scored = getattr(file.header, name)
    if scored != data.revision:
        raise InputError(
            f"{file.path} was scored on {data.name} at revision {scored}, and the data here has revision "
            f"{data.revision}: pass the same data with --dataset."
        )


def _settings_of_all(shards: Sequence[ShardFile]) -> Settings:
    """Return the settings of a run; what its shards do not agree on has the default value."""
    settings = replace(shards[0].settings, shard=None)
    for file in shards[1:]:
        changes = _differences(settings, file.settings, LOCAL_SETTINGS)
        model = replace(settings.model, **_differences(settings.model, file.settings.model, LOCAL_MODEL_SETTINGS))
        settings = replace(settings, **changes, model=model)
    return settings


def _differences(a: Inputs | ModelSpec, b: Inputs | ModelSpec, names: Iterable[str]) -> dict[str, Any]:
    """Return the default of each of these options in which two objects differ, by its name."""
    changes: dict[str, Any] = {}
    for field in fields(a):
        if field.name in names and getattr(a, field.name) != getattr(b, field.name):
            changes[field.name] = field.default
    return changes


def _describe_machines(shards: Sequence[ShardFile]) -> dict[str, object]:
    """Return the environment that all machines share, and each shard with what its machine has besides."""
    shared = dict(shards[0].header.machine)
    for name in HARDWARE:
        shared.pop(name, None)
    for file in shards:
        for name in list(shared):
            if file.header.machine.get(name) != shared[name]:
                del shared[name]
    records: list[dict[str, object]] = []
    for file in shards:
        header = file.header
        machine = {name: value for name, value in header.machine.items() if name not in shared}
        figures = {"items": header.items, "token_budget": header.counts.token_budget}
        records.append({"shard": header.shard, **figures, "machine": machine})
    return {"environment": shared, "shards": records}
