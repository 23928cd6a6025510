"""Protocols of small local judges, as files, and random models with a tokenizer that has their labels as tokens."""

import json
from pathlib import Path
from typing import Any

from random_models import CORPUS, make_model, make_tokenizer

from rewardbench.settings import JudgeSpec, ModelSpec

ASK = "Which is better?\n{{ conversation }}\n# A\n{{ responses[0] }}\n# B\n{{ responses[1] }}"
RATE = "How good is it?\n{{ conversation }}\n# Response\n{{ responses[0] }}"
LOGITS = {
    "view": "pairwise",
    "messages": [{"role": "user", "content": ASK}],
    "answer": {"kind": "tokens", "tokens": {"A": ["A", " A"], "B": ["B", " B"]}},
    "sampling": {"max_tokens": 1, "top_logprobs": 20},
}
CHOICE = {
    "view": "pairwise",
    "messages": [{"role": "user", "content": ASK}],
    "answer": {"kind": "choice", "patterns": ["([AB])"], "labels": ["A", "B"]},
    "sampling": {"max_tokens": 8},
}


def judge_tokenizer(**options: Any) -> Any:
    """Return a tokenizer for which the labels A and B, with and without a space, are single tokens."""
    return make_tokenizer(corpus=[*CORPUS, "A B A B A B " * 20], **options)


def write_protocol(path: Path, **fields: Any) -> str:
    """Write a protocol as a YAML file, of which JSON is a part; return its path."""
    path.write_text(json.dumps({"name": f"my_{path.stem}", **fields}))
    return str(path)


def judge_spec(folder: Path, protocol: str, **options: Any) -> ModelSpec:
    """Return the specification of a local judge on the CPU; `judge` holds fields of its JudgeSpec."""
    return ModelSpec(str(folder), device="cpu", judge=JudgeSpec(protocol, **options.pop("judge", {})), **options)


def make_judge(folder: Path, arch: str = "llama", tokenizer: Any = None, **options: Any) -> Path:
    """Save a random causal model that often writes A, B and the end of its turn."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = tokenizer or judge_tokenizer()
    if arch == "mixtral":
        options = {"num_key_value_heads": 2, "num_local_experts": 4, **options}
    make_model(folder, arch, "causal", tokenizer=tokenizer, **options)
    model = AutoModelForCausalLM.from_pretrained(folder)
    factors = {"A": 4.0, "B": 4.0, tokenizer.eos_token: 2.5}
    with torch.no_grad():
        for token, factor in factors.items():
            model.get_output_embeddings().weight[tokenizer.convert_tokens_to_ids(token)] *= factor
    model.save_pretrained(folder)
    return folder
