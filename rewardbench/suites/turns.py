"""Convert values of a row to conversation turns: messages, transcripts, and where a completion starts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from rewardbench.types import Message, Messages

ROLES = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "human": "user",
    "gpt": "assistant",
}
"""Role names, including ShareGPT's, to standard roles."""

_SPEAKER = re.compile(r"(?:\A(?=Human:)|\n\n)(Human|Assistant):")


class Unusable(ValueError):
    """The reason why a row cannot be scored; it becomes the problem of the item."""


def say(role: str, content: str) -> Messages:
    """Return a conversation of one turn."""
    return (Message(role=role, content=content),)


def kind(value: object, expected: str = "text") -> str:
    """Describe the type of an unexpected value, to follow its name in a message.

    >>> kind(7)
    'is a number, not text'
    >>> kind(None)
    'is missing'
    """
    if value is None or (isinstance(value, float) and isnan(value)):
        return "is missing"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return f"is {names.get(type(value), f'a {type(value).__name__}')}, not {expected}"


def read_text(value: object, name: str) -> str:
    """Return the value if it is text, or raise Unusable."""
    if isinstance(value, str):
        return value
    raise Unusable(f"{name} {kind(value)}")


def read_turns(value: object, name: str, role: str) -> Messages:
    """Convert a text to one turn of a role, or read messages (also ShareGPT's from/value).

    >>> read_turns([{"from": "human", "value": "Hi"}], "prompt", "user")
    ({'role': 'user', 'content': 'Hi'},)
    """
    if isinstance(value, dict):
        return (_read_message(value, name),)
    if not isinstance(value, list):
        return say(role, read_text(value, name))
    if not value:
        raise Unusable(f"{name} is an empty list")
    return tuple(_read_message(turn, name) for turn in value)


def _read_message(value: object, name: str) -> Message:
    """Read one message, whose fields may hold any JSON value.

    Raises:
        Unusable: if it is anything else.
    """
    if not isinstance(value, dict):
        raise Unusable(f"a turn of {name} {kind(value, 'a message with role and content')}")
    role = value.get("role") or value.get("from")
    if not isinstance(role, str) or role not in ROLES:
        raise Unusable(f"a turn of {name} has the role {_short(role)}; the roles are system, user, assistant and tool")
    for field in UNREAD_FIELDS:
        if value.get(field):
            raise Unusable(f"a turn of {name} has {field}, which is not read")
    calls = read_functions(value.get("tool_calls"), f"tool_calls of a turn of {name}")
    content = value["content"] if value.get("content") is not None else value.get("value")
    message = Message(role=ROLES[role], content="")
    if content is None and calls:
        message["null_content"] = True
    else:
        message["content"] = read_content(content, f"a turn of {name}")
    if calls:
        message["tool_calls"] = calls
    for field in TEXT_FIELDS:
        if value.get(field) is not None:
            message[field] = read_text(value[field], f"{field} of a turn of {name}")  # type: ignore[literal-required]
    return message


UNREAD_FIELDS = ("function_call", "audio", "images", "image", "videos", "video")
"""Message fields that templates do not receive; a message with one of them is not scored."""

TEXT_FIELDS = ("reasoning_content", "reasoning", "thinking", "tool_call_id", "name")

TEXT_PARTS = ("text", "input_text", "output_text")
"""Types of text parts in OpenAI's APIs."""


