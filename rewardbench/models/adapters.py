"""PEFT adapters: find the base model of an adapter, and load its weights into that model through peft."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rewardbench.errors import InputError
from rewardbench.models.failures import part_reported
from rewardbench.models.fingerprint import digest, weights_identity
from rewardbench.models.limits import name_first
from rewardbench.models.locate import locate
from rewardbench.models.placement import is_quantized
from rewardbench.models.tensor_file import open_tensor_file
from rewardbench.models.tensor_parallel import is_parallel
from rewardbench.models.weight_files import weight_files
from rewardbench.models.weights import require_weights
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel

CONFIG, WEIGHTS, PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
BASE_KEY = "base_model_name_or_path"
ROOT = "base_model.model."
"""Prefix with which peft saves the names of tensors."""
BASE_LAYER = ".base_layer."
"""Part of the names of biases, where an adapter's layer wraps one of the base."""
ADAPTER_NAME = re.compile(r"\.(?:modules_to_save\.)?default(?=\.|$)|\.modules_to_save(?=\.)")
"""Matches parts of names that some trainers save, and that `save_pretrained` of peft leaves out."""
FULL_PRECISION = ("torch.float32", "torch.float64")


@dataclass(frozen=True)
class Adapter:
    """An adapter on disk, and the base model that it changes; nothing is in memory."""

    name: str
    """The folder or Hub id, for messages."""
    folder: Path
    base: Path
    """Folder of the base model."""
    fields: Mapping[str, object]
    """Contents of adapter_config.json."""
    weights: Path
    """Its file of weights."""
    stored_names: Mapping[str, str]
    """Names of tensors in the file, by their name in the base model; tensors of the adapter's own layers included."""
    shapes: Mapping[str, tuple[int, ...]]
    """By name in the base model, with and without BASE_LAYER."""

    @property
    def base_name(self) -> str:
        """Return the name of the base model, a path or a Hub id, as the adapter has it."""
        return str(self.fields[BASE_KEY])

    @property
    def is_classifier(self) -> bool:
        """Return True if the adapter was trained on a sequence classifier."""
        return self.fields.get("task_type") == "SEQ_CLS"

    @cached_property
    def replaced(self) -> dict[str, str]:
        """Return the tensors that replace or complete those of the base (a head): stored name by name in the base."""
        from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING

        prefixes = {*map(str, PEFT_TYPE_TO_PREFIX_MAPPING.values()), "vera_", "trainable_tokens"}
        replaced = {}
        for name, stored in self.stored_names.items():
            if not any(part.startswith(tuple(prefixes)) for part in name.split(".")):
                replaced[name.replace(BASE_LAYER, ".")] = stored
        return replaced

    @cached_property
    def changes_base_only_by_layers(self) -> bool:
        """Return True if the base is restored by switching the adapter's layers off.

        Trained biases, a resized embedding, and initialisations that move weights of the base stay in the base.
        """
        has_plain_start = self.fields.get("init_lora_weights", True) in (True, False, "gaussian", "orthogonal")
        has_bias = str(self.fields.get("bias", "none")) != "none"
        listed = self.fields.get("modules_to_save")
        saved = set(map(str, listed)) if isinstance(listed, list) else set()
        base_shapes: dict[str, tuple[int, ...]] = {}
        for path in weight_files(self.base) if self.replaced else []:
            base_shapes.update(open_tensor_file(path).shapes)
        for name in self.replaced:
            shape = self.shapes[name]
            if saved.isdisjoint(name.split(".")) or base_shapes.get(name, shape) != shape:
                return False
        return has_plain_start and not has_bias and not self.fields.get("layer_replication")

    def identity(self) -> dict[str, object]:
        """Return digests of the adapter's weights and configuration, and the version of peft, for the fingerprint."""
        from importlib.metadata import version

        settings = dict(self.fields)
        for key in (BASE_KEY, "inference_mode"):
            settings.pop(key, None)
        return {
            "weights": weights_identity(self.folder, [self.weights]),
            "config": digest(settings),
            "peft": version("peft"),
        }


def find_adapter(folder: Path, spec: ModelSpec) -> Adapter | None:
    """Return the adapter in a folder with its base; None if the folder has complete weights, or no adapter.

    Raises:
        InputError: if peft is missing, or the base or the adapter's weights are not found.
    """
    name = spec.model
    if not (folder / CONFIG).is_file() or _has_complete_weights(folder):
        return None
    if find_spec("peft") is None:
        raise InputError(f"{name} is a PEFT adapter, which needs peft: pip install 'rewardbench[peft]'.")
    fields = _read_fields(folder, name)
    weights = _find_weights(folder, spec)
    stored_shapes = open_tensor_file(weights).shapes
    stored_names, shapes = {}, {}
    for stored, shape in stored_shapes.items():
        in_base = ADAPTER_NAME.sub("", stored).removeprefix(ROOT)
        if ".original_module." not in stored:
            stored_names[in_base], shapes[in_base] = stored, shape
            shapes[in_base.replace(BASE_LAYER, ".")] = shape
    return Adapter(name, folder, _locate_base(folder, fields, spec), fields, weights, stored_names, shapes)


