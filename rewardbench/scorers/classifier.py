"""A sequence classifier with one label: its logit is the score."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.forward.packed import Layout, choose_layout, hidden_states, through_head
from rewardbench.forward.padding import accepted, filler, pad_batch, usable_pad
from rewardbench.forward.prefix_tree import plant
from rewardbench.forward.rope import RopeRule
from rewardbench.forward.tree_attention import Row
from rewardbench.models.failures import reported
from rewardbench.models.families import choose_template
from rewardbench.models.layers import is_compiled, is_encoder
from rewardbench.models.limits import embedding_rows, reject_unknown_tokens
from rewardbench.models.load import load
from rewardbench.scorers.base import ModelScorer
from rewardbench.settings import ModelSpec
from rewardbench.types import Messages, ScorerReport, TokenRequest, Tools


class Classifier(ModelScorer):
    """Score by `AutoModelForSequenceClassification`, pooled by the model's own rule.

    Args:
        model: with one label, in evaluation mode.
        chat: renders for its tokenizer.
        name: as results name it.
        identity: what `load_classifier` knows of weights, tokenizer and libraries; part of the fingerprint.
        layout: how its batches are laid out. By default padded on the right, or, for an encoder-decoder, which takes
            only batches with equally many EOS tokens an item, batch size 1.

    Raises:
        InputError: if an encoder, which pools its first token, is to be padded on the left.
    """

    model_type = "Seq. Classifier"

    def __init__(
        self, model: Any, chat: Chat, name: str, identity: Mapping[str, Any] | None = None, layout: Layout | None = None
    ) -> None:
        layout = layout or Layout(unbatched=bool(model.config.is_encoder_decoder))
        super().__init__(model, chat, name, identity, layout)
        self.rows = embedding_rows(model, name)
        self._encoder = is_encoder(model.config)
        self._pad = usable_pad(model.config.get_text_config())
        if self._encoder and layout.side == "left":
            raise InputError(f"{name} is an encoder, which pools its first token: it can only be padded on the right.")

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything that can move a score, and nothing that must not."""
        return {"kind": self.model_type, **self._identity, **model_facts(self.model), **self.chat.describe()}

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Render and tokenise one completion in its context."""
        request = self.chat.request(prompt, completion, rendered, tools)
        if not request.ids:
            raise InputError("The text has no tokens.")
        reject_unknown_tokens(request.ids, self.rows, self.chat.tokenizer)
        if self.model.config.is_encoder_decoder and self.model.config.eos_token_id not in request.ids:
            raise InputError("The text has no EOS token, from which this encoder-decoder is read.")
        return replace(request, pooled_token=self._pooled_token(request))

    def forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Run one forward over the whole batch; whatever the model raises passes."""
        return self._in_a_row(requests) if self.layout.packed else self._padded(requests)

    def _in_a_row(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Every distinct prefix once, and the head on the pooled positions alone."""
        import torch

        tree = plant([request.ids for request in requests])
        at = [int(tree.slots(n, i, i + 1)[0]) for n, i in enumerate(map(self._pooled_at, requests))]
        wanted, which = np.unique(at, return_inverse=True)
        reset_rope(self.model, self.rope)
        with torch.inference_mode(), _pad_token(self.model, 0 if self._pad is None else self._pad):
            hidden = hidden_states(self.model, Row(tree, wanted), self.layout.last)[which]
            ids = torch.from_numpy(tree.ids[at]).to(hidden.device)
            logits = through_head(self.model, hidden[:, None], ids[:, None])
        return [float(x) for x in logits.float().reshape(-1).tolist()]

    def _pooled_at(self, request: TokenRequest) -> int:
        """The last token that is not the pad token, as transformers has it for decoders."""
        return next((i for i in range(len(request) - 1, -1, -1) if request.ids[i] != self._pad), 0)

    def _padded(self, requests: Sequence[TokenRequest]) -> list[float]:
        import torch

        fill = filler(requests, self._pad, self.model.config.get_text_config().vocab_size)
        inputs = pad_batch(requests, fill, self.layout.side, self.model.device)
        reset_rope(self.model, self.rope)
        with torch.inference_mode(), _pad_token(self.model, fill):
            logits = self.model(**accepted(self.model, inputs)).logits
        return [float(x) for x in logits.float().reshape(-1).tolist()]

    def by_itself(self, request: TokenRequest) -> float:
        """The definition that every batch must equal: the model's own forward on one unpadded text."""
        import torch

        with torch.inference_mode(), reported(self.name, self.model.config, request):
            reset_rope(self.model, self.rope)
            ids = torch.tensor([request.ids], device=self.model.device)
            return float(self.model(**accepted(self.model, {"input_ids": ids})).logits)

    def _pooled_token(self, request: TokenRequest) -> str:
        """Return the token that is scored: the last that is not the pad token, or the first of an encoder."""
        if self.model.config.is_encoder_decoder:
            token = self.model.config.eos_token_id
        else:
            token = request.ids[0 if self._encoder else self._pooled_at(request)]
        return sys.intern(str(self.chat.tokenizer.convert_ids_to_tokens(token)))

    def _rule(self) -> str:
        if self.model.config.is_encoder_decoder:
            return "last EOS token"
        return "the encoder's own" if self._encoder else f"last token whose id is not {self._pad}"

    def report(self) -> ScorerReport:
        """Return what was repaired on the way, and where scores are read."""
        repaired = "The configuration names no pad token: batches are filled with an id that no item holds."
        notes = super().report().notes + ((repaired,) if self._pad is None and not self._encoder else ())
        return ScorerReport(notes, {"pooling": self._rule()}, self.metadata)


@contextmanager
def _pad_token(model: Any, pad: int) -> Iterator[None]:
    """Within, the model takes this id for padding; some refuse a batch without one."""
    config = model.config.get_text_config()
    named, config.pad_token_id = config.pad_token_id, pad
    try:
        yield
    finally:
        config.pad_token_id = named


def model_facts(model: Any) -> dict[str, Any]:
    """What a loaded model says of itself: number format, how it multiplies, attention kernel, kind of device."""
    import torch

    return {
        "dtype": str(model.dtype).removeprefix("torch."),
        "float32_matmul": torch.get_float32_matmul_precision(),  # some containers turn TF32 on
        "attn_implementation": model.config._attn_implementation,
        **({"compiled": True} if is_compiled(model) else {}),
        "device": model.device.type,
    }


def reset_rope(model: Any, rule: RopeRule) -> None:
    """Dynamic RoPE remembers the longest item it has met; a one-token forward makes it forget."""
    if rule.each_length:
        import torch

        with torch.inference_mode():
            model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device))


def load_classifier(spec: ModelSpec) -> Classifier:
    """Load a reward model from a folder or the Hub.

    Raises:
        InputError: if the model cannot be loaded, or its scores would be meaningless (see `models.load.load`).
    """
    loaded = load(spec)
    template, template_notes = choose_template(spec.chat_template, spec.model, loaded.folder, loaded.config)
    chat = Chat(loaded.tokenizer, template, loaded.max_length, spec.truncation_side, name=spec.model)
    scorer = Classifier(loaded.model, chat, spec.model, loaded.fingerprint)
    scorer.metadata = loaded.metadata
    layout, layout_notes = choose_layout(scorer, may_pack=not is_encoder(loaded.config))
    return scorer.with_layout(layout, [*loaded.notes, *template_notes, *layout_notes])
