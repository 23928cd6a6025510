"""Score batches in this process: one or two at a time, or many if the scorer waits for a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from itertools import islice

from rewardbench.engine.backends.base import BatchRunner, StageWorkers
from rewardbench.engine.backends.streams import make_streams
from rewardbench.engine.batching import Batch
from rewardbench.scorers.remote import EventLoop, RemoteScorer
from rewardbench.types import Score, Scorer


class Inline:
    """The workers of a run in one process: this process only."""

    @contextmanager
    def load(self, stage: int, scorer: Scorer) -> Iterator[StageWorkers]:
        """Context manager: use the scorer as it is loaded in this process."""
        if not isinstance(scorer, RemoteScorer):
            yield make_streams(scorer) or _InlineStage(BatchRunner(scorer))
            return
        with EventLoop() as loop:
            try:
                loop.submit(scorer.open()).result()
                yield _ConcurrentStage(scorer, loop)
            finally:
                loop.submit(scorer.close()).result()


class _InlineStage(StageWorkers):
    def __init__(self, runner: BatchRunner) -> None:
        self._runner = runner

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        return self._runner.run(batches)


class _ConcurrentStage(StageWorkers):
    """Keeps up to `max_in_flight` batches in flight; yields each as soon as it is scored."""

    def __init__(self, scorer: RemoteScorer, loop: EventLoop) -> None:
        self._scorer, self._loop = scorer, loop

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        queue = iter(batches)
        in_flight: dict[Future[Sequence[Score]], Batch] = {}
        try:
            while True:
                for batch in islice(queue, self._scorer.traits.max_in_flight - len(in_flight)):
                    in_flight[self._loop.submit(self._scorer.run_async(batch))] = batch
                if not in_flight:
                    return
                finished, _ = wait(in_flight, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield in_flight.pop(future), list(future.result())
        finally:
            for future in in_flight:
                future.cancel()
            wait(in_flight)
