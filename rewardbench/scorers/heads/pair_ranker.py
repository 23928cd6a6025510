"""PairRM and Better-PairRM (llm-blender): encoders that compare two candidates for one source.

    [CLS] <|source|> conversation [SEP] [CLS] <|candidate1|> first [SEP] [CLS] <|candidate2|> second [SEP]

A candidate is rated by a network on the states of two tokens, its own prefix and that of the source; the difference of
the two ratings is the logit that the first candidate is better.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.models.limits import reject_unknown_tokens
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.templates import fold_system
from rewardbench.types import Messages, TokenRequest, Tools

if TYPE_CHECKING:
    import torch

INSTRUCTION = (
    "Finish the following coversation in each i-th turn by filling in <Response i> with your response."  # as published
)
PREFIXES = ("<|source|>", "<|candidate1|>", "<|candidate2|>")
SOURCE_TOKENS, TOTAL_TOKENS = 1224, 2048
"""Tokens of the source, and of the whole; each candidate has half of what the source leaves."""


class PairRanker(HeadScorer):
    """Scores the probability that the first of two completions is better."""

    def prepare(self, prompt: Messages, *completions: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Encode a conversation and two candidates, each with its own special tokens.

        Raises:
            InputError: if the text is final, a completion has several messages, or turns do not alternate.
        """
        first, second = completions
        if rendered or len(first) != 1 or len(second) != 1:
            raise InputError("PairRM compares two single messages after a conversation.")
        messages = fold_system(prompt) if prompt[0]["role"] == "system" else prompt
        roles = [message["role"] for message in messages]
        if roles != [("user", "assistant")[turn % 2] for turn in range(len(messages))] or roles[-1] != "user":
            raise InputError("PairRM needs user and assistant turns that alternate and end with the user's.")
        responses = [message["content"] for message in messages[1::2]]
        source = write_source([message["content"] for message in messages[::2]])
        ids = self._encode(PREFIXES[0] + source, SOURCE_TOKENS)
        room = (TOTAL_TOKENS - len(ids)) // 2
        for prefix, completion in zip(PREFIXES[1:], (first, second), strict=True):
            ids += self._encode(prefix + write_candidate([*responses, completion[0]["content"]]), room)
        reject_unknown_tokens(ids, self.rows, self.chat.tokenizer)
        return TokenRequest(source, first[0]["content"], array("i", ids), 0, len(ids), pooled_token=PREFIXES[0])

    def _encode(self, text: str, most: int) -> list[int]:
        ids = self.chat.tokenizer(text, truncation=True, max_length=most)["input_ids"]
        return list(ids)

    def places(self, ids: Sequence[int]) -> list[int]:
        """Return the positions of the three prefixes."""
        vocabulary = self.chat.tokenizer.get_vocab()
        return [list(ids).index(vocabulary[prefix]) for prefix in PREFIXES]

    def read_states(self, states: Sequence[torch.Tensor]) -> list[list[float]]:
        """Return the probability that the first candidate is better, from the states [3, width] of each text."""
        import torch

        pairs = []
        for source, *candidates in states:
            pairs += [torch.cat([source, candidate]) for candidate in candidates]
        ratings = self.readout.scores(torch.stack(pairs))
        logits = [ratings[n] - ratings[n + 1] for n in range(0, len(ratings), 2)]
        return [[torch.tensor(logit, dtype=torch.float64).sigmoid().item()] for logit in logits]


def write_source(questions: Sequence[str]) -> str:
    """Return the conversation with a numbered gap for each response."""
    turns = [f"USER: {text}\nAssistant: <Response {number}>" for number, text in enumerate(questions, 1)]
    return INSTRUCTION + "\n".join(turns)


def write_candidate(responses: Sequence[str]) -> str:
    """Return the responses of one candidate, numbered as the gaps are."""
    return "\n".join(f"<Response {number}>: {text}" for number, text in enumerate(responses, 1))
