"""Load the weights below a head into a class of transformers; code of the repository never runs."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rewardbench.errors import InputError
from rewardbench.models.adapters import Adapter, apply_adapter
from rewardbench.models.failures import part_reported
from rewardbench.models.layers import base_of, choose_kernels
from rewardbench.models.limits import name_first
from rewardbench.models.placement import (
    is_quantized,
    loading_options,
    placement_notes,
    stored_quantization,
    to_device,
)
from rewardbench.models.weights import load_pretrained
from rewardbench.scorers.heads.spec import HeadSpec
from rewardbench.scorers.heads.tensors import TensorFiles, rename
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel


def read_raw_config(folder: Path, name: str) -> dict[str, object]:
    """Read config.json as it is; `sentence_transformers` is filled in from other places where cross-encoders had it.

    Raises:
        InputError: if it is not a JSON object.
    """
    try:
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"config.json of {name} cannot be read: {error}.") from error
    if not isinstance(fields, dict):
        raise InputError(f"config.json of {name} is not a JSON object.")
    return {**fields, **_cross_encoder_settings(folder, fields)}


def _cross_encoder_settings(folder: Path, fields: Mapping[str, object]) -> dict[str, object]:
    """Return the key `sentence_transformers` of a cross-encoder that has it elsewhere: before version 4, and in 6."""
    try:
        settings = json.loads((folder / "config_sentence_transformers.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        settings = None
    if isinstance(settings, dict) and settings.get("model_type") == "CrossEncoder":
        return {"sentence_transformers": settings}
    older = fields.get("sbert_ce_default_activation_function")
    return (
        {"sentence_transformers": {"activation_fn": older}} if older and "sentence_transformers" not in fields else {}
    )


def build_config(head: HeadSpec, fields: Mapping[str, object], name: str) -> PreTrainedConfig:
    """Build the configuration of the backbone, as a class of transformers.

    Raises:
        InputError: if transformers has no such backbone.
    """
    from transformers import CONFIG_MAPPING

    model_type = str(head.backbone.model_type or fields.get("model_type"))
    if model_type not in CONFIG_MAPPING:
        raise InputError(f"{name} has the backbone {model_type!r}, which transformers does not have.")
    known = {key: value for key, value in fields.items() if key not in ("auto_map", "model_type", "architectures")}
    with part_reported(f"the configuration of {name}"):
        config: PreTrainedConfig = CONFIG_MAPPING[model_type].from_dict(known)
    return config


def backbone_names(config: PreTrainedConfig, name: str) -> tuple[set[str], str]:
    """Return the names of the weights of a backbone, and the prefix that they have in transformers' models with a head.

    The backbone is built without memory for its weights.
    """
    import torch
    from transformers import AutoModel

    with part_reported(name), torch.device("meta"):
        skeleton = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    prefix = f"{skeleton.base_model_prefix}." if skeleton.base_model_prefix else ""
    return set(skeleton.state_dict()), prefix


def find_prefix(names: Iterable[str], expected: Collection[str], usual: str) -> str:
    """Return the prefix under which a checkpoint has its backbone.

    Args:
        names: of its tensors.
        expected: names of the backbone's weights, without a prefix.
        usual: the prefix of transformers' own models, which is preferred.

    >>> find_prefix(["critic.body.norm.weight", "critic.head.weight"], {"norm.weight"}, "model.")
    'critic.body.'
    """
    counts = {usual: 0, "": 0}
    for name in names:
        parts = name.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in expected:
                prefix = "".join(f"{part}." for part in parts[:start])
                counts[prefix] = counts.get(prefix, 0) + 1
    return max(counts, key=lambda prefix: counts[prefix])


@dataclass(frozen=True)
class LoadedBackbone:
    """A backbone in memory, on its device and in evaluation mode."""

    model: PreTrainedModel
    """With its vocabulary head, if the spec reads logits."""
    unused: tuple[str, ...]
    """Names of tensors of the checkpoint that it does not use."""
    notes: tuple[str, ...]
    """Sentences for the reader."""


def load_backbone(
    head: HeadSpec, config: PreTrainedConfig, tensors: TensorFiles, spec: ModelSpec, adapter: Adapter | None = None
) -> LoadedBackbone:
    """Load a backbone onto the device, in evaluation mode.

    Args:
        head: the family.
        config: of the backbone.
        tensors: of the checkpoint, which an adapter completes.
        spec: how the model is loaded.
        adapter: the PEFT adapter that is applied to the backbone.

    Raises:
        InputError: if weights are missing or of another shape.
    """
    stored, options = stored_quantization(config), loading_options(spec, config)
    if head.backbone.convert and (adapter or stored or "device_map" in options):
        raise InputError(
            f"The weights of {spec.model} are converted when they are loaded, so it cannot have an adapter, quantised "
            "weights or --device_map."
        )
    with part_reported(f"the weights of {spec.model}"):
        if head.backbone.convert:
            model, missing, unused = _load_converted(config, tensors, options)
        else:
            model, missing, unused = _load_files(head, config, tensors, options, adapter)
    if missing:
        raise InputError(
            f"{spec.model} lacks weights of its backbone, or has them in another shape ({name_first(missing)}): it is "
            f"not a model of the family {head.name}."
        )
    model.config.return_dict = True
    model, notes = to_device(model, spec), placement_notes(spec, model, stored)
    if adapter:
        adapted = apply_adapter(model, adapter)
        model = _inner_model(adapted.model) if head.head else adapted.model
        notes += adapted.notes
        unused += adapted.unused
    notes += choose_kernels(model, spec)
    return LoadedBackbone(model, tuple(unused), tuple(notes))


def _inner_model(model: PreTrainedModel) -> PreTrainedModel:
    """Return a model without its own head, with the record of how its weights are quantised."""
    inner = cast("PreTrainedModel", base_of(model))
    if is_quantized(model):
        inner.hf_quantizer = model.hf_quantizer
    return inner


def _load_files(
    head: HeadSpec,
    config: PreTrainedConfig,
    tensors: TensorFiles,
    options: Mapping[str, object],
    adapter: Adapter | None,
) -> tuple[PreTrainedModel, list[str], list[str]]:
    """Return the model, the names of weights that are missing or of another shape, and of those it does not use."""
    auto_class = _auto_class(head, config, adapter)
    renames = {**tensors.renames, **head.backbone.rename}
    if head.head and not adapter:
        expected, usual = backbone_names(config, head.name)
        plain = [rename(name, head.backbone.rename) for name in tensors.shapes]
        prefix = find_prefix(plain, expected, usual)
        if prefix not in ("", usual):
            renames[f"^{re.escape(prefix)}"] = ""
    model, info = load_pretrained(
        auto_class,
        adapter.base if adapter else tensors.folder,
        config,
        key_mapping=renames or None,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        **options,
    )
    missing = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
    if adapter:
        missing -= adapter.replaced.keys()
        if head.head:  # the vocabulary head, which is not used
            missing = {key for key in missing if key.startswith(f"{model.base_model_prefix}.")}
    return model, sorted(missing), sorted(info["unexpected_keys"])


def _auto_class(head: HeadSpec, config: PreTrainedConfig, adapter: Adapter | None) -> type[Any]:
    """Return the class that loads a backbone; for an adapter the one on which it was trained."""
    import transformers

    if head.vocabulary and config.is_encoder_decoder:
        return transformers.AutoModelForSeq2SeqLM
    if head.vocabulary:
        return transformers.AutoModelForCausalLM
    if head.head is None:
        return transformers.AutoModelForSequenceClassification
    is_causal = type(config) in transformers.MODEL_FOR_CAUSAL_LM_MAPPING
    return transformers.AutoModelForCausalLM if adapter and is_causal else transformers.AutoModel


def _load_converted(
    config: PreTrainedConfig, tensors: TensorFiles, options: Mapping[str, object]
) -> tuple[PreTrainedModel, list[str], list[str]]:
    """Load InternLM2 weights into a Llama; see `_load_files`."""
    import torch
    from transformers import AutoModel

    dtype = options["dtype"] if isinstance(options["dtype"], torch.dtype) else config.dtype
    model = AutoModel.from_config(config, **{**options, "dtype": dtype})  # type: ignore[no-untyped-call]
    result = model.load_state_dict(dict(split_internlm2(tensors, config)), strict=False)
    head = [name for name in tensors.shapes if not name.startswith("model.")]
    return model, sorted(result.missing_keys), sorted([*result.unexpected_keys, *head])


def split_internlm2(tensors: TensorFiles, config: PreTrainedConfig) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the weights of an InternLM2 model under the names of a Llama.

    `wqkv` holds, for each key-value head, the queries of its group, its key and its value:
    [kv_heads, group + 2, head_dim, width].
    """
    names = {
        "attention.wo": "self_attn.o_proj",
        "feed_forward.w1": "mlp.gate_proj",
        "feed_forward.w3": "mlp.up_proj",
        "feed_forward.w2": "mlp.down_proj",
        "attention_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "tok_embeddings": "embed_tokens",
    }
    heads, kv_heads = int(config.num_attention_heads), int(config.num_key_value_heads)
    for name, tensor in tensors.read_all():
        if not name.startswith("model."):
            continue
        name = name.removeprefix("model.")
        if "attention.wqkv" in name:
            grouped = tensor.reshape(kv_heads, heads // kv_heads + 2, -1, tensor.shape[1])
            parts = {"q_proj": grouped[:, :-2], "k_proj": grouped[:, -2:-1], "v_proj": grouped[:, -1:]}
            for part, rows in parts.items():
                yield name.replace("attention.wqkv", f"self_attn.{part}"), rows.flatten(0, 2).contiguous()
            continue
        for old, new in names.items():
            name = name.replace(old, new)
        yield name, tensor
