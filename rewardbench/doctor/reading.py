"""What a model reads of one completion: its text, its tokens at both ends, and the token its score comes from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from rewardbench.scorers.base import BaseScorer
from rewardbench.types import Item, Request, TokenRequest

SHOWN = 12
"""Tokens that are shown of either end of a text."""

Tokens = tuple[tuple[int, str], ...]
"""Ids with what they stand for."""


@dataclass(frozen=True)
class Reading:
    """What the model reads of one completion in its context, and from where its score comes."""

    item: str
    text: str
    tokens: int
    head: Tokens
    """The first tokens; all where there are few."""
    tail: Tokens
    bos_token: str | None
    """The tokenizer's BOS, or CLS; None where it has none, or writes its EOS for both."""
    bos: int
    """How many BOS tokens there are; where it is the EOS, how many at the beginning."""
    bos_printed: int
    """How many the rendered text itself holds, as the template prints them."""
    last_token: str
    ends_with_eos: bool
    completion_start: int | None
    """The first token that counts, for log-probabilities."""
    pooling: str
    pooled_token: str | None
    """The token whose state is scored, for classifiers."""
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
    """The id of the first of these tokens that a tokenizer has."""
    found = (getattr(tokenizer, f"{name}_token_id", None) for name in names)
    return next((token for token in found if token is not None), None)
