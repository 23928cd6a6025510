"""The one scoring loop: requests are prepared, planned into batches, run where no score is known yet, and collected.

Items go through it in windows, so that a dataset of any size takes the memory of one. Of a scorer with several stages
(policy and reference) each goes over all windows before the next one is loaded.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any, Protocol

from rewardbench.engine.backends.pool import Alone, Serving, Workers
from rewardbench.engine.batching import arrange, layout, spread
from rewardbench.engine.budget import token_budget
from rewardbench.engine.cache import Cache
from rewardbench.engine.noise import is_exact
from rewardbench.engine.views import Collected, collect, expand
from rewardbench.errors import InputError
from rewardbench.models.failures import ModelFailure
from rewardbench.models.fingerprint import digest
from rewardbench.types import Item, ItemScores, Request, Score, Scorer

WINDOW = 10_000
"""Items that are prepared and planned together; more would find no nearer neighbours, and fill the memory."""
FIRST_WINDOW = 1_000
"""So that computing begins before everything is tokenised."""

SAMPLE = 32
"""Items that are also scored unbatched."""

Scores = dict[bytes, Score]
"""By the key of the request."""


class Progress(Protocol):
    """What the loop tells a progress bar."""

    def start(self, items: int, parts: int) -> None:
        """So many items there are, to be gone over once for each part."""

    def expect(self, items: int, requests: int, tokens: int) -> None:
        """A window of so many items begins, with so much in it that no score is known of."""

    def advance(self, requests: int, tokens: int) -> None:
        """So much more is done."""


@dataclass(frozen=True)
class Prepared:
    """An item's requests, one a call of the scorer, or the reason why it has none."""

    item: Item
    requests: tuple[Request, ...] = ()
    reason: str | None = None
    first_shown: tuple[int, ...] = ()
    """For each completion, in the item's order, the first request that shows it first."""

    @property
    def by_completion(self) -> tuple[Request, ...]:
        """For each completion, in the item's order, the request that shows it first."""
        return tuple(self.requests[n] for n in self.first_shown)


@dataclass(frozen=True)
class Options:
    """How to compute, which moves no score."""

    batch_tokens: int | None = None
    """Tokens a batch may hold; found by itself where None."""
    batch_size: int | None = None
    """Requests a batch may hold; unlimited where None."""
    cache: Cache | None = None
    workers: Workers = field(default_factory=Alone)
    window: int = WINDOW
    keep: Callable[[Item, ItemScores], ItemScores] = lambda item, found: found
    """What to remember of an item once it is scored; called in the order of the items."""
    noise: bool = False
    """Whether to score a sample without company too, in number formats where that moves a score."""


@dataclass(frozen=True)
class Run:
    """Scores by item, in the order of the items, and how they were computed (which must not move them)."""

    items: list[ItemScores]
    token_budget: int
    batches: int
    requests: int
    tokens: int
    computed: int
    """Of how many requests no score was known, summed over the stages."""
    layout: str
    noise: float | None = None
    """The largest difference between the batched and the unbatched score of a sampled item."""
    pooled_tokens: Mapping[str, int] = field(default_factory=dict)
    """The tokens that scores were read from, each with its number of completions."""


def prepare(item: Item, scorer: Scorer) -> Prepared:
    """Render every completion; what this model cannot take becomes a reason, not an end of the run."""
    if item.problem:
        return Prepared(item, reason=item.problem)
    options = {"rendered": item.rendered, **({"tools": item.tools} if item.tools else {})}
    try:
        calls = expand(item, scorer.view)
        requests = tuple(scorer.prepare(item.prompt, *call.completions(item), **options) for call in calls)
    except InputError as error:
        return Prepared(item, reason=str(error))
    firsts = [call.shown[0] for call in calls]
    return Prepared(item, requests, first_shown=tuple(map(firsts.index, range(len(item.completions)))))


def score(items: Sequence[Item], scorer: Scorer, progress: Progress | None = None, **options: Any) -> Run:
    """Score every completion of every item; identical requests are scored once. `options` are those of `Options`."""
    return _Loop(items, scorer, Options(**options), progress).go()


