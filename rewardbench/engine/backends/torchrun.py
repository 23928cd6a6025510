"""Score batches in the ranks that torchrun or accelerate has started: each rank scores its share."""

from __future__ import annotations

import atexit
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from rewardbench.console.terminal import echo
from rewardbench.engine.backends.base import BatchRunner, StageWorkers
from rewardbench.engine.batching import Batch
from rewardbench.errors import InputError
from rewardbench.models.fingerprint import digest
from rewardbench.models.tensor_parallel import is_parallel
from rewardbench.processes import whole_number
from rewardbench.types import Score, Scorer

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

T = TypeVar("T")

JOIN_SECONDS = 120
"""Time limit for all ranks to join; the environment variable REWARDBENCH_JOIN_SECONDS overrides it."""
SILENT_SECONDS = 2.0
"""Time after which a rank that waits prints a message; torchrun's ranks join sooner."""
ATTEMPT_SECONDS = 5.0
"""Time limit of one attempt to connect, which no signal interrupts."""
ROUND = 8
"""Batches that each rank scores between two exchanges of scores."""

WITHOUT = "or unset RANK and WORLD_SIZE to score in one process"


@dataclass(frozen=True)
class Launch:
    """This process's rank and the number of ranks, as the launcher set them in the environment."""

    rank: int
    size: int

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port of rank 0.

        Raises:
            InputError: if the environment does not set them, or the port is invalid.
        """
        host, port = os.environ.get("MASTER_ADDR", "").strip(), whole_number("MASTER_PORT")
        if not host or port is None:
            missing = "MASTER_PORT" if host else "MASTER_ADDR"
            raise InputError(f"RANK and WORLD_SIZE are set, but {missing} is not: start all by torchrun, {WITHOUT}.")
        if not 0 < port < 65_536:
            raise InputError(f"MASTER_PORT is {port}: it must be between 1 and 65535.")
        return host, port


def launch() -> Launch | None:
    """Read rank and number of ranks from the environment; return None if there is only this process.

    Raises:
        InputError: if RANK and WORLD_SIZE are not integers, or contradict each other.
    """
    if not (os.environ.get("RANK", "").strip() and os.environ.get("WORLD_SIZE", "").strip()):
        return None
    rank, size = whole_number("RANK"), whole_number("WORLD_SIZE")
    assert rank is not None
    assert size is not None
    if not 0 <= rank < size:
        raise InputError(
            f"RANK is {rank}, but WORLD_SIZE is {size}: RANK must be from 0 to {size - 1}; correct it, {WITHOUT}."
        )
    return Launch(rank, size) if size > 1 else None


def is_first() -> bool:
    """Return True if this process prints and writes results: rank 0, or the only process."""
    launched = launch()
    return launched is None or launched.rank == 0


class Ranks:
    """The ranks of a launcher: each computes its share of the batches, and all receive all scores.

    If a model is divided among them (tensor parallelism), they compute all batches together.

    Args:
        launched: this rank.
        shares_model: True if they share a model, so that GPUs exchange activations.

    Raises:
        InputError: if not all ranks join within the time limit.
    """

    def __init__(self, launched: Launch, shares_model: bool = False) -> None:
        import torch.distributed as dist

        if not dist.is_initialized():
            join(launched, shares_model)
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    @contextmanager
    def load(self, stage: int, scorer: Scorer) -> Iterator[StageWorkers]:
        """Context manager: share the batches of a stage, which every rank has loaded.

        Raises:
            InputError: if the ranks loaded different models.
        """
        shares_model = is_parallel(scorer.model)
        stage_class = _ParallelStage if shares_model else _RankStage
        stage_workers = stage_class(BatchRunner(scorer, may_halve=not shares_model), self.rank, self.size)
        fingerprints = stage_workers.gather(digest(dict(scorer.fingerprint)))
        for rank, fingerprint in enumerate(fingerprints):
            if fingerprint != fingerprints[0]:
                raise InputError(
                    f"Rank {rank} loaded another model than rank 0 (weights, tokenizer, dtype, device or versions "
                    "differ): give all ranks the same."
                )
        yield stage_workers


def join(launched: Launch, shares_model: bool = False) -> None:
    """Wait for the other ranks, and form a process group.

    Args:
        launched: this rank.
        shares_model: True if GPUs exchange activations, for which gloo is too slow; scores are few.

    Raises:
        InputError: if not all ranks join within the time limit.
    """
    import torch
    import torch.distributed as dist

    store = _Rendezvous(launched).wait()
    backend = "cpu:gloo,cuda:nccl" if shares_model and torch.cuda.is_available() else "gloo"
    with rank_failures(launched.rank):
        dist.init_process_group(backend, store=store, rank=launched.rank, world_size=launched.size)
    atexit.register(leave)


def leave() -> None:
    """End the process group while its threads can be joined; at interpreter exit they would abort the process."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


