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
from rewardbench.models.adapters import Adapter, apply_adapter, find_adapter, resize_embedding
from rewardbench.models.failures import part_reported
from rewardbench.models.fingerprint import identify
from rewardbench.models.labels import choose_label, set_label_count
from rewardbench.models.layers import choose_kernels, is_compiled, is_encoder
from rewardbench.models.limits import check_vocabulary, length_limit, name_first
from rewardbench.models.linear import use_onednn
from rewardbench.models.locate import locate
from rewardbench.models.metadata import read_adapter_metadata, read_metadata
from rewardbench.models.placement import loading_options, placement_notes, stored_quantization, to_device
from rewardbench.models.spec import resolve
from rewardbench.models.weights import load_pretrained, locate_model, tensor_shapes, weight_notes
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

ModelKind = Literal["classifier", "causal"]

TOKENIZER_FILES = ("*token*", "*vocab*", "*.model")
"""Patterns of which every tokenizer has a file."""

ADAPTER_KEY = re.compile(r"lora_|\.(?:ia3_l|hada_|lokr_|oft_|boft_|vera_|randlora_)|\.(?:modules_to_save|base_layer)\.")
"""Matches the names of weights that belong to a PEFT adapter."""

HEAD_KEY = re.compile(
    r"(?:^|\.)(?:v_head|value_head|(?:reward|score|regression|prompt)(?:_\w+)?|critic|gating|normalizer|sae|weights\.fc)\."
)
"""Matches the names of weights of reward heads."""


@dataclass(frozen=True)
class Checkpoint:
    """A model on disk: its files, configuration and tokenizer; its weights are not in memory."""

    name: str
    """The folder or Hub id, for messages."""
    kind: ModelKind
    folder: Path
    """Its files; of an adapter, those of its base."""
    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerBase
    dtype: str
    """Dtype of the weights by the configuration; empty if it names none."""
    notes: tuple[str, ...] = ()
    """Sentences for the reader."""
    adapter: Adapter | None = None
    """The PEFT adapter that is applied to the weights."""

    @property
    def metadata(self) -> dict[str, int | str]:
        """Return `parameters`, `license` and `base_model`, as far as they are known."""
        return read_adapter_metadata(self.adapter.folder, self.folder) if self.adapter else read_metadata(self.folder)

    @property
    def commit(self) -> str | None:
        """Return the commit of a Hub snapshot; None for a local folder."""
        return commit_of(self.adapter.folder if self.adapter else self.folder)


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
    """`parameters` (their number), `license` and `base_model`, as far as they are known."""
    notes: tuple[str, ...] = ()
    """Sentences for the reader."""
    peft_model: PeftModel | None = None
    """The same model as peft wraps it, if it has an adapter that is not merged."""


def load(spec: ModelSpec, source: Path | Adapter | None = None) -> LoadedModel:
    """Load the model of a spec: a causal model for a DPO reward, else a classifier.

    The Hub is queried once. Only safetensors files are read, unless pickles are allowed, and no weight is initialised
    at random.

    Args:
        spec: the model, and how it is loaded; a reference or a reference-free rule makes it a DPO policy.
        source: the model's files, or the adapter with its base, if they are known.

    Raises:
        InputError: if the model cannot be found or loaded, or if its scores would be meaningless: missing or
            unused weights, several labels, the tokenizer of another model, scores that depend on chance.
    """
    spec = resolve(spec)
    return load_weights(open_checkpoint(spec, source=source), spec)


