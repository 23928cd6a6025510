"""Load a reward model whose head is declared by a spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.forward.packed import choose_layout
from rewardbench.hub import cache_note
from rewardbench.models.adapters import WEIGHTS, Adapter, count_labels, find_adapter
from rewardbench.models.devices import input_device
from rewardbench.models.fingerprint import weight_files
from rewardbench.models.layers import is_encoder
from rewardbench.models.limits import check_vocabulary, length_limit
from rewardbench.models.load import Checkpoint, identify_checkpoint, load_tokenizer
from rewardbench.models.locate import locate
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.classifier import load_classifier
from rewardbench.scorers.dpo import load_dpo
from rewardbench.scorers.heads.backbone import build_config, load_backbone, read_raw_config
from rewardbench.scorers.heads.infer import has_standard_head, infer_spec, is_classifier
from rewardbench.scorers.heads.inputs import HeadChat
from rewardbench.scorers.heads.match import match_spec, named_spec, spec_of_checkpoint
from rewardbench.scorers.heads.pair_ranker import PairRanker
from rewardbench.scorers.heads.readout import Readout
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.scorers.heads.spec import HeadSpec
from rewardbench.scorers.heads.tensors import TensorFiles
from rewardbench.settings import ModelSpec


def load_reward_model(spec: ModelSpec) -> BaseScorer:
    """Load a reward model: by its head spec if it has one, else as a classifier with one label.

    An adapter of a causal model without a head is a DPO policy, whose reference is its base.

    Raises:
        InputError: if the model cannot be loaded, or its scores would be meaningless.
    """
    folder = locate(spec.model, spec.revision, spec.trust_remote_code)
    adapter = find_adapter(folder, spec)
    head = find_spec(folder, spec, adapter)
    if head:
        return load_head(head, folder, spec, adapter)
    if adapter and is_policy(adapter):
        return load_dpo(spec, adapter)
    return load_classifier(spec, adapter or folder)


def is_policy(adapter: Adapter) -> bool:
    """Return True if an adapter without a head was trained on a causal language model, as a DPO policy."""
    is_causal = adapter.fields.get("task_type") == "CAUSAL_LM"
    return is_causal and not is_classifier(read_raw_config(adapter.base, adapter.base_name))


def find_spec(folder: Path, spec: ModelSpec, adapter: Adapter | None = None) -> HeadSpec | None:
    """Return the head spec of a checkpoint: the one asked for, else the one that its name or its files call for.

    None means that the checkpoint is a classifier of transformers, or that `load_classifier` says what it lacks.

    Args:
        folder: the checkpoint.
        spec: the model, and how it is loaded.
        adapter: the PEFT adapter in the folder.

    Raises:
        InputError: if its head is unknown; names the tensors.
    """
    if spec.adapter:
        return named_spec(spec.adapter)
    base = adapter.base if adapter else folder
    if spec.trust_remote_code or not (base / "config.json").is_file() or not any(base.glob("*.safetensors")):
        return None
    fields, tensors = read_fields(folder, spec.model, adapter), open_tensors(folder, adapter)
    head = spec_of_checkpoint(spec.model) or match_spec(fields, tensors)
    if head and head.input.sentence_pair and spec.chat_template:
        return None  # the user asks for one text, rendered by this template
    if head or has_standard_head(fields, tensors):
        return head
    return infer_spec(fields, tensors, spec.model)


def explain_checkpoint(folder: Path, spec: ModelSpec) -> dict[str, object]:
    """Return which family a checkpoint belongs to and why; `scored` is False if it cannot be scored.

    Returns:
        `scored`, `family` (None for a classifier of transformers), `title`, `reason`, `head_tensors`, `evidence`.
    """
    try:
        adapter = find_adapter(folder, spec)
        fields, tensors = read_fields(folder, spec.model, adapter), open_tensors(folder, adapter)
        head = find_spec(folder, spec, adapter)
    except InputError as error:
        return {"scored": False, "family": None, "reason": str(error)}
    if head is None:
        is_scored, reason = _explain_classifier(fields, tensors, adapter)
        return {"scored": is_scored, "family": None, "reason": reason}
    if head.reject:
        return {"scored": False, "family": head.name, "title": head.title, "reason": head.reject.strip()}
    names = [name for name in tensors.shapes if head.head and name.startswith(head.head.tensors)]
    reason = "named by its Hub id" if head.match.is_empty else _conditions(head)
    return {
        "scored": True,
        "family": head.name,
        "title": head.title,
        "reason": reason,
        "head_tensors": ", ".join(names),
        "evidence": head.evidence,
    }


def _explain_classifier(
    fields: Mapping[str, object], tensors: TensorFiles, adapter: Adapter | None
) -> tuple[bool, str]:
    """Return whether a checkpoint without a spec is a classifier with one label, and the reason."""
    if adapter and is_policy(adapter):
        return True, f"an adapter of a DPO policy, whose reference is its base {adapter.base_name}"
    if not is_classifier(fields):
        return False, "no reward head: score a policy with --ref_model, or declare a head with --adapter"
    heads = [tensors.shapes[name][0] for name in ("score.weight", "classifier.weight") if name in tensors]
    if heads and heads[0] != 1:
        return False, f"a classifier with {heads[0]} outputs: declare which is the reward with --adapter (output.index)"
    if adapter and not adapter.replaced and not is_classifier(read_raw_config(adapter.base, adapter.base_name)):
        return False, "an adapter of a classifier, whose head is neither in its files nor in its base"
    return True, f"{'an adapter of a' if adapter else 'a'} classifier of transformers with one label"


def _conditions(head: HeadSpec) -> str:
    """Return what a checkpoint has that a spec asks for."""
    match = head.match
    parts = []
    if match.architectures:
        parts.append("class " + " or ".join(match.architectures))
    if match.tensors:
        parts.append("tensors " + ", ".join(match.tensors))
    if match.config:
        parts.append("config.json has " + ", ".join(match.config))
    if match.encoder:
        parts.append("an encoder without a chat template")
    return "; ".join(parts) or "the only network beside the backbone"


def open_tensors(folder: Path, adapter: Adapter | None = None) -> TensorFiles:
    """Open the weight files of a checkpoint, and the files of a head beside them; of an adapter with its base."""
    weights = weight_files(adapter.base if adapter else folder)
    beside = sorted(path for path in folder.glob("*.safetensors") if path not in weights)
    tensors = TensorFiles(folder, [*weights, *(path for path in beside if path.stem == "value_head")])
    if adapter:
        tensors.overlay(adapter.folder / WEIGHTS, adapter.replaced, adapter.shapes)
    return tensors


def read_fields(folder: Path, name: str, adapter: Adapter | None) -> dict[str, object]:
    """Read config.json; of an adapter that of its base, with the class on which the adapter was trained."""
    if adapter is None:
        return read_raw_config(folder, name)
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

    fields = read_raw_config(adapter.base, name)
    class_name = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.get(str(fields.get("model_type")))
    return {**fields, "architectures": [class_name]} if adapter.is_classifier and class_name else fields


def load_head(head: HeadSpec, folder: Path, spec: ModelSpec, adapter: Adapter | None = None) -> HeadScorer:
    """Load a model by its head spec.

    Args:
        head: the spec.
        folder: the model's files.
        spec: the model, and how it is loaded.
        adapter: the PEFT adapter in the folder.

    Raises:
        InputError: if the checkpoint lacks a tensor or a key that the spec names, or cannot be loaded.
    """
    if head.reject:
        raise InputError(f"{spec.model}: {head.reject.strip()}")
    fields, tensors = read_fields(folder, spec.model, adapter), open_tensors(folder, adapter)
    config = build_config(head, fields, spec.model)
    if adapter and head.head is None and not head.vocabulary and (labels := count_labels(adapter, config)):
        config.num_labels = labels
    tokenizer = load_tokenizer(folder, spec, adapter.base if adapter else None)
    weights_folder = adapter.base if adapter else folder
    model, load_notes = load_backbone(head, config, tensors, spec, adapter)
    readout = Readout(head, tensors, fields, spec.model, input_device(model), model.dtype)
    limit = length_limit(model, tokenizer, spec.max_length or head.max_length)
    chat = HeadChat(tokenizer, head, config, spec.chat_template, limit, spec.truncation_side, spec.model)
    checkpoint = Checkpoint(spec.model, "classifier", weights_folder, config, tokenizer, "", adapter=adapter)
    identity = identify_checkpoint(checkpoint, replace(spec, trust_remote_code=False))
    scorer_class = PairRanker if head.pair == "segments" else HeadScorer
    scorer = scorer_class(model, chat, spec.model, head, readout, config, identity)
    scorer.metadata = checkpoint.metadata
    layout, layout_notes = choose_layout(scorer, may_pack=not is_encoder(config))
    notes = [*cache_note(folder, spec.model, spec.revision), *load_notes]
    notes += check_vocabulary(tokenizer, model, spec.model)
    named = f"Scored as {head.title or head.name}: {head.position.at} token, head {head.name}."
    return scorer.with_layout(layout, [named, *notes, *layout_notes])
