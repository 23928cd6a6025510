"""A sequence classifier with one label: its logit is the score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.forward.packed import hidden_states, settle, through_head
from rewardbench.forward.padding import Side, accepted, filler, pad_batch, usable_pad
from rewardbench.forward.prefix_tree import plant
from rewardbench.forward.rope import RopeRule, rope_rule
from rewardbench.forward.tree_attention import Row
from rewardbench.hub import cache_note
from rewardbench.models import load
from rewardbench.models.failures import reported, run_reported
from rewardbench.models.families import choose_template
from rewardbench.models.fingerprint import identify
from rewardbench.models.layers import is_compiled
from rewardbench.models.load import embedded, refuse_unknown
from rewardbench.settings import ModelSpec
from rewardbench.types import Messages, Request, Tools, View


class Classifier:
    """Scores by `AutoModelForSequenceClassification`, pooled by the model's own rule.

    Args:
        model: with one label, in evaluation mode.
        chat: renders for its tokenizer.
        identity: what `load_classifier` knows of weights, tokenizer and libraries; part of the fingerprint.
        padding_side: where a batch is filled up; decoders give the same scores on either side, encoders need "right".
    """

    model_type = "Seq. Classifier"
    view: View = "pointwise"

    def __init__(
        self, model: Any, chat: Chat, name: str, identity: Mapping[str, Any] | None = None, padding_side: Side = "right"
    ) -> None:
        self.model, self.chat, self.name = model, chat, name
        self.padding_side = padding_side
        self.rope: RopeRule = rope_rule(model.config.get_text_config())
        self.alone = bool(model.config.is_encoder_decoder)
        """Items are scored one at a time; encoder-decoders take only batches with equally many EOS tokens an item."""
        self.packed = False
        """Each distinct prefix of a batch is computed once, in one row without padding; asked of the model at load."""
        self.last: Any = None
        """The last layer, if a row may end there for the pooled tokens alone; asked of the model too."""
        self.remarks: list[str] = []
        self.pooled: Counter[str] = Counter()
        self.rows = embedded(model, name)
        self._identity = dict(identity or {})
        self._encoder = is_encoder(model.config)
        self._pad = usable_pad(model.config.get_text_config())
        if self._encoder and padding_side == "left":
            raise InputError(f"{name} is an encoder, which pools its first token: it can only be padded on the right.")

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything that can move a score, and nothing that must not."""
        return {"kind": self.model_type, **self._identity, **model_facts(self.model), **self.chat.describe()}

    @property
    def notes(self) -> list[str]:
        """What was repaired on the way, one sentence each."""
        repaired = ["The configuration names no pad token: batches are filled with an id that no item holds."]
        return sorted(self.chat.notes) + self.remarks + (repaired if self._pad is None and not self._encoder else [])

    def company(self, length: int) -> Hashable:
        """Items share a batch only where this agrees."""
        return self.rope.company(length)

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> Request:
        """Render and tokenise one completion in its context."""
        request = self.chat.request(prompt, completion, rendered, tools)
        if not request.ids:
            raise InputError("The text has no tokens.")
        refuse_unknown(request.ids, self.rows, self.chat.tokenizer)
        if self.model.config.is_encoder_decoder and self.model.config.eos_token_id not in request.ids:
            raise InputError("The text has no EOS token, from which this encoder-decoder is read.")
        self._count_pooled(request)
        return request

    def run(self, requests: Sequence[Request]) -> list[float]:
        """One forward; one logit a request, as a float. Raises ModelFailure if the model fails on one."""
        return run_reported(self.name, self.model.config, requests, self.forward)

    def forward(self, requests: Sequence[Request]) -> list[float]:
        """Run one forward over the whole batch; whatever the model raises passes."""
        return self._in_a_row(requests) if self.packed else self._padded(requests)

    def _in_a_row(self, requests: Sequence[Request]) -> list[float]:
        """Every distinct prefix once, and the head on the pooled positions alone."""
        import torch

        tree = plant([request.ids for request in requests])
        at = [int(tree.slots(n, i, i + 1)[0]) for n, i in enumerate(map(self._pooled_at, requests))]
        wanted, which = np.unique(at, return_inverse=True)
        reset_rope(self.model, self.rope)
        with torch.inference_mode(), _pad_token(self.model, 0 if self._pad is None else self._pad):
            hidden = hidden_states(self.model, Row(tree, wanted), self.last)[which]
            ids = torch.from_numpy(tree.ids[at]).to(hidden.device)
            logits = through_head(self.model, hidden[:, None], ids[:, None])
        return [float(x) for x in logits.float().reshape(-1).tolist()]

    def _pooled_at(self, request: Request) -> int:
        """The last token that is not the pad token, as transformers has it for decoders."""
        return next((i for i in range(len(request) - 1, -1, -1) if request.ids[i] != self._pad), 0)

    def _padded(self, requests: Sequence[Request]) -> list[float]:
        import torch

        fill = filler(requests, self._pad, self.model.config.get_text_config().vocab_size)
        inputs = pad_batch(requests, fill, self.padding_side, self.model.device)
        reset_rope(self.model, self.rope)
        with torch.inference_mode(), _pad_token(self.model, fill):
            logits = self.model(**accepted(self.model, inputs)).logits
        return [float(x) for x in logits.float().reshape(-1).tolist()]

    def by_itself(self, request: Request) -> float:
        """The definition that every batch must equal: the model's own forward on one unpadded text."""
        import torch

        with torch.inference_mode(), reported(self.name, self.model.config, request):
            reset_rope(self.model, self.rope)
            ids = torch.tensor([request.ids], device=self.model.device)
            return float(self.model(**accepted(self.model, {"input_ids": ids})).logits)

    def _count_pooled(self, request: Request) -> None:
        """Name the token its score is read from: the last that is not the pad token (an encoder's own choice)."""
        if self.model.config.is_encoder_decoder:
            token = self.model.config.eos_token_id
        else:
            token = request.ids[0 if self._encoder else self._pooled_at(request)]
        self.pooled[str(self.chat.tokenizer.convert_ids_to_tokens(token))] += 1

    def _rule(self) -> str:
        if self.model.config.is_encoder_decoder:
            return "last EOS token"
        return "the encoder's own" if self._encoder else f"last token whose id is not {self._pad}"

    def details(self) -> dict[str, Any]:
        """What the manifest adds after a run: from which tokens scores were read, and how often."""
        return {"pooling": self._rule(), "pooled_tokens": dict(self.pooled.most_common(10))}


