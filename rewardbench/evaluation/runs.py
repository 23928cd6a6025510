"""Score a model on a suite, and store the result: `run`, `run_suites` and `score_dataset`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from rewardbench.console.progress import ScoringBar, elapsed_time
from rewardbench.console.terminal import make_console
from rewardbench.engine.backends.base import Workers
from rewardbench.engine.backends.torchrun import is_first
from rewardbench.engine.loop import WINDOW, ScoringRun, score, unchanged
from rewardbench.engine.shared_cache import check_cache, open_cache
from rewardbench.engine.views import check_any_scored, check_view
from rewardbench.errors import InputError
from rewardbench.evaluation.workers import choose_workers
from rewardbench.manifest import ScorerFacts, build_manifest
from rewardbench.metrics import gap, rule_of, with_threshold
from rewardbench.results import assemble, with_calibration
from rewardbench.scorers import load_scorer
from rewardbench.scorers.base import BaseScorer
from rewardbench.settings import Settings
from rewardbench.store import open_run_store
from rewardbench.store.local import reject_model_name
from rewardbench.store.run_names import check_run_name, to_key
from rewardbench.suites import load_inputs
from rewardbench.suites.fresh import FRESH_SUITES, load_fresh_draw
from rewardbench.types import Estimate, Item, ItemScores, Result, Rule, Scorer, Suite

WINDOW_OF_TEXTS = 2_000
"""Items of a window of `score_dataset`: fewer than in an evaluation, so that little is in memory at a time."""
SCORED, UNSCORED = ItemScores("", ()), ItemScores("", (), reason="unscored")
"""What `score_dataset` keeps of an item."""

DrawFresh = Callable[[str, int], Path]
"""Returns the folder of a fresh draw, by the name of the suite and the seed."""
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
    if settings.shard:
        raise InputError("shard works on the command line only: rewardbench --shard 0/3, then rewardbench merge.")
    workers = choose_workers(settings)
    in_memory = [name for name, value in (("dataset", suite), ("model", scorer)) if value is not None]
    suite, fresh = load_data(settings, fresh_draw, suite or read)
    scorer = scorer or loaded or _load_shown(settings, console)
    check_view(suite, scorer.view, scorer.name)

    def keep(item: Item, item_scores: ItemScores) -> ItemScores:
        if sink is None:
            return item_scores
        sink(item, item_scores, rule_of(suite, item.subset))
        return replace(item_scores, texts=(), answers=())

    scored = score_items(suite.items, scorer, settings, workers, console, keep)
    facts = ScorerFacts.of(scorer)
    check_any_scored(suite, scored.items, scorer.name, facts.report.notes if settings.model.judge else ())
    fresh_items: Sequence[ItemScores] = ()
    if fresh:
        fresh_items = score_items(fresh.items, scorer, settings, workers, console).items
    manifest = build_manifest(settings, suite, facts, scored, in_memory)
    return summarize_run(settings, suite, facts, scored.items, manifest, fresh, fresh_items), suite


def _load_shown(settings: Settings, console: Console | None) -> BaseScorer:
    """Load the model, and show meanwhile that it is being loaded; large weights take minutes."""
    with elapsed_time(console or make_console(stderr=True), f"loading {settings.model.model}"):
        return load_scorer(settings.model, settings.cache)


def load_data(
    settings: Settings, fresh_draw: Path | None = None, suite: Suite | None = None
) -> tuple[Suite, Suite | None]:
    """Load the data of a run.

    Args:
        settings: the run.
        fresh_draw: folder of the draw whose seed the settings name.
        suite: the data, if they are read already.

    Returns:
        The suite, and the fresh draw if the settings name a seed.

    Raises:
        InputError: if the data cannot be found or read.
    """
    suite = suite or read_data(settings)
    fresh = load_fresh_draw(settings, suite, fresh_draw)
    return with_threshold(suite, settings.step_threshold), fresh


def summarize_run(
    settings: Settings,
    suite: Suite,
    scorer: ScorerFacts,
    items: Sequence[ItemScores],
    manifest: Mapping[str, object],
    fresh: Suite | None = None,
    fresh_items: Sequence[ItemScores] = (),
) -> Result:
    """Compute the result of a run from its scores.

    Args:
        settings: the run.
        suite: its data.
        scorer: facts of the scorer.
        items: scores of each item of the suite.
        manifest: what decided the scores.
        fresh: the fresh draw that was scored too.
        fresh_items: scores of each item of the fresh draw.
    """
    fresh_gap: tuple[Estimate, ...] = ()
    if fresh:
        fresh_gap = gap(suite, items, fresh, fresh_items)
        manifest = {**manifest, "fresh": fresh.revision}
    result = assemble(suite, scorer.name, scorer.model_type, items, manifest, fresh_gap)
    return with_calibration(result, suite) if settings.calibration else result


def read_data(settings: Settings) -> Suite:
    """Read the data that settings name.

    Raises:
        InputError: if they cannot be found or read.
    """
    return load_inputs(
        settings,
        limit=settings.limit,
        sample=settings.sample,
        sample_seed=settings.sample_seed,
        scores_only=settings.scores_only,
        as_json=settings.load_json,
    )


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
    scorer = _load_shown(settings, console)

    def keep(item: Item, item_scores: ItemScores) -> ItemScores:
        """Pass the scores on; keep those of the first item, and of others only whether there are any."""
        if is_first():
            sink(item, item_scores, rule_of(suite, item.subset))
        if item.id == first_id:
            return replace(item_scores, texts=())
        return SCORED if item_scores.reason is None else UNSCORED

    first_id = suite.items[0].id
    scored = score_items(suite.items, scorer, settings, workers, console, keep, WINDOW_OF_TEXTS)
    check_any_scored(suite, scored.items, scorer.name)
    return [*([suite.note] if suite.note else []), *scored.notes, *scorer.report().notes]


def run_and_store(
    settings: Settings, folder: str, console: Console | None = None, name: str | None = None
) -> tuple[Result, str] | None:
    """Run on one suite as `run_suites` does; return None in a process of torchrun other than rank 0."""
    return next(run_suites([settings], folder, console, name=name), None)


def run_suites(
    runs: Sequence[Settings],
    folder: str,
    console: Console | None = None,
    draw_fresh: DrawFresh | None = None,
    name: str | None = None,
) -> Iterator[tuple[Result, str]]:
    """Run one model on one or several suites, and store each result in a folder.

    The model is loaded once; a judge or a model behind a server is connected once per suite, to count its requests.

    Args:
        runs: settings of each run, which differ in the data only.
        folder: folder or bucket of results; a Hub dataset is rejected.
        console: where the progress bar is drawn; stderr by default.
        draw_fresh: builds the fresh draw of a suite.
        name: run name, as `check_run_name` accepts it; None: the name of the model.

    Yields:
        Each result and the path or address of its summary; nothing in a process of torchrun other than rank 0.

    Raises:
        InputError: for bad input, and before scoring if the folder cannot be written.
    """
    name = None if name is None else check_run_name(name)
    store = open_run_store(folder)
    loaded = load_for_all(runs, console)
    for settings in runs:
        with store.draft() as draft:
            fresh = fresh_folder(settings, draw_fresh)
            result, suite = run(settings, console, fresh, draft.add, loaded=loaded)
            key = name and to_key(name, settings.model.model, suite.name, len(runs) > 1)
            path = store.put(result, suite, draft, key) if is_first() else ""
        if path:
            yield result, path


def load_for_all(runs: Sequence[Settings], console: Console | None = None) -> Scorer | None:
    """Check the model of several runs, and load it if all of them can use it: no judge, and no server.

    Raises:
        InputError: if the model cannot be stored, the cache cannot be read, or the processes cannot start.
    """
    model = runs[0].model
    reject_model_name(model.model)
    choose_workers(runs[0])
    if runs[0].cache:
        check_cache()
    if len(runs) > 1 and not (model.judge or model.server):
        return _load_shown(runs[0], console)
    return None


def fresh_folder(settings: Settings, draw_fresh: DrawFresh | None) -> Path | None:
    """Return the folder of the fresh draw of a run, which is built if needed; None if there is none."""
    if draw_fresh and settings.fresh is not None and settings.dataset in FRESH_SUITES:
        return draw_fresh(settings.dataset, settings.fresh)
    return None


def score_items(
    items: Sequence[Item],
    scorer: Scorer,
    settings: Settings,
    workers: Workers,
    console: Console | None = None,
    keep: Callable[[Item, ItemScores], ItemScores] = unchanged,
    window: int = WINDOW,
    population: Sequence[Item] | None = None,
) -> ScoringRun:
    """Score items as the settings say, with a progress bar.

    Args:
        items: the items.
        scorer: the model.
        settings: batches and cache.
        workers: the processes that score.
        console: where the progress bar is drawn; stderr by default.
        keep: called with each scored item; returns what stays in memory.
        window: items that are prepared together.
        population: items from which the sample for the batch noise is drawn; None: those that are scored.
    """
    with (
        open_cache() if settings.cache and is_first() else nullcontext() as cache,
        ScoringBar(console or make_console(stderr=True), scorer.status) as bar,
    ):
        return score(
            items,
            scorer,
            bar,
            batch_tokens=settings.batch_tokens,
            batch_size=settings.batch_size,
            cache=cache,
            workers=workers,
            keep=keep,
            noise=True,
            population=population,
            window=min(window, WINDOW_OF_TEXTS) if scorer.traits.max_in_flight > 1 else window,
        )
