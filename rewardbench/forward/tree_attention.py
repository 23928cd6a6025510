"""Tree attention: in a packed sequence each token attends to its ancestors in the prefix trie only.

`attend` is registered with transformers as an attention implementation, so a model's own layers call it, unmodified.
Position ids give each token its position; the branches of the trie give the tokens it may attend to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardbench.forward import onednn_attention
from rewardbench.forward.flex_attention import flex, tree_block_mask
from rewardbench.forward.prefix_tree import Branch, Ints, PrefixTrie
from rewardbench.models.devices import copy_to, move_to

if TYPE_CHECKING:
    import torch
    from torch.nn.attention.flex_attention import BlockMask

NAME = "rewardbench_tree_attention"
MAX_MASKED = 2048
"""Attention scores per branch that may be computed only to be masked, to save one more kernel call."""
IGNORED = {"cache_position", "deterministic", "output_attentions", "output_hidden_states", "position_embeddings"}
IGNORED |= {"position_ids", "return_dict", "use_cache", "output_router_logits", "logits_to_keep"}
"""Arguments that some layers pass on and that do not change what attention computes."""


class KeysStored(Exception):
    """Raised in the last layer once its keys and values are stored: its output is not needed for all tokens."""


class KernelCall(NamedTuple):
    """One call of the attention kernel."""

    queries: slice
    """Among the query tokens of the layer."""
    keys: slice | torch.Tensor
    """Slots of the keys and values."""
    mask: torch.Tensor | None
    """Added to the attention scores: [queries, keys]; None for a causal mask."""


class PackedInputs(NamedTuple):
    """Token ids of a packed batch on the device: [1, slots] each, and the wanted slots, [wanted]."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    wanted: torch.Tensor


@dataclass
class PackedBatch:
    """One forward pass over a packed sequence: what is computed, and which attention arguments were seen."""

    trie: PrefixTrie
    wanted: Ints
    """Slots whose last hidden states are read, ascending."""
    uses_flex: bool = False
    """Whether one call of FlexAttention computes a layer, instead of one SDPA call for each group of branches."""
    uses_onednn: bool = False
    """Whether the layers of the model are computed by oneDNN; long branches then are, too."""
    storing: bool = False
    """Whether the running layer only stores its keys and values."""
    stored: tuple[torch.Tensor, torch.Tensor] | None = None
    """Keys and values of the last layer, which then runs for the wanted slots only."""
    calls: int = 0
    """Number of attention calls."""
    windows: set[int | None] = field(default_factory=set)
    """Sliding windows that layers asked for."""
    unsupported: set[str] = field(default_factory=set)
    """Arguments that tree attention does not implement."""
    inputs: PackedInputs | None = None
    """Token ids on the device; None until `packed.place` has copied them."""
    _plans: dict[tuple[int | None, bool, torch.dtype, torch.device], list[KernelCall]] = field(default_factory=dict)
    _block_masks: dict[tuple[int | None, bool, torch.device], BlockMask] = field(default_factory=dict)

    @property
    def has_stored(self) -> bool:
        """Return True once keys and values are stored, so that the queries are those of the wanted slots only."""
        return self.stored is not None

    def _query_slots(self, wanted_only: bool) -> Ints:
        return self.wanted if wanted_only else np.arange(len(self.trie.input_ids))

    def block_mask(self, window: int | None, wanted_only: bool, device: torch.device) -> BlockMask:
        """Return the block mask of a layer, for FlexAttention.

        Args:
            window: sliding window of the layer.
            wanted_only: True if the queries are those of the wanted slots only.
            device: device of the mask.
        """
        key = window, wanted_only, device
        if key not in self._block_masks:
            self._block_masks[key] = tree_block_mask(self.trie, self._query_slots(wanted_only), window, device)
        return self._block_masks[key]

    def plan(self, window: int | None, wanted_only: bool, dtype: torch.dtype, device: torch.device) -> list[KernelCall]:
        """Return the kernel calls of a layer, one for each group of branches.

        Args:
            window: sliding window of the layer.
            wanted_only: True if the queries are those of the wanted slots only.
            dtype: dtype of the masks.
            device: device of the masks.
        """
        key = window, wanted_only, dtype, device
        if key not in self._plans:
            query_slots = self._query_slots(wanted_only)
            calls: list[KernelCall] = []
            for group in group_branches(self.trie.branches):
                call = self._plan_call(group, query_slots, window, dtype, device)
                if call is not None:
                    calls.append(call)
            self._plans[key] = calls
        return self._plans[key]

    def _plan_call(
        self,
        group: Sequence[Branch],
        query_slots: Ints,
        window: int | None,
        dtype: torch.dtype,
        device: torch.device,
    ) -> KernelCall | None:
        """Return the call for the query slots in a group of branches with one prefix; None if there are none."""
        import torch

        start, end = group[0].start, group[-1].start + group[-1].length
        first, last = map(int, np.searchsorted(query_slots, [start, end]))
        if first == last:
            return None
        queries, slots_of_group = slice(first, last), slice(start, end)
        prefix = group[0].prefix
        is_single = last - first == group[0].length
        if is_single and not prefix and (window is None or group[0].length <= window):
            return KernelCall(queries, slots_of_group, None)
        spans = [np.arange(span_start, span_start + length) for span_start, length in prefix]
        key_slots = np.concatenate([*spans, np.arange(start, end)])
        allowed = group_mask(group, self.trie.position_ids, key_slots, query_slots[first:last], window)
        mask = torch.from_numpy(np.where(allowed, np.float32(0), np.float32(-np.inf))).to(dtype)
        keys = copy_to(key_slots, device) if prefix else slots_of_group
        return KernelCall(queries, keys, move_to(mask, device))


