"""Scorers of what is in memory: a Python function, and a loaded classifier with its tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from rewardbench.chat import Chat, all_text
from rewardbench.errors import InputError
from rewardbench.models.failures import first_sentence
from rewardbench.models.limits import check_vocabulary, length_limit
from rewardbench.scorers.base import BaseScorer
from rewardbench.settings import ModelSpec
from rewardbench.types import Messages, Scorer, TextRequest, Tools

TAKEN = (
    "pass a name, a folder, a Hub id, (model, tokenizer) of a classifier with one label, or a function of a prompt and "
    "a completion"
)
OF_A_LOADED_MODEL = {"model", "max_length", "chat_template", "truncation_side"}
"""Options that say something of a model that is loaded already."""


class FunctionScorer(BaseScorer):
    """Scores by a Python function of two texts, a prompt and a completion: the higher, the better.

    Raises: InputError where the function raises, or returns what is not a number.
    """

    model_type = "Function"

    def __init__(self, function: Callable[[str, str], float]) -> None:
        self.function = function
        self.name = str(getattr(function, "__name__", type(function).__name__)).strip("<>")

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """The function's name; its code cannot be told from another's, so no score of it is cached."""
        return {"kind": "function", "name": self.name}

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TextRequest:
        """Return the plain text, with reasoning and tool calls. Raises InputError if there are tools."""
        if tools:
            raise InputError(f"The function {self.name} is given texts, and this row has tools.")
        return TextRequest(all_text((*prompt, *completion)), (all_text(completion),))

    def run(self, requests: Sequence[TextRequest]) -> list[float]:
        """One number a request."""
        return [self._score(request) for request in requests]

    def _score(self, request: TextRequest) -> float:
        (completion,) = request.completions
        prompt = request.text.removesuffix(completion).removesuffix("\n")
        try:
            return float(self.function(prompt, completion))
        except Exception as error:  # of the user's own code
            raise InputError(
                f"The function {self.name} fails on the prompt {prompt[:40]!r} ({type(error).__name__}: "
                f"{first_sentence(error)}): it must take a prompt and a completion, both text, and return a "
                "number."
            ) from error


@contextmanager
def scorer_of(model: Any, spec: ModelSpec) -> Iterator[Scorer]:
    """Context manager: the scorer of an object in memory; a model is in evaluation mode meanwhile.

    Args:
        model: a scorer (scorers.base.BaseScorer), a function, a pipeline, or a model with its tokenizer.
        spec: what else was asked of it.

    Raises: InputError for anything else, and for options that a model in memory cannot follow.
    """
    if isinstance(model, BaseScorer):
        yield model
        return
    parts = _model_and_tokenizer(model)
    _reject_options(spec, OF_A_LOADED_MODEL if parts else {"model"})
    if parts is None:
        yield FunctionScorer(model)
        return
    network, tokenizer = parts
    training = network.training
    network.eval()
    try:
        yield _classifier(network, tokenizer, spec)
    finally:
        network.train(training)


def name_of(model: Any) -> str:
    """Name an object in memory as a result names its model."""
    if isinstance(model, BaseScorer):
        return model.name
    parts = _model_and_tokenizer(model)
    config = getattr(parts[0], "config", None) if parts else None
    path = getattr(config, "_name_or_path", "")
    called = type(parts[0]).__name__ if parts else getattr(model, "__name__", type(model).__name__)
    return str(path or called)


def _model_and_tokenizer(model: Any) -> tuple[Any, Any] | None:
    """The two parts of a pair or of a pipeline, None for a function. Raises: InputError for anything else."""
    pair = model if isinstance(model, tuple | list) else (getattr(model, "model", None), getattr(model, "tokenizer", 0))
    if len(pair) == 2 and hasattr(pair[0], "config") and hasattr(pair[1], "apply_chat_template"):
        return pair[0], pair[1]
    if hasattr(model, "config"):
        raise InputError(f"{type(model).__name__} has no tokenizer with it: pass (model, tokenizer).")
    if not callable(model):
        raise InputError(f"A model of type {type(model).__name__} cannot be scored: {TAKEN}.")
    return None


def _reject_options(spec: ModelSpec, known: set[str]) -> None:
    """Reject what says how a model is loaded."""
    for field in fields(ModelSpec):
        if field.name not in known and getattr(spec, field.name) != field.default:
            raise InputError(f"{field.name} does not apply to a model in memory: leave it out, or pass a folder.")


def _classifier(model: Any, tokenizer: Any, spec: ModelSpec) -> Scorer:
    from rewardbench.forward.packed import choose_layout
    from rewardbench.models.fingerprint import config_identity, tokenizer_identity
    from rewardbench.models.layers import is_encoder
    from rewardbench.scorers.classifier import Classifier

    if getattr(model.config, "num_labels", 0) != 1 or model.get_output_embeddings() is not None:
        raise InputError(
            f"{type(model).__name__} is not a classifier with one label. Save a policy with save_pretrained(), and "
            "pass its folder with ref_model or ref_free_type."
        )
    check_vocabulary(tokenizer, model, spec.model)
    limit = length_limit(model, tokenizer, spec.max_length)
    chat = Chat(tokenizer, spec.chat_template, limit, spec.truncation_side, name=spec.model)
    identity = {"weights": {"sha256": hash_weights(model)}, "tokenizer": tokenizer_identity(tokenizer)}
    scorer = Classifier(model, chat, spec.model, {**identity, "config": config_identity(model.config)})
    return scorer.with_layout(*choose_layout(scorer, may_pack=not is_encoder(model.config)))


def hash_weights(model: Any) -> str:
    """Return the sha256 of a model's weights in memory, names and bytes."""
    import torch

    total = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        total.update(f"{name} {tuple(weight.shape)} {weight.dtype}\n".encode())
        total.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()
