"""Score pairs with the published `rewardbench` package; scripts/benchmark starts this in an environment that has it.

    python -m venv published && published/bin/pip install 'rewardbench==0.1.4' 'trl<0.16'
    scripts/benchmark --published_python published/bin/python

Only the package's own functions score: `prepare_dialogue_from_tokenizer`, `RewardBenchPipeline`, `DPOInference`. The
adaptations do not change a score: the device may be a CPU, nothing is quantised, and files of newer versions of
transformers are read. The loop over batches is that of its command line.

It exchanges JSON lines with the benchmark, as bench_serve.py describes.
"""

from __future__ import annotations

import json
from pathlib import Path

from bench_serve import serve


def main() -> None:
    """Score the pairs of a job each time the benchmark asks."""
    serve(load_job, describe)


def load_job(job):
    """Return a function that scores rows with the model of a job, and the rows."""
    import torch

    torch.set_num_threads(job["threads"])
    return make_dpo(job) if job["reference"] else make_classifier(job)


def describe(job):
    """Return the version of the published package."""
    from importlib.metadata import version

    return {"version": version("rewardbench")}


def make_classifier(job):
    """Return a function that scores rows with its reward model pipeline, and the rendered rows.

    The pipeline pads the chosen and the rejected texts of a batch separately, on the left.
    """
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
            chosen = pipe([row["text_chosen"] for row in batch], **options).float().flatten().tolist()
            rejected = pipe([row["text_rejected"] for row in batch], **options).float().flatten().tolist()
            scores += zip(chosen, rejected, strict=True)
        return scores

    return score, render(job, tokenizer)


def make_dpo(job):
    """Return a function that scores rows with its DPO inference, and the rendered rows.

    Rows are tokenised one by one, then collated by trl and run through policy and reference.
    """
    import torch
    from accelerate import Accelerator
    from rewardbench.dpo import DPOInference
    from transformers import AutoModelForCausalLM
    from trl.trainer.utils import DPODataCollatorWithPadding

    tokenizer = load_tokenizer(job["model"])
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token_id = tokenizer.eos_token_id
    policy = load(AutoModelForCausalLM, job["model"], job)
    reference = load(AutoModelForCausalLM, job["reference"], job)
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
                chosen, rejected = dpo.inference_step(collate(batch))
                scores += zip(chosen.float().tolist(), rejected.float().tolist(), strict=True)
        return scores

    return score, render(job, tokenizer)


def load(auto_class, folder, job):
    """Load a model onto the device of the job, in its dtype."""
    import torch

    options = {"torch_dtype": getattr(torch, job["dtype"]), **rope_options(folder)}
    return auto_class.from_pretrained(folder, **options).to(job["device"]).eval()


def rope_options(folder):
    """Return the RoPE settings by the names of its transformers, which ignores the newer names."""
    rope = json.loads(Path(folder, "config.json").read_text(encoding="utf-8")).get("rope_parameters") or {}
    if "rope_theta" not in rope:
        return {}
    scaling = {name: value for name, value in rope.items() if name != "rope_theta"}
    options = {"rope_theta": rope["rope_theta"]}
    if scaling.get("rope_type", "default") != "default":
        options["rope_scaling"] = scaling
    return options


def load_tokenizer(folder):
    """Load a tokenizer whose class name and template file its transformers does not know.

    Newer versions save the extra special tokens as a list, which it cannot read; tokenizer.json has them too.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, extra_special_tokens={})
    except ValueError:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, extra_special_tokens={})
    template = Path(folder, "chat_template.jinja")
    if tokenizer.chat_template is None and template.is_file():
        tokenizer.chat_template = template.read_text(encoding="utf-8")
    if "token_type_ids" in tokenizer.model_input_names:  # which a Llama rejects
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return tokenizer


def redirect_batches(device):
    """Make its pipeline move batches to the device of the model; it names a GPU."""
    from transformers.tokenization_utils_base import BatchEncoding

    move = BatchEncoding.to
    BatchEncoding.to = lambda batch, named_device, **options: move(batch, device, **options)


def render(job, tokenizer):
    """Render the conversations of all rows."""
    from rewardbench.utils import prepare_dialogue_from_tokenizer

    return [prepare_dialogue_from_tokenizer(dict(row), tokenizer) for row in job["rows"]]


def batches(rows, size):
    """Split rows into batches, in order."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


if __name__ == "__main__":
    main()
