"""Infer the head of a checkpoint that no spec matches, from the tensors that its backbone does not use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rewardbench.errors import InputError
from rewardbench.models.failures import part_reported
from rewardbench.models.limits import name_first
from rewardbench.scorers.heads.backbone import build_config
from rewardbench.scorers.heads.match import class_names
from rewardbench.scorers.heads.spec import Backbone, HeadSpec, Input, Network
from rewardbench.scorers.heads.tensors import TensorFiles, find_layers

LAYER_TENSOR = re.compile(r"(?P<prefix>.+?)(?:\.\d+)?\.(?:weight|bias)")
LIKELY_HEAD = re.compile(r"head|score|reward|value|regression|classifier|critic|out_proj\.weight$", re.IGNORECASE)
"""Finds names of tensors that may belong to a reward head."""

LANGUAGE_MODELS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForMaskedLM", "Model")
"""Ends of the class names of models without a reward head."""

OUTPUT_EMBEDDINGS = ("lm_head.weight", "embed_out.weight", "output.weight")
"""Names of the vocabulary head, which a reward model may still have."""


def infer_spec(fields: Mapping[str, object], tensors: TensorFiles, name: str) -> HeadSpec | None:
    """Return a spec that reads the one network beside the backbone, at the last token; None if there is none.

    Raises:
        InputError: if there are several networks, or it has several outputs; names the tensors.
    """
    prefix, extra = split_tensors(fields, tensors, name)
    if not extra:
        return None
    networks = sorted({match["prefix"] for tensor in extra if (match := LAYER_TENSOR.fullmatch(tensor))})
    unexplained = [tensor for tensor in extra if not LAYER_TENSOR.fullmatch(tensor)]
    if len(networks) != 1 or unexplained:
        raise InputError(
            f"{name} fits no head spec: beside its backbone it has the tensors {name_first(extra)}. Declare its head "
            "with --adapter FILE."
        )
    layers = find_layers(tensors.shapes, networks[0])
    outputs = tensors.shapes[f"{layers[-1]}.weight"][0] if layers else 0
    if outputs != 1:
        raise InputError(
            f"{name} fits no head spec: its head {networks[0]} has {outputs} outputs, and which of them is the reward "
            "is not declared. Declare it with --adapter FILE."
        )
    rename = {f"^{re.escape(prefix)}": ""} if prefix else {}
    return HeadSpec(
        name="inferred",
        title=f"the head {networks[0]}, found beside the backbone",
        backbone=Backbone(rename=rename),
        input=Input(specials=False),
        head=Network(tensors=networks[0]),
    )


def is_classifier(fields: Mapping[str, object]) -> bool:
    """Return True if config.json names a sequence classifier."""
    return any(name.endswith("ForSequenceClassification") for name in class_names(fields))


def has_standard_head(fields: Mapping[str, object], tensors: TensorFiles) -> bool:
    """Return True if a checkpoint is a classifier or a language model of transformers, by its class and tensors."""
    if is_classifier(fields):
        return True
    names = class_names(fields)
    if names and not any(name.endswith(LANGUAGE_MODELS) for name in names):
        return False
    return not any(LIKELY_HEAD.search(name) and not name.endswith(OUTPUT_EMBEDDINGS) for name in tensors.shapes)


def split_tensors(fields: Mapping[str, object], tensors: TensorFiles, name: str) -> tuple[str, list[str]]:
    """Return the prefix under which a checkpoint has its backbone, and the names of its other tensors."""
    expected = backbone_names(fields, name)
    prefixes = {""}
    for tensor in tensors.shapes:
        for part in re.finditer(r"\.", tensor):
            prefixes.add(tensor[: part.end()])
    prefix = max(sorted(prefixes), key=lambda candidate: _count(candidate, expected, tensors.shapes))
    used = {f"{prefix}{tensor}" for tensor in expected}
    extra = [tensor for tensor in tensors.shapes if tensor not in used and not tensor.endswith(OUTPUT_EMBEDDINGS)]
    return prefix, sorted(tensor for tensor in extra if not tensor.endswith("rotary_emb.inv_freq"))


def backbone_names(fields: Mapping[str, object], name: str) -> set[str]:
    """Return the names of the weights of a backbone, built without memory for them."""
    import torch
    from transformers import AutoModel

    config = build_config(HeadSpec(name="inferred"), fields, name)
    with part_reported(name), torch.device("meta"):
        skeleton = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    return set(skeleton.state_dict())


def _count(prefix: str, expected: Iterable[str], names: Mapping[str, tuple[int, ...]]) -> int:
    return sum(f"{prefix}{tensor}" in names for tensor in expected)
