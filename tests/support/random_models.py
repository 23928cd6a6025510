"""Make small models: random weights and a real tokenizer, saved to a folder and loaded like any other model."""

import json
import random
from pathlib import Path
from typing import Any

from rewardbench.types import Item, Message

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

CORPUS = [
    "the capital of the country is a city by the river and the answer is short",
    "How many apples are left? 12 - 5 = 7. Please write exactly two sentences.",
    "def f(xs): return [x for x in xs if x > 3]  # Ankara, Istanbul, Lima, Oslo",
]

SIZES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2},
    "mistral": {"num_key_value_heads": 2, "sliding_window": 16},
    "qwen2": {"num_key_value_heads": 2},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8},
    "gemma2": {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 16},
    "gemma3_text": {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 16},
    "gpt_neox": {},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 2048},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "bert": {},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "max_relative_positions": -1,
        "position_buckets": 16,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
    },
    "modernbert": {"local_attention": 16},
    "phi3": {"num_key_value_heads": 2},
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "num_layers": 2, "decoder_start_token_id": 0},
}
"""Settings of each architecture in addition to the common sizes: 2 layers, width 32."""

VOCABULARY = 512
"""Rows of the embedding: more than the tokenizer has ids, as in real models."""

ENCODERS = {"bert", "deberta-v2", "modernbert"}


WORDS = "the capital of a country is the city by river and answer short apples left exactly two Lima Oslo def".split()


def words(rng: random.Random, n: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(n))


def turn(role: str, content: str) -> tuple[Message, ...]:
    return (Message(role=role, content=content),)


def pairs(count: int = 20, longest: int = 60, seed: int = 0) -> list[Item]:
    """Return random pairs; `longest` is the maximum number of words of a message."""
    rng = random.Random(seed)
    items = []
    for n in range(count):
        prompt, chosen, rejected = (
            turn(role, words(rng, rng.randint(1, longest))) for role in ("user", "assistant", "assistant")
        )
        items.append(Item(str(n), "all", prompt, (chosen, rejected)))
    return items


def mixed_items() -> list[Item]:
    """Return pairs that differ as much as possible: long and short, prefixes of others, steps, turns, duplicates."""
    rng = random.Random(0)
    long, question, answer = words(rng, 150), words(rng, 12), words(rng, 9)
    turns = (*turn("user", question), *turn("assistant", answer), *turn("user", "and Lima"))
    contents = [
        (turn("user", long), words(rng, 70), "a"),
        (turn("user", "a"), "b", "the"),
        (turn("user", question), answer, f"{answer} and more"),
        (turn("user", f"{question} more"), answer, words(rng, 5)),
        (turn("user", "How many?"), "5 apples\n\n2 are gone\n\n3 are left", "7\n\nso 7 + 2 - 1"),
        (turns, "Oslo", "Lima, by the river"),
        (turn("user", "ö ² ½ 東京 🙂"), "naïve – “東京” 🙂🙂", "ﬁne\u00a0\u200b"),
        (turn("user", "a"), "b", "the"),
        (turn("user", "a"), "the", "b"),
    ]
    items = []
    for n, (prompt, *answers) in enumerate(contents):
        completions = tuple(turn("assistant", text) for text in answers)
        items.append(Item(f"mixed {n}", "all", prompt, completions))
    return items


def make_tokenizer(
    template: str | None = TEMPLATE,
    encoder: bool = False,
    corpus: list[str] = CORPUS,
    special: tuple[str, ...] = (),
    pattern: str | None = None,
) -> Any:
    """Train a byte-level BPE tokenizer on a few lines, with BOS (decoders) or CLS and SEP (encoders).

    Args:
        template: chat template.
        encoder: whether texts, and pairs of texts, get CLS and SEP.
        corpus: the lines.
        special: special tokens in addition to those of the template.
        pattern: regular expression of words; None is GPT-2's.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if pattern:
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        core.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    core.decoder = decoders.ByteLevel()
    tokens = ["<|pad|>", "<|bos|>", "<|eos|>", "<|system|>", "<|user|>", "<|assistant|>", *special]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=tokens, initial_alphabet=alphabet)
    core.train_from_iterator(corpus, trainer)
    if encoder:
        core.post_processor = processors.TemplateProcessing(
            single="<|bos|> $A <|eos|>",
            pair="<|bos|> $A <|eos|> $B:1 <|eos|>:1",
            special_tokens=[("<|bos|>", 1), ("<|eos|>", 2)],
        )
        names = {"cls_token": "<|bos|>", "sep_token": "<|eos|>"}
    else:
        names = {"bos_token": "<|bos|>", "eos_token": "<|eos|>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<|pad|>", **names)
    tokenizer.chat_template = template.replace("{{ bos_token }}", "") if encoder and template else template
    if encoder and tokenizer.chat_template:
        tokenizer.chat_template = tokenizer.chat_template.replace("{{ eos_token }}", "")
    return tokenizer


def make_word_tokenizer(template: str | None = None, special: tuple[str, ...] = (), corpus: list[str] = CORPUS) -> Any:
    """Train a BPE tokenizer that marks the start of words by a low line, as those of Llama 2 and T5 do."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    tokens = ["<|pad|>", "<|bos|>", "<|eos|>", "<unk>", *special]
    letters = [chr(code) for code in range(32, 127)]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=tokens, initial_alphabet=letters)
    core.train_from_iterator(corpus, trainer)
    names = {"pad_token": "<|pad|>", "bos_token": "<|bos|>", "eos_token": "<|eos|>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, **names)
    tokenizer.chat_template = template
    return tokenizer


def make_config(arch: str, vocabulary: int, **options: Any) -> Any:
    from transformers import AutoConfig

    common = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 2048,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if arch == "gpt2":
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"):
            common.pop(name)
    if arch == "t5":
        common = {name: common[name] for name in ("vocab_size", "pad_token_id", "eos_token_id")}
    if arch == "modernbert":
        common.update(cls_token_id=1, sep_token_id=2)
    return AutoConfig.for_model(arch, **{**common, **SIZES.get(arch, {}), **options})


def make_model(folder: Path, arch: str = "llama", kind: str = "reward", seed: int = 0, **options: Any) -> Path:
    """Save a random model with its tokenizer; `kind` is reward, causal or seq2seq. Its scores spread (see `spread`)."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

    tokenizer = options.pop("tokenizer", None) or make_tokenizer(encoder=arch in ENCODERS)
    config = make_config(arch, VOCABULARY, **options)
    torch.manual_seed(seed)
    if kind == "reward":
        if "num_labels" not in options:
            config.num_labels = 1
        model = AutoModelForSequenceClassification.from_config(config)
    else:
        model_class = AutoModelForSeq2SeqLM if kind == "seq2seq" else AutoModelForCausalLM
        model = model_class.from_config(config)
    spread(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def spread(model: Any) -> None:
    """Widen random weights until scores of different texts differ by tenths and positions matter."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                weight.mul_(12.0 if "wpe" in name or "position" in name else 4.0)


def write_pairs(path: Path, count: int) -> None:
    """Write random pairs as a .jsonl file."""
    with path.open("w") as file:
        for item in pairs(count, 40):
            chosen, rejected = (completion[0]["content"] for completion in item.completions)
            row = {"id": item.id, "prompt": item.prompt[0]["content"], "chosen": chosen, "rejected": rejected}
            file.write(json.dumps(row) + "\n")
