"""Process lifetime: workers never outlive their parent, and signals end a command in an orderly way."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, TypeVar

from rewardbench.errors import InputError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

T = TypeVar("T")
R = TypeVar("R")

GRACE = 5.0
"""Seconds that a process has to exit before it is killed."""
POLL = 0.5
"""Seconds between two checks that the parent is alive."""


COLLECT_AFTER = 50_000
"""New objects after which a command looks for garbage; Python's default of 700 costs a sixth of importing torch."""


def collect_rarely() -> None:
    """Let this process look for cyclic garbage less often, and not at exit.

    The imports of torch and transformers create many objects and little garbage. At exit Python would look through all
    of them, which takes a sixth of the time of a short command.
    """
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)


def end_on_signals() -> None:
    """Make SIGTERM and SIGHUP end this command as Ctrl-C does: clean up, then exit with 128 plus the signal number.

    A command that still runs after `GRACE` seconds (inside a library that waits for the network, say) is ended. Call
    this from the main thread of a command, never from a library. An ignored signal (`nohup`) stays ignored.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _ending_signals():
        signal.signal(number, _exit)
    threading.Thread(target=_end_in_time, args=(reader,), daemon=True).start()


_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that end a command, if the system has them."""


def _ending_signals() -> list[signal.Signals]:
    """Return the ending signals that this process does not ignore."""
    return [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]


def _exit(number: int, frame: FrameType | None) -> None:
    for signal_number in _ending_signals():
        signal.signal(signal_number, signal.SIG_IGN)  # a second signal must not interrupt the cleanup
    sys.exit(128 + number)


def _end_in_time(reader: int) -> None:
    """Wait for an ending signal, which the main thread may handle late, and end the process after `GRACE`."""
    number = 0
    while number not in (signal.SIGINT, *_ENDING):  # the pipe receives every signal with a Python handler
        (number,) = os.read(reader, 1)
    time.sleep(GRACE)
    os._exit(128 + number)


def end_with_parent() -> None:
    """End this process as soon as its parent has ended, even by SIGKILL."""
    from multiprocessing import parent_process

    parent = parent_process()
    wait = _wait_for_other_parent(os.getppid()) if parent is None else parent.join

    def watch() -> None:
        wait()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _wait_for_other_parent(parent: int) -> Callable[[], None]:
    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)

    return wait


@contextmanager
def starting_workers() -> Iterator[None]:
    """Context manager: workers started in it ignore Ctrl-C and do not import the caller's script.

    The script then needs no main guard. A worker is born with the signals blocked that the terminal sends to all.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers) if hasattr(signal, "pthread_sigmask") else None
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class Child:
    """A worker process that runs one function, and a connection to it.

    Args:
        function: called in the process with its end of the connection and `arguments`, all of which must survive
            pickling. It may let EOFError and ConnectionError pass: the parent has ended.
    """

    def __init__(self, function: Callable[..., None], *arguments: object) -> None:
        from multiprocessing import get_context

        context = get_context("spawn")  # a fork of a process with threads may hang
        self.connection, child_end = context.Pipe()
        self.process = context.Process(target=_run, args=(child_end,), daemon=True)
        with starting_workers():
            self.process.start()
        child_end.close()
        self.connection.send((function, arguments))

    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal; wait for it at most `GRACE` seconds."""
        self.process.join(GRACE)
        return self.process.exitcode

    def end(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.join(GRACE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


def _run(connection: Connection) -> None:
    """Run a worker; before it imports anything, make it end with its parent.

    SIGTERM ends it on the spot, also inside a library: it holds nothing but memory.
    """
    set_up_worker()
    with suppress(EOFError, ConnectionError):
        function, arguments = connection.recv()
        function(connection, *arguments)


def set_up_worker() -> None:
    """Leave Ctrl-C and a closed terminal to the parent, end with it, and hold no semaphore that would leak."""
    collect_rarely()
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    end_with_parent()
    with suppress(ImportError):
        from tqdm import tqdm  # type: ignore[import-untyped]

        tqdm.set_lock(threading.RLock())  # by default it makes one for several processes, with a semaphore


def map_in_workers(function: Callable[[T], R], items: Iterable[T], count: int, chunk: int = 4) -> Iterator[R]:
    """Apply a function in worker processes; results come in the order of the items.

    Args:
        function: called with each item; must survive pickling.
        items: the items.
        count: number of worker processes.
        chunk: number of items that a worker receives at a time.

    Raises:
        InputError: if a worker ends early.
    """
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=set_up_worker)
    try:
        with starting_workers():
            results = pool.map(function, items, chunksize=chunk)
        yield from results
    except BrokenProcessPool as error:
        raise InputError("A worker process ended early, perhaps for lack of memory: pass fewer --workers.") from error
    finally:
        pool.shutdown(cancel_futures=True)


def end_all(children: Iterable[Child]) -> None:
    """End several workers, all signalled at the same time."""
    workers = list(children)
    for child in workers:
        child.process.terminate()
    for child in workers:
        child.end()


def whole_number(name: str) -> int | None:
    """Return the value of an environment variable as an integer; None if it is unset or blank.

    Raises:
        InputError: if the value is not an integer.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{name} in the environment is {text!r}: set it to a whole number, or unset it.") from None
