"""Messages in, token ids out: the sole home of templates, BOS and EOS, truncation, and where a completion begins."""

from __future__ import annotations

import difflib
import hashlib
import re
from array import array
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from rewardbench.types import InputError, Message, Messages, Request

CLOCK = datetime(2024, 7, 26)
"""What a template that prints today's date is told instead: scores must not change overnight."""

_CLOCK_CALL = re.compile(r"""strftime_now\s*\(\s*(["'])(.*?)\1\s*\)""")
_CLOCK_LEFT = re.compile(r"strftime_now(?!\s+is\s+(?:not\s+)?defined)")

_OTHER = "\ue000"
"""A completion that begins like no other, being of a character for private use."""

Render = Callable[[Sequence[Message]], str]
"""Messages to text. Raises InputError."""


def plain(messages: Sequence[Message]) -> str:
    """The contents alone, one after the other.

    >>> plain([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}])
    'Hi\\nHello'
    """
    return "\n".join(m["content"] for m in messages)


def shows(text: str, messages: Sequence[Message]) -> bool:
    """Whether every message stands in the text, in order. Templates may trim a message and change its line breaks.

    >>> shows("<user> Hi <bot> Yes", [{"role": "user", "content": "Hi "}, {"role": "assistant", "content": "Yes"}])
    True
    >>> shows("<user> Hi", [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}])
    False
    """
    text, at = "".join(text.split()), 0
    for message in messages:
        content = "".join(message["content"].split())
        found = text.find(content, at)
        if found < 0:
            return False
        at = found + len(content)
    return True


def answers(messages: Sequence[Message]) -> Messages:
    """The messages without the thinking of the assistant, which templates of reasoning models drop or move.

    >>> answers([{"role": "assistant", "content": "<think>7 or 8?</think> It is 7."}])
    ({'role': 'assistant', 'content': ' It is 7.'},)
    """
    return tuple(
        Message(role="assistant", content=m["content"].rpartition("</think>")[2]) if m["role"] == "assistant" else m
        for m in messages
    )


def fold_system(messages: Sequence[Message]) -> Messages:
    """The system text at the head of the first user turn, for templates that know no system role.

    >>> fold_system([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}])
    ({'role': 'user', 'content': 'Be kind.\\n\\nHi'},)
    """
    system, first, *rest = messages
    return (Message(role=first["role"], content=f"{system['content']}\n\n{first['content']}"), *rest)


def freeze_clock(template: str) -> str:
    """The template with every `strftime_now("...")` answered by the fixed CLOCK.

    >>> freeze_clock('Today is {{ strftime_now("%d %b %Y") }}.')
    "Today is {{ '26 Jul 2024' }}."
    """
    frozen = _CLOCK_CALL.sub(lambda call: repr(CLOCK.strftime(call[2])), template)
    if _CLOCK_LEFT.search(frozen):
        raise InputError(
            "The chat template prints today's date in a format it computes, so scores would change overnight: "
            "pass another --chat_template."
        )
    return frozen


def tokenizer_template(tokenizer: Any, name: str) -> tuple[Render, str]:
    """Render with the tokenizer's own chat template; also returns its source, clock frozen.

    Raises: InputError where the tokenizer has none.
    """
    try:
        source = freeze_clock(tokenizer.get_chat_template())
    except ValueError as error:
        raise InputError(
            f"The tokenizer of {name} has no chat template: pass --chat_template NAME (a fastchat template) or raw."
        ) from error

    def render(messages: Sequence[Message]) -> str:
        try:
            text = tokenizer.apply_chat_template([dict(m) for m in messages], chat_template=source, tokenize=False)
        except Exception as error:  # the template is a program of the model's: besides refusing, it can fail
            roles = ", ".join(m["role"] for m in messages)
            raise InputError(f"The chat template of {name} refuses these turns ({roles}): {error}") from error
        return str(text)

    return render, source


def fastchat_template(name: str) -> tuple[Render, str]:
    """Render with a conversation template of fastchat; some carry example turns, which are cleared.

    Raises: InputError for a name fastchat does not know, or a style it cannot print.
    """
    from importlib.metadata import version

    from fastchat.conversation import conv_templates

    if name not in conv_templates:
        near = difflib.get_close_matches(name, [*conv_templates, "raw"], n=3)
        hint = f" (near: {', '.join(near)})" if near else ""
        raise InputError(
            f"There is no chat template {name!r} in fastchat{hint}: pass one of its names, raw, or nothing for the "
            "tokenizer's own."
        )

    def render(messages: Sequence[Message]) -> str:
        conversation = conv_templates[name].copy()
        conversation.messages = []
        for message in messages:
            if message["role"] == "system":
                conversation.set_system_message(message["content"])
            else:
                conversation.append_message(conversation.roles[message["role"] == "assistant"], message["content"])
        try:
            return str(conversation.get_prompt())
        except ValueError as error:
            raise InputError(f"fastchat cannot print its template {name!r} ({error}): pass another.") from error

    return render, f"fastchat {version('fschat')}: {name}"


def raw_template() -> tuple[Render, str]:
    """No template: the contents of the messages, one a line."""

    def render(messages: Sequence[Message]) -> str:
        return plain(messages)

    return render, "raw"


def pick_template(tokenizer: Any, template: str | None, name: str) -> tuple[Render, str]:
    """The renderer asked for: None for the tokenizer's own, `raw`, or a fastchat name."""
    if template is None:
        return tokenizer_template(tokenizer, name)
    return raw_template() if template == "raw" else fastchat_template(template)


def _refuse(error: InputError) -> Render:
    def render(messages: Sequence[Message]) -> str:
        raise error

    return render


