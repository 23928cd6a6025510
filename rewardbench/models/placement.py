"""Place a model in memory: its dtype, its device or devices, and quantised weights if they are requested."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.models.devices import pick_device, pick_dtype
from rewardbench.models.tensor_parallel import DEVICE_MAP, parallel_note, parallel_options
from rewardbench.processes import whole_number
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedConfig, PreTrainedModel

MEMORY = re.compile(r"\s*(cpu|mps|\d+)\s*=\s*(\d+(?:\.\d+)?\s*[KMGT]i?B)\s*", re.IGNORECASE)
"""Matches one entry of --max_memory: a device and a size."""

EIGHT_BIT_NOTE = (
    "Weights were quantised to 8 bits when they were loaded (bitsandbytes LLM.int8()), in which batching can change a "
    "score."
)
FOUR_BIT_NOTE = "Weights were quantised to 4 bits when they were loaded (bitsandbytes NF4)."


def loading_options(spec: ModelSpec, config: PreTrainedConfig) -> dict[str, object]:
    """Return the options of `from_pretrained` that place a model.

    Args:
        spec: the model, and how it is loaded.
        config: its configuration, which says whether its weights are stored quantised.

    Raises:
        InputError: if options exclude each other, or a package or device that they need is missing.
    """
    if spec.device_map and spec.device:
        raise InputError("--device and --device_map exclude each other: --device_map spreads a model over all devices.")
    if spec.max_memory and not spec.device_map:
        raise InputError("--max_memory limits the devices of --device_map: pass --device_map auto too.")
    device = pick_device(spec.device)
    options: dict[str, object] = {"dtype": pick_dtype(spec.dtype, device)}
    if spec.attn_implementation == "flex_attention":
        _check_flex_attention()
    elif spec.attn_implementation:
        options["attn_implementation"] = spec.attn_implementation
    stored = stored_quantization(config)
    if stored and (spec.load_in_8bit or spec.load_in_4bit):
        raise InputError(f"{spec.model} is stored quantised ({stored}): leave out --load_in_8bit and --load_in_4bit.")
    quantization = _requested_quantization(spec)
    if quantization:
        options["quantization_config"] = quantization
    if spec.device_map == DEVICE_MAP:
        options |= parallel_options(spec, config)
    elif spec.device_map:
        options["device_map"] = _check_device_map(spec)
        if spec.max_memory:
            options["max_memory"] = read_max_memory(spec.max_memory)
    elif quantization or stored:
        options["device_map"] = {"": device}  # quantised weights cannot be moved later
    return options


def to_device(model: PreTrainedModel, spec: ModelSpec) -> PreTrainedModel:
    """Move a model to its device, unless `from_pretrained` has placed it; set evaluation mode."""
    if not spec.device_map and not is_quantized(model):
        model = model.to(pick_device(spec.device))  # type: ignore[arg-type]  # a decorator hides the signature
    model.eval()  # type: ignore[no-untyped-call]
    return model


def is_quantized(model: PreTrainedModel) -> bool:
    """Return True if a loaded model has quantised weights."""
    return getattr(model, "hf_quantizer", None) is not None


def stored_quantization(config: PreTrainedConfig) -> str | None:
    """Return the method by which a checkpoint's weights are stored quantised; None if they are not."""
    stored = getattr(config, "quantization_config", None)
    if not stored:
        return None
    fields = stored if isinstance(stored, Mapping) else vars(stored)
    method = fields.get("quant_method")
    return str(getattr(method, "value", method) or "an unnamed method")


def placement_notes(spec: ModelSpec, model: PreTrainedModel, stored: str | None) -> list[str]:
    """Return notes on quantised weights and on the devices of a model.

    Args:
        spec: how the model was loaded.
        model: the loaded model.
        stored: method by which its weights are stored quantised.
    """
    notes = [f"The weights of {spec.model} are stored quantised ({stored})."] if stored else []
    if spec.load_in_8bit:
        notes.append(EIGHT_BIT_NOTE)
    if spec.load_in_4bit:
        notes.append(FOUR_BIT_NOTE)
    devices = sorted({_device_name(place) for place in (getattr(model, "hf_device_map", None) or {}).values()})
    if spec.device_map == DEVICE_MAP:
        notes.append(parallel_note())
    elif spec.device_map and len(devices) > 1:
        notes.append(f"The model was spread over {', '.join(devices)}.")
    elif devices == ["disk"]:
        notes.append("The weights stayed on disk and were read for each batch.")
    return notes


def describe_quantization(model: PreTrainedModel) -> dict[str, object]:
    """Return how the weights of a loaded model are quantised, for the fingerprint; empty if they are not."""
    if not is_quantized(model):
        return {}
    settings = model.config.quantization_config
    described: dict[str, object] = {}
    for key, value in settings.to_diff_dict().items():
        if not key.startswith("_"):
            described[key] = value
    if settings.quant_method == "bitsandbytes":
        described["bitsandbytes"] = version("bitsandbytes")
    return {"quantization": described}


def _requested_quantization(spec: ModelSpec) -> BitsAndBytesConfig | None:
    if not (spec.load_in_8bit or spec.load_in_4bit):
        return None
    if find_spec("bitsandbytes") is None or find_spec("accelerate") is None:
        raise InputError(
            "--load_in_8bit and --load_in_4bit need bitsandbytes and accelerate: pip install "
            "'rewardbench[quantization]'."
        )
    from transformers import BitsAndBytesConfig

    if spec.load_in_8bit:
        return BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")  # type: ignore[no-untyped-call]


def _check_flex_attention() -> None:
    """Raise InputError if torch has no FlexAttention for any length."""
    major, minor = version("torch").split(".")[:2]
    if (int(major), int(minor)) < (2, 7):
        raise InputError("--attn_implementation flex_attention needs torch 2.7 or newer: pip install --upgrade torch.")


def _check_device_map(spec: ModelSpec) -> str:
    """Return the requested device map.

    Raises:
        InputError: if accelerate is missing, or this is one of several processes.
    """
    if find_spec("accelerate") is None:
        raise InputError("--device_map needs the package accelerate: pip install accelerate.")
    if whole_number("LOCAL_RANK") is not None:
        raise InputError(
            f"--device_map {spec.device_map} spreads one model over all devices, so it works in one process: leave out "
            f"--num_processes, and start without torchrun, or pass --device_map {DEVICE_MAP}."
        )
    assert spec.device_map
    return spec.device_map


def read_max_memory(text: str) -> dict[int | str, str]:
    """Read the memory limits of devices.

    >>> read_max_memory("0=20GiB, cpu=64GiB")
    {0: '20GiB', 'cpu': '64GiB'}

    Raises:
        InputError: if an entry is not DEVICE=SIZE.
    """
    limits: dict[int | str, str] = {}
    for entry in text.split(","):
        match = MEMORY.fullmatch(entry)
        if match is None:
            raise InputError(f"--max_memory {text!r} is not a list of DEVICE=SIZE: write 0=20GiB,1=20GiB,cpu=64GiB.")
        device, size = match.groups()
        limits[int(device) if device.isdigit() else device.lower()] = size.replace(" ", "")
    return limits


def _device_name(place: object) -> str:
    return f"GPU {place}" if isinstance(place, int) else str(place)
