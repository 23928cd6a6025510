"""Load a reward model whose head is declared by a spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.forward.packed import choose_layout
from rewardbench.models.fingerprint import identify
from rewardbench.models.labels import COUNT_KEYS, choose_label, count_labels
from rewardbench.models.layers import is_encoder
from rewardbench.models.limits import check_vocabulary, length_limit
from rewardbench.models.load import load_tokenizer
from rewardbench.models.metadata import read_metadata
from rewardbench.models.weight_files import SIDE_FILE, weight_files
from rewardbench.models.weights import locate_model, require_weights, weight_notes
from rewardbench.scorers.base import ModelScorer
from rewardbench.scorers.classifier import load_classifier
from rewardbench.scorers.heads.backbone import build_config, load_backbone, read_raw_config
from rewardbench.scorers.heads.infer import has_standard_head, infer_spec, is_classifier
from rewardbench.scorers.heads.inputs import HeadChat
from rewardbench.scorers.heads.match import match_spec, named_spec, spec_of_checkpoint
from rewardbench.scorers.heads.pair_ranker import PairRanker
from rewardbench.scorers.heads.readout import Readout
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.scorers.heads.spec import HeadSpec, Output
from rewardbench.scorers.heads.tensors import TensorFiles, open_tensors, side_file
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def load_reward_model(spec: ModelSpec) -> ModelScorer:
    """Load a reward model: by its head spec if it has one, else as a classifier with one label.

    Raises:
        InputError: if the model cannot be loaded, or its scores would be meaningless.
    """
    folder = locate_model(spec)
    head = find_spec(folder, spec)
    return load_head(head, folder, spec) if head else load_classifier(spec, folder)


def find_spec(folder: Path, spec: ModelSpec) -> HeadSpec | None:
    """Return the head spec of a checkpoint: the one asked for, else the one that its name or its files call for.

    None means that the checkpoint is a classifier of transformers, or that `load_classifier` says what it lacks.

    Raises:
        InputError: if its head is unknown; names the tensors.
    """
    if spec.adapter:
        return named_spec(spec.adapter)
    if spec.trust_remote_code or not (folder / "config.json").is_file() or not weight_files(folder):
        return None
    fields, tensors = read_raw_config(folder, spec.model), open_tensors(folder, spec.allow_pickle)
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
        folder = require_weights(folder, spec)
        fields, tensors = read_raw_config(folder, spec.model), open_tensors(folder, spec.allow_pickle)
        head = find_spec(folder, spec)
        if head and not head.reject:
            config = build_config(head, fields, spec.model)
            if not COUNT_KEYS & fields.keys():
                count_labels(config, tensors.shapes)
            with_label(head, config, spec)
    except InputError as error:
        return {"scored": False, "family": None, "reason": str(error)}
    if head is None:
        is_scored, reason = _explain_classifier(fields, tensors, spec.label)
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


def _explain_classifier(fields: Mapping[str, object], tensors: TensorFiles, label: str | None) -> tuple[bool, str]:
    """Return whether a checkpoint without a spec is a classifier with one label, or a named one, and the reason."""
    if not is_classifier(fields):
        return False, "no reward head: score a policy with --ref_model, or declare a head with --adapter"
    heads = [tensors.shapes[name][0] for name in ("score.weight", "classifier.weight") if name in tensors]
    if heads and heads[0] != 1 and not label:
        return False, f"a classifier with {heads[0]} outputs: name the one that is the reward with --label"
    return True, f"a classifier of transformers with {'the label ' + label if label else 'one label'}"


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


def load_head(head: HeadSpec, folder: Path, spec: ModelSpec) -> HeadScorer:
    """Load a model by its head spec.

    Raises:
        InputError: if the checkpoint lacks a tensor or a key that the spec names, or cannot be loaded.
    """
    if head.reject:
        raise InputError(f"{spec.model}: {head.reject.strip()}")
    fields = read_raw_config(folder, spec.model)
    config = build_config(head, fields, spec.model)
    tensors = open_tensors(folder, spec.allow_pickle)
    if not COUNT_KEYS & fields.keys():
        count_labels(config, tensors.shapes)
    head = with_label(head, config, spec)
    tokenizer = load_tokenizer(folder, spec)
    model, _ = load_backbone(head, config, tensors, spec)
    readout = Readout(head, tensors, fields, spec.model, model.device, model.dtype)
    limit = length_limit(model, tokenizer, spec.max_length or head.max_length)
    chat = HeadChat(tokenizer, head, config, spec.chat_template, limit, spec.truncation_side, spec.model)
    identity = identify(folder, config, tokenizer, False, head_files(head, folder, spec.allow_pickle))
    scorer_class = PairRanker if head.pair == "segments" else HeadScorer
    scorer = scorer_class(model, chat, spec.model, head, readout, config, identity)
    scorer.metadata = read_metadata(folder)
    layout, layout_notes = choose_layout(scorer, may_pack=not is_encoder(config))
    notes = [*weight_notes(folder, spec), *check_vocabulary(tokenizer, model, spec.model)]
    named = f"Scored as {head.title or head.name}: {head.position.at} token, head {head.name}."
    return scorer.with_layout(layout, [named, *notes, *layout_notes])


def head_files(head: HeadSpec, folder: Path, allow_pickle: bool) -> list[Path]:
    """Return the files beside the weights that hold a head: those that its spec names, else that of LLaMA-Factory."""
    networks = [network for network in (head.head, head.gate.network if head.gate else None) if network]
    stems = {network.file for network in networks if network.file} | {SIDE_FILE}
    paths = [side_file(folder, stem, allow_pickle) for stem in sorted(stems)]
    return [path for path in paths if path]


def with_label(head: HeadSpec, config: PreTrainedConfig, spec: ModelSpec) -> HeadSpec:
    """Return a head spec that reads the output that --label names.

    Raises:
        InputError: if a classifier has several outputs and none is named, or the spec's rule allows no choice.
    """
    rule = head.output.model_copy(update={"index": None, "label": None, "activation": "none"})
    is_classifier = head.head is None and not head.vocabulary
    if head.gate or rule != Output() or not (is_classifier or spec.label):
        if spec.label:
            raise InputError(
                f"--label names an output of a classifier, and {spec.model} is scored by the rule of its head "
                f"{head.name}: leave it out."
            )
        return head
    is_declared = head.output.index is not None or head.output.label is not None
    label = None if is_declared and not spec.label else choose_label(config, spec.label, spec.model)
    if label is None:
        return head
    chosen = {"log_odds" if label.log_odds else "index": label.index}
    activation = "none" if label.log_odds else head.output.activation
    return head.model_copy(update={"output": Output.model_validate({**chosen, "activation": activation})})