def group_branches(branches: Sequence[Branch]) -> list[list[Branch]]:
    """Group adjacent branches with the same prefix into one kernel call, if that costs less than separate calls."""
    groups: list[list[Branch]] = []
    for branch in branches:
        group = groups[-1] if groups else []
        has_same_prefix = bool(group and branch.prefix and group[0].prefix == branch.prefix)
        if has_same_prefix and _masked_scores([*group, branch]) <= MAX_MASKED * len(group):
            group.append(branch)
        else:
            groups.append([branch])
    return groups


def _masked_scores(branches: Sequence[Branch]) -> int:
    """Return the number of attention scores between different branches, which one call would compute and mask."""
    lengths = [branch.length for branch in branches]
    return sum(lengths) ** 2 - sum(length**2 for length in lengths)


def group_mask(
    group: Sequence[Branch], position_ids: Ints, key_slots: Ints, query_slots: Ints, window: int | None
) -> NDArray[np.bool_]:
    """Return which keys each query attends to: [queries, keys].

    A query attends to the shared prefix and to earlier tokens of its branch, as far as they are within the window.

    Args:
        group: branches with one prefix.
        position_ids: of all slots.
        key_slots: the prefix, then the branches.
        query_slots: slots in the branches.
        window: sliding window in tokens; None for full attention.
    """
    starts = [branch.start for branch in group]
    lengths = [branch.length for branch in group]
    branch_starts = np.repeat(starts, lengths)[query_slots - starts[0]]
    in_prefix = np.arange(len(key_slots)) < group[0].depth
    in_branch = (branch_starts[:, None] <= key_slots) & (key_slots <= query_slots[:, None])
    allowed: NDArray[np.bool_] = in_prefix | in_branch
    if window is not None:
        allowed &= position_ids[query_slots][:, None] - position_ids[key_slots] < window
    return allowed


CURRENT: ContextVar[PackedBatch] = ContextVar("packed_batch")
"""The batch of the running forward pass."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    is_causal: bool | None = None,
    **options: object,
) -> tuple[torch.Tensor, None]:
    """Compute tree attention over the current packed batch, with the signature that transformers calls.

    Args:
        module: the attention module.
        query: [1, heads, queries, head width]; once keys and values are stored, of the wanted slots only.
        key: [1, KV heads, slots, head width]; replaced by stored keys.
        value: [1, KV heads, slots, value width]; replaced by stored values.
        attention_mask: not supported; packing needs none.
        scaling: factor of the attention scores.
        dropout: not supported.
        sliding_window: maximum distance of attended tokens.
        softcap: limit of the attention scores (Gemma 2).
        is_causal: False is not supported.
        options: arguments of the architecture; those that are not known to be harmless are recorded as unsupported.

    Returns:
        The output, [1, queries, heads, value width], and None for attention weights.

    Raises:
        KeysStored: if the batch only stores keys and values.
    """
    batch = CURRENT.get()
    if batch.storing:
        batch.stored = key, value
        raise KeysStored
    batch.calls += 1
    batch.windows.add(sliding_window)
    for name, option in options.items():
        if option is not None and name not in IGNORED:
            batch.unsupported.add(name)
    if attention_mask is not None or is_causal is False or dropout:
        batch.unsupported.add("a mask, dropout, or bidirectional attention")
    key, value = batch.stored or (key, value)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if batch.uses_flex:
        mask = batch.block_mask(sliding_window, batch.has_stored, query.device)
        return flex(query, key, value, mask, scale, softcap).transpose(1, 2), None
    calls = batch.plan(sliding_window, batch.has_stored, query.dtype, query.device)
    return _run_calls(calls, query, key, value, partial(_attend_once, batch.uses_onednn, scale, softcap)), None


def _run_calls(
    calls: Sequence[KernelCall],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """Return the output of all kernel calls of a layer: [1, queries, heads, value width]."""
    heads = query.shape[1]
    if key.shape[1] != heads:  # grouped-query attention
        repeats = heads // key.shape[1]
        key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
    output = query.new_empty(1, query.shape[2], heads, value.shape[-1])
    for call in calls:
        states = attention(query[:, :, call.queries], _select(key, call.keys), _select(value, call.keys), call.mask)
        output[:, call.queries] = states.transpose(1, 2)
    return output


def _attend_once(
    uses_onednn: bool,
    scale: float,
    softcap: float | None,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """Return the output of one kernel call, by the kernel that is fastest for it."""
    if softcap:
        return _softcapped(q, k, v, mask, scale, softcap)
    if uses_onednn and onednn_attention.is_faster(q, k):
        return onednn_attention.attend_by_onednn(q, k, v, mask, scale)
    return _plain(q, k, v, mask, scale)


def _select(states: torch.Tensor, slots: slice | torch.Tensor) -> torch.Tensor:
    """Return some slots of keys or values [1, heads, slots, width]. In memory, the heads of a token are adjacent."""
    if isinstance(slots, slice):
        return states[:, :, slots]
    return states.transpose(1, 2).index_select(1, slots).transpose(1, 2)


def _plain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, scale: float) -> torch.Tensor:
    from torch.nn.functional import scaled_dot_product_attention

    return scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale)


def _softcapped(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, scale: float, softcap: float
) -> torch.Tensor:
    """Compute attention step by step, since no kernel of torch caps its scores (Gemma 2)."""
    import torch

    scores = torch.tanh(q @ k.transpose(-1, -2) * scale / softcap) * softcap
    if mask is None:
        n = scores.shape[-1]
        mask = torch.full((n, n), -torch.inf, dtype=scores.dtype, device=scores.device).triu_(1)
    return (scores + mask).softmax(-1, dtype=torch.float32).to(v.dtype) @ v