def _has_complete_weights(folder: Path) -> bool:
    """Return True if a folder has weights besides those of an adapter and of a value head."""
    return any(not path.name.startswith(("adapter_", "value_head")) for path in folder.glob("*.safetensors"))


def _read_fields(folder: Path, name: str) -> dict[str, object]:
    try:
        fields = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{CONFIG} of {name} cannot be read: {error}.") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("peft_type"), str):
        raise InputError(f"{CONFIG} of {name} names no peft_type: save the adapter again with save_pretrained().")
    return fields


def _find_weights(folder: Path, spec: ModelSpec) -> Path:
    """Return the file of an adapter's weights.

    Raises:
        InputError: if there is none, or a pickle that may not be read.
    """
    if (folder / WEIGHTS).is_file():
        return folder / WEIGHTS
    if not (folder / PICKLE).is_file():
        raise InputError(
            f"{spec.model} is an adapter without weights ({WEIGHTS}): save it again with save_pretrained() of peft."
        )
    if not spec.allow_pickle:
        raise InputError(
            f"{spec.model} is an adapter whose weights are in a pickle ({PICKLE}), which can run code: pass "
            "--allow_pickle to accept only tensors from it, or save it again with save_pretrained() of peft."
        )
    return folder / PICKLE


def _locate_base(folder: Path, fields: Mapping[str, object], spec: ModelSpec) -> Path:
    """Return the folder of an adapter's base model: a path seen from the adapter or from here, else a Hub id."""
    base_name, revision = fields.get(BASE_KEY), fields.get("revision")
    if not isinstance(base_name, str) or not base_name:
        raise InputError(f"{spec.model} is an adapter that names no base model: set {BASE_KEY} in its {CONFIG}.")
    beside = folder / base_name
    try:
        base = beside if beside.is_dir() else _locate(base_name, revision, spec)
        if (base / "config.json").is_file():
            base = require_weights(base, replace(spec, model=base_name, revision=None))
    except InputError as error:
        raise InputError(
            f"{spec.model} is an adapter whose base model {base_name} is missing ({str(error).rstrip('.')}): correct "
            f"{BASE_KEY} in its {CONFIG}, or merge the adapter."
        ) from error
    if not (base / "config.json").is_file():
        raise InputError(
            f"{spec.model} is an adapter whose base {base_name} has no config.json: it must be a complete model."
        )
    return base


def _locate(base_name: str, revision: object, spec: ModelSpec) -> Path:
    is_folder = Path(base_name).expanduser().is_dir()
    return locate(base_name, str(revision) if revision and not is_folder else None, spec.trust_remote_code)


@dataclass(frozen=True)
class AdaptedModel:
    """A base model in memory with an adapter."""

    model: PreTrainedModel
    """In the class of the base."""
    peft_model: PeftModel | None
    """The same model as peft wraps it, by which the adapter is switched off; None if the adapter is merged."""
    unused: tuple[str, ...]
    """Names of tensors of the adapter that this class of model has no place for."""
    notes: tuple[str, ...] = ()
    """Sentences for the reader."""


def apply_adapter(model: PreTrainedModel, adapter: Adapter, merge: bool = True) -> AdaptedModel:
    """Load an adapter into its base model, and merge it if that is exact.

    In float32 the merged model equals the unmerged one up to rounding. In other dtypes and in quantised weights merging
    would round the weights, so the adapter's layers stay separate.

    Args:
        model: the base, on its device.
        adapter: the adapter.
        merge: False to keep the adapter separate, so that it can be switched off.

    Raises:
        InputError: if peft cannot load it, or its tensors do not fit the base.
    """
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    _reject_offloaded(model, adapter)
    config, notes = _read_config(adapter, model)
    with _collected_warnings(), part_reported(f"the adapter {adapter.name}"):
        resize_embedding(model, adapter)
        peft_model = get_peft_model(model, config)
    expected = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
    places = expected.keys() | peft_model.state_dict().keys()
    unused = [name for name in adapter.stored_names if _in_peft(name) not in places]
    _check_tensors(adapter, expected, unused)
    state = {}
    for name, tensor in _read_tensors(adapter):
        if name not in unused:
            state[_in_peft(name)] = tensor
    with _collected_warnings(), part_reported(f"the adapter {adapter.name}"):
        set_peft_model_state_dict(peft_model, state)
        is_exact = str(model.dtype) in FULL_PRECISION and not is_quantized(model)
        is_merged = merge and is_exact and hasattr(peft_model, "merge_and_unload")
        inner = peft_model.merge_and_unload() if is_merged else peft_model.get_base_model()
    manner = "merged into" if is_merged else "applied to"
    note = f"The adapter {adapter.name} ({kind_of(config)}) was {manner} its base {adapter.base_name}."
    adapted = cast("PreTrainedModel", inner.eval())
    return AdaptedModel(adapted, None if is_merged else peft_model, tuple(unused), (note, *notes))