@contextmanager
def _pad_token(model: Any, pad: int) -> Iterator[None]:
    """Within, the model takes this id for padding; some refuse a batch without one."""
    config = model.config.get_text_config()
    named, config.pad_token_id = config.pad_token_id, pad
    try:
        yield
    finally:
        config.pad_token_id = named


def is_encoder(config: Any) -> bool:
    """Whether the architecture was made for masked language modelling, so that its first token is pooled."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

    return config.model_type in MASKED


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

    Raises: InputError for a head that would be random, several labels, or a tokenizer of another vocabulary.
    """
    folder = load.locate(spec.model, spec.revision, spec.trust_remote_code)
    from transformers import AutoModelForSequenceClassification  # takes seconds, which a wrong name need not wait

    config = load.load_config(folder, spec, spec.model)
    tokenizer = load.load_tokenizer(folder, spec, spec.model)
    model, remarks = load.load_model(AutoModelForSequenceClassification, folder, spec, spec.model, config)
    if model.config.num_labels != 1:
        raise InputError(
            f"{spec.model} gives {model.config.num_labels} numbers an item, and which of them is the reward is not "
            "declared: pass a model with one label."
        )
    load.refuse_moods(config, spec.model)
    if hasattr(model, "_shift_right") and getattr(config, "decoder_start_token_id", None) is None:
        raise InputError(
            f"{spec.model} is an encoder-decoder whose config.json names no decoder_start_token_id, from which its "
            "decoder starts: add the one it was trained with."
        )
    remarks += load.check_vocabulary(tokenizer, model, spec.model)
    limit = load.length_limit(model, tokenizer, spec.max_length)
    template, notes = choose_template(spec.chat_template, spec.model, folder, config)
    remarks += notes
    chat = Chat(tokenizer, template, limit, spec.truncation_side, name=spec.model)
    scorer = Classifier(model, chat, spec.model, identify(folder, config, tokenizer, spec.trust_remote_code))
    remarks += cache_note(folder, spec.model, spec.revision)
    scorer.remarks = remarks + settle(scorer, may_pack=not is_encoder(config))
    scorer.pooled.clear()  # of the probes
    return scorer
