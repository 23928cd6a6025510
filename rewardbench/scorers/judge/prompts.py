"""Prompts of judges: the messages of a protocol, filled with a conversation and the completions that are judged.

The texts of items are values and never templates, so braces in a response are shown as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from jinja2 import TemplateError

from rewardbench.chat import all_text
from rewardbench.errors import InputError
from rewardbench.scorers.judge.messages import CONTEXT, Turn, compile_template
from rewardbench.scorers.judge.protocols import JudgeProtocol
from rewardbench.types import Message, Messages, Tools

WHOLE_PROMPT = {"conversation", "turns", "turn", "transcripts"}
"""Variables that show every turn of the prompt."""
PROMPT = WHOLE_PROMPT | {"question"}
"""Variables that show something of the prompt."""

NO_PROMPT = "(Each response contains its conversation.)"
"""Shown as the conversation of items whose text is final, which have no prompt."""


@dataclass(frozen=True)
class ShownTurn:
    """A message as templates show it."""

    role: str
    text: str

    def __str__(self) -> str:
        return f"[{self.role.capitalize()}]\n{self.text}"


def _shown_turns(messages: Messages) -> list[ShownTurn]:
    return [ShownTurn(message["role"], all_text([message])) for message in messages]


class _Conversation:
    """The variables of one call; a variable that this item does not have is missing from `values`."""

    def __init__(
        self, protocol: JudgeProtocol, prompt: Messages, completions: Sequence[Messages], context: Mapping[str, object]
    ) -> None:
        self.protocol = protocol
        self.turns = _shown_turns(prompt)
        responses = list(map(_shown_turns, completions))
        self.user_turns = sum(turn.role == "user" for turn in (*self.turns, *responses[0]))
        self.tools = context.get("tools") or ()
        self.values: dict[str, object] = {
            "conversation": self._conversation(),
            "turns": self.turns,
            "transcripts": [self.turns + response for response in responses],
            "responses": list(map(_response_text, completions)),
            "labels": list(protocol.answer.labels[: len(completions)]),
            "count": len(completions),
        }
        texts = json.dumps([self.values["conversation"], self.values["responses"]])
        self.values["code"] = blake2b(texts.encode(), digest_size=4).hexdigest()
        for turn in self.turns:
            if turn.role == "user":
                self.values["question"] = turn.text
        for name in protocol.context:
            value = context.get(name)
            if value is not None and str(value).strip():
                self.values[name] = str(value)

    @property
    def is_single(self) -> bool:
        """Return True if the prompt is one user turn."""
        return len(self.turns) == 1 and self.turns[0].role == "user" and not self.tools

    @property
    def is_multi_turn(self) -> bool:
        """Return True if there are several turns besides system messages and those of the response."""
        return self.user_turns > 1 or sum(turn.role != "system" for turn in self.turns) > 1

    def hidden_part(self, shown: set[str]) -> str | None:
        """Return what of this conversation messages with these variables do not show; None if they show all."""
        max_turns = self.protocol.max_turns
        if not shown & PROMPT or (max_turns is None and "conversation" in shown):
            return None
        roles = [turn.role for turn in self.turns]
        if "user" not in roles:
            return "an item without a user turn"
        if self.tools or "tool" in roles:
            return "tools"
        if max_turns is None:
            if shown & WHOLE_PROMPT:
                return None
            max_turns = 1
        messages = len(roles) - roles.count("system")
        if self.user_turns > max_turns or messages > 2 * max_turns - 1:
            return f"a prompt of {messages} messages, {self.user_turns} of the user"
        return "a system message" if "system" in roles else None

    def _conversation(self) -> str:
        if self.is_single:
            return self.turns[0].text
        blocks = [f"[Tools]\n{json.dumps(self.tools, ensure_ascii=False)}"] if self.tools else []
        return "\n\n".join([*blocks, *map(str, self.turns)]) or NO_PROMPT


def _response_text(completion: Messages) -> str:
    """Return the text of a completion; several messages are shown under the names of their roles."""
    if len(completion) == 1:
        return all_text(completion)
    return "\n\n".join(map(str, _shown_turns(completion)))


def item_context(
    protocol: JudgeProtocol, context: Mapping[str, object] | None, tools: Tools, principle: str | None
) -> dict[str, object]:
    """Return the `context` of `render` for an item.

    Args:
        protocol: the judge protocol.
        context: columns of the item; None: none.
        tools: functions that the assistant may call.
        principle: shown for items without one of their own, if the protocol shows principles.
    """
    values = {**(context or {}), "tools": tools}
    if protocol.sees_principle and values.get("principle") is None:
        values["principle"] = principle
    return values


def render(
    protocol: JudgeProtocol, prompt: Messages, completions: Sequence[Messages], context: Mapping[str, object]
) -> Messages:
    """Return the messages that ask a judge about completions; `messages.VARIABLES` lists what their templates show.

    Args:
        protocol: the judge protocol.
        prompt: the messages before the completions; empty for items whose text is final.
        completions: the completions, in the order shown.
        context: of the item: `subset`, `reference`, `principle` and `tools`, as far as they are known.

    Raises:
        InputError: if the protocol cannot show this conversation.
    """
    if protocol.official and protocol.official.sha256 is None:
        raise InputError(f"The published prompts of {protocol.name} were not read: load it with load_protocol().")
    _check_count(protocol, len(completions))
    conversation = _Conversation(protocol, prompt, completions, context)
    messages = protocol.messages
    if conversation.is_multi_turn and protocol.multi_turn:
        messages = protocol.multi_turn
    shown: set[str] = set().union(*(turn.variables for turn in messages))
    _check_shown(protocol, conversation, shown)
    rendered: list[Message] = []
    for position, turn in enumerate(messages, 1):
        for values in _repetitions(turn, conversation):
            try:
                role = compile_template(turn.role).render(values)
                content = compile_template(turn.content).render(values)
            except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
                raise InputError(
                    f"The judge protocol {protocol.name} cannot show this item: its message {position} fails: {error}."
                ) from error
            rendered.append(Message(role=role, content=content))
    return tuple(rendered)


def _repetitions(turn: Turn, conversation: _Conversation) -> Iterator[dict[str, object]]:
    """Yield the variables of each message that a turn of the protocol becomes."""
    values = conversation.values
    if turn.each == "turn":
        for number, shown_turn in enumerate(conversation.turns, 1):
            yield {**values, "turn": shown_turn, "number": number}
    elif turn.each == "response":
        for number, text in enumerate(values["responses"], 1):  # type: ignore[arg-type, var-annotated]
            yield {**values, "response": text, "number": number}
    else:
        yield values


def _check_count(protocol: JudgeProtocol, count: int) -> None:
    """Check that a protocol can show this number of completions.

    Raises:
        InputError: if it cannot.
    """
    limit = min(protocol.max_completions or len(protocol.answer.labels), len(protocol.answer.labels))
    numbers = {"pointwise": (1, 1, "one response"), "pairwise": (2, 2, "two responses")}
    low, high, words = numbers.get(protocol.view, (2, limit, f"2 to {limit} responses"))
    if not low <= count <= high:
        raise InputError(
            f"The judge protocol {protocol.name} shows {words} at a time, and this item has {count}: use another one."
        )


def _check_shown(protocol: JudgeProtocol, conversation: _Conversation, shown: set[str]) -> None:
    """Check that the templates show the whole prompt, and that the item has what they need.

    Raises:
        InputError: if a part is not shown, or missing.
    """
    for name in protocol.context:
        if name in shown and name not in conversation.values:
            raise InputError(f"The judge protocol {protocol.name} shows a {name}, and this item has {CONTEXT[name]}.")
    hidden = conversation.hidden_part(shown)
    if hidden:
        raise InputError(f"The judge protocol {protocol.name} cannot show {hidden}: use another one, such as choice.")
