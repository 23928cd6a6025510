"""Score by the implicit reward of a DPO policy, or by the policy's log-probability without a reference model.

The reward is β (log π(y|x) − log π_ref(y|x)), summed over the completion's tokens (Rafailov et al. 2023,
arXiv 2305.18290). Reference-free rewards are the sum, the mean per token, or minus the 2-norm of log-probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property, partial
from types import TracebackType
from typing import TYPE_CHECKING

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.forward.packed import choose_layout
from rewardbench.models.adapters import Adapter
from rewardbench.models.devices import fits_in_memory, pick_device, release
from rewardbench.models.families import choose_template
from rewardbench.models.fingerprint import config_identity, same_weights
from rewardbench.models.limits import check_vocabulary, embedding_rows, length_limit
from rewardbench.models.load import (
    Checkpoint,
    LoadedModel,
    build_skeleton,
    has_tokenizer,
    load_weights,
    open_checkpoint,
)
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.logprobs import LogProbs, prepare_span
from rewardbench.settings import ModelSpec
from rewardbench.types import BatchTraits, Messages, ScorerReport, TokenRequest, Tools

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase


class Stage(AbstractContextManager[LogProbs]):
    """Context manager: load a scorer, and unload it at the end. Contexts may be nested; the scorer is loaded once.

    Args:
        load: loads the scorer.
        keep: True to keep the scorer in memory after the context ends.
    """

    def __init__(self, load: Callable[[], LogProbs], keep: bool) -> None:
        self._load, self._keep = load, keep
        self._loaded: LogProbs | None = None
        self._open_contexts = 0
        self.fingerprint: Mapping[str, object] = {}
        """Fingerprint of the scorer; empty until it is loaded."""
        self.notes: tuple[str, ...] = ()
        """Load notes of the scorer; empty until it is loaded."""

    def __enter__(self) -> LogProbs:
        if self._loaded is None:
            self._loaded = self._load()
            self.fingerprint, self.notes = dict(self._loaded.fingerprint), self._loaded.load_notes
        self._open_contexts += 1
        return self._loaded

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_contexts -= 1
        if not self._keep and self._open_contexts == 0:
            self._loaded = None
            release()


class BaseLogProbs(LogProbs):
    """Score by the base of an adapter, which is switched off during each forward pass.

    Args:
        policy: the model with its adapter.
        peft_model: the same model as peft wraps it.
        identity: fingerprint of the base.
    """

    def __init__(self, policy: LogProbs, peft_model: PeftModel, identity: Mapping[str, object]) -> None:
        super().__init__(policy.model, policy.chat, policy.name, policy.rule, identity, policy.layout)
        self._peft_model = peft_model

    def log_probs(self, requests: Sequence[TokenRequest]) -> list[torch.Tensor]:
        """Return for each request the log-probabilities of the completion's tokens, float64."""
        with self._peft_model.disable_adapter():
            return super().log_probs(requests)

    def score_unbatched(self, request: TokenRequest) -> float:
        """Score one text by the model's own forward pass, without padding: the reference for every batch."""
        with self._peft_model.disable_adapter():
            return super().score_unbatched(request)


