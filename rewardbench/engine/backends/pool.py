"""Score batches in several processes of one machine."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import NoReturn

from rewardbench.console.logging import quieten_worker
from rewardbench.engine.backends.base import BatchRunner, StageWorkers
from rewardbench.engine.batching import Batch
from rewardbench.engine.malloc import keep_freed_memory
from rewardbench.errors import InputError
from rewardbench.hub import cache_only
from rewardbench.models.fingerprint import digest
from rewardbench.processes import Child, end_all
from rewardbench.types import Score, Scorer, decode_request

QUEUED = 2
"""Batches sent to a worker process at a time, so that it never waits for the next one."""


class Pool:
    """This process and worker processes on the same machine: one per GPU, or sharing the cores of the CPU.

    Worker processes start when there is a second batch to compute, and get batches once they have loaded the scorer.
    A run whose scores are cached does not start or wait for them.

    Args:
        count: number of processes, including this one.
        load_scorer: loads the scorer in a worker process; must be picklable.
    """

    def __init__(self, count: int, load_scorer: Callable[[], Scorer]) -> None:
        self.count, self.load_scorer = count, load_scorer

    @contextmanager
    def load(self, stage: int, scorer: Scorer) -> Iterator[StageWorkers]:
        """Context manager: share the batches of a stage; the worker processes end with the context."""
        stage_workers = _PoolStage(self, stage, scorer)
        try:
            yield stage_workers
        finally:
            stage_workers.end()


@dataclass(frozen=True)
class _TorchSettings:
    """Settings of torch that change how a model computes; worker processes copy them from this process."""

    threads: int
    float32_matmul: str

    @classmethod
    def read(cls, processes: int) -> _TorchSettings | None:
        """Return the settings of this process, its threads shared among processes; None if torch is not imported."""
        torch = sys.modules.get("torch")
        if torch is None:
            return None
        return cls(max(1, torch.get_num_threads() // processes), torch.get_float32_matmul_precision())

    def apply(self) -> None:
        """Change the settings of this process."""
        import torch

        torch.set_num_threads(self.threads)
        torch.set_float32_matmul_precision(self.float32_matmul)


class _WorkerProcess:
    """A worker process, as this process sees it.

    Args:
        fingerprint: digest of the scorer in this process; that of the worker must be the same.
    """

    def __init__(
        self,
        rank: int,
        load_scorer: Callable[[], Scorer],
        stage: int,
        settings: _TorchSettings | None,
        fingerprint: str,
    ) -> None:
        self.child = Child(_serve, rank, load_scorer, stage, settings)
        self.connection = self.child.connection
        self.fingerprint = fingerprint
        self.is_loaded = False
        self.queue: dict[int, Batch] = {}
        """Batches that were sent and not returned, by number."""

    def send(self, number: int, batch: Batch) -> None:
        """Send a batch. If the worker has ended, `receive` reports it."""
        self.queue[number] = batch
        with suppress(ConnectionError):
            self.connection.send((number, [request.encode() for request in batch]))

    def receive(self) -> Iterator[tuple[Batch, list[Score]]]:
        """Read a message of the worker: the scores of a batch, or first the fingerprint of the scorer it loaded.

        Raises:
            InputError: if the worker has ended, failed, or loaded another model.
        """
        try:
            message = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            raise InputError(_early_end(self.child.exit_code())) from error
        if isinstance(message, InputError):
            raise message
        if self.is_loaded:
            number, scores = message
            yield self.queue.pop(number), scores
            return
        self.is_loaded = True
        if message != self.fingerprint:
            raise InputError(
                "A worker process loaded another model than this one (weights, tokenizer or versions changed in the "
                "meantime): run it again."
            )


def _early_end(code: int | None) -> str:
    cause = "out of memory: pass a smaller --num_processes" if code == -9 else "its error message is above"
    return f"A worker process ended early (exit code {code}; {cause}). The scores so far are in the cache."


def _serve(
    connection: Connection, rank: int, load_scorer: Callable[[], Scorer], stage: int, settings: _TorchSettings | None
) -> None:
    """Load the scorer in a worker process, then score batches until the process is ended."""
    os.environ["LOCAL_RANK"] = str(rank)
    quieten_worker()
    keep_freed_memory()
    if settings:
        settings.apply()
    try:
        with cache_only():
            scorer = load_scorer()
        with scorer.stages[stage] as stage_scorer:
            connection.send(digest(dict(stage_scorer.fingerprint)))
            _serve_batches(connection, BatchRunner(stage_scorer))
    except InputError as error:
        connection.send(error)


def _serve_batches(connection: Connection, runner: BatchRunner) -> NoReturn:
    """Score batches as they arrive; one that has arrived gets ready while the one before it is computed."""
    queue: deque[tuple[int, Batch]] = deque()
    while True:
        while not queue or (len(queue) < QUEUED and connection.poll()):
            number, encoded = connection.recv()
            queue.append((number, list(map(decode_request, encoded))))
        number, batch = queue.popleft()
        if queue:
            runner.scorer.prefetch(queue[0][1])
        connection.send((number, runner(batch)))


class _PoolStage(StageWorkers):
    """Worker processes take the long batches from the front of the queue, this process the short ones from its end."""

    def __init__(self, pool: Pool, stage: int, scorer: Scorer) -> None:
        self._pool, self._stage, self._scorer = pool, stage, scorer
        self._runner = BatchRunner(scorer)
        self._workers: list[_WorkerProcess] = []
        self._settings = _TorchSettings.read(processes=1)

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        self._start(min(self._pool.count, len(batches)) - 1)
        queue = deque(enumerate(batches))
        while queue or any(worker.queue for worker in self._workers):
            self._send(queue)
            yield from self._receive(is_queue_empty=not queue)
            if queue:
                _, batch = queue.pop()
                yield batch, self._runner(batch)

    def _send(self, queue: deque[tuple[int, Batch]]) -> None:
        """Send batches to the workers that have loaded the scorer."""
        for worker in self._workers:
            while worker.is_loaded and queue and len(worker.queue) < QUEUED:
                worker.send(*queue.popleft())

    def _receive(self, is_queue_empty: bool) -> Iterator[tuple[Batch, list[Score]]]:
        """Yield the batches that workers have finished; wait for one if this process has nothing else to do."""
        busy: dict[Connection, _WorkerProcess] = {}
        for worker in self._workers:
            if worker.queue or not (is_queue_empty or worker.is_loaded):
                busy[worker.connection] = worker
        for connection in wait(list(busy), timeout=None if is_queue_empty else 0):
            yield from busy[connection].receive()  # type: ignore[index]

    def _start(self, count: int) -> None:
        """Start worker processes until there are `count`."""
        if count <= len(self._workers):
            return
        settings = _TorchSettings.read(processes=1)
        if not self._workers:
            settings = _TorchSettings.read(self._pool.count)
            if settings:
                settings.apply()
        fingerprint = digest(dict(self._scorer.fingerprint))
        for rank in range(len(self._workers) + 1, count + 1):
            self._workers.append(_WorkerProcess(rank, self._pool.load_scorer, self._stage, settings, fingerprint))

    def end(self) -> None:
        """End the worker processes, and give this process its threads back."""
        end_all(worker.child for worker in self._workers)
        if self._settings and self._workers:
            self._settings.apply()
