"""Score items: prepare requests, look up cached scores, run the other requests in batches, and collect scores by item.

Items are processed in windows, so that memory does not grow with the number of items. A scorer with several stages
(policy and reference) runs each stage over all windows before it loads the next one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from rewardbench.engine.backends.base import StageWorkers, Workers
from rewardbench.engine.backends.inline import Inline
from rewardbench.engine.batching import layout_name, spread
from rewardbench.engine.budget import token_budget
from rewardbench.engine.cache import Cache
from rewardbench.engine.noise import is_exact
from rewardbench.engine.notes import NoteCounter, sentences
from rewardbench.engine.views import CollectedScores, ScorerCall, collect, expand
from rewardbench.engine.window import Groups, ScoresByKey, StageWindow
from rewardbench.errors import InputError
from rewardbench.metrics.judge_bias import JUDGE_TYPES
from rewardbench.models.failures import ModelFailure
from rewardbench.types import Item, ItemScores, Request, Score, Scorer

WINDOW = 10_000
"""Items that are prepared and batched together. More would take more memory, and hardly share longer prefixes."""
FIRST_WINDOW = 1_000
"""Items of the first window: few, so that scoring begins before everything is tokenized."""
SAMPLE = 32
"""Items that are also scored unbatched, to measure noise."""


class Progress(Protocol):
    """A progress bar, as the loop calls it."""

    def start(self, items: int, parts: int) -> None:
        """Start with the number of items, and of passes over them (one per stage)."""

    def expect(self, items: int, requests: int, tokens: int) -> None:
        """Start a window of `items`; `requests` and `tokens` count cache misses."""

    def advance(self, requests: int, tokens: int) -> None:
        """Count requests and tokens as computed."""


@dataclass(frozen=True)
class Prepared:
    """An item with its requests, or with the reason why it cannot be scored."""

    item: Item
    requests: tuple[Request, ...] = ()
    """One request per call of the scorer."""
    reason: str | None = None
    first_shown: tuple[int, ...] = ()
    """For each completion of the item, the index of the first request that shows it earliest."""

    @property
    def by_completion(self) -> tuple[Request, ...]:
        """Return for each completion of the item the first request that shows it earliest."""
        return tuple(self.requests[index] for index in self.first_shown)


def unchanged(item: Item, item_scores: ItemScores) -> ItemScores:
    """Return the scores of an item as they are: the default of `Options.keep`."""
    return item_scores


@dataclass(frozen=True)
class Options:
    """How scores are computed. No option changes a score."""

    batch_tokens: int | None = None
    """Maximum tokens per batch; None is measured."""
    batch_size: int | None = None
    """Maximum requests per batch; None is unlimited."""
    cache: Cache | None = None
    workers: Workers = field(default_factory=Inline)
    window: int = WINDOW
    keep: Callable[[Item, ItemScores], ItemScores] = unchanged
    """Called with each scored item, in the order of items; returns what the run keeps in memory."""
    noise: bool = False
    """True to score a sample of items unbatched too, if the dtype is not exact."""
    population: Sequence[Item] | None = None
    """Items from which the sample is drawn, if only a shard of them is scored; None: the items that are scored."""


@dataclass(frozen=True)
class ScoringRun:
    """The scores of all items, in their order, and how they were computed."""

    items: list[ItemScores]
    token_budget: int
    batches: int
    requests: int
    tokens: int
    computed: int
    """Number of cache misses, summed over the stages."""
    layout: str
    noise: float | None = None
    """Largest difference between the batched and the unbatched score of a sampled item; None if not measured."""
    pooled_tokens: Mapping[str, int] = field(default_factory=dict)
    """Number of completions by the token whose hidden state is scored."""
    note_counts: Mapping[str, int] = field(default_factory=dict)
    """What `prepare` repaired or omitted: notes with the number of their requests, as `notes.NoteCounter` counts."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what `prepare` repaired or omitted, one sentence each."""
        return sentences(self.note_counts)


