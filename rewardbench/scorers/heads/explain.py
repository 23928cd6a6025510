"""Say which family a checkpoint belongs to, and why."""

from __future__ import annotations

from collections.abc import Mapping

from rewardbench.errors import InputError
from rewardbench.models.adapters import Adapter, find_adapter
from rewardbench.models.labels import CLASSIFIER_HEADS
from rewardbench.models.locate import locate
from rewardbench.models.weights import locate_model, require_weights
from rewardbench.paths import home_path
from rewardbench.scorers.heads.backbone import read_raw_config
from rewardbench.scorers.heads.catalogue import describe_match
from rewardbench.scorers.heads.coverage import read_tensors, reject_unread
from rewardbench.scorers.heads.infer import (
    extra_tensors,
    has_classifier_head,
    is_classifier,
    is_decoder,
)
from rewardbench.scorers.heads.load import (
    is_policy,
    match_checkpoint,
    open_checkpoint_tensors,
    read_fields,
    with_config,
)
from rewardbench.scorers.heads.readout import check_affine
from rewardbench.scorers.heads.registry import known_specs, rejected_spec
from rewardbench.scorers.heads.remote import fetch_headers
from rewardbench.scorers.heads.spec import HeadSpec
from rewardbench.scorers.heads.tensors import TensorFiles
from rewardbench.settings import ModelSpec


def explain_checkpoint(spec: ModelSpec) -> dict[str, object]:
    """Return which family a checkpoint belongs to and why; `scored` is False if it cannot be scored.

    Of a checkpoint on the Hub, only the headers of its weights are read, unless it is an adapter or in pickles.

    Args:
        spec: the model (a folder or a Hub id), its revision, and what may be read.

    Returns:
        `scored`, `family` (None if there is none), `title`, `reason`, `head_tensors`, `evidence`; for a family that is
        not scored and a checkpoint of none, the reason says what to do.

    Raises:
        InputError: if there is no such folder or repository.
    """
    rejected = rejected_spec(spec.model)
    if rejected:
        return _explain_rejected(rejected)
    is_local = home_path(spec.model).is_dir()
    folder = locate(spec.model, spec.revision) if is_local else None
    tensors = None if is_local else fetch_headers(spec.model, spec.revision)
    try:
        if tensors:
            return _explain(read_raw_config(tensors.folder, spec.model), tensors, spec, None)
        folder = require_weights(folder, spec) if folder else locate_model(spec)
        adapter = find_adapter(folder, spec)
        fields = read_fields(folder, spec.model, adapter)
        return _explain(fields, open_checkpoint_tensors(folder, spec, adapter), spec, adapter)
    except InputError as error:
        return {"scored": False, "family": None, "reason": str(error)}


def _explain(
    fields: Mapping[str, object], tensors: TensorFiles, spec: ModelSpec, adapter: Adapter | None
) -> dict[str, object]:
    head = match_checkpoint(fields, tensors, spec)
    if head is None:
        return _explain_classifier(fields, tensors, spec, adapter)
    if head.reject:
        return _explain_rejected(head)
    head, _ = with_config(head, fields, tensors, spec, adapter)
    if head.affine:
        check_affine(head.affine, fields)
    head_names = read_tensors(head, tensors)
    if head.head and is_decoder(fields) and not adapter:
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
    return {"scored": False, "family": head.name, "title": head.title, "reason": head.rejection}


def _explain_classifier(
    fields: Mapping[str, object], tensors: TensorFiles, spec: ModelSpec, adapter: Adapter | None
) -> dict[str, object]:
    """Explain a checkpoint without a spec: a classifier of transformers, or a policy."""
    if adapter and is_policy(adapter):
        reason = f"an adapter of a DPO policy, whose reference is its base {adapter.base_name}"
        return {"scored": True, "family": "peft_adapter", "reason": reason}
    if adapter and not adapter.replaced and not is_classifier(read_raw_config(adapter.base, adapter.base_name)):
        reason = "an adapter of a classifier, whose head is neither in its files nor in its base"
        return {"scored": False, "family": None, "reason": reason}
    if not adapter and not (is_classifier(fields) and has_classifier_head(fields, tensors, spec.model)):
        named = [spec.name for spec in known_specs().values() if spec.match.is_empty and spec.vocabulary]
        reason = (
            "no reward head: score a policy with --ref_model; a family whose reward is the logit of a token "
            f"({', '.join(named)}) is named with --adapter"
        )
        return {"scored": False, "family": None, "reason": reason}
    head = next((tensor for tensor in CLASSIFIER_HEADS if tensor in tensors), None)
    labels = fields.get("id2label")
    outputs = len(labels) if isinstance(labels, dict) and labels else 1
    if head:
        outputs = tensors.shapes[head][0]
    kind = f"{'an adapter of ' if adapter else ''}a classifier"
    reason = f"{kind} of transformers with {f'the label {spec.label}' if spec.label else 'one label'}"
    if outputs != 1 and not spec.label:
        reason = f"{kind} with {outputs} outputs: name the one that is the reward with --label"
    explanation: dict[str, object] = {
        "scored": outputs == 1 or bool(spec.label),
        "family": "peft_adapter" if adapter else "classifier",
        "reason": reason,
    }
    if head:
        explanation["head_tensors"] = head
    return explanation
