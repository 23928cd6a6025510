"""The interface of workers, and the loop that all of them run: score a batch, and halve it if memory runs out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from rewardbench.engine.batching import Batch, count_tokens
from rewardbench.errors import InputError
from rewardbench.models.failures import out_of_memory
from rewardbench.types import Score, Scorer

T = TypeVar("T")


class StageWorkers(ABC):
    """Workers that have loaded one stage of a scorer."""

    @abstractmethod
    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        """Yield each batch with its scores, in any order."""

    def broadcast(self, compute: Callable[[], T]) -> T:
        """Call a function in one process, and return its value in all of them."""
        return compute()


class Workers(Protocol):
    """One or several processes that score batches."""

    def load(self, stage: int, scorer: Scorer) -> AbstractContextManager[StageWorkers]:
        """Context manager: the workers load a stage of the scorer.

        Args:
            stage: index into `Scorer.stages`.
            scorer: the scorer of that stage, as loaded in this process.
        """


class BatchRunner:
    """Runs batches on a scorer. A batch that does not fit into memory is halved, and so are later ones of its size.

    Args:
        scorer: the scorer.
        may_halve: False if other processes run the same batches together with this one.
    """

    def __init__(self, scorer: Scorer, may_halve: bool = True) -> None:
        self.scorer, self.may_halve = scorer, may_halve
        self.max_tokens: int | None = None
        """Half of the tokens of the smallest batch that ran out of memory."""

    def __call__(self, batch: Batch) -> list[Score]:
        """Return the scores of a batch, in its order.

        Raises:
            InputError: if a single request, or a batch that may not be halved, does not fit into memory.
        """
        limit = self.max_tokens
        if limit is not None and len(batch) > 1 and count_tokens(batch, self.scorer.traits) > limit:
            return self._run_halves(batch)
        try:
            return list(self.scorer.run(batch))
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            if len(batch) == 1:
                raise InputError(
                    f"An item of {len(batch[0])} tokens does not fit into memory: pass --max_length, or another device."
                ) from error
            if not self.may_halve:
                raise InputError(
                    f"A batch of {count_tokens(batch, self.scorer.traits)} tokens does not fit into memory: pass a "
                    "smaller --batch_tokens."
                ) from error
        self.max_tokens = count_tokens(batch, self.scorer.traits) // 2
        return self._run_halves(batch)

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        """Yield each batch with its scores; the next batch gets ready while one is computed."""
        upcoming = iter(batches)
        batch = next(upcoming, None)
        while batch is not None:
            following = next(upcoming, None)
            if following is not None:
                self.scorer.prefetch(following)
            yield batch, self(batch)
            batch = following

    def _run_halves(self, batch: Batch) -> list[Score]:
        middle = len(batch) // 2
        return self(batch[:middle]) + self(batch[middle:])
