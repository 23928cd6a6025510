"""Run a model over a packed sequence, and choose at load time whether batches are packed, padded or unbatched.

Some architectures do not support packing: they have attention code of their own, or pass arguments that tree attention
does not implement. Each model is probed when it is loaded (`supports_packing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np

from rewardbench.forward import batch_effects
from rewardbench.forward.padding import PaddingSide
from rewardbench.forward.prefix_tree import Ids, Ints, PrefixTrie, build_trie
from rewardbench.forward.tree_attention import CURRENT, NAME, KeysStored, PackedBatch, PackedInputs, attend
from rewardbench.models import layers
from rewardbench.models.devices import copy_to, input_device
from rewardbench.models.layers import base_of
from rewardbench.models.linear import uses_onednn
from rewardbench.types import TokenRequest

if TYPE_CHECKING:
    import torch
    from torch.nn import Module
    from transformers import PreTrainedConfig, PreTrainedModel


@contextmanager
def use_tree_attention(model: PreTrainedModel, batch: PackedBatch) -> Iterator[None]:
    """Context manager: the model's layers compute tree attention over a batch."""
    import torch
    from transformers import AttentionInterface

    uncompiled = torch.compiler.disable(attend)  # type: ignore[no-untyped-call]  # a graph cannot capture the trie
    AttentionInterface.register(NAME, uncompiled)
    configs: dict[int, PreTrainedConfig] = {}
    for module in model.modules():
        config = getattr(module, "config", None)
        if config is not None:
            configs[id(config)] = config
    before = {key: config._attn_implementation for key, config in configs.items()}
    token = CURRENT.set(batch)
    try:
        for config in configs.values():
            config._attn_implementation = NAME
        yield
    finally:
        CURRENT.reset(token)
        for key, config in configs.items():
            config._attn_implementation = before[key]


def hidden_states(model: PreTrainedModel, batch: PackedBatch, last_layer: Module | None = None) -> torch.Tensor:
    """Return the last hidden states of a batch's wanted slots: [wanted, width]. The caller has disabled gradients.

    Args:
        model: a decoder, with or without a head.
        batch: the packed sequence.
        last_layer: the model's last layer, if it may run for the wanted slots only; that is done if they are few.
    """
    input_ids, position_ids, wanted = batch.inputs or place(model, batch, last_layer)
    shortened: AbstractContextManager[None] = nullcontext()
    if last_layer is not None and _is_short(batch):
        shortened = _shortened(last_layer, batch, wanted)
    with use_tree_attention(model, batch), shortened:
        outputs = base_of(model)(input_ids=input_ids, position_ids=position_ids, use_cache=False, return_dict=True)
    hidden: torch.Tensor = outputs[0][0]
    return hidden if batch.stored else hidden[wanted.to(hidden.device)]


def place(model: PreTrainedModel, batch: PackedBatch, last_layer: Module | None = None) -> PackedInputs:
    """Copy a batch to the model's device: token ids, and the masks that its layers will ask for by the configuration.

    Args:
        model: as for `hidden_states`.
        batch: the packed sequence; its inputs are set.
        last_layer: as for `hidden_states`.

    Returns:
        The inputs.
    """
    device, trie = input_device(model), batch.trie
    batch.uses_flex, batch.uses_onednn = layers.packs_with_flex(model), uses_onednn(model)
    windows = _layer_windows(model.config.get_text_config())
    runs_short = last_layer is not None and _is_short(batch)
    for n, window in enumerate(windows):
        wanted_only = runs_short and n + 1 == len(windows)
        if batch.uses_flex:
            batch.block_mask(window, wanted_only, device)
        else:
            batch.plan(window, wanted_only, model.dtype, device)
    ids, positions = copy_to(trie.input_ids[None], device), copy_to(trie.position_ids[None], device)
    batch.inputs = PackedInputs(ids, positions, copy_to(batch.wanted, device))
    return batch.inputs


def _is_short(batch: PackedBatch) -> bool:
    """Return True if so few slots are wanted that the last layer runs for them only, if it may."""
    return 2 * len(batch.wanted) <= len(batch.trie.input_ids)


class PackedReads(NamedTuple):
    """A packed batch on the device, and the hidden states that are read of its texts, text by text."""

    batch: PackedBatch
    states: Ints
    """Of each read state, its index among the wanted slots: [reads]."""
    input_ids: torch.Tensor
    """Of each read state, the token that it is the state of, on the device: [reads]."""


def collate_packed(
    model: PreTrainedModel,
    sequences: Sequence[Ids],
    positions: Iterable[Sequence[int] | slice],
    last_layer: Module | None = None,
) -> PackedReads:
    """Pack sequences for `hidden_states`, and copy them to the device; every distinct prefix is computed once.

    Args:
        model: a decoder.
        sequences: 32-bit arrays of token ids.
        positions: of each sequence, the positions whose hidden states are read.
        last_layer: as for `hidden_states`.
    """
    trie = build_trie(sequences)
    reads: list[Ints] = []
    for n, read in enumerate(positions):
        reads.append(trie.slots(n, 0, len(sequences[n]))[read])
    slots = np.concatenate(reads)
    wanted, states = np.unique(slots, return_inverse=True)
    batch = PackedBatch(trie, wanted)
    place(model, batch, last_layer)
    return PackedReads(batch, states, copy_to(trie.input_ids[slots], input_device(model)))


