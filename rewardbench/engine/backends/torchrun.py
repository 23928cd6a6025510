"""The processes that torchrun, accelerate or a user has started together: each scores its share of the batches."""

from __future__ import annotations

import atexit
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from rewardbench.console.terminal import echo
from rewardbench.engine.backends.pool import Runner, Serving
from rewardbench.engine.batching import Batch
from rewardbench.errors import InputError
from rewardbench.models.fingerprint import digest
from rewardbench.processes import whole_number
from rewardbench.types import Score, Scorer

T = TypeVar("T")

JOIN_SECONDS = 120
"""How long a rank waits for the others to join; REWARDBENCH_JOIN_SECONDS sets another limit."""
SILENT_SECONDS = 2.0
"""Ranks that torchrun has started join within this time, and nothing is said of it."""
ATTEMPT_SECONDS = 5.0
"""How long one attempt to connect may take, during which no signal is heard."""
ROUND = 8
"""Batches of each process between two exchanges."""

WITHOUT = "or unset RANK and WORLD_SIZE to score in one process"


@dataclass(frozen=True)
class Launch:
    """What a launcher says in the environment: this process's rank, how many there are, and where they meet."""

    rank: int
    size: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of rank 0. Raises: InputError if the environment names none."""
        host, port = os.environ.get("MASTER_ADDR", "").strip(), whole_number("MASTER_PORT")
        if not host or port is None:
            missing = "MASTER_PORT" if host else "MASTER_ADDR"
            raise InputError(f"RANK and WORLD_SIZE are set, but {missing} is not: start all by torchrun, {WITHOUT}.")
        if not 0 < port < 65_536:
            raise InputError(f"MASTER_PORT is {port}: it must be between 1 and 65535.")
        return host, port


def launch() -> Launch | None:
    """Return what the environment says of several processes; None where this process was started alone.

    Raises: InputError if RANK and WORLD_SIZE are no whole numbers, or contradict each other.
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
    """Return True if this process is the one that prints and writes."""
    launched = launch()
    return launched is None or launched.rank == 0


class Ranks:
    """Every process that was started together: each computes its share, and all know all scores.

    Raises: InputError if the others do not join in time.
    """

    def __init__(self, launched: Launch) -> None:
        import torch.distributed as dist

        if not dist.is_initialized():
            join(launched)
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    @contextmanager
    def serving(self, stage: int, scorer: Scorer) -> Iterator[Serving]:
        """Share the batches of a stage, with the scorer that every process has loaded already.

        Raises: InputError if they loaded different models.
        """
        shared = _Shared(Runner(scorer), self.rank, self.size)
        prints = shared.gather(digest(dict(scorer.fingerprint)))
        others = [rank for rank, fingerprint in enumerate(prints) if fingerprint != prints[0]]
        if others:
            raise InputError(
                f"Rank {others[0]} loaded another model than rank 0 (weights, tokenizer, dtype, device or versions "
                "differ): give all ranks the same."
            )
        yield shared


def join(launched: Launch) -> None:
    """Meet the other ranks and form a process group.

    Raises: InputError if they are not all there within the time limit.
    """
    import torch.distributed as dist

    store = _Meeting(launched).wait()
    with others_gone(launched.rank):
        dist.init_process_group("gloo", store=store, rank=launched.rank, world_size=launched.size)  # scores are few
    atexit.register(leave)