def prepare(item: Item, scorer: Scorer) -> Prepared:
    """Make the requests of an item; an InputError of the scorer becomes the reason why the item has no scores."""
    if item.problem:
        return Prepared(item, reason=item.problem)
    options: dict[str, Any] = {"rendered": item.rendered}
    if item.tools:
        options["tools"] = item.tools
    if scorer.context:
        options["context"] = {name: read_context(item, name) for name in scorer.context}
    requests: list[Request] = []
    try:
        calls = expand(item, scorer.view, scorer.orders)
        for call in calls:
            requests.append(scorer.prepare(item.prompt, *call.completions(item), **options))
    except InputError as error:
        return Prepared(item, reason=str(error))
    return Prepared(item, tuple(requests), first_shown=_first_shown(calls, len(item.completions)))


def _first_shown(calls: Sequence[ScorerCall], completions: int) -> tuple[int, ...]:
    """Return for each completion the index of the first call that shows it earliest.

    >>> _first_shown([ScorerCall((1, 0)), ScorerCall((1, 2)), ScorerCall((0, 2))], 3)
    (2, 0, 1)
    """
    earliest = [(len(calls) + completions, 0)] * completions
    for index, call in enumerate(calls):
        for position, completion in enumerate(call.shown):
            earliest[completion] = min(earliest[completion], (position, index))
    return tuple(index for _, index in earliest)


def read_context(item: Item, name: str) -> object:
    """Return what a scorer asks for of an item: its subset, or a column of the data; None if there is none."""
    return item.subset if name == "subset" else item.meta.get(name)


def distinct(window: Iterable[Prepared]) -> Groups:
    """Return the requests of each item without those of earlier items; items without new requests are left out."""
    seen: set[Request] = set()
    groups: Groups = []
    for prepared in window:
        new = [request for request in dict.fromkeys(prepared.requests) if request not in seen]
        seen.update(new)
        if new:
            groups.append(new)
    return groups


def score(items: Sequence[Item], scorer: Scorer, progress: Progress | None = None, **options: Any) -> ScoringRun:
    """Score every completion of every item; identical requests of a window are scored once.

    Args:
        items: the items.
        scorer: the scorer.
        progress: a progress bar.
        **options: fields of `Options`.

    Raises:
        InputError: if the model fails on an item, a request does not fit into memory, or a worker fails.
    """
    return _Loop(items, scorer, Options(**options), progress).run()


