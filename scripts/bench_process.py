"""Run one side of a benchmark in a separate process, so that sides do not share memory. Used by scripts/benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from bench_job import Job, Unavailable

from rewardbench.engine.malloc import keep_freed_memory
from rewardbench.processes import Child

if TYPE_CHECKING:
    from bench_sides import Side

MakeSide = Callable[[Job, int], "Side"]


class SeparateProcess:
    """A side that a child process makes and runs.

    Raises:
        Unavailable: If the child cannot make the side.
    """

    def __init__(self, make_side: MakeSide, job: Job, batch_size: int) -> None:
        self._child = Child(_serve, make_side, replace(job, scorer=None, parts=()), batch_size)
        self.name, self.label, self.same_ids, self.padding = self._receive()

    def run(self) -> tuple[float, list[float]]:
        """Return seconds, by the clock of the child process, and scores."""
        self._child.connection.send("run")
        return self._receive()

    def _receive(self) -> Any:
        try:
            message = self._child.connection.recv()
        except (EOFError, ConnectionError):
            raise Unavailable(f"A side's process ended early, with exit code {self._child.exit_code()}.") from None
        if isinstance(message, str):
            raise Unavailable(message)
        return message

    def close(self) -> None:
        """End the process."""
        self._child.end()


def _serve(connection: Connection, make_side: MakeSide, job: Job, batch_size: int) -> None:
    """Make a side, send its description or the reason why it is unavailable, then run it for every message."""
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(job.threads)
    keep_freed_memory()  # as the rewardbench command does
    try:
        side = make_side(job, batch_size)
    except Unavailable as reason:
        connection.send(str(reason))
        return
    connection.send((side.name, side.label, side.same_ids, side.padding))
    while True:
        connection.recv()
        connection.send(side.run())
