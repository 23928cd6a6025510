"""Batches in, scores out, by this process alone or by several; each batch once. One `run`, whoever does the work."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from rewardbench.console.logging import quieten_worker
from rewardbench.engine.batching import Batch, size
from rewardbench.engine.malloc import keep_freed_memory
from rewardbench.errors import InputError
from rewardbench.models.failures import out_of_memory
from rewardbench.models.fingerprint import digest
from rewardbench.processes import Child, end_all
from rewardbench.types import Score, Scorer, decode_request

T = TypeVar("T")


class Serving(Protocol):
    """Workers that hold a scorer."""

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        """Each batch with its scores, in any order."""

    def agree(self, decide: Callable[[], T]) -> T:
        """What one process decided, in all of them."""


class Workers(Protocol):
    """Who computes."""

    def serving(self, stage: int, scorer: Scorer) -> AbstractContextManager[Serving]:
        """Context manager: they compute this stage of the scorer."""


class Runner:
    """Runs batches by one scorer; one that does not fit into memory is halved, and so is every later one as large."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.most: int | None = None
        if scorer.model is not None and scorer.model.device.type == "cpu":
            keep_freed_memory()

    def __call__(self, batch: Batch) -> list[Score]:
        """Scores in the order of the batch. Raises: InputError where one request alone does not fit."""
        if self.most is not None and len(batch) > 1 and size(batch, self.scorer.traits) > self.most:
            return self._halved(batch)
        try:
            return list(self.scorer.run(batch))
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            if len(batch) == 1:
                raise InputError(
                    f"An item of {len(batch[0])} tokens does not fit into memory: pass --max_length, or another device."
                ) from error
        self.most = size(batch, self.scorer.traits) // 2
        return self._halved(batch)

    def _halved(self, batch: Batch) -> list[Score]:
        middle = len(batch) // 2
        return self(batch[:middle]) + self(batch[middle:])


class Alone:
    """This process."""

    @contextmanager
    def serving(self, stage: int, scorer: Scorer) -> Iterator[Serving]:
        """Itself, with the scorer that is loaded already."""
        yield _Here(Runner(scorer))


class _Here:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        for batch in batches:
            yield batch, self._runner(batch)

    def agree(self, decide: Callable[[], T]) -> T:
        return decide()


class Pool:
    """This process and others like it on the same machine, each with the model: one a GPU, or sharing the CPU's cores.

    Worker processes start with the first batches that this process cannot compute at once, and get batches as soon as
    they have loaded the scorer: a run that is known from the cache, or over before that, does not wait for them.

    Args:
        count: processes in all.
        load: how another process comes by the scorer; it must survive pickling.
    """

    def __init__(self, count: int, load: Callable[[], Scorer]) -> None:
        self.count, self.load = count, load

    @contextmanager
    def serving(self, stage: int, scorer: Scorer) -> Iterator[Serving]:
        """Share the batches of a stage; the workers end with the context."""
        together = _Together(self, stage, scorer)
        try:
            yield together
        finally:
            together.end()


AHEAD = 2
"""Batches that a process has at hand, so that it need not wait for the next one."""


