"""A side of a benchmark in a process of its own, so that no side works in the memory that another has used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

from bench_job import Job, Unavailable


class Apart:
    """A side that another process makes and holds. Raises: Unavailable where that cannot make it."""

    def __init__(self, make: Callable[[Job, int], Any], job: Job, batch: int) -> None:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        slim = replace(job, scorer=None, parts=())
        self._process = context.Process(target=_serve, args=(theirs, make, slim, batch), daemon=True)
        self._process.start()
        theirs.close()
        facts = self._take()
        self.name, self.label, self.same_ids, self.padding = facts

    def once(self) -> tuple[float, list[float]]:
        """It reads its own clock."""
        self._connection.send("again")
        return self._take()

    def _take(self) -> Any:
        try:
            found = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join(5)
            raise Unavailable(f"A side's process ended early, with exit code {self._process.exitcode}.") from None
        if isinstance(found, str):
            raise Unavailable(found)
        return found

    def close(self) -> None:
        """The process ends."""
        self._process.terminate()
        self._process.join()
        self._connection.close()


def _serve(connection: Any, make: Callable[[Job, int], Any], job: Job, batch: int) -> None:
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(job.threads)
    try:
        side = make(job, batch)
    except Unavailable as reason:
        connection.send(str(reason))
        return
    connection.send((side.name, side.label, side.same_ids, side.padding))
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        connection.send(side.once())
