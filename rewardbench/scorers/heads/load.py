"""Load a reward model whose head is declared by a spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.forward.packed import choose_layout
from rewardbench.hub import repository_of
from rewardbench.models.adapters import Adapter, find_adapter
from rewardbench.models.devices import input_device
from rewardbench.models.labels import choose_label, set_label_count
from rewardbench.models.layers import is_encoder
from rewardbench.models.limits import check_vocabulary, length_limit
from rewardbench.models.load import Checkpoint, identify_checkpoint, load_tokenizer
from rewardbench.models.weight_files import PICKLE, SIDE_FILE, weight_files
from rewardbench.models.weights import locate_model, weight_notes
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.classifier import load_classifier
from rewardbench.scorers.dpo import load_dpo
from rewardbench.scorers.heads.backbone import build_config, load_backbone, read_raw_config
from rewardbench.scorers.heads.coverage import reject_unread
from rewardbench.scorers.heads.infer import has_classifier_head, infer_spec, is_classifier, reject_step_class
from rewardbench.scorers.heads.inputs import HeadChat
from rewardbench.scorers.heads.match import count_outputs, match_spec, settle
from rewardbench.scorers.heads.pair_embedder import PairEmbedder
from rewardbench.scorers.heads.pair_ranker import PairRanker
from rewardbench.scorers.heads.readout import Readout
from rewardbench.scorers.heads.registry import named_spec, rejected_spec, spec_of_checkpoint
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.scorers.heads.spec import Embeddings, HeadSpec, Output, Segments
from rewardbench.scorers.heads.tensors import TensorFiles, open_files, open_tensors, side_file
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def load_reward_model(spec: ModelSpec) -> BaseScorer:
    """Load a reward model: by its head spec if it has one, else as a classifier of transformers.

    An adapter of a causal model without a head is a DPO policy, whose reference is its base.

    Raises:
        InputError: if the model cannot be loaded, or its scores would be meaningless.
    """
    if not (spec.adapter or spec.trust_remote_code):
        reject_family(spec.model)
    folder = locate_model(spec)
    adapter = find_adapter(folder, spec)
    head = find_spec(folder, spec, adapter)
    if head:
        return load_head(head, folder, spec, adapter)
    if adapter and is_policy(adapter):
        if spec.label:
            raise InputError(f"--label names an output of a classifier, and {spec.model} is a policy: leave it out.")
        return load_dpo(spec, adapter)
    return load_classifier(spec, adapter or folder)


def is_policy(adapter: Adapter) -> bool:
    """Return True if an adapter without a head was trained on a causal language model, as a DPO policy."""
    is_causal = adapter.fields.get("task_type") == "CAUSAL_LM"
    return is_causal and not is_classifier(read_raw_config(adapter.base, adapter.base_name))


def reject_family(name: str) -> None:
    """Reject a Hub id of a family that cannot be scored, before anything is downloaded.

    Raises:
        InputError: with the reason, and what to do.
    """
    head = rejected_spec(name)
    if head:
        raise InputError(f"{name}: {head.rejection}")


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
    if not (base / "config.json").is_file() or not weight_files(base):
        return None
    fields, tensors = read_fields(folder, spec.model, adapter), open_checkpoint_tensors(folder, spec, adapter)
    if spec.trust_remote_code and not tensors.beside and has_classifier_code(fields):
        return None
    return match_checkpoint(fields, tensors, spec)


def has_classifier_code(fields: Mapping[str, object]) -> bool:
    """Return True if only code of the repository scores a model: its own classifier, or an unknown architecture."""
    from transformers import CONFIG_MAPPING

    auto_map = fields.get("auto_map")
    has_class = isinstance(auto_map, dict) and "AutoModelForSequenceClassification" in auto_map
    return has_class or fields.get("model_type") not in CONFIG_MAPPING


def match_checkpoint(fields: Mapping[str, object], tensors: TensorFiles, spec: ModelSpec) -> HeadSpec | None:
    """Return the head spec that a checkpoint's name or files call for; see `find_spec`."""
    name = repository_of(tensors.folder) or spec.model
    head = spec_of_checkpoint(name) or match_spec(fields, tensors, name)
    if head and head.input.sentence_pair and spec.chat_template:
        return None  # the user asks for one text, rendered by this template
    if head is None or not (head.steps or head.reject):
        reject_step_class(fields, spec.model)
    if head or (is_classifier(fields) and has_classifier_head(fields, tensors, spec.model)):
        return head
    return infer_spec(fields, tensors, spec.model)


def open_checkpoint_tensors(folder: Path, spec: ModelSpec, adapter: Adapter | None) -> TensorFiles:
    """Open the tensors of a checkpoint; of an adapter those of its base, replaced and completed by its own."""
    if adapter is None:
        return open_tensors(folder, spec.allow_pickle)
    beside = adapter_head_file(folder, spec.allow_pickle)
    tensors = open_files(folder, weight_files(adapter.base), [beside] if beside else [], spec.allow_pickle)
    tensors.overlay(adapter.weights, adapter.replaced, adapter.shapes)
    return tensors


