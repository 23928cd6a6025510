"""Compute float32 attention on the CPU by oneDNN, where that is faster than the attention kernel of torch.

The kernel of torch multiplies by MKL, which uses AVX-512 on Intel processors only (see `models.linear`). Measured on an
AMD Zen 5, one thread: 1.1 times as fast for 200 tokens, 1.5 times for 400 to 1,280. With several threads, the kernel of
torch computes heads side by side, and oneDNN one after another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MIN_QUERIES = 64
MIN_SCORES = 200**2
"""Attention scores of a head, queries × keys, below which the kernel of torch is faster."""
BLOCK = 256
"""Queries of one step. Their attention scores fit into the cache of a core, and a causal mask saves later keys."""


def is_faster(query: Tensor, key: Tensor) -> bool:
    """Return True if oneDNN is faster for queries [1, heads, queries, width] and keys [1, heads, keys, width].

    The caller knows that the model computes by oneDNN (`models.linear.uses_onednn`).
    """
    import torch

    queries, keys = query.shape[2], key.shape[2]
    is_long = queries >= MIN_QUERIES and queries * keys >= MIN_SCORES
    return is_long and torch.get_num_threads() == 1 and not torch.is_grad_enabled()


def attend_by_onednn(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Compute attention, float32.

    Args:
        query: [1, heads, queries, key width].
        key: [1, heads, keys, key width].
        value: [1, heads, keys, value width].
        mask: added to the attention scores, [queries, keys]; None for a causal mask, with as many keys as queries.
        scale: factor of the attention scores.

    Returns:
        The output, [1, heads, queries, value width].
    """
    import torch

    heads, queries, keys = query.shape[1], query.shape[2], key.shape[2]
    scaled = torch.mul(query[0], scale, out=query.new_empty(query.shape[1:]))  # oneDNN needs contiguous matrices
    key, value = key[0].contiguous(), value[0].contiguous()
    output = query.new_empty(queries, heads, value.shape[-1])
    for start in range(0, queries, BLOCK):
        end = min(start + BLOCK, queries)
        visible = end if mask is None else keys
        first_masked = start if mask is None else 0
        added = _causal_mask(query, end - start) if mask is None else mask[start:end]
        for head in range(heads):
            scores = _product(scaled[head, start:end], key[head, :visible])
            scores[:, first_masked:].add_(added)
            output[start:end, head] = _product(scores.softmax(-1), value[head, :visible].T)
    return output.transpose(0, 1)[None]


def _product(rows: Tensor, columns: Tensor) -> Tensor:
    """Return rows @ columns.T, for contiguous rows, and columns that are contiguous or the transpose of such a matrix.

    With any other strides oneDNN is a thousand times slower.
    """
    import torch

    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, columns, None, "none", [], "")
    return product


def _causal_mask(like: Tensor, tokens: int) -> Tensor:
    return like.new_full((tokens, tokens), -float("inf")).triu_(1)
