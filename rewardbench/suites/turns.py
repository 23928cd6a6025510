"""Values of a row to turns of a conversation: messages, transcripts, and where a completion leaves the prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isnan
from typing import Any

from rewardbench.types import Message, Messages

ROLES = {"system": "system", "user": "user", "assistant": "assistant", "human": "user", "gpt": "assistant"}
"""Names of a role, ShareGPT's among them, to ours."""

_SPEAKER = re.compile(r"(?:\A(?=Human:)|\n\n)(Human|Assistant):")


class Unusable(ValueError):
    """Why a row cannot be scored by any model; it becomes the item's problem."""


def say(role: str, content: str) -> Messages:
    """One turn, as a conversation."""
    return (Message(role=role, content=content),)


def kind(value: Any, wanted: str = "text") -> str:
    """What a value is instead of what was wanted, to follow its name in a sentence.

    >>> kind(7)
    'is a number, not text'
    >>> kind(None)
    'is missing'
    """
    if value is None or (isinstance(value, float) and isnan(value)):
        return "is missing"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return f"is {names.get(type(value), f'a {type(value).__name__}')}, not {wanted}"


def read_text(value: Any, name: str) -> str:
    """The value, which must be text. Raises Unusable."""
    if isinstance(value, str):
        return value
    raise Unusable(f"{name} {kind(value)}")


def read_turns(value: Any, name: str, role: str) -> Messages:
    """A text as one turn of that role, or messages (also ShareGPT's from/value) as they come.

    >>> read_turns([{"from": "human", "value": "Hi"}], "prompt", "user")
    ({'role': 'user', 'content': 'Hi'},)
    """
    if isinstance(value, list | dict):
        turns = tuple(_read_message(one, name) for one in (value if isinstance(value, list) else [value]))
        if not turns:
            raise Unusable(f"{name} is an empty list")
        return turns
    return say(role, read_text(value, name))


def _read_message(value: Any, name: str) -> Message:
    if not isinstance(value, dict):
        raise Unusable(f"a turn of {name} {kind(value, 'a message with role and content')}")
    role = value.get("role") or value.get("from")
    content = value["content"] if value.get("content") is not None else value.get("value")
    if not isinstance(role, str) or role not in ROLES:
        raise Unusable(f"a turn of {name} has the role {role!r}, which is none of system, user, assistant")
    return Message(role=ROLES[role], content=read_text(content, f"a turn of {name}"))


def transcript(text: str) -> Messages:
    r"""The turns of a transcript as HH-RLHF writes them, whatever its line ends; none where the text is not one.

    >>> [turn["role"] for turn in transcript("\n\nHuman: Hi\n\nAssistant: Hello")]
    ['user', 'assistant']
    >>> transcript("Human: Hi")
    ()
    """
    if "Assistant:" not in text:
        return ()
    if "\r" in text and "\n\nAssistant:" not in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    before, *spoken = _SPEAKER.split(text)
    if before.strip() or "Assistant" not in spoken[::2]:
        return ()
    roles = {"Human": "user", "Assistant": "assistant"}
    return tuple(
        Message(role=roles[speaker], content=words.strip())
        for speaker, words in zip(spoken[::2], spoken[1::2], strict=True)
    )


def split_prompt(prompt: Messages, found: Sequence[Messages]) -> tuple[Messages, tuple[Messages, ...]]:
    """The prompt and the completions after it, where some or all of them are whole conversations.

    Conversations that open with the prompt lose it. Where they open otherwise, they are the truth (a prompt
    column often holds but a title), and the prompt is the start that they share.
    """
    rest = [turns[len(prompt) :] if turns[: len(prompt)] == prompt else turns for turns in found]
    if all(turns and turns[0]["role"] == "assistant" for turns in rest):
        return prompt, tuple(rest)
    at = common_start(found)
    return found[0][:at], tuple(turns[at:] for turns in found)


def common_start(conversations: Sequence[Messages]) -> int:
    """How many turns all conversations share before each goes on with an assistant turn of its own.

    Raises: Unusable where they share none.

    >>> ask, yes, no = (say("user", "Go?")[0], say("assistant", "Yes")[0], say("assistant", "No")[0])
    >>> common_start([(ask, yes), (ask, no)]), common_start([(ask, yes), (ask, yes)])
    (1, 1)
    """
    at, longest = 0, min(len(turns) for turns in conversations) - 1
    while at < longest and all(turns[at] == conversations[0][at] for turns in conversations):
        at += 1
    while at and any(turns[at]["role"] != "assistant" for turns in conversations):
        at -= 1
    if at == 0 and any(turns[0]["role"] != "assistant" for turns in conversations):
        raise Unusable("the completions share no prompt")
    return at
