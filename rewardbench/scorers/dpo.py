"""Score by the implicit reward of a DPO policy, or by the policy's log-probability without a reference model.

The reward is β (log π(y|x) − log π_ref(y|x)), summed over the completion's tokens (Rafailov et al. 2023,
arXiv 2305.18290). Reference-free rewards are the sum, the mean per token, or minus the 2-norm of log-probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.forward.packed import choose_layout
from rewardbench.hub import cache_note
from rewardbench.models import load as loading
from rewardbench.models.families import choose_template
from rewardbench.models.fingerprint import config_identity, identify, same_weights
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.classifier import is_encoder
from rewardbench.scorers.logprobs import LogProbs, prepare_span
from rewardbench.settings import ModelSpec
from rewardbench.types import BatchTraits, Messages, ScorerReport, TokenRequest, Tools


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
            loading.release()


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
    ) -> None:
        self.stages, self.chat, self.name = stages, chat, name
        self.beta, self.free, self.rows = beta, free, rows
        self._notes = tuple(notes)
        self.model_type = "DPO" if free is None else f"DPO Ref. Free ({free})"

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """Return everything that can change a score, including the reference and β."""
        policy, *references = self.stages
        fingerprint = {**policy.fingerprint, "kind": self.model_type, "beta": self.beta}
        for reference in references:
            fingerprint["reference"] = {part: reference.fingerprint.get(part) for part in ("weights", "config")}
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
                stage_scores.append(scorer.run(requests))
        return self.combine(stage_scores)

    def report(self) -> ScorerReport:
        """Return the notes at load time, and how log-probabilities make a reward."""
        stage_notes: list[str] = []
        for stage in self.stages:
            stage_notes += stage.notes
        notes = (*self._notes, *dict.fromkeys(stage_notes))
        return ScorerReport(notes, {"pooling": "sum over the completion's tokens" if self.free is None else self.free})


def _read_causal(name: str, revision: str | None, spec: ModelSpec) -> tuple[Any, Any]:
    """Configuration and tokenizer of a causal model; all that can be wrong without its weights is found here."""
    folder = loading.locate(name, revision, spec.trust_remote_code)
    config = loading.load_config(folder, spec, name)
    if is_encoder(config) or config.is_encoder_decoder:
        raise InputError(f"{name} is no causal language model, so it has no DPO reward: leave out --ref_model.")
    if any("ForSequenceClassification" in saved for saved in config.architectures or []):
        raise InputError(f"{name} is a classifier, not a policy: score it without --ref_model and --ref_free_type.")
    loading.refuse_moods(config, name)
    return config, loading.load_tokenizer(folder, spec, name)


def _load_causal(
    name: str, revision: str | None, spec: ModelSpec, chat: Chat, rule: str, config: Any, tokenizer: Any
) -> LogProbs:
    """Load a causal model with its weights, in the layout that suits it."""
    from transformers import AutoModelForCausalLM  # takes seconds, which a wrong name need not wait

    folder = loading.locate(name, revision, spec.trust_remote_code)
    model, remarks = loading.load_model(AutoModelForCausalLM, folder, spec, name, config)
    scorer = LogProbs(model, chat, name, rule, identify(folder, config, tokenizer, spec.trust_remote_code))
    layout, layout_notes = choose_layout(scorer, may_pack=True)
    return scorer.with_layout(layout, remarks + layout_notes)


def _same_vocabulary(policy: Any, reference: Any, spec: ModelSpec) -> None:
    """One may hold tokens that the other lacks (a pad token added in training), but no id may mean two tokens."""
    id_of = reference.get_vocab()
    token_at = {id: token for token, id in id_of.items()}
    if any(id_of.get(token, id) != id or token_at.get(id, token) != token for token, id in policy.get_vocab().items()):
        raise InputError(
            f"{spec.model} and its reference {spec.ref_model} have different vocabularies, so their log-probabilities "
            "cannot be compared: pass the model that training started from."
        )


def _refuse_same(folders: Sequence[Path], configs: Sequence[Any], spec: ModelSpec) -> None:
    """Raises: InputError if policy and reference are one model, so that every reward would be 0."""
    if len(folders) == 2 and config_identity(configs[0]) == config_identity(configs[1]) and same_weights(*folders):
        raise InputError(
            f"{spec.model} and its reference {spec.ref_model} have the same weights, so every reward would be 0: pass "
            "the model that training started from."
        )


def load_dpo(spec: ModelSpec) -> Dpo:
    """Load a policy and its reference, or a policy alone; both at once only where there is room for both.

    Raises: InputError for a missing reference, other vocabularies, or weights that would be random.
    """
    if spec.ref_free_type is None and spec.ref_model is None:
        raise InputError(f"{spec.model} needs its reference: pass --ref_model, or --ref_free_type.")
    names = [(spec.model, spec.revision)]
    if spec.ref_free_type is None:
        names.append((str(spec.ref_model), spec.ref_revision))
    read = [_read_causal(name, revision, spec) for name, revision in names]
    tokenizer = read[0][1]
    if read[1:]:
        _same_vocabulary(tokenizer, read[1][1], spec)
    limits, rows = [], []
    notes: list[str] = []
    for (name, _), (config, own) in zip(names, read, strict=True):
        skeleton = loading.skeleton(config, spec, name)
        notes += loading.check_vocabulary(own, skeleton, name)
        limits.append(loading.length_limit(skeleton, tokenizer, spec.max_length))
        rows.append(loading.embedded(skeleton, name))
    limit = min((known for known in limits if known), default=None)
    folders = [loading.locate(name, revision, spec.trust_remote_code) for name, revision in names]
    template, remarks = choose_template(spec.chat_template, spec.model, folders[0], read[0][0])
    notes += remarks
    chat = Chat(tokenizer, template, limit, spec.truncation_side, spans=True, name=spec.model)
    _refuse_same(folders, [config for config, _ in read], spec)
    keep = loading.roomy(folders, spec)
    rule = spec.ref_free_type or "sum"

    def stage(name: str, revision: str | None, config: Any, own: Any) -> Stage:
        return Stage(lambda: _load_causal(name, revision, spec, chat, rule, config, own), keep)

    stages = [stage(*named, *found) for named, found in zip(names, read, strict=True)]
    for folder, named in zip(folders, names, strict=True):
        notes += cache_note(folder, *named)
    scorer = Dpo(tuple(stages), chat, spec.model, spec.beta, spec.ref_free_type, min(rows), notes)
    if keep:
        scorer.open()  # what is wrong with the weights is said before anything is scored
    return scorer