class _Loop:
    """One call of `score`, and its counts so far."""

    def __init__(self, items: Sequence[Item], scorer: Scorer, options: Options, progress: Progress | None) -> None:
        self.items, self.scorer, self.options, self.progress = items, scorer, options, progress
        self.stages = scorer.stages
        self.budget = self.batches = self.requests = self.tokens = self.computed = 0
        self.layouts: dict[str, None] = {}
        """Names of the layouts, in the order of stages."""
        population = items if options.population is None else options.population
        self.sample = {item.id for item in spread(population, SAMPLE)} if options.noise else set()
        self.noise, self.is_measured = 0.0, False
        self.stage_scores: list[ScoresByKey] = []
        """Scores of each stage; those of the last stage are dropped after each window."""
        self.unbatched: list[ScoresByKey] = []
        """The same for the unbatched scores of the sample."""
        self.pooled_tokens: Counter[str] = Counter()
        self.notes = NoteCounter()
        self.is_stopped = False
        """True if the thread that prepares the next window must stop."""

    def run(self) -> ScoringRun:
        """Score all items."""
        try:
            item_scores = self._run_stages()
        finally:
            self.is_stopped = True
        return ScoringRun(
            item_scores,
            self.budget,
            self.batches,
            self.requests,
            self.tokens,
            self.computed,
            layout=" + ".join(self.layouts),
            noise=self.noise if self.is_measured else None,
            pooled_tokens=self.pooled_tokens,
            note_counts=self.notes.counts(),
        )

    def _run_stages(self) -> list[ItemScores]:
        """Run each stage over all windows; collect the scores of items in the last stage."""
        item_scores: list[ItemScores] = []
        if self.progress:
            self.progress.start(len(self.items), len(self.stages))
        for n, stage in enumerate(self.stages):
            is_last = n + 1 == len(self.stages)
            with stage as scorer, self.options.workers.load(n, scorer) as workers:
                self.stage_scores.append({})
                self.unbatched.append({})
                self.layouts[layout_name(scorer.traits)] = None
                budget = 0
                for window in self._windows():
                    groups = distinct(window)
                    with _naming_item(window):
                        budget = budget or workers.broadcast(partial(self._token_budget, groups, scorer))
                        stage_window = StageWindow(groups, scorer, self.options.cache, budget, self.options.batch_size)
                        self._compute(stage_window, len(window), workers)
                        self._score_sample(window, scorer)
                    if n == 0:
                        self._count(window, groups)
                    if is_last:
                        for prepared in window:
                            item_scores.append(self.options.keep(prepared.item, self._collect(prepared)))
                        self.stage_scores[n], self.unbatched[n] = {}, {}
                self.budget = max(self.budget, budget)
        return item_scores

    def _windows(self) -> Iterator[list[Prepared]]:
        """Yield prepared items, a window at a time; a thread prepares the next window while one is computed."""
        first, size = min(FIRST_WINDOW, self.options.window), self.options.window
        edges = [0, *range(first, len(self.items), size), len(self.items)]
        with ThreadPoolExecutor(1) as executor:
            next_window = executor.submit(self._prepare, edges[0], edges[1])
            for n in range(1, len(edges)):
                window = next_window.result()
                if n + 1 < len(edges):
                    next_window = executor.submit(self._prepare, edges[n], edges[n + 1])
                yield window

    def _prepare(self, start: int, end: int) -> list[Prepared]:
        return [prepare(item, self.scorer) for item in self.items[start:end] if not self.is_stopped]

    def _token_budget(self, groups: Groups, scorer: Scorer) -> int:
        return self.options.batch_tokens or token_budget(scorer, groups, self.options.cache)

    def _compute(self, stage_window: StageWindow, items: int, workers: StageWorkers) -> None:
        """Look up the scores of a window's requests in the cache, and compute the others.

        Raises:
            InputError: if this rank has other requests than rank 0.
        """
        window_id, (scores, batches) = workers.broadcast(lambda: (stage_window.id, stage_window.plan()))
        if window_id != stage_window.id:
            raise InputError("This rank reads other data than rank 0: give all ranks the same files and options.")
        pending = stage_window.pending(batches, scores)
        requests, tokens = _size(pending)
        self.computed += requests
        self.batches += len(pending)
        if self.progress:
            self.progress.expect(items, requests, tokens)
        for batch, values in workers.run(pending):
            batch_scores = {request.key: value for request, value in zip(batch, values, strict=True)}
            scores.update(batch_scores)
            stage_window.store(batch_scores)
            if self.progress:
                self.progress.advance(*_size([batch]))
        stage_window.finish()
        self.stage_scores[-1].update(scores)

    def _score_sample(self, window: Sequence[Prepared], scorer: Scorer) -> None:
        """Score the sampled items of a window unbatched; at an exact dtype, copy their batched scores."""
        sampled = [prepared for prepared in window if prepared.item.id in self.sample and prepared.requests]
        if not sampled:
            return
        exact = is_exact(scorer.fingerprint)
        self.is_measured |= not exact
        for prepared in sampled:
            for request in prepared.requests:
                value = self.stage_scores[-1][request.key] if exact else scorer.run_unbatched(request)
                self.unbatched[-1][request.key] = value

    def _count(self, window: Sequence[Prepared], groups: Groups) -> None:
        """Count requests, tokens and notes of a window; once, in the first stage."""
        requests, tokens = _size(groups)
        self.requests += requests
        self.tokens += tokens
        for prepared in window:
            self.notes.add(prepared.requests)

    def _collect(self, prepared: Prepared) -> ItemScores:
        """Return the scores of an item; if one is NaN or infinite, with the reason."""
        item, requests = prepared.item, prepared.requests
        if prepared.reason is not None:
            return ItemScores(item.id, (math.nan,) * len(item.completions), reason=prepared.reason)
        for request in requests:
            if request.pooled_token:
                self.pooled_tokens[request.pooled_token] += 1
        collected = self._combine(item, self.stage_scores, requests)
        if item.id in self.sample:
            unbatched = self._combine(item, self.unbatched, requests)
            for batched_score, unbatched_score in zip(collected.scores, unbatched.scores, strict=True):
                self.noise = max(self.noise, abs(batched_score - unbatched_score))
        shown = prepared.by_completion
        return ItemScores(
            item.id,
            collected.scores,
            reason=self._why_unscored(collected.scores, requests),
            truncated=any(request.dropped for request in requests),
            tokens=tuple(map(len, shown)),
            texts=tuple(request.text for request in shown),
            order_inconsistency=collected.order_inconsistency,
            position_bias=collected.position_bias if self.scorer.model_type in JUDGE_TYPES else None,
            answers=self._answers(item, requests),
            step_scores=collected.step_scores,
        )

    def _combine(self, item: Item, scores: Sequence[ScoresByKey], requests: Sequence[Request]) -> CollectedScores:
        """Combine the scores of all stages for an item's requests, and collect those of its completions."""
        stage_scores: list[list[Score]] = []
        for by_key in scores:
            stage_scores.append([by_key[request.key] for request in requests])
        scores_of_calls = self.scorer.combine(stage_scores)
        return collect(item, self.scorer.view, scores_of_calls, self.scorer.aggregation, self.scorer.orders)

    def _answers(self, item: Item, requests: Sequence[Request]) -> tuple[dict[str, Any], ...]:
        """Return a row for each raw answer of an item; empty for scorers that have none."""
        answers = list(map(self.scorer.answers, requests))
        if not any(answers):
            return ()
        rows: list[dict[str, Any]] = []
        for call, repeats in zip(expand(item, self.scorer.view, self.scorer.orders), answers, strict=True):
            for repeat, answer in enumerate(repeats):
                rows.append({"id": item.id, "shown": list(call.shown), "repeat": repeat, "answer": answer})
        return tuple(rows)

    def _why_unscored(self, scores: Sequence[float], requests: Sequence[Request]) -> str | None:
        """Return why a score is not finite, in the scorer's words if it has any; None if all are finite."""
        reason = _why_not_finite(scores)
        if reason is None:
            return None
        reasons = map(self.scorer.why_unscored, requests)
        return next(filter(None, reasons), reason)


def _why_not_finite(scores: Sequence[float]) -> str | None:
    """Name the first score that is NaN or infinite; return None if there is none."""
    for number, value in enumerate(scores, 1):
        if not math.isfinite(value):
            return f"the score of completion {number} is {value}"
    return None


@contextmanager
def _naming_item(window: Sequence[Prepared]) -> Iterator[None]:
    """Context manager: add the item to the message of a ModelFailure, and say that other scores are cached."""
    try:
        yield
    except ModelFailure as failure:
        for prepared in window:
            if any(request.key == failure.key for request in prepared.requests):
                raise InputError(
                    f"Item {prepared.item.id}: {failure} Scores computed so far are in the cache, if it is enabled."
                ) from failure
        raise


def _size(batches: Iterable[Sequence[Request]]) -> tuple[int, int]:
    """Count the requests and the tokens of batches."""
    requests = tokens = 0
    for batch in batches:
        requests += len(batch)
        tokens += sum(map(len, batch))
    return requests, tokens
