"""One causal model: how likely it finds the tokens of a completion. Policy and reference are each one of these."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.forward.packed import Layout, hidden_states, through_head
from rewardbench.forward.padding import Side, accepted, filler, pad_batch
from rewardbench.forward.prefix_tree import plant
from rewardbench.forward.rope import rope_rule
from rewardbench.forward.tree_attention import Row
from rewardbench.models.failures import reported
from rewardbench.models.limits import reject_unknown_tokens
from rewardbench.scorers.base import ModelScorer
from rewardbench.scorers.classifier import model_facts, reset_rope
from rewardbench.types import Messages, TokenRequest, Tools

if TYPE_CHECKING:
    import torch

CHUNK = 2**24
"""Logits that exist at a time: 64 MiB in float32, whatever the vocabulary and the length."""


def normalisers(logits: torch.Tensor) -> torch.Tensor:
    """The log of the summed exponentials of each row of logits [tokens, vocabulary], in float64.

    Exponentials in float32 and their sum in float64 are as near as the logits themselves, at half of the cost.
    """
    import torch

    logits = logits if logits.dtype == torch.float64 else logits.float()
    most = logits.max(-1, keepdim=True).values
    return (logits - most).exp_().sum(-1, dtype=torch.float64).log_() + most[:, 0].double()


def token_log_probs(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """log p of each target under its row of logits, in float64.

    Args:
        logits: [tokens, vocabulary], any float type.
        targets: [tokens] ids.
    """
    import torch

    rows = max(1, CHUNK // logits.shape[-1])
    parts = [
        part.gather(1, ids[:, None])[:, 0].double() - normalisers(part)
        for part, ids in zip(torch.split(logits, rows), torch.split(targets, rows), strict=True)
    ]
    return torch.cat(parts)


def row_log_probs(model: Any, requests: Sequence[TokenRequest], last: Any = None) -> list[torch.Tensor]:
    """log p of the tokens of each completion, every distinct prefix once, in float64, on the CPU.

    The LM head runs on the completions' positions alone, a chunk at a time, through the model's own forward.

    Args:
        last: the model's last layer, if it may run for those positions alone.
    """
    import torch

    tree = plant([request.ids for request in requests])
    spans = [(max(request.start, 1), request.end) for request in requests]
    slots = np.concatenate([tree.slots(n, start - 1, end - 1) for n, (start, end) in enumerate(spans)])
    targets = np.concatenate([np.asarray(r.ids[a:b]) for r, (a, b) in zip(requests, spans, strict=True)])
    wanted, which = np.unique(slots, return_inverse=True)
    reset_rope(model, rope_rule(model.config.get_text_config()))
    with torch.inference_mode():
        hidden = hidden_states(model, Row(tree, wanted), last)
        found = _log_probs_of(model, hidden, tree.ids[wanted], which, targets)
    return list(torch.split(torch.from_numpy(found), [end - start for start, end in spans]))


def _log_probs_of(model: Any, hidden: torch.Tensor, ids: Any, which: Any, targets: Any) -> Any:
    """log p of each target behind its hidden state, which passes the head once for all targets behind it.

    Args:
        hidden: [states, width].
        ids: [states], the tokens they belong to.
        which: [targets], the state of each.
    """
    import torch

    order = np.argsort(which, kind="stable")
    sorted_which = which[order]
    found = np.empty(len(targets))
    rows = max(1, CHUNK // model.config.get_text_config().vocab_size)
    for first in range(0, len(hidden), rows):
        tokens = torch.from_numpy(ids[first : first + rows]).to(hidden.device)
        logits = through_head(model, hidden[first : first + rows][None], tokens[None])[0]
        mine = order[np.searchsorted(sorted_which, first) : np.searchsorted(sorted_which, first + rows)]
        place, target = (torch.from_numpy(part).to(logits.device) for part in (which[mine] - first, targets[mine]))
        found[mine] = (logits[place, target.long()].double() - normalisers(logits)[place]).cpu().numpy()
    return found


def padded_log_probs(model: Any, requests: Sequence[TokenRequest], side: Side = "right") -> list[torch.Tensor]:
    """The same of a padded batch, for models that take no row."""
    import torch

    inputs = pad_batch(requests, filler(requests, None, model.config.get_text_config().vocab_size), side, model.device)
    longest = inputs["input_ids"].shape[1]
    offsets = [longest - len(r) if side == "left" else 0 for r in requests]
    spans = [(max(r.start, 1) + o, r.end + o) for r, o in zip(requests, offsets, strict=True)]
    kept = longest - min(start for start, _ in spans) + 1
    trims = "logits_to_keep" in inspect.signature(model.forward).parameters
    reset_rope(model, rope_rule(model.config.get_text_config()))
    with torch.inference_mode():
        options = {"logits_to_keep": kept} if trims else {}
        logits = model(**accepted(model, inputs), **options).logits
        dropped = longest - logits.shape[1]
        return [
            token_log_probs(
                logits[row, start - 1 - dropped : end - 1 - dropped], inputs["input_ids"][row, start:end]
            ).cpu()
            for row, (start, end) in enumerate(spans)
        ]


def own_log_probs(model: Any, request: TokenRequest) -> torch.Tensor:
    """The definition that every batch must equal: the model's own forward on one unpadded text, all logits kept."""
    import torch

    ids = torch.tensor([list(request.ids)], device=model.device)
    start = max(request.start, 1)
    reset_rope(model, rope_rule(model.config.get_text_config()))
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0]
        return token_log_probs(logits[start - 1 : request.end - 1], ids[0, start : request.end]).cpu()


