"""Count the work of scripts/benchmark: tokens, distinct prefixes, padding, floating-point operations, peak speed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from rewardbench.chat import common_prefix
from rewardbench.models.linear import use_onednn
from rewardbench.types import TokenRequest

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

T = TypeVar("T")


@dataclass(frozen=True)
class Work:
    """The minimum that one model must compute, if nothing is computed twice.

    `tokens` counts all completions with their prompts, `unique` each distinct prefix of an item once, `attended` the
    tokens that the unique ones attend to, including themselves, and `read` the hidden states that pass the head.
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
    """Count the work of one item with causal attention.

    In lexicographic order, a sequence shares its longest prefix with its predecessor, so the nodes of the trie are
    counted without building it. A token at depth d (from 0) attends to d + 1 tokens.

    Args:
        requests: The requests of the item's completions.
        spans: True if every token of a completion is predicted from the state before it (DPO); else one state is read.
    """
    sequences = sorted((tuple(request.ids), request.start, request.end) for request in requests)
    total, previous_ids = Work(), ()
    for ids, start, end in sequences:
        shared, length = common_prefix(previous_ids, ids), len(ids)
        first = max(start, 1) - 1
        read = max(0, end - 1 - max(first, shared)) if spans else int(shared < length)
        attended = length * (length + 1) // 2 - shared * (shared + 1) // 2
        total += Work(length, length - shared, attended, read)
        previous_ids = ids
    return total


def count_bidirectional(requests: Sequence[TokenRequest]) -> Work:
    """Count the work of one item with bidirectional attention (encoders), in which only equal texts are shared."""
    distinct_lengths = list(map(len, set(requests)))
    attended = sum(length * length for length in distinct_lengths)
    return Work(sum(map(len, requests)), sum(distinct_lengths), attended, len(distinct_lengths))


def useful_flops(work: Work, model: PreTrainedModel) -> int:
    """Count floating-point operations: 2 per weight of the body and token, 2 per weight of the head and state.

    Attention adds 4 × layers × heads × head width for each attended token, for scores and weighted sums.
    """
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    body, head = count_weights(model)
    attention = 4 * config.num_hidden_layers * heads * width * work.attended
    return 2 * body * work.unique + 2 * head * work.read + attention


def count_weights(model: PreTrainedModel) -> tuple[int, int]:
    """Count the parameters of the body without its embeddings, and those of the head."""
    import torch

    base = getattr(model, model.base_model_prefix, model)
    embedding_sizes = {}
    for module in base.modules():
        if isinstance(module, torch.nn.Embedding):
            embedding_sizes[id(module.weight)] = module.weight.numel()
    base_sizes = {id(weight): weight.numel() for weight in base.parameters()}
    outputs = model.get_output_embeddings()  # may be tied to the input embeddings
    if outputs is not None:
        head = outputs.weight.numel()
    else:
        head = sum(weight.numel() for weight in model.parameters() if id(weight) not in base_sizes)
    return sum(base_sizes.values()) - sum(embedding_sizes.values()), head


def padding(batches: Iterable[Sequence[int]]) -> float:
    """Return the number of padded positions per real token, from the lengths of the texts in each batch.

    >>> padding([[4, 2], [2]])
    0.25
    """
    positions = tokens = 0
    for lengths in batches:
        positions += max(lengths, default=0) * len(lengths)
        tokens += sum(lengths)
    return positions / tokens - 1


def chunks(values: Sequence[T], size: int) -> list[Sequence[T]]:
    """Split values into batches, in order.

    >>> chunks([1, 2, 3], 2)
    [[1, 2], [3]]
    """
    return [values[start : start + size] for start in range(0, len(values), size)]


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work, so that the clock can be read."""
    import torch

    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def matrix_size(device: str, itemsize: int) -> int:
    """Return the number of rows of the matrices that are multiplied to measure the peak.

    A GPU needs large matrices. A CPU without native 16-bit arithmetic takes minutes for them.

    >>> matrix_size("cpu", 4), matrix_size("cpu", 2), matrix_size("gpu", 2)
    (2048, 512, 8192)
    """
    if device != "cpu":
        return 8192
    return 2048 if itemsize >= 4 else 512


class Peak:
    """The speed of a large linear layer on a device: the median over all measurements, in operations per second."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        import torch

        self.device, self.size = device, matrix_size(device.type, dtype.itemsize)
        generator = torch.Generator().manual_seed(0)
        self._inputs = torch.randn(self.size, self.size, generator=generator).to(device, dtype)
        self._layer = torch.nn.Linear(self.size, self.size, bias=False).to(device, dtype)
        use_onednn(self._layer)  # as for the models
        self._speeds: list[float] = []
        self.multiply()  # warm-up

    def multiply(self) -> float:
        """Run the layer and return the seconds."""
        import torch

        synchronize(self.device)
        start = time.perf_counter()
        with torch.inference_mode():
            self._layer(self._inputs)
        synchronize(self.device)
        return time.perf_counter() - start

    def measure(self, times: int = 3) -> None:
        """Measure the speed of a few products."""
        self._speeds += [2 * self.size**3 / self.multiply() for _ in range(times)]

    @property
    def flops(self) -> float:
        """Return the median speed so far, in operations per second."""
        return median(self._speeds)
