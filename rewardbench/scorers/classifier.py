"""Score by a sequence classifier with one label, or with several of which one is named."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.forward.packed import (
    Layout,
    PackedReads,
    apply_head,
    choose_layout,
    collate_packed,
    hidden_states,
)
from rewardbench.forward.padding import choose_pad_id, filter_inputs, pad_batch, read_pad_id
from rewardbench.forward.rope import RopeRule
from rewardbench.models.adapters import Adapter
from rewardbench.models.devices import input_device
from rewardbench.models.failures import reported
from rewardbench.models.families import choose_template
from rewardbench.models.labels import Label, choose_label, label_scores
from rewardbench.models.layers import is_compiled, is_encoder, packs_with_flex
from rewardbench.models.limits import embedding_rows, reject_unknown_tokens
from rewardbench.models.load import load
from rewardbench.models.placement import describe_quantization
from rewardbench.scorers.base import CollatingScorer
from rewardbench.settings import ModelSpec
from rewardbench.types import Message, Messages, ScorerReport, TokenRequest, Tools

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


ClassifierInputs: TypeAlias = "tuple[PackedReads | dict[str, torch.Tensor], int]"
"""A packed or padded batch, and the pad token id during its forward pass."""


class Classifier(CollatingScorer[ClassifierInputs]):
    """Score by `AutoModelForSequenceClassification`, with the pooling of the model.

    Args:
        model: in evaluation mode.
        chat: renders and tokenizes for this model.
        name: of the model, for results.
        identity: fingerprint of weights, tokenizer and libraries, as far as they are known.
        layout: layout of batches; by default padded on the right. An encoder-decoder has batch size 1, since it takes
            only batches in which all texts have the same number of EOS tokens.
        label: output of a model with several labels that is the score; None for a model with one.

    Raises:
        InputError: if the layout pads an encoder on the left, where its pooled first token is.
    """

    model_type = "Seq. Classifier"

    def __init__(
        self,
        model: PreTrainedModel,
        chat: Chat,
        name: str,
        identity: Mapping[str, object] | None = None,
        layout: Layout | None = None,
        label: Label | None = None,
    ) -> None:
        layout = layout or Layout(unbatched=bool(model.config.is_encoder_decoder))
        super().__init__(model, chat, name, identity, layout)
        self.label = label
        self.rows = embedding_rows(model, name)
        self._encoder = is_encoder(model.config)
        self._pad = read_pad_id(model.config.get_text_config())
        if self._encoder and layout.side == "left":
            raise InputError(f"{name} is an encoder, which pools its first token: it can only be padded on the right.")

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """Return everything that can change a score, and nothing else."""
        label = {"label": self.label.describe()} if self.label and self.model.config.num_labels > 1 else {}
        facts = {**self._identity, **describe_model(self.model), **self.chat.describe()}
        return {"kind": self.model_type, **facts, **label}

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Render and tokenize one completion in its context."""
        request = self.chat.request(prompt, completion, rendered, tools)
        if not request.ids:
            raise InputError("The text has no tokens.")
        reject_unknown_tokens(request.ids, self.rows, self.chat.tokenizer)
        if self.model.config.is_encoder_decoder and self.model.config.eos_token_id not in request.ids:
            raise InputError("The text has no EOS token, from which this encoder-decoder is read.")
        return replace(request, pooled_token=self._pooled_token(request))

    def collate(self, requests: Sequence[TokenRequest]) -> ClassifierInputs:
        """Pack a batch, or pad it with an id; see `CollatingScorer.collate`."""
        if self.layout.packed:
            positions = [[self._last_position(request.ids)] for request in requests]
            pad_id = 0 if self._pad is None else self._pad
            ids = [request.ids for request in requests]
            return collate_packed(self.model, ids, positions, self.layout.last_layer), pad_id
        pad_id = choose_pad_id(requests, self._pad, self.model.config.get_text_config().vocab_size)
        return pad_batch(requests, pad_id, self.layout.side, input_device(self.model)), pad_id

    def forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Score a batch in one forward pass; exceptions of the model pass through."""
        import torch

        with self.inputs(requests) as (inputs, pad_id):
            reset_rope(self.model, self.rope)
            with torch.inference_mode(), use_pad_token(self.model, pad_id):
                if isinstance(inputs, PackedReads):
                    logits = self._packed_logits(inputs)
                else:
                    logits = self.model(**filter_inputs(self.model, inputs)).logits
            return self._to_floats(logits)

    def _packed_logits(self, reads: PackedReads) -> torch.Tensor:
        """Return the logits of packed texts; the head is applied to the pooled positions only."""
        hidden = hidden_states(self.model, reads.batch, self.layout.last_layer)[reads.states]
        return apply_head(self.model, hidden[:, None], reads.input_ids.to(hidden.device)[:, None])

    def _last_position(self, ids: Sequence[int]) -> int:
        """Return the position of the last token that is not the pad token, which transformers pools for decoders."""
        for position in range(len(ids) - 1, -1, -1):
            if ids[position] != self._pad:
                return position
        return 0

    def score_unbatched(self, request: TokenRequest) -> float:
        """Score one text by the model's own forward pass, without padding: the reference for every batch."""
        import torch

        with torch.inference_mode(), reported(self.name, self.model.config, request):
            reset_rope(self.model, self.rope)
            ids = torch.tensor([request.ids], device=input_device(self.model))
            return self._to_floats(self.model(**filter_inputs(self.model, {"input_ids": ids})).logits)[0]

    def _to_floats(self, logits: torch.Tensor) -> list[float]:
        """Convert logits [requests, labels] to one number per request."""
        numbers: list[float] = label_scores(logits, self.label).tolist()
        return numbers

    def probe(self, text: str) -> TokenRequest:
        """Return a request of a short text, by which the layout of batches is chosen."""
        answer = (Message(role="assistant", content=text),)
        if not self.model.config.is_encoder_decoder:
            return self.prepare((), answer, rendered=True)
        question = (Message(role="user", content="How long is the river?"),)
        return self.prepare(question, answer, rendered=False)  # the template prints the EOS, at which it is read

    def places(self, request: TokenRequest) -> list[int]:
        """Return the position that is pooled: the last that is not the pad token, or the first of an encoder."""
        ids = request.ids
        if self.model.config.is_encoder_decoder:
            return [len(ids) - 1 - list(reversed(ids)).index(self.model.config.eos_token_id)]
        return [0 if self._encoder else self._last_position(ids)]

    def _pooled_token(self, request: TokenRequest) -> str:
        (position,) = self.places(request)
        return sys.intern(str(self.chat.tokenizer.convert_ids_to_tokens(request.ids[position])))

    def _pooling(self) -> str:
        """Name the pooled token, for the manifest."""
        if self.model.config.is_encoder_decoder:
            return "last EOS token"
        return "the encoder's own" if self._encoder else f"last token whose id is not {self._pad}"

    def report(self) -> ScorerReport:
        """Return the repairs at load time, the pooled token, and the model's metadata."""
        notes = super().report().notes
        if self._pad is None and not self._encoder:
            notes += (
                "The configuration names no pad token: batches are padded with a token id that no text contains.",
            )
        if self.label and self.model.config.num_labels > 1:
            notes += (self.label.note(self.model.config),)
        return ScorerReport(notes, {"pooling": self._pooling()}, self.metadata)


