"""Implicit rewards of a DPO policy: how much likelier the completion became than under the reference.

r(x, y) = β (log π(y|x) − log π_ref(y|x)), summed over the completion's tokens (Rafailov et al. 2023,
arXiv 2305.18290). Without a reference: the policy's log-probability as sum, mean a token, or minus its 2-norm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.forward.packed import settle
from rewardbench.hub import cache_note
from rewardbench.models import load as loading
from rewardbench.models.families import choose_template
from rewardbench.models.fingerprint import config_identity, identify, same_weights
from rewardbench.scorers.classifier import is_encoder
from rewardbench.scorers.logprobs import LogProbs, prepare_span
from rewardbench.settings import ModelSpec
from rewardbench.types import Messages, Request, Tools, View


class Part:
    """A scorer that is in memory only while somebody holds the part open, unless there is room to `keep` it.

    A context manager; entering it twice loads once.
    """

    def __init__(self, load: Callable[[], LogProbs], keep: bool) -> None:
        self._load, self._keep = load, keep
        self._loaded: LogProbs | None = None
        self._holders = 0
        self.facts: Mapping[str, Any] = {}
        """Its fingerprint, known once it was loaded."""
        self.remarks: list[str] = []

    def __enter__(self) -> LogProbs:
        if self._loaded is None:
            self._loaded = self._load()
            self.facts, self.remarks = dict(self._loaded.fingerprint), self._loaded.remarks
        self._holders += 1
        return self._loaded

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holders -= 1
        if not self._keep and self._holders == 0:
            self._loaded = None
            loading.release()


class Dpo:
    """Scores by policy against reference, or by the policy alone where there is none.

    Args:
        parts: the policy and, but for `free`, its reference: causal models over one vocabulary.
        chat: renders with spans.
        beta: scales the reward; it moves no decision.
        free: the rule of a policy alone (sum, avg, norm).
        rows: how many tokens both of them embed.
    """

    view: View = "pointwise"

    def __init__(
        self, parts: tuple[Part, ...], chat: Chat, name: str, beta: float, free: str | None, rows: int
    ) -> None:
        self.parts, self.chat, self.name = parts, chat, name
        self.beta, self.free, self.rows = beta, free, rows
        self.remarks: list[str] = []
        self.model_type = "DPO" if free is None else f"DPO Ref. Free ({free})"

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything that can move a score, reference and β included."""
        facts = [part.facts for part in self.parts]
        reference = {"reference": {k: facts[1].get(k) for k in ("weights", "config")}} if facts[1:] else {}
        return {**facts[0], "kind": self.model_type, "beta": self.beta, **reference}

    @property
    def notes(self) -> list[str]:
        """What was repaired on the way, one sentence each."""
        said = [remark for part in self.parts for remark in part.remarks]
        return sorted(self.chat.notes) + self.remarks + list(dict.fromkeys(said))

    def open(self) -> None:
        """Load every part, one after the other."""
        for part in self.parts:
            with part:
                pass

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> Request:
        """Render and tokenise one completion in its context, and find its tokens."""
        return prepare_span(self.chat, self.rows, prompt, completion, rendered, tools)

    def combine(self, values: Sequence[Sequence[float]]) -> list[float]:
        """Rewards from what each part said of the same requests, in the order of the parts."""
        if self.free is not None:
            return list(values[0])
        return [self.beta * (policy - reference) for policy, reference in zip(*values, strict=True)]

    def run(self, requests: Sequence[Request]) -> list[float]:
        """One reward a request; each part in turn. The engine goes through the parts itself."""
        values = []
        for part in self.parts:
            with part as scorer:
                values.append(scorer.run(requests))
        return self.combine(values)

    def details(self) -> dict[str, Any]:
        """What the manifest adds after a run."""
        return {"pooling": "sum over the completion's tokens" if self.free is None else self.free}


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
    """A causal model with its weights, asked how it takes company."""
    from transformers import AutoModelForCausalLM  # takes seconds, which a wrong name need not wait

    folder = loading.locate(name, revision, spec.trust_remote_code)
    model, remarks = loading.load_model(AutoModelForCausalLM, folder, spec, name, config)
    scorer = LogProbs(model, chat, name, rule, identify(folder, config, tokenizer, spec.trust_remote_code))
    scorer.remarks = remarks + settle(scorer, may_pack=True)
    return scorer


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

    def part(name: str, revision: str | None, config: Any, own: Any) -> Part:
        return Part(lambda: _load_causal(name, revision, spec, chat, rule, config, own), keep)

    parts = [part(*named, *found) for named, found in zip(names, read, strict=True)]
    scorer = Dpo(tuple(parts), chat, spec.model, spec.beta, spec.ref_free_type, min(rows))
    for folder, named in zip(folders, names, strict=True):
        notes += cache_note(folder, *named)
    scorer.remarks = notes
    if keep:
        scorer.open()  # what is wrong with the weights is said before anything is scored
    return scorer
