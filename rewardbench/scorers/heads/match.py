"""Find the head spec of a checkpoint: by its name, else by its configuration and the names of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.scorers.heads.spec import HeadSpec, read_spec
from rewardbench.scorers.heads.tensors import TensorFiles, find_layers


@cache
def builtin_specs() -> Mapping[str, HeadSpec]:
    """Return the specs of the package by name."""
    folder = Path(str(files("rewardbench.scorers.heads") / "specs"))
    specs = [read_spec(path) for path in sorted(folder.glob("*.yaml"))]
    return {spec.name: spec for spec in specs}


def named_spec(adapter: str) -> HeadSpec:
    """Return the spec of `--adapter`: a name of the package's, or a YAML file.

    Raises:
        InputError: if there is neither.
    """
    specs = builtin_specs()
    if adapter in specs:
        return specs[adapter]
    path = Path(adapter).expanduser()
    if path.is_file():
        return read_spec(path)
    raise InputError(f"--adapter {adapter} is neither a file nor one of {', '.join(specs)}.")


def spec_of_checkpoint(name: str) -> HeadSpec | None:
    """Return the spec that lists a Hub id and has no match of its own; None for all others."""
    for spec in builtin_specs().values():
        if spec.match.is_empty and any(fnmatchcase(name, pattern) for pattern in spec.checkpoints):
            return spec
    return None


def match_spec(fields: Mapping[str, object], tensors: TensorFiles) -> HeadSpec | None:
    """Return the most specific spec that applies to a checkpoint; None if it needs none, or none applies.

    Args:
        fields: of its config.json.
        tensors: of its weight files and the files beside them.
    """
    applying = [spec for spec in builtin_specs().values() if applies(spec, fields, tensors)]
    return max(applying, key=lambda spec: spec.match.specificity, default=None)


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
    if match.encoder and not _is_encoder(str(fields.get("model_type"))):
        return False
    if match.chat_template is not None and match.chat_template != has_chat_template(tensors.folder):
        return False
    return match.outputs is None or (spec.head is not None and _outputs(spec.head.tensors, tensors) == match.outputs)


def class_names(fields: Mapping[str, object]) -> list[str]:
    """Return the class names (`architectures`) of a config.json."""
    saved = fields.get("architectures")
    return list(map(str, saved)) if isinstance(saved, list) else []


def _has_architecture(patterns: tuple[str, ...], fields: Mapping[str, object]) -> bool:
    return any(fnmatchcase(name, pattern) for name in class_names(fields) for pattern in patterns)


def _has_value(fields: Mapping[str, object], key: str, value: object) -> bool:
    return key in fields and (value == "any" or fields[key] == value)


def _outputs(prefix: str, tensors: TensorFiles) -> int:
    """Return the number of outputs of a head by the shape of its last layer; 0 if it has none."""
    layers = find_layers(tensors.shapes, prefix)
    return tensors.shapes[f"{layers[-1]}.weight"][0] if layers else 0


def has_chat_template(folder: Path) -> bool:
    """Return True if the tokenizer in a folder has a chat template."""
    if any(folder.glob("chat_template*")):
        return True
    try:
        return '"chat_template"' in (folder / "tokenizer_config.json").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _is_encoder(model_type: str) -> bool:
    """Return True if an architecture was made for masked language modelling."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    return model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
