"""Random Llamas for benchmarks: real shapes, a real tokenizer, weights scaled so that scores of texts differ."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
"""By the parameters in their layers, in millions."""


def make_models(folder: Path, size: str, kind: str, texts: Iterable[str]) -> tuple[str, str | None]:
    """A reward model, or for `dpo` a policy and its reference, each with the tokenizer, in folders of their own."""
    tokenizer = train_tokenizer(texts)
    if kind == "classifier":
        return make_model(folder / "model", SIZES[size], False, 0, tokenizer), None
    policy, reference = (
        make_model(folder / name, SIZES[size], True, seed, tokenizer) for seed, name in enumerate(("policy", "ref"))
    )
    return policy, reference


def train_tokenizer(texts: Iterable[str]) -> Any:
    """A byte-level BPE that has seen these texts. It adds no token of its own: BOS and EOS stand in the template."""
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


def make_model(folder: Path, size: Size, causal: bool, seed: int, tokenizer: Any) -> str:
    """Save a random Llama, causal or with one label."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

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
    model = (LlamaForCausalLM if causal else LlamaForSequenceClassification)(config)
    spread(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    settings = folder / "tokenizer_config.json"  # the class by the name that every version of transformers knows
    known = json.loads(settings.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    settings.write_text(json.dumps(known, indent=1))
    return str(folder)


def spread(model: Any) -> None:
    """Draw weights that keep the size of what passes through them, so that scores differ and no layer saturates."""
    import torch

    table, outputs = model.get_input_embeddings().weight, model.get_output_embeddings()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.normal_(0, 1 if weight is table else weight.shape[1] ** -0.5)
        if outputs is not None:
            outputs.weight.mul_(0.5)  # log-probabilities of two such models then differ by less than 1 a token
