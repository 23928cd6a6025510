"""Names of commands and options in other programs, and what they are called here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer._click.exceptions import NoSuchOption

COMMANDS = {
    "evaluate": "rewardbench --model MODEL --dataset DATASET scores a model",
    "list": "rewardbench index lists results, rewardbench data list lists suites",
}
"""What to call instead of commands that other programs have and this one does not."""

QUANTISATION = ("--load_in_8bit", "--load_in_4bit")
OPTIONS = {
    **dict.fromkeys(("quantized", "quantize", "quantization", "quantization_config", "8bit", "4bit"), QUANTISATION),
    **dict.fromkeys(("bf16", "fp16", "dtype", "precision"), ("--torch_dtype",)),
    **dict.fromkeys(("model_name", "model_path", "model_name_or_path", "model_args"), ("--model", "--models")),
    **dict.fromkeys(("tasks", "dataset_name", "datasets", "suite"), ("--dataset", "--datasets")),
    **dict.fromkeys(("max_samples", "num_samples", "max_eval_samples"), ("--limit", "--sample")),
    **dict.fromkeys(("per_device_eval_batch_size", "eval_batch_size"), ("--batch_size",)),
    **dict.fromkeys(("to", "results"), ("--store",)),
    **dict.fromkeys(("output_path", "output_folder", "results_dir"), ("--output_dir",)),
}
"""Options of transformers, TRL, lm-eval and others, with those that this program has for the same purpose."""


def missing_option(error: NoSuchOption) -> str:
    """Return the error message about an option that does not exist, with the options that it may mean.

    An option that another program has is answered by its name here; any other by options with similar names.
    """
    name = error.option_name.lstrip("-").replace("-", "_")
    known: set[str] = set()
    for param in error.ctx.command.params if error.ctx else ():
        known.update(param.opts)
    meant = [option for option in OPTIONS.get(name, ()) if option in known]
    if meant:
        return f"{error.message} (Did you mean {' or '.join(meant)}?)"
    return error.format_message()
