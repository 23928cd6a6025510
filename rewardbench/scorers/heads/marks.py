"""Check that no message moves the token at which a score is read.

Tokenizers read special tokens that a message spells out as special tokens. A response that spells out the pad token, a
step tag or the header of a turn would choose for itself where its score is read; its text is not scored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rewardbench.chat import all_text
from rewardbench.errors import InputError
from rewardbench.scorers.heads.positions import occurrences, resolve_token
from rewardbench.scorers.heads.spec import Position, Where
from rewardbench.templates import absent_character
from rewardbench.types import Message, Messages, TokenRequest

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from rewardbench.scorers.heads.inputs import HeadChat

SEARCHED = ("before_first", "last_of", "every", "start_of_last")
"""Rules that search a text for a token."""


@dataclass(frozen=True)
class Mark:
    """Tokens at which a score is read."""

    text: str
    ids: tuple[int, ...]
    rule: Where
    """How they are searched for."""


def find_mark(
    position: Position, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig, appended: str | None
) -> Mark | None:
    """Return the tokens for which a rule searches; None if no message can move the position.

    Args:
        position: the rule.
        tokenizer: of the model.
        config: of the model.
        appended: the token that is added to every text, whose last occurrence no message can move.

    Raises:
        InputError: if there is no such token.
    """
    token = position.token or "pad_token"
    if position.at not in SEARCHED or (position.at == "last_of" and token == appended):
        return None
    try:
        ids = resolve_token(token, tokenizer, config)
    except InputError:
        if position.at == "before_first":  # without a pad token, no text contains one
            return None
        raise
    is_literal = isinstance(token, str) and not token.startswith("config.")
    is_literal = is_literal and token not in tokenizer.SPECIAL_TOKENS_ATTRIBUTES
    text = str(token) if is_literal else "".join(map(str, tokenizer.convert_ids_to_tokens(ids)))
    return Mark(text, tuple(ids), position.at) if text.strip() else None  # white space is ordinary in a message


def _is_spelled(mark: Mark, text: str, chat: HeadChat) -> bool:
    """Return True if a text has the tokens of a mark; an ordinary token may be part of another in the text."""
    if mark.text.removeprefix("▁") not in text:
        return False
    return len(mark.ids) > 1 or mark.ids[0] in chat.encode(text)


class MarkChecker:
    """Rejects texts in which a message moves a position that is searched for.

    Args:
        marks: of the head and its gate.
    """

    def __init__(self, marks: Iterable[Mark | None]) -> None:
        self.marks = [mark for mark in marks if mark]
        self._counts: dict[tuple[str, str, bool, tuple[str, ...]], int | None] = {}
        """Cache: how often a template prints a mark, by the template, the mark, the part of the text and the roles."""

    def check(self, request: TokenRequest, messages: Messages, chat: HeadChat) -> None:
        """Check a conversation.

        Args:
            request: its token ids.
            messages: its messages, the response last.
            chat: which rendered it.

        Raises:
            InputError: if a message spells out a mark, or a header is lost in a message or by truncation.
        """
        for mark in self.marks:
            for message in messages:
                if _is_spelled(mark, all_text((message,)), chat):
                    raise InputError(
                        f"A message spells out {mark.text!r}, at which this model's score is read, so its score would "
                        "be read elsewhere."
                    )
            roles = tuple(message["role"] for message in messages)
            if mark.rule == "start_of_last":
                self._check_headers(mark, request, roles, chat)
            elif mark.rule == "before_first" and self._printed(mark, roles, chat, before_response=True):
                raise InputError(
                    f"The template prints {mark.text!r} before the response, so this model's score would be read in "
                    "the prompt: correct pad_token_id in its config.json."
                )

    def _check_headers(self, mark: Mark, request: TokenRequest, roles: tuple[str, ...], chat: HeadChat) -> None:
        """Check that a text has all headers that the template prints, of which the last one counts."""
        printed = self._printed(mark, roles, chat)
        ids = chat.encode(request.text) if request.dropped else request.ids
        total = len(occurrences(ids, mark.ids))
        if printed is not None and total != printed:
            raise InputError(
                f"The tokens of {mark.text!r}, at which this model's gate is read, merge with those of a message: does "
                "a response begin with a newline?"
            )
        if request.dropped and chat.truncation_side == "right" and len(occurrences(request.ids, mark.ids)) < total:
            raise InputError(f"Truncation removed the last {mark.text!r}, at which this model's gate is read.")

    def _printed(self, mark: Mark, roles: tuple[str, ...], chat: HeadChat, before_response: bool = False) -> int | None:
        """Count a mark in messages of these roles without content; None if the template rejects them.

        Args:
            mark: the mark.
            roles: of the messages, the response last.
            chat: renders and tokenises.
            before_response: count only those before the content of the last message.
        """
        key = (chat.source, mark.text, before_response, roles)
        if key not in self._counts:
            content = absent_character(chat.source)
            try:
                text = chat.render(tuple(Message(role=role, content=content) for role in roles))
                text = text.rpartition(content)[0] if before_response else text
                self._counts[key] = len(occurrences(chat.encode(text), mark.ids))
            except InputError:  # for example a tool turn without a tool call
                self._counts[key] = None
        return self._counts[key]
