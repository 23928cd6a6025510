"""Say which family a checkpoint belongs to, and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.models.adapters import find_adapter
from rewardbench.models.weights import require_weights
from rewardbench.scorers.heads.backbone import build_config
from rewardbench.scorers.heads.coverage import read_tensors
from rewardbench.scorers.heads.infer import has_classifier_head, is_classifier
from rewardbench.scorers.heads.load import find_spec, open_checkpoint_tensors, read_fields, with_label
from rewardbench.scorers.heads.match import settle
from rewardbench.scorers.heads.spec import HeadSpec
from rewardbench.scorers.heads.tensors import TensorFiles
from rewardbench.settings import ModelSpec


def explain_checkpoint(folder: Path, spec: ModelSpec) -> dict[str, object]:
    """Return which family a checkpoint belongs to and why; `scored` is False if it cannot be scored.

    Returns:
        `scored`, `family` (None for a classifier of transformers), `title`, `reason`, `head_tensors`, `evidence`.
    """
    try:
        folder = require_weights(folder, spec)
        adapter = find_adapter(folder, spec)
        head = find_spec(folder, spec, adapter)
        fields, tensors = read_fields(folder, spec.model, adapter), open_checkpoint_tensors(folder, spec, adapter)
        if head and not head.reject:
            with_label(head, build_config(head, fields, spec.model), spec)
    except InputError as error:
        return {"scored": False, "family": None, "reason": str(error)}
    if head is None:
        is_scored, reason = _explain_classifier(fields, tensors, spec)
        return {"scored": is_scored, "family": None, "reason": reason}
    if head.reject:
        return {"scored": False, "family": head.name, "title": head.title, "reason": head.reject.strip()}
    read = read_tensors(settle(head, fields, tensors), tensors)
    return {
        "scored": True,
        "family": head.name,
        "title": head.title,
        "reason": "named by its Hub id" if head.match.is_empty and head.checkpoints else describe_match(head),
        "head_tensors": ", ".join(sorted(read & tensors.shapes.keys())),
        "evidence": head.evidence,
    }


def _explain_classifier(fields: Mapping[str, object], tensors: TensorFiles, spec: ModelSpec) -> tuple[bool, str]:
    """Return whether a checkpoint without a spec is a classifier with one label, or a named one, and the reason."""
    if not is_classifier(fields) or not has_classifier_head(fields, tensors, spec.model):
        return False, "no reward head: score a policy with --ref_model, or declare a head with --adapter"
    heads = [tensors.shapes[name][0] for name in ("score.weight", "classifier.weight") if name in tensors]
    if heads and heads[0] != 1 and not spec.label:
        return False, f"a classifier with {heads[0]} outputs: name the one that is the reward with --label"
    return True, f"a classifier of transformers with {f'the label {spec.label}' if spec.label else 'one label'}"


def describe_match(head: HeadSpec) -> str:
    """Return what a checkpoint has that a spec asks for."""
    match = head.match
    parts = []
    if match.architectures:
        parts.append("class " + " or ".join(match.architectures))
    if match.tensors:
        parts.append("tensors " + ", ".join(match.tensors))
    if match.config:
        parts.append("config.json has " + ", ".join(match.config))
    if match.template_text:
        parts.append(f"a chat template with {match.template_text!r}")
    if match.encoder:
        parts.append("an encoder without a chat template")
    return "; ".join(parts) or "the only layer beside the backbone"
