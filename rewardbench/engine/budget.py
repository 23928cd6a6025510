"""How many tokens a batch may hold: what fits into memory, and what is fastest; measured once, on real requests."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewardbench.engine.batching import arrange, size, spread
from rewardbench.engine.cache import Cache
from rewardbench.models.failures import out_of_memory
from rewardbench.models.fingerprint import digest
from rewardbench.types import Request, Scorer

CPU_TOKENS = 1280
"""Tokens of a batch on a CPU where nothing is measured: fewer split long pairs, which computes their prompt twice, and
more overflow the caches. A 10 M Llama took 8 % longer with 1,024, and 12 % with 3,072 (2 cores, pairs of 450)."""
CANDIDATES = (640, 1280, 2560)
WORTH_MEASURING = 500_000
"""Tokens below which the measurement costs more than it can save."""
LONG = 2.0
"""Seconds after which a model is so large that its matrices hide what a batch costs."""
MOST_ON_A_GPU = 2**16
"""Beyond this many tokens no kernel gets faster."""
SHARE = 0.25
"""Of the memory that is free, what activations may take on a CPU; the estimate below is rough."""


def machine() -> str:
    """What a measured budget holds for."""
    import torch

    return f"{platform.node()} {platform.machine()} {torch.get_num_threads()} threads"


def token_budget(scorer: Scorer, groups: Sequence[Sequence[Request]], cache: Cache | None = None) -> int:
    """How many tokens a batch may hold. Scorers that read text have no model and take everything at once.

    What is fastest is measured where there is work enough, and kept in the cache; what fits is asked every time.
    """
    requests = [request for group in groups for request in group]
    longest = max((len(request) for request in requests), default=0)
    if scorer.model is None or longest == 0:
        return 2**40
    if scorer.model.device.type == "cuda":
        return _measure_cuda(scorer, max(requests, key=len))
    fits = int(free_memory() * SHARE) // bytes_per_token(scorer.model, longest)
    fast = CPU_TOKENS
    if scorer.traits.packed and sum(map(len, requests)) >= WORTH_MEASURING:
        fast = _remembered(scorer, groups, fits, cache)
    return max(longest, min(fast, fits))


def _remembered(scorer: Scorer, groups: Sequence[Sequence[Request]], most: int, cache: Cache | None) -> int:
    if cache is None:
        return _fastest(scorer, groups, most)
    who, where = digest(dict(scorer.fingerprint)), machine()
    known = cache.budget(who, where)
    if known is None:
        known = _fastest(scorer, groups, most)
        cache.keep_budget(who, where, known)
    return known


def _fastest(scorer: Scorer, groups: Sequence[Sequence[Request]], most: int) -> int:
    """The candidate with the most tokens a second, on groups from all over the data."""
    some, traits = spread(groups, 64), scorer.traits
    best, speed = CPU_TOKENS, 0.0
    for tokens in CANDIDATES:
        if tokens > most:
            break
        batch = min(arrange(some, traits, tokens), key=lambda batch: abs(size(batch, traits) - tokens))
        start = time.perf_counter()
        scorer.run(batch)
        seconds = time.perf_counter() - start
        if size(batch, traits) / seconds > speed * 1.03:  # a larger batch must earn its memory
            best, speed = tokens, size(batch, traits) / seconds
        if seconds > LONG:
            break
    return best


def free_memory() -> int:
    """Bytes this process may still take: the machine's, or the container's where that is less."""
    import psutil

    machine = int(psutil.virtual_memory().available)
    container = cgroup_free()
    return machine if container is None else min(machine, container)


def cgroup_free(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes left under the container's memory limit (cgroup v2, then v1); None where there is no limit."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            return max(0, int((root / limit).read_text()) - int((root / used).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return None


def bytes_per_token(model: Any, longest: int) -> int:
    """A generous estimate of the activations one token of a batch needs: one layer's, its mask row, and its logits."""
    config = model.config.get_text_config()
    hidden = config.hidden_size
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    heads = getattr(config, "num_attention_heads", 1)
    scores = heads * longest if model.config._attn_implementation == "eager" else 0
    outputs = model.get_output_embeddings()
    logits = 4 * outputs.weight.shape[0] if outputs is not None else 0
    return int(model.dtype.itemsize * (12 * hidden + 4 * inner + 3 * scores + logits) + 8 * longest)


def _measure_cuda(scorer: Scorer, longest: Request) -> int:
    import torch

    device = scorer.model.device
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    try:
        scorer.run([longest])
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return len(longest)  # the loop says so, in one sentence
    used = max(1, torch.cuda.max_memory_allocated(device) - before)
    free, _ = torch.cuda.mem_get_info(device)
    idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    fits = int(0.8 * (free + idle) * len(longest) / used)
    return max(len(longest), min(fits, MOST_ON_A_GPU))