def leave() -> None:
    """End the process group while its threads can still be joined; at the end of Python they would abort it."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


class _Meeting:
    """Where ranks wait for each other: a store that rank 0, or torchrun's agent, holds."""

    def __init__(self, launched: Launch) -> None:
        self.launched, self.address = launched, launched.address
        limit = whole_number("REWARDBENCH_JOIN_SECONDS")
        self.limit = JOIN_SECONDS if limit is None else max(1, limit)
        self.start = time.monotonic()
        self.is_announced = False
        self.joined = 0
        """Ranks that are known to be there; 0 while rank 0 is not."""

    def wait(self) -> Any:
        """Return the store once every rank has joined."""
        from torch.distributed import PrefixStore  # type: ignore[attr-defined]

        store = None
        while store is None:
            store = self._connect()
            self._look()
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        common = PrefixStore(f"rewardbench/{attempt}", store)
        self.joined = common.add("joined", 1)
        while self.joined < self.launched.size:
            time.sleep(0.1)
            self._look()
            with others_gone(self.launched.rank):
                self.joined = common.add("joined", 0)
        return common

    def _connect(self) -> Any:
        """Open the store, or return None if rank 0 cannot be reached yet. Raises: InputError if the port is taken."""
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        by_agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        holds = self.launched.rank == 0 and not by_agent
        if not self._is_reachable(holds):
            time.sleep(0.2)
            return None
        limit = timedelta(seconds=ATTEMPT_SECONDS)
        try:
            return TCPStore(*self.address, is_master=holds, wait_for_workers=False, timeout=limit, multi_tenant=True)
        except (RuntimeError, ValueError) as error:
            if "EADDRINUSE" in str(error) or "already in use" in str(error):
                raise InputError(
                    f"The ranks cannot meet at {self.place}: the port is taken; set another MASTER_PORT for all."
                ) from error
            return None

    def _is_reachable(self, holds: bool) -> bool:
        """Return True if the host is known and, but for who holds the store, answers; torch fails in many lines."""
        try:
            if holds:
                socket.getaddrinfo(*self.address)
            else:
                socket.create_connection(self.address, ATTEMPT_SECONDS).close()
        except OSError:
            return False
        return True

    @property
    def place(self) -> str:
        """Host and port in words."""
        return ":".join(map(str, self.address))

    def _look(self) -> None:
        """Say for whom this rank waits, once it has waited for long. Raises: InputError after the time limit."""
        waited = time.monotonic() - self.start
        rank, size = self.launched.rank, self.launched.size
        known = f"{self.joined} of {size} ranks have joined at {self.place}"
        if not self.joined:
            known = f"{'no such host' if rank == 0 else f'rank 0 of {size} cannot be reached'} at {self.place}"
        if waited > self.limit:
            raise InputError(
                f"Rank {rank} has waited {self.limit} s: {known}. Start the others (REWARDBENCH_JOIN_SECONDS sets the "
                f"limit), {WITHOUT}."
            )
        if waited > SILENT_SECONDS and not self.is_announced and self.joined < size:
            self.is_announced = True
            echo(f"rewardbench: rank {rank} is waiting: {known} (limit {self.limit} s)", error=True)


@contextmanager
def others_gone(rank: int) -> Iterator[None]:
    """Context manager: an exchange that fails because another rank has ended raises InputError."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(
            f"Rank {rank} stopped: another rank has ended, or cannot be reached any more; what it printed says why."
        ) from error


class _Shared:
    def __init__(self, runner: Runner, rank: int, size: int) -> None:
        self._runner, self._rank, self._size = runner, rank, size

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Score]]]:
        for first in range(0, len(batches), ROUND * self._size):
            some = batches[first : first + ROUND * self._size]
            every = self.gather([self._runner(batch) for batch in some[self._rank :: self._size]])
            for n, batch in enumerate(some):
                yield batch, every[n % self._size][n // self._size]

    def gather(self, value: T) -> list[T]:
        """Return the values of all ranks, in their order."""
        import torch.distributed as dist

        every: list[Any] = [None] * self._size
        with others_gone(self._rank):
            dist.all_gather_object(every, value)
        return every

    def agree(self, decide: Callable[[], T]) -> T:
        import torch.distributed as dist

        decision = [decide() if self._rank == 0 else None]
        with others_gone(self._rank):
            dist.broadcast_object_list(decision)
        return decision[0]  # type: ignore[return-value]
