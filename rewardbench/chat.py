"""Convert messages to token ids: BOS and EOS, truncation, and where a completion begins."""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rewardbench.errors import InputError
from rewardbench.templates import (
    CLOCK,
    OWN,
    REASONING,
    Render,
    absent_character,
    pick_template,
    plain,
    unprinted_fields,
)
from rewardbench.types import Message, Messages, TokenRequest, Tools


def shows(text: str, messages: Sequence[Message]) -> bool:
    """Return True if the text contains every message, in order; templates may trim a message and change line breaks.

    >>> shows("<user> Hi <bot> Yes", [{"role": "user", "content": "Hi "}, {"role": "assistant", "content": "Yes"}])
    True
    >>> shows("<user> Hi", [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}])
    False
    """
    text, at = "".join(text.split()), 0
    for message in messages:
        content = "".join(message["content"].split())
        position = text.find(content, at)
        if position < 0 and message["role"] == "tool":  # some templates print what a tool returned as JSON
            content = "".join(json.dumps(message["content"], ensure_ascii=False)[1:-1].split())
            position = text.find(content, at)
        if position < 0:
            return False
        at = position + len(content)
    return True


def answers(messages: Sequence[Message]) -> Messages:
    """Remove the assistant's thinking from messages, which templates of reasoning models drop or move.

    >>> answers([{"role": "assistant", "content": "<think>7 or 8?</think> It is 7."}])
    ({'role': 'assistant', 'content': ' It is 7.'},)
    """
    return tuple(
        _with_content(m, m["content"].rpartition("</think>")[2]) if m["role"] == "assistant" else m for m in messages
    )


def all_text(messages: Sequence[Message]) -> str:
    """Return the contents with the reasoning before and the tool calls after them, one a line.

    >>> all_text([{"role": "assistant", "content": "", "tool_calls": [{"name": "f"}]}])
    '[{"name": "f"}]'
    """
    lines: list[str] = []
    for message in messages:
        reasoning = [str(message.get(field, "")) for field in REASONING]
        calls = [json.dumps(message["tool_calls"], ensure_ascii=False)] if "tool_calls" in message else []
        content = [message["content"]] if message["content"] or not (calls or any(reasoning)) else []
        lines += [text for text in reasoning if text] + content + calls
    return "\n".join(lines)


def fold_system(messages: Sequence[Message]) -> Messages:
    r"""Prepend the system text to the first user turn, for templates without a system role.

    >>> fold_system([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}])
    ({'role': 'user', 'content': 'Be kind.\n\nHi'},)
    """
    system, first, *later = messages
    return (_with_content(first, f"{system['content']}\n\n{first['content']}"), *later)


def _with_content(message: Message, content: str) -> Message:
    """Copy a message with another content; its other fields stay."""
    copy = message.copy()
    copy["content"] = content
    return copy


def _refuse(error: InputError) -> Render:
    def render(messages: Sequence[Message], tools: Tools = ()) -> str:
        raise error

    return render


def added_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
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
class Frame:
    """The tokens that a template adds around the contents of messages."""

    begins: bool
    """Whether it prints the tokens that the tokenizer adds before a text."""
    bos: int
    """Number of consecutive BOS tokens at the start."""
    ends: bool
    """Whether it ends with the tokens that the tokenizer adds after a text."""


