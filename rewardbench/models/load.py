"""Load a model: `load(spec)` returns the model, its tokenizer and everything that is recorded about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rewardbench.errors import InputError
from rewardbench.hub import commit_of
from rewardbench.models.devices import pick_device, pick_dtype
from rewardbench.models.failures import part_reported
from rewardbench.models.fingerprint import identify
from rewardbench.models.labels import COUNT_KEYS, choose_label, count_labels
from rewardbench.models.layers import compile_layers, is_encoder
from rewardbench.models.limits import check_vocabulary, length_limit, name_first
from rewardbench.models.locate import locate
from rewardbench.models.metadata import read_metadata
from rewardbench.models.spec import resolve
from rewardbench.models.weight_files import config_fields
from rewardbench.models.weights import load_pretrained, locate_model, tensor_shapes, weight_notes
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

ModelKind = Literal["classifier", "causal"]

TOKENIZER_FILES = ("*token*", "*vocab*", "*.model")
"""Patterns of which every tokenizer has a file."""

ADAPTER_KEY = re.compile(r"lora_|\.(?:ia3_l|hada_|lokr_|oft_|boft_|vera_|randlora_)|\.(?:modules_to_save|base_layer)\.")
"""Matches the names of weights that belong to a PEFT adapter."""


@dataclass(frozen=True)
class Checkpoint:
    """A model on disk: its files, configuration and tokenizer; its weights are not in memory."""

    name: str
    """The folder or Hub id, for messages."""
    kind: ModelKind
    folder: Path
    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerBase
    dtype: str
    """Dtype of the weights by the configuration; empty if it names none."""
    notes: tuple[str, ...] = ()
    """Sentences for the reader."""

    @property
    def commit(self) -> str | None:
        """Return the commit of a Hub snapshot; None for a local folder."""
        return commit_of(self.folder)


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, in evaluation mode, with its tokenizer and everything that is recorded about it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    config: PreTrainedConfig
    fingerprint: Mapping[str, object]
    """Digests of weights, configuration, tokenizer and remote code, and the versions of libraries."""
    max_length: int | None
    """Maximum tokens of a text; None if unlimited."""
    dtype: str
    """Dtype in memory."""
    folder: Path
    commit: str | None = None
    """Commit of a Hub snapshot; None for a local folder."""
    metadata: Mapping[str, int | str] = field(default_factory=dict)
    """`parameters` (their number) and `license`, as far as they are known."""
    notes: tuple[str, ...] = ()
    """Sentences for the reader."""


def load(spec: ModelSpec, folder: Path | None = None) -> LoadedModel:
    """Load the model of a spec: a causal model for a DPO reward, else a classifier.

    The Hub is queried once. Only safetensors files are read, unless pickles are allowed, and no weight is initialised
    at random.

    Args:
        spec: the model, and how it is loaded; a reference or a reference-free rule makes it a DPO policy.
        folder: the model's files, if they are known.

    Raises:
        InputError: if the model cannot be found or loaded, or if its scores would be meaningless: missing or
            unused weights, several labels, the tokenizer of another model, scores that depend on chance.
    """
    spec = resolve(spec)
    return load_weights(open_checkpoint(spec, folder=folder), spec)


def open_checkpoint(
    spec: ModelSpec, tokenizer: PreTrainedTokenizerBase | None = None, folder: Path | None = None
) -> Checkpoint:
    """Find a model's files and read its configuration and tokenizer; everything is checked that needs no weights.

    Args:
        spec: the model, and how it is loaded.
        tokenizer: used instead of loading the one that the spec names.
        folder: the model's files, if they are known.

    Raises:
        InputError: see `load`.
    """
    name, kind = spec.model, _kind_of(spec)
    folder = folder or locate_model(spec)
    config = _load_config(folder, spec)
    if kind == "causal":
        _reject_other_kinds(config, name)
    elif not COUNT_KEYS & config_fields(folder).keys():
        count_labels(config, tensor_shapes(folder))
    _reject_nondeterministic(config, name)
    return Checkpoint(
        name=name,
        kind=kind,
        folder=folder,
        config=config,
        tokenizer=load_tokenizer(folder, spec) if tokenizer is None else tokenizer,
        dtype=str(getattr(config, "dtype", None) or "").removeprefix("torch."),
        notes=tuple(weight_notes(folder, spec)),
    )


def load_weights(checkpoint: Checkpoint, spec: ModelSpec) -> LoadedModel:
    """Load a checkpoint's weights onto the device, in evaluation mode.

    Raises:
        InputError: see `load`.
    """
    name, config, tokenizer = checkpoint.name, checkpoint.config, checkpoint.tokenizer
    model, notes = _read_weights(checkpoint, spec)
    if checkpoint.kind == "classifier":
        choose_label(model.config, spec.label, name)
        _check_classifier(model, name)
    notes = [*checkpoint.notes, *notes, *check_vocabulary(tokenizer, model, name)]
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        config=config,
        fingerprint=identify(checkpoint.folder, config, tokenizer, spec.trust_remote_code),
        max_length=length_limit(model, tokenizer, spec.max_length),
        dtype=str(model.dtype).removeprefix("torch."),
        folder=checkpoint.folder,
        commit=checkpoint.commit,
        metadata=read_metadata(checkpoint.folder),
        notes=tuple(notes),
    )


def build_skeleton(checkpoint: Checkpoint, spec: ModelSpec) -> PreTrainedModel:
    """Build a causal model without weights, which takes no memory, to measure its vocabulary and positions."""
    import torch
    from transformers import AutoModelForCausalLM

    with part_reported(checkpoint.name), torch.device("meta"):
        skeleton: PreTrainedModel = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            checkpoint.config, trust_remote_code=spec.trust_remote_code
        )
    return skeleton


def _kind_of(spec: ModelSpec) -> ModelKind:
    return "causal" if spec.ref_model or spec.ref_free_type else "classifier"


def _load_config(folder: Path, spec: ModelSpec) -> PreTrainedConfig:
    """Load the configuration; code of the repository runs only with --trust_remote_code."""
    from transformers import AutoConfig

    name, adapter = spec.model, folder / "adapter_config.json"
    if not (folder / "config.json").is_file():
        if adapter.is_file():
            raise InputError(f"{name} is an adapter without its base: merge it into its model first, and pass that.")
        raise InputError(f"{name} has no config.json: pass the folder of a model as save_pretrained() writes it.")
    if adapter.is_file() and find_spec("peft"):
        raise InputError(
            f"{name} has an adapter as well as complete weights, and with peft installed the adapter's base would be "
            "loaded instead: remove adapter_config.json, or merge the adapter first."
        )
    with part_reported(f"the configuration of {name}"):
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=spec.trust_remote_code)
    return config


def load_tokenizer(folder: Path, spec: ModelSpec) -> PreTrainedTokenizerBase:
    """Load the tokenizer that the spec names, else the model's own."""
    from transformers import AutoTokenizer

    name = spec.tokenizer or spec.model
    is_own = spec.tokenizer is None or (spec.tokenizer == spec.model and spec.revision is None)
    source = folder if is_own else locate(name, code=spec.trust_remote_code)
    if not any(any(source.glob(pattern)) for pattern in TOKENIZER_FILES):
        raise InputError(f"{name} has no tokenizer: pass --tokenizer, a folder or Hub id with one.")
    with part_reported(f"the tokenizer of {name}"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            source, trust_remote_code=spec.trust_remote_code
        )
    return tokenizer


