"""Limits of a model: the token ids it embeds, and the longest text it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.models.failures import part_reported

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

POSITION_TABLES = {"wpe", "position_embeddings", "embed_positions", "positions_embed"}
"""Names that transformers uses for a table of learned position embeddings."""


def embedding_rows(model: PreTrainedModel, name: str) -> int:
    """Return the number of token ids that a model embeds.

    Raises:
        InputError: if the model has no token embedding.
    """
    with part_reported(f"{name}, which has no token embedding"):
        embedding: torch.nn.Embedding = model.get_input_embeddings()  # type: ignore[assignment]
        return len(embedding.weight)


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, name: str) -> list[str]:
    """Check that a model embeds the ids of its tokenizer.

    Returns:
        A note if special tokens have no embedding; a text with such a token is not scored.

    Raises:
        InputError: if ordinary tokens have no embedding, so that the tokenizer belongs to another model.
    """
    rows = embedding_rows(model, name)
    special_ids = {str(token): id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
    ordinary_ids = [id_ for token, id_ in tokenizer.get_vocab().items() if token not in special_ids]
    highest = max(ordinary_ids, default=0)
    if highest >= rows:
        raise InputError(
            f"The tokenizer has ids up to {highest}, but {name} embeds only {rows}: pass the --tokenizer the model "
            "was trained with."
        )
    unknown = sorted(token for token, id_ in special_ids.items() if id_ >= rows)
    if not unknown:
        return []
    return [
        f"The tokenizer has the special token {name_first(unknown)}, for which {name} has no embedding: a text "
        "with it is not scored."
    ]


def reject_unknown_tokens(
    ids: Sequence[int], rows: int, tokenizer: PreTrainedTokenizerBase, owner: str = "the model"
) -> None:
    """Reject a text with a token that has no embedding.

    Args:
        ids: token ids of the text.
        rows: number of ids that are embedded.
        tokenizer: gives the token's text for the error.
        owner: what lacks the embedding, for the error.

    Raises:
        InputError: if an id is not below `rows`.
    """
    highest = max(ids, default=0)
    if highest >= rows:
        token = tokenizer.convert_ids_to_tokens(highest)
        raise InputError(f"The text has a token that {owner} does not embed: {token}, id {highest} of {rows}.")


def position_limit(model: PreTrainedModel) -> int | None:
    """Return the number of learned positions; None for models that compute positions (RoPE, ALiBi)."""
    for path, module in model.named_modules():
        table = getattr(module, "weight", None)  # of torch's Embedding, or of an architecture's own class (I-BERT)
        if path.split(".")[-1] in POSITION_TABLES and table is not None and table.dim() == 2:
            padding = getattr(module, "padding_idx", None)
            skipped = 0 if padding is None else padding + 1  # RoBERTa counts positions from there
            return int(table.shape[0]) - int(getattr(module, "offset", skipped))
    return None


def length_limit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, requested: int | None) -> int | None:
    """Return the maximum tokens of a text: the requested length, else the model's own limit; None if unlimited.

    Raises:
        InputError: if the requested length is more than the model's positions.
    """
    config = model.config.get_text_config()
    configured = getattr(config, "max_position_embeddings", None)
    max_seq_len = getattr(config, "max_seq_len", None)  # MPT builds its ALiBi biases for this length
    positions = min(filter(None, (position_limit(model), max_seq_len)), default=None)
    if positions and configured:
        positions = min(positions, configured)  # Nyströmformer has two more rows than positions
    if requested and positions and requested > positions:
        raise InputError(
            f"--max_length {requested} is more than the {positions} positions this model has: pass at most {positions}."
        )
    limits = [n for n in (positions, configured, tokenizer.model_max_length) if n and n < 10**9]
    return requested or min(limits, default=None)


def name_first(names: Sequence[str]) -> str:
    """Return the first name and how many others there are.

    >>> name_first(["a"]), name_first(["a", "b", "c"])
    ('a', 'a and 2 more')
    """
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