class _Rendezvous:
    """Waits until all ranks have joined a key-value store, which rank 0 or the agent of torchrun hosts."""

    def __init__(self, launched: Launch) -> None:
        self.launched, self.address = launched, launched.address
        limit = whole_number("REWARDBENCH_JOIN_SECONDS")
        self.limit = JOIN_SECONDS if limit is None else max(1, limit)
        self.start = time.monotonic()
        self.is_announced = False
        self.joined = 0
        """Number of ranks that have joined; 0 until rank 0 is reached."""

    def wait(self) -> Store:
        """Return the store once all ranks have joined.

        Raises:
            InputError: after the time limit.
        """
        from torch.distributed import PrefixStore  # type: ignore[attr-defined]

        store = None
        while store is None:
            store = self._connect()
            self._check_time()
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        shared_store: Store = PrefixStore(f"rewardbench/{attempt}", store)
        self.joined = shared_store.add("joined", 1)
        while self.joined < self.launched.size:
            time.sleep(0.1)
            self._check_time()
            with rank_failures(self.launched.rank):
                self.joined = shared_store.add("joined", 0)
        return shared_store

    def _connect(self) -> Store | None:
        """Open the store; return None if rank 0 cannot be reached yet.

        Raises:
            InputError: if the port is taken.
        """
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        has_agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        is_host = self.launched.rank == 0 and not has_agent
        if not self._is_reachable(is_host):
            time.sleep(0.2)
            return None
        limit = timedelta(seconds=ATTEMPT_SECONDS)
        try:
            store: Store = TCPStore(
                *self.address, is_master=is_host, wait_for_workers=False, timeout=limit, multi_tenant=True
            )
        except (RuntimeError, ValueError) as error:
            if "EADDRINUSE" in str(error) or "already in use" in str(error):
                raise InputError(
                    f"The ranks cannot meet at {self.place}: the port is taken; set another MASTER_PORT for all."
                ) from error
            return None
        return store

    def _is_reachable(self, is_host: bool) -> bool:
        """Return True if the host is known and accepts connections. Torch would print many lines if it did not."""
        try:
            if is_host:
                socket.getaddrinfo(*self.address)
            else:
                socket.create_connection(self.address, ATTEMPT_SECONDS).close()
        except OSError:
            return False
        return True

    @property
    def place(self) -> str:
        """Return host and port as text."""
        return ":".join(map(str, self.address))

    def _check_time(self) -> None:
        """Print once which ranks are missing.

        Raises:
            InputError: after the time limit.
        """
        waited = time.monotonic() - self.start
        rank, size = self.launched.rank, self.launched.size
        status = f"{self.joined} of {size} ranks have joined at {self.place}"
        if not self.joined:
            status = f"{'no such host' if rank == 0 else f'rank 0 of {size} cannot be reached'} at {self.place}"
        if waited > self.limit:
            raise InputError(
                f"Rank {rank} has waited {self.limit} s: {status}. Start the others (REWARDBENCH_JOIN_SECONDS sets the "
                f"limit), {WITHOUT}."
            )
        if waited > SILENT_SECONDS and not self.is_announced and self.joined < size:
            self.is_announced = True
            echo(f"rewardbench: rank {rank} is waiting: {status} (limit {self.limit} s)", error=True)


@contextmanager
def rank_failures(rank: int) -> Iterator[None]:
    """Context manager: raise InputError if an exchange fails because another rank has ended."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(
            f"Rank {rank} stopped: another rank has ended, or cannot be reached any more; see its error message."
        ) from error


class _RankStage(StageWorkers):
    """Rank r scores every `size`-th batch, and the ranks exchange scores after `ROUND` batches each."""

    def __init__(self, runner: BatchRunner, rank: int, size: int) -> None:
        self._runner, self._rank, self._size = runner, rank, size

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        for first in range(0, len(batches), ROUND * self._size):
            round_batches = batches[first : first + ROUND * self._size]
            own_scores = [scores for _, scores in self._runner.run(round_batches[self._rank :: self._size])]
            scores_by_rank = self.gather(own_scores)
            for n, batch in enumerate(round_batches):
                yield batch, scores_by_rank[n % self._size][n // self._size]

    def gather(self, value: T) -> list[T]:
        """Return the values of all ranks, in the order of ranks."""
        import torch.distributed as dist

        values: list[Any] = [None] * self._size
        with rank_failures(self._rank):
            dist.all_gather_object(values, value)
        return values

    def broadcast(self, compute: Callable[[], T]) -> T:
        import torch.distributed as dist

        values = [compute() if self._rank == 0 else None]
        with rank_failures(self._rank):
            dist.broadcast_object_list(values)
        return values[0]  # type: ignore[return-value]


class _ParallelStage(_RankStage):
    """All ranks run each batch together, on a model that is divided among them."""

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        return self._runner.run(batches)

    def broadcast(self, compute: Callable[[], T]) -> T:
        """Call a function in all ranks, since it may run the model, and return the value of rank 0 in all of them."""
        value = compute()
        return super().broadcast(lambda: value)
