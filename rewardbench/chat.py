"""Convert messages to token ids: BOS and EOS, truncation, and where a completion begins."""

from __future__ import annotations

import copy
import hashlib
import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from rewardbench.errors import InputError
from rewardbench.templates import (
    CLOCK,
    REASONING,
    TOKENIZER_TEMPLATE,
    Render,
    absent_character,
    answers,
    fold_system,
    pick_template,
    plain,
    prints_date,
    raise_always,
    repeated_token,
    shows,
    unprinted_fields,
)
from rewardbench.types import Message, Messages, Rendering, TokenRequest, Tools

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Unchanged = Literal["unchanged"]

THINKING_DROPPED = "The template leaves out the thinking of assistant turns, up to </think>."
SYSTEM_FOLDED = "The template knows no system role: the system text is prepended to the first user turn."
BOS_DROPPED = "The rendered text held a second BOS token, which was dropped."
FIELD_OMITTED = "The chat template leaves out the {field} of messages: {{count}} texts were scored without."


def all_text(messages: Sequence[Message]) -> str:
    """Join the reasoning, the contents and the tool calls of messages, one per line.

    >>> all_text([{"role": "assistant", "content": "", "tool_calls": [{"name": "f"}]}])
    '[{"name": "f"}]'
    """
    lines: list[str] = []
    for message in messages:
        reasoning = [str(text) for field in REASONING if (text := message.get(field))]
        calls = [json.dumps(message["tool_calls"], ensure_ascii=False)] if "tool_calls" in message else []
        content = [message["content"]] if message["content"] or not (calls or reasoning) else []
        lines += reasoning + content + calls
    return "\n".join(lines)


def added_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return the ids that the tokenizer adds before and after a text (BOS or CLS; EOS or SEP)."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a", add_special_tokens=True)["input_ids"]
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return full[:start], full[start + len(bare) :]
    return [], []


