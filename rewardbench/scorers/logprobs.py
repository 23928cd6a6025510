"""Score a completion by its log-probability under one causal model; a DPO reward combines two of these."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.forward.packed import Layout, PackedReads, apply_head, collate_packed, hidden_states
from rewardbench.forward.padding import PaddingSide, choose_pad_id, filter_inputs, pad_batch
from rewardbench.forward.rope import rope_rule
from rewardbench.models.devices import input_device
from rewardbench.models.failures import reported
from rewardbench.models.limits import reject_unknown_tokens
from rewardbench.scorers.base import CollatingScorer
from rewardbench.scorers.classifier import describe_model, reset_rope
from rewardbench.types import Messages, TokenRequest, Tools

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedModel

    Integers = NDArray[np.integer[Any]]

CHUNK = 2**24
"""Maximum logits in memory at a time: 64 MiB in float32, for any vocabulary and length."""


def log_normalizers(logits: torch.Tensor) -> torch.Tensor:
    """Return the log-sum-exp of each row of logits.

    Exponentials in float32 with their sum in float64 are as exact as the logits, at half of the cost of float64.

    Args:
        logits: [tokens, vocabulary], any float dtype.

    Returns:
        [tokens], float64.
    """
    import torch

    logits = logits if logits.dtype == torch.float64 else logits.float()
    maxima = logits.max(-1, keepdim=True).values
    return (logits - maxima).exp_().sum(-1, dtype=torch.float64).log_() + maxima[:, 0].double()


def token_log_probs(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the log-probability of each target.

    Args:
        logits: [tokens, vocabulary], any float dtype.
        targets: [tokens] ids.

    Returns:
        [tokens], float64.
    """
    import torch

    rows = max(1, CHUNK // logits.shape[-1])
    log_probs: list[torch.Tensor] = []
    for chunk, ids in zip(torch.split(logits, rows), torch.split(targets, rows), strict=True):
        log_probs.append(chunk.gather(1, ids[:, None])[:, 0].double() - log_normalizers(chunk))
    return torch.cat(log_probs)


def collate_log_probs(
    model: PreTrainedModel, requests: Sequence[TokenRequest], last_layer: torch.nn.Module | None = None
) -> PackedReads:
    """Pack completions for `packed_log_probs`: the state before each of their tokens is read.

    Args:
        model: a causal language model.
        requests: completions with their spans.
        last_layer: the last layer of the model, if it may run for those positions only.
    """
    positions = [slice(max(request.start, 1) - 1, request.end - 1) for request in requests]
    return collate_packed(model, [request.ids for request in requests], positions, last_layer)


def packed_log_probs(
    model: PreTrainedModel,
    requests: Sequence[TokenRequest],
    reads: PackedReads,
    last_layer: torch.nn.Module | None = None,
) -> list[torch.Tensor]:
    """Return the log-probabilities of the tokens of each completion; every distinct prefix is computed once.

    The LM head runs on the positions of completions only, in chunks, in the model's own forward pass.

    Args:
        model: a causal language model.
        requests: completions with their spans.
        reads: the same, packed by `collate_log_probs`.
        last_layer: as for `collate_log_probs`.

    Returns:
        For each request [completion tokens], float64, on the CPU.
    """
    import torch

    targets = [np.asarray(request.ids[max(request.start, 1) : request.end]) for request in requests]
    ids = reads.batch.trie.input_ids[reads.batch.wanted]
    reset_rope(model, rope_rule(model.config.get_text_config()))
    with torch.inference_mode():
        hidden = hidden_states(model, reads.batch, last_layer)
        log_probs = _head_log_probs(model, hidden, ids, reads.states, np.concatenate(targets))
    return list(torch.split(torch.from_numpy(log_probs), list(map(len, targets))))


def _head_log_probs(
    model: PreTrainedModel, hidden: torch.Tensor, ids: Integers, states: Integers, targets: Integers
) -> NDArray[np.float64]:
    """Return the log-probability of each target; each hidden state passes the LM head once for all its targets.

    Args:
        model: a causal language model.
        hidden: [states, width].
        ids: [states], the input token of each state.
        states: [targets], the index of the state before each target.
        targets: [targets], the ids to look up.
    """
    import torch

    order = np.argsort(states, kind="stable")
    sorted_states = states[order]
    log_probs = np.empty(len(targets))
    rows = max(1, CHUNK // model.config.get_text_config().vocab_size)
    for first in range(0, len(hidden), rows):
        tokens = torch.from_numpy(ids[first : first + rows]).to(hidden.device)
        logits = apply_head(model, hidden[first : first + rows][None], tokens[None])[0]
        chunk = order[np.searchsorted(sorted_states, first) : np.searchsorted(sorted_states, first + rows)]
        places = torch.from_numpy(states[chunk] - first).to(logits.device)
        chunk_targets = torch.from_numpy(targets[chunk]).to(logits.device).long()
        chunk_log_probs = logits[places, chunk_targets].double() - log_normalizers(logits)[places]
        log_probs[chunk] = chunk_log_probs.cpu().numpy()
    return log_probs


def padded_log_probs(
    model: PreTrainedModel,
    requests: Sequence[TokenRequest],
    inputs: Mapping[str, torch.Tensor],
    side: PaddingSide = "right",
) -> list[torch.Tensor]:
    """Return the same as `packed_log_probs` from a padded batch, for models that cannot be packed.

    Args:
        model: a causal language model.
        requests: completions with their spans.
        inputs: the same, padded.
        side: the side on which shorter texts are padded.
    """
    import torch

    longest = inputs["input_ids"].shape[1]
    spans: list[tuple[int, int]] = []
    for request in requests:
        offset = longest - len(request) if side == "left" else 0
        spans.append((max(request.start, 1) + offset, request.end + offset))
    options: dict[str, int] = {}
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        first_start = min(start for start, _ in spans)
        options["logits_to_keep"] = longest - first_start + 1
    reset_rope(model, rope_rule(model.config.get_text_config()))
    log_probs: list[torch.Tensor] = []
    with torch.inference_mode():
        logits = model(**filter_inputs(model, inputs), **options).logits
        dropped = longest - logits.shape[1]
        for row, (start, end) in enumerate(spans):
            row_logits = logits[row, start - 1 - dropped : end - 1 - dropped]
            log_probs.append(token_log_probs(row_logits, inputs["input_ids"][row, start:end]).cpu())
    return log_probs


def unbatched_log_probs(model: PreTrainedModel, request: TokenRequest) -> torch.Tensor:
    """Return the same for one text, by the model's own forward pass without padding: the reference for every batch."""
    import torch

    ids = torch.tensor([list(request.ids)], device=input_device(model))
    start = max(request.start, 1)
    reset_rope(model, rope_rule(model.config.get_text_config()))
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0]
        return token_log_probs(logits[start - 1 : request.end - 1], ids[0, start : request.end]).cpu()


RULES: Mapping[str, Callable[[torch.Tensor], float]] = {
    "sum": lambda log_probs: float(log_probs.sum()),
    "avg": lambda log_probs: float(log_probs.mean()),
    "norm": lambda log_probs: -float(log_probs.norm()),
}
"""How the log-probabilities of a completion's tokens make one score."""


def prepare_span(
    chat: Chat, rows: int, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()
) -> TokenRequest:
    """Render and tokenize one completion in its context, with the span of its tokens.

    Args:
        chat: renders with spans.
        rows: number of tokens that the model embeds.
        prompt: the messages before the completion.
        completion: the messages of the completion.
        rendered: True if the text is final.
        tools: the functions that the assistant may call.

    Raises:
        InputError: if the completion has no tokens, or one that the model does not embed.
    """
    request = chat.request(prompt, completion, rendered, tools)
    if request.end <= max(request.start, 1):
        raise InputError("The completion has no tokens in this template.")
    reject_unknown_tokens(request.ids, rows, chat.tokenizer, "the policy or its reference")
    return request


LogProbInputs: TypeAlias = "PackedReads | dict[str, torch.Tensor]"
"""A packed or padded batch."""


class LogProbs(CollatingScorer[LogProbInputs]):
    """Score a completion by its tokens' log-probabilities under one causal model.

    Args:
        model: a causal language model, in evaluation mode.
        chat: renders with spans.
        name: of the model, for results.
        rule: one of RULES.
        identity: fingerprint of weights, tokenizer and libraries, as far as they are known.
        layout: layout of batches; by default padded on the right.
    """

    model_type = "Log-probabilities"

    def __init__(
        self,
        model: PreTrainedModel,
        chat: Chat,
        name: str,
        rule: str = "sum",
        identity: Mapping[str, object] | None = None,
        layout: Layout | None = None,
    ) -> None:
        super().__init__(model, chat, name, identity, layout)
        self.rule = rule
        self.rows: int = model.get_input_embeddings().weight.shape[0]  # type: ignore[index, assignment]

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """Return everything that can change these log-probabilities."""
        return {"kind": f"log p ({self.rule})", **self._identity, **describe_model(self.model), **self.chat.describe()}

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Render and tokenize one completion in its context, with the span of its tokens."""
        return prepare_span(self.chat, self.rows, prompt, completion, rendered, tools)

    def collate(self, requests: Sequence[TokenRequest]) -> LogProbInputs:
        """Pack or pad a batch; see `CollatingScorer.collate`."""
        if self.layout.packed:
            return collate_log_probs(self.model, requests, self.layout.last_layer)
        pad_id = choose_pad_id(requests, None, self.model.config.get_text_config().vocab_size)
        return pad_batch(requests, pad_id, self.layout.side, input_device(self.model))

    def log_probs(self, requests: Sequence[TokenRequest]) -> list[torch.Tensor]:
        """Return for each request the log-probabilities of the completion's tokens, float64."""
        with self.inputs(requests) as inputs:
            if isinstance(inputs, PackedReads):
                return packed_log_probs(self.model, requests, inputs, self.layout.last_layer)
            return padded_log_probs(self.model, requests, inputs, self.layout.side)

    def forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Score a batch in one forward pass; exceptions of the model pass through."""
        return list(map(RULES[self.rule], self.log_probs(requests)))

    def score_unbatched(self, request: TokenRequest) -> float:
        """Score one text by the model's own forward pass, without padding: the reference for every batch."""
        with reported(self.name, self.model.config, request):
            return RULES[self.rule](unbatched_log_probs(self.model, request))
