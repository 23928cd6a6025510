"""The sides of scripts/bench/gpu.sh: padded batches as in rewardbench 0.1, and this version with three kernels."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from bench_job import Job
from bench_sides import InProcess, match_tokenizer, scores_of
from bench_work import synchronize

from rewardbench.models.layers import compile_layers, layers_of, pack_with_flex
from rewardbench.scorers.base import BaseScorer, CollatingScorer

if TYPE_CHECKING:
    import torch

FEW = 16
"""Items of a warm-up, and of a profile."""


class Side(InProcess):
    """A side that also measures memory, and how busy the device is."""

    def __init__(self, name: str, job: Job, run: Callable[[int | None], list[float]]) -> None:
        self.name, self._device, self._run = name, job.device, run

    def warm_up(self) -> None:
        """Score a few items, so that kernels are compiled and memory is reserved."""
        self._run(FEW)

    def measure(self) -> dict[str, Any]:
        """Score everything; return seconds, peak memory in bytes and scores."""
        reset_memory(self._device)
        seconds, scores = self.run()
        return {"seconds": seconds, "memory": peak_memory(self._device), "scores": scores}

    def busy_share(self) -> float:
        """Return the share of the time of a few items in which the device computes."""
        from torch.profiler import ProfilerActivity, profile

        is_gpu = self._device.type == "cuda"
        self.warm_up()
        synchronize(self._device)
        with profile(activities=[ProfilerActivity.CUDA if is_gpu else ProfilerActivity.CPU]) as profiler:
            start = time.perf_counter()
            self._run(FEW)
            synchronize(self._device)
            seconds = time.perf_counter() - start
        busy = 0.0
        for event in profiler.key_averages():
            busy += event.self_device_time_total if is_gpu else event.self_cpu_time_total
        return busy / 1e6 / seconds


def reset_memory(device: torch.device) -> None:
    """Start the measurement of peak memory; a CPU has only that of the whole process."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """Return the peak of memory in bytes."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def padded(batch_size: int, job: Job) -> Iterator[Side]:
    """Context manager: score as rewardbench 0.1, chosen and rejected texts in batches padded on the left."""
    import torch

    scorer = job.parts[0]
    model, tokenizer = scorer.model, scorer.chat.tokenizer
    match_tokenizer(tokenizer, model)
    texts = [request.text for request in job.requests]

    def run(count: int | None) -> list[float]:
        scores: dict[int, list[float]] = {0: [], 1: []}
        for start in range(0, 2 * len(job.items[:count]), 2 * batch_size):
            pairs = texts[start : start + 2 * batch_size]
            for side in (0, 1):
                inputs = tokenizer(
                    pairs[side::2],
                    padding=True,
                    padding_side="left",
                    truncation=True,
                    max_length=job.max_length,
                    return_tensors="pt",
                ).to(job.device)
                with torch.inference_mode():
                    logits = model(**inputs).logits
                scores[side] += logits[:, 0].float().tolist()
        return list(chain.from_iterable(zip(scores[0], scores[1], strict=True)))

    yield Side(f"padded@{batch_size}", job, run)


@contextmanager
def ours(
    name: str, job: Job, is_flex: bool = False, is_compiled: bool = False, prefetches: bool = True
) -> Iterator[Side]:
    """Context manager: score by this version's engine, with packed batches.

    Raises:
        RuntimeError: if the layers cannot be compiled here.
    """
    import torch

    model = job.parts[0].model
    pack_with_flex(model, is_flex)
    # without a GPU nothing is compiled, which would take minutes
    stance = "force_eager" if is_compiled and job.device.type == "cpu" else "default"
    try:
        with torch.compiler.set_stance(stance), prefetching(prefetches):
            for note in compile_layers(model, job.model) if is_compiled else ():
                raise RuntimeError(note)
            yield Side(name, job, partial(scores_of, job))
    finally:
        pack_with_flex(model, False)
        for layer in layers_of(model) if is_compiled else ():
            vars(layer).pop("forward", None)


@contextmanager
def prefetching(enable: bool) -> Iterator[None]:
    """Context manager: collate batches ahead, or each when its turn comes."""
    original = CollatingScorer.prefetch
    if not enable:
        CollatingScorer.prefetch = BaseScorer.prefetch
    try:
        yield
    finally:
        CollatingScorer.prefetch = original


SIDES: dict[str, Callable[[Job], AbstractContextManager[Side]]] = {
    "padded@8": partial(padded, 8),
    "padded@64": partial(padded, 64),
    "packed": partial(ours, "packed"),
    "packed-prefetch": partial(ours, "packed-prefetch", prefetches=False),
    "flex": partial(ours, "flex", is_flex=True),
    "flex-prefetch": partial(ours, "flex-prefetch", is_flex=True, prefetches=False),
    "packed+compiled": partial(ours, "packed+compiled", is_compiled=True),
    "flex+compiled": partial(ours, "flex+compiled", is_flex=True, is_compiled=True),
}


class TooSlow(BaseException):
    """A side took longer than its time limit. The engine, which repeats a batch that fails, does not catch this."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Context manager: raise TooSlow after some seconds, such as in a compiler."""

    def stop(number: int, frame: object) -> None:
        raise TooSlow(f"it took longer than {seconds:.0f} s")

    original = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, original)