class Dpo(BaseScorer):
    """Score by a policy and its reference, or by a policy without reference.

    Args:
        stages: the policy and, unless `free` is set, its reference: causal models with the same vocabulary.
        chat: renders with spans.
        name: of the model, for results.
        beta: scale of the reward; it changes no decision.
        free: rule of a policy without reference: sum, avg or norm.
        rows: number of tokens that all stages embed.
        notes: notes at load time, one sentence each.
        metadata: number of parameters and license of the policy.
    """

    stages: tuple[Stage, ...] = ()
    chat: Chat

    def __init__(
        self,
        stages: tuple[Stage, ...],
        chat: Chat,
        name: str,
        beta: float,
        free: str | None,
        rows: int,
        notes: Sequence[str] = (),
        metadata: Mapping[str, int | str] | None = None,
    ) -> None:
        self.stages, self.chat, self.name = stages, chat, name
        self.beta, self.free, self.rows = beta, free, rows
        self._notes = tuple(notes)
        self._metadata = metadata or {}
        self.model_type = "DPO" if free is None else f"DPO Ref. Free ({free})"

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """Return everything that can change a score, including the reference and β."""
        policy, *references = self.stages
        fingerprint = {**policy.fingerprint, "kind": self.model_type, "beta": self.beta}
        for reference in references:
            identity = {part: reference.fingerprint.get(part) for part in ("weights", "config")}
            if "adapter" in reference.fingerprint:
                identity["adapter"] = reference.fingerprint["adapter"]
            fingerprint["reference"] = identity
        return fingerprint

    @property
    def traits(self) -> BatchTraits:
        """Return that the scorer reads tokens; the stages have their own batch layouts."""
        return BatchTraits(has_tokens=True)

    def open(self) -> None:
        """Load each stage in turn."""
        for stage in self.stages:
            with stage:
                pass

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Render and tokenize one completion in its context, with the span of its tokens."""
        return prepare_span(self.chat, self.rows, prompt, completion, rendered, tools)

    def combine(self, stage_scores: Sequence[Sequence[float]]) -> list[float]:
        """Return rewards, from the log-probabilities of each stage for the same requests."""
        if self.free is not None:
            return list(stage_scores[0])
        policy_scores, reference_scores = stage_scores
        pairs = zip(policy_scores, reference_scores, strict=True)
        return [self.beta * (policy - reference) for policy, reference in pairs]

    def run(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Return one reward per request, by running each stage in turn. The engine runs the stages itself."""
        stage_scores: list[list[float]] = []
        for stage in self.stages:
            with stage as scorer:
                stage_scores.append(scorer.run_forward(requests))
        return self.combine(stage_scores)

    def report(self) -> ScorerReport:
        """Return the notes at load time, how log-probabilities make a reward, and the policy's metadata."""
        stage_notes: list[str] = []
        for stage in self.stages:
            stage_notes += stage.notes
        notes = (*self._notes, *dict.fromkeys(stage_notes))
        pooling = "sum over the completion's tokens" if self.free is None else self.free
        return ScorerReport(notes, {"pooling": pooling}, self._metadata)


def _load_log_probs(checkpoint: Checkpoint, spec: ModelSpec, chat: Chat) -> LogProbs:
    """Load a causal model with its weights, and choose its layout."""
    return _probe(load_weights(checkpoint, spec), checkpoint.name, spec, chat)


def _probe(loaded: LoadedModel, name: str, spec: ModelSpec, chat: Chat) -> LogProbs:
    """Return the scorer of a loaded model, in the layout that suits it."""
    scorer = LogProbs(loaded.model, chat, name, spec.ref_free_type or "sum", loaded.fingerprint)
    layout, layout_notes = choose_layout(scorer, may_pack=True)
    return scorer.with_layout(layout, [*loaded.notes, *layout_notes])


class AdapterStages:
    """The stages of an adapter and of its base, which share one model in memory.

    Args:
        checkpoint: the adapter with its base.
        spec: how it is loaded.
        chat: renders with spans.
    """

    def __init__(self, checkpoint: Checkpoint, spec: ModelSpec, chat: Chat) -> None:
        self._checkpoint, self._spec, self._chat = checkpoint, spec, chat

    @cached_property
    def _loaded(self) -> LoadedModel:
        return load_weights(self._checkpoint, self._spec, merge=False)

    @cached_property
    def _policy(self) -> LogProbs:
        return _probe(self._loaded, self._checkpoint.name, self._spec, self._chat)

    def _base(self) -> LogProbs:
        identity = {part: value for part, value in self._loaded.fingerprint.items() if part != "adapter"}
        assert self._loaded.peft_model is not None
        return BaseLogProbs(self._policy, self._loaded.peft_model, identity)

    def stages(self) -> tuple[Stage, Stage]:
        """Return the stages of the policy and of its reference."""
        return Stage(lambda: self._policy, keep=True), Stage(self._base, keep=True)


def _same_vocabulary(policy: PreTrainedTokenizerBase, reference: PreTrainedTokenizerBase, spec: ModelSpec) -> None:
    """Check that no id has two tokens, and no token two ids. One vocabulary may have more tokens than the other.

    Raises:
        InputError: if the vocabularies differ.
    """
    reference_ids = reference.get_vocab()
    reference_tokens = {token_id: token for token, token_id in reference_ids.items()}
    for token, token_id in policy.get_vocab().items():
        if reference_ids.get(token, token_id) != token_id or reference_tokens.get(token_id, token) != token:
            raise InputError(
                f"{spec.model} and its reference {spec.ref_model} have different vocabularies, so their "
                "log-probabilities cannot be compared: pass the model that training started from."
            )


