"""Describe the model input of one completion: text, first and last tokens, and the token that is scored."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from rewardbench.scorers.base import BaseScorer
from rewardbench.types import Item, Request, TokenRequest

SHOWN = 12
"""Tokens shown at each end of a text."""

Tokens = tuple[tuple[int, str], ...]
"""Pairs of token id and token."""


@dataclass(frozen=True)
class Reading:
    """The model input of one completion, and the position that is scored."""

    item: str
    text: str
    tokens: int
    head: Tokens
    """The first tokens; all tokens if there are few."""
    tail: Tokens
    bos_token: str | None
    """The tokenizer's BOS or CLS token; None if it has none, or its BOS is its EOS."""
    bos: int
    """Number of BOS tokens; if BOS is EOS, the number at the start."""
    bos_printed: int
    """Number of BOS tokens in the rendered text, written by the template."""
    last_token: str
    ends_with_eos: bool
    completion_start: int | None
    """Index of the first token of the completion, for log-probabilities."""
    pooling: str
    pooled_token: str | None
    """The token whose hidden state is scored, for classifiers."""
    template: str
    template_sha256: str


def read(scorer: BaseScorer, item: Item, request: Request) -> Reading:
    """Return what a scorer with a tokenizer reads of an item's first completion."""
    chat = scorer.chat
    assert chat is not None
    assert isinstance(request, TokenRequest)
    tokenizer, ids = chat.tokenizer, request.ids.tolist()
    pairs = tuple(zip(ids, map(str, tokenizer.convert_ids_to_tokens(ids)), strict=True))
    short = len(ids) <= 2 * SHOWN
    bos, eos = _special(tokenizer, "bos", "cls"), _special(tokenizer, "eos", "sep")
    start = list(takewhile(lambda token: token == bos, ids))
    facts = chat.describe()
    return Reading(
        item=item.id,
        text=request.text,
        tokens=len(ids),
        head=pairs if short else pairs[:SHOWN],
        tail=() if short else pairs[-SHOWN:],
        bos_token=None if bos is None or bos == eos else str(tokenizer.convert_ids_to_tokens(bos)),
        bos=len(start) if bos == eos else sum(token == bos for token in ids),
        bos_printed=sum(token == bos for token in chat.encode(request.text)),
        last_token=pairs[-1][1],
        ends_with_eos=ids[-1] == eos,
        completion_start=request.start if chat.spans else None,
        pooling=str(scorer.report().details["pooling"]),
        pooled_token=request.pooled_token or None,
        template={"tokenizer": "its own", None: "none"}.get(facts["chat_template"], str(facts["chat_template"])),
        template_sha256=facts["template_sha256"],
    )


def _special(tokenizer: Any, *names: str) -> int | None:
    """Return the id of the first of these special tokens that the tokenizer has."""
    ids = (getattr(tokenizer, f"{name}_token_id", None) for name in names)
    return next((id for id in ids if id is not None), None)
