"""Infer the head of a checkpoint that no spec matches, from the tensors that its backbone does not use."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rewardbench.errors import InputError
from rewardbench.models.failures import part_reported
from rewardbench.models.labels import CLASSIFIER_HEADS
from rewardbench.scorers.heads.backbone import backbone_names, build_config, find_prefix
from rewardbench.scorers.heads.match import class_names, is_encoder_type
from rewardbench.scorers.heads.spec import INFERRED, HeadSpec, Network, Position
from rewardbench.scorers.heads.tensors import TensorFiles, find_layers, is_expendable

LAYER_TENSOR = re.compile(r"(?P<prefix>.+?)(?:\.\d+)?\.(?:weight|bias)")
STEP_CLASS = re.compile(r"TokenClassification|Prm(?:Model)?$|ProcessReward|ForPrm|ForPRM")
"""Finds names of classes that rate tokens or steps."""


def infer_spec(fields: Mapping[str, object], tensors: TensorFiles, name: str) -> HeadSpec | None:
    """Return a spec that reads the one layer beside the backbone, at the last token; None if there is none.

    Raises:
        InputError: if there are several layers or networks, or several outputs; names the tensors.
    """
    extra = extra_tensors(fields, tensors, name)
    if not extra:
        return None
    networks = sorted({match["prefix"] for tensor in extra if (match := LAYER_TENSOR.fullmatch(tensor))})
    unexplained = [tensor for tensor in extra if not LAYER_TENSOR.fullmatch(tensor)]
    if len(networks) != 1 or unexplained:
        raise InputError(
            f"{name} fits no head spec: beside its backbone it has the tensors {', '.join(extra[:6])}"
            f"{f' and {len(extra) - 6} more' if len(extra) > 6 else ''}. Declare its head with --adapter FILE."
        )
    (network,) = networks
    layers = find_layers(tensors.shapes, network)
    outputs = tensors.shapes[f"{layers[-1]}.weight"][0] if layers else 0
    if outputs != 1:
        raise InputError(
            f"{name} fits no head spec: its head {network} has {outputs} outputs, and which of them is the reward "
            "is not declared. Declare it with --adapter FILE."
        )
    if len(layers) > 1:
        raise InputError(
            f"{name} fits no head spec: its head {network} has {len(layers)} layers ({', '.join(layers)}), and no file "
            "names the activation between them. Declare it with --adapter FILE, which has "
            f"head: {{tensors: {network}, activation: relu}} or another activation."
        )
    if is_encoder_type(str(fields.get("model_type"))):
        raise InputError(
            f"{name} fits no head spec: it is an encoder with the head {network}, and which of its tokens is read is "
            "not declared. Declare it with --adapter FILE."
        )
    position = Position(at="last_not_pad") if is_classifier(fields) else Position()
    title = f"the head {network}, found beside the backbone"
    return HeadSpec(name=INFERRED, title=title, position=position, head=Network(tensors=network))


def reject_step_class(fields: Mapping[str, object], name: str) -> None:
    """Reject a model that rates tokens or steps, which no spec says how to read.

    Raises:
        InputError: if config.json names such a class.
    """
    for saved in class_names(fields):
        if STEP_CLASS.search(saved):
            raise InputError(
                f"{name} fits no head spec: its class {saved} rates tokens or steps of a text, and which of them are "
                "read is not declared. Declare it with --adapter FILE (steps)."
            )


def is_classifier(fields: Mapping[str, object]) -> bool:
    """Return True if config.json names a sequence classifier."""
    return any(name.endswith("ForSequenceClassification") for name in class_names(fields))


def is_decoder(fields: Mapping[str, object]) -> bool:
    """Return True if config.json names a decoder of transformers, whose tensors have the names of the class."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return str(fields.get("model_type")) in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


def has_classifier_head(fields: Mapping[str, object], tensors: TensorFiles, name: str) -> bool:
    """Return True if a checkpoint has the head of transformers' sequence classifiers, without a wrapper around it."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification

    if fields.get("model_type") not in CONFIG_MAPPING:
        return True  # transformers says what it lacks
    if tensors.renames:
        return False
    config = build_config(HeadSpec(name=INFERRED), fields, name)
    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        return False
    model_class = AutoModelForSequenceClassification._model_mapping[type(config)]
    usual = f"{getattr(model_class, 'base_model_prefix', '')}."
    if not any(tensor.startswith(usual) for tensor in tensors.shapes):
        expected, _ = backbone_names(config, name)
        if find_prefix(tensors.shapes, expected, usual) not in ("", usual):
            return False
    if "score.bias" in tensors:
        return False  # transformers' decoders have no bias there
    if any(tensor in tensors for tensor in CLASSIFIER_HEADS):
        return True
    with part_reported(name), torch.device("meta"):
        skeleton = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
    return any(tensor in tensors for tensor in skeleton.state_dict() if not tensor.startswith(usual))


def extra_tensors(fields: Mapping[str, object], tensors: TensorFiles, name: str) -> list[str]:
    """Return the names of a checkpoint's tensors that belong neither to its backbone nor to a vocabulary head."""
    expected, usual = backbone_names(build_config(HeadSpec(name=INFERRED), fields, name), name)
    prefix = find_prefix(tensors.shapes, expected, usual)
    modules = tuple(f"{prefix}{module}." for module in sorted({tensor.partition(".")[0] for tensor in expected}))
    extra = [tensor for tensor in tensors.shapes if not tensor.startswith(modules)]
    return sorted(tensor for tensor in extra if not is_expendable(tensor, tensors.shapes[tensor]))
