"""Tree attention in one kernel call per layer: FlexAttention with a block mask over the packed sequence.

The slots of a trie are in depth-first order, so the subtree of a slot is a range of slots. A query attends to a key if
it is in the key's subtree: `key <= query < ends[key]`. Blocks of 128 x 128 attention scores are skipped, computed
without a mask, or masked by this rule; nothing of size [slots, slots] is built.

Used with `--attn_implementation flex_attention`. On a GPU the kernel is compiled on its first call; on other devices
torch computes all scores of a layer at once, which is right but slow.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rewardbench.forward.prefix_tree import Ints, PrefixTrie
from rewardbench.models.devices import copy_to

if TYPE_CHECKING:
    import torch
    from torch.nn.attention.flex_attention import BlockMask

BLOCK = 128
"""Width of a block of queries or keys."""


def subtree_ends(trie: PrefixTrie) -> Ints:
    """Return for each slot the end of its subtree, the first slot after its last descendant: [slots].

    >>> from array import array
    >>> from rewardbench.forward.prefix_tree import build_trie
    >>> sequences = [array("i", ids) for ids in ([1, 2, 3, 6], [1, 2, 3, 7], [1, 5])]
    >>> trie = build_trie(sequences, min_shared=1)
    >>> trie.input_ids.tolist(), subtree_ends(trie).tolist()
    ([1, 2, 3, 6, 7, 5], [6, 5, 5, 4, 5, 6])
    """
    ends = np.zeros(len(trie.input_ids), np.int64)
    for branch in trie.branches:  # a later branch ends later
        end = branch.start + branch.length
        ends[branch.start : end] = end
        for start, length in branch.prefix:
            ends[start : start + length] = end
    return ends


def classify_blocks(
    ends: Ints, position_ids: Ints, query_slots: Ints, window: int | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which blocks of attention scores need the mask, and which need none: [query blocks, key blocks] each.

    The other blocks are skipped. A block may be masked although all of its scores turn out to be excluded.

    Args:
        ends: of each slot, the end of its subtree.
        position_ids: of all slots.
        query_slots: slots of the queries, ascending.
        window: sliding window in tokens; None for full attention.
    """
    slots = np.arange(len(ends))
    first_key, last_key = _block_ranges(slots)
    first_query, last_query = _block_ranges(query_slots)
    first_end, last_end = _block_ranges(ends)
    is_needed = (first_key <= last_query[:, None]) & (last_end > first_query[:, None])
    is_full = (last_key <= first_query[:, None]) & (first_end > last_query[:, None])
    if window is not None:
        first_position, last_position = _block_ranges(position_ids)
        nearest, farthest = _block_ranges(position_ids[query_slots])
        is_needed &= nearest[:, None] - last_position < window
        is_full &= farthest[:, None] - first_position < window
    is_full[:, len(ends) // BLOCK :] = False  # the last block of keys is not whole
    return is_needed & ~is_full, is_full


def _block_ranges(values: Ints) -> tuple[Ints, Ints]:
    """Return the smallest and the largest value of each block.

    >>> _block_ranges(np.arange(300))
    (array([  0, 128, 256]), array([127, 255, 299]))
    """
    starts = np.arange(0, len(values), BLOCK)
    return np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)


def tree_block_mask(trie: PrefixTrie, query_slots: Ints, window: int | None, device: torch.device) -> BlockMask:
    """Return the block mask of a layer.

    Args:
        trie: the packed sequences, whose slots are the keys.
        query_slots: slots of the queries, ascending.
        window: sliding window in tokens; None for full attention.
        device: device of the layer.
    """
    from torch.nn.attention.flex_attention import BlockMask

    ends = subtree_ends(trie)
    masked, full = classify_blocks(ends, trie.position_ids, query_slots, window)
    ends_of, slot_of, position_of = (
        copy_to(values.astype(np.int32), device) for values in (ends, query_slots, trie.position_ids)
    )

    def is_attended(batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        slot = slot_of[query]
        attended = (key <= slot) & (slot < ends_of[key])
        return attended if window is None else attended & (position_of[slot] - position_of[key] < window)

    return BlockMask.from_kv_blocks(
        *_block_indices(masked, device),
        *_block_indices(full, device),
        BLOCK_SIZE=BLOCK,
        mask_mod=is_attended,
        seq_lengths=(len(query_slots), len(ends)),
    )


def _block_indices(blocks: NDArray[np.bool_], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the number of key blocks of each query block, and their indices first: [1, 1, queries(, keys)]."""
    counts = blocks.sum(1).astype(np.int32)
    indices = np.argsort(~blocks, axis=1, kind="stable").astype(np.int32)
    return copy_to(counts[None, None], device), copy_to(indices[None, None], device)


def flex(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: BlockMask,
    scale: float,
    softcap: float | None,
) -> torch.Tensor:
    """Compute attention by FlexAttention: [1, heads, queries, value width].

    Args:
        query: [1, heads, queries, head width].
        key: [1, KV heads, slots, head width].
        value: [1, KV heads, slots, value width].
        mask: which slots each query attends to.
        scale: factor of the attention scores.
        softcap: limit of the attention scores (Gemma 2).
    """
    kernel = _kernel(query.is_cuda)
    cap = None if softcap is None else _softcap(softcap)
    is_grouped = key.shape[1] != query.shape[1]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "flex_attention called without torch.compile", UserWarning)
        states: torch.Tensor = kernel(
            query, key, value, score_mod=cap, block_mask=mask, scale=scale, enable_gqa=is_grouped
        )
    return states


def _softcap(limit: float) -> Callable[..., torch.Tensor]:
    """Return the function that limits attention scores."""
    import torch

    def cap(
        score: torch.Tensor, batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor
    ) -> torch.Tensor:
        return torch.tanh(score / limit) * limit

    return cap


@cache
def _kernel(is_compiled: bool) -> Callable[..., Any]:
    """Return the kernel; compiled, one graph serves all lengths."""
    import torch
    from torch.nn.attention.flex_attention import flex_attention

    kernel: Callable[..., Any] = flex_attention
    return torch.compile(kernel, dynamic=True) if is_compiled else kernel
