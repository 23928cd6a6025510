"""Find the head spec of a checkpoint by its configuration and the names of its tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from rewardbench.scorers.heads.registry import known_specs
from rewardbench.scorers.heads.spec import HeadSpec, Network
from rewardbench.scorers.heads.tensors import TensorFiles, find_layers


def match_spec(fields: Mapping[str, object], tensors: TensorFiles, name: str = "") -> HeadSpec | None:
    """Return the most specific spec that applies to a checkpoint; None if it needs none, or none applies.

    Args:
        fields: of its config.json.
        tensors: of its weight files and the files beside them.
        name: its Hub id, if it has one; of the specs that apply, one that lists it is used, else one that rejects.
    """
    applying = [spec for spec in known_specs().values() if applies(spec, fields, tensors)]

    def rank(spec: HeadSpec) -> tuple[bool, bool, int]:
        return name in spec.checkpoints, bool(spec.reject), spec.match.specificity

    return max(applying, key=rank, default=None)


def applies(spec: HeadSpec, fields: Mapping[str, object], tensors: TensorFiles) -> bool:
    """Return True if a checkpoint has everything that a spec's match names."""
    match = spec.match
    if match.is_empty:
        return False
    if match.architectures and not _has_architecture(match.architectures, fields):
        return False
    if not all(map(tensors.matching, match.tensors)) or any(map(tensors.matching, match.absent)):
        return False
    if not all(_has_value(fields, key, value) for key, value in match.config.items()):
        return False
    if match.encoder and not is_encoder_type(str(fields.get("model_type"))):
        return False
    if match.chat_template is not None and match.chat_template != has_chat_template(tensors.folder):
        return False
    if match.template_text and match.template_text not in read_chat_template(tensors.folder):
        return False
    return match.outputs is None or (spec.head is not None and _outputs(spec.head, fields, tensors) == match.outputs)


def settle(head: HeadSpec, fields: Mapping[str, object], tensors: TensorFiles) -> HeadSpec:
    """Return a spec whose head has the one prefix of tensor names that a checkpoint has."""
    if head.head is None or head.head.file:
        return head
    network = head.head.model_copy(update={"tensors": _prefix(head.head, fields, tensors)})
    return head.model_copy(update={"head": network})


def _prefix(network: Network, fields: Mapping[str, object], tensors: TensorFiles) -> str:
    """Return the first prefix of a network that a checkpoint has; if it has none, the last."""
    candidates = (network.tensors,) if isinstance(network.tensors, str) else network.tensors
    prefix = ""
    for candidate in candidates:
        prefix = candidate
        if candidate.startswith("config."):
            prefix = str(fields.get(candidate.removeprefix("config."), ""))
        if prefix and find_layers(tensors.shapes, prefix):
            break
    return prefix


def class_names(fields: Mapping[str, object]) -> list[str]:
    """Return the class names (`architectures`) of a config.json."""
    saved = fields.get("architectures")
    return list(map(str, saved)) if isinstance(saved, list) else []


def _has_architecture(patterns: tuple[str, ...], fields: Mapping[str, object]) -> bool:
    return any(fnmatchcase(name, pattern) for name in class_names(fields) for pattern in patterns)


def _has_value(fields: Mapping[str, object], key: str, value: object) -> bool:
    """Return True if config.json has a key with a value: any, one that matches a pattern with `*`, or this one."""
    if key not in fields or value == "any":
        return key in fields
    if isinstance(value, str) and "*" in value:
        return fnmatchcase(json.dumps(fields[key]), value)
    return fields[key] == value


def _outputs(network: Network, fields: Mapping[str, object], tensors: TensorFiles) -> int:
    return count_outputs(network.model_copy(update={"tensors": _prefix(network, fields, tensors)}), tensors)


def count_outputs(network: Network, tensors: TensorFiles) -> int:
    """Return the number of outputs of a head with one prefix, by the shape of its last layer; 0 if it has none."""
    layers = find_layers(tensors.shapes, network.prefix)
    return tensors.shapes[f"{layers[-1]}.weight"][0] if layers else 0


def has_chat_template(folder: Path) -> bool:
    """Return True if the tokenizer in a folder has a chat template."""
    return bool(read_chat_template(folder))


def read_chat_template(folder: Path) -> str:
    """Return the chat template of the tokenizer in a folder; empty if there is none."""
    for path in sorted(folder.glob("chat_template*")):
        with suppress(OSError, UnicodeDecodeError):
            return path.read_text(encoding="utf-8")
    try:
        fields = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    template = fields.get("chat_template") if isinstance(fields, dict) else None
    return template if isinstance(template, str) else json.dumps(template) if template else ""


def is_encoder_type(model_type: str) -> bool:
    """Return True if an architecture was made for masked language modelling."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    return model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
