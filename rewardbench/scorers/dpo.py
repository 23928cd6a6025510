"""Implicit rewards of a DPO policy: how much likelier the completion became than under the reference.

r(x, y) = β (log π(y|x) − log π_ref(y|x)), summed over the completion's tokens (Rafailov et al. 2023,
arXiv 2305.18290). Without a reference: the policy's log-probability as sum, mean a token, or minus its 2-norm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.forward.packed import choose_layout
from rewardbench.models.devices import fits_in_memory, pick_device, release
from rewardbench.models.families import choose_template
from rewardbench.models.fingerprint import config_identity, same_weights
from rewardbench.models.limits import check_vocabulary, embedding_rows, length_limit
from rewardbench.models.load import Checkpoint, build_skeleton, load_weights, open_checkpoint
from rewardbench.models.metadata import read_metadata
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.logprobs import LogProbs, prepare_span
from rewardbench.settings import ModelSpec
from rewardbench.types import BatchTraits, Messages, ScorerReport, TokenRequest, Tools


class Stage(AbstractContextManager[LogProbs]):
    """Context manager: a scorer that is in memory only while its context is open, unless there is room to `keep` it.

    Entering it twice loads once.
    """

    def __init__(self, load: Callable[[], LogProbs], keep: bool) -> None:
        self._load, self._keep = load, keep
        self._loaded: LogProbs | None = None
        self._holders = 0
        self.facts: Mapping[str, Any] = {}
        """Its fingerprint, known once it was loaded."""
        self.notes: tuple[str, ...] = ()
        """Sentences for the reader, known once it was loaded."""

    def __enter__(self) -> LogProbs:
        if self._loaded is None:
            self._loaded = self._load()
            self.facts, self.notes = dict(self._loaded.fingerprint), self._loaded.load_notes
        self._holders += 1
        return self._loaded

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holders -= 1
        if not self._keep and self._holders == 0:
            self._loaded = None
            release()


class Dpo(BaseScorer):
    """Score by policy against reference, or by the policy alone where there is none.

    Args:
        stages: the policy and, but for `free`, its reference: causal models over one vocabulary.
        chat: renders with spans.
        name: as results name it.
        beta: scales the reward; it moves no decision.
        free: the rule of a policy alone (sum, avg, norm).
        rows: how many tokens both of them embed.
        notes: sentences for the reader.
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
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything that can move a score, reference and β included."""
        facts = [stage.facts for stage in self.stages]
        reference = {"reference": {k: facts[1].get(k) for k in ("weights", "config")}} if facts[1:] else {}
        return {**facts[0], "kind": self.model_type, "beta": self.beta, **reference}

    @property
    def traits(self) -> BatchTraits:
        """Return that it reads tokens; how it takes batches its stages know."""
        return BatchTraits(has_tokens=True)

    def open(self) -> None:
        """Load every stage, one after the other."""
        for stage in self.stages:
            with stage:
                pass

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Render and tokenise one completion in its context, and find its tokens."""
        return prepare_span(self.chat, self.rows, prompt, completion, rendered, tools)

    def combine(self, stage_scores: Sequence[Sequence[float]]) -> list[float]:
        """Return rewards from the log-probabilities of each stage for the same requests."""
        if self.free is not None:
            return list(stage_scores[0])
        return [self.beta * (policy - reference) for policy, reference in zip(*stage_scores, strict=True)]

    def run(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Return one reward a request; the stages run in turn. The engine goes through the stages itself."""
        stage_scores = []
        for stage in self.stages:
            with stage as scorer:
                stage_scores.append(scorer.run(requests))
        return self.combine(stage_scores)

    def report(self) -> ScorerReport:
        """Return what was repaired on the way, and what is summed."""
        stage_notes = [note for stage in self.stages for note in stage.notes]
        notes = (*sorted(self.chat.notes), *self._notes, *dict.fromkeys(stage_notes))
        pooling = "sum over the completion's tokens" if self.free is None else self.free
        return ScorerReport(notes, {"pooling": pooling}, self._metadata)


def _load_log_probs(checkpoint: Checkpoint, spec: ModelSpec, chat: Chat) -> LogProbs:
    """Load a causal model with its weights, and choose its layout."""
    loaded = load_weights(checkpoint, spec)
    scorer = LogProbs(loaded.model, chat, checkpoint.name, spec.ref_free_type or "sum", loaded.fingerprint)
    layout, layout_notes = choose_layout(scorer, may_pack=True)
    return scorer.with_layout(layout, [*loaded.notes, *layout_notes])


def _same_vocabulary(policy: Any, reference: Any, spec: ModelSpec) -> None:
    """One may hold tokens that the other lacks (a pad token added in training), but no id may mean two tokens."""
    id_of = reference.get_vocab()
    token_at = {id: token for token, id in id_of.items()}
    if any(id_of.get(token, id) != id or token_at.get(id, token) != token for token, id in policy.get_vocab().items()):
        raise InputError(
            f"{spec.model} and its reference {spec.ref_model} have different vocabularies, so their log-probabilities "
            "cannot be compared: pass the model that training started from."
        )


def _reject_equal(policy: Checkpoint, reference: Checkpoint) -> None:
    """Reject a policy and a reference with the same weights, so that every reward would be 0."""
    if config_identity(policy.config) != config_identity(reference.config):
        return
    if same_weights(policy.folder, reference.folder):
        raise InputError(
            f"{policy.name} and its reference {reference.name} have the same weights, so every reward would be 0: pass "
            "the model that training started from."
        )


def _open_checkpoints(spec: ModelSpec) -> list[Checkpoint]:
    """Open the policy and, unless the reward is reference-free, its reference."""
    if spec.ref_free_type is not None:
        return [open_checkpoint(spec)]
    if spec.ref_model is None:
        raise InputError(f"{spec.model} needs its reference: pass --ref_model, or --ref_free_type.")
    policy = open_checkpoint(spec)
    tokenizer = policy.tokenizer if spec.tokenizer else None
    reference = open_checkpoint(replace(spec, model=spec.ref_model, revision=spec.ref_revision), tokenizer)
    _same_vocabulary(policy.tokenizer, reference.tokenizer, spec)
    _reject_equal(policy, reference)
    return [policy, reference]


def load_dpo(spec: ModelSpec) -> Dpo:
    """Load a policy and its reference, or a policy alone; both at once only if both fit into memory.

    Raises:
        InputError: if the reference is missing, the vocabularies differ, or a model cannot be loaded.
    """
    checkpoints = _open_checkpoints(spec)
    policy = checkpoints[0]
    limits, rows = [], []
    for checkpoint in checkpoints:
        skeleton = build_skeleton(checkpoint, spec)
        check_vocabulary(checkpoint.tokenizer, skeleton, checkpoint.name)
        limits.append(length_limit(skeleton, policy.tokenizer, spec.max_length))
        rows.append(embedding_rows(skeleton, checkpoint.name))
    template, template_notes = choose_template(spec.chat_template, spec.model, policy.folder, policy.config)
    limit = min(filter(None, limits), default=None)
    chat = Chat(policy.tokenizer, template, limit, spec.truncation_side, spans=True, name=spec.model)
    keep = fits_in_memory([checkpoint.folder for checkpoint in checkpoints], pick_device(spec.device))
    stages = tuple(Stage(partial(_load_log_probs, checkpoint, spec, chat), keep) for checkpoint in checkpoints)
    metadata = read_metadata(policy.folder)
    scorer = Dpo(stages, chat, spec.model, spec.beta, spec.ref_free_type, min(rows), template_notes, metadata)
    if keep:
        scorer.open()  # errors in the weights are reported before anything is scored
    return scorer
