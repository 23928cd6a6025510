"""Score texts without a suite: `score` once, `load_scorer` for many calls."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeGuard, Unpack, overload

from rewardbench import scorers
from rewardbench.engine.loop import score as score_items
from rewardbench.engine.shared_cache import open_cache
from rewardbench.errors import InputError
from rewardbench.paths import home_path
from rewardbench.scorers.in_memory import name_of, scorer_of
from rewardbench.scorers.options import sort_options, with_options
from rewardbench.settings import (
    CheckedOptions,
    Model,
    ModelSpec,
    ScorerOptions,
    check_at_least_one,
)
from rewardbench.suites.in_memory import read_in_memory
from rewardbench.suites.rows import parse_rows
from rewardbench.types import Scorer

if TYPE_CHECKING:
    from rewardbench.engine.token_scores import TokenScores

Conversation = Sequence[Mapping[str, object]]
"""Chat messages, each a dict with `role` and `content`, the last one of the assistant."""
Prompt = str | Conversation
"""The text of a user, or the messages before the completion."""
Texts = list[str] | tuple[str, ...]


@dataclass(frozen=True)
class Batching(CheckedOptions):
    """How texts are divided into batches, and whether their scores are cached. Does not change scores."""

    batch_size: int | None = None
    batch_tokens: int | None = None
    cache: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_one(self, "batch_size", "batch_tokens")


class LoadedScorer:
    """A loaded reward model that scores texts.

    A model in memory is in evaluation mode until `close()`, or until the end of a `with` block. A DPO policy and its
    reference model are loaded by each call of `score`, one after the other, so pass many texts at once.

    >>> scorer = load_scorer("baseline/longest")
    >>> scorer.score("Name a city.", "Lima.")
    5.0
    >>> scorer.score("Name a city.", ["Lima.", "No."])
    [5.0, 3.0]
    >>> scorer.score(messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}])
    6.0
    """

    def __init__(self, scorer: Scorer, batching: Batching, stack: ExitStack) -> None:
        self.scorer, self._batching, self._stack = scorer, batching, stack

    @property
    def name(self) -> str:
        """Return the name of the model."""
        return self.scorer.name

    @overload
    def score(self, prompt: Prompt, completion: str) -> float: ...

    @overload
    def score(self, prompt: Prompt | Sequence[Prompt], completion: Texts) -> list[float]: ...

    @overload
    def score(self, *, messages: Conversation) -> float: ...

    @overload
    def score(self, *, messages: Sequence[Conversation]) -> list[float]: ...

    def score(
        self,
        prompt: Prompt | Sequence[Prompt] | None = None,
        completion: str | Texts | None = None,
        *,
        messages: Conversation | Sequence[Conversation] | None = None,
    ) -> float | list[float]:
        """Score completions; higher is better. A text longer than max_length is truncated, as in `evaluate`.

        Args:
            prompt: the text of a user, or the messages before the completion; or a list of prompts, one per
                completion.
            completion: the text of the assistant; or a list of texts, for one prompt or for a list of prompts.
            messages: instead of both, a conversation that ends with the assistant, or a list of conversations.

        Returns:
            A float for one completion or conversation; for a list, a list of floats in the same order.

        Raises:
            InputError: if a text cannot be scored.
        """
        conversations, is_single = _read_conversations(prompt, completion, messages)
        if not conversations:
            return []
        scores = self._score(conversations)
        return scores[0] if is_single else scores

    def _score(self, conversations: Sequence[Conversation]) -> list[float]:
        rows = read_in_memory({"messages": conversation} for conversation in conversations)
        items = parse_rows(rows, "the texts", scores_only=True)
        with open_cache() if self._batching.cache else nullcontext() as cache:
            run = score_items(
                items,
                self.scorer,
                batch_tokens=self._batching.batch_tokens,
                batch_size=self._batching.batch_size,
                cache=cache,
            )
        for number, item in enumerate(run.items, 1):
            if item.reason is not None:
                raise InputError(f"Text {number} of {len(items)} cannot be scored: {item.reason.rstrip('.')}.")
        return [item.scores[0] for item in run.items]

    def score_tokens(self, prompt: Prompt, completion: str) -> TokenScores:
        """Score each token of a completion in its context, or each step of it by a process reward model.

        Args:
            prompt: the text of a user, or the messages before the completion.
            completion: the text of the assistant.

        Returns:
            TokenScores: `texts` and `scores`, one for each token or step, and the `score` of the completion; `meaning`
            says what a score is: of a causal classifier that of the text that ends at the token, of a DPO policy the
            log-ratio of the token.

        Raises:
            InputError: if the text cannot be scored, or the model has no scores of tokens.
        """
        from rewardbench.engine.token_scores import token_scores

        rows = read_in_memory([{"messages": _join(prompt, completion)}])
        (item,) = parse_rows(rows, "the texts", scores_only=True)
        return token_scores(item, self.scorer)

    def close(self) -> None:
        """Return a model in memory to its previous mode (training or evaluation)."""
        self._stack.close()

    def __repr__(self) -> str:
        return f"LoadedScorer({self.name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@with_options(ModelSpec, Batching)
def load_scorer(model: Model, **options: Unpack[ScorerOptions]) -> LoadedScorer:
    """Load a reward model to score texts.

    Args:
        model: name, folder or Hub id of a model, or a model in memory, as in `evaluate`.
        **options: options of the model, its dtype, device and batches, as in `evaluate`.

    Returns:
        A LoadedScorer, whose method `score` takes prompts and completions, or messages.

    Raises:
        InputError: for bad input, with a one-line message.

    >>> load_scorer("baseline/longest").score("Name a city.", ["Lima.", "No."])
    [5.0, 3.0]
    """
    return _load(model, "load_scorer", options)


def open_scorer(spec: ModelSpec, cache: bool = False) -> LoadedScorer:
    """Load a reward model to score texts, given its specification instead of options.

    Args:
        spec: the model and its options.
        cache: whether scores are read from and written to the local cache.

    Raises:
        InputError: if it cannot be loaded.
    """
    return LoadedScorer(scorers.load_scorer(_with_home(spec)), Batching(cache=cache), ExitStack())


def _with_home(spec: ModelSpec) -> ModelSpec:
    """Return a specification whose model is not a path that begins with ~."""
    return replace(spec, model=str(home_path(spec.model))) if spec.model.startswith("~") else spec


@overload
def score(model: Model, prompt: Prompt, completion: str, **options: Unpack[ScorerOptions]) -> float: ...


@overload
def score(
    model: Model, prompt: Prompt | Sequence[Prompt], completion: Texts, **options: Unpack[ScorerOptions]
) -> list[float]: ...


@overload
def score(model: Model, *, messages: Conversation, **options: Unpack[ScorerOptions]) -> float: ...


@overload
def score(model: Model, *, messages: Sequence[Conversation], **options: Unpack[ScorerOptions]) -> list[float]: ...


@with_options(ModelSpec, Batching)
def score(
    model: Model,
    prompt: Prompt | Sequence[Prompt] | None = None,
    completion: str | Texts | None = None,
    *,
    messages: Conversation | Sequence[Conversation] | None = None,
    **options: Unpack[ScorerOptions],
) -> float | list[float]:
    """Load a reward model, and score texts once. Use `load_scorer` to score more than once.

    Args:
        model: name, folder or Hub id of a model, or a model in memory, as in `evaluate`.
        prompt: the text of a user, or the messages before the completion; or a list of prompts, one per completion.
        completion: the text of the assistant; or a list of texts, for one prompt or for a list of prompts.
        messages: instead of both, a conversation that ends with the assistant, or a list of conversations.
        **options: options of the model, its dtype, device and batches, as in `evaluate`.

    Returns:
        A float for one completion or conversation; for a list, a list of floats in the same order.

    Raises:
        InputError: for bad input, with a one-line message.

    >>> score("baseline/shortest", "Name a city.", ["Lima.", "No."])
    [-5.0, -3.0]
    """
    conversations, is_single = _read_conversations(prompt, completion, messages)
    with _load(model, "score", options) as scorer:
        scores = scorer.score(messages=conversations)
    return scores[0] if is_single else scores


def _load(model: Model, function: str, options: ScorerOptions) -> LoadedScorer:
    model_options, batch_values = sort_options(options, ModelSpec, Batching, function=function)
    batching = Batching(**batch_values)
    if isinstance(model, str | os.PathLike):
        spec = _with_home(ModelSpec(os.fspath(model), **model_options))
        return LoadedScorer(scorers.load_scorer(spec), batching, ExitStack())
    if batching.cache:
        raise InputError("A model in memory has no cache: leave out cache.")
    with ExitStack() as stack:
        scorer = stack.enter_context(scorer_of(model, ModelSpec(name_of(model), **model_options)))
        return LoadedScorer(scorer, batching, stack.pop_all())


def _read_conversations(prompt: object, completion: object, messages: object) -> tuple[list[Conversation], bool]:
    """Convert the arguments of `score` to conversations.

    Returns:
        The conversations, and True if the arguments are of one completion or conversation, not of a list.

    Raises:
        InputError: if the arguments have another form.
    """
    if messages is not None:
        if prompt is not None or completion is not None:
            raise InputError("Pass messages, or a prompt and a completion, not both.")
        return _read_messages(messages)
    if prompt is None or completion is None:
        raise InputError("Pass a prompt and a completion, or messages=[{'role': ..., 'content': ...}, ...].")
    is_single = isinstance(completion, str)
    completions = [completion] if is_single else _as_list(completion)
    is_one_prompt = isinstance(prompt, str) or _is_conversation(prompt)
    prompts = [prompt] * len(completions) if is_one_prompt else _as_list(prompt)
    if len(prompts) != len(completions) or (is_single and not is_one_prompt):
        raise InputError(
            f"There are {len(prompts)} prompts and {len(completions)} completions: pass the same number of both."
        )
    return list(map(_join, prompts, completions)), is_single


def _read_messages(messages: object) -> tuple[list[Conversation], bool]:
    """Return one or several conversations as a list, and True if it is one.

    Raises:
        InputError: if `messages` is neither.
    """
    if _is_conversation(messages):
        return [messages], True
    conversations = []
    for conversation in _as_list(messages):
        if not _is_conversation(conversation):
            raise InputError("messages must be a list of dicts with role and content, or a list of such lists.")
        conversations.append(conversation)
    return conversations, False


def _is_conversation(value: object) -> TypeGuard[Conversation]:
    """Return True if the value is a list of messages, and not a list of conversations."""
    if not isinstance(value, list | tuple) or not value:
        return False
    return all(isinstance(message, Mapping) for message in value)


def _as_list(values: object) -> list[object]:
    """Return the elements of a list or another iterable.

    Raises:
        InputError: for text, a dict, or a value that is no iterable.
    """
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise InputError(
            f"A value of type {type(values).__name__} is not a list of texts: pass a text, messages, or a list of them."
        )
    return list(values)


def _join(prompt: object, completion: object) -> Conversation:
    """Append a completion to its prompt.

    Raises:
        InputError: if one of them is of another type.
    """
    if not isinstance(completion, str):
        raise InputError(f"A completion is of type {type(completion).__name__}: it must be text.")
    answer = {"role": "assistant", "content": completion}
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}, answer]
    if not _is_conversation(prompt):
        raise InputError(f"A prompt is of type {type(prompt).__name__}: it must be text, or a list of messages.")
    return [*prompt, answer]