def _read_weights(checkpoint: Checkpoint, spec: ModelSpec) -> tuple[PreTrainedModel, list[str]]:
    """Load the weights into the Auto class of the checkpoint's kind; return the model and notes."""
    import transformers

    name, folder = checkpoint.name, checkpoint.folder
    auto_class = (
        transformers.AutoModelForSequenceClassification
        if checkpoint.kind == "classifier"
        else transformers.AutoModelForCausalLM
    )
    device = pick_device(spec.device)
    kernel = {"attn_implementation": spec.attn_implementation} if spec.attn_implementation else {}
    with part_reported(f"the weights of {name}"):
        model, info = load_pretrained(
            auto_class,
            folder,
            checkpoint.config,
            dtype=pick_dtype(spec.dtype, device),
            ignore_mismatched_sizes=True,  # rejected below, with a clearer message
            trust_remote_code=spec.trust_remote_code,
            output_loading_info=True,
            **kernel,
        )
    _reject_mismatched(name, info["mismatched_keys"])
    _reject_missing(checkpoint, sorted(info["missing_keys"]))
    model.config.return_dict = True
    model = model.to(device).eval()
    if spec.compile:
        compile_layers(model, name)
    return model, _check_unused(name, model, sorted(info["unexpected_keys"]))


def _reject_other_kinds(config: PreTrainedConfig, name: str) -> None:
    """Reject encoders and classifiers, which are not DPO policies."""
    if is_encoder(config) or config.is_encoder_decoder:
        raise InputError(f"{name} is not a causal language model, so it has no DPO reward: leave out --ref_model.")
    if any("ForSequenceClassification" in saved for saved in config.architectures or []):
        raise InputError(f"{name} is a classifier, not a policy: score it without --ref_model and --ref_free_type.")


