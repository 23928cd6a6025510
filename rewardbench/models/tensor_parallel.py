"""Tensor parallelism: divide the weights of each layer among the processes of torchrun, by the plan of transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.processes import whole_number
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

DEVICE_MAP = "tensor_parallel"
"""The value of --device_map."""
HEADS = ("num_attention_heads", "num_key_value_heads")
"""Numbers in a configuration that the processes must divide evenly."""


def parallel_options(spec: ModelSpec, config: PreTrainedConfig) -> dict[str, object]:
    """Return the options of `from_pretrained` that divide a model among the processes of torchrun.

    Raises:
        InputError: if there is one process only, an option excludes this, or the architecture cannot be divided so.
    """
    size = whole_number("WORLD_SIZE") or 1
    if size < 2:
        raise InputError(
            f"--device_map {DEVICE_MAP} divides each layer among several processes: start them by torchrun "
            "--nproc_per_node 2 -m rewardbench."
        )
    quantized = spec.load_in_8bit or spec.load_in_4bit or getattr(config, "quantization_config", None)
    if quantized or spec.compile or spec.max_memory:
        raise InputError(
            f"--device_map {DEVICE_MAP} excludes quantised weights, --compile and --max_memory: pass --device_map auto "
            "in one process."
        )
    text_config = config.get_text_config()
    if not getattr(text_config, "base_model_tp_plan", None):
        raise InputError(
            f"transformers has no plan to divide the layers of {spec.model} (architecture {config.model_type}) among "
            "processes: pass --device_map auto in one process."
        )
    for name in HEADS:
        count = getattr(text_config, name, None)
        if count and count % size:
            raise InputError(
                f"{spec.model} has {name} {count}, which {size} processes cannot divide evenly: start a number that "
                f"divides {count}."
            )
    from transformers.distributed.configuration_utils import DistributedConfig

    if "tp_size" not in vars(DistributedConfig):  # an early transformers 5
        return {"tp_plan": "auto"}
    return {"distributed_config": DistributedConfig(tp_size=size)}


def parallel_note() -> str:
    """Return the note on a model that is divided."""
    return f"Each layer was divided among {whole_number('WORLD_SIZE')} processes (tensor parallelism)."


def is_parallel(model: PreTrainedModel | None) -> bool:
    """Return True if the weights of a model are divided among processes, which must then run each batch together."""
    if model is None:
        return False
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return False
    from torch.distributed.tensor import DTensor

    return any(isinstance(weight, DTensor) for weight in model.parameters())