def common_prefix(a: Sequence[object], b: Sequence[object]) -> int:
    """Count the leading ids, or characters, that two sequences share.

    >>> common_prefix([1, 2, 3], [1, 2, 4, 5])
    2
    """
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens that a template prints around the contents of messages."""

    has_prefix: bool
    """True if the template prints the tokens that the tokenizer adds before a text."""
    bos_count: int
    """Number of consecutive BOS tokens at the start."""
    has_suffix: bool
    """True if the template ends with the tokens that the tokenizer adds after a text."""


class Chat:
    """Converts a prompt and a completion to a TokenRequest for one tokenizer.

    Args:
        tokenizer: a transformers tokenizer; its padding and truncation settings are not used.
        template: None or "tokenizer" for its own chat template, "raw", or the name of a fastchat template.
        max_length: maximum tokens; longer texts are truncated on the `truncation_side`, but keep their BOS.
        truncation_side: side on which tokens are cut off.
        spans: also find the first token of the completion, which log-probabilities need and classifiers do not.
        name: the model, for error messages.
    """

    shared: Callable[[Messages, Messages, bool, Tools], TokenRequest] | None = None
    """Reads requests that a model with the same tokenizer, template and limits has made; None for one model."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: str | None = None,
        max_length: int | None = None,
        truncation_side: Literal["left", "right"] = "left",
        spans: bool = False,
        name: str = "this model",
    ) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.max_length = max_length
        self.truncation_side = truncation_side
        self.spans = spans
        self.name = name
        self._tokens_by_roles: dict[tuple[str, ...], SpecialTokens | None] = {}
        """Cache: the special tokens around messages of these roles."""
        self._before, self._after = added_tokens(tokenizer)
        self._render, self.source = self._pick()

    def variant(
        self,
        template: str | Unchanged | None = "unchanged",
        max_length: int | Unchanged | None = "unchanged",
        truncation_side: Literal["left", "right", "unchanged"] = "unchanged",
    ) -> Self:
        """Copy, with another template, length limit or truncation side.

        Raises:
            InputError: if there is no template of that name.
        """
        changed = copy.copy(self)
        changed.shared = None
        changed.max_length = self.max_length if max_length == "unchanged" else max_length
        changed.truncation_side = self.truncation_side if truncation_side == "unchanged" else truncation_side
        if template != "unchanged":
            changed.template, changed._tokens_by_roles = template, {}
            changed._render, changed.source = changed._pick()
        return changed

    def _pick(self) -> tuple[Render, str]:
        """Return the renderer; without a template only rendered text can be scored, and messages raise InputError."""
        try:
            return pick_template(self.tokenizer, self.template, self.name)
        except InputError as error:
            if self.template not in (None, TOKENIZER_TEMPLATE):
                raise
            return raise_always(error), ""

    def describe(self) -> dict[str, Any]:
        """Return the settings that can change a score."""
        return {
            "chat_template": self.template or (TOKENIZER_TEMPLATE if self.source else None),
            "template_sha256": hashlib.sha256(self.source.encode()).hexdigest()[:16],
            "clock": CLOCK.date().isoformat() if prints_date(self.tokenizer, self.template) else None,
            "max_length": self.max_length,
            "truncation_side": self.truncation_side,
            "tokens_before": self._before,
            "tokens_after": self._after,
        }

    def render(self, messages: Messages, tools: Tools = ()) -> str:
        """Return the text of a conversation with every message in it, in order.

        Raises:
            InputError: if the template refuses the turns, or leaves out a message, a tool call or the tools.
        """
        return self._render_checked(messages, tools).text if messages else ""

    def _render_checked(self, messages: Messages, tools: Tools) -> Rendering:
        """Render, and check that the template prints tools, tool calls and reasoning if there are any."""
        rendering = self._render_shown(messages, tools)
        if not tools and not any(message.keys() - {"role", "content"} for message in rendering.messages):
            return rendering
        omissions = self._omissions(rendering, tools)
        return Rendering(rendering.text, rendering.messages, rendering.notes + omissions)

    def _render_shown(self, messages: Messages, tools: Tools) -> Rendering:
        """Render, and check that the text contains every message; a system message may be folded into a user turn."""
        if messages[0]["role"] == "system":
            return self._render_system(messages, tools)
        rendering = self._render_complete(messages, tools)
        if rendering is None:
            raise InputError(f"The chat template of {self.name} drops a message: pass another --chat_template.")
        return rendering

    def _render_complete(self, messages: Messages, tools: Tools) -> Rendering | None:
        """Render; return None if the template drops a message. It may drop the thinking of the assistant."""
        text = self._render(messages, tools)
        if shows(text, messages):
            return Rendering(text, messages)
        if shows(text, answers(messages)):
            return Rendering(text, messages, (THINKING_DROPPED,))
        return None

    def _omissions(self, rendering: Rendering, tools: Tools) -> tuple[str, ...]:
        """Return a note for each field that the template leaves out.

        Raises:
            InputError: if tools or a tool call are among them.
        """
        notes: list[str] = []
        for field in unprinted_fields(self._render, rendering.text, rendering.messages, tools):
            if field in ("tools", "tool_calls"):
                raise InputError(
                    f"The chat template of {self.name} does not print the {field} of this row: pass another "
                    f"--chat_template or model, or leave out {field}."
                )
            notes.append(FIELD_OMITTED.format(field="arguments of tool calls" if field == "arguments" else field))
        return tuple(dict.fromkeys(notes))

    def _render_system(self, messages: Messages, tools: Tools) -> Rendering:
        """Render a conversation with a system message; prepend it to the user turn if the template has no system role.

        Raises:
            InputError: if the template has no system role, and no user turn follows.
        """
        can_fold = len(messages) > 1 and messages[1]["role"] == "user"
        try:
            rendering = self._render_complete(messages, tools)
        except InputError:
            if not can_fold:
                raise
            rendering = None
        if rendering is not None:
            return rendering
        if not can_fold:
            raise InputError(
                f"The chat template of {self.name} has no place for a system message that no user turn follows."
            )
        folded = self._render_shown(fold_system(messages), tools)
        return Rendering(folded.text, folded.messages, (*folded.notes, SYSTEM_FOLDED))

    def request(
        self, prompt: Messages, completion: Messages, rendered: bool = False, tools: Tools = ()
    ) -> TokenRequest:
        """Return a completion in its context as token ids: converted, or shared; see `convert`."""
        return (self.shared or self.convert)(prompt, completion, rendered, tools)

    def convert(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools) -> TokenRequest:
        """Convert a completion in its context to token ids.

        Args:
            prompt: the messages before the completion.
            completion: the messages of the completion.
            rendered: the completion is the final text: apply no template.
            tools: the functions that the assistant may call.

        Raises:
            InputError: if the template cannot render the messages, or truncation leaves nothing of the completion.
        """
        if rendered:
            text = plain(completion)
            notes: tuple[str, ...] = ()
            special = self._special_tokens_of_text(text)
        else:
            rendering = self._render_checked((*prompt, *completion), tools)
            text, notes = rendering.text, rendering.notes
            special = self._special_tokens(rendering)
        single = self._with_single_bos(text, special.bos_count)
        if single != text:
            notes = (*notes, BOS_DROPPED)
        ids = self._encode(single, special, self._adds_suffix(rendered))
        start = self._start(text, special, ids, prompt, completion, tools) if self.spans and not rendered else 0
        return self.fit(TokenRequest(text, plain(completion), array("i", ids), start, len(ids), notes=notes))

    def _start(
        self, text: str, special: SpecialTokens, ids: list[int], prompt: Messages, completion: Messages, tools: Tools
    ) -> int:
        """Return the index of the first token of the completion: where another completion's text would differ.

        The generation prompt is no help: some templates have none, and others print another header in finished turns.
        """
        marker = absent_character(text, plain((*prompt, *completion)))
        first = Message(role=completion[0]["role"], content=marker)
        for field in REASONING:
            if field in completion[0]:
                first[field] = marker  # type: ignore[literal-required]
        try:
            variant = self._render_shown((*prompt, first, *completion[1:]), tools).text
        except InputError:  # some templates require a tool call before a tool turn
            if "tool_calls" not in completion[0]:
                raise
            first["tool_calls"] = completion[0]["tool_calls"]
            variant = self._render_shown((*prompt, first, *completion[1:]), tools).text
        shared = self._with_single_bos(text[: common_prefix(text, variant)], special.bos_count)
        return common_prefix(self._encode(shared, special, has_end=False), ids)

    def _special_tokens(self, rendering: Rendering) -> SpecialTokens:
        """Return the special tokens that the template prints around messages of these roles."""
        if self.template == "raw":
            return self._special_tokens_of_text(rendering.text)
        roles = tuple(message["role"] for message in rendering.messages)
        if roles not in self._tokens_by_roles:
            self._tokens_by_roles[roles] = self._special_tokens_of_roles(roles)
        return self._tokens_by_roles[roles] or self._special_tokens_of_text(rendering.text)

    def _special_tokens_of_roles(self, roles: Sequence[str]) -> SpecialTokens | None:
        """Render messages with placeholder contents; return None if the template refuses them."""
        marker = absent_character(self.source)
        try:
            text = self._render([Message(role=role, content=marker) for role in roles], ())
        except InputError:  # for example a tool turn without a tool call
            return None
        has_prefix = set(self._before) <= set(self.encode(text.partition(marker)[0]))
        return SpecialTokens(has_prefix, self._count_bos(text), self._has_suffix(self.encode(text)))

    def _special_tokens_of_text(self, text: str) -> SpecialTokens:
        """Return the special tokens at both ends of a rendered text."""
        ids = self.encode(text.lstrip())
        has_prefix = ids[: len(self._before)] == self._before
        return SpecialTokens(has_prefix, self._count_bos(text), self._has_suffix(ids))

    def _has_suffix(self, ids: list[int]) -> bool:
        """Return True if the ids end with the tokens that the tokenizer adds after a text."""
        return bool(self._after) and ids[-len(self._after) :] == self._after

    def _count_bos(self, text: str) -> int:
        """Count the BOS tokens at the start of a text; white space may precede or separate them."""
        bos = self.tokenizer.bos_token
        return 0 if not bos else repeated_token(bos, "*").match(text)[0].count(bos)  # type: ignore[index]

    def _with_single_bos(self, text: str, bos_count: int) -> str:
        """Remove all BOS tokens at the start of a text but the first."""
        if bos_count <= 1:
            return text
        bos = str(self.tokenizer.bos_token)
        single = repeated_token(bos, "{1}").match(text)
        repeated = repeated_token(bos, f"{{{bos_count}}}").match(text)
        return single[0] + text[repeated.end() :] if single and repeated else text

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, as `apply_chat_template(tokenize=True)` gives them."""
        options = {"add_special_tokens": False, "truncation": False, "padding": False, "verbose": False}
        return list(self.tokenizer(text, **options)["input_ids"])

    def _encode(self, text: str, special: SpecialTokens, has_end: bool) -> list[int]:
        """Return ids that begin with the tokenizer's prefix and, if `has_end`, end with its suffix."""
        ids = self.encode(text)
        if not special.has_prefix:
            ids = self._before + ids
        return ids + self._after if has_end and not special.has_suffix else ids

    def _adds_suffix(self, rendered: bool) -> bool:
        """Return True if the tokenizer's EOS is added: to text without a template, and for encoders (CLS ... SEP)."""
        cls = getattr(self.tokenizer, "cls_token_id", None)
        return rendered or self.template == "raw" or (cls is not None and self._before == [cls])

    def _prefix_length(self, ids: list[int]) -> int:
        """Count the ids that left truncation keeps: up to the BOS or CLS, with white space before it."""
        token = self._before[-1] if self._before else self.tokenizer.bos_token_id
        if token not in ids:
            return 0
        position = ids.index(token)
        return 0 if position and str(self.tokenizer.decode(ids[:position])).strip() else position + 1

    def _suffix_length(self, ids: list[int]) -> int:
        """Count the ids at the end that right truncation keeps."""
        return len(self._after) if self._has_suffix(ids) else 0

    def fit(self, request: TokenRequest) -> TokenRequest:
        """Truncate to `max_length`, but keep the BOS and the tokens that the tokenizer adds at both ends.

        Raises:
            InputError: if these tokens do not fit, or nothing of the completion is left.
        """
        excess = len(request.ids) - self.max_length if self.max_length else 0
        if self.max_length is None or excess <= 0:
            return request
        ids = request.ids.tolist()
        suffix_length = self._suffix_length(ids)
        prefix_length = self._prefix_length(ids) if self.truncation_side == "left" else 0
        if prefix_length + suffix_length > self.max_length:
            raise InputError(f"max_length={self.max_length} leaves no room for the tokens that every text must have.")
        cut = prefix_length if self.truncation_side == "left" else self.max_length - suffix_length
        if self.spans and self.truncation_side == "right" and request.start >= cut:
            raise InputError(f"The prompt alone fills max_length={self.max_length}: nothing of the completion is left.")
        shortened = request.ids[:cut] + request.ids[cut + excess :]
        start = request.start
        if start > cut:
            start = min(max(start - excess, cut), len(shortened))
        positions: list[int] = []
        for position in request.positions:
            if position < cut or position >= cut + excess:
                positions.append(position if position < cut else position - excess)
        return replace(
            request, ids=shortened, start=start, end=len(shortened), dropped=excess, positions=tuple(positions)
        )