@dataclass(frozen=True)
class _Arithmetic:
    """Settings of torch that decide how a model computes; a worker takes those of its parent."""

    threads: int
    float32_matmul: str

    @classmethod
    def of_this_process(cls, processes: int) -> _Arithmetic | None:
        """Read them, with the threads shared among processes; None where nothing has imported torch."""
        torch = sys.modules.get("torch")
        if torch is None:
            return None
        return cls(max(1, torch.get_num_threads() // processes), torch.get_float32_matmul_precision())

    def apply(self) -> None:
        """Set them in this process."""
        import torch

        torch.set_num_threads(self.threads)
        torch.set_float32_matmul_precision(self.float32_matmul)


class _Helper:
    """Another process, seen from this one.

    Args:
        fingerprint: digest of the scorer in this process; that of the worker must be the same.
    """

    def __init__(
        self, rank: int, load: Callable[[], Scorer], stage: int, arithmetic: _Arithmetic | None, fingerprint: str
    ) -> None:
        self.child = Child(_serve, rank, load, stage, arithmetic)
        self.connection = self.child.connection
        self.fingerprint = fingerprint
        self.is_loaded = False
        self.at_hand: dict[int, Batch] = {}

    def give(self, n: int, batch: Batch) -> None:
        """Hand out a batch, its requests whole; a worker that is gone is noticed when its answer is awaited."""
        self.at_hand[n] = batch
        with suppress(ConnectionError):
            self.connection.send((n, [request.encode() for request in batch]))

    def take(self) -> Iterator[tuple[Batch, list[Score]]]:
        """Read an answer: the scores of a batch, or that the scorer is loaded.

        Raises: InputError where the worker is gone, met bad input, or loaded another scorer.
        """
        try:
            answer = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            raise InputError(_early_end(self.child.exit_code())) from error
        if isinstance(answer, InputError):
            raise answer
        if self.is_loaded:
            n, values = answer
            yield self.at_hand.pop(n), values
            return
        self.is_loaded = True
        if answer != self.fingerprint:
            raise InputError(
                "A worker process loaded another model than this one (weights, tokenizer or versions changed in the "
                "meantime): run it again."
            )


def _early_end(code: int | None) -> str:
    cause = "memory ran out: pass a smaller --num_processes" if code == -9 else "its message stands above"
    return f"A worker process ended early (exit code {code}; {cause}). What was scored is in the cache."


def _serve(connection: Any, rank: int, load: Callable[[], Scorer], stage: int, arithmetic: _Arithmetic | None) -> None:
    """Load the scorer in a worker, then score a batch at a time until the worker is ended."""
    os.environ["LOCAL_RANK"] = str(rank)
    quieten_worker()
    if arithmetic:
        arithmetic.apply()
    try:
        scorer = load()
        with scorer.stages[stage] as stage_scorer:
            runner = Runner(stage_scorer)
            connection.send(digest(dict(stage_scorer.fingerprint)))
            while True:
                n, encoded = connection.recv()
                connection.send((n, runner([decode_request(data) for data in encoded])))
    except InputError as error:
        connection.send(error)


class _Together:
    """The long batches go out first; this process takes from the other end, and hands out between two of its own."""

    def __init__(self, pool: Pool, stage: int, scorer: Scorer) -> None:
        self._pool, self._stage, self._scorer = pool, stage, scorer
        self._runner = Runner(scorer)
        self._helpers: list[_Helper] = []
        self._before = _Arithmetic.of_this_process(1)

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        from multiprocessing.connection import wait

        self._start(min(self._pool.count, len(batches)) - 1)
        left = deque(enumerate(batches))
        while left or any(helper.at_hand for helper in self._helpers):
            for helper in self._helpers:
                while helper.is_loaded and left and len(helper.at_hand) < AHEAD:
                    helper.give(*left.popleft())
            awaited = {h.connection: h for h in self._helpers if h.at_hand or (left and not h.is_loaded)}
            for ready in wait(list(awaited), timeout=0 if left else None):
                yield from awaited[ready].take()  # type: ignore[index]
            if left:
                _, batch = left.pop()
                yield batch, self._runner(batch)

    def _start(self, count: int) -> None:
        """Start workers until there are so many."""
        if count <= len(self._helpers):
            return
        arithmetic = _Arithmetic.of_this_process(1)
        if not self._helpers:
            arithmetic = _Arithmetic.of_this_process(self._pool.count)
            if arithmetic:
                arithmetic.apply()
        fingerprint = digest(dict(self._scorer.fingerprint))
        for rank in range(len(self._helpers) + 1, count + 1):
            self._helpers.append(_Helper(rank, self._pool.load, self._stage, arithmetic, fingerprint))

    def end(self) -> None:
        """End the workers; this process has all threads again."""
        end_all(helper.child for helper in self._helpers)
        if self._before and self._helpers:
            self._before.apply()

    def agree(self, decide: Callable[[], T]) -> T:
        return decide()
