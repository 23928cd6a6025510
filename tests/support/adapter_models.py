"""Small PEFT adapters on random base models, as peft saves them, and the same models merged by peft."""

import json

import torch
from peft import LoraConfig, TaskType, get_peft_model
from random_models import make_tokenizer, pairs
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from rewardbench.engine.loop import score

LORA = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"]}
ITEMS = pairs(6, 20)


def lora(task="SEQ_CLS", **options):
    """Return the configuration of a LoRA adapter whose weights are random, not zero."""
    return LoraConfig(task_type=TaskType(task), **{"init_lora_weights": False, **LORA, **options})


def make_adapter(folder, base, config=None, base_name=None, seed=0, resize=None):
    """Save an adapter of a base, and return its folder; `peft_model` of the same seed has the same weights."""
    model = peft_model(base, config or lora(), seed, resize)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    edit_config(folder, base_model_name_or_path=str(base if base_name is None else base_name))
    return folder


def peft_model(base, config, seed=0, resize=None):
    """Return a base with a random adapter; a classifier has one label."""
    torch.manual_seed(seed)
    if config.task_type == "SEQ_CLS":
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, dtype=torch.float32)
    else:
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if resize:
        model.resize_token_embeddings(resize)
    model = get_peft_model(model, config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name or weight.requires_grad:
                weight.normal_(std=0.3)
    return model.eval()


def merged(folder, base, config=None, seed=0):
    """Save the same model merged by peft, with the base's tokenizer, and return its folder."""
    model = peft_model(base, config or lora(), seed).merge_and_unload()
    model.config.pad_token_id = 0
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def edit_config(folder, **fields):
    """Change fields of an adapter_config.json."""
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def edit_tensors(folder, change):
    """Replace the tensors of an adapter by what a function returns for them."""
    from safetensors.torch import load_file, save_file

    path = folder / "adapter_model.safetensors"
    save_file(change(load_file(path)), path, {"format": "pt"})


def scores_of(scorer, items=ITEMS):
    """Return the scores of all completions, item by item."""
    values = []
    for item in score(items, scorer).items:
        values += item.scores
    return values