@contextmanager
def use_pad_token(model: PreTrainedModel, pad: int) -> Iterator[None]:
    """Context manager: the model takes this id for padding; some models reject a batch without a pad token."""
    config = model.config.get_text_config()
    original, config.pad_token_id = config.pad_token_id, pad
    try:
        yield
    finally:
        config.pad_token_id = original


def describe_model(model: PreTrainedModel) -> dict[str, object]:
    """Return how a loaded model computes, for the fingerprint: dtype, TF32, attention kernel, device, quantisation."""
    import torch

    return {
        "dtype": str(model.dtype).removeprefix("torch."),
        "float32_matmul": torch.get_float32_matmul_precision(),  # some containers enable TF32
        "attn_implementation": "flex_attention" if packs_with_flex(model) else model.config._attn_implementation,
        **({"compiled": True} if is_compiled(model) else {}),
        **describe_quantization(model),
        "device": input_device(model).type,
    }


def reset_rope(model: PreTrainedModel, rule: RopeRule) -> None:
    """Reset dynamic RoPE, which adapts to the longest text so far, by a forward pass of one token."""
    if rule.each_length:
        import torch

        with torch.inference_mode():
            model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=input_device(model)))


def load_classifier(spec: ModelSpec, source: Path | Adapter | None = None) -> Classifier:
    """Load a reward model from a folder or the Hub.

    Args:
        spec: the model, and how it is loaded.
        source: its files, or the adapter with its base, if they are known.

    Raises:
        InputError: if the model cannot be loaded, or its scores would be meaningless (see `models.load.load`).
    """
    loaded = load(spec, source)
    template, template_notes = choose_template(spec.chat_template, spec.model, loaded.folder, loaded.config)
    chat = Chat(loaded.tokenizer, template, loaded.max_length, spec.truncation_side, name=spec.model)
    label = choose_label(loaded.config, spec.label, spec.model)
    scorer = Classifier(loaded.model, chat, spec.model, loaded.fingerprint, label=label)
    scorer.metadata = loaded.metadata
    layout, layout_notes = choose_layout(scorer, may_pack=not is_encoder(loaded.config))
    return scorer.with_layout(layout, [*loaded.notes, *template_notes, *layout_notes])
