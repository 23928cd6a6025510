"""A model on one row of tokens, whose layers attend as attention.py says.

Not every architecture takes it: some have attention of their own, some pass what is not known here. Each model is
asked at load (`takes_a_row`), and those that do not are scored in padded batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardbench.forward import batch_effects
from rewardbench.forward.padding import Side
from rewardbench.forward.prefix_tree import Ids, plant
from rewardbench.forward.tree_attention import NAME, NOW, Held, Row, attend
from rewardbench.models.layers import base_of, last_layer

if TYPE_CHECKING:
    import torch


@contextmanager
def attending(model: Any, row: Row) -> Iterator[None]:
    """Within, the layers of a model attend by a row."""
    import torch
    from transformers import AttentionInterface

    uncompiled = torch.compiler.disable(attend)  # type: ignore[no-untyped-call]  # no graph knows what a row looks like
    AttentionInterface.register(NAME, uncompiled)
    configs = {id(part.config): part.config for part in model.modules() if hasattr(part, "config")}.values()
    before = [config._attn_implementation for config in configs]
    token = NOW.set(row)
    try:
        for config in configs:
            config._attn_implementation = NAME
        yield
    finally:
        NOW.reset(token)
        for config, name in zip(configs, before, strict=True):
            config._attn_implementation = name


def hidden_states(model: Any, row: Row, last: Any = None) -> torch.Tensor:
    """The last hidden states of the wanted tokens of a row: [wanted, width]. The caller has turned gradients off.

    Args:
        last: the model's last layer, if it may run for the wanted tokens alone; worth it where they are few.
    """
    import torch

    ids, depths = (torch.from_numpy(part).to(model.device)[None] for part in (row.tree.ids, row.tree.depths))
    wanted = torch.from_numpy(row.wanted).to(model.device)
    few = last is not None and 2 * len(wanted) <= len(row.tree.ids)
    with attending(model, row), _ending(last, row, wanted) if few else nullcontext():
        found = base_of(model)(input_ids=ids, position_ids=depths, use_cache=False, return_dict=True)
    hidden: torch.Tensor = found[0][0]
    return hidden if row.held else hidden[wanted]


def _ending(last: Any, row: Row, wanted: torch.Tensor) -> AbstractContextManager[None]:
    """Within, the last layer runs twice: until it has the keys and values of all tokens, then for the wanted ones."""
    whole, total = last.forward, len(row.tree.ids)

    def forward(*given: Any, **named: Any) -> Any:
        row.holding = True
        try:
            return whole(*given, **named)
        except Held:
            row.holding = False
            return whole(*_cut(given, wanted, total), **{k: _cut(v, wanted, total) for k, v in named.items()})
        finally:
            row.holding = False

    return replaced(last, forward)


def _cut(given: Any, wanted: torch.Tensor, total: int) -> Any:
    """Of what a layer is given, that which holds something for each token, for the wanted ones."""
    if isinstance(given, tuple | list):
        return tuple(_cut(part, wanted, total) for part in given)
    shape = tuple(getattr(given, "shape", ()))
    if shape[:2] == (1, total):
        return given[:, wanted]
    return given[wanted] if shape == (total,) else given


@contextmanager
def replaced(module: Any, forward: Callable[..., Any]) -> Iterator[None]:
    """Within, a module's forward is another."""
    before = vars(module).get("forward")  # a hook may stand there already
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if before is not None:
            module.forward = before


def through_head(model: Any, hidden: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """What the model's own forward makes of hidden states [rows, tokens, width]: its head with all caps and scales.

    `ids` [rows, tokens] stand for the tokens; a head may look for padding in them.
    """
    bases = {id(base): base for base in (base_of(model), model.get_decoder())}.values()  # OPT asks the inner one
    with ExitStack() as within:
        for base in bases:
            within.enter_context(replaced(base, lambda *_, **__: _Given(hidden)))
        logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits
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


def takes_a_row(model: Any, sequences: Sequence[Ids], last: Any = None) -> bool:
    """Whether hidden states in a row are those of the model's own forward on each sequence alone.

    Args:
        sequences: 32-bit arrays that share prefixes, and some of which do not.
        last: as for `hidden_states`; then a third of the tokens are asked for, else all.
    """
    config = model.config.get_text_config()
    if not fits(config):
        return False
    import torch

    tree = plant(sequences)
    row = Row(tree, np.arange(0, len(tree.ids), 1 if last is None else 3))
    try:
        with torch.inference_mode():
            together = hidden_states(model, row, last)
            alone = [_own_states(model, ids) for ids in sequences]
    except Exception:  # whatever a model raises that is asked for what it has never been asked
        return False
    if not honours(row, config):
        return False
    apart = 0.0
    for n, (ids, own) in enumerate(zip(sequences, alone, strict=True)):
        slots = tree.slots(n, 0, len(ids))
        (asked,) = np.nonzero(np.isin(slots, row.wanted))
        found = together[np.searchsorted(row.wanted, slots[asked])]
        apart = max(apart, *(found - own[asked]).abs().flatten().tolist())
    return apart <= batch_effects.allowance(model) * max(float(own.abs().max()) for own in alone)


def _own_states(model: Any, ids: Ids) -> Any:
    import torch

    tokens = torch.tensor([list(ids)], device=model.device)
    return base_of(model)(input_ids=tokens, use_cache=False, return_dict=True)[0][0]


@dataclass(frozen=True)
class Layout:
    """How the batches of one model are laid out; chosen at load, and no score depends on it."""

    packed: bool = False
    """Each distinct prefix of a batch is computed once (sequence packing); else the batch is padded."""
    unbatched: bool = False
    """Batch size 1."""
    side: Side = "right"
    """The padding side."""
    last: Any = None
    """The model's last layer, if it may run for the pooled or completion tokens alone."""


def choose_layout(scorer: Any, may_pack: bool) -> tuple[Layout, list[str]]:
    """Try how batching changes a model's scores, and choose its layout: packed, padded or batch size 1.

    Args:
        scorer: a `scorers.base.ModelScorer`.
        may_pack: whether packing makes sense at all; encoders attend in both directions.

    Returns:
        The layout, and notes for the reader.
    """

    def batched(requests: Sequence[Any]) -> list[float]:
        """Run a batch as it is: `run` would fall back to one text at a time."""
        scores: list[float] = scorer.forward(requests) if len(requests) > 1 else scorer.run(requests)
        return scores

    layout: Layout = scorer.layout
    probes = batch_effects.probes(scorer)
    moved = batch_effects.moved_by_company(scorer.model, probes, batched, scorer.by_itself, scorer.name)
    if moved or layout.unbatched:
        return replace(layout, unbatched=True), [batch_effects.NOTE]
    if not may_pack:
        return layout, []
    texts = batch_effects.branches(scorer)
    ids = [request.ids for request in texts]
    if not takes_a_row(scorer.model, ids):
        return layout, [batch_effects.PADDED]
    last = last_layer(scorer.model)
    last = last if last is not None and takes_a_row(scorer.model, ids, last) else None
    packed = replace(layout, packed=True, last=last)
    scores = scorer.with_layout(packed).run(texts)
    expected = [scorer.by_itself(request) for request in texts]
    if batch_effects.differs(scores, expected, batch_effects.number_format(scorer.model)):
        return layout, [batch_effects.PADDED]
    return packed, []
