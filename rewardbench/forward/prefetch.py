"""Collate the next batch while the present one is computed, so that a GPU does not wait for the host.

The host makes the prefix trie, the masks and the token ids of a batch, which takes 35 ms for 65,000 tokens. A thread
does that for the next batch. On a GPU it copies them from pinned memory on a stream of its own, beside the running
kernels. At most two batches are in memory: the present one and the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from rewardbench.models.devices import is_gpu
from rewardbench.types import TokenRequest

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

IN_FLIGHT = 2
"""Batches that are collated at most: the present one, whose turn comes next, and the one after it."""


class Collating(Protocol[T_co]):
    """A scorer that collates batches."""

    def collate(self, requests: Sequence[TokenRequest]) -> T_co:
        """Return the inputs of a batch, on the device."""


class _Collated(NamedTuple):
    """Inputs of a batch, and the event after which a GPU has them."""

    inputs: Any
    ready: torch.cuda.Event | None = None


class Prefetcher(Generic[T]):
    """Collates batches for one device: the next one in a thread, if it is announced.

    Args:
        scorer: collates a batch, and copies it to the device.
        device: the device.
    """

    def __init__(self, scorer: Collating[T], device: torch.device) -> None:
        self.scorer, self._device = scorer, device
        self._executor = ThreadPoolExecutor(1, "prefetch")
        self._stream: torch.cuda.Stream | None = None
        self._announced: deque[tuple[list[TokenRequest], Future[_Collated]]] = deque(maxlen=IN_FLIGHT)

    def __deepcopy__(self, memo: dict[int, object]) -> Prefetcher[T]:
        """Return this object: a thread cannot be copied, and a copied scorer makes a prefetcher of its own."""
        return self

    def start(self, requests: Sequence[TokenRequest]) -> None:
        """Start to collate the next batch; of several that were announced and never used, the oldest is dropped."""
        batch = list(requests)
        self._announced.append((batch, self._executor.submit(self._collate_beside, batch)))

    @contextmanager
    def inputs(self, requests: Sequence[TokenRequest]) -> Iterator[T]:
        """Context manager: yield the inputs of a batch; at its end the device has finished using them.

        Whatever collating raises is raised here, in the thread that computes.
        """
        collated = self._take(requests)
        if collated.ready is not None:
            _current_stream(self._device).wait_event(collated.ready)
        try:
            yield collated.inputs
        finally:
            if collated.ready is not None:  # the thread may reuse their memory
                _current_stream(self._device).synchronize()

    def _take(self, requests: Sequence[TokenRequest]) -> _Collated:
        """Return the announced batch with these requests; if there is none, collate them now."""
        import torch

        batch = list(requests)
        for n, (announced, future) in enumerate(self._announced):
            if announced == batch:
                del self._announced[n]
                return future.result()
        with torch.inference_mode():  # as in the thread: compiled layers tell the tensors apart
            return _Collated(self.scorer.collate(requests))

    def _collate_beside(self, requests: Sequence[TokenRequest]) -> _Collated:
        """Collate a batch in the thread, on a GPU with a stream of its own."""
        import torch

        if is_gpu(self._device) and self._stream is None:
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        with torch.inference_mode(), nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
            inputs = self.scorer.collate(requests)
            ready = None if self._stream is None else self._stream.record_event()
            return _Collated(inputs, ready)


def _current_stream(device: torch.device) -> torch.cuda.Stream:
    import torch

    return torch.cuda.current_stream(device)
