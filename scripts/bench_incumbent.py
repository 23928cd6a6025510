"""Score pairs with the published `rewardbench` package, for `scripts/benchmark`, which starts this in its environment.

    python -m venv incumbent && incumbent/bin/pip install 'rewardbench==0.1.4' 'trl<0.16'

Only the package's own functions score: `prepare_dialogue_from_tokenizer`, `RewardBenchPipeline`, `DPOInference`. What
is adapted moves no score: the device may be a CPU, nothing is quantised, and files of newer versions of transformers
are read. The loop over batches is that of its command line.

Speaks JSON lines: reads a job, loads, scores a few pairs to warm up, says that it is ready; then scores all pairs once
for every line that it reads, and answers with seconds (tokenising included, templates and loading not) and scores.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

WARM = 4
"""Pairs scored before the first that is timed."""


def main() -> None:
    end_with_parent()
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to stderr: stdout is the channel
    job = json.loads(sys.stdin.readline())

    import torch

    torch.set_num_threads(job["threads"])
    score, rows = (make_dpo if job["reference"] else make_classifier)(job)
    score(rows[:WARM])
    from importlib.metadata import version

    say(channel, {"ready": True, "version": version("rewardbench")})
    for _ in sys.stdin:
        start = time.perf_counter()
        scores = score(rows)
        say(channel, {"seconds": time.perf_counter() - start, "scores": scores})


def end_with_parent():
    """End as soon as the benchmark has ended, also in the middle of a pass; rewardbench.processes is not known here."""
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def say(channel, message):
    channel.write(json.dumps(message) + "\n")
    channel.flush()


def make_classifier(job):
    """Its reward model pipeline, which pads chosen and rejected texts of a batch apart, on the left."""
    from rewardbench.models.pipeline import RewardBenchPipeline
    from transformers import AutoModelForSequenceClassification

    model, tokenizer = load(AutoModelForSequenceClassification, job["model"], job), load_tokenizer(job["model"])
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token_id = tokenizer.eos_token_id
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    tokenizer.padding_side = tokenizer.truncation_side = "left"
    redirect_batches(job["device"])
    pipe = RewardBenchPipeline("text-classification", model=model, tokenizer=tokenizer)
    options = {"batch_size": job["batch_size"], "truncation": True, "padding": True, "max_length": job["max_length"]}

    def score(rows):
        scores = []
        for batch in batches(rows, job["batch_size"]):
            sides = [pipe([row[key] for row in batch], **options) for key in ("text_chosen", "text_rejected")]
            scores += zip(*(logits.float().flatten().tolist() for logits in sides), strict=True)
        return scores

    return score, render(job, tokenizer)


def make_dpo(job):
    """Its DPO inference: rows are tokenised one by one, then collated by trl and run through policy and reference."""
    import torch
    from accelerate import Accelerator
    from rewardbench.dpo import DPOInference
    from transformers import AutoModelForCausalLM
    from trl.trainer.utils import DPODataCollatorWithPadding

    tokenizer = load_tokenizer(job["model"])
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token_id = tokenizer.eos_token_id
    policy, reference = (load(AutoModelForCausalLM, job[name], job) for name in ("model", "reference"))
    accelerator = Accelerator(cpu=job["device"] == "cpu")
    dpo = DPOInference(policy, reference, tokenizer=tokenizer, accelerator=accelerator)
    dpo.max_length = job["max_length"]
    collate = DPODataCollatorWithPadding(
        pad_token_id=tokenizer.pad_token_id, label_pad_token_id=dpo.label_pad_token_id, is_encoder_decoder=False
    )

    def score(rows):
        scores = []
        features = [dpo.tokenize_row(row) for row in rows]
        with torch.no_grad():
            for batch in batches(features, job["batch_size"]):
                rewards = dpo.inference_step(collate(batch))
                scores += zip(*(part.float().tolist() for part in rewards), strict=True)
        return scores

    return score, render(job, tokenizer)


def load(auto, folder, job):
    import torch

    options = {"torch_dtype": getattr(torch, job["dtype"]), **rotation(folder)}
    return auto.from_pretrained(folder, **options).to(job["device"]).eval()


def rotation(folder):
    """The settings of rotary positions by the names that its transformers reads; it takes defaults for newer ones."""
    rope = json.loads(Path(folder, "config.json").read_text(encoding="utf-8")).get("rope_parameters") or {}
    if "rope_theta" not in rope:
        return {}
    scaling = {name: value for name, value in rope.items() if name != "rope_theta"}
    plain = scaling.get("rope_type", "default") == "default"
    return {"rope_theta": rope["rope_theta"], **({} if plain else {"rope_scaling": scaling})}


def load_tokenizer(folder):
    """Its transformers knows neither the class name, nor the file of the template that newer versions write.

    Of the extra special tokens, which are a list now, all that is needed stands in tokenizer.json.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, extra_special_tokens={})
    except ValueError:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, extra_special_tokens={})
    template = Path(folder, "chat_template.jinja")
    if tokenizer.chat_template is None and template.is_file():
        tokenizer.chat_template = template.read_text(encoding="utf-8")
    if "token_type_ids" in tokenizer.model_input_names:  # which a Llama refuses
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return tokenizer


def redirect_batches(device):
    """Its pipeline moves every batch to a GPU by name; here to where the model is."""
    from transformers.tokenization_utils_base import BatchEncoding

    move = BatchEncoding.to
    BatchEncoding.to = lambda batch, asked, **options: move(batch, device, **options)


def render(job, tokenizer):
    from rewardbench.utils import prepare_dialogue_from_tokenizer

    return [prepare_dialogue_from_tokenizer(dict(row), tokenizer) for row in job["rows"]]


def batches(rows, size):
    return [rows[at : at + size] for at in range(0, len(rows), size)]


if __name__ == "__main__":
    main()
