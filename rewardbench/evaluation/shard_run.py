"""Score a shard of a run, a part of its items, on a machine that knows nothing of the others; `merge` joins them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from rewardbench.engine.backends.torchrun import is_first
from rewardbench.engine.loop import ScoringRun
from rewardbench.engine.views import check_view
from rewardbench.errors import InputError
from rewardbench.evaluation.runs import (
    SCORED,
    UNSCORED,
    DrawFresh,
    fresh_folder,
    load_data,
    load_for_all,
    score_items,
)
from rewardbench.evaluation.shard_files import ShardFile, ShardHeader, describe_shard, shard_name, to_record
from rewardbench.evaluation.shards import Shard
from rewardbench.evaluation.workers import choose_workers
from rewardbench.manifest import ScorerFacts
from rewardbench.results import dump
from rewardbench.scorers import load_scorer
from rewardbench.settings import Settings
from rewardbench.store import LocalStore, open_run_store
from rewardbench.store.atomic import Draft
from rewardbench.suites.stdin import STDIN
from rewardbench.types import Item, ItemScores, Scorer, Suite


def score_shards(
    runs: Sequence[Settings], folder: str, console: Console | None = None, draw_fresh: DrawFresh | None = None
) -> Iterator[ShardFile]:
    """Score the same shard of one or several suites with one model, and write a shard file of each.

    Args:
        runs: settings of each run, which differ in the data only; all name the shard.
        folder: folder of the shard files.
        console: where the progress bar is drawn; stderr by default.
        draw_fresh: builds the fresh draw of a suite.

    Yields:
        Each shard file; nothing in a process of torchrun other than rank 0.

    Raises:
        InputError: for bad input, and before scoring if the folder cannot be written.
    """
    shard = Shard.parse(str(runs[0].shard))
    if any(settings.dataset == STDIN for settings in runs):
        raise InputError("A shard of standard input cannot be merged, which reads the data again: pass a file.")
    store = open_run_store(folder)
    if not isinstance(store, LocalStore):
        raise InputError(f"A shard is written to a folder, not to {folder}: pass a local --output_dir, then merge.")
    loaded = load_for_all(runs)
    for settings in runs:
        with store.draft() as draft:
            header = _score_shard(settings, shard, draft, console, fresh_folder(settings, draw_fresh), loaded)
            if not is_first():
                continue
            shard_file = ShardFile(store.root / shard_name(header), header)
            shard_file.write(draft.rows)
        yield shard_file


def _score_shard(
    settings: Settings,
    shard: Shard,
    draft: Draft,
    console: Console | None,
    fresh_draw: Path | None,
    loaded: Scorer | None,
) -> ShardHeader:
    """Score the items of a shard of the suite, and of its fresh draw; write their records to the draft."""
    workers = choose_workers(settings)
    suite, fresh = load_data(settings, fresh_draw)
    scorer = loaded or load_scorer(settings.model, settings.cache)
    check_view(suite, scorer.view, scorer.name)

    def write(item: Item, item_scores: ItemScores, is_fresh: bool) -> ItemScores:
        if is_first():
            draft.rows.write(dump(to_record(item_scores, is_fresh)))
        return SCORED if item_scores.reason is None else UNSCORED

    def score_part(data: Suite, is_fresh: bool) -> ScoringRun:
        items, keep = shard.select(data), partial(write, is_fresh=is_fresh)
        return score_items(items, scorer, settings, workers, console, keep, population=data.items)

    scored = score_part(suite, is_fresh=False)
    facts = ScorerFacts.of(scorer)
    if fresh:
        score_part(fresh, is_fresh=True)
    return describe_shard(settings, suite, fresh, facts, scored)
