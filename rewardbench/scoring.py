"""Score texts of one's own, without a suite: `load_scorer` and `score`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any, Self, Unpack, overload

from rewardbench import scorers
from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import score as score_items
from rewardbench.errors import InputError
from rewardbench.paths import home_path
from rewardbench.scorers.in_memory import name_of, scorer_of
from rewardbench.settings import Model, ModelSpec, ScorerOptions, read_options, refuse_less_than_one
from rewardbench.suites.in_memory import read_in_memory
from rewardbench.suites.rows import parse_rows
from rewardbench.types import Scorer

Conversation = Sequence[Mapping[str, Any]]
"""Chat messages, each a dict with `role` and `content`, the last one of the assistant."""
Prompt = str | Conversation
"""The text of a user, or the messages before the completion."""
Many = list[str] | tuple[str, ...]


@dataclass(frozen=True)
class Batching:
    """How texts are divided into batches, and whether their scores are cached. Does not change scores."""

    batch_size: int | None = None
    batch_tokens: int | None = None
    cache: bool = False

    def __post_init__(self) -> None:
        refuse_less_than_one(self, "batch_size", "batch_tokens")


class LoadedScorer:
    """A loaded reward model that scores texts.

    A model in memory is in evaluation mode until `close()`, or until the end of a `with` block. A DPO policy and its
    reference model are loaded anew by each call of `score`, one after the other: pass many texts at once.

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
    def score(self, prompt: Prompt | Sequence[Prompt], completion: Many) -> list[float]: ...

    @overload
    def score(self, *, messages: Conversation) -> float: ...

    @overload
    def score(self, *, messages: Sequence[Conversation]) -> list[float]: ...

    def score(self, prompt: Any = None, completion: Any = None, *, messages: Any = None) -> float | list[float]:
        """Score completions; higher is better. A text longer than max_length is truncated, as in `evaluate`.

        Args:
            prompt: the text of a user, or the messages before the completion; or a list of them, one per completion.
            completion: the text of the assistant; or a list of texts, of one prompt or of as many.
            messages: in place of both, a conversation that ends with the assistant, or a list of conversations.

        Returns: a float for one completion or conversation, a list of floats in the given order for a list.

        Raises: InputError if a text cannot be scored.
        """
        conversations, is_single = _read_conversations(prompt, completion, messages)
        if not conversations:
            return []
        scores = self._score(conversations)
        return scores[0] if is_single else scores

    def _score(self, conversations: Sequence[Conversation]) -> list[float]:
        rows = read_in_memory({"messages": conversation} for conversation in conversations)
        items = parse_rows(rows, "the texts", scores_only=True)
        with Cache() if self._batching.cache else nullcontext() as cache:
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

    def close(self) -> None:
        """Return a model in memory to the mode in which it was."""
        self._stack.close()

    def __repr__(self) -> str:
        return f"LoadedScorer({self.name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def load_scorer(model: Model, **options: Unpack[ScorerOptions]) -> LoadedScorer:
    """Load a reward model that scores texts of one's own.

    Args:
        model: what `evaluate` takes: a name, a folder, a Hub id, or a model in memory.
        **options: see `ScorerOptions`.

    Raises: InputError for bad input.
    """
    return _load(model, "load_scorer", options)


@overload
def score(model: Model, prompt: Prompt, completion: str, **options: Unpack[ScorerOptions]) -> float: ...


@overload
def score(
    model: Model, prompt: Prompt | Sequence[Prompt], completion: Many, **options: Unpack[ScorerOptions]
) -> list[float]: ...


@overload
def score(model: Model, *, messages: Conversation, **options: Unpack[ScorerOptions]) -> float: ...


@overload
def score(model: Model, *, messages: Sequence[Conversation], **options: Unpack[ScorerOptions]) -> list[float]: ...


def score(
    model: Model,
    prompt: Any = None,
    completion: Any = None,
    *,
    messages: Any = None,
    **options: Unpack[ScorerOptions],
) -> float | list[float]:
    """Load a reward model, and score texts once. `load_scorer` keeps it for more.

    Args:
        model: what `evaluate` takes: a name, a folder, a Hub id, or a model in memory.
        prompt: as `LoadedScorer.score`.
        completion: as `LoadedScorer.score`.
        messages: as `LoadedScorer.score`.
        **options: see `ScorerOptions`.

    Returns: a float for one completion or conversation, a list of floats for a list.

    Raises: InputError for bad input.

    >>> score("baseline/shortest", "Name a city.", ["Lima.", "No."])
    [-5.0, -3.0]
    """
    conversations, is_single = _read_conversations(prompt, completion, messages)
    with _load(model, "score", options) as scorer:
        scores = scorer.score(messages=conversations)
    return scores[0] if is_single else scores


def _load(model: Any, function: str, options: ScorerOptions) -> LoadedScorer:
    model_options, batch_options = read_options(options, ModelSpec, Batching, function=function)
    batching = Batching(**batch_options)
    if isinstance(model, str | os.PathLike):
        name = os.fspath(model)
        spec = ModelSpec(str(home_path(name)) if name.startswith("~") else name, **model_options)
        return LoadedScorer(scorers.load_scorer(spec), batching, ExitStack())
    if batching.cache:
        raise InputError("A model in memory has no cache: leave out cache.")
    with ExitStack() as stack:
        scorer = stack.enter_context(scorer_of(model, ModelSpec(name_of(model), **model_options)))
        return LoadedScorer(scorer, batching, stack.pop_all())


def _read_conversations(prompt: Any, completion: Any, messages: Any) -> tuple[list[Conversation], bool]:
    """Return conversations, and whether one alone was passed. Raises: InputError for arguments of another form."""
    if messages is not None:
        if prompt is not None or completion is not None:
            raise InputError("Pass messages, or a prompt and a completion, not both.")
        is_single = _is_conversation(messages)
        conversations = [messages] if is_single else _as_list(messages)
        if not all(map(_is_conversation, conversations)):
            raise InputError("messages must be a list of dicts with role and content, or a list of such lists.")
        return conversations, is_single
    if prompt is None or completion is None:
        raise InputError("Pass a prompt and a completion, or messages=[{'role': ..., 'content': ...}, ...].")
    is_single = isinstance(completion, str)
    completions = [completion] if is_single else _as_list(completion)
    is_one_prompt = isinstance(prompt, str) or _is_conversation(prompt)
    prompts = [prompt] * len(completions) if is_one_prompt else _as_list(prompt)
    if len(prompts) != len(completions) or (is_single and not is_one_prompt):
        raise InputError(f"There are {len(prompts)} prompts and {len(completions)} completions: pass as many of both.")
    return [_join(*pair) for pair in zip(prompts, completions, strict=True)], is_single


def _is_conversation(value: Any) -> bool:
    """Return True if the value is a list of messages, and not a list of conversations."""
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(turn, Mapping) for turn in value)


def _as_list(values: Any) -> list[Any]:
    if isinstance(values, str | Mapping) or not hasattr(values, "__iter__"):
        raise InputError(
            f"A value of type {type(values).__name__} is not a list of texts: pass a text, messages, or a list of them."
        )
    return list(values)


def _join(prompt: Prompt, completion: str) -> Conversation:
    """Put a completion after its prompt."""
    if not isinstance(completion, str):
        raise InputError(f"A completion is of type {type(completion).__name__}: it must be text.")
    if not (isinstance(prompt, str) or _is_conversation(prompt)):
        raise InputError(f"A prompt is of type {type(prompt).__name__}: it must be text, or a list of messages.")
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return [*turns, {"role": "assistant", "content": completion}]