def adapter_head_file(folder: Path, allow_pickle: bool) -> Path | None:
    """Return the file of a head beside an adapter: that of LLaMA-Factory, else TRL's; None if there is none."""
    beside = side_file(folder, SIDE_FILE, allow_pickle)
    return beside or side_file(folder, Path(PICKLE).stem, allow_pickle)


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
    if head.rejection:
        raise InputError(f"{spec.model}: {head.rejection}")
    fields, tensors = read_fields(folder, spec.model, adapter), open_checkpoint_tensors(folder, spec, adapter)
    head, config = with_config(head, fields, tensors, spec, adapter)
    tokenizer = load_tokenizer(folder, spec, adapter.base if adapter else None)
    backbone = load_backbone(head, config, tensors, spec, adapter)
    model = backbone.model
    readout = Readout(head, tensors, fields, spec.model, input_device(model), model.dtype)
    reject_unread(head, backbone.unused, tensors, spec.model)
    limit = length_limit(model, tokenizer, spec.max_length or head.max_length)
    chat = HeadChat(tokenizer, head, config, spec.chat_template, limit, spec.truncation_side, spec.model)
    weights_folder = adapter.base if adapter else folder
    checkpoint = Checkpoint(spec.model, "classifier", weights_folder, config, tokenizer, "", adapter=adapter)
    identity = identify_checkpoint(
        checkpoint, runs_code=False, head_files=head_files(head, folder, spec.allow_pickle, adapter)
    )
    scorer = _scorer_class(head)(model, chat, spec.model, head, readout, config, identity)
    scorer.metadata = checkpoint.metadata
    layout, layout_notes = choose_layout(scorer, may_pack=not is_encoder(config))
    notes = [*family_notes(head, folder, spec), *weight_notes(folder, spec), *backbone.notes]
    notes += check_vocabulary(tokenizer, model, spec.model)
    return scorer.with_layout(layout, [*notes, *layout_notes])


def family_notes(head: HeadSpec, folder: Path, spec: ModelSpec) -> list[str]:
    """Return notes on the family of a checkpoint: its head, and what is uncertain if nobody named the family."""
    where = f"{head.position.at} token"
    if head.steps:
        where = f"each step ({spec.step_aggregation or head.steps.aggregate} of the scores)"
    notes = [f"Scored as {head.title or head.name}: {where}, head {head.name}."]
    is_certain = spec.adapter or (repository_of(folder) or spec.model) in head.checkpoints
    return notes if is_certain or not head.note else [*notes, head.note.strip()]


def with_config(
    head: HeadSpec, fields: Mapping[str, object], tensors: TensorFiles, spec: ModelSpec, adapter: Adapter | None
) -> tuple[HeadSpec, PreTrainedConfig]:
    """Return a head spec as it applies to one checkpoint, with the output that --label names; and its configuration.

    Raises:
        InputError: if transformers has no such backbone, or the label does not exist.
    """
    config = build_config(head, fields, spec.model)
    adapter_shapes = adapter.shapes if adapter and head.has_classifier_head else None
    set_label_count(config, tensors.shapes, adapter_shapes)
    return with_label(settle(head, fields, tensors), config, spec, tensors), config


def _scorer_class(head: HeadSpec) -> type[HeadScorer]:
    """Return the class that scores models of a head spec."""
    if isinstance(head.pair, Embeddings):
        return PairEmbedder
    return PairRanker if isinstance(head.pair, Segments) else HeadScorer


def head_files(head: HeadSpec, folder: Path, allow_pickle: bool, adapter: Adapter | None = None) -> list[Path]:
    """Return the files beside the weights that hold a head: those that its spec names, and that of a trainer."""
    stems = {network.file for network in head.networks if network.file}
    paths = [side_file(folder, stem, allow_pickle) for stem in sorted(stems | {SIDE_FILE})]
    if adapter:
        paths.append(adapter_head_file(folder, allow_pickle))
    return sorted({path for path in paths if path})


def with_label(head: HeadSpec, config: PreTrainedConfig, spec: ModelSpec, tensors: TensorFiles) -> HeadSpec:
    """Return a head spec that reads the output that --label names; `config` gets the number of outputs of its head.

    Raises:
        InputError: if a classifier has several outputs and none is named, or the spec's rule allows no choice.
    """
    rule = head.output.model_copy(update={"index": None, "label": None, "activation": "none"})
    has_rule = bool(head.gate or head.pair or head.steps or head.vocabulary) or rule != Output()
    if has_rule or not (head.has_classifier_head or spec.label):
        if spec.label:
            raise InputError(
                f"--label names an output of a classifier, and {spec.model} is scored by the rule of its head "
                f"{head.name}: leave it out."
            )
        return head
    if head.head and (outputs := count_outputs(head.head, tensors)):
        config.num_labels = outputs
    is_declared = head.output.index is not None or head.output.label is not None
    label = None if is_declared and not spec.label else choose_label(config, spec.label, spec.model)
    if label is None:
        return head
    chosen = {"log_odds" if label.log_odds else "index": label.index}
    activation = "none" if label.log_odds else head.output.activation
    return head.model_copy(update={"output": Output.model_validate({**chosen, "activation": activation})})
