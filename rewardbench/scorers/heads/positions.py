"""Find the tokens of a text whose hidden states are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.forward.padding import read_pad_id
from rewardbench.scorers.heads.spec import Position

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

FindPositions = Callable[[Sequence[int]], list[int]]
"""Returns the positions to read in a text of token ids. Raises InputError if there is none."""


ASSISTANT_HEADER = "assistant_header"
"""Stands for what the chat template prints between a user's message and the response."""


def resolve_token(token: str | int, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> list[int]:
    """Return the ids of a token: an id, a special token by its attribute, a key of the configuration, or a text.

    The pad token is that of the configuration, as in transformers' classifiers; without one, that of the tokenizer.

    Raises:
        InputError: if the tokenizer or the configuration has no such token.
    """
    ids: object
    if isinstance(token, int):
        ids = token
    elif token.startswith("config."):
        ids = getattr(config, token.removeprefix("config."), None)
    elif token in tokenizer.SPECIAL_TOKENS_ATTRIBUTES:
        ids = read_pad_id(config.get_text_config()) if token == "pad_token" else None
        if ids is None:
            ids = getattr(tokenizer, f"{token}_id", None)
    elif token in (vocabulary := tokenizer.get_vocab()):
        ids = vocabulary[token]
    else:
        ids = tokenizer(token, add_special_tokens=False)["input_ids"]
    if isinstance(ids, int):
        return [ids]
    if isinstance(ids, list) and ids:
        return ids
    raise InputError(f"Neither tokenizer nor configuration has {token}, at which this model's score is read.")


def position_finder(position: Position, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> FindPositions:
    """Return the function that finds a position of a head spec.

    Raises:
        InputError: if the position needs a token that the tokenizer does not have.
    """
    at = position.at
    if at in ("first", "decoder_start"):
        return lambda ids: [0]
    if at == "last":
        return lambda ids: [len(ids) - 1]
    if at == "mean":
        return lambda ids: list(range(len(ids)))
    token = position.token or "pad_token"
    if at in ("last_not_pad", "before_first"):
        try:
            (pad,) = resolve_token(token, tokenizer, config)
        except InputError:  # without a pad token, no text contains one
            return lambda ids: [len(ids) - 1]
        return (lambda ids: [_last_other(ids, pad)]) if at == "last_not_pad" else lambda ids: [_before(ids, pad)]
    pattern = resolve_token(token, tokenizer, config)
    if at == "every":
        return lambda ids: _required([start + len(pattern) - 1 for start in occurrences(ids, pattern)], token)
    offset = 0 if at == "start_of_last" else len(pattern) - 1
    return lambda ids: [_required(occurrences(ids, pattern), token)[-1] + offset]


def _last_other(ids: Sequence[int], pad: int) -> int:
    """Return the position of the last token that is not the pad token; 0 if there is none."""
    return next((at for at in range(len(ids) - 1, -1, -1) if ids[at] != pad), 0)


def _before(ids: Sequence[int], pad: int) -> int:
    """Return the position before the first pad token; the last if there is none, or if it is the first token."""
    first = next((at for at, token in enumerate(ids) if token == pad), len(ids))
    return first - 1 if first else len(ids) - 1


def occurrences(ids: Sequence[int], pattern: Sequence[int]) -> list[int]:
    """Return where a pattern starts, at each of its occurrences.

    >>> occurrences([5, 7, 8, 7, 8], [7, 8])
    [1, 3]
    """
    wanted, width = list(pattern), len(pattern)
    starts: list[int] = []
    for start in range(len(ids) - width + 1):
        if ids[start] == wanted[0] and list(ids[start : start + width]) == wanted:
            starts.append(start)
    return starts


def _required(positions: list[int], token: str | int) -> list[int]:
    if not positions:
        raise InputError(f"The text has no {token!r}, at which this model's score is read (was it truncated away?).")
    return positions
