"""Connect to the server of a reward model: its tokenizer, its name, and the probes that precede scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.hub import commit_of, snapshot
from rewardbench.models.fingerprint import weights_identity
from rewardbench.models.load import load_tokenizer
from rewardbench.models.locate import FILES
from rewardbench.models.spec import reject_options, resolve
from rewardbench.models.weight_files import config_fields, weight_files
from rewardbench.paths import home_path
from rewardbench.scorers.http.client import ServerClient
from rewardbench.scorers.http.dialect import ScoringRoute, ServerDialect, ServerFacts
from rewardbench.scorers.http.dialects import DIALECTS
from rewardbench.scorers.http.probes import measure_parity, probe, probe_messages, reject_truncation
from rewardbench.scorers.http.scorer import ServerScorer
from rewardbench.scorers.http.texts import prepare_texts
from rewardbench.scorers.remote import EventLoop
from rewardbench.settings import ModelSpec
from rewardbench.types import Message, Messages, TokenRequest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LOCAL_OPTIONS = (
    *("ref_model", "ref_free_type", "ref_revision", "dtype", "attn_implementation", "compile", "device", "device_map"),
    *("max_memory", "load_in_8bit", "load_in_4bit", "label", "step_aggregation"),
)
"""Options of models in this process; those of a server are set when it is started."""
WEIGHTS = ("*.safetensors", "value_head.bin")
"""Patterns of files that are not needed to tokenize."""
RESERVED_TOKENS = 64
"""Tokens of a long probe text that are reserved for the chat template and the end of the text."""
LONGEST_PROBE = 8192
"""Maximum tokens of the texts by which truncation is probed."""


def load_server_model(spec: ModelSpec) -> ServerScorer:
    """Connect to the server of a reward model, and probe it.

    Raises:
        InputError: if it cannot be reached, serves another model, or does not return one raw score per text.
    """
    assert spec.server is not None
    resolved = resolve(spec)
    reject_options(resolved, LOCAL_OPTIONS)
    dialect, client = DIALECTS[spec.server.dialect], ServerClient(spec.server.endpoint)
    with EventLoop() as loop:
        try:
            facts = loop.submit(dialect.describe(client)).result()
            served = choose_served_model(spec, resolved.model, dialect, facts)
            folder = find_tokenizer_files(resolved)
            tokenizer = load_tokenizer(folder, replace(resolved, tokenizer=None))
            dialect = loop.submit(dialect.detect_version(client, tokenizer, served)).result()
            limit = length_limit(spec, dialect, facts, tokenizer, folder)
            route = ScoringRoute(client, dialect, dialect.paths[0], served, limit=limit)
            texts = prepare_texts(spec, resolved, folder, tokenizer, dialect, limit and limit - dialect.appended)
            scorer = ServerScorer(spec.model, route, texts, facts, identify_weights(resolved, folder))
            probes = _probe_requests(scorer)
            scorer.probe_report = loop.submit(probe(route, list(map(scorer.input_of, probes)))).result()
            scorer.route = scorer.probe_report.route
            limit = texts.chat.max_length
            if dialect.hides_truncation and limit and limit > 2 * RESERVED_TOKENS:
                requests = _long_texts(scorer, min(limit, LONGEST_PROBE))
                inputs = list(map(scorer.input_of, requests))
                loop.submit(reject_truncation(scorer.route, inputs, len(requests[0]))).result()
        finally:
            loop.submit(client.close()).result()
    if spec.server.parity:
        scores = [texts.sign * value for value in scorer.probe_report.scores]
        scorer.parity = measure_parity(scores, _local_scores(spec, spec.server.parity, probes))
    return scorer


def choose_served_model(spec: ModelSpec, model: str, dialect: ServerDialect, facts: ServerFacts) -> str:
    """Return the name of the model at the server.

    Args:
        spec: the model.
        model: its folder or Hub id.
        dialect: of the server.
        facts: the names under which the server serves its models.

    Raises:
        InputError: if the server serves another model.
    """
    assert spec.server is not None
    name = spec.server.served_model or spec.model
    if not dialect.names_model or not facts.models:
        return name
    for served in facts.models:
        if served == name:
            return served
    if spec.server.served_model is None:
        for served in facts.models:
            if served == model or (Path(model).is_dir() and Path(served).is_dir() and Path(served).samefile(model)):
                return served
    names = ", ".join(facts.models[:4])
    raise InputError(
        f"The server serves {names}, not {name}: if that is the model, pass --served_model {facts.models[0]}."
    )


def find_tokenizer_files(spec: ModelSpec) -> Path:
    """Return the folder with the tokenizer: that of --tokenizer, else the model's; from the Hub without weights.

    Raises:
        InputError: if there is none.
    """
    name = spec.tokenizer or spec.model
    folder = home_path(name)
    if folder.is_dir():
        return folder
    revision = spec.revision if name == spec.model else None
    patterns = [pattern for pattern in FILES if pattern not in WEIGHTS]
    try:
        return snapshot("model", name, revision, patterns)
    except InputError as error:
        raise InputError(
            f"{str(error).rstrip('.')}. The texts of a model behind a server are rendered here: pass --tokenizer, a "
            "folder or Hub id."
        ) from error


def length_limit(
    spec: ModelSpec, dialect: ServerDialect, facts: ServerFacts, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> int | None:
    """Return the maximum tokens of a text: the requested length, else the smallest of the known limits.

    Raises:
        InputError: if the requested length exceeds the server's.
    """
    if spec.max_length and facts.max_length and spec.max_length > facts.max_length:
        raise InputError(
            f"--max_length {spec.max_length} is more than the {facts.max_length} tokens that the server takes."
        )
    configured = config_fields(folder).get("max_position_embeddings")
    limits = [facts.max_length or dialect.max_length, tokenizer.model_max_length]
    if isinstance(configured, int):
        limits.append(configured)
    known = [limit for limit in limits if limit and limit < 10**9]
    return spec.max_length or min(known, default=None)


def identify_weights(spec: ModelSpec, folder: Path) -> dict[str, str] | None:
    """Return the commit or the digest of the weights that the model's name stands for; None if it shows none."""
    model = home_path(spec.model)
    if model.is_dir():
        return weights_identity(model) if weight_files(model) else None
    commit = commit_of(folder)
    return {"commit": commit} if commit and not spec.tokenizer else None


