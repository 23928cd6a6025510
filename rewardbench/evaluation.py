"""Where suite, scorer, engine and result meet: what the command line and Python users call."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from rewardbench.console.progress import Bar
from rewardbench.console.terminal import make_console
from rewardbench.engine.backends.pool import Alone, Pool, Workers
from rewardbench.engine.backends.torchrun import Ranks, is_first, launch
from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import Run, score
from rewardbench.errors import InputError
from rewardbench.manifest import manifest
from rewardbench.metrics import gap, rule_of
from rewardbench.paths import home_path
from rewardbench.results import assemble
from rewardbench.scorers import load_scorer
from rewardbench.scorers.in_memory import name_of, scorer_of
from rewardbench.settings import ModelSpec, Settings, read_options
from rewardbench.store import LocalStore, open_store
from rewardbench.store.local import refuse_model_name
from rewardbench.suites import load_inputs, load_suite, suite_of_rows
from rewardbench.suites.in_memory import read_rows
from rewardbench.types import Item, ItemScores, Result, Rule, Scorer, Suite


def evaluate(model: Any, dataset: Any = "core", **options: Any) -> Result:
    """Score a reward model on preference data.

    Args:
        model: an embedded name (tiny-rm, tiny-dpo), a baseline (baseline/longest, ...), a folder or a Hub id; or in
            memory: (model, tokenizer) of a classifier with one label, or a function of a prompt and a completion, both
            text, that returns a number.
        dataset: core, the name of a published suite, a file, a folder or a Hub id; or in memory: a list of dicts, a
            DataFrame or a `datasets.Dataset`.
        options: fields of `ModelSpec` (ref_model, chat_template, max_length, dtype, ...) or of `Settings`
            (split, limit, batch_size, ...).

    Returns: a Result; `result.score` is the headline with its interval, `result.items` the scores.

    Raises: InputError, in one sentence, for bad input.
    """
    of_the_model, of_the_run = read_options(options, ModelSpec, Settings)
    model, dataset = map(_path_as_text, (model, dataset))
    spec = ModelSpec(model if isinstance(model, str) else name_of(model), **of_the_model)
    settings = Settings(spec, dataset if isinstance(dataset, str) else "memory", **of_the_run)
    suite = None if isinstance(dataset, str) else _suite_in_memory(dataset, settings)
    if isinstance(model, str):
        return run(settings, suite=suite)[0]
    if settings.cache or (settings.num_processes or 1) > 1:
        raise InputError("A model in memory has no cache and one process: leave out cache and num_processes.")
    with scorer_of(model, spec) as scorer:
        return run(settings, suite=suite, scorer=scorer)[0]


def _path_as_text(name: Any) -> Any:
    """A path as text, with its `~` expanded; anything else as it is."""
    is_home = isinstance(name, str) and name.startswith("~")
    return str(home_path(name)) if is_home or isinstance(name, os.PathLike) else name


def _suite_in_memory(data: Any, settings: Settings) -> Suite:
    if settings.dataset_revision or settings.load_json:
        raise InputError("Data in memory has no revision and is no file: leave out dataset_revision and load_json.")
    return suite_of_rows(
        read_rows(data, settings.split),
        subset=settings.subset,
        limit=settings.limit,
        protocol=settings.protocol,
        scores_only=settings.scores_only,
        pairs=settings.pairs,
    )


Sink = Callable[[Item, ItemScores, Rule], None]


def run(
    settings: Settings,
    console: Console | None = None,
    fresh_draw: Path | None = None,
    sink: Sink | None = None,
    *,
    suite: Suite | None = None,
    scorer: Scorer | None = None,
) -> tuple[Result, Suite]:
    """Load, score, and sum up; the console (stderr by default) carries the progress bar.

    `fresh_draw` is the folder of the draw that the settings speak of: builders are none of this room's business.
    `sink` is given every item as it is scored; the texts that the model read go to it, and the result holds none.
    `suite` and `scorer` are data and a model in memory, in place of those that the settings name.

    Raises: InputError for bad input, also where not one item could be scored.
    """
    workers = _workers(settings)
    in_memory = [name for name, thing in (("dataset", suite), ("model", scorer)) if thing is not None]
    suite = suite or load_inputs(
        settings, limit=settings.limit, scores_only=settings.scores_only, as_json=settings.load_json
    )
    fresh = _fresh(settings, suite, fresh_draw)
    scorer = scorer or load_scorer(settings.model)
    scored = _score(suite, scorer, settings, workers, console, sink)
    _refuse_nothing(scored, suite, scorer)
    apart = gap(suite, scored.items, fresh, _score(fresh, scorer, settings, workers, console).items) if fresh else ()
    told = manifest(settings, suite, scorer, scored, in_memory) | ({"fresh": fresh.revision} if fresh else {})
    result = assemble(suite, scorer.name, scorer.model_type, scored.items, told, apart)
    return result, suite


def run_and_keep(
    settings: Settings, folder: str, console: Console | None = None, fresh_draw: Path | None = None
) -> tuple[Result, str] | None:
    """The same with the result stored in a folder: it and its path; None in a process that only helps another.

    Raises: InputError, also where nothing could be written there, before anything is scored.
    """
    store = open_store(folder)
    if not isinstance(store, LocalStore):
        raise InputError(
            f"A run writes to a folder, not to {folder}: pass a local --output_dir, then rewardbench submit."
        )
    refuse_model_name(settings.model.model)
    _workers(settings)
    with store.draft() as draft:
        result, suite = run(settings, console, fresh_draw, draft.add)
        return (result, store.put(result, suite, draft)) if is_first() else None


def _fresh(settings: Settings, suite: Suite, folder: Path | None) -> Suite | None:
    if settings.fresh is None:
        return None
    if folder is None:
        raise InputError("A fresh draw needs its folder: use the command line, or pass run() what fresh_draw() gives.")
    if suite.name != "core" or settings.protocol or "+" in suite.revision.partition("+")[2]:
        raise InputError("A fresh draw is compared with the whole of core: leave out --split, --subset and --limit.")
    return load_suite(str(folder), protocol="core")


def _score(
    suite: Suite,
    scorer: Scorer,
    settings: Settings,
    workers: Workers,
    console: Console | None,
    sink: Sink | None = None,
) -> Run:
    def keep(item: Item, found: ItemScores) -> ItemScores:
        if sink is None:
            return found
        sink(item, found, rule_of(suite, item.subset))
        return replace(found, texts=())

    options: dict[str, Any] = {"batch_tokens": settings.batch_tokens, "batch_size": settings.batch_size}
    with (
        Cache() if settings.cache and is_first() else nullcontext() as cache,
        Bar(console or make_console(stderr=True)) as bar,
    ):
        return score(suite.items, scorer, bar, **options, cache=cache, workers=workers, keep=keep, noise=True)


def _workers(settings: Settings) -> Workers:
    """Return the ranks that torchrun or accelerate has started, a pool that was asked for, or this process alone.

    Ranks meet here, before anything is loaded: where one fails later, the others hear of it.
    """
    launched = launch()
    if launched:
        return Ranks(launched)
    if settings.num_processes and settings.num_processes > 1:
        return Pool(settings.num_processes, partial(load_scorer, settings.model))
    return Alone()


def _refuse_nothing(scored: Run, suite: Suite, scorer: Scorer) -> None:
    if any(item.reason is None for item in scored.items):
        return
    first = scored.items[0]
    sick = f" {scorer.name} has broken weights, or overflows in this number format: try --torch_dtype float32."
    raise InputError(
        f"None of the {len(scored.items)} items of {suite.name} could be scored; the first, {first.id}: "
        f"{str(first.reason).rstrip('.')}.{sick if any(first.tokens) else ''}"
    )