def open_checkpoint(
    spec: ModelSpec,
    tokenizer: PreTrainedTokenizerBase | None = None,
    source: Path | Adapter | None = None,
    kind: ModelKind | None = None,
) -> Checkpoint:
    """Find a model's files and read its configuration and tokenizer; everything is checked that needs no weights.

    Args:
        spec: the model, and how it is loaded.
        tokenizer: used instead of loading the one that the spec names.
        source: the model's files, or the adapter with its base, if they are known.
        kind: kind of the model; None is that which the spec's options name.

    Raises:
        InputError: see `load`.
    """
    name, kind = spec.model, kind or _kind_of(spec)
    adapter: Adapter | None
    if isinstance(source, Adapter):
        folder, adapter = source.folder, source
    else:
        folder = source or locate_model(spec)
        adapter = find_adapter(folder, spec)
    base = adapter.base if adapter else folder
    config = _load_config(base, spec)
    if kind == "causal":
        _reject_other_kinds(config, name, adapter)
    else:
        set_label_count(config, tensor_shapes(base), adapter.shapes if adapter else None)
    _reject_nondeterministic(config, name)
    return Checkpoint(
        name=name,
        kind=kind,
        folder=base,
        config=config,
        tokenizer=load_tokenizer(folder, spec, base) if tokenizer is None else tokenizer,
        dtype=str(getattr(config, "dtype", None) or "").removeprefix("torch."),
        notes=tuple(weight_notes(folder, spec)),
        adapter=adapter,
    )


def load_weights(checkpoint: Checkpoint, spec: ModelSpec, merge: bool = True) -> LoadedModel:
    """Load a checkpoint's weights onto the device, in evaluation mode.

    Args:
        checkpoint: its files.
        spec: how it is loaded.
        merge: False to keep an adapter separate, so that it can be switched off.

    Raises:
        InputError: see `load`.
    """
    name, config, tokenizer = checkpoint.name, checkpoint.config, checkpoint.tokenizer
    stored = stored_quantization(config)
    model, notes = _read_weights(checkpoint, spec)
    peft_model = None
    if checkpoint.adapter:
        adapted = apply_adapter(model, checkpoint.adapter, merge)
        if adapted.unused:
            raise InputError(f"The adapter {name} has {name_first(adapted.unused)}, which its base has no place for.")
        model, peft_model = adapted.model, adapted.peft_model
        notes += adapted.notes
    notes += choose_kernels(model, spec)
    if checkpoint.kind == "classifier":
        choose_label(model.config, spec.label, name)
        _check_classifier(model, name)
        if not is_compiled(model):  # the compiler chooses its own kernels
            use_onednn(model)
    notes += placement_notes(spec, model, stored)
    notes = [*checkpoint.notes, *notes, *check_vocabulary(tokenizer, model, name)]
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        config=config,
        fingerprint=identify_checkpoint(checkpoint, spec.trust_remote_code),
        max_length=length_limit(model, tokenizer, spec.max_length),
        dtype=str(model.dtype).removeprefix("torch."),
        folder=checkpoint.folder,
        commit=checkpoint.commit,
        metadata=checkpoint.metadata,
        notes=tuple(notes),
        peft_model=peft_model,
    )


def identify_checkpoint(checkpoint: Checkpoint, runs_code: bool, head_files: Sequence[Path] = ()) -> dict[str, object]:
    """Return the fingerprint of a checkpoint, with that of its adapter; see `identify`."""
    identity = identify(checkpoint.folder, checkpoint.config, checkpoint.tokenizer, runs_code, head_files)
    if checkpoint.adapter:
        identity["adapter"] = checkpoint.adapter.identity()
    return identity


def build_skeleton(checkpoint: Checkpoint, spec: ModelSpec) -> PreTrainedModel:
    """Build a causal model without weights, which takes no memory, to measure its vocabulary and positions."""
    import torch
    from transformers import AutoModelForCausalLM

    with part_reported(checkpoint.name), torch.device("meta"):
        skeleton: PreTrainedModel = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            checkpoint.config, trust_remote_code=spec.trust_remote_code
        )
    if checkpoint.adapter:
        resize_embedding(skeleton, checkpoint.adapter)
    return skeleton


def _kind_of(spec: ModelSpec) -> ModelKind:
    return "causal" if spec.ref_model or spec.ref_free_type else "classifier"


def _load_config(folder: Path, spec: ModelSpec) -> PreTrainedConfig:
    """Load the configuration; code of the repository runs only with --trust_remote_code."""
    from transformers import AutoConfig

    name = spec.model
    if not (folder / "config.json").is_file():
        raise InputError(f"{name} has no config.json: pass the folder of a model as save_pretrained() writes it.")
    if (folder / "adapter_config.json").is_file() and find_spec("peft"):
        raise InputError(
            f"{name} has an adapter as well as complete weights, and with peft installed the adapter's base would be "
            "loaded instead: remove adapter_config.json, or merge the adapter first."
        )
    with part_reported(f"the configuration of {name}"):
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=spec.trust_remote_code)
    return config