def _probe_requests(scorer: ServerScorer) -> list[TokenRequest]:
    """Return the requests of the probe texts."""
    return [_prepare(scorer, prompt, completion) for prompt, completion in probe_messages()]


def _prepare(scorer: ServerScorer, prompt: Messages, completion: Messages) -> TokenRequest:
    """Prepare a conversation; without a chat template its completion alone, as final text."""
    has_form = bool(scorer.chat.source) or scorer.texts.are_pairs
    return scorer.prepare(prompt, completion, rendered=not has_form)


def _long_texts(scorer: ServerScorer, length: int) -> list[TokenRequest]:
    """Return two texts of nearly `length` tokens that differ at the end only."""
    chat = scorer.chat.variant(max_length=None)
    few, many = (len(chat.encode("one " * count)) for count in (10, 110))
    words = int((length - RESERVED_TOKENS) / max(1.0, (many - few) / 100))
    prompt = (Message(role="user", content="Count."),)
    texts: list[TokenRequest] = []
    for end in ("7.", "8."):
        texts.append(_prepare(scorer, prompt, (Message(role="assistant", content="one " * words + end),)))
    return texts


def _local_scores(spec: ModelSpec, folder: str, requests: Sequence[TokenRequest]) -> list[float]:
    """Score the probe texts by the transformers model in a folder, in float32.

    Raises:
        InputError: if the model does not read token ids, or returns several scores.
    """
    from rewardbench.scorers.base import ModelScorer
    from rewardbench.scorers.classifier import Classifier
    from rewardbench.scorers.heads.load import load_reward_model

    local_spec = ModelSpec(folder, dtype="float32", adapter=spec.adapter, trust_remote_code=spec.trust_remote_code)
    local = load_reward_model(resolve(local_spec))
    if not isinstance(local, ModelScorer) or local.view != "pointwise":
        raise InputError(f"--parity {folder} gives no score per response, with which the server could be compared.")
    if not isinstance(local, Classifier):  # which reads more of a request than its ids
        requests = [local.prepare(prompt, completion, rendered=False) for prompt, completion in probe_messages()]
    return [local.score_unbatched(request) for request in requests]