def _shortened(last_layer: Module, batch: PackedBatch, wanted: torch.Tensor) -> AbstractContextManager[None]:
    """Context manager: the last layer first stores keys and values of all slots, then runs for the wanted slots."""
    full_forward, total = last_layer.forward, len(batch.trie.input_ids)

    def forward(*arguments: object, **options: object) -> Any:
        batch.storing = True
        try:
            return full_forward(*arguments, **options)
        except KeysStored:
            batch.storing = False
            select = partial(_select_tokens, wanted=wanted, total=total)
            selected = {name: select(option) for name, option in options.items()}
            return full_forward(*map(select, arguments), **selected)
        finally:
            batch.storing = False

    return replaced_forward(last_layer, forward)


def _select_tokens(argument: object, wanted: torch.Tensor, total: int) -> object:
    """Return the wanted tokens of a layer's argument, if it has one entry per token: [1, total, ...] or [total]."""
    import torch

    if isinstance(argument, tuple | list):
        return tuple(_select_tokens(element, wanted, total) for element in argument)
    if not isinstance(argument, torch.Tensor):
        return argument
    wanted = wanted.to(argument.device)
    if argument.shape[:2] == (1, total):
        return argument[:, wanted]
    return argument[wanted] if argument.shape == (total,) else argument


@contextmanager
def replaced_forward(module: Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Context manager: a module has another forward."""
    before = vars(module).get("forward")  # set by hooks of other libraries
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if before is not None:
            module.forward = before


def apply_head(model: PreTrainedModel, hidden: torch.Tensor, input_ids: torch.Tensor) -> torch.Tensor:
    """Return the logits that the model's own forward computes from hidden states, with all caps and scales.

    Args:
        model: a model with a head; its base is replaced by the hidden states.
        hidden: [rows, tokens, width].
        input_ids: [rows, tokens]; a head may look for padding in them.
    """
    decoder = model.get_decoder()  # type: ignore[no-untyped-call]  # the head of OPT calls it
    bases = {id(base): base for base in (base_of(model), decoder)}.values()
    with ExitStack() as stack:
        for base in bases:
            stack.enter_context(replaced_forward(base, lambda *_, **__: _BaseOutput(hidden)))
        logits: torch.Tensor = model(input_ids=input_ids, use_cache=False).logits
    return logits


class _BaseOutput(tuple["torch.Tensor"]):
    """Output of a base model with its hidden states only, which heads read by name or by index."""

    def __new__(cls, hidden: torch.Tensor) -> _BaseOutput:
        return super().__new__(cls, (hidden,))

    def __getattr__(self, name: str) -> torch.Tensor | None:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[0] if name == "last_hidden_state" else None


SUPPORTED_LAYERS = {"full_attention", "sliding_attention"}
"""Types of layers that tree attention implements."""


def may_support_packing(config: PreTrainedConfig) -> bool:
    """Return True if a configuration has only features that short probes can test, or that start at any length."""
    return set(_layer_types(config)) <= SUPPORTED_LAYERS and not getattr(config, "attention_chunk_size", None)


def was_supported(batch: PackedBatch, config: PreTrainedConfig) -> bool:
    """Return True if each layer called tree attention once, with known arguments and the configured window."""
    window = getattr(config, "sliding_window", None) if "sliding_attention" in _layer_types(config) else None
    has_window = window is None or window in batch.windows
    return batch.calls == config.num_hidden_layers and not batch.unsupported and has_window


def _layer_windows(config: PreTrainedConfig) -> list[int | None]:
    """Return the sliding window of each layer by the configuration, None for full attention."""
    types = list(_layer_types(config))
    window = getattr(config, "sliding_window", None)
    if len(types) != config.num_hidden_layers:
        types = types[:1] * config.num_hidden_layers
    return [window if kind == "sliding_attention" else None for kind in types]


def _layer_types(config: PreTrainedConfig) -> Sequence[str]:
    """Return the layer types of a configuration; if it names none, a window means that all layers have it."""
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    return getattr(config, "layer_types", None) or ["sliding_attention" if window else "full_attention"]


def supports_packing(model: PreTrainedModel, sequences: Sequence[Ids], last_layer: Module | None = None) -> bool:
    """Return True if packed hidden states equal those of the model's own forward on each unpacked sequence.

    Args:
        model: a decoder.
        sequences: 32-bit arrays, some of which share prefixes.
        last_layer: as for `hidden_states`; a third of the slots is then read instead of all.
    """
    config = model.config.get_text_config()
    if not may_support_packing(config):
        return False
    import torch

    trie = build_trie(sequences)
    batch = PackedBatch(trie, np.arange(0, len(trie.input_ids), 1 if last_layer is None else 3))
    try:
        with torch.inference_mode():
            packed = hidden_states(model, batch, last_layer)
            unpacked = [_unpacked_hidden_states(model, ids) for ids in sequences]
    except Exception:  # architectures fail in many ways on arguments they were not written for
        return False
    if not was_supported(batch, config):
        return False
    allowed = batch_effects.tolerance(batch_effects.compute_dtype(model))
    largest = max(map(_largest_value, unpacked))
    return _largest_difference(trie, batch.wanted, packed, unpacked) <= allowed * largest


def _largest_value(states: torch.Tensor) -> float:
    return float(states.abs().max())


def _largest_difference(
    trie: PrefixTrie, wanted: np.typing.NDArray[np.int64], packed: torch.Tensor, unpacked: Sequence[torch.Tensor]
) -> float:
    """Return the largest difference between packed hidden states and those of each sequence, at the wanted slots.

    Args:
        trie: the packed sequences.
        wanted: slots of the packed hidden states.
        packed: [wanted, width].
        unpacked: of each sequence, [tokens, width].
    """
    largest = 0.0
    for n, states in enumerate(unpacked):
        slots = trie.slots(n, 0, len(states))
        (tokens,) = np.nonzero(np.isin(slots, wanted))
        difference = packed[np.searchsorted(wanted, slots[tokens])] - states[tokens]
        largest = max(largest, *difference.abs().flatten().tolist())
    return largest


def _unpacked_hidden_states(model: PreTrainedModel, ids: Ids) -> torch.Tensor:
    """Return the hidden states of the model's own forward on one sequence: [tokens, width]."""
    import torch

    input_ids = torch.tensor([list(ids)], device=input_device(model))
    states: torch.Tensor = base_of(model)(input_ids=input_ids, use_cache=False, return_dict=True)[0][0]
    return states


@dataclass(frozen=True)
class Layout:
    """How the batches of one model are laid out; chosen at load time. No score depends on it."""

    packed: bool = False
    """Whether batches are packed; otherwise they are padded."""
    unbatched: bool = False
    """Whether the batch size is 1."""
    side: PaddingSide = "right"
    """The padding side."""
    last_layer: Module | None = None
    """The model's last layer, if it may run for the pooled or completion tokens only."""


class ProbedScorer(Protocol):
    """A scorer of one model whose layout is chosen (`scorers.base.ModelScorer`)."""

    model: Any
    name: str
    layout: Layout

    def probe(self, text: str) -> TokenRequest:
        """Return a request of a short text."""

    def run_forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Score a batch, or each text alone if the batch fails."""

    def forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Score a batch in one forward pass."""

    def score_unbatched(self, request: TokenRequest) -> float:
        """Score one unpadded text by the model's own forward."""

    def with_layout(self, layout: Layout) -> Self:
        """Return this scorer with another layout."""


def choose_layout(scorer: ProbedScorer, may_pack: bool) -> tuple[Layout, list[str]]:
    """Probe how batching changes a model's scores, and choose its layout: packed, padded or batch size 1.

    Args:
        scorer: a `scorers.base.ModelScorer`.
        may_pack: whether packing is possible at all; encoders attend in both directions.

    Returns:
        The layout, and notes for the reader.
    """
    layout, notes = _choose_layout(scorer, may_pack)
    if layers.packs_with_flex(scorer.model) and not layout.packed:
        layers.pack_with_flex(scorer.model, False)
        notes.append(f"The batches of {scorer.name} are not packed, so flex_attention is not used.")
    return layout, notes


def _choose_layout(scorer: ProbedScorer, may_pack: bool) -> tuple[Layout, list[str]]:
    def score_batch(requests: Sequence[TokenRequest]) -> list[float]:
        """Score in one forward pass; `run_forward` would fall back to single texts if the batch fails."""
        return scorer.forward(requests) if len(requests) > 1 else scorer.run_forward(requests)

    layout, model = scorer.layout, scorer.model
    probe = batch_effects.batching_probe(scorer)
    is_sensitive = batch_effects.is_batch_sensitive(model, probe, score_batch, scorer.score_unbatched, scorer.name)
    if is_sensitive or layout.unbatched:
        return replace(layout, unbatched=True), [batch_effects.UNBATCHED_NOTE]
    if not may_pack:
        return layout, []
    probe = batch_effects.packing_probe(scorer)
    ids = [request.ids for request in probe]
    if not supports_packing(model, ids):
        return layout, [batch_effects.PADDED_NOTE]
    last_layer = layers.last_layer(model)
    if last_layer is not None and not supports_packing(model, ids, last_layer):
        last_layer = None
    packed = replace(layout, packed=True, last_layer=last_layer)
    scores = scorer.with_layout(packed).run_forward(probe)
    expected = list(map(scorer.score_unbatched, probe))
    if batch_effects.differs(scores, expected, batch_effects.compute_dtype(model)):
        return layout, [batch_effects.PADDED_NOTE]
    return packed, []
