"""Scorers that wait for a server: many requests are in flight at the same time, in an event loop."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

from rewardbench.scorers.base import BaseScorer
from rewardbench.types import BatchTraits, Score

T = TypeVar("T")


class EventLoop:
    """Context manager: an event loop in a thread, so that it works in notebooks, where one runs already."""

    def __enter__(self) -> EventLoop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.submit(self._loop.shutdown_asyncgens()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the loop; return its future."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)


class RemoteScorer(BaseScorer):
    """A scorer that waits for a server: a plug-in writes `prepare`, `run_async`, and `open` and `close` if needed.

    The engine runs up to `max_in_flight` batches of `max_batch_size` requests at the same time, in one event loop.
    """

    max_in_flight: int = 32
    max_batch_size: int | None = 1

    @property
    def traits(self) -> BatchTraits:
        """Return how many batches run at the same time, and their size."""
        return BatchTraits(max_batch_size=self.max_batch_size, max_in_flight=max(2, self.max_in_flight))

    @abstractmethod
    async def run_async(self, requests: Sequence[Any]) -> Sequence[Score]:
        """Score a batch; return one score per request, NaN where there is none."""

    async def open(self) -> None:
        """Start a run, in the event loop in which its requests are sent."""

    async def close(self) -> None:
        """Close connections, in the event loop in which they were opened."""

    def run(self, requests: Sequence[Any]) -> Sequence[Score]:
        """Score a batch in an event loop of its own; see `run_async`."""
        with EventLoop() as loop:
            try:
                loop.submit(self.open()).result()
                return loop.submit(self.run_async(requests)).result()
            finally:
                loop.submit(self.close()).result()
