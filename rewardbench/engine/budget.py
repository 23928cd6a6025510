"""Choose the token budget of a batch: what fits into memory, and what is fastest, measured on real requests."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.engine.batching import Batch, count_tokens, plan_batches, spread
from rewardbench.engine.cache import Cache
from rewardbench.models.devices import gpu_devices
from rewardbench.models.failures import out_of_memory
from rewardbench.models.fingerprint import digest
from rewardbench.models.tensor_parallel import is_parallel
from rewardbench.types import BatchTraits, Request, Scorer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

CPU_TOKENS = 1600
"""Tokens per batch on a CPU if nothing is measured. With fewer, the prompt of a long pair is computed twice; with more,
activations exceed the CPU caches. Llamas of 10 M and 50 M parameters took 3 to 4 % longer with 1,280, and about as long
with 1,920 (2 cores, two batches at the same time, pairs of 450 tokens)."""
CANDIDATES = (800, 1600, 3200)
"""Budgets that are measured on a CPU."""
WORTH_MEASURING = 500_000
"""Tokens of a run below which the measurement takes longer than it can save."""
SLOW_SECONDS = 2.0
"""Seconds per batch above which the model is so large that the budget makes no difference."""
MAX_GPU_TOKENS = 2**16
"""Tokens per batch above which no GPU kernel gets faster."""
MEMORY_SHARE = 0.25
"""Share of the free memory of a CPU that activations may take; low because `bytes_per_token` is a rough estimate."""


def machine_name() -> str:
    """Identify this machine and its number of threads, for which a measured budget holds."""
    import torch

    return f"{platform.node()} {platform.machine()} {torch.get_num_threads()} threads"


def token_budget(scorer: Scorer, groups: Sequence[Sequence[Request]], cache: Cache | None = None) -> int:
    """Return the maximum tokens per batch; practically unlimited for scorers of text.

    The fastest budget is measured for large runs on a CPU, and cached. The memory limit is computed every time.

    Args:
        scorer: the scorer.
        groups: the requests of each item.
        cache: the score cache, which also stores measured budgets.
    """
    requests = [request for group in groups for request in group]
    longest = max(map(len, requests), default=0)
    if scorer.model is None or longest == 0:
        return 2**40
    if devices := gpu_devices(scorer.model):
        return _measure_cuda(scorer, max(requests, key=len), devices)
    memory_limit = int(free_memory() * MEMORY_SHARE) // bytes_per_token(scorer.model, longest)
    fastest = CPU_TOKENS
    if scorer.traits.packed and not is_parallel(scorer.model) and sum(map(len, requests)) >= WORTH_MEASURING:
        fastest = _cached_budget(scorer, groups, memory_limit, cache)
    return max(longest, min(fastest, memory_limit))


def _cached_budget(scorer: Scorer, groups: Sequence[Sequence[Request]], limit: int, cache: Cache | None) -> int:
    if cache is None:
        return _fastest_budget(scorer, groups, limit)
    scorer_digest, machine = digest(dict(scorer.fingerprint)), machine_name()
    budget = cache.budget(scorer_digest, machine)
    if budget is None:
        budget = _fastest_budget(scorer, groups, limit)
        cache.store_budget(scorer_digest, machine, budget)
    return budget


def _fastest_budget(scorer: Scorer, groups: Sequence[Sequence[Request]], limit: int) -> int:
    """Run a batch of each candidate size up to the limit, and return the candidate with the most tokens per second."""
    sample, traits = spread(groups, 64), scorer.traits
    fastest, fastest_speed = CPU_TOKENS, 0.0
    for budget in CANDIDATES:
        if budget > limit:
            break
        batch = _closest_batch(plan_batches(sample, traits, budget), traits, budget)
        tokens = count_tokens(batch, traits)
        start = time.perf_counter()
        scorer.run(batch)
        seconds = time.perf_counter() - start
        if tokens / seconds > fastest_speed * 1.03:  # a larger budget takes more memory, so it must be clearly faster
            fastest, fastest_speed = budget, tokens / seconds
        if seconds > SLOW_SECONDS:
            break
    return fastest


def _closest_batch(batches: Sequence[Batch], traits: BatchTraits, budget: int) -> Batch:
    """Return the batch whose number of tokens is closest to the budget."""
    return min(batches, key=lambda batch: abs(count_tokens(batch, traits) - budget))


def free_memory() -> int:
    """Return the free bytes of the machine, or of the container if that has fewer."""
    import psutil

    machine = int(psutil.virtual_memory().available)
    container = cgroup_free()
    return machine if container is None else min(machine, container)


def cgroup_free(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the bytes left below the container's memory limit (cgroup v2, then v1); None if there is no limit."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            return max(0, int((root / limit).read_text()) - int((root / used).read_text()))
        except (OSError, ValueError):  # no such file, or the text "max"
            continue
    return None


def bytes_per_token(model: PreTrainedModel, longest: int) -> int:
    """Estimate generously the activations of one token: those of one layer, its row of the mask, and its logits.

    Args:
        model: the model.
        longest: tokens of the longest request.
    """
    config = model.config.get_text_config()
    hidden = config.hidden_size
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    heads = getattr(config, "num_attention_heads", 1)
    scores = heads * longest if model.config._attn_implementation == "eager" else 0
    outputs = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    logits = 4 * outputs.weight.shape[0] if outputs is not None else 0
    return int(model.dtype.itemsize * (12 * hidden + 4 * inner + 3 * scores + logits) + 8 * longest)


def _measure_cuda(scorer: Scorer, longest: Request, devices: Sequence[torch.device]) -> int:
    """Return the tokens that fit into the free memory of every GPU, by the peak memory of the longest request."""
    import torch

    before = {device: torch.cuda.memory_allocated(device) for device in devices}
    for device in devices:
        torch.cuda.reset_peak_memory_stats(device)
    try:
        scorer.run([longest])
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return len(longest)  # the loop raises the error, once it runs this request
    fits = MAX_GPU_TOKENS
    for device in devices:
        used = max(1, torch.cuda.max_memory_allocated(device) - before[device])
        free, _ = torch.cuda.mem_get_info(device)
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        fits = min(fits, int(0.8 * (free + idle) * len(longest) / used))
    return max(len(longest), fits)
