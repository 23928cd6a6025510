"""Chat templates: render messages as text with the tokenizer's template, one of fastchat's, or none."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from string import ascii_letters
from typing import TYPE_CHECKING, Any

from rewardbench.errors import InputError
from rewardbench.types import Message, Messages, Tools

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CLOCK = datetime(2024, 7, 26)
"""The date that templates print as today's, so that scores are the same on every day."""

TOKENIZER_TEMPLATE = "tokenizer"
"""Name of the tokenizer's template, for use where another one is the default."""

Render = Callable[[Sequence[Message], Tools], str]
"""Renders messages and tools as text. Raises InputError."""

OF_REWARDBENCH: Mapping[str, Mapping[str, Any]] = {
    "openbmb": {"roles": ("User: ", "Assistant: "), "sep_style": "NO_COLON_SINGLE", "sep": "\n\n"},
    "pku-align": {
        "system_message": "BEGINNING OF CONVERSATION:",
        "roles": ("USER", "ASSISTANT"),
        "sep_style": "ADD_COLON_SPACE_SINGLE",
        "sep": " ",
    },
    "Ziya": {"roles": ("Human", "Assistant"), "sep_style": "ADD_COLON_SPACE_SINGLE", "sep": "\n\n"},
}
"""Templates that rewardbench 0.1 added to those of fastchat, as fields of a fastchat Conversation."""


def plain(messages: Sequence[Message]) -> str:
    r"""Join the contents of messages, one per line.

    >>> plain([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}])
    'Hi\nHello'
    """
    return "\n".join(m["content"] for m in messages)


@cache
def date_values() -> dict[str, str]:
    """Return the text of each strftime directive on CLOCK, such as 26 for %d; `%%` comes first and `%` last.

    >>> date_values()["%d"], date_values()["%Y"]
    ('26', '2024')
    """
    values = {"%%": "\0"}  # not a percent sign yet, which might begin a directive
    for modifier in ("", *"-_0^#"):
        for letter in ascii_letters:
            directive = f"%{modifier}{letter}"
            with suppress(ValueError):  # some systems do not know every directive
                values[directive] = CLOCK.strftime(directive)
    return {**values, "\0": "%"}


DATE_MACRO = """\
{% macro strftime_now(format) %}{% set date = namespace(text=format) %}\
{% for directive, value in rewardbench_date.items() %}\
{% set date.text = date.text.replace(directive, value) %}\
{% endfor %}{{ date.text }}{% endmacro %}
"""
"""Prefix of a template that prints today's date: a `strftime_now` that returns the date of CLOCK.

It hides the function of that name in transformers, which accepts no other function as an argument of a template. It
prints nothing, and the template begins on a line of its own.
"""


def absent_character(*texts: str) -> str:
    """Return a character for private use that none of the texts holds.

    >>> absent_character("a", "b") == chr(0xE000), absent_character(chr(0xE000)) == chr(0xE001)
    (True, True)
    """
    characters = set("".join(texts))
    return next(chr(code) for code in range(0xE000, 0x110000) if chr(code) not in characters)


def tokenizer_template(
    tokenizer: PreTrainedTokenizerBase, name: str, variables: Mapping[str, object] | None = None
) -> tuple[Render, str]:
    """Return the renderer of the tokenizer's own chat template with some variables, and the source of the template.

    Raises:
        InputError: if the tokenizer has none.
    """
    try:
        source = tokenizer.get_chat_template()
        with_tools = tokenizer.get_chat_template(tools=[{}])  # some have a second template for tools
    except ValueError as error:
        raise InputError(
            f"The tokenizer of {name} has no chat template: pass --chat_template NAME (a fastchat template) or raw."
        ) from error

    def apply(messages: Sequence[Any], tools: Tools) -> str:
        template = with_tools if tools else source
        options: dict[str, Any] = {"chat_template": template, **(variables or {})}
        if tools:
            options["tools"] = list(map(dict, tools))
        if "strftime_now" in template:
            options |= {"chat_template": DATE_MACRO + template, "rewardbench_date": date_values()}
        return str(tokenizer.apply_chat_template(list(messages), tokenize=False, **options))

    def render(messages: Sequence[Message], tools: Tools = ()) -> str:
        try:
            if any("tool_calls" in message or "null_content" in message for message in messages):
                return _apply_to_calls(apply, messages, tools)
            return apply([dict(message) for message in messages], tools)
        except Exception as error:  # the template is a program of the model's: besides refusing, it can fail
            roles = ", ".join(m["role"] for m in messages)
            raise InputError(f"The chat template of {name} refuses these turns ({roles}): {error}") from error

    return render, source if source == with_tools else f"{source}\n{with_tools}"


Apply = Callable[[Sequence[Any], Tools], str]
Conversion = Callable[[object], object]
"""Converts the arguments of a tool call to the form that a template expects."""


