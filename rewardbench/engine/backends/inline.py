"""Score batches in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rewardbench.engine.backends.base import BatchRunner, StageWorkers
from rewardbench.engine.batching import Batch
from rewardbench.types import Score, Scorer

T = TypeVar("T")


class Inline:
    """The workers of a run in one process: this process only."""

    @contextmanager
    def load(self, stage: int, scorer: Scorer) -> Iterator[StageWorkers]:
        """Context manager: use the scorer as it is loaded in this process."""
        yield _InlineStage(BatchRunner(scorer))


class _InlineStage:
    def __init__(self, runner: BatchRunner) -> None:
        self._runner = runner

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        for batch in batches:
            yield batch, self._runner(batch)

    def broadcast(self, compute: Callable[[], T]) -> T:
        return compute()
