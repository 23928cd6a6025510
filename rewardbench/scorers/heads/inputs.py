"""Render and tokenise texts as a head spec says."""

from __future__ import annotations

import copy
from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self

from rewardbench.chat import Chat, Unchanged, common_prefix
from rewardbench.errors import InputError
from rewardbench.scorers.heads.positions import resolve_token
from rewardbench.scorers.heads.spec import Format, HeadSpec, Pair
from rewardbench.templates import Render, absent_character, fold_system, plain
from rewardbench.types import Message, Messages, Rendering, TokenRequest, Tools

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase


class HeadChat(Chat):
    """Converts a conversation to token ids for a model with a head spec.

    Args:
        tokenizer: of the model.
        spec: how it is fed.
        config: of the model, for tokens that the spec names by a key.
        template: chat template that the user asks for; None for the spec's, else the tokenizer's own.
        max_length: in tokens, with those that are appended.
        truncation_side: side from which longer texts lose tokens.
        name: the model, for errors.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        spec: HeadSpec,
        config: PreTrainedConfig,
        template: str | None = None,
        max_length: int | None = None,
        truncation_side: Literal["left", "right"] = "left",
        name: str = "this model",
    ) -> None:
        self.spec = spec.input
        self.steps = spec.steps
        self.pair = spec.pair if isinstance(spec.pair, Pair) else None
        self._appended = resolve_token(self.spec.append, tokenizer, config) if self.spec.append else []
        self._has_format = self.spec.format is not None and template is None
        room = max_length - len(self._appended) if max_length else None
        if room is not None and room < 1:
            raise InputError(f"--max_length {max_length} leaves no room for a text before the token that is appended.")
        super().__init__(tokenizer, template or self.spec.template, room, truncation_side, name=name)
        if not self.spec.specials:
            self._before, self._after = [], []
        self._opening = self._generation_prompt() if self.spec.generation_prompt else ""
        self._first_text, self._last_text = self._fill(self.spec.start), self._fill(self.spec.end)
        self._ending = self.encode(self._text_after_content())
        """Ids that truncation keeps, since a score without them would be another model's."""

    @property
    def has_format(self) -> bool:
        """Return True if the chat template is the one that the spec spells out."""
        return self._has_format

    @property
    def appended(self) -> list[int]:
        """Return the ids of the tokens that are added after truncation."""
        return self._appended

    def variant(
        self,
        template: str | Unchanged | None = "unchanged",
        max_length: int | Unchanged | None = "unchanged",
        truncation_side: Literal["left", "right", "unchanged"] = "unchanged",
    ) -> Self:
        """Copy, with another template, length limit or truncation side; see `Chat.variant`."""
        chat = copy.copy(self)
        if template != "unchanged":
            chat._has_format = False
        if isinstance(max_length, int):
            max_length -= len(self._appended)
        return super(HeadChat, chat).variant(template, max_length, truncation_side)

    def describe(self) -> dict[str, Any]:
        """Return the settings that can change a score."""
        return {**super().describe(), "input": self.spec.model_dump(mode="json", exclude_defaults=True)}

    def convert(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools) -> TokenRequest:
        """Convert a completion in its context to token ids; raise InputError if the template cannot render it."""
        if self.spec.sentence_pair:
            return self._request_sentences(prompt, completion, rendered)
        if self.steps and self.steps.layout == "pieces":
            return self._request_pieces(prompt, completion, rendered, tools)
        if self.steps and not rendered:
            prompt, completion = self._tag_steps(prompt, completion)
        if self.spec.question:
            completion = self._with_question(completion, rendered)
        request = super().convert(prompt, completion, rendered, tools)
        if not self._appended or request.ids[-len(self._appended) :].tolist() == self._appended:
            return request
        ids = request.ids + array("i", self._appended)
        return replace(request, ids=ids, end=len(ids))

    def _request_sentences(self, prompt: Messages, completion: Messages, rendered: bool) -> TokenRequest:
        """Encode a prompt and a response as two texts; `start` is where the second begins."""
        if rendered:
            return super().convert(prompt, completion, rendered, ())
        *earlier, last = (*prompt, *completion)
        question, answer = plain(earlier), last["content"]
        options = {"truncation": "longest_first", "max_length": self.max_length} if self.max_length else {}
        encoded = self.tokenizer(question, answer, **options)
        full = self.tokenizer(question, answer, verbose=False)["input_ids"]
        ids = array("i", encoded["input_ids"])
        second = [segment == 1 for segment in encoded.sequence_ids()]
        start = second.index(True) if True in second else len(ids)
        text = f"{question}\n{answer}" if question else answer
        return TokenRequest(text, answer, ids, start, len(ids), dropped=len(full) - len(ids))

    def request_pair(
        self, prompt: Messages, first: Messages, second: Messages, rendered: bool = False, tools: Tools = ()
    ) -> TokenRequest:
        """Convert two completions in their context to token ids.

        Raises:
            InputError: if the texts are rendered already, or a completion has several messages.
        """
        if rendered or self.pair is None:
            raise InputError("This pairwise model fits the conversation into its own text, so it takes no final text.")
        if len(first) != 1 or len(second) != 1:
            raise InputError("This pairwise model compares single messages, and a completion here has several.")
        text = fill_pair(self.pair, prompt, first[0]["content"], second[0]["content"])
        if not self.pair.as_user_turn:
            return self.request((), (Message(role="assistant", content=text),), rendered=True)
        rendering = self._render_checked((Message(role="user", content=text),), tools)
        rendered_text = rendering.text
        if not self.spec.specials and self.tokenizer.bos_token:
            rendered_text = rendered_text.removeprefix(self.tokenizer.bos_token)
        ids = array("i", self.encode(rendered_text))
        return self.fit(TokenRequest(rendered_text, first[0]["content"], ids, 0, len(ids), notes=rendering.notes))

    def _pick(self) -> tuple[Render, str]:
        if self._has_format and self.spec.format:
            return render_format(self.spec.format), self.spec.format.model_dump_json()
        return super()._pick()

    def _render_checked(self, messages: Messages, tools: Tools) -> Rendering:
        if self.spec.system is not None and messages[0]["role"] != "system":
            messages = (Message(role="system", content=self.spec.system), *messages)
        rendering = super()._render_checked(messages, tools)
        return replace(rendering, text=self._finish(rendering.text))

    def _finish(self, text: str) -> str:
        """Change a rendered conversation as the spec says."""
        for old, new in self.spec.replace.items():
            text = text.replace(old, new, 1)
        text = text.rstrip(self.spec.strip) if self.spec.strip else text
        if not text.startswith(self._first_text):
            text = self._first_text + text
        if self._last_text and not text.endswith(self._last_text):
            text += self.spec.end_separator + self._last_text
        return text + self._opening

    def _fill(self, text: str) -> str:
        """Fill the special tokens of the tokenizer into a text of the spec."""
        try:
            return text.format(**self.tokenizer.special_tokens_map)
        except KeyError as error:
            raise InputError(
                f"The tokenizer of {self.name} has no {error.args[0]}, which its head spec names."
            ) from error

    def _text_after_content(self) -> str:
        """Return the text that a spec puts after each conversation, or after the completions of a pair."""
        if self.pair is None:
            return self._last_text + self._opening
        mark = absent_character(self.source)
        user = Message(role="user", content=mark)
        text = fill_pair(self.pair, (user,), mark, mark)
        if self.pair.as_user_turn:
            text = self._render_checked((Message(role="user", content=text),), ()).text
        return text.rpartition(mark)[2]

    def _suffix_length(self, ids: list[int]) -> int:
        """Count the ids at the end that right truncation keeps; the first may be merged with those before it."""
        return max(super()._suffix_length(ids), common_prefix(ids[::-1], self._ending[::-1]))

    def _generation_prompt(self) -> str:
        """Return the text with which the template opens an assistant turn."""
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        closed = self.tokenizer.apply_chat_template(turns, tokenize=False)
        opened = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return str(opened).removeprefix(str(closed))

    def assistant_header(self) -> str:
        """Return what the template prints between a user's message and the response.

        Raises:
            InputError: if there is no template.
        """
        user, answer = "\ue000", "\ue001"  # characters for private use, which no template prints
        turns = (Message(role="user", content=user), Message(role="assistant", content=answer))
        return self._render(turns, ()).partition(user)[2].partition(answer)[0]

    def _with_question(self, completion: Messages, rendered: bool) -> Messages:
        """Add the user turn that asks for a rating of the response."""
        if rendered:
            raise InputError(f"{self.name} is asked about a response in a turn of its own, so it takes no final text.")
        question = self.spec.question.replace("{principle}", self.spec.principle or "")
        return (*completion, Message(role="user", content=question))

    def step_texts(self, completion: Messages) -> list[str]:
        """Return the steps of a completion: those that the data names, else the parts of its text."""
        last = completion[-1]
        return list(last.get("steps") or last["content"].split(self.steps.split if self.steps else "\n\n"))

    def _tag_steps(self, prompt: Messages, completion: Messages) -> tuple[Messages, Messages]:
        """Put a tag after each step of the last message, as text or as a turn of the assistant."""
        *earlier, last = completion
        if self.steps is None:
            return prompt, completion
        steps, tag = self.step_texts(completion), self.steps.tag
        if self.steps.layout == "turns":
            return self._as_turns(prompt, completion, steps)
        content = self.steps.join.join(step + tag for step in steps)
        return prompt, (*earlier, Message(role=last["role"], content=content))

    def _as_turns(self, prompt: Messages, completion: Messages, steps: list[str]) -> tuple[Messages, Messages]:
        """Return a conversation in which the tag answers each step; the prompt ends with the first step."""
        if self.steps is None or len(completion) != 1 or not prompt or prompt[-1]["role"] != "user":
            raise InputError("This process reward model reads one solution after a turn of the user.")
        question = Message(role="user", content=prompt[-1]["content"] + self.steps.first + steps[0])
        turns = [Message(role="assistant", content=self.steps.tag)]
        for step in steps[1:]:
            turns.append(Message(role="user", content=step))
            turns.append(Message(role="assistant", content=self.steps.tag))
        return (*prompt[:-1], question), tuple(turns)

    def _request_pieces(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools) -> TokenRequest:
        """Tokenise the prompt, and each step and its tag, one by one; scores are read at the last token of each tag."""
        if rendered or not prompt or self.steps is None or len(completion) != 1:
            raise InputError("This process reward model tokenises steps one by one: it reads one solution to a prompt.")
        rendering = self._render_checked(prompt, tools)
        ids = self._encode(rendering.text, self._special_tokens_of_text(rendering.text), has_end=False)
        start, tag = len(ids), self.encode(self.steps.tag)
        text = rendering.text
        positions: list[int] = []
        for step in self.step_texts(completion):
            ids += (self.encode(step) if step else []) + tag
            text += step + self.steps.tag
            positions.append(len(ids) - 1)
        return self.fit(
            TokenRequest(
                text,
                plain(completion),
                array("i", ids),
                start,
                len(ids),
                notes=rendering.notes,
                positions=tuple(positions),
            )
        )


def fill_pair(pair: Pair, prompt: Messages, first: str, second: str) -> str:
    """Return the text in which a pairwise model is shown a prompt and two completions."""
    messages = fold_system(prompt) if pair.fold_system and prompt and prompt[0]["role"] == "system" else prompt
    turns = render_format(pair.turns)(messages, ()) if messages else ""
    context = (pair.start + turns + pair.end).rstrip(pair.strip) if pair.strip else pair.start + turns + pair.end
    text = pair.text.replace("{context}", "\0context").replace("{first}", "\0first").replace("{second}", "\0second")
    return text.replace("\0context", context).replace("\0first", first).replace("\0second", second)


def render_format(format_: Format) -> Render:
    """Return the renderer of a chat template that a spec spells out."""
    turns = {"system": format_.system, "user": format_.user, "assistant": format_.assistant}

    def render(messages: Sequence[Message], tools: Tools = ()) -> str:
        text = "" if messages[0]["role"] == "system" else format_.no_system
        for message in messages:
            if message["role"] not in turns:
                raise InputError(f"The format of this head spec has no {message['role']} turn.")
            text += turns[message["role"]].replace("{content}", message["content"])
        return text

    return render
