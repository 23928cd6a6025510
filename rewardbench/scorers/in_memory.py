"""Scorers of objects in memory: a Python function, or a loaded classifier with its tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING

from rewardbench.chat import Chat, all_text
from rewardbench.errors import InputError
from rewardbench.models.failures import first_sentence
from rewardbench.models.limits import check_vocabulary, length_limit
from rewardbench.scorers.base import BaseScorer
from rewardbench.settings import ModelSpec
from rewardbench.types import Messages, Scorer, TextRequest, Tools

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SUPPORTED = (
    "pass a name, a folder, a Hub id, (model, tokenizer) of a sequence classifier, or a function of a prompt and "
    "a completion"
)
LOADED_MODEL_OPTIONS = {"model", "max_length", "chat_template", "truncation_side", "label"}
"""Options that apply to a model in memory."""


class FunctionScorer(BaseScorer):
    """Score by a Python function of two texts, prompt and completion, which returns a number, the higher the better.

    Args:
        function: the function; an exception, or a value that is not a number, becomes an InputError.
    """

    model_type = "Function"

    def __init__(self, function: Callable[[str, str], float]) -> None:
        self.function = function
        self.name = str(getattr(function, "__name__", type(function).__name__)).strip("<>")

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """Return the name of the function. Its code is not known, so its scores are not cached."""
        return {"kind": "function", "name": self.name}

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TextRequest:
        """Join the texts of all messages, with reasoning and tool calls.

        Raises:
            InputError: if there are tools.
        """
        if tools:
            raise InputError(f"The function {self.name} is given texts, and this row has tools.")
        return TextRequest(all_text((*prompt, *completion)), (all_text(completion),))

    def run(self, requests: Sequence[TextRequest]) -> list[float]:
        """Return one number per request."""
        return list(map(self._score, requests))

    def _score(self, request: TextRequest) -> float:
        (completion,) = request.completions
        prompt = request.text.removesuffix(completion).removesuffix("\n")
        try:
            return float(self.function(prompt, completion))
        except Exception as error:  # the function is code of the user
            raise InputError(
                f"The function {self.name} fails on the prompt {prompt[:40]!r} ({type(error).__name__}: "
                f"{first_sentence(error)}): it must take a prompt and a completion, both text, and return a "
                "number."
            ) from error


@contextmanager
def scorer_of(model: object, spec: ModelSpec) -> Iterator[Scorer]:
    """Context manager: the scorer of an object in memory; a model is in evaluation mode until the context ends.

    Args:
        model: a scorer (scorers.base.BaseScorer), a function, a pipeline, or a model with its tokenizer.
        spec: options of the model.

    Raises:
        InputError: for other objects, and for options that do not apply to a model in memory.
    """
    if isinstance(model, BaseScorer):
        yield model
        return
    model_and_tokenizer = _model_and_tokenizer(model)
    if model_and_tokenizer is None:
        _reject_options(spec, {"model"})
        yield FunctionScorer(_callable(model))
        return
    _reject_options(spec, LOADED_MODEL_OPTIONS)
    network, tokenizer = model_and_tokenizer
    was_training = network.training
    network.eval()  # type: ignore[no-untyped-call]
    try:
        yield _classifier(network, tokenizer, spec)
    finally:
        network.train(was_training)


def name_of(model: object) -> str:
    """Name an object in memory, for results: the path of its configuration, or the name of its class or function.

    Raises:
        InputError: if the object cannot be scored.
    """
    if isinstance(model, BaseScorer):
        return model.name
    model_and_tokenizer = _model_and_tokenizer(model)
    if model_and_tokenizer is None:
        return str(getattr(model, "__name__", type(model).__name__))
    network, _ = model_and_tokenizer
    return str(getattr(network.config, "_name_or_path", "") or type(network).__name__)


def _model_and_tokenizer(model: object) -> tuple[PreTrainedModel, PreTrainedTokenizerBase] | None:
    """Return the model and the tokenizer of a pair or of a pipeline; None for a function.

    Raises:
        InputError: for other objects.
    """
    pair = model if isinstance(model, tuple | list) else (getattr(model, "model", None), getattr(model, "tokenizer", 0))
    if len(pair) == 2 and hasattr(pair[0], "config") and hasattr(pair[1], "apply_chat_template"):
        return pair[0], pair[1]
    if hasattr(model, "config"):
        raise InputError(f"{type(model).__name__} has no tokenizer with it: pass (model, tokenizer).")
    _callable(model)
    return None


def _callable(model: object) -> Callable[[str, str], float]:
    """Return the object if it can be called.

    Raises:
        InputError: if it cannot.
    """
    if not callable(model):
        raise InputError(f"A model of type {type(model).__name__} cannot be scored: {SUPPORTED}.")
    return model


def _reject_options(spec: ModelSpec, allowed: set[str]) -> None:
    """Reject options that are set and not allowed, since they say how a model is loaded."""
    for field in fields(ModelSpec):
        if field.name not in allowed and getattr(spec, field.name) != field.default:
            raise InputError(f"{field.name} does not apply to a model in memory: leave it out, or pass a folder.")


def _classifier(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: ModelSpec) -> Scorer:
    """Return the scorer of a loaded classifier."""
    from rewardbench.forward.packed import choose_layout
    from rewardbench.models.fingerprint import config_identity, tokenizer_identity
    from rewardbench.models.labels import choose_label
    from rewardbench.models.layers import is_encoder
    from rewardbench.scorers.classifier import Classifier

    outputs = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    has_one_label = getattr(model.config, "num_labels", 0) == 1
    is_classifier = has_one_label or type(model).__name__.endswith("ForSequenceClassification")
    if outputs is not None or not is_classifier:
        raise InputError(
            f"{type(model).__name__} is not a sequence classifier. Save a policy with save_pretrained(), and "
            "pass its folder with ref_model or ref_free_type."
        )
    check_vocabulary(tokenizer, model, spec.model)
    limit = length_limit(model, tokenizer, spec.max_length)
    chat = Chat(tokenizer, spec.chat_template, limit, spec.truncation_side, name=spec.model)
    identity: dict[str, object] = {
        "weights": {"sha256": hash_weights(model)},
        "tokenizer": tokenizer_identity(tokenizer),
    }
    identity["config"] = config_identity(model.config)
    label = choose_label(model.config, spec.label, spec.model)
    scorer = Classifier(model, chat, spec.model, identity, label=label)
    return scorer.with_layout(*choose_layout(scorer, may_pack=not is_encoder(model.config)))


def hash_weights(model: PreTrainedModel) -> str:
    """Return the sha256 of a model's weights in memory, names and bytes."""
    import torch

    total = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        total.update(f"{name} {tuple(weight.shape)} {weight.dtype}\n".encode())
        total.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()
