"""What a benchmark counts: tokens, distinct prefixes, padding, useful floating-point operations, a machine's peak."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rewardbench.chat import common_prefix
from rewardbench.types import TokenRequest


@dataclass(frozen=True)
class Work:
    """What must be computed at the least, for one model, if nothing is computed twice.

    `tokens` counts all completions with their prompts, `unique` every distinct prefix of an item once, `attended` the
    tokens that the unique ones attend to, themselves included, and `read` the hidden states that go through the head.
    """

    tokens: int = 0
    unique: int = 0
    attended: int = 0
    read: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.tokens + other.tokens,
            self.unique + other.unique,
            self.attended + other.attended,
            self.read + other.read,
        )


def count_item(requests: Iterable[TokenRequest], spans: bool = False) -> Work:
    """The work of one item with causal attention.

    In lexicographic order the longest prefix that a sequence shares with any earlier one is that with its neighbour,
    so the nodes of the trie are counted without building it. A token at depth d (from 0) attends to d + 1.

    Args:
        spans: every token of a completion is predicted, from the state before it (DPO); else one score is read.
    """
    total, before = Work(), ()
    for ids, start, end in sorted((tuple(r.ids), r.start, r.end) for r in requests):
        shared, n = common_prefix(before, ids), len(ids)
        first = max(start, 1) - 1
        read = max(0, end - 1 - max(first, shared)) if spans else int(shared < n)
        total += Work(n, n - shared, n * (n + 1) // 2 - shared * (shared + 1) // 2, read)
        before = ids
    return total


def count_both_ways(requests: Iterable[TokenRequest]) -> Work:
    """The work of one item where tokens attend in both directions (encoders): nothing but equal texts is shared."""
    lengths = [len(r) for r in requests]
    alone = [len(r) for r in set(requests)]
    return Work(sum(lengths), sum(alone), sum(n * n for n in alone), len(alone))


def useful_flops(work: Work, model: Any) -> int:
    """2 operations a weight of the body a token, 2 a weight of the head a state read, and attention.

    Scores and sums of attention: 4 × layers × heads × head width for each token attended to.
    """
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    body, head = count_weights(model)
    attention = 4 * config.num_hidden_layers * heads * width * work.attended
    return 2 * body * work.unique + 2 * head * work.read + attention


def count_weights(model: Any) -> tuple[int, int]:
    """Parameters of the body without its tables of embeddings, and of the head."""
    import torch

    base = getattr(model, model.base_model_prefix, model)
    tables = {id(m.weight): m.weight.numel() for m in base.modules() if isinstance(m, torch.nn.Embedding)}
    within = {id(p) for p in base.parameters()}
    outputs = model.get_output_embeddings()  # may be the table of embeddings itself, tied
    head = (
        outputs.weight.numel()
        if outputs is not None
        else sum(p.numel() for p in model.parameters() if id(p) not in within)
    )
    return sum(p.numel() for p in base.parameters()) - sum(tables.values()), head


def padding(batches: Iterable[Sequence[int]]) -> float:
    """Padded positions for each real token, from the lengths in each batch.

    >>> padding([[4, 2], [2]])
    0.25
    """
    batches = [batch for batch in batches if batch]
    return sum(max(batch) * len(batch) for batch in batches) / sum(map(sum, batches)) - 1


def chunks(values: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Neighbours in batches.

    >>> chunks([1, 2, 3], 2)
    [[1, 2], [3]]
    """
    return [values[at : at + size] for at in range(0, len(values), size)]


def synchronize(device: Any) -> None:
    """Wait until the device has done what it was told, so that the clock can be read."""
    import torch

    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def square(device: str, itemsize: int) -> int:
    """Rows of the matrices: a GPU needs large ones, and a CPU takes minutes where it has no unit for short numbers.

    >>> square("cpu", 4), square("cpu", 2), square("gpu", 2)
    (2048, 512, 8192)
    """
    if device != "cpu":
        return 8192
    return 2048 if itemsize >= 4 else 512


class Peak:
    """How fast a device multiplies large square matrices: the median over all measurements, in operations a second."""

    def __init__(self, device: Any, dtype: Any) -> None:
        import torch

        self.device, self.size = device, square(device.type, dtype.itemsize)
        generator = torch.Generator().manual_seed(0)
        self._a, self._b = (torch.randn(self.size, self.size, generator=generator).to(device, dtype) for _ in range(2))
        self._seen: list[float] = []
        self.once()  # warm

    def once(self) -> float:
        """Seconds of one product."""
        import torch

        synchronize(self.device)
        start = time.perf_counter()
        torch.mm(self._a, self._b)
        synchronize(self.device)
        return time.perf_counter() - start

    def measure(self, times: int = 3) -> None:
        """A few more products."""
        self._seen += [2 * self.size**3 / self.once() for _ in range(times)]

    @property
    def flops(self) -> float:
        """Operations a second, so far."""
        return median(self._seen)