def _apply_to_calls(apply: Apply, messages: Sequence[Message], tools: Tools) -> str:
    """Apply a template to messages with tool calls, in the first form that it can print.

    Templates differ in what they expect: arguments as an object or as JSON text, no content or empty content.
    """
    forms = [_as_given, _as_object, _as_text]
    if _prints_text_as_json(apply, messages, tools):
        forms.remove(_as_given)
    failures: list[Exception] = []
    for null in (True, False):
        for arguments in forms:
            try:
                return apply(_call_messages(messages, arguments, null), tools)
            except Exception as error:  # tried again in another form; the first failure is the one to show
                failures.append(error)
    raise failures[0]


def _call_messages(messages: Sequence[Message], arguments: Conversion, null: bool) -> list[dict[str, Any]]:
    """Copy messages for a template, with the arguments of each call converted.

    Null content is left out, as transformers 5.23 does for every template, or else empty.
    """
    copies: list[dict[str, Any]] = []
    for message in messages:
        copy: dict[str, Any] = dict(message)
        if copy.pop("null_content", False) and null:
            del copy["content"]
        if "tool_calls" in message:
            copy["tool_calls"] = [_convert_call(call, arguments) for call in message["tool_calls"]]
        copies.append(copy)
    return copies


def _convert_call(call: Mapping[str, object], arguments: Conversion) -> dict[str, Any]:
    function = call.get("function")
    if isinstance(function, Mapping):
        return {**call, "function": _convert_call(function, arguments)}
    return {**call, "arguments": arguments(call["arguments"])} if "arguments" in call else dict(call)


def _as_given(arguments: object) -> object:
    return arguments


def _as_object(arguments: object) -> object:
    """Parse JSON text; return anything else unchanged."""
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return arguments


def _as_text(arguments: object) -> object:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _prints_text_as_json(apply: Apply, messages: Sequence[Message], tools: Tools) -> bool:
    """Return True if the template JSON-encodes arguments that are text already, which would quote them twice."""
    marker = absent_character(json.dumps([*messages, *tools], ensure_ascii=False))

    def marked(arguments: object) -> object:
        return marker if isinstance(arguments, str) else arguments

    try:
        text = apply(_call_messages(messages, marked, null=False), tools)
    except Exception:  # a template that needs an object fails on the text too, and is then given the object
        return False
    return any(quoted in text for quoted in (json.dumps(marker), f'"{marker}"'))


def fastchat_template(name: str, has_header: bool = False) -> tuple[Render, str]:
    """Return the renderer of a conversation template of fastchat; example turns that some carry are cleared.

    Raises:
        InputError: for a name that fastchat does not know, or a style that it cannot print.
    """
    from importlib.metadata import version

    conversations = _conversations()
    if name not in conversations:
        near = difflib.get_close_matches(name, [*conversations, "raw"], n=3)
        hint = f" (near: {', '.join(near)})" if near else ""
        raise InputError(
            f"There is no chat template {name!r} in fastchat{hint}: pass one of its names, raw, or nothing for the "
            "tokenizer's own."
        )

    def render(messages: Sequence[Message], tools: Tools = ()) -> str:
        conversation = conversations[name].copy()
        conversation.messages = []
        for message in messages:
            if message["role"] == "system":
                conversation.set_system_message(message["content"])
            elif message["role"] == "tool":
                raise InputError(f"The template {name!r} has no place for a tool turn: pass another --chat_template.")
            else:
                conversation.append_message(conversation.roles[message["role"] == "assistant"], message["content"])
        if has_header:  # of the next turn
            conversation.append_message(conversation.roles[1], None)
        try:
            return str(conversation.get_prompt())
        except ValueError as error:
            raise InputError(f"fastchat cannot print its template {name!r} ({error}): pass another.") from error

    return render, f"fastchat {version('fschat')}: {name}"


def _conversations() -> dict[str, Any]:
    """Return fastchat's conversation templates with those that rewardbench 0.1 added."""
    from fastchat.conversation import Conversation, SeparatorStyle, conv_templates

    added = {
        name: Conversation(name=name, **{**options, "sep_style": SeparatorStyle[options["sep_style"]]})
        for name, options in OF_REWARDBENCH.items()
    }
    return {**conv_templates, **added}


def template_names() -> list[str]:
    """Return the names of all chat templates: the tokenizer's own, raw, and those of fastchat."""
    return list(dict.fromkeys([TOKENIZER_TEMPLATE, "raw", *_conversations()]))


def raw_template() -> tuple[Render, str]:
    """Return the renderer that prints the contents of the messages, one a line."""

    def render(messages: Sequence[Message], tools: Tools = ()) -> str:
        return plain(messages)

    return render, "raw"


def pick_template(
    tokenizer: PreTrainedTokenizerBase, template: str | None, name: str, variables: Mapping[str, object] | None = None
) -> tuple[Render, str]:
    """Return the renderer of None or `tokenizer` (its own template), `raw`, or a fastchat name, with its variables."""
    if template in (None, TOKENIZER_TEMPLATE):
        return tokenizer_template(tokenizer, name, variables)
    has_header = "add_generation_prompt" in (variables or ())
    return raw_template() if template == "raw" else fastchat_template(str(template), has_header)