def _reject_nondeterministic(config: PreTrainedConfig, name: str) -> None:
    """Reject models that give a long text different scores; the short texts of the batch probe cannot show that.

    Block-sparse attention (BigBird) switches to full attention for good after the first short text; LSH attention
    (Reformer) draws random hashes.
    """
    if "lsh" in getattr(config, "attn_layers", ()):
        raise InputError(f"{name} draws random hashes in every forward pass, so its scores are not reproducible.")
    if getattr(config, "attention_type", None) == "block_sparse":
        raise InputError(
            f"{name} uses block-sparse attention until its first short text, so scores would depend on the order: set "
            "attention_type to original_full in its config.json."
        )


def _check_classifier(model: PreTrainedModel, name: str) -> None:
    """Check that an encoder-decoder says where its decoder starts."""
    config = model.config
    if hasattr(model, "_shift_right") and getattr(config, "decoder_start_token_id", None) is None:
        raise InputError(
            f"{name} is an encoder-decoder whose config.json names no decoder_start_token_id, from which its decoder "
            "starts: add the one it was trained with."
        )


def _reject_mismatched(name: str, keys: Sequence[tuple[str, Sequence[int], Sequence[int]]]) -> None:
    """Reject weights of another shape than the configuration's: (key, shape in the file, shape in the model)."""
    if keys:
        key, file_shape, model_shape = sorted(keys)[0]
        raise InputError(
            f"{name} has weights of another size than its config.json says ({key} is {list(file_shape)}, not "
            f"{list(model_shape)}): the two belong to different models."
        )


def _reject_missing(checkpoint: Checkpoint, keys: Sequence[str]) -> None:
    """Reject a model with weights that are in no file and would be random."""
    if not keys:
        return
    hint = (
        "A reward model with a head is scored without --ref_model and --ref_free_type."
        if checkpoint.kind == "causal"
        else "For a policy trained with DPO pass --ref_model (or --ref_free_type)."
    )
    raise InputError(
        f"{checkpoint.name} lacks weights ({name_first(keys)}), which would be random: it is not a trained model of "
        f"this kind. {hint}"
    )


def _check_unused(name: str, model: PreTrainedModel, keys: Sequence[str]) -> list[str]:
    """Return a note on weights in the files that this kind of model does not use (another head, say).

    Raises:
        InputError: if they belong to an adapter, or to a module that is in use (a bias, a scale), so that the model
            would compute something else than it was trained to.
    """
    adapter_keys = list(filter(ADAPTER_KEY.search, keys))
    if adapter_keys:
        raise InputError(
            f"{name} has the weights of an adapter that was never merged ({name_first(adapter_keys)}), and the model "
            "would be scored without it: merge it (merge_and_unload() of peft) and save the model again."
        )
    modules = {path for path, module in model.named_modules() if getattr(module, "weight", None) is not None}
    for key in keys:
        if key.rpartition(".")[0] in modules:
            raise InputError(
                f"{name} has a weight {key} that its config.json does not use, so the model would compute something "
                "else than it was trained to: weights and config.json do not match."
            )
    return [f"The files of {name} have weights that are not used: {name_first(keys)}."] if keys else []
