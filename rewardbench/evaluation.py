"""Where suite, scorer, engine and result meet: what the command line and Python users call."""

from __future__ import annotations

import math
import os
import platform
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
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
from rewardbench.engine.noise import is_exact, within_noise
from rewardbench.metrics import gap, is_scored, rule_of
from rewardbench.models.fingerprint import digest
from rewardbench.models.load import ModelSpec, refuse_less_than_one
from rewardbench.models.metadata import facts
from rewardbench.paths import home_path
from rewardbench.results import assemble
from rewardbench.scorers import load_scorer
from rewardbench.scorers.in_memory import name_of, scorer_of
from rewardbench.settings import read_options
from rewardbench.store import LocalStore, open_store
from rewardbench.store.local import refuse_model_name
from rewardbench.suites import Pairs, load_suite, suite_of_rows
from rewardbench.suites.in_memory import read_rows
from rewardbench.types import InputError, Item, ItemScores, Result, Rule, Scorer, Suite


@dataclass(frozen=True)
class Asked:
    """A model, and the data that it is asked of."""

    model: ModelSpec
    dataset: str = "core"
    split: str | None = None
    subset: str | None = None
    dataset_revision: str | None = None
    protocol: str | None = None
    pairs: Pairs | None = None
    """Which items a prompt with several scored completions makes; None: its best against its worst."""

    def load_suite(self, **more: Any) -> Suite:
        """The data. Raises: InputError where it cannot be found or read."""
        return load_suite(
            self.dataset,
            split=self.split,
            subset=self.subset,
            revision=self.dataset_revision,
            protocol=self.protocol,
            pairs=self.pairs,
            **more,
        )


@dataclass(frozen=True)
class Settings(Asked):
    """One run: a model on data. Everything the command line can say, parsed."""

    scores_only: bool = False
    load_json: bool = False
    limit: int | None = None
    fresh: int | None = None
    """The seed of a fresh draw of core's builders, to be scored beside core; `run` is given its folder."""
    batch_size: int | None = None
    batch_tokens: int | None = None
    num_processes: int | None = None
    cache: bool = False
    """Whether scores are looked up in the local cache, and kept there."""

    def __post_init__(self) -> None:
        refuse_less_than_one(self, "limit", "batch_size", "batch_tokens", "num_processes")


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
    suite = suite or settings.load_suite(
        limit=settings.limit, scores_only=settings.scores_only, as_json=settings.load_json
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


def manifest(
    settings: Settings, suite: Suite, scorer: Scorer, scored: Run, in_memory: Sequence[str] = ()
) -> dict[str, Any]:
    """What decided the numbers (the fingerprint), what must not have (the run), and where it ran."""
    fingerprint = dict(scorer.fingerprint)
    details = _details(scorer)
    noise = _noise(fingerprint, suite, scored)
    return {
        "fingerprint": fingerprint,
        "fingerprint_sha256": digest(fingerprint),
        "model": {
            "model": settings.model.model,
            "revision": settings.model.revision,
            "ref_model": settings.model.ref_model,
            "tokenizer": settings.model.tokenizer or settings.model.model,
            "chat_template": settings.model.chat_template,
            **({} if "model" in in_memory else facts(settings.model)),
        },
        "run": {
            "token_budget": scored.token_budget,
            "batch_size": settings.batch_size,
            "layout": scored.layout,
            "requests": scored.requests,
            "tokens": scored.tokens,
            **details,
            **noise,
        },
        "session": {"computed": scored.computed, "batches": scored.batches},  # told, but not stored: see results
        "environment": environment(),
        "command": "" if in_memory else command(settings),
        "notes": _notes(suite, scorer, scored, noise),
    }


def _details(scorer: Any) -> dict[str, Any]:
    return dict(scorer.details()) if hasattr(scorer, "details") else {}


def _noise(fingerprint: Mapping[str, Any], suite: Suite, scored: Run) -> dict[str, Any]:
    """In a short number format the batch moves a score; by how much, and which decisions that could turn."""
    if is_exact(fingerprint) or scored.noise is None:
        return {}
    return {"batch_noise": scored.noise, "within_noise": within_noise(suite.items, scored.items, scored.noise)}


def _notes(suite: Suite, scorer: Any, scored: Run, noise: Mapping[str, Any]) -> list[str]:
    notes = [suite.note] if suite.note else []
    notes += getattr(scorer, "notes", [])
    reasons = Counter(item.reason for item in scored.items if item.reason is not None)
    if reasons:
        most = "; ".join(f"{count} × {reason.rstrip('.')}" for reason, count in reasons.most_common(3))
        notes.append(f"Unscored: {most}. Their ids are in the outputs file.")
    notes += _note_on_ties(suite, scored.items)
    if noise and math.isfinite(noise["batch_noise"]):
        notes.append(
            f"In this number format the batch moves a score by up to {noise['batch_noise']:.2g}; the margin of "
            f"{len(noise['within_noise'])} items lies inside that."
        )
    return notes


def _note_on_ties(suite: Suite, items: Sequence[ItemScores]) -> list[str]:
    """Say so if the model gives the completions of every item that it scores the same score."""
    pairs = zip(suite.items, items, strict=True)
    scored = [found.scores for item, found in pairs if item.has_preference and is_scored(found.scores)]
    if not scored or any(min(scores) < max(scores) for scores in scored):
        return []
    return [
        f"All {len(scored):,} scored items tie: the completions of each have one score, so no preference is measured. "
        "Check that the model is a trained one, that its template shows the completions, and that they differ."
    ]


def environment() -> dict[str, Any]:
    """The machine and the libraries that a rerun may want to compare."""
    from importlib.metadata import version

    names = ("rewardbench", "torch", "transformers", "tokenizers", "datasets", "huggingface_hub", "numpy")
    facts: dict[str, Any] = {name: version(name) for name in names}
    facts.update(python=platform.python_version(), platform=platform.platform(), cpus=os.cpu_count())
    return facts


def command(settings: Settings) -> str:
    """The command that gives these figures again."""
    parts = ["rewardbench", "--model", settings.model.model, "--dataset", settings.dataset]
    said = {f.name: getattr(settings.model, f.name) for f in fields(ModelSpec) if f.name != "model"}
    said |= {f.name: getattr(settings, f.name) for f in fields(Settings) if f.name not in ("model", "dataset")}
    defaults = {f.name: f.default for f in (*fields(ModelSpec), *fields(Settings))}
    for name, value in said.items():
        if value == defaults[name] or name == "cache":
            continue
        parts += [f"--{FLAGS.get(name, name)}"] + ([] if value is True else [str(value)])
    return shlex.join(parts)


FLAGS = {"dtype": "torch_dtype", "scores_only": "prioritize_scoring"}
"""Fields whose flag has another name."""
