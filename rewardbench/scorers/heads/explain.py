"""Say which family a checkpoint belongs to, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.models.locate import locate
from rewardbench.paths import home_path
from rewardbench.scorers.heads.backbone import read_raw_config
from rewardbench.scorers.heads.catalogue import describe_match
from rewardbench.scorers.heads.coverage import read_tensors, reject_unread
from rewardbench.scorers.heads.infer import (
    CLASSIFIER_HEADS,
    extra_tensors,
    has_classifier_head,
    is_classifier,
    is_decoder,
)
from rewardbench.scorers.heads.load import match_checkpoint, open_tensors, reject_format
from rewardbench.scorers.heads.match import settle
from rewardbench.scorers.heads.registry import known_specs, rejected_spec
from rewardbench.scorers.heads.remote import fetch_headers
from rewardbench.scorers.heads.spec import HeadSpec
from rewardbench.scorers.heads.tensors import TensorFiles
from rewardbench.settings import ModelSpec

ADAPTER_HEAD = re.compile(r"(?:^|\.)(?:score|classifier|v_head|value_head)\.(?!lora_)")
"""Finds names of a trained head among the weights of an adapter."""


def explain_checkpoint(path: str, revision: str | None = None) -> dict[str, object]:
    """Return which family a checkpoint belongs to and why; `scored` is False if it cannot be scored.

    Of a checkpoint on the Hub, only the headers of its weights are read.

    Args:
        path: a folder or a Hub id.
        revision: branch, tag or commit on the Hub.

    Returns:
        `scored`, `family` (None if there is none), `title`, `reason`, `head_tensors`, `evidence`; for a family that is
        not scored and a checkpoint of none, the reason says what to do.

    Raises:
        InputError: if there is no such folder or repository.
    """
    rejected = rejected_spec(path)
    if rejected:
        return _explain_rejected(rejected)
    if home_path(path).is_dir():
        folder = locate(path, revision)
        tensors = open_tensors(folder) if any(folder.glob("*.safetensors")) else None
    else:
        tensors = fetch_headers(path, revision)
        folder = tensors.folder
    try:
        return _explain(folder, tensors, ModelSpec(path, revision=revision))
    except InputError as error:
        return {"scored": False, "family": None, "reason": str(error)}


def _explain(folder: Path, tensors: TensorFiles | None, spec: ModelSpec) -> dict[str, object]:
    reject_format(folder, spec.model)
    if tensors and (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        return _explain_adapter(tensors)
    fields = read_raw_config(folder, spec.model)
    if tensors is None:
        raise InputError(f"{spec.model} has no safetensors files, in whose headers the names of its tensors are.")
    head = match_checkpoint(fields, tensors, spec)
    if head is None:
        return _explain_classifier(fields, tensors, spec.model)
    if head.reject:
        return _explain_rejected(head)
    head = settle(head, fields, tensors)
    head_names = read_tensors(head, tensors)
    if head.head and is_decoder(fields):
        reject_unread(head, extra_tensors(fields, tensors, spec.model), tensors, spec.model)
    explanation = {
        "scored": True,
        "family": head.name,
        "title": head.title,
        "reason": "named by its Hub id" if head.match.is_empty and head.checkpoints else describe_match(head),
        "head_tensors": ", ".join(sorted(head_names & tensors.shapes.keys())),
        "evidence": head.evidence.strip(),
    }
    return explanation | ({"note": head.note.strip()} if head.note else {})


def _explain_rejected(head: HeadSpec) -> dict[str, object]:
    reason = head.reject.strip() or f"needs a principle: pass --adapter {head.name}:PRINCIPLE"
    return {"scored": False, "family": head.name, "title": head.title, "reason": reason}


def _explain_adapter(tensors: TensorFiles) -> dict[str, object]:
    """Explain a PEFT adapter: it is a reward model if a trained head is among its weights."""
    head = sorted(tensor for tensor in tensors.shapes if ADAPTER_HEAD.search(tensor))
    reason = "adapter_config.json names the base, and the adapter has a head"
    if not head:
        reason = "the adapter has no reward head: score a policy trained with DPO with --ref_model"
    explanation = {"scored": bool(head), "family": "peft_adapter", "reason": reason}
    return explanation | ({"head_tensors": ", ".join(head)} if head else {})


def _explain_classifier(fields: Mapping[str, object], tensors: TensorFiles, name: str) -> dict[str, object]:
    """Explain a checkpoint without a spec: a classifier of transformers, or a policy."""
    if not is_classifier(fields) or not has_classifier_head(fields, tensors, name):
        named = [spec.name for spec in known_specs().values() if spec.match.is_empty and spec.vocabulary]
        reason = (
            "no reward head: score a policy with --ref_model; a family whose reward is the logit of a token "
            f"({', '.join(named)}) is named with --adapter"
        )
        return {"scored": False, "family": None, "reason": reason}
    head = next((tensor for tensor in CLASSIFIER_HEADS if tensor in tensors), None)
    outputs = tensors.shapes[head][0] if head else 1
    reason = "a classifier of transformers with one label"
    if outputs != 1:
        reason = f"a classifier with {outputs} outputs: declare which is the reward with --adapter (output.index)"
    explanation = {"scored": outputs == 1, "family": "classifier", "reason": reason}
    return explanation | ({"head_tensors": head} if head else {})
