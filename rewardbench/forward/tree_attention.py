"""Attention over one row of tokens: no padding, every shared prefix once, each sequence to itself.

Registered with transformers as an attention implementation, so that the model's own layers, unmodified, call it.
The row says by position ids where each token stands; the runs of its tree (see prefix.py) say what it may look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardbench.forward.prefix_tree import Ints, Run, Tree

if TYPE_CHECKING:
    import torch

NAME = "rewardbench_row"
MERGE = 2048
"""Scores that are computed in vain rather than making one more call of the attention kernel."""
HARMLESS = {"cache_position", "deterministic", "output_attentions", "output_hidden_states", "position_embeddings"}
HARMLESS |= {"position_ids", "return_dict", "use_cache", "output_router_logits", "logits_to_keep"}
"""Arguments that some layers hand down and that do not change what attention computes."""


class Held(Exception):
    """A layer has given its keys and values, and nothing behind them is wanted of it."""


Call = tuple[slice, Any, Any]
"""Queries (a slice of those there are), keys (a slice of the row, or slots), and a mask, or None for a causal one."""


@dataclass
class Row:
    """What one forward attends to, and what was seen of it: `calls` of the kernel, windows, arguments not known.

    Args:
        wanted: slots whose last hidden state is asked for, ascending.
    """

    tree: Tree
    wanted: Ints
    holding: bool = False
    """Whether the layer that runs is asked for its keys and values alone."""
    held: tuple[torch.Tensor, torch.Tensor] | None = None
    """Keys and values of the last layer, which then runs for the wanted slots alone."""
    calls: int = 0
    windows: set[int | None] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    _plans: dict[tuple[int | None, bool], list[Call]] = field(default_factory=dict)

    def plan(self, window: int | None, like: torch.Tensor) -> list[Call]:
        """The calls of the kernel, one for each group of runs; queries are all slots, or the wanted ones."""
        key = window, self.held is not None
        if key not in self._plans:
            asked = np.arange(len(self.tree.ids)) if self.held is None else self.wanted
            calls = (self._call(runs, asked, window, like) for runs in grouped(self.tree.runs))
            self._plans[key] = [call for call in calls if call]
        return self._plans[key]

    def _call(self, runs: Sequence[Run], asked: Ints, window: int | None, like: torch.Tensor) -> Call | None:
        """Of some runs with one prefix, for those of their tokens that are asked for."""
        import torch

        own = slice(runs[0].start, runs[-1].start + runs[-1].length)
        first, end = (int(at) for at in np.searchsorted(asked, [own.start, own.stop]))
        if first == end:
            return None
        whole = end - first == runs[0].length
        if whole and not runs[0].pieces and (window is None or runs[0].length <= window):
            return slice(first, end), own, None
        slots = np.concatenate(
            [np.arange(at, at + n) for at, n in (*runs[0].pieces, (own.start, own.stop - own.start))]
        )
        allowed = torch.from_numpy(visible(runs, self.tree.depths, slots, asked[first:end], window))
        mask = torch.zeros(allowed.shape, dtype=like.dtype).masked_fill_(~allowed, -torch.inf)
        keys: Any = torch.from_numpy(slots).to(like.device) if runs[0].pieces else own
        return slice(first, end), keys, mask.to(like.device)


def grouped(runs: Sequence[Run]) -> list[list[Run]]:
    """Neighbours with the same prefix go through the kernel together, where that costs less than calling it again."""
    groups: list[list[Run]] = []
    for run in runs:
        group = groups[-1] if groups else []
        if group and run.pieces and group[0].pieces == run.pieces and _in_vain([*group, run]) <= MERGE * len(group):
            group.append(run)
        else:
            groups.append([run])
    return groups


def _in_vain(runs: Sequence[Run]) -> int:
    """Scores between neighbours, which a call for all of them computes and masks."""
    total = sum(run.length for run in runs)
    return total * total - sum(run.length**2 for run in runs)


def visible(runs: Sequence[Run], depths: Ints, slots: Ints, queries: Ints, window: int | None) -> Any:
    """Which of the `slots`, a prefix and then the runs that share it, each query may attend to: [queries, slots].

    All of the prefix, what stands before it in its own run, and of both only what lies within the window.
    """
    firsts = np.repeat([run.start for run in runs], [run.length for run in runs])[queries - runs[0].start]
    shared = np.arange(len(slots)) < runs[0].shared
    allowed = shared | ((firsts[:, None] <= slots) & (slots <= queries[:, None]))
    if window is not None:
        allowed &= depths[queries][:, None] - depths[slots] < window
    return allowed


NOW: ContextVar[Row] = ContextVar("row")


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    is_causal: bool | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Attention over one row: query [1, heads, tokens, width], key and value [1, kv heads, tokens, width].

    Returns: [1, tokens, heads, value width]. Where the row holds keys and values, the queries are those of its wanted
    tokens, and what comes with them is known better.

    Raises: Held where the row asks for keys and values alone.
    """
    row = NOW.get()
    if row.holding:
        row.held = key, value
        raise Held
    row.calls += 1
    row.windows.add(sliding_window)
    row.unknown |= {name for name, given in more.items() if given is not None and name not in HARMLESS}
    if attention_mask is not None or is_causal is False or dropout:
        row.unknown.add("a mask, dropout, or attention in both directions")
    key, value = row.held or (key, value)
    heads = query.shape[1]
    if key.shape[1] != heads:
        key, value = (part.repeat_interleave(heads // part.shape[1], dim=1) for part in (key, value))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out = query.new_empty(1, query.shape[2], heads, value.shape[-1])
    for own, keys, mask in row.plan(sliding_window, query):
        q, k, v = query[:, :, own], _at(key, keys), _at(value, keys)
        out[:, own] = (_softcapped if softcap else _plain)(q, k, v, mask, scale, softcap).transpose(1, 2)
    return out, None


def _at(part: torch.Tensor, keys: Any) -> torch.Tensor:
    """Some tokens of keys or values [1, heads, tokens, width]. In memory the heads of a token stand together."""
    if isinstance(keys, slice):
        return part[:, :, keys]
    return part.transpose(1, 2).index_select(1, keys).transpose(1, 2)


def _plain(q: Any, k: Any, v: Any, mask: Any, scale: float, softcap: float | None) -> torch.Tensor:
    from torch.nn.functional import scaled_dot_product_attention

    return scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale)


def _softcapped(q: Any, k: Any, v: Any, mask: Any, scale: float, softcap: float | None) -> Any:
    """In the open, since no kernel of torch caps its scores (Gemma 2)."""
    import torch

    assert softcap is not None
    scores = torch.tanh(q @ k.transpose(-1, -2) * scale / softcap) * softcap
    if mask is None:
        n = scores.shape[-1]
        mask = torch.full((n, n), -torch.inf, dtype=scores.dtype, device=scores.device).triu_(1)
    return (scores + mask).softmax(-1, dtype=torch.float32).to(v.dtype) @ v
