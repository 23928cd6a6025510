"""A side of a benchmark in a process of its own, so that no side works in the memory that another has used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench_job import Job, Unavailable

from rewardbench.processes import Child


class Apart:
    """A side that another process makes and holds. Raises: Unavailable where that cannot make it."""

    def __init__(self, make: Callable[[Job, int], Any], job: Job, batch: int) -> None:
        self._child = Child(_serve, make, replace(job, scorer=None, parts=()), batch)
        facts = self._take()
        self.name, self.label, self.same_ids, self.padding = facts

    def once(self) -> tuple[float, list[float]]:
        """It reads its own clock."""
        self._child.connection.send("again")
        return self._take()

    def _take(self) -> Any:
        try:
            found = self._child.connection.recv()
        except (EOFError, ConnectionError):
            raise Unavailable(f"A side's process ended early, with exit code {self._child.exit_code()}.") from None
        if isinstance(found, str):
            raise Unavailable(found)
        return found

    def close(self) -> None:
        """The process ends."""
        self._child.end()


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
        connection.recv()
        connection.send(side.once())