class Chat:
    """Converts a prompt and a completion to a TokenRequest for one tokenizer.

    Args:
        tokenizer: a transformers tokenizer; its padding and truncation settings are not used.
        template: None or "tokenizer" for its own chat template, "raw", or the name of a fastchat template.
        max_length: in tokens; longer items lose tokens on the `truncation_side`, never the BOS, and say how many.
        spans: also find where the completion's tokens begin (DPO needs it; a classifier does not).
        name: the model, for error messages.
    """

    def __init__(
        self,
        tokenizer: Any,
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
        self._notes: set[str] = set()
        self._unprinted: dict[str, set[int]] = {}
        """Fields that the template omits, each with the hashes of the conversations that contain them."""
        self._frames: dict[tuple[str, ...], Frame | None] = {}
        self._before, self._after = added_tokens(tokenizer)
        self._render, self.source = self._pick()

    def _pick(self) -> tuple[Render, str]:
        """Return the renderer; without a template only rendered text can be scored, and messages raise InputError."""
        try:
            return pick_template(self.tokenizer, self.template, self.name)
        except InputError as error:
            if self.template not in (None, OWN):
                raise
            return _refuse(error), ""

    def describe(self) -> dict[str, Any]:
        """Return the settings that can change a score."""
        return {
            "chat_template": self.template or (OWN if self.source else None),
            "template_sha256": hashlib.sha256(self.source.encode()).hexdigest()[:16],
            "clock": CLOCK.date().isoformat() if _prints_date(self.tokenizer, self.template) else None,
            "max_length": self.max_length,
            "truncation_side": self.truncation_side,
            "tokens_before": self._before,
            "tokens_after": self._after,
        }

    @property
    def notes(self) -> set[str]:
        """Repairs and omissions, one sentence each."""
        omissions = {
            f"The chat template leaves out the {field} of messages: {len(texts)} texts were scored without."
            for field, texts in self._unprinted.items()
        }
        return self._notes | omissions

    def render(self, messages: Messages, tools: Tools = ()) -> str:
        """Return the text of a conversation with every message in it, in order.

        Raises:
            InputError: if the template refuses the turns, or leaves out a message, a tool call or the tools.
        """
        return self._render_checked(messages, tools)[0] if messages else ""

    def _render_checked(self, messages: Messages, tools: Tools) -> tuple[str, Messages]:
        """Render, and check that the template prints tools, tool calls and reasoning where there are any."""
        text, messages = self._render_shown(messages, tools)
        if tools or any(message.keys() - {"role", "content"} for message in messages):
            self._check_fields(text, messages, tools)
        return text, messages

    def _render_shown(self, messages: Messages, tools: Tools) -> tuple[str, Messages]:
        """Return the text, and the messages as the template received them (a system message may be folded)."""
        if messages[0]["role"] == "system":
            return self._render_system(messages, tools)
        text = self._render(messages, tools)
        if not self._shows(text, messages):
            raise InputError(f"The chat template of {self.name} drops a message: pass another --chat_template.")
        return text, messages

    def _shows(self, text: str, messages: Messages) -> bool:
        if shows(text, messages):
            return True
        if not shows(text, answers(messages)):
            return False
        self._notes.add("The template leaves out the thinking of assistant turns, up to </think>.")
        return True

    def _check_fields(self, text: str, messages: Messages, tools: Tools) -> None:
        """Count the fields that the template leaves out.

        Raises:
            InputError: if tools or a tool call are among them.
        """
        for field in unprinted_fields(self._render, text, messages, tools):
            if field in ("tools", "tool_calls"):
                raise InputError(
                    f"The chat template of {self.name} does not print the {field} of this row: pass another "
                    f"--chat_template or model, or leave out {field}."
                )
            field = "arguments of tool calls" if field == "arguments" else field
            conversation = hash(json.dumps(messages, sort_keys=True, default=str))
            self._unprinted.setdefault(field, set()).add(conversation)

    def _render_system(self, messages: Messages, tools: Tools) -> tuple[str, Messages]:
        try:
            text = self._render(messages, tools)
            if self._shows(text, messages):
                return text, messages
        except InputError:
            if len(messages) == 1 or messages[1]["role"] != "user":
                raise
        if len(messages) == 1 or messages[1]["role"] != "user":
            raise InputError(
                f"The chat template of {self.name} has no place for a system message that no user turn follows."
            )
        text, folded = self._render_shown(fold_system(messages), tools)
        self._notes.add("The template knows no system role: the system text is prepended to the first user turn.")
        return text, folded

    def request(
        self, prompt: Messages, completion: Messages, rendered: bool = False, tools: Tools = ()
    ) -> TokenRequest:
        """Convert a completion in its context to token ids; raise InputError if the template cannot render it."""
        if rendered:
            text = plain(completion)
            frame = self._frame_of_text(text)
        else:
            text, messages = self._render_checked((*prompt, *completion), tools)
            frame = self._frame(text, messages)
        ids = self._encode(text, frame, self._ends(rendered))
        start = self._start(text, frame, ids, prompt, completion, tools) if self.spans and not rendered else 0
        return self._fit(TokenRequest(text, plain(completion), array("i", ids), start, len(ids)))

    def _start(
        self, text: str, frame: Frame, ids: list[int], prompt: Messages, completion: Messages, tools: Tools
    ) -> int:
        """Return the index of the completion's first id: where its text diverges from that of another completion.

        A generation prompt does not serve: some templates have none, or a header that differs from a finished turn's.
        """
        marker = absent_character(text, plain((*prompt, *completion)))
        first = Message(role=completion[0]["role"], content=marker)
        for field in REASONING:
            if field in completion[0]:
                first[field] = marker  # type: ignore[literal-required]
        try:
            variant, _ = self._render_shown((*prompt, first, *completion[1:]), tools)
        except InputError:  # a tool turn must follow a call, in some templates
            if "tool_calls" not in completion[0]:
                raise
            first["tool_calls"] = completion[0]["tool_calls"]
            variant, _ = self._render_shown((*prompt, first, *completion[1:]), tools)
        return common_prefix(self._encode(text[: common_prefix(text, variant)], frame, end=False), ids)

    def _frame(self, text: str, messages: Messages) -> Frame:
        """Return the tokens that the template adds around messages of these roles."""
        if self.template == "raw":
            return self._frame_of_text(text)
        roles = tuple(message["role"] for message in messages)
        if roles not in self._frames:
            try:
                marker = absent_character(self.source)
                text = self._render([Message(role=role, content=marker) for role in roles], ())
                begins = set(self._before) <= set(self.encode(text.partition(marker)[0]))
                ends = bool(self._after) and self.encode(text)[-len(self._after) :] == self._after
                self._frames[roles] = Frame(begins, self._leading_bos(text), ends)
            except InputError:  # a tool turn that no call asked for, say
                self._frames[roles] = None
        return self._frames[roles] or self._frame_of_text(text)

    def _frame_of_text(self, text: str) -> Frame:
        """Return the frame of a rendered text, whose special tokens at both ends are intended."""
        ids = self.encode(text.lstrip())
        begins = ids[: len(self._before)] == self._before
        return Frame(begins, self._leading_bos(text), bool(self._after) and ids[-len(self._after) :] == self._after)

    def _leading_bos(self, text: str) -> int:
        """Count the BOS tokens at the start of a text; white space may precede or separate them."""
        bos = self.tokenizer.bos_token
        return 0 if not bos else _leading(bos, "*").match(text)[0].count(bos)  # type: ignore[index]

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, as `apply_chat_template(tokenize=True)` gives them."""
        options = {"add_special_tokens": False, "truncation": False, "padding": False, "verbose": False}
        return list(self.tokenizer(text, **options)["input_ids"])

    def _encode(self, text: str, frame: Frame, end: bool) -> list[int]:
        """Return ids with exactly one BOS before the first message, and the tokenizer's own tokens at the `end`."""
        if frame.bos > 1:
            bos = self.tokenizer.bos_token
            single = _leading(bos, "{1}").match(text)
            repeated = _leading(bos, f"{{{frame.bos}}}").match(text)
            if single and repeated:
                text = single[0] + text[repeated.end() :]
                self._notes.add("The rendered text held a second BOS token, which was dropped.")
        ids = self.encode(text)
        if not frame.begins:
            ids = self._before + ids
        return ids + self._after if end and not frame.ends else ids

    def _ends(self, bare: bool) -> bool:
        """Return True if the tokenizer's EOS is added: to untemplated text, and for encoders (CLS ... SEP)."""
        cls = getattr(self.tokenizer, "cls_token_id", None)
        return bare or self.template == "raw" or (cls is not None and self._before == [cls])

    def _head(self, ids: list[int]) -> int:
        """Count the ids that left truncation keeps: through the BOS or CLS, with white space before it."""
        token = self._before[-1] if self._before else self.tokenizer.bos_token_id
        if token not in ids:
            return 0
        at = ids.index(token)
        return 0 if at and self.tokenizer.decode(ids[:at]).strip() else at + 1

    def _fit(self, request: TokenRequest) -> TokenRequest:
        """Truncate to `max_length`, keeping the BOS and the tokens that the tokenizer adds at both ends."""
        over = len(request.ids) - self.max_length if self.max_length else 0
        if over <= 0:
            return request
        head = self._head(request.ids.tolist())
        tail = len(self._after) if self._after and request.ids[-len(self._after) :].tolist() == self._after else 0
        cut = head if self.truncation_side == "left" else len(request.ids) - tail - over
        ids = request.ids[:cut] + request.ids[cut + over :]
        if self.spans and self.truncation_side == "right" and request.start >= cut:
            raise InputError(f"The prompt alone fills max_length={self.max_length}: nothing of the completion is left.")
        start = min(max(request.start - over, cut), len(ids)) if request.start > cut else request.start
        return TokenRequest(request.text, request.completion, ids, start, len(ids), dropped=over)


def _leading(token: str, times: str) -> re.Pattern[str]:
    return re.compile(rf"(?:\s*{re.escape(token)}){times}")


def _prints_date(tokenizer: Any, template: str | None) -> bool:
    return template in (None, OWN) and "strftime_now" in str(tokenizer.chat_template or "")
