"""One row of tokens, no padding, every shared prefix once: attention that keeps each sequence to itself.

Registered with transformers as an attention implementation, so that the model's own layers, unmodified, call it.
The row says by position ids where each token stands; the runs of its tree (see prefix.py) say what it may look at.
Not every architecture takes it: some have attention of their own, some pass what is not known here. Each model is
asked at load (`takes_a_row`), and those that do not are scored in padded batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardbench.scorers import company
from rewardbench.scorers.prefix import Ids, Run, Tree, plant

if TYPE_CHECKING:
    import torch

NAME = "rewardbench_row"
MERGE = 2048
"""Scores that are computed in vain rather than making one more call of the attention kernel."""
HARMLESS = {"cache_position", "deterministic", "output_attentions", "output_hidden_states", "position_embeddings"}
HARMLESS |= {"position_ids", "return_dict", "use_cache", "output_router_logits", "logits_to_keep"}
"""Arguments that some layers hand down and that do not change what attention computes."""


@dataclass
class Row:
    """What one forward attends to, and what was seen of it: `calls` of the kernel, windows, arguments not known."""

    tree: Tree
    calls: int = 0
    windows: set[int | None] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    _plans: dict[int | None, list[tuple[slice, Any, Any]]] = field(default_factory=dict)

    def plan(self, window: int | None, like: torch.Tensor) -> list[tuple[slice, Any, Any]]:
        """For each group of runs its queries (a slice of the row), its keys (a slice, or slots), its mask or None."""
        if window not in self._plans:
            self._plans[window] = [self._group(group, window, like) for group in grouped(self.tree.runs)]
        return self._plans[window]

    def _group(self, runs: Sequence[Run], window: int | None, like: torch.Tensor) -> tuple[slice, Any, Any]:
        import torch

        first, last = runs[0], runs[-1]
        own = slice(first.start, last.start + last.length)
        if len(runs) == 1 and not first.pieces and (window is None or first.length <= window):
            return own, own, None
        slots = np.concatenate([np.arange(at, at + n) for at, n in (*first.pieces, (own.start, own.stop - own.start))])
        allowed = torch.from_numpy(visible(runs, self.tree.depths, slots, window))
        mask = torch.zeros(allowed.shape, dtype=like.dtype).masked_fill_(~allowed, -torch.inf)
        keys: Any = own if not first.pieces else torch.from_numpy(slots).to(like.device)
        return own, keys, mask.to(like.device)


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


def visible(runs: Sequence[Run], depths: Any, slots: Any, window: int | None) -> Any:
    """Which of the `slots` each token of some runs may attend to: [tokens, slots].

    All of the shared prefix, what stands before it in its own run, and of both only what lies within the window.
    """
    total = sum(run.length for run in runs)
    shared = len(slots) - total
    allowed = np.zeros((total, len(slots)), dtype=bool)
    allowed[:, :shared] = True
    at = 0
    for run in runs:
        allowed[at : at + run.length, shared + at : shared + at + run.length] = np.tri(run.length, dtype=bool)
        at += run.length
    if window is not None:
        own = depths[runs[0].start : runs[0].start + total]
        allowed &= own[:, None] - depths[slots][None, :] < window
    return allowed


_NOW: ContextVar[Row] = ContextVar("row")


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

    Returns: [1, tokens, heads, value width].
    """
    row = _NOW.get()
    row.calls += 1
    row.windows.add(sliding_window)
    row.unknown |= {name for name, given in more.items() if given is not None and name not in HARMLESS}
    if attention_mask is not None or is_causal is False or dropout:
        row.unknown.add("a mask, dropout, or attention in both directions")
    heads = query.shape[1]
    if key.shape[1] != heads:
        key, value = (part.repeat_interleave(heads // part.shape[1], dim=1) for part in (key, value))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out = query.new_empty(1, query.shape[2], heads, value.shape[-1])
    for own, keys, mask in row.plan(sliding_window, query):
        q, k, v = query[:, :, own], key[:, :, keys], value[:, :, keys]
        out[:, own] = (_softcapped if softcap else _plain)(q, k, v, mask, scale, softcap).transpose(1, 2)
    return out, None


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


@contextmanager
def attending(model: Any, row: Row) -> Iterator[None]:
    """Within, the layers of a model attend by a row."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    configs = {id(part.config): part.config for part in model.modules() if hasattr(part, "config")}.values()
    before = [config._attn_implementation for config in configs]
    token = _NOW.set(row)
    try:
        for config in configs:
            config._attn_implementation = NAME
        yield
    finally:
        _NOW.reset(token)
        for config, name in zip(configs, before, strict=True):
            config._attn_implementation = name


def base_of(model: Any) -> Any:
    """The part of a model that gives hidden states to its head."""
    return getattr(model, model.base_model_prefix)


def hidden_states(model: Any, row: Row) -> Any:
    """The last hidden state of each token of a row: [tokens, width]. The caller has turned gradients off."""
    import torch

    ids, depths = (torch.from_numpy(part).to(model.device)[None] for part in (row.tree.ids, row.tree.depths))
    with attending(model, row):
        return base_of(model)(input_ids=ids, position_ids=depths, use_cache=False, return_dict=True)[0][0]


def through_head(model: Any, hidden: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """What the model's own forward makes of hidden states [rows, tokens, width]: its head with all caps and scales.

    `ids` [rows, tokens] stand for the tokens; a head may look for padding in them.
    """
    bases = {id(base): base for base in (base_of(model), model.get_decoder())}.values()  # OPT asks the inner one
    for base in bases:
        base.forward = lambda *_, **__: _Given(hidden)
    try:
        logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits
    finally:
        for base in bases:
            del base.forward
    return logits


class _Given(tuple[Any]):
    """What a base model gives, with nothing in it but its hidden states; by name or by place, as heads ask for them."""

    def __new__(cls, hidden: Any) -> _Given:
        return super().__new__(cls, (hidden,))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[0] if name == "last_hidden_state" else None


KINDS_OF_LAYER = {"full_attention", "sliding_attention"}


def fits(config: Any) -> bool:
    """Whether a configuration lets a row be tried: short probes cannot show what begins at some length only."""
    return set(_layers(config)) <= KINDS_OF_LAYER and not getattr(config, "attention_chunk_size", None)


def honours(row: Row, config: Any) -> bool:
    """Whether attention was called once a layer, with nothing unknown, and told of the window there is."""
    window = getattr(config, "sliding_window", None) if "sliding_attention" in _layers(config) else None
    told = window is None or window in row.windows
    return row.calls == config.num_hidden_layers and not row.unknown and told


def _layers(config: Any) -> Sequence[str]:
    """The kinds of layers a configuration names; where it names none, a window means that all have it."""
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    return getattr(config, "layer_types", None) or ["sliding_attention" if window else "full_attention"]


def takes_a_row(model: Any, sequences: Sequence[Ids]) -> bool:
    """Whether hidden states in a row are those of the model's own forward on each sequence alone.

    Args:
        sequences: 32-bit arrays that share prefixes, and some of which do not.
    """
    config = model.config.get_text_config()
    if not fits(config):
        return False
    import torch

    row = Row(plant(sequences))
    try:
        with torch.inference_mode():
            together = hidden_states(model, row)
            alone = [_own_states(model, ids) for ids in sequences]
    except Exception:  # whatever a model raises that is asked for what it has never been asked
        return False
    if not honours(row, config):
        return False
    apart = max(
        float((together[row.tree.slots(n, 0, len(ids))] - own).abs().max())
        for n, (ids, own) in enumerate(zip(sequences, alone, strict=True))
    )
    return apart <= company.allowance(model) * max(float(own.abs().max()) for own in alone)


def _own_states(model: Any, ids: Ids) -> Any:
    import torch

    tokens = torch.tensor([list(ids)], device=model.device)
    return base_of(model)(input_ids=tokens, use_cache=False, return_dict=True)[0][0]


def settle(scorer: Any, may_pack: bool) -> list[str]:
    """Ask a scorer's model how it takes company, and choose: a row, padded batches, or one text at a time; what to say.

    `may_pack` is whether a row makes sense at all: encoders look in both directions.
    """
    probes = company.probes(scorer)
    if company.moved_by_company(scorer.model, probes, scorer.run, scorer.by_itself, scorer.name) or scorer.alone:
        scorer.alone = True
        return [company.NOTE]
    if not may_pack:
        return []
    texts = company.branches(scorer)
    scorer.packed = takes_a_row(scorer.model, [request.ids for request in texts])
    if scorer.packed:
        wanted = [scorer.by_itself(request) for request in texts]
        scorer.packed = not company.differs(scorer.run(texts), wanted, company.number_format(scorer.model))
    return [] if scorer.packed else [company.PADDED]
