"""Choose devices and the dtype of a model, copy to them, and check whether models fit in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardbench.errors import InputError
from rewardbench.models.failures import first_sentence
from rewardbench.models.weight_files import weight_files
from rewardbench.processes import whole_number

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedModel


def pick_device(requested: str | None) -> torch.device:
    """Return the requested device, else this process's GPU, else the CPU.

    Raises:
        InputError: if the requested device cannot be used.
    """
    import torch

    if requested:
        try:
            probe = torch.zeros(1, device=requested)
            probe.item()
        except Exception as error:  # AssertionError, RuntimeError and others, by device
            raise InputError(
                f"--device {requested} cannot be used here ({first_sentence(error)}): pass cpu, or leave it out."
            ) from error
        return probe.device
    if torch.cuda.is_available():
        local_rank = whole_number("LOCAL_RANK") or 0  # set by torchrun, and by our pool of workers
        return torch.device("cuda", local_rank % torch.cuda.device_count())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_name(kind: object) -> str:
    """Return the name of the device of a kind, as a fingerprint has it: a GPU's, or the architecture of the CPU."""
    import platform

    import torch

    return torch.cuda.get_device_name() if kind == "cuda" else platform.machine()


def input_device(model: PreTrainedModel) -> torch.device:
    """Return the device that takes a model's token ids; for weights that are offloaded, where they are computed."""
    import torch

    hook = getattr(model.get_input_embeddings(), "_hf_hook", None)
    device = getattr(hook, "execution_device", None)
    return model.device if device is None else torch.device(device)


def is_gpu(device: torch.device) -> bool:
    """Return True if a device is a CUDA GPU."""
    return device.type == "cuda"


def copy_to(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Copy an array to a device; from pinned memory to a GPU, so that the copy does not wait for its kernels."""
    import torch

    return move_to(torch.from_numpy(array), device)


def move_to(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor of the host to a device, as `copy_to` does."""
    pins = is_gpu(device)
    return (tensor.pin_memory() if pins else tensor).to(device, non_blocking=pins)


def gpu_devices(model: PreTrainedModel) -> list[torch.device]:
    """Return the GPUs on which a model computes; empty on other devices."""
    import torch

    places = (getattr(model, "hf_device_map", None) or {}).values()
    devices = {torch.device("cuda", place) for place in places if isinstance(place, int)}
    first = input_device(model)
    return sorted(devices | ({first} if first.type == "cuda" else set()), key=str)


def pick_dtype(requested: str, device: torch.device) -> torch.dtype | str:
    """Return the dtype to load weights in; `auto` is float32 on a CPU and the checkpoint's own on other devices."""
    import torch

    if requested == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    dtype: torch.dtype = getattr(torch, requested)
    return dtype


def fits_in_memory(folders: Sequence[Path], device: torch.device) -> bool:
    """Return True if the weights in all folders together take less than half of the device's free memory."""
    import psutil
    import torch

    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    growth = 2 if device.type == "cpu" else 1  # bfloat16 files become float32 on a CPU
    size = 0
    for folder in folders:
        size += sum(file.stat().st_size for file in weight_files(folder))
    return bool(growth * size < free / 2)


def release() -> None:
    """Free the memory of models that are no longer referenced."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
