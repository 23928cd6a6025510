"""Score a model on a suite, and store the result: `run`, `run_suites` and `score_dataset`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from rewardbench.console.progress import ScoringBar
from rewardbench.console.terminal import make_console
from rewardbench.engine.backends.base import Workers
from rewardbench.engine.backends.torchrun import is_first
from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import WINDOW, ScoringRun, score
from rewardbench.engine.views import check_any_scored, check_view
from rewardbench.errors import InputError
from rewardbench.evaluation.workers import choose_workers
from rewardbench.manifest import build_manifest
from rewardbench.metrics import gap, rule_of, with_threshold
from rewardbench.results import assemble, with_calibration
from rewardbench.scorers import load_scorer
from rewardbench.settings import Settings
from rewardbench.store import LocalStore, open_store
from rewardbench.store.local import reject_model_name
from rewardbench.suites import load_inputs
from rewardbench.suites.fresh import FRESH_SUITES, load_fresh_draw
from rewardbench.types import Estimate, Item, ItemScores, Result, Rule, Scorer, Suite

WINDOW_OF_TEXTS = 2_000
"""Items of a window of `score_dataset`: fewer than in an evaluation, so that little is in memory at a time."""
SCORED, UNSCORED = ItemScores("", ()), ItemScores("", (), reason="unscored")
"""What `score_dataset` keeps of an item."""

Sink = Callable[[Item, ItemScores, Rule], None]
"""Receives a scored item with the texts that the model read, and the rule of its subset."""


def run(
    settings: Settings,
    console: Console | None = None,
    fresh_draw: Path | None = None,
    sink: Sink | None = None,
    *,
    suite: Suite | None = None,
    scorer: Scorer | None = None,
    loaded: Scorer | None = None,
    read: Suite | None = None,
) -> tuple[Result, Suite]:
    """Load, score, and summarise.

    Args:
        settings: the run.
        console: where the progress bar is drawn; stderr by default.
        fresh_draw: folder of the draw whose seed the settings name.
        sink: called with every scored item, which has its rendered texts; items of the result have none.
        suite: data in memory, instead of the data that the settings name.
        scorer: a model in memory, instead of the model that the settings name.
        loaded: the model that the settings name, if it is loaded already.
        read: the data that the settings name, if they are read already.

    Returns:
        The result, and the suite it was computed on.

    Raises:
        InputError: for bad input, or if no item could be scored.
    """
    workers = choose_workers(settings)
    in_memory = [name for name, value in (("dataset", suite), ("model", scorer)) if value is not None]
    suite = suite or read or read_data(settings)
    fresh = load_fresh_draw(settings, suite, fresh_draw)
    suite = with_threshold(suite, settings.step_threshold)
    scorer = scorer or loaded or load_scorer(settings.model, settings.cache)
    check_view(suite, scorer.view, scorer.name)

    def keep(item: Item, item_scores: ItemScores) -> ItemScores:
        if sink is None:
            return item_scores
        sink(item, item_scores, rule_of(suite, item.subset))
        return replace(item_scores, texts=(), answers=())

    scored = _score(suite, scorer, settings, workers, console, keep)
    check_any_scored(suite, scored.items, scorer.name, scorer.report().notes if settings.model.judge else ())
    record = build_manifest(settings, suite, scorer, scored, in_memory)
    fresh_gap: tuple[Estimate, ...] = ()
    if fresh:
        fresh_gap = gap(
            suite,
            scored.items,
            fresh,
            _score(fresh, scorer, settings, workers, console, lambda _, item_scores: item_scores).items,
        )
        record["fresh"] = fresh.revision
    result = assemble(suite, scorer.name, scorer.model_type, scored.items, record, fresh_gap)
    if settings.calibration:
        result = with_calibration(result, suite)
    return result, suite


def read_data(settings: Settings) -> Suite:
    """Read the data that settings name.

    Raises:
        InputError: if they cannot be found or read.
    """
    return load_inputs(settings, limit=settings.limit, scores_only=settings.scores_only, as_json=settings.load_json)


def score_dataset(settings: Settings, sink: Sink, suite: Suite, console: Console | None = None) -> list[str]:
    """Score the completions of a dataset, without counting preferences.

    Args:
        settings: the model.
        sink: called with every scored item, in the order of the dataset.
        suite: the dataset.
        console: where the progress bar is drawn; stderr by default.

    Returns:
        Notes on the data, the model and the texts, one sentence each.

    Raises:
        InputError: for bad input, or if no item could be scored.
    """
    workers = choose_workers(settings)
    scorer = load_scorer(settings.model, settings.cache)

    def keep(item: Item, item_scores: ItemScores) -> ItemScores:
        """Pass the scores on; keep those of the first item, and of others only whether there are any."""
        if is_first():
            sink(item, item_scores, rule_of(suite, item.subset))
        if item.id == first_id:
            return replace(item_scores, texts=())
        return SCORED if item_scores.reason is None else UNSCORED

    first_id = suite.items[0].id
    scored = _score(suite, scorer, settings, workers, console, keep, WINDOW_OF_TEXTS)
    check_any_scored(suite, scored.items, scorer.name)
    return [*([suite.note] if suite.note else []), *scored.notes, *scorer.report().notes]


def run_and_store(settings: Settings, folder: str, console: Console | None = None) -> tuple[Result, str] | None:
    """Run on one suite as `run_suites` does; return None in a process of torchrun other than rank 0."""
    return next(run_suites([settings], folder, console), None)


def run_suites(
    runs: Sequence[Settings],
    folder: str,
    console: Console | None = None,
    draw_fresh: Callable[[str, int], Path] | None = None,
) -> Iterator[tuple[Result, str]]:
    """Run one model on one or several suites, and store each result in a folder.

    The model is loaded once; a judge or a model behind a server is connected once per suite, to count its requests.

    Args:
        runs: settings of each run, which differ in the data only.
        folder: folder of results; a Hub dataset is rejected.
        console: where the progress bar is drawn; stderr by default.
        draw_fresh: returns the folder of a fresh draw, by the name of the suite and the seed.

    Yields:
        Each result and the path of its summary; nothing in a process of torchrun other than rank 0.

    Raises:
        InputError: for bad input, and before scoring if the folder cannot be written.
    """
    store = open_output(folder)
    model, loaded = runs[0].model, None
    reject_model_name(model.model)
    choose_workers(runs[0])
    if len(runs) > 1 and not (model.judge or model.server):
        loaded = load_scorer(model, runs[0].cache)
    for settings in runs:
        fresh = None
        if draw_fresh and settings.fresh is not None and settings.dataset in FRESH_SUITES:
            fresh = draw_fresh(settings.dataset, settings.fresh)
        with store.draft() as draft:
            result, suite = run(settings, console, fresh, draft.add, loaded=loaded)
            path = store.put(result, suite, draft) if is_first() else ""
        if path:
            yield result, path


def open_output(folder: str) -> LocalStore:
    """Open the folder of results to which a run writes.

    Raises:
        InputError: if it is a Hub dataset.
    """
    store = open_store(folder)
    if not isinstance(store, LocalStore):
        raise InputError(
            f"A run writes to a folder, not to {folder}: pass a local --output_dir, then rewardbench submit."
        )
    return store


def _score(
    suite: Suite,
    scorer: Scorer,
    settings: Settings,
    workers: Workers,
    console: Console | None,
    keep: Callable[[Item, ItemScores], ItemScores],
    window: int = WINDOW,
) -> ScoringRun:
    """Score all items of a suite, with a progress bar; `keep` returns what stays in memory of each."""
    with (
        Cache() if settings.cache and is_first() else nullcontext() as cache,
        ScoringBar(console or make_console(stderr=True), scorer.status) as bar,
    ):
        return score(
            suite.items,
            scorer,
            bar,
            batch_tokens=settings.batch_tokens,
            batch_size=settings.batch_size,
            cache=cache,
            workers=workers,
            keep=keep,
            noise=True,
            window=min(window, WINDOW_OF_TEXTS) if scorer.traits.max_in_flight > 1 else window,
        )
