"""Convert the prompt of a judge to token ids that end with the header of the judge's turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.templates import Render, pick_template, plain
from rewardbench.types import Message, Messages, TokenRequest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COMMON_ROLES = {"system", "user", "assistant", "tool"}
"""Roles that chat templates distinguish; of others it is checked that the template prints them."""
THINKING_SWITCHES = ("enable_thinking", "thinking")
"""Variables by which chat templates switch the thinking of the model on and off."""
OTHER_ROLE = "another_role"
"""A role that no template knows."""
THOUGHT = "<think>"
SHORT_PROMPT = (Message(role="user", content="How long is the river?"),)


class PromptChat(Chat):
    """A chat whose texts are prompts: they end where the model's answer begins, and are never truncated.

    Args:
        tokenizer: a transformers tokenizer.
        template: None or "tokenizer" for its own chat template, "raw", or the name of a fastchat template.
        max_length: maximum tokens of a prompt; longer ones are rejected, as a part would be a judgement of other texts.
        name: the model, for error messages.
        variables: of the tokenizer's template, such as `enable_thinking`.
        has_thoughts: False if the first token of the answer is the verdict; thinking is then switched off.

    Raises:
        InputError: if there is no template, or the first token of an answer is no verdict.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: str | None,
        max_length: int | None,
        name: str,
        variables: Mapping[str, object] | None = None,
        has_thoughts: bool = True,
    ) -> None:
        self.variables: dict[str, object] = dict(variables or {})
        super().__init__(tokenizer, template, max_length, name=name)
        if not has_thoughts:
            self._switch_thinking_off()

    def _pick(self) -> tuple[Render, str]:
        variables = {"add_generation_prompt": True, **self.variables}
        return pick_template(self.tokenizer, self.template, self.name, variables)

    def _switch_thinking_off(self) -> None:
        """Set the variable that switches the thinking off, if the template has one.

        Raises:
            InputError: if the header of the answer opens a thought.
        """
        for switch in THINKING_SWITCHES:
            if switch not in self.variables and self._text_with(switch, True) != self._text_with(switch, False):
                self.variables[switch] = False
        self._render, self.source = self._pick()
        if self.render(SHORT_PROMPT).rstrip().endswith(THOUGHT):
            raise InputError(
                f"The chat template of {self.name} begins each answer with a thought, so that its first token is no "
                "verdict: pass a protocol that reads the text of the answer, such as choice."
            )

    def _text_with(self, switch: str, value: bool) -> str:
        """Return a short prompt as the template renders it with one more variable."""
        variables = {"add_generation_prompt": True, **self.variables, switch: value}
        return pick_template(self.tokenizer, self.template, self.name, variables)[0](SHORT_PROMPT, ())

    def describe(self) -> dict[str, Any]:
        """Return the settings that can change a score."""
        return {**super().describe(), "add_generation_prompt": True, "template_variables": self.variables}

    def _adds_suffix(self, rendered: bool) -> bool:
        """Return False: the model continues the text."""
        return False

    def prompt_request(self, messages: Messages, completions: Sequence[Messages] = ()) -> TokenRequest:
        """Convert the messages of a prompt to token ids.

        Args:
            messages: of the prompt.
            completions: that the prompt shows. The request has one position for each: the last token, after which the
                answer begins.

        Raises:
            InputError: if the template cannot render the messages, or the prompt is too long.
        """
        self._check_roles(messages)
        request = self.request(messages[:-1], messages[-1:])
        positions = (len(request) - 1,) * len(completions)
        text = "\n\n".join(map(plain, completions))
        return replace(request, completion=text, positions=positions)

    def _check_roles(self, messages: Messages) -> None:
        """Check that the template prints unusual roles, such as response_1: without them the judge has another task.

        Raises:
            InputError: if it prints a role as another one.
        """
        for role in {message["role"] for message in messages} - COMMON_ROLES:
            renamed: list[Message] = []
            for message in messages:
                other: Message = {**message, "role": OTHER_ROLE} if message["role"] == role else message
                renamed.append(other)
            text = self._render(messages, ())
            try:
                is_printed = self._render(renamed, ()) != text
            except InputError:  # the template knows the one, and not the other
                is_printed = True
            if not is_printed:
                raise InputError(f"The chat template of {self.name} does not print the role {role} of this protocol.")

    def fit(self, request: TokenRequest) -> TokenRequest:
        """Return the request as it is. Raises InputError if it is longer than `max_length`."""
        if self.max_length is not None and len(request) > self.max_length:
            raise InputError(
                f"the prompt of the judge has {len(request)} tokens, and the model takes {self.max_length}: it was not "
                "truncated, since the judge would not see what it judges"
            )
        return request

    def end_of_turn(self) -> int | None:
        """Return the special token that the template prints after an answer; None if it prints no such token."""
        answer = Message(role="assistant", content="It is short.")
        try:
            render, _ = pick_template(self.tokenizer, self.template, self.name, self.variables)
            text = render((*SHORT_PROMPT, answer), ())
        except InputError:
            return None
        ids = self.encode(text.rpartition(answer["content"])[2].lstrip())
        token = self.tokenizer.added_tokens_decoder.get(ids[0]) if ids else None
        return ids[0] if token is not None and token.special else None