def _short(value: object) -> str:
    """Return the repr of a value, truncated to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read_content(value: object, name: str) -> str:
    """Return the content of a message: a text, or a list of text parts, joined.

    >>> read_content([{"type": "text", "text": "Name a "}, {"type": "text", "text": "river."}], "a turn")
    'Name a river.'
    """
    if not isinstance(value, list) or not value:
        return read_text(value, name)
    return "".join(_read_part(part, name) for part in value)


def _read_part(part: object, name: str) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise Unusable(f"a part of {name} {kind(part)}")
    part_type = part.get("type", "text")
    if part_type not in TEXT_PARTS:
        raise Unusable(f"a part of {name} is of the type {_short(part_type)}, and only text is read")
    return read_text(part.get("text"), f"a part of {name}")


def read_functions(value: object, name: str) -> list[dict[str, Any]]:
    """Read functions or function calls from a list of objects or its JSON text; return [] if there are none.

    >>> read_functions('[{"function": {"name": "f", "arguments": "{}"}}]', "tool_calls")
    [{'function': {'name': 'f', 'arguments': '{}'}}]

    Raises:
        Unusable: if the value is anything else, or a function has no name.
    """
    if value is None or value == "" or value == [] or (isinstance(value, float) and isnan(value)):
        return []
    entries = _parse_list(value)
    if entries is None:
        raise Unusable(f"{name} {kind(value, 'a list of functions')}")
    functions: list[dict[str, Any]] = []
    for entry in entries:
        if not isinstance(entry, dict) or not _has_name(entry) or not _is_json(entry):
            raise Unusable(f"{name} holds {_short(entry)}, which is no function with a name")
        functions.append(_drop_nulls(entry))
    return functions


def _has_name(function: Mapping[str, object]) -> bool:
    """Return True if a function, or the function of a call, has a name."""
    inner = function.get("function", function)
    return isinstance(inner, dict) and isinstance(inner.get("name"), str)


def _drop_nulls(function: Mapping[str, object]) -> dict[str, Any]:
    """Copy a function or call without the keys that Arrow fills with null; its arguments are not changed."""
    copy = {key: value for key, value in function.items() if value is not None}
    inner = copy.get("function")
    return {**copy, "function": _drop_nulls(inner)} if isinstance(inner, dict) else copy


def _parse_list(value: object) -> list[object] | None:
    """Return a list, also from its JSON text; None for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, list) else None


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):  # bytes or a date from Parquet, or a lone surrogate
        return False
    return True


def transcript(text: str) -> Messages:
    r"""Return the turns of a transcript in the format of HH-RLHF, with any line ends; empty if it is none.

    >>> [turn["role"] for turn in transcript("\n\nHuman: Hi\n\nAssistant: Hello")]
    ['user', 'assistant']
    >>> transcript("Human: Hi")
    ()
    """
    if "Assistant:" not in text:
        return ()
    if "\r" in text and "\n\nAssistant:" not in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    preamble, *segments = _SPEAKER.split(text)
    speakers, turn_texts = segments[::2], segments[1::2]
    if preamble.strip() or "Assistant" not in speakers:
        return ()
    turns: list[Message] = []
    for speaker, turn_text in zip(speakers, turn_texts, strict=True):
        turns.append(Message(role="user" if speaker == "Human" else "assistant", content=turn_text.strip()))
    return tuple(turns)


def split_prompt(prompt: Messages, conversations: Sequence[Messages]) -> tuple[Messages, tuple[Messages, ...]]:
    """Separate the prompt from the completions, some or all of which may be complete conversations.

    The prompt is removed from conversations that start with it. If they start differently, the prompt column is
    ignored (it is often a title only), and their common start is the prompt.
    """
    completions: list[Messages] = []
    for turns in conversations:
        completion = turns[len(prompt) :] if turns[: len(prompt)] == prompt else turns
        if not completion or completion[0]["role"] != "assistant":
            start = common_start(conversations)
            return conversations[0][:start], tuple(turns[start:] for turns in conversations)
        completions.append(completion)
    return prompt, tuple(completions)


def common_start(conversations: Sequence[Messages]) -> int:
    """Count the turns that all conversations share before each continues with its assistant turn.

    >>> ask, yes, no = (say("user", "Go?")[0], say("assistant", "Yes")[0], say("assistant", "No")[0])
    >>> common_start([(ask, yes), (ask, no)]), common_start([(ask, yes), (ask, yes)])
    (1, 1)

    Raises:
        Unusable: if the conversations share no turn.
    """
    start, longest = 0, min(map(len, conversations)) - 1
    while start < longest and all(turns[start] == conversations[0][start] for turns in conversations):
        start += 1
    while start and not _all_assistant(conversations, start):
        start -= 1
    if start == 0 and not _all_assistant(conversations, 0):
        raise Unusable("the completions share no prompt")
    return start


def _all_assistant(conversations: Sequence[Messages], at: int) -> bool:
    """Return True if this turn is the assistant's in every conversation."""
    return all(turns[at]["role"] == "assistant" for turns in conversations)
