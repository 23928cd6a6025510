"""Write the model cards of the tiny models. Used by scripts/train_tiny_models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_HEADER = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: {task}
tags: [{tag}, rewardbench, tiny]
---
"""
_BODY = """
# {title}

{what}

It is a real model for tests and examples: it is loaded and scored by the same code as a model ten thousand times
its size. **It is not a good judge.** Do not use it to judge anything.

- Architecture: Llama, {parameters} parameters, width 128, bfloat16 safetensors, at most 4,096 tokens.
- Tokenizer: its own byte-level BPE of 2,048 tokens; a chat template with system, user and assistant turns.
- Data: {data}
- Made by `scripts/train_tiny_models` in minutes on two CPU cores; see there for every setting.

Accuracy on held-out pairs ({held_out}; chance is 0.5), in float32:

| pairs | accuracy |
|---|---|
{rows}

Licence: Apache-2.0.
"""
_WHAT = {
    "tiny-rm": (
        "text-classification",
        "reward-model",
        "4 layers, 1.1 M",
        "A reward model with one label, trained from scratch with the pairwise logistic loss on mirrors: two prompts,\n"
        "two responses, each right for one prompt only. It has learned only to look up which of two names the\n"
        "prompt forbids; it is at chance on everything else.",
    ),
    "tiny-dpo/reference": (
        "text-generation",
        "sft",
        "3 layers, 0.9 M",
        "The reference model of tiny-dpo: a causal language model trained on dialogues (SFT). Its policy is in\n"
        "the folder next to it; the implicit reward is the difference of their log-probabilities. The table shows\n"
        "that reward.",
    ),
    "tiny-dpo/policy": (
        "text-generation",
        "dpo",
        "3 layers, 0.9 M",
        "The policy of tiny-dpo: the reference after direct preference optimisation (β = 0.1) on mirrors\n"
        "(two prompts, two responses, each right for one prompt only).",
    ),
}


_DATA = {
    "tiny-rm": (
        "training mirrors of the builder `pink` with invented names, in lessons (`scripts/tiny_pink.py`). Topics,\n"
        "  dialogues and names are not those of core, and no eight consecutive words of the dialogues occur in it;\n"
        "  three quarters of the wordings of the rules are also in core.",
        "new names, the same topics and rules",
    ),
    "tiny-dpo": (
        "templates with invented names, rules and facts, written for this purpose (`scripts/tiny_phrases.toml`).\n"
        "  No eight consecutive words of it occur in the suite `core`.",
        "new names and topics, the same templates",
    ),
}


def write_card(folder: Path, model: str, accuracy: Mapping[str, float]) -> None:
    """Write `README.md` into a model's folder.

    Args:
        folder: Folder of the model.
        model: A key of `_WHAT`.
        accuracy: Held-out accuracy by kind of pairs, from 0 to 1.
    """
    task, tag, parameters, what = _WHAT[model]
    rows = "\n".join(f"| {name.replace('_', ' ')} | {share:.3f} |" for name, share in accuracy.items())
    data, held_out = _DATA[model.partition("/")[0]]
    body = _BODY.format(title=model, what=what, parameters=parameters, data=data, held_out=held_out, rows=rows)
    text = _HEADER.format(task=task, tag=tag) + body
    (folder / "README.md").write_text(text, encoding="utf-8")
