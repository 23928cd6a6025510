"""Prompts of judges: the messages of a protocol, filled with a conversation and the completions that are judged.

The texts of items are values and never templates, so braces in a response are shown as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from jinja2 import TemplateError

from rewardbench.chat import all_text
from rewardbench.errors import InputError
from rewardbench.scorers.judge.messages import CONTEXT, Turn, compile_template
from rewardbench.scorers.judge.protocols import JudgeProtocol
from rewardbench.types import Message, Messages

WHOLE_PROMPT = {"conversation", "turns", "turn"}
"""Variables that show every turn of the prompt; `question` shows the last one only."""

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
        self.tools = context.get("tools") or ()
        self.values: dict[str, object] = {
            "conversation": self._conversation(),
            "turns": self.turns,
            "responses": list(map(_response_text, completions)),
            "labels": list(protocol.answer.labels[: len(completions)]),
            "count": len(completions),
        }
        questions = [turn.text for turn in self.turns if turn.role == "user"]
        if questions:
            self.values["question"] = questions[-1]
        for name in protocol.context:
            value = context.get(name)
            if value is not None and str(value).strip():
                self.values[name] = str(value)

    @property
    def is_single(self) -> bool:
        """Return True if the prompt is one user turn."""
        return len(self.turns) == 1 and self.turns[0].role == "user" and not self.tools

    @cached_property
    def is_multi_turn(self) -> bool:
        """Return True if the prompt has several turns besides system messages."""
        return sum(turn.role != "system" for turn in self.turns) > 1

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
    _check_count(protocol, len(completions))
    conversation = _Conversation(protocol, prompt, completions, context)
    messages = protocol.messages
    if conversation.is_multi_turn and protocol.multi_turn:
        messages = protocol.multi_turn
    shown = {name for turn in messages for name in turn.variables}
    _check_shown(protocol, conversation, shown)
    rendered: list[Message] = []
    for position, turn in enumerate(messages, 1):
        for values in _repetitions(turn, conversation):
            try:
                role, content = (
                    compile_template(turn.role).render(values),
                    compile_template(turn.content).render(values),
                )
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
    """Check that a protocol can show so many completions.

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
    if conversation.is_single or shown & WHOLE_PROMPT or "question" not in shown:
        return
    if "question" not in conversation.values:
        reason = "no user turn"
    elif conversation.is_multi_turn:
        reason = "several turns"
    else:
        reason = "tools" if conversation.tools else "a system message"
    raise InputError(
        f"The judge protocol {protocol.name} shows a single user turn only, and this prompt has {reason}: use another "
        "one, such as choice."
    )