def kind_of(config: PeftConfig) -> str:
    """Return the kind of an adapter, such as LORA."""
    return str(getattr(config.peft_type, "value", config.peft_type))


def _in_peft(name: str) -> str:
    """Return the name by which peft knows a tensor."""
    return name if name.startswith("base_model.") else f"{ROOT}{name}"


def _read_config(adapter: Adapter, model: PreTrainedModel) -> tuple[PeftConfig, list[str]]:
    """Read the configuration of an adapter, as a class of peft, for inference on a model.

    Returns:
        The configuration, and notes on settings that this version of peft does not know.

    Raises:
        InputError: if the adapter adds virtual tokens, or depends on the tokens of a text.
    """
    from peft import PeftConfig

    with _collected_warnings() as notes, part_reported(f"{CONFIG} of {adapter.name}"):
        config = PeftConfig.from_pretrained(str(adapter.folder))
    if config.is_prompt_learning or config.is_adaption_prompt or getattr(config, "alora_invocation_tokens", None):
        raise InputError(
            f"{adapter.name} is an adapter of the kind {kind_of(config)} that adds virtual tokens or depends on "
            "the tokens of a text, which is not supported: train a LoRA adapter, or pass a complete model."
        )
    config.task_type, config.inference_mode = None, True
    if hasattr(config, "modules_to_save"):
        listed = {*(config.modules_to_save or []), *(("classifier", "score") if adapter.is_classifier else ())}
        present: set[str] = set()
        for path, _ in model.named_modules():
            present.update(filter(path.endswith, listed))
        config.modules_to_save = sorted(present) or None
        _reject_lost_head(adapter, listed - present - {"classifier", "score"})
    if hasattr(config, "megatron_config"):
        config.megatron_config = None  # peft would import a module that the file names
    return config, notes


def _reject_lost_head(adapter: Adapter, modules: Iterable[str]) -> None:
    """Reject an adapter that was trained with a module that neither its base nor its own files have."""
    names = ".".join(["", *adapter.replaced, ""])
    for module in sorted(modules):
        if f".{module}." not in names:
            raise InputError(
                f"The adapter {adapter.name} was trained with a head {module} (modules_to_save), which is not in its "
                "files and would be random: save the adapter with its head."
            )


def resize_embedding(model: PreTrainedModel, adapter: Adapter) -> None:
    """Give a base the vocabulary of its adapter, which was trained with more tokens and brings all their embeddings."""
    embedding = model.get_input_embeddings()
    for name, module in model.named_modules():
        if module is embedding and (shape := adapter.shapes.get(f"{name}.weight")):
            if shape[0] != len(embedding.weight):
                model.resize_token_embeddings(shape[0], mean_resizing=False)
            return


def _check_tensors(adapter: Adapter, expected: Mapping[str, torch.Tensor], unused: Sequence[str]) -> None:
    """Check that an adapter has a tensor of the right shape for each of its layers, and no other layers.

    Raises:
        InputError: if it does not.
    """
    shapes = {_in_peft(name): shape for name, shape in adapter.shapes.items()}
    missing = sorted(expected.keys() - shapes.keys())
    layers = sorted(set(unused) - adapter.replaced.keys())
    if missing or layers:
        names = name_first(missing or layers).removeprefix(ROOT)
        fault = f"lacks {names}" if missing else f"has {names}, which its base does not"
        raise InputError(f"The adapter {adapter.name} does not fit its base {adapter.base_name}: it {fault}.")
    for name, tensor in expected.items():
        if tuple(tensor.shape) != shapes[name] and tensor.dim() > 0:
            raise InputError(
                f"The adapter {adapter.name} does not fit its base {adapter.base_name}: {name.removeprefix(ROOT)} is "
                f"{list(shapes[name])}, not {list(tensor.shape)}."
            )


def _read_tensors(adapter: Adapter) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of an adapter with their name in the base."""
    file = open_tensor_file(adapter.weights)
    for name, stored in adapter.stored_names.items():
        yield name, file.read(stored)


def _reject_offloaded(model: PreTrainedModel, adapter: Adapter) -> None:
    places = set((getattr(model, "hf_device_map", None) or {}).values())
    if "disk" in places or ("cpu" in places and len(places) > 1):
        raise InputError(
            f"The base of the adapter {adapter.name} does not fit on the GPUs, and an adapter cannot be applied to "
            "offloaded weights: merge it (merge_and_unload() of peft), or give --max_memory room."
        )
    if is_parallel(model):
        raise InputError(
            f"The adapter {adapter.name} cannot be applied to layers that are divided among processes: merge it "
            "(merge_and_unload() of peft), or pass --device_map auto in one process."
        )


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """Context manager: return the list in which peft's warnings of ignored settings are collected; drop the others."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield messages
    for warning in caught:
        if "Unexpected keyword arguments" in str(warning.message):
            messages.append(" ".join(str(warning.message).split()))
