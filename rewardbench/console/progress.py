"""Show progress of long work: bar, rate and remaining time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class ScoringBar:
    """Context manager: progress bar of the scoring loop.

    The bar advances by tokens, which take the time, and shows the items that are done, of all items, and their rate.
    Items of later windows are assumed to be as long as those so far, and items of a window as done as its requests.
    Without a terminal, it logs a `key=value` line every `LOG_EVERY` seconds.

    Args:
        console: where the bar is drawn.
        status: returns what is shown besides the rate, such as the cost so far.
    """

    def __init__(self, console: Console, status: Callable[[], str] = str) -> None:
        self._status, self._console = status, console
        self._is_wide = console.width >= WIDE or not console.is_terminal
        self._items = self._left = self._requests = self._tokens = self._cost = self._done = self._progress = 0
        self._parts, self._total, self._finished = 1, 0, 0
        self._window = (0, 0, 0)
        """Items and requests of the current window, and requests that were done before it."""
        self._start = self._logged = 0.0
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(40 if self._is_wide else 10),
            TaskProgressColumn(),
            TextColumn("{task.fields[count]}", markup=False),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
            speed_estimate_period=SPEED_PERIOD,
        )

    def __enter__(self) -> ScoringBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, items: int, parts: int) -> None:
        """Start the bar: `items` items, scored once for each of `parts` stages."""
        self._left, self._start = items * parts, time.monotonic()
        self._parts, self._total = parts, items
        self._logged = self._start
        self._task = self._bar.add_task("scoring", total=None, count=self.count(), rate="")

    def expect(self, items: int, requests: int, tokens: int) -> None:
        """Start a window of `items`; `requests` and `tokens` count cache misses."""
        self._finished = self._items
        self._window = (items, requests, self._done)
        self._items += items
        self._left -= items
        self._requests += requests
        self._cost += tokens or requests
        if self._task is not None:
            total = self._cost * (1 + self._left / max(1, self._items))
            self._bar.update(self._task, total=total, count=self.count())

    def advance(self, requests: int, tokens: int) -> None:
        """Advance by a finished batch."""
        if self._task is None:
            return
        self._done += requests
        self._tokens += tokens
        self._progress += tokens or requests
        self._bar.update(self._task, advance=tokens or requests, count=self.count(), rate=self.rate())
        now = time.monotonic()
        if not self._console.is_terminal and now - self._logged > LOG_EVERY:
            self._logged = now
            self._console.print(self.line(now), soft_wrap=True, markup=False, highlight=False)

    def line(self, now: float) -> str:
        """Return the progress as a `key=value` log line; `now` is the time in seconds, as `time.monotonic` gives it."""
        total = self._cost * (1 + self._left / max(1, self._items))
        eta = (now - self._start) * max(0.0, total / max(1, self._progress) - 1)
        share = self._progress / max(1.0, total)
        items = self.count().replace(",", "")
        return f'scoring done={100 * share:.1f}% items={items} rate="{self.rate()}" eta={eta:.0f}s'

    def count(self) -> str:
        """Return how many items are done, and of how many: a policy's item is done with its reference."""
        items, requests, done_before = self._window
        share = (self._done - done_before) / requests if requests else 1.0
        done = int((self._finished + items * share) / self._parts)
        return f"{done:,}/{self._total:,}"

    def rate(self) -> str:
        """Return items (or seconds per item, if slower than one a second) and tokens per second since the start.

        A narrow terminal has no room for tokens.
        """
        seconds = max(time.monotonic() - self._start, 1e-9)
        items = self._items * self._done / max(1, self._requests) / seconds
        parts = [f"{1 / items:,.1f} s/item" if 0 < items < 1 else f"{items:,.1f} items/s"]
        if self._tokens and self._is_wide:
            parts.append(f"{self._tokens / seconds:,.0f} tokens/s")
        return ", ".join(filter(None, [*parts, self._status()]))


WIDE = 100
"""Columns of a terminal from which the bar also shows tokens per second."""
LOG_EVERY = 30.0
"""Seconds between two log lines without a terminal."""
LOG_FIRST = 10.0
"""Seconds until the first log line while a model is loaded: shorter loading logs nothing."""
SPEED_PERIOD = 600.0
"""Seconds over which the remaining time is estimated: with rich's 30, a bar whose batches take longer shows none."""


class StepBar:
    """Context manager: count finished steps, and show a bar with rate and remaining time.

    Call it once for each step. Without a terminal, it logs a `key=value` line every `LOG_EVERY` seconds.
    """

    def __init__(self, description: str, total: int | None, console: Console) -> None:
        self._description, self._total, self._console = description, total, console
        self._done, self._start = 0, time.monotonic()
        self._shown = self._logged = self._start
        self._bar = Progress(
            TextColumn(description),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[rate]}"),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
            speed_estimate_period=SPEED_PERIOD,
        )
        self._task = self._bar.add_task(description, total=total, rate="")

    def __enter__(self) -> StepBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, *finished: object) -> None:
        """Count a step; the bar is updated at most ten times a second, since steps may be much faster."""
        self._done += 1
        now = time.monotonic()
        if now - self._shown > 0.1 or self._done == self._total:
            self._shown = now
            self._bar.update(self._task, completed=self._done, rate=f"{self.rate(now):,.1f}/s")
        if not self._console.is_terminal and now - self._logged > LOG_EVERY:
            self._logged = now
            self._console.print(self.line(now), soft_wrap=True, markup=False, highlight=False)

    def rate(self, now: float) -> float:
        """Return the steps per second since the start."""
        return self._done / max(now - self._start, 1e-9)

    def line(self, now: float) -> str:
        """Return the progress as a `key=value` log line."""
        line = f"{self._description} done={self._done} rate={self.rate(now):.1f}/s"
        if self._total is None:
            return line
        return f"{line} total={self._total} eta={(self._total - self._done) / self.rate(now):.0f}s"


@contextmanager
def elapsed_time(console: Console, description: str) -> Iterator[None]:
    """Context manager: show a description and the seconds so far.

    Without a terminal, it logs a `key=value` line after `LOG_FIRST` seconds, and then every `LOG_EVERY` seconds.
    """
    if not console.is_terminal:
        with _logged_time(console, description):
            yield
        return
    columns = (TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        bar.add_task(description, total=None)
        yield


@contextmanager
def _logged_time(console: Console, description: str) -> Iterator[None]:
    """Context manager: a thread logs the description and the seconds so far."""
    is_done, start = threading.Event(), time.monotonic()

    def log() -> None:
        wait = LOG_FIRST
        while not is_done.wait(wait):
            wait = LOG_EVERY
            line = f"{description} elapsed={time.monotonic() - start:.0f}s"
            console.print(line, soft_wrap=True, markup=False, highlight=False)

    thread = threading.Thread(target=log, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()


@contextmanager
def growing_bar(console: Console, description: str) -> Iterator[Callable[[str, int], None]]:
    """Context manager: show a bar whose total is known with the first step only.

    Yields:
        A function to call for each step, with a name and the total. Without a terminal nothing is shown.
    """
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn())
    bar = Progress(TextColumn(description), *columns, console=console, disable=not console.is_terminal, transient=True)
    with bar:
        task = bar.add_task(description, total=None)

        def done(name: str, total: int) -> None:
            bar.update(task, advance=1, total=total)

        yield done
