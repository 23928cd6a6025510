"""Make random Llamas for scripts/benchmark: real shapes, a trained tokenizer, and weights with which scores differ."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|pad|>", "<|bos|>", "<|eos|>", "<|system|>", "<|user|>", "<|assistant|>"]
VOCABULARY = 4096
POSITIONS = 4096


@dataclass(frozen=True)
class Size:
    """The shape of a Llama."""

    hidden: int
    layers: int
    inner: int
    heads: int


SIZES = {"10m": Size(320, 8, 864, 5), "50m": Size(640, 10, 1728, 10)}
"""Shapes by the number of parameters in their layers."""


def make_models(
    folder: Path, size: str, kind: str, texts: Iterable[str], device: str = "cpu", dtype: str = "float32"
) -> tuple[str, str | None]:
    """Save a reward model, or a policy and its reference if `kind` is "dpo", and return their folders.

    Args:
        folder: Where each model gets a folder.
        size: Key of SIZES.
        kind: "classifier" or "dpo".
        texts: Texts to train the tokenizer on.
        device: Where a reward model is made; a large one takes minutes on a CPU.
        dtype: Of the weights of a reward model.
    """
    tokenizer = train_tokenizer(texts)
    if kind == "classifier":
        return make_model(folder / "model", SIZES[size], False, 0, tokenizer, device, dtype), None
    policy = make_model(folder / "policy", SIZES[size], True, 0, tokenizer)
    return policy, make_model(folder / "ref", SIZES[size], True, 1, tokenizer)


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE. It adds no special tokens: the template has BOS and EOS."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    pad, bos, eos = SPECIAL[:3]
    names = ["input_ids", "attention_mask"]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=pad, bos_token=bos, eos_token=eos, model_input_names=names
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model(
    folder: Path,
    size: Size,
    causal: bool,
    seed: int,
    tokenizer: PreTrainedTokenizerFast,
    device: str = "cpu",
    dtype: str = "float32",
) -> str:
    """Save a random Llama, causal or with one label, and return its folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, LlamaConfig

    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        intermediate_size=size.inner,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=False,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        **({} if causal else {"num_labels": 1}),
    )
    torch.manual_seed(seed)
    auto_class = AutoModelForCausalLM if causal else AutoModelForSequenceClassification
    with torch.device(device):
        model = auto_class.from_config(config, dtype=getattr(torch, dtype))
    scale_weights(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"  # with a class name that every version of transformers knows
    settings = json.loads(path.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    path.write_text(json.dumps(settings, indent=1))
    return str(folder)


def scale_weights(model: PreTrainedModel) -> None:
    """Draw weights that preserve the scale of activations, so that scores differ and no layer saturates."""
    import torch

    embeddings, outputs = model.get_input_embeddings().weight, model.get_output_embeddings()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.normal_(0, 1 if weight is embeddings else weight.shape[1] ** -0.5)
        if outputs is not None:
            outputs.weight.mul_(0.5)  # log-probabilities of two such models then differ by less than 1 a token
