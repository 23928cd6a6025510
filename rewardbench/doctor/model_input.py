"""Describe the model input of one completion: text, first and last tokens, and the token that is scored."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from rewardbench.scorers.base import BaseScorer
from rewardbench.types import Item, TokenRequest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHOWN = 12
"""Tokens shown at each end of a text."""

Tokens = tuple[tuple[int, str], ...]
"""Pairs of token id and token."""


@dataclass(frozen=True)
class ModelInput:
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


def describe_input(scorer: BaseScorer, item: Item, request: TokenRequest) -> ModelInput:
    """Describe what a scorer with a tokenizer reads for the first completion of an item.

    Args:
        scorer: a scorer with a chat template.
        item: the item, for its id.
        request: the first completion as token ids.
    """
    chat = scorer.chat
    assert chat is not None
    tokenizer, ids = chat.tokenizer, request.ids.tolist()
    tokens = tuple(zip(ids, map(str, tokenizer.convert_ids_to_tokens(ids)), strict=True))
    is_short = len(ids) <= 2 * SHOWN
    bos, eos = _special_token(tokenizer, "bos", "cls"), _special_token(tokenizer, "eos", "sep")
    bos_count = bos_printed = 0
    if bos is not None:
        bos_count = len(list(takewhile(bos.__eq__, ids))) if bos == eos else ids.count(bos)
        bos_printed = list(chat.encode(request.text)).count(bos)
    description = chat.describe()
    template = str(description["chat_template"])
    return ModelInput(
        item=item.id,
        text=request.text,
        tokens=len(ids),
        head=tokens if is_short else tokens[:SHOWN],
        tail=() if is_short else tokens[-SHOWN:],
        bos_token=None if bos is None or bos == eos else str(tokenizer.convert_ids_to_tokens(bos)),
        bos=bos_count,
        bos_printed=bos_printed,
        last_token=tokens[-1][1],
        ends_with_eos=ids[-1] == eos,
        completion_start=request.start if chat.spans else None,
        pooling=str(scorer.report().details["pooling"]),
        pooled_token=request.pooled_token or None,
        template={"tokenizer": "the tokenizer's", "None": "none"}.get(template, template),
        template_sha256=str(description["template_sha256"]),
    )


def _special_token(tokenizer: PreTrainedTokenizerBase, *names: str) -> int | None:
    """Return the id of the first of these special tokens that the tokenizer has."""
    for name in names:
        token_id: int | None = getattr(tokenizer, f"{name}_token_id", None)
        if token_id is not None:
            return token_id
    return None