def added_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids this tokenizer puts before and after a text on its own (BOS or CLS; EOS or SEP)."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a", add_special_tokens=True)["input_ids"]
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return full[:start], full[start + len(bare) :]
    return [], []


def common_prefix(a: Sequence[object], b: Sequence[object]) -> int:
    """How many leading ids, or characters, two sequences share.

    >>> common_prefix([1, 2, 3], [1, 2, 4, 5])
    2
    """
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


class Chat:
    """Turns a prompt and a completion into a Request for one tokenizer.

    Args:
        tokenizer: a transformers tokenizer; its padding and truncation settings are not used.
        template: None for its own chat template, "raw", or the name of a fastchat template.
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
        self.notes: set[str] = set()
        self._before, self._after = added_tokens(tokenizer)
        self._render, self.source = self._pick()

    def _pick(self) -> tuple[Render, str]:
        """A tokenizer without a template still scores text that is already rendered; only messages are refused."""
        try:
            return pick_template(self.tokenizer, self.template, self.name)
        except InputError as error:
            if self.template is not None:
                raise
            return _refuse(error), ""

    def describe(self) -> dict[str, Any]:
        """What of this room can move a score."""
        return {
            "chat_template": self.template or ("tokenizer" if self.source else None),
            "template_sha256": hashlib.sha256(self.source.encode()).hexdigest()[:16],
            "clock": CLOCK.date().isoformat() if _prints_date(self.tokenizer, self.template) else None,
            "max_length": self.max_length,
            "truncation_side": self.truncation_side,
            "tokens_before": self._before,
            "tokens_after": self._after,
        }

    def render(self, messages: Messages) -> str:
        """The text of a conversation with every message in it, in order.

        Raises: InputError where the template refuses the turns or drops one of them.
        """
        if not messages:
            return ""
        if messages[0]["role"] != "system":
            text = self._render(messages)
            if self._shows(text, messages):
                return text
            raise InputError(f"The chat template of {self.name} drops a message: pass another --chat_template.")
        return self._render_system(messages)

    def _shows(self, text: str, messages: Messages) -> bool:
        if shows(text, messages):
            return True
        if not shows(text, answers(messages)):
            return False
        self.notes.add("The template leaves out the thinking of assistant turns, up to </think>.")
        return True

    def _render_system(self, messages: Messages) -> str:
        try:
            text = self._render(messages)
            if self._shows(text, messages):
                return text
        except InputError:
            if len(messages) == 1 or messages[1]["role"] != "user":
                raise
        if len(messages) == 1 or messages[1]["role"] != "user":
            raise InputError(
                f"The chat template of {self.name} has no place for a system message that no user turn follows."
            )
        text = self.render(fold_system(messages))
        self.notes.add("The template knows no system role: the system text stands at the head of the first user turn.")
        return text

    def request(self, prompt: Messages, completion: Messages, rendered: bool = False) -> Request:
        """The completion in its context as token ids. Raises InputError where the template cannot take it."""
        text = plain(completion) if rendered else self.render((*prompt, *completion))
        ids = self._encode(text, bare=rendered)
        start = self._start(text, ids, prompt, completion) if self.spans and not rendered else 0
        return self._fit(Request(text, plain(completion), array("i", ids), start, len(ids)))

    def _start(self, text: str, ids: list[int], prompt: Messages, completion: Messages) -> int:
        """Where the completion's ids begin: its first character is where its text parts from another completion's.

        The header of a generation prompt would not do: some templates have none, or one unlike a finished turn's.
        """
        other = self.render((*prompt, Message(role=completion[0]["role"], content=_OTHER), *completion[1:]))
        return common_prefix(self._encode(text[: common_prefix(text, other)], bare=False, end=False), ids)

    def _encode(self, text: str, bare: bool, end: bool = True) -> list[int]:
        """Ids with exactly one BOS; `bare` text gets the tokenizer's own tokens at its end too."""
        options = {"add_special_tokens": False, "truncation": False, "padding": False, "verbose": False}
        ids = list(self.tokenizer(text, **options)["input_ids"])
        bos = self.tokenizer.bos_token_id
        while bos is not None and ids[:2] == [bos, bos]:
            ids = ids[1:]
            self.notes.add("The rendered text held a second BOS token, which was dropped.")
        if self._before and ids[: len(self._before)] != self._before:
            ids = self._before + ids
        if end and self._after and self._ends(bare) and ids[-len(self._after) :] != self._after:
            ids = ids + self._after
        return ids

    def _ends(self, bare: bool) -> bool:
        """A chat template decides its own EOS; untemplated text and encoders (CLS ... SEP) take the tokenizer's."""
        cls = getattr(self.tokenizer, "cls_token_id", None)
        return bare or self.template == "raw" or (cls is not None and self._before == [cls])

    def _fit(self, request: Request) -> Request:
        """Cut to `max_length` on the flag's side, keeping the BOS and what the tokenizer puts at both ends."""
        over = len(request.ids) - self.max_length if self.max_length else 0
        if over <= 0:
            return request
        head = len(self._before) or int(request.ids[0] == self.tokenizer.bos_token_id)
        tail = len(self._after) if self._after and request.ids[-len(self._after) :].tolist() == self._after else 0
        cut = head if self.truncation_side == "left" else len(request.ids) - tail - over
        ids = request.ids[:cut] + request.ids[cut + over :]
        if self.spans and self.truncation_side == "right" and request.start >= cut:
            raise InputError(f"The prompt alone fills max_length={self.max_length}: nothing of the completion is left.")
        start = min(max(request.start - over, cut), len(ids)) if request.start > cut else request.start
        return Request(request.text, request.completion, ids, start, len(ids), dropped=over)


def _prints_date(tokenizer: Any, template: str | None) -> bool:
    return template is None and "strftime_now" in str(tokenizer.chat_template or "")