def _reject_equal(policy: Checkpoint, reference: Checkpoint) -> None:
    """Reject a policy and a reference with the same weights, so that every reward would be 0."""
    adapters = [checkpoint.adapter.identity() if checkpoint.adapter else None for checkpoint in (policy, reference)]
    if adapters[0] != adapters[1]:
        return
    if config_identity(policy.config) != config_identity(reference.config):
        return
    if same_weights(policy.folder, reference.folder):
        raise InputError(
            f"{policy.name} and its reference {reference.name} have the same weights, so every reward would be 0: pass "
            "the model that training started from."
        )


def _open_checkpoints(spec: ModelSpec, adapter: Adapter | None) -> list[Checkpoint]:
    """Open the policy and, unless the reward is reference-free, its reference; that of an adapter is its base.

    The base of an adapter is left out if it is in memory with the adapter, which is then switched off.
    """
    policy = open_checkpoint(spec, source=adapter, kind="causal")
    if spec.ref_free_type is not None:
        return [policy]
    tokenizer = policy.tokenizer if spec.tokenizer else None
    if spec.ref_model:
        reference = open_checkpoint(replace(spec, model=spec.ref_model, revision=spec.ref_revision), tokenizer)
    elif policy.adapter is None:
        raise InputError(f"{spec.model} needs its reference: pass --ref_model, or --ref_free_type.")
    elif policy.adapter.changes_base_only_by_layers:
        return [policy]
    else:
        tokenizer = tokenizer if has_tokenizer(policy.folder) else policy.tokenizer
        base_spec = replace(spec, model=policy.adapter.base_name, revision=None)
        reference = open_checkpoint(base_spec, tokenizer, policy.folder, kind="causal")
    _same_vocabulary(policy.tokenizer, reference.tokenizer, spec)
    _reject_equal(policy, reference)
    return [policy, reference]


def load_dpo(spec: ModelSpec, adapter: Adapter | None = None) -> Dpo:
    """Load a policy and its reference, or a policy alone; both at once only if both fit into memory.

    Args:
        spec: the policy and its reference, and how they are loaded.
        adapter: the policy, if it is known to be an adapter.

    Raises:
        InputError: if the reference is missing, the vocabularies differ, a label is named, or a model cannot be loaded.
    """
    if spec.label:
        raise InputError("--label names an output of a classifier, and a policy has none: leave it out.")
    checkpoints = _open_checkpoints(spec, adapter)
    policy = checkpoints[0]
    limits, rows = [], []
    for checkpoint in checkpoints:
        skeleton = build_skeleton(checkpoint, spec)
        check_vocabulary(checkpoint.tokenizer, skeleton, checkpoint.name)
        limits.append(length_limit(skeleton, policy.tokenizer, spec.max_length))
        rows.append(embedding_rows(skeleton, checkpoint.name))
    template, notes = choose_template(spec.chat_template, spec.model, policy.folder, policy.config)
    limit = min(filter(None, limits), default=None)
    chat = Chat(policy.tokenizer, template, limit, spec.truncation_side, spans=True, name=spec.model)
    metadata = policy.metadata
    if policy.adapter and not (spec.ref_model or spec.ref_free_type):
        metadata["ref_model"] = policy.adapter.base_name
        notes = [*notes, _base_note(policy.adapter)]
    stages, keep = _build_stages(checkpoints, spec, chat)
    scorer = Dpo(stages, chat, spec.model, spec.beta, spec.ref_free_type, min(rows), notes, metadata)
    if keep:
        scorer.open()  # errors in the weights are reported before anything is scored
    return scorer


def _build_stages(checkpoints: Sequence[Checkpoint], spec: ModelSpec, chat: Chat) -> tuple[tuple[Stage, ...], bool]:
    """Return the stages of a policy and its reference, and whether all models stay in memory."""
    if len(checkpoints) == 1 and spec.ref_free_type is None:
        return AdapterStages(checkpoints[0], spec, chat).stages(), True
    folders = [checkpoint.folder for checkpoint in checkpoints]
    keep = not spec.device_map and fits_in_memory(folders, pick_device(spec.device))
    return tuple(Stage(partial(_load_log_probs, checkpoint, spec, chat), keep) for checkpoint in checkpoints), keep


def _base_note(adapter: Adapter) -> str:
    """Return the note that an adapter's reference is its base."""
    manner = " with the adapter switched off" if adapter.changes_base_only_by_layers else ""
    return (
        f"{adapter.name} has no reward head and was scored as a DPO policy, whose reference is its base "
        f"{adapter.base_name}{manner}."
    )
