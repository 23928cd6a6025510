"""Name the format of a checkpoint that cannot be loaded, and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.models.weight_files import config_fields, matches_any

MOST_FOLDERS = 3
"""Subfolders that a message names."""


@dataclass(frozen=True)
class ForeignFormat:
    """A format of checkpoints that is not read."""

    patterns: tuple[str, ...]
    """Patterns of the paths or names of its files."""
    content: str
    way_out: str


FORMATS = (
    ForeignFormat(
        ("*.nemo", "model_config.yaml", "model_weights/*"),
        "a NeMo checkpoint",
        "export it to Hugging Face format with NeMo, or pass the converted repository (often named -HF)",
    ),
    ForeignFormat(
        ("*zero_pp_rank_*", "zero_to_fp32.py", "*mp_rank_*_model_states.pt", "global_step*/*"),
        "the shards of a DeepSpeed checkpoint",
        "run python zero_to_fp32.py . . --safe_serialization in its folder, and pass that folder",
    ),
    ForeignFormat(
        ("*mp_rank_*/model_optim_rng.pt", "mp_rank_*/*", "iter_*/*", "latest_checkpointed_iteration.txt"),
        "the shards of a Megatron checkpoint",
        "convert it to Hugging Face format with Megatron's own converter",
    ),
    ForeignFormat(
        ("*.distcp", "pytorch_model_fsdp_*/*"),
        "the shards of an FSDP or torch.distributed checkpoint",
        "merge them with accelerate merge-weights, and pass the folder that it writes",
    ),
    ForeignFormat(
        ("consolidated*", "params.json"),
        "weights in the original layout of Llama or Mistral",
        "convert them with the script of transformers for this architecture, or pass the -hf repository",
    ),
    ForeignFormat(("*.gguf", "*.ggml"), "GGUF files only", "pass the repository with the original safetensors files"),
    ForeignFormat(
        ("weights*.npz",),
        "weights for MLX only",
        "pass the repository with the original safetensors files",
    ),
    ForeignFormat(
        ("tf_model*.h5", "*.ckpt.index", "flax_model*.msgpack", "rust_model.*"),
        "weights for TensorFlow, Flax or Rust only",
        "load it with from_tf=True or from_flax=True in transformers 4, and save it with save_pretrained()",
    ),
    ForeignFormat(
        ("*.onnx", "openvino_model.*", "*.mlmodel", "*.mlpackage/*", "*.engine", "*.tflite"),
        "an export for inference only (ONNX, OpenVINO, Core ML or TensorRT)",
        "pass the repository of the model that was exported",
    ),
)
"""Formats that are not read, in the order in which they are looked for."""


def unreadable(name: str, files: Sequence[str]) -> InputError:
    """Return the error about a checkpoint without weights in a format that is read.

    Args:
        name: the folder or Hub id.
        files: paths of its files, from its root.
    """
    if not files:
        return InputError(f"{name} is empty: pass the folder of a model as save_pretrained() writes it.")
    for format_ in FORMATS:
        for file in sorted(files):
            if matches_any(file, format_.patterns) or matches_any(file.rpartition("/")[2], format_.patterns):
                return InputError(
                    f"{name} has {format_.content} ({file}), which rewardbench does not read: {format_.way_out}."
                )
    folders = sorted({file.rpartition("/")[0] for file in files if file.endswith((".safetensors", "model.bin"))})
    if folders:
        shown = ", ".join(folders[:MOST_FOLDERS]) + (", ..." if len(folders) > MOST_FOLDERS else "")
        return InputError(f"{name} has weights only in subfolders ({shown}): pass the local path of one of them.")
    if "config.json" not in files:
        return InputError(f"{name} has no config.json: pass the folder of a model as save_pretrained() writes it.")
    return InputError(
        f"{name} has no weights in safetensors files: save the model again with save_pretrained(), and pass its folder."
    )


def reject_mlx(folder: Path, name: str) -> None:
    """Reject safetensors files that MLX quantized, whose packed integers transformers would take for weights.

    Raises:
        InputError: if config.json has MLX's settings of quantization, and no method that transformers knows.
    """
    fields = config_fields(folder)
    settings, known = fields.get("quantization"), fields.get("quantization_config")
    has_method = isinstance(known, dict) and "quant_method" in known
    if isinstance(settings, dict) and {"group_size", "bits"} <= settings.keys() and not has_method:
        raise InputError(
            f"{name} has weights that were quantized for MLX, which transformers cannot load: pass the repository with "
            "the original safetensors files."
        )