def load_tokenizer(folder: Path, spec: ModelSpec, base: Path | None = None) -> PreTrainedTokenizerBase:
    """Load the tokenizer that the spec names, else the model's own.

    Args:
        folder: the model's files.
        spec: the model, and how it is loaded.
        base: folder of an adapter's base, whose tokenizer is used if the adapter has none.
    """
    from transformers import AutoTokenizer

    name = spec.tokenizer or spec.model
    is_own = spec.tokenizer is None or (spec.tokenizer == spec.model and spec.revision is None)
    source = folder if is_own else locate(name, code=spec.trust_remote_code)
    if is_own and base and not has_tokenizer(folder):
        source = base
    if not has_tokenizer(source):
        raise InputError(f"{name} has no tokenizer: pass --tokenizer, a folder or Hub id with one.")
    with part_reported(f"the tokenizer of {name}"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            source, trust_remote_code=spec.trust_remote_code
        )
    return tokenizer


def has_tokenizer(folder: Path) -> bool:
    """Return True if a folder has files of a tokenizer."""
    return any(any(folder.glob(pattern)) for pattern in TOKENIZER_FILES)


def _read_weights(checkpoint: Checkpoint, spec: ModelSpec) -> tuple[PreTrainedModel, list[str]]:
    """Load the weights into the Auto class of the checkpoint's kind; return the model and notes."""
    import transformers

    name, folder = checkpoint.name, checkpoint.folder
    auto_class = (
        transformers.AutoModelForSequenceClassification
        if checkpoint.kind == "classifier"
        else transformers.AutoModelForCausalLM
    )
    options = loading_options(spec, checkpoint.config)
    with part_reported(f"the weights of {name}"):
        model, info = load_pretrained(
            auto_class,
            folder,
            checkpoint.config,
            ignore_mismatched_sizes=True,  # rejected below, with a clearer message
            trust_remote_code=spec.trust_remote_code,
            output_loading_info=True,
            **options,
        )
    brought = checkpoint.adapter.replaced if checkpoint.adapter else {}
    _reject_mismatched(name, [entry for entry in info["mismatched_keys"] if entry[0] not in brought])
    _reject_missing(checkpoint, sorted(set(info["missing_keys"]) - brought.keys()))
    model.config.return_dict = True
    notes = _check_unused(name, model, sorted(info["unexpected_keys"]))
    return to_device(model, spec), [] if checkpoint.adapter else notes  # a classifier's base may be a causal model


def _reject_other_kinds(config: PreTrainedConfig, name: str, adapter: Adapter | None) -> None:
    """Reject encoders and classifiers, which are not DPO policies."""
    if is_encoder(config) or config.is_encoder_decoder:
        raise InputError(
            f"{name} is not a causal language model, so it is no policy and no judge: leave out --ref_model or --judge."
        )
    saved_classes = config.architectures or []
    if any("ForSequenceClassification" in saved for saved in saved_classes) or (adapter and adapter.is_classifier):
        raise InputError(f"{name} is a classifier, not a policy: score it without --ref_model and --judge.")


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
    if checkpoint.adapter and checkpoint.kind == "classifier":
        raise InputError(
            f"The head of the adapter {checkpoint.name} ({name_first(keys)}) is neither in its files nor in its base, "
            "and would be random: save the adapter with the head in modules_to_save, or pass --ref_model for a policy."
        )
    hint = (
        "A reward model with a head is scored without --ref_model, --ref_free_type and --judge."
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
    head_keys = list(filter(HEAD_KEY.search, keys))
    if head_keys:
        raise InputError(
            f"{name} has the weight {name_first(head_keys)} of another head, which no class of transformers reads: its "
            "score would be another than that of its authors. Declare its head with --adapter FILE."
        )
    return [f"The files of {name} have weights that are not used: {name_first(keys)}."] if keys else []
