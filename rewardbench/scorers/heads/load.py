"""Load a reward model whose head is declared by a spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.forward.packed import choose_layout
from rewardbench.hub import cache_note
from rewardbench.models.fingerprint import identify, weight_files
from rewardbench.models.layers import is_encoder
from rewardbench.models.limits import check_vocabulary, length_limit
from rewardbench.models.load import load_tokenizer
from rewardbench.models.locate import locate
from rewardbench.models.metadata import read_metadata
from rewardbench.scorers.base import ModelScorer
from rewardbench.scorers.classifier import load_classifier
from rewardbench.scorers.heads.backbone import build_config, load_backbone, read_raw_config
from rewardbench.scorers.heads.infer import has_standard_head, infer_spec, is_classifier
from rewardbench.scorers.heads.inputs import HeadChat
from rewardbench.scorers.heads.match import match_spec, named_spec, spec_of_checkpoint
from rewardbench.scorers.heads.pair_embedder import PairEmbedder
from rewardbench.scorers.heads.pair_ranker import PairRanker
from rewardbench.scorers.heads.readout import Readout
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.scorers.heads.spec import Embeddings, HeadSpec, Segments
from rewardbench.scorers.heads.tensors import TensorFiles
from rewardbench.settings import ModelSpec


def load_reward_model(spec: ModelSpec) -> ModelScorer:
    """Load a reward model: by its head spec if it has one, else as a classifier with one label.

    Raises:
        InputError: if the model cannot be loaded, or its scores would be meaningless.
    """
    folder = locate(spec.model, spec.revision, spec.trust_remote_code)
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
    if spec.trust_remote_code or not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        return None
    fields, tensors = read_raw_config(folder, spec.model), open_tensors(folder)
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
    fields, tensors = read_raw_config(folder, spec.model), open_tensors(folder)
    try:
        head = find_spec(folder, spec)
    except InputError as error:
        return {"scored": False, "family": None, "reason": str(error)}
    if head is None:
        is_scored, reason = _explain_classifier(fields, tensors)
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


def _explain_classifier(fields: Mapping[str, object], tensors: TensorFiles) -> tuple[bool, str]:
    """Return whether a checkpoint without a spec is a classifier with one label, and the reason."""
    if not is_classifier(fields):
        return False, "no reward head: score a policy with --ref_model, or declare a head with --adapter"
    heads = [tensors.shapes[name][0] for name in ("score.weight", "classifier.weight") if name in tensors]
    if heads and heads[0] != 1:
        return False, f"a classifier with {heads[0]} outputs: declare which is the reward with --adapter (output.index)"
    return True, "a classifier of transformers with one label"


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


def open_tensors(folder: Path) -> TensorFiles:
    """Open the weight files of a checkpoint, and the files of a head beside them."""
    weights = weight_files(folder)
    beside = sorted(path for path in folder.glob("*.safetensors") if path not in weights)
    return TensorFiles(folder, [*weights, *(path for path in beside if path.stem == "value_head")])


def load_head(head: HeadSpec, folder: Path, spec: ModelSpec) -> HeadScorer:
    """Load a model by its head spec.

    Raises:
        InputError: if the checkpoint lacks a tensor or a key that the spec names, or cannot be loaded.
    """
    if head.reject:
        raise InputError(f"{spec.model}: {head.reject.strip()}")
    fields = read_raw_config(folder, spec.model)
    config = build_config(head, fields, spec.model)
    tokenizer = load_tokenizer(folder, spec)
    tensors = open_tensors(folder)
    model, _ = load_backbone(head, config, tensors, spec)
    readout = Readout(head, tensors, fields, spec.model, model.device, model.dtype)
    limit = length_limit(model, tokenizer, spec.max_length or head.max_length)
    chat = HeadChat(tokenizer, head, config, spec.chat_template, limit, spec.truncation_side, spec.model)
    identity = identify(folder, config, tokenizer, False)
    scorer = _scorer_class(head)(model, chat, spec.model, head, readout, config, identity)
    scorer.metadata = read_metadata(folder)
    layout, layout_notes = choose_layout(scorer, may_pack=not is_encoder(config))
    notes = [*cache_note(folder, spec.model, spec.revision), *check_vocabulary(tokenizer, model, spec.model)]
    named = f"Scored as {head.title or head.name}: {head.position.at} token, head {head.name}."
    return scorer.with_layout(layout, [named, *notes, *layout_notes])


def _scorer_class(head: HeadSpec) -> type[HeadScorer]:
    """Return the class that scores a head: most need no code of their own."""
    if isinstance(head.pair, Embeddings):
        return PairEmbedder
    return PairRanker if isinstance(head.pair, Segments) else HeadScorer
