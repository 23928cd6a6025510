"""Find the tokens by which a judge expresses the outcomes of a protocol, at the first position of its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.scorers.judge.local.prompt_chat import PromptChat
from rewardbench.types import TokenRequest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TAIL = 8
"""Tokens of the prompt after which a token is decoded: the text of a token depends on the one before."""


@dataclass(frozen=True)
class Outcomes:
    """The single tokens that express each outcome."""

    names: tuple[str, ...]
    """Of the outcomes, in the order of the protocol."""
    ids: tuple[tuple[int, ...], ...]
    """For each outcome the ids of its tokens."""
    texts: Mapping[int, str]
    """Text of each token, as the protocol writes it."""
    notes: tuple[str, ...] = ()
    """On texts that are several tokens, one sentence each."""


def find_outcomes(tokens: Mapping[str, Sequence[str]], chat: PromptChat, prompt: TokenRequest) -> Outcomes:
    """Find the token of each text that expresses an outcome.

    Args:
        tokens: for each outcome the texts that express it.
        chat: of the judge.
        prompt: any prompt of the judge; its last tokens are the same in all.

    Raises:
        InputError: if no text of an outcome is a single token, or one token expresses two outcomes.
    """
    ids: list[tuple[int, ...]] = []
    texts: dict[int, str] = {}
    notes: list[str] = []
    for outcome, variants in tokens.items():
        ids_of_outcome: dict[int, None] = {}
        for text in variants:
            token_id = single_token(chat, prompt, text)
            if token_id is None:
                notes.append(f"The tokenizer of {chat.name} has no single token for {text!r}, which was left out.")
            elif token_id in texts and token_id not in ids_of_outcome:
                raise InputError(f"{text!r} expresses two outcomes of this protocol for the tokenizer of {chat.name}.")
            else:
                ids_of_outcome[token_id] = None
                texts.setdefault(token_id, text)
        if not ids_of_outcome:
            shown = ", ".join(map(repr, variants))
            raise InputError(
                f"The outcome {outcome!r} of this protocol is no single token for the tokenizer of {chat.name} "
                f"({shown}): pass a protocol that reads the text of the answer."
            )
        ids.append(tuple(ids_of_outcome))
    return Outcomes(tuple(tokens), tuple(ids), texts, tuple(notes))


def single_token(chat: PromptChat, prompt: TokenRequest, text: str) -> int | None:
    """Return the id of the token that prints exactly this text after a prompt; None if there is none."""
    prompt_ids, full_ids = chat.encode(prompt.text), chat.encode(prompt.text + text)
    candidates = [chat.encode(text)]
    if full_ids[: len(prompt_ids)] == prompt_ids:
        candidates.insert(0, full_ids[len(prompt_ids) :])
    tail = prompt.ids.tolist()[-TAIL:]
    before = decode(chat.tokenizer, tail)
    for ids in candidates:
        if len(ids) == 1 and decode(chat.tokenizer, tail + ids) == before + text:
            return ids[0]
    return None


def decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
    """Return the text of token ids, without any cleaning."""
    options = {"skip_special_tokens": skip_special_tokens, "clean_up_tokenization_spaces": False}
    return str(tokenizer.decode(list(ids), **options))
