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
from rewardbench.scorers.heads.inputs import render_format
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.scorers.heads.spec import Segments
from rewardbench.templates import fold_system
from rewardbench.types import Messages, TokenRequest, Tools

if TYPE_CHECKING:
    import torch

INSTRUCTION = (
    "Finish the following coversation in each i-th turn by filling in <Response i> with your response."  # as published
)
PREFIXES = ("<|source|>", "<|candidate1|>", "<|candidate2|>")


class PairRanker(HeadScorer):
    """Scores the probability that the first of two completions is better.

    In a request, the segments of the candidates begin at `start` and at `end`.
    """

    def prepare(self, prompt: Messages, *completions: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Encode a conversation and two candidates, each with its own special tokens.

        Raises:
            InputError: if the text is final, a completion has several messages, or turns do not alternate.
        """
        first, second = completions
        pair = self.spec.pair
        if not isinstance(pair, Segments):
            raise InputError(f"The head spec {self.spec.name} has no segments.")
        if rendered or len(first) != 1 or len(second) != 1:
            raise InputError("PairRM compares two single messages after a conversation.")
        source, *candidates = write_segments(pair, prompt, first[0]["content"], second[0]["content"])
        ids, dropped = self._encode(PREFIXES[0] + source, pair.source_tokens, pair.truncation_side)
        room = (pair.total_tokens - len(ids)) // 2
        starts: list[int] = []
        for prefix, candidate in zip(PREFIXES[1:], candidates, strict=True):
            candidate_ids, excess = self._encode(prefix + candidate, room, "right")
            starts.append(len(ids))
            ids += candidate_ids
            dropped += excess
        reject_unknown_tokens(ids, self.rows, self.chat.tokenizer)
        start, end = starts
        content = first[0]["content"]
        return TokenRequest(source, content, array("i", ids), start, end, dropped, pooled_token=PREFIXES[0])

    def _encode(self, text: str, most: int, side: str) -> tuple[list[int], int]:
        """Return the ids of a text between its special tokens, and the number of those that were cut.

        The first two tokens, CLS and the prefix, and the last, SEP, are kept.

        Raises:
            InputError: if the second token is not the prefix: the tokenizer is not that of the model.
        """
        tokenizer = self.chat.tokenizer
        ids = list(tokenizer(text, truncation=False, verbose=False)["input_ids"])
        if len(ids) < 3 or tokenizer.convert_ids_to_tokens(ids[1]) not in PREFIXES:
            raise InputError(f"The tokenizer of {self.name} has no tokens {', '.join(PREFIXES)}, at which it is read.")
        excess = max(0, len(ids) - most)
        cut = 2 if side == "left" else len(ids) - 1 - excess
        return ids[:cut] + ids[cut + excess :], excess

    def places(self, request: TokenRequest) -> list[int]:
        """Return the positions of the three prefixes, each after the CLS of its segment."""
        return [1, request.start + 1, request.end + 1]

    def read_states(self, states: Sequence[torch.Tensor]) -> list[list[float]]:
        """Return the probability that the first candidate is better, from the states [3, width] of each text."""
        import torch

        pairs = []
        for source, *candidates in states:
            pairs += [torch.cat([source, candidate]) for candidate in candidates]
        ratings = self.readout.scores(torch.stack(pairs))
        logits = [ratings[n] - ratings[n + 1] for n in range(0, len(ratings), 2)]
        return [[torch.tensor(logit, dtype=torch.float64).sigmoid().item()] for logit in logits]


def write_segments(pair: Segments, prompt: Messages, *contents: str) -> list[str]:
    """Return the source, and the text of each candidate.

    Raises:
        InputError: if the gaps are numbered, and turns do not alternate.
    """
    if pair.turns is not None:
        return [(render_format(pair.turns)(prompt, ()) + pair.end).rstrip(), *contents]
    messages = fold_system(prompt) if prompt[0]["role"] == "system" else prompt
    roles = [message["role"] for message in messages]
    if roles != [("user", "assistant")[turn % 2] for turn in range(len(messages))] or roles[-1] != "user":
        raise InputError("PairRM needs user and assistant turns that alternate and end with the user's.")
    responses = [message["content"] for message in messages[1::2]]
    source = write_source([message["content"] for message in messages[::2]])
    return [source, *(write_candidate([*responses, content]) for content in contents)]


def write_source(questions: Sequence[str]) -> str:
    """Return the conversation with a numbered gap for each response."""
    turns = [f"USER: {text}\nAssistant: <Response {number}>" for number, text in enumerate(questions, 1)]
    return INSTRUCTION + "\n".join(turns)


def write_candidate(responses: Sequence[str]) -> str:
    """Return the responses of one candidate, numbered as the gaps are."""
    return "\n".join(f"<Response {number}>: {text}" for number, text in enumerate(responses, 1))
