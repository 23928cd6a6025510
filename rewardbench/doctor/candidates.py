"""The settings that another program may have used: each a change of the input, of the reading, or of the loading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from rewardbench.chat import Chat, Unchanged
from rewardbench.doctor.grid import Fault
from rewardbench.doctor.published import PairedRow
from rewardbench.forward.padding import PaddingSide
from rewardbench.scorers.base import BaseScorer, ModelScorer
from rewardbench.scorers.classifier import Classifier
from rewardbench.scorers.dpo import Dpo
from rewardbench.scorers.heads.inputs import HeadChat
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.settings import Dtype
from rewardbench.templates import template_names
from rewardbench.types import Aggregation, Item, Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LENGTHS = (256, 512, 1024, 2048, 4096, 8192)
"""Maximum lengths that are tried, in tokens."""
DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16", "float16")
KERNELS = ("eager", "sdpa")
SYSTEM_MESSAGES = ("", "You are a helpful assistant.")
BATCH_SIZES = (8, 16, 32, 64)
"""Batch sizes of programs that pad; rewardbench 0.1 had 8 and 64."""

Aspect = Literal[
    "chat template",
    "text",
    "head spec",
    "system message",
    "BOS",
    "end of text",
    "truncation",
    "position",
    "span",
    "steps",
    "attention kernel",
    "dtype",
    "padding",
]

EXCLUSIVE = ({"text", "chat template"}, {"text", "system message"}, {"text", "head spec"})
"""Aspects of which a combination of settings has one at most."""


class TokenSpan(NamedTuple):
    """Token ids of a text, and the index of the first token of its completion."""

    ids: list[int]
    start: int = 0


AFTER_TRUNCATION = ("truncation", "position", "span")
"""Aspects whose edits of token ids follow the truncation, in this order."""


EditTokens = Callable[[TokenSpan], TokenSpan]
EditRow = Callable[[PairedRow], Item]


@dataclass(frozen=True)
class PaddedBatches:
    """Batches of rows in the order of publication, padded as another program may have padded them."""

    size: int
    side: PaddingSide
    fault: Fault | None = None


@dataclass(frozen=True)
class Candidate:
    """One setting of one aspect."""

    aspect: Aspect
    text: str
    """What it is, for a sentence: "the chat template tulu"."""
    option: str = ""
    """Options of the command that select it; empty if there are none."""
    load: Mapping[str, str] = field(default_factory=dict)
    """Fields of the ModelSpec with which the model is loaded again."""
    template: str = "unchanged"
    max_length: int | Unchanged | None = "unchanged"
    truncation_side: Literal["left", "right", "unchanged"] = "unchanged"
    edit_row: EditRow | None = None
    edit_tokens: EditTokens | None = None
    is_plain: bool = False
    """Whether the changes that a head spec makes to the rendered text are left out."""
    aggregation: Aggregation | None = None
    batches: PaddedBatches | None = None
    reads_padding: bool = False
    """Whether the last token is read even if it is the padding token."""

    @property
    def changes_input(self) -> bool:
        """Return True if the setting changes the token ids that the model reads, and nothing else."""
        return not (self.load or self.batches or self.aggregation or self.reads_padding)


def list_candidates(scorer: BaseScorer, rows: Sequence[PairedRow], published_template: str | None) -> list[Candidate]:
    """Return the settings to try for a model, the likely and the cheap ones first.

    Args:
        scorer: the model as it was run; one without token ids has no settings.
        rows: the items, with published texts if there are any.
        published_template: name of the chat template that the published file states.
    """
    if scorer.chat is None or not isinstance(scorer, ModelScorer | Dpo):
        return []
    candidates: list[Candidate] = []
    if not rows[0].item.rendered:
        candidates += _template_candidates(scorer.chat, rows, published_template)
        candidates += _system_candidates(rows)
        if isinstance(scorer.chat, HeadChat) and scorer.view == "pointwise" and edits_tokens(scorer):
            label = "the rendered text as it is, without the input rules of the head spec"
            candidates.append(Candidate("head spec", label, is_plain=True))
    if edits_tokens(scorer):
        candidates += _bos_candidates(scorer.chat.tokenizer)
        candidates += _end_candidates(scorer.chat.tokenizer)
    candidates += _truncation_candidates(scorer)
    candidates += _reading_candidates(scorer)
    candidates += _loading_candidates(scorer)
    if isinstance(scorer, ModelScorer) and scorer.view == "pointwise":
        candidates += _padding_candidates(scorer)
    return candidates


def edits_tokens(scorer: BaseScorer) -> bool:
    """Return True if the token ids of a text may be edited before truncation.

    A pairwise model or one of sentence pairs truncates each of its parts.
    """
    chat = scorer.chat
    if scorer.view not in ("pointwise", "stepwise") or chat is None:
        return False
    return not (isinstance(chat, HeadChat) and chat.spec.sentence_pair)


def _template_candidates(chat: Chat, rows: Sequence[PairedRow], stated: str | None) -> Iterator[Candidate]:
    """Yield the named templates, the stated one first, then the texts of the file."""
    for name in sorted(template_names(), key=lambda name: name != stated):
        if name != chat.template:
            label = "the tokenizer's own chat template" if name == "tokenizer" else f"the chat template {name}"
            yield Candidate("chat template", label, f"--chat_template {name}", template=name)
    if any(row.texts for row in rows):
        yield Candidate("text", "the texts of the published file", edit_row=PairedRow.rendered)


def _system_candidates(rows: Sequence[PairedRow]) -> Iterator[Candidate]:
    for system in SYSTEM_MESSAGES:
        label = f"the system message {system!r}" if system else "an empty system message"
        yield Candidate("system message", label, edit_row=partial(_with_system, system=system))
    if any(row.item.prompt and row.item.prompt[0]["role"] == "system" for row in rows):
        yield Candidate("system message", "no system message", edit_row=_without_system)


def _with_system(row: PairedRow, system: str) -> Item:
    item = row.item
    if item.prompt and item.prompt[0]["role"] == "system":
        return item
    return replace(item, prompt=(Message(role="system", content=system), *item.prompt))


def _without_system(row: PairedRow) -> Item:
    prompt = tuple(message for message in row.item.prompt if message["role"] != "system")
    return replace(row.item, prompt=prompt)


def _bos_candidates(tokenizer: PreTrainedTokenizerBase) -> Iterator[Candidate]:
    bos: int | None = tokenizer.bos_token_id
    if bos is not None:
        for count, label in ((2, "two BOS tokens"), (0, "no BOS token"), (1, "one BOS token")):
            yield Candidate("BOS", label, edit_tokens=partial(set_bos, bos=bos, count=count))


def set_bos(tokens: TokenSpan, bos: int, count: int) -> TokenSpan:
    """Replace the BOS tokens at the start of a text.

    >>> set_bos(TokenSpan([1, 7, 8], 2), bos=1, count=2)
    TokenSpan(ids=[1, 1, 7, 8], start=3)
    """
    leading = 0
    while leading < len(tokens.ids) and tokens.ids[leading] == bos:
        leading += 1
    return TokenSpan([bos] * count + tokens.ids[leading:], max(0, tokens.start + count - leading))


def _end_candidates(tokenizer: PreTrainedTokenizerBase) -> Iterator[Candidate]:
    eos: int | None = tokenizer.eos_token_id
    if eos is not None:
        yield Candidate("end of text", "an EOS token at the end", edit_tokens=partial(set_end, end=[eos], eos=eos))
        yield Candidate("end of text", "no EOS token at the end", edit_tokens=partial(set_end, end=[], eos=eos))
    yield Candidate("end of text", "no white space at the end", edit_tokens=partial(_strip_end, tokenizer=tokenizer))


def set_end(tokens: TokenSpan, end: list[int], eos: int) -> TokenSpan:
    """Replace the EOS tokens at the end of a text by others.

    >>> set_end(TokenSpan([7, 8, 2]), [], 2), set_end(TokenSpan([7, 8]), [2], 2)
    (TokenSpan(ids=[7, 8], start=0), TokenSpan(ids=[7, 8, 2], start=0))
    """
    length = len(tokens.ids)
    while length and tokens.ids[length - 1] == eos:
        length -= 1
    return TokenSpan(tokens.ids[:length] + end, tokens.start)


def _strip_end(tokens: TokenSpan, tokenizer: PreTrainedTokenizerBase) -> TokenSpan:
    length = len(tokens.ids)
    while length and not str(tokenizer.decode(tokens.ids[length - 1 : length])).strip():
        length -= 1
    return TokenSpan(tokens.ids[:length], tokens.start)


def _truncation_candidates(scorer: BaseScorer) -> Iterator[Candidate]:
    """Yield maximum lengths on both sides: with the BOS kept, as rewardbench truncates, or cut off with the rest."""
    for length in LENGTHS:
        for side in ("left", "right"):
            yield Candidate(
                "truncation",
                f"truncation to {length} tokens on the {side}",
                f"--max_length {length} --truncation_side {side}",
                max_length=length,
                truncation_side=side,
            )
        if edits_tokens(scorer):
            yield Candidate(
                "truncation",
                f"truncation to the last {length} tokens, without BOS",
                max_length=None,
                edit_tokens=partial(cut_left, length=length),
            )
    yield Candidate("truncation", "no truncation", max_length=None)


def cut_left(tokens: TokenSpan, length: int) -> TokenSpan:
    """Keep the last tokens of a text.

    >>> cut_left(TokenSpan([1, 7, 8, 9], 2), 2)
    TokenSpan(ids=[8, 9], start=0)
    """
    excess = max(0, len(tokens.ids) - length)
    return TokenSpan(tokens.ids[excess:], max(0, tokens.start - excess))


def _reading_candidates(scorer: BaseScorer) -> Iterator[Candidate]:
    """Yield where the score may have been read: other tokens, or the log-probabilities of the prompt too."""
    if isinstance(scorer, Dpo):
        yield Candidate("span", "the log-probabilities of the prompt included", edit_tokens=_from_first)
    elif scorer.view == "stepwise":
        for name in get_args(Aggregation):
            if name != scorer.aggregation:
                yield Candidate("steps", f"the {name} of the steps' scores", aggregation=name)
    elif isinstance(scorer, ModelScorer) and _reads_end(scorer):
        yield from _position_candidates(scorer)


def _reads_end(scorer: ModelScorer) -> bool:
    """Return True if a decoder is read at the end of a text, so that cutting tokens off moves the position."""
    from rewardbench.models.layers import is_encoder

    if is_encoder(scorer.model.config) or scorer.model.config.is_encoder_decoder or not edits_tokens(scorer):
        return False
    if isinstance(scorer, HeadScorer):
        return scorer.spec.position.at in ("last", "last_not_pad", "before_first")
    return isinstance(scorer, Classifier)


def _position_candidates(scorer: ModelScorer) -> Iterator[Candidate]:
    """Yield other positions of a decoder: the state at a token is that of the text up to it."""
    for distance, label in ((1, "the token before the last"), (2, "the second token before the last")):
        yield Candidate("position", f"the score read at {label}", edit_tokens=partial(_drop_last, count=distance))
    names = {"EOS token": scorer.chat.tokenizer.eos_token_id, "pad token": scorer.model.config.pad_token_id}
    for name, token in names.items():
        if isinstance(token, int):
            yield Candidate(
                "position",
                f"the score read before the first {name}",
                edit_tokens=partial(_before_first, token=token),
            )
            yield Candidate(
                "position", f"the score read at the first {name}", edit_tokens=partial(_up_to_first, token=token)
            )
    if isinstance(scorer, Classifier):
        yield Candidate("position", "the score read at the last token, even if it is padding's", reads_padding=True)


def _drop_last(tokens: TokenSpan, count: int) -> TokenSpan:
    return TokenSpan(tokens.ids[:-count] or tokens.ids[:1], tokens.start)


def _before_first(tokens: TokenSpan, token: int) -> TokenSpan:
    position = tokens.ids.index(token) if token in tokens.ids else len(tokens.ids)
    return TokenSpan(tokens.ids[:position] or tokens.ids, tokens.start)


def _up_to_first(tokens: TokenSpan, token: int) -> TokenSpan:
    position = tokens.ids.index(token) if token in tokens.ids else len(tokens.ids)
    return TokenSpan(tokens.ids[: position + 1], tokens.start)


def _from_first(tokens: TokenSpan) -> TokenSpan:
    return TokenSpan(tokens.ids, 1)


def _loading_candidates(scorer: BaseScorer) -> Iterator[Candidate]:
    """Yield attention kernels and dtypes, for which the model is loaded again."""
    fingerprint = scorer.fingerprint
    for kernel in KERNELS:
        if kernel != fingerprint.get("attn_implementation"):
            yield Candidate(
                "attention kernel",
                f"the attention kernel {kernel}",
                f"--attn_implementation {kernel}",
                load={"attn_implementation": kernel},
            )
    for dtype in DTYPES:
        if dtype != fingerprint.get("dtype"):
            yield dtype_candidate(dtype)


def dtype_candidate(dtype: str) -> Candidate:
    """Return the setting of a dtype."""
    return Candidate("dtype", f"the dtype {dtype}", f"--torch_dtype {dtype}", load={"dtype": dtype})


def _padding_candidates(scorer: ModelScorer) -> Iterator[Candidate]:
    """Yield batches as other programs pad them: without a mask, or with positions that count the padding."""
    from rewardbench.models.layers import is_encoder

    sides: tuple[tuple[PaddingSide, Fault, str], ...] = (
        ("left", "drop-mask", "padded on the left without an attention mask"),
        ("left", "drop-positions", "padded on the left, with positions that count the padding"),
    )
    if is_encoder(scorer.model.config):
        sides = (("right", "drop-mask", "padded on the right without an attention mask"),)
    for size in BATCH_SIZES:
        for side, fault, label in sides:
            yield Candidate("padding", f"batches of {size} {label}", batches=PaddedBatches(size, side, fault))


def are_compatible(settings: Sequence[Candidate]) -> bool:
    """Return True if no two settings are of one aspect, or of aspects that exclude each other."""
    aspects = [setting.aspect for setting in settings]
    if len(set(aspects)) < len(aspects):
        return False
    return not any(pair <= set(aspects) for pair in EXCLUSIVE)


def merge_options(settings: Sequence[Candidate]) -> str | None:
    """Return the options of the command that select all settings; None if one of them has no option."""
    options = [setting.option for setting in settings]
    return " ".join(options) if all(options) else None