class _Loop:
    """One call of `score`, with what it counts on the way."""

    def __init__(self, items: Sequence[Item], scorer: Scorer, options: Options, progress: Progress | None) -> None:
        self.items, self.scorer, self.options, self.progress = items, scorer, options, progress
        self.stages = scorer.stages
        self.budget = self.batches = self.requests = self.tokens = self.computed = 0
        self.layouts: dict[str, None] = {}
        self.sample = {item.id for item in spread(items, SAMPLE)} if options.noise else set()
        self.noise, self.measured = 0.0, False
        self.stage_scores: list[Scores] = []
        """What each stage gave; of the last one only in this window."""
        self.unbatched: list[Scores] = []
        self.pooled_tokens: Counter[str] = Counter()
        self.stopped = False

    def go(self) -> Run:
        """Score everything; the thread that tokenises ahead ends with it, however that comes about."""
        try:
            return self._go()
        finally:
            self.stopped = True

    def _go(self) -> Run:
        """Run each stage over all windows; with the last one the items are whole."""
        found: list[ItemScores] = []
        if self.progress:
            self.progress.start(len(self.items), len(self.stages))
        for n, stage in enumerate(self.stages):
            with stage as scorer, self.options.workers.serving(n, scorer) as workers:
                self.stage_scores.append({})
                self.unbatched.append({})
                self.layouts[layout(scorer.traits)] = None
                budget = 0
                for window in self._windows():
                    groups = distinct(window)
                    with _naming_item(window):
                        budget = budget or workers.agree(partial(self._budget, groups, scorer))
                        self._compute(window, groups, scorer, workers, budget, first=n == 0)
                    if n + 1 == len(self.stages):
                        found += [self.options.keep(p.item, self._collect(p)) for p in window]
                        self.stage_scores[n], self.unbatched[n] = {}, {}
                self.budget = max(self.budget, budget)
        counts = self.batches, self.requests, self.tokens, self.computed
        noise = self.noise if self.measured else None
        return Run(found, self.budget, *counts, " + ".join(self.layouts), noise, self.pooled_tokens)

    def _windows(self) -> Iterator[list[Prepared]]:
        """Prepared items, a window at a time; the next one is tokenised while one is computed."""
        first, size = min(FIRST_WINDOW, self.options.window), self.options.window
        edges = [0, *range(first, len(self.items), size), len(self.items)]
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self._prepare, edges[0], edges[1])
            for n in range(1, len(edges)):
                window = coming.result()
                if n + 1 < len(edges):
                    coming = ahead.submit(self._prepare, edges[n], edges[n + 1])
                yield window

    def _prepare(self, start: int, end: int) -> list[Prepared]:
        return [prepare(item, self.scorer) for item in self.items[start:end] if not self.stopped]

    def _budget(self, groups: Sequence[Sequence[Request]], scorer: Scorer) -> int:
        return self.options.batch_tokens or token_budget(scorer, groups, self.options.cache)

    def _compute(
        self,
        window: Sequence[Prepared],
        groups: Sequence[Sequence[Request]],
        scorer: Scorer,
        workers: Serving,
        budget: int,
        first: bool,
    ) -> None:
        """Find the score of every request of a window: in the cache, or by running its batch."""
        requests = [request for group in groups for request in group]
        work = _Work(groups, scorer, self.options, budget)
        window_id, (known, batches) = workers.agree(lambda: (work.run, work.plan()))
        if window_id != work.run:
            raise InputError("This rank reads other data than rank 0: give all ranks the same files and options.")
        pending = [[work.by_key[key] for key in batch] for batch in batches if not known.keys() >= set(batch)]
        if first:
            self.requests += len(requests)
            self.tokens += sum(map(len, requests))
        self.computed += sum(map(len, pending))
        self.batches += len(pending)
        if self.progress:
            self.progress.expect(len(window), *_count(request for batch in pending for request in batch))
        for batch, values in workers.run(pending):
            new = {request.key: value for request, value in zip(batch, values, strict=True)}
            known.update(new)
            work.keep(new)
            if self.progress:
                self.progress.advance(*_count(batch))
        work.done()
        self.stage_scores[-1].update(known)
        lonely = [request for p in window if p.item.id in self.sample for request in p.requests]
        exact = bool(lonely) and is_exact(scorer.fingerprint)
        self.measured |= bool(lonely) and not exact
        self.unbatched[-1].update(
            {request.key: known[request.key] if exact else scorer.run([request])[0] for request in lonely}
        )

    def _collect(self, prepared: Prepared) -> ItemScores:
        """An item's scores in the order of its completions; NaN and infinity keep the item, with a reason."""
        item, requests = prepared.item, prepared.requests
        if prepared.reason is not None:
            return ItemScores(item.id, (math.nan,) * len(item.completions), reason=prepared.reason)
        self.pooled_tokens.update(request.pooled_token for request in requests if request.pooled_token)
        collected = self._collected(item, self.stage_scores, requests)
        values, shown = collected.scores, prepared.by_completion
        if item.id in self.sample:
            alone = self._collected(item, self.unbatched, requests).scores
            self.noise = max(self.noise, *(abs(a - b) for a, b in zip(values, alone, strict=True)))
        wild = [i for i, value in enumerate(values) if not math.isfinite(value)]
        return ItemScores(
            item.id,
            values,
            reason=f"the score of completion {wild[0] + 1} is {values[wild[0]]}" if wild else None,
            truncated=any(request.dropped for request in requests),
            tokens=tuple(map(len, shown)),
            texts=tuple(request.text for request in shown),
            order_inconsistency=collected.order_inconsistency,
        )

    def _collected(self, item: Item, stage_scores: Sequence[Scores], requests: Sequence[Request]) -> Collected:
        """Combine the stages' scores of an item's requests, and collect those of its completions."""
        values = [[scores[request.key] for request in requests] for scores in stage_scores]
        return collect(item, self.scorer.view, self.scorer.combine(values))


