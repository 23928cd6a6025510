"""Batches in, scores out, by this process alone or by several; each batch once. One `run`, whoever does the work."""

from __future__ import annotations

import os
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Protocol, TypeVar

from rewardbench.engine.batching import Batch, size
from rewardbench.engine.heap import keep_freed_memory
from rewardbench.scorers.failures import out_of_memory
from rewardbench.types import InputError, Request

T = TypeVar("T")


class Serving(Protocol):
    """Workers that hold a scorer."""

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[float]]]:
        """Each batch with its scores, in any order."""

    def agree(self, decide: Callable[[], T]) -> T:
        """What one process decided, in all of them."""


class Workers(Protocol):
    """Who computes."""

    def serving(self, part: int, scorer: Any) -> Any:
        """A context in which they compute this part of the scorer; gives a `Serving`."""


class Runner:
    """Runs batches by one scorer; one that does not fit into memory is halved, and so is every later one as large."""

    def __init__(self, scorer: Any) -> None:
        self.scorer = scorer
        self.most: int | None = None
        if hasattr(scorer, "model") and scorer.model.device.type == "cpu":
            keep_freed_memory()

    def __call__(self, batch: Batch) -> list[float]:
        """Scores in the order of the batch. Raises: InputError where one request alone does not fit."""
        if self.most is not None and len(batch) > 1 and size(batch, self.scorer) > self.most:
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
        self.most = size(batch, self.scorer) // 2
        return self._halved(batch)

    def _halved(self, batch: Batch) -> list[float]:
        middle = len(batch) // 2
        return self(batch[:middle]) + self(batch[middle:])


class Alone:
    """This process."""

    @contextmanager
    def serving(self, part: int, scorer: Any) -> Iterator[Serving]:
        """Itself, with the scorer that is loaded already."""
        yield _Here(Runner(scorer))


class _Here:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[float]]]:
        for batch in batches:
            yield batch, self._runner(batch)

    def agree(self, decide: Callable[[], T]) -> T:
        return decide()


class Pool:
    """This process and others like it on the same machine, each with the model: one a GPU, or sharing the CPU's cores.

    Args:
        count: processes in all.
        load: how another process comes by the scorer; it must survive pickling.
    """

    def __init__(self, count: int, load: Callable[[], Any]) -> None:
        self.count, self.load = count, load

    @contextmanager
    def serving(self, part: int, scorer: Any) -> Iterator[Serving]:
        """The others load the scorer too, and end with the context."""
        import torch

        threads = torch.get_num_threads()
        share = max(1, threads // self.count)
        helpers = [_Helper(n, self.load, part, share) for n in range(1, self.count)]
        torch.set_num_threads(share)
        try:
            yield _Together(Runner(scorer), helpers)
        finally:
            torch.set_num_threads(threads)
            for helper in helpers:
                helper.end()


AHEAD = 2
"""Batches that a process has at hand, so that it need not wait for the next one."""


class _Helper:
    """Another process, seen from this one."""

    def __init__(self, rank: int, load: Callable[[], Any], part: int, threads: int) -> None:
        from multiprocessing import get_context

        context = get_context("spawn")  # a fork of a process with threads may hang
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, rank, load, part, threads), daemon=True)
        self.process.start()
        theirs.close()
        self.at_hand: dict[int, Batch] = {}

    def give(self, n: int, batch: Batch) -> None:
        """Hand out a batch; one that is gone is noticed when its answer is awaited."""
        self.at_hand[n] = batch
        with suppress(ConnectionError):
            self.connection.send((n, [(request.ids.tobytes(), request.start, request.end) for request in batch]))

    def take(self) -> tuple[Batch, list[float]]:
        """What it has finished. Raises: InputError where it is gone, or met bad input."""
        try:
            n, values, complaint = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            self.process.join(5)
            raise InputError(
                f"A worker process ended early (exit code {self.process.exitcode}; -9 means that memory ran out): pass "
                "a smaller --num_processes. What was scored is in the cache."
            ) from error
        if complaint:
            raise InputError(complaint)
        return self.at_hand.pop(n), values

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.connection.close()


def _serve(connection: Any, rank: int, load: Callable[[], Any], part: int, threads: int) -> None:
    """The life of another process: load, then a batch at a time, until it is ended."""
    import signal

    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    os.environ["LOCAL_RANK"] = str(rank)
    torch.set_num_threads(threads)
    try:
        whole = load()
        with (getattr(whole, "parts", None) or [nullcontext(whole)])[part] as scorer:
            runner = Runner(scorer)
            while True:
                n, batch = connection.recv()
                connection.send((n, runner([_request(*task) for task in batch]), ""))
    except EOFError:
        return
    except InputError as error:
        connection.send((0, [], str(error)))


def _request(ids: bytes, start: int, end: int) -> Request:
    return Request("", "", array("i", ids), start, end)


class _Together:
    """The long batches go out first; this process takes from the other end, and hands out between two of its own."""

    def __init__(self, runner: Runner, helpers: Sequence[_Helper]) -> None:
        self._runner, self._helpers = runner, helpers

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[float]]]:
        from multiprocessing.connection import wait

        left = deque(enumerate(batches))
        while left or any(helper.at_hand for helper in self._helpers):
            for helper in self._helpers:
                while left and len(helper.at_hand) < AHEAD:
                    helper.give(*left.popleft())
            busy = {helper.connection: helper for helper in self._helpers if helper.at_hand}
            for ready in wait(list(busy), timeout=0 if left else None):
                yield busy[ready].take()  # type: ignore[index]
            if left:
                _, batch = left.pop()
                yield batch, self._runner(batch)

    def agree(self, decide: Callable[[], T]) -> T:
        return decide()


class Ranks:
    """Every process that torchrun or accelerate has started: each computes its share, and all know all scores."""

    def __init__(self) -> None:
        import torch.distributed as dist

        if not dist.is_initialized():
            dist.init_process_group("gloo")  # scores are few and on the CPU
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    @contextmanager
    def serving(self, part: int, scorer: Any) -> Iterator[Serving]:
        """This process's share, with the scorer that is loaded already."""
        yield _Shared(Runner(scorer), self.rank, self.size)


def launched() -> bool:
    """Whether torchrun or accelerate has started several processes, of which this is one."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def is_first() -> bool:
    """Whether this process is the one that speaks and writes."""
    return not launched() or int(os.environ["RANK"]) == 0


ROUND = 8
"""Batches of each process between two exchanges."""


class _Shared:
    def __init__(self, runner: Runner, rank: int, size: int) -> None:
        self._runner, self._rank, self._size = runner, rank, size

    def run(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[float]]]:
        import torch.distributed as dist

        for first in range(0, len(batches), ROUND * self._size):
            some = batches[first : first + ROUND * self._size]
            mine = [self._runner(batch) for batch in some[self._rank :: self._size]]
            every: list[Any] = [None] * self._size
            dist.all_gather_object(every, mine)
            for n, batch in enumerate(some):
                yield batch, every[n % self._size][n // self._size]

    def agree(self, decide: Callable[[], T]) -> T:
        import torch.distributed as dist

        held = [decide() if self._rank == 0 else None]
        dist.broadcast_object_list(held)
        return held[0]  # type: ignore[return-value]
