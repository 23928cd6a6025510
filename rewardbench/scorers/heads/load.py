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
from rewardbench.scorers.heads.coverage import reject_unread
from rewardbench.scorers.heads.infer import has_classifier_head, infer_spec, is_classifier, reject_step_class
from rewardbench.scorers.heads.inputs import HeadChat
from rewardbench.scorers.heads.match import match_spec, settle
from rewardbench.scorers.heads.pair_ranker import PairRanker
from rewardbench.scorers.heads.readout import Readout
from rewardbench.scorers.heads.registry import named_spec, rejected_spec, spec_of_checkpoint
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.scorers.heads.spec import HeadSpec
from rewardbench.scorers.heads.tensors import TensorFiles
from rewardbench.settings import ModelSpec

HEAD_FILES = ("value_head",)
"""Files beside the weights, without their suffix, in which some libraries store the head."""


def load_reward_model(spec: ModelSpec) -> ModelScorer:
    """Load a reward model: by its head spec if it has one, else as a classifier with one label.

    Raises:
        InputError: if the model cannot be loaded, or its scores would be meaningless.
    """
    if not (spec.adapter or spec.trust_remote_code):
        reject_family(spec.model)
    folder = locate(spec.model, spec.revision, spec.trust_remote_code)
    head = find_spec(folder, spec)
    return load_head(head, folder, spec) if head else load_classifier(spec, folder)


def reject_family(name: str) -> None:
    """Reject a Hub id of a family that cannot be scored, before anything is downloaded.

    Raises:
        InputError: with the reason, and what to do.
    """
    head = rejected_spec(name)
    if head:
        _reject(head, name)


def _reject(head: HeadSpec, name: str) -> None:
    """Raise InputError if the family of a spec cannot be scored, or not without a principle."""
    if head.reject:
        raise InputError(f"{name}: {head.reject.strip()}")
    if head.input.needs_principle:
        raise InputError(
            f"{name} rates how far a response follows a principle, which is part of the protocol: pass --adapter "
            f"{head.name}:PRINCIPLE, for example {head.name}:correctness."
        )


def find_spec(folder: Path, spec: ModelSpec) -> HeadSpec | None:
    """Return the head spec of a checkpoint: the one asked for, else the one that its name or its files call for.

    None means that the checkpoint is a classifier of transformers, or that `load_classifier` says what it lacks.

    Raises:
        InputError: if its head is unknown; names the tensors.
    """
    if spec.adapter:
        return named_spec(spec.adapter)
    reject_format(folder, spec.model)
    if spec.trust_remote_code or not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        return None
    fields, tensors = read_raw_config(folder, spec.model), open_tensors(folder)
    return match_checkpoint(fields, tensors, spec)


def match_checkpoint(fields: Mapping[str, object], tensors: TensorFiles, spec: ModelSpec) -> HeadSpec | None:
    """Return the head spec that a checkpoint's name or files call for; see `find_spec`."""
    name = hub_id(spec.model, tensors.folder)
    head = spec_of_checkpoint(name) or match_spec(fields, tensors, name)
    if head and head.input.sentence_pair and spec.chat_template:
        return None  # the user asks for one text, rendered by this template
    if head is None or not (head.steps or head.reject):
        reject_step_class(fields, spec.model)
    if head or (is_classifier(fields) and has_classifier_head(fields, tensors, spec.model)):
        return head
    return infer_spec(fields, tensors, spec.model)


def hub_id(name: str, folder: Path) -> str:
    """Return the Hub id of a model, also if its folder in the Hub cache was passed; else the name."""
    repository = folder.parent.parent.name
    cached = repository.removeprefix("models--").replace("--", "/")
    return cached if repository.startswith("models--") else name


def reject_format(folder: Path, name: str) -> None:
    """Reject checkpoints in formats that are not read.

    Raises:
        InputError: if the folder has a NeMo or GGUF model only; says what to do.
    """
    if any(folder.glob("*.safetensors")) or (folder / "config.json").is_file():
        return
    if any(folder.glob("*.nemo")) or (folder / "model_config.yaml").is_file() or (folder / "model_weights").is_dir():
        raise InputError(
            f"{name} is a NeMo checkpoint, which transformers cannot load: score it with NeMo-Aligner's reward server, "
            "or pass a conversion to Hugging Face's format."
        )
    if any(folder.glob("*.gguf")):
        raise InputError(
            f"{name} is a GGUF file, in which the head and the exact weights of a reward model are lost: pass the "
            "safetensors checkpoint that it was made from."
        )


def open_tensors(folder: Path) -> TensorFiles:
    """Open the weight files of a checkpoint, and the files of a head beside them."""
    weights = weight_files(folder)
    beside = sorted(path for path in folder.glob("*.safetensors") if path not in weights)
    return TensorFiles.open(folder, weights, [path for path in beside if path.stem == "value_head"])


def load_head(head: HeadSpec, folder: Path, spec: ModelSpec) -> HeadScorer:
    """Load a model by its head spec.

    Raises:
        InputError: if the checkpoint lacks a tensor or a key that the spec names, or cannot be loaded.
    """
    _reject(head, spec.model)
    fields = read_raw_config(folder, spec.model)
    config = build_config(head, fields, spec.model)
    tokenizer = load_tokenizer(folder, spec)
    tensors = open_tensors(folder)
    head = settle(head, fields, tensors)
    model, unused = load_backbone(head, config, tensors, spec)
    readout = Readout(head, tensors, fields, spec.model, model.device, model.dtype)
    reject_unread(head, unused, tensors, spec.model)
    limit = length_limit(model, tokenizer, spec.max_length or head.max_length)
    chat = HeadChat(tokenizer, head, config, spec.chat_template, limit, spec.truncation_side, spec.model)
    identity = identify(folder, config, tokenizer, False, head_files(head, folder))
    scorer_class = PairRanker if head.pair == "segments" else HeadScorer
    scorer = scorer_class(model, chat, spec.model, head, readout, config, identity)
    scorer.metadata = read_metadata(folder)
    layout, layout_notes = choose_layout(scorer, may_pack=not is_encoder(config))
    notes = [*cache_note(folder, spec.model, spec.revision), *check_vocabulary(tokenizer, model, spec.model)]
    named = f"Scored as {head.title or head.name}: {head.position.at} token, head {head.name}."
    is_certain = spec.adapter or hub_id(spec.model, folder) in head.checkpoints
    ambiguity = [] if is_certain or not head.note else [head.note.strip()]
    return scorer.with_layout(layout, [named, *ambiguity, *notes, *layout_notes])


def head_files(head: HeadSpec, folder: Path) -> list[Path]:
    """Return the files beside the weights that hold a head: those that its spec names, else that of LLaMA-Factory."""
    networks = [network for network in (head.head, head.gate.network if head.gate else None) if network]
    stems = {network.file for network in networks if network.file} | {"value_head"}
    return [path for stem in sorted(stems) if (path := folder / f"{stem}.safetensors").is_file()]