class _Work:
    """What a window asks of one scorer, and the cache's part in it.

    The plan covers all that was unknown when it was made, and is kept until the window is done: a run that was killed
    goes on with the same batches, and so with the same scores to the last bit.
    """

    def __init__(self, groups: Sequence[Sequence[Request]], scorer: Scorer, options: Options, budget: int) -> None:
        self.groups, self.scorer, self.budget, self.most = groups, scorer, budget, options.batch_size
        self.by_key = {request.key: request for group in groups for request in group}
        self.cache = options.cache if scorer.is_cached else None
        self.id = digest(dict(scorer.fingerprint)) if self.cache else ""
        self.run = blake2b(self.id.encode() + b"".join(self.by_key), digest_size=16).hexdigest()

    def plan(self) -> tuple[Scores, list[list[bytes]]]:
        """Scores that are known, and batches, by their keys, that hold all others."""
        known = self.cache.lookup(self.id, list(self.by_key)) if self.cache else {}
        unfinished = self.cache.plan(self.run) if self.cache else None
        if unfinished is not None:
            return known, unfinished
        missing = [[request for request in group if request.key not in known] for group in self.groups]
        batches = arrange([group for group in missing if group], self.scorer.traits, self.budget, self.most)
        keys = [[request.key for request in batch] for batch in batches]
        if self.cache:
            self.cache.register(self.id, self.scorer.name, self.scorer.fingerprint)
            self.cache.keep_plan(self.run, keys)
        return known, keys

    def keep(self, scores: Scores) -> None:
        """A batch is done: one transaction."""
        if self.cache:
            self.cache.store(self.id, scores)

    def done(self) -> None:
        """All batches are."""
        if self.cache:
            self.cache.forget_plan(self.run)


@contextmanager
def _naming_item(window: Sequence[Prepared]) -> Iterator[None]:
    """Context manager: name the item of a ModelFailure, and say where the scores of the others are."""
    try:
        yield
    except ModelFailure as failure:
        ids = [p.item.id for p in window if any(request.key == failure.key for request in p.requests)]
        if not ids:
            raise
        raise InputError(f"Item {ids[0]}: {failure} What was scored before is in the cache, if it is on.") from failure


def distinct(window: Iterable[Prepared]) -> list[list[Request]]:
    """The requests of each item, every request with the first item that has it."""
    seen: set[Request] = set()
    groups = []
    for prepared in window:
        new = [request for request in dict.fromkeys(prepared.requests) if request not in seen]
        seen.update(new)
        groups.append(new)
    return [group for group in groups if group]


def _count(requests: Iterable[Request]) -> tuple[int, int]:
    lengths = [len(request) for request in requests]
    return len(lengths), sum(lengths)