RULES: Mapping[str, Callable[[Any], float]] = {
    "sum": lambda logps: float(logps.sum()),
    "avg": lambda logps: float(logps.mean()),
    "norm": lambda logps: -float(logps.norm()),
}
"""What a completion's log-probabilities come to."""


def prepare_span(
    chat: Chat, rows: int, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()
) -> TokenRequest:
    """Render and tokenise a completion whose tokens must be there, and embedded by a table of so many rows."""
    request = chat.request(prompt, completion, rendered, tools)
    if request.end <= max(request.start, 1):
        raise InputError("The completion has no token of its own in this template.")
    reject_unknown_tokens(request.ids, rows, chat.tokenizer, "the policy or its reference")
    return request


class LogProbs(ModelScorer):
    """Score a completion by its tokens' log-probabilities under one causal model.

    Args:
        model: a causal language model, in evaluation mode.
        chat: renders with spans.
        name: as results name it.
        rule: one of RULES.
        identity: what is known of weights, tokenizer and libraries; part of the fingerprint.
        layout: how its batches are laid out; by default padded on the right.
    """

    model_type = "Log-probabilities"

    def __init__(
        self,
        model: Any,
        chat: Chat,
        name: str,
        rule: str = "sum",
        identity: Mapping[str, Any] | None = None,
        layout: Layout | None = None,
    ) -> None:
        super().__init__(model, chat, name, identity, layout)
        self.rule = rule
        self.rows = model.get_input_embeddings().weight.shape[0]

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything that can move these log-probabilities."""
        return {"kind": f"log p ({self.rule})", **self._identity, **model_facts(self.model), **self.chat.describe()}

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Render and tokenise one completion in its context, and find its tokens."""
        return prepare_span(self.chat, self.rows, prompt, completion, rendered, tools)

    def log_probs(self, requests: Sequence[TokenRequest]) -> list[torch.Tensor]:
        """log p of each completion's tokens."""
        if self.layout.packed:
            return row_log_probs(self.model, requests, self.layout.last)
        return padded_log_probs(self.model, requests, self.layout.side)

    def forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Run one forward over the whole batch; whatever the model raises passes."""
        return [RULES[self.rule](logps) for logps in self.log_probs(requests)]

    def by_itself(self, request: TokenRequest) -> float:
        """What every batch must equal: the model's own forward on one unpadded text."""
        with reported(self.name, self.model.config, request):
            return RULES[self.rule](own_log_probs(self.model, request))
