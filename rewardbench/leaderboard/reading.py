"""Compute the rows of many results in several processes, each of which reads one result at a time."""

from __future__ import annotations

import gc
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rewardbench.engine.threads import cpu_quota, usable_cpus
from rewardbench.errors import InputError, Unreachable
from rewardbench.leaderboard.rows import compute_row
from rewardbench.leaderboard.types import Credits, LeaderboardRow
from rewardbench.store.base import Store
from rewardbench.store.hub import HubStore
from rewardbench.store.local import LocalStore

FEWEST = 24
"""Results below which starting processes takes longer than they save."""
MOST_PROCESSES = 4
ENDED = "reading it ended the process that read it: it may need more memory than there is."
_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


@dataclass(frozen=True)
class ReadResult:
    """The row of a result and the credits of its model, or why it has none."""

    key: str
    row: LeaderboardRow | None = None
    credits: Credits = field(default_factory=Credits)
    error: str = ""
    unreachable: bool = False
    """Whether the error is that the store cannot be reached."""


RowJob = tuple[str, str]
"""Key and mark of a result."""


def compute_rows(store: Store, marks: Mapping[str, str]) -> Iterator[ReadResult]:
    """Yield the outcome for each result, in the order in which they are ready.

    Args:
        store: the results.
        marks: marks of the results, by key.

    Raises:
        Unreachable: if the store cannot be reached.
    """
    count = min(_count_processes(), len(marks) // (FEWEST // 2))
    is_simple = isinstance(store, LocalStore | HubStore)
    outcomes = _in_processes(store, marks, count) if is_simple and count > 1 else _one_by_one(store, marks)
    for outcome in outcomes:
        if outcome.unreachable:
            raise Unreachable(outcome.error)
        yield outcome


def _count_processes() -> int:
    return max(1, min(MOST_PROCESSES, usable_cpus(), int(cpu_quota() or MOST_PROCESSES)))


def _one_by_one(store: Store, marks: Mapping[str, str]) -> Iterator[ReadResult]:
    for key, mark in marks.items():
        yield _compute(store, key, mark)


def _compute(store: Store, key: str, mark: str) -> ReadResult:
    try:
        return ReadResult(key, *compute_row(store, key, mark))
    except Unreachable as error:
        return ReadResult(key, error=str(error), unreachable=True)
    except InputError as error:
        return ReadResult(key, error=str(error))


def _in_processes(store: Store, marks: Mapping[str, str], count: int) -> Iterator[ReadResult]:
    """Yield the outcomes of results that `count` child processes read."""
    jobs: queue.SimpleQueue[RowJob | None] = queue.SimpleQueue()
    outcomes: queue.SimpleQueue[ReadResult] = queue.SimpleQueue()
    for job in (*marks.items(), *[None] * count):
        jobs.put(job)
    children: set[subprocess.Popen[bytes]] = set()
    for _ in range(count):
        threading.Thread(target=_feed, args=(store, jobs, outcomes, children), daemon=True).start()
    try:
        for _ in marks:
            yield outcomes.get()
    finally:
        for child in list(children):
            child.kill()


def _feed(
    store: Store,
    jobs: queue.SimpleQueue[RowJob | None],
    outcomes: queue.SimpleQueue[ReadResult],
    children: set[subprocess.Popen[bytes]],
) -> None:
    """Let child processes work on jobs, one at a time; a child that ends is replaced."""
    child = _start(store, children)
    while job := jobs.get():
        try:
            outcome = _ask(child, job)
        except (OSError, EOFError, pickle.UnpicklingError):
            outcome = ReadResult(job[0], error=ENDED)
            _stop(child, children)
            child = _start(store, children)
        outcomes.put(outcome)
    _stop(child, children)


def _start(store: Store, children: set[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a process that computes rows of a store."""
    path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, path))}
    command = [sys.executable, "-P", "-m", "rewardbench.leaderboard.reading"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    child = subprocess.Popen(command, env=environment, **pipes)  # type: ignore[call-overload]
    children.add(child)
    with suppress(OSError):
        _write(child.stdin, store)
    return child  # type: ignore[no-any-return]


def _stop(child: subprocess.Popen[bytes], children: set[subprocess.Popen[bytes]]) -> None:
    children.discard(child)
    child.kill()
    with suppress(OSError):
        child.communicate()


def _ask(child: subprocess.Popen[bytes], job: RowJob) -> ReadResult:
    """Return the outcome of a job.

    Raises:
        OSError, EOFError or UnpicklingError: if the process has ended.
    """
    assert child.stdin is not None
    assert child.stdout is not None
    _write(child.stdin, job)
    outcome = pickle.load(child.stdout)  # from a process of this program
    assert isinstance(outcome, ReadResult)
    return outcome


def _write(stream: IO[bytes], value: object) -> None:
    stream.write(pickle.dumps(value))
    stream.flush()


def _main() -> None:
    """Read a store and jobs from stdin, and write the outcomes to stdout, until stdin is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; this one ends with its parent
    gc.set_threshold(200_000, 50, 100)  # a result is hundreds of thousands of small objects, and no garbage
    jobs, outcomes = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    with suppress(EOFError, BrokenPipeError):
        store = pickle.load(jobs)  # from the parent process
        while True:
            _write(outcomes, _compute(store, *pickle.load(jobs)))


if __name__ == "__main__":
    from rewardbench.leaderboard import reading

    reading._main()
    os._exit(0)