REASONING = ("reasoning_content", "reasoning", "thinking")
"""Names of the message field with the reasoning of the assistant."""


def unprinted_fields(render: Render, text: str, messages: Sequence[Message], tools: Tools) -> Iterator[str]:
    """Yield the field of each message (and `tools`) without which a conversation renders as the same text.

    A call whose arguments alone make no difference yields `arguments`. Only rendering tells: a template may hold the
    name of a field in a branch that it never takes.
    """
    if tools and _renders_as(render, text, messages, ()):
        yield "tools"
    for at, message in enumerate(messages):
        for fields in (REASONING, ("name",) if message["role"] != "tool" else ()):
            present = [field for field in fields if message.get(field)]
            without = {key: value for key, value in message.items() if key not in present}
            if present and _renders_as(render, text, _with(messages, at, without), tools):
                yield present[0]
        yield from _unprinted_calls(render, text, messages, at, tools)


def _unprinted_calls(render: Render, text: str, messages: Sequence[Message], at: int, tools: Tools) -> Iterator[str]:
    """Yield `tool_calls` for each call of a message that is not printed, and `arguments` where only these are not."""
    calls = messages[at].get("tool_calls", [])
    for n, call in enumerate(calls):
        fewer = [*calls[:n], *calls[n + 1 :]]
        without = {key: value for key, value in messages[at].items() if key != "tool_calls"}
        without |= {"tool_calls": fewer} if fewer else {}
        not_null = {key: value for key, value in without.items() if key != "null_content"}
        if any(_renders_as(render, text, _with(messages, at, message), tools) for message in (without, not_null)):
            yield "tool_calls"
            continue
        bare = _convert_call(call, lambda arguments: {})
        emptied = {**messages[at], "tool_calls": [*calls[:n], bare, *calls[n + 1 :]]}
        if bare != _convert_call(call, _as_object) and _renders_as(render, text, _with(messages, at, emptied), tools):
            yield "arguments"


def _with(messages: Sequence[Message], at: int, message: Mapping[str, object]) -> list[Message]:
    """Return the messages with one of them replaced."""
    return [*messages[:at], message, *messages[at + 1 :]]  # type: ignore[list-item]


def _renders_as(render: Render, text: str, messages: Sequence[Message], tools: Tools) -> bool:
    """Return True if the messages render as that text; a template that refuses them needs what they lack."""
    try:
        return render(messages, tools) == text
    except InputError:
        return False


def shows(text: str, messages: Sequence[Message]) -> bool:
    """Return True if the text contains every message, in order; templates may trim a message and change line breaks.

    >>> shows("<user> Hi <bot> Yes", [{"role": "user", "content": "Hi "}, {"role": "assistant", "content": "Yes"}])
    True
    >>> shows("<user> Hi", [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}])
    False
    """
    text, end = _without_space(text), 0
    for message in messages:
        content = _without_space(message["content"])
        position = text.find(content, end)
        if position < 0 and message["role"] == "tool":  # some templates print the output of a tool as JSON
            content = _without_space(json.dumps(message["content"], ensure_ascii=False)[1:-1])
            position = text.find(content, end)
        if position < 0:
            return False
        end = position + len(content)
    return True


def _without_space(text: str) -> str:
    return "".join(text.split())


def answers(messages: Sequence[Message]) -> Messages:
    """Remove the assistant's thinking from messages, which templates of reasoning models drop or move.

    >>> answers([{"role": "assistant", "content": "<think>7 or 8?</think> It is 7."}])
    ({'role': 'assistant', 'content': ' It is 7.'},)
    """
    answers_only: list[Message] = []
    for message in messages:
        if message["role"] == "assistant":
            message = _with_content(message, message["content"].rpartition("</think>")[2])
        answers_only.append(message)
    return tuple(answers_only)


def fold_system(messages: Sequence[Message]) -> Messages:
    r"""Prepend the system text to the first user turn, for templates without a system role.

    >>> fold_system([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}])
    ({'role': 'user', 'content': 'Be kind.\n\nHi'},)
    """
    system, first, *later = messages
    return (_with_content(first, f"{system['content']}\n\n{first['content']}"), *later)


def _with_content(message: Message, content: str) -> Message:
    """Copy a message and replace its content."""
    copy = message.copy()
    copy["content"] = content
    return copy


def raise_always(error: InputError) -> Render:
    """Return a renderer that raises the error for any messages."""

    def render(messages: Sequence[Message], tools: Tools = ()) -> str:
        raise error

    return render


def prints_date(tokenizer: PreTrainedTokenizerBase, template: str | None) -> bool:
    """Return True if the chat template in use prints the date."""
    return template in (None, TOKENIZER_TEMPLATE) and "strftime_now" in str(tokenizer.chat_template or "")


def repeated_token(token: str, times: str) -> re.Pattern[str]:
    """Return a pattern for a token that is repeated at the start of a text."""
    return re.compile(rf"(?:\s*{re.escape(token)}){times}")
