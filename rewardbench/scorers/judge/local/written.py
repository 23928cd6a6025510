"""Judge by the text that the model writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from rewardbench.errors import InputError
from rewardbench.models.failures import reported
from rewardbench.scorers.classifier import reset_rope
from rewardbench.scorers.judge.answers import Answer
from rewardbench.scorers.judge.local.base import LocalJudge
from rewardbench.scorers.judge.local.decoding import Decoder, Generated, GenerationRequest
from rewardbench.scorers.judge.local.outcomes import decode
from rewardbench.scorers.judge.local.prompt_chat import PromptChat
from rewardbench.scorers.judge.protocols import JudgeProtocol
from rewardbench.types import BatchTraits, Messages, TokenRequest

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class WritingJudge(LocalJudge):
    """A judge whose answer is text that the model generates.

    Args:
        model: in evaluation mode.
        chat: renders the prompts of the protocol.
        name: of the model, for results.
        protocol: prompt, parser, sampling and orders, with the user's changes.
        decoder: generates the answers.
        identity: fingerprint of weights, tokenizer and libraries, as far as they are known.
    """

    method = "generation"

    def __init__(
        self,
        model: PreTrainedModel,
        chat: PromptChat,
        name: str,
        protocol: JudgeProtocol,
        decoder: Decoder,
        identity: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(model, chat, name, protocol, identity)
        self.decoder = decoder

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """Return everything that can change a score, and nothing else."""
        return {**super().fingerprint, "stop_tokens": sorted(self.decoder.stop_ids)}

    @property
    def traits(self) -> BatchTraits:
        """Return how the layout takes batches; batches are not packed, since the model generates."""
        return replace(super().traits, packed=False)

    def prepare(self, prompt: Messages, *completions: Messages, **options: Any) -> TokenRequest:
        """Render and tokenize the prompt of the judge; see `LocalJudge.prepare`.

        Raises:
            InputError: if the model has no position left for an answer, too.
        """
        request = super().prepare(prompt, *completions, **options)
        if self._max_new_tokens(request) < 1:
            raise InputError(f"the prompt of the judge fills all {self.chat.max_length} tokens that the model takes")
        return request

    def answer_batch(self, requests: Sequence[TokenRequest]) -> list[list[Answer]]:
        """Generate the answers to each request, one per repeat."""
        reset_rope(self.model, self.rope)
        is_greedy = self.decoder.sampler.temperature == 0
        answers: list[list[Answer]] = [[] for _ in requests]
        for repeat in range(1 if is_greedy else self.protocol.repeats):
            prompts = [
                GenerationRequest(request, self._max_new_tokens(request), self._seed(request, repeat))
                for request in requests
            ]
            for number, generated in enumerate(self.decoder.generate(prompts)):
                answers[number].append(self._to_answer(requests[number], generated))
        if is_greedy:
            return [repeats * self.protocol.repeats for repeats in answers]
        return answers

    def _max_new_tokens(self, request: TokenRequest) -> int:
        """Return the maximum tokens of an answer: the protocol's, limited by the positions that the prompt leaves."""
        limit = self.chat.max_length
        max_tokens = self.protocol.sampling.max_tokens
        free_positions = limit - len(request) if limit else None
        limits = [value for value in (max_tokens, free_positions) if value is not None]
        return min(limits, default=2048)

    def _seed(self, request: TokenRequest, repeat: int) -> int:
        """Return the seed of an answer, which depends on the protocol's seed, the repeat and the prompt."""
        seed = f"{(self.protocol.sampling.seed or 0) + repeat} ".encode()
        return int.from_bytes(blake2b(seed + request.key, digest_size=7).digest())

    def _to_answer(self, request: TokenRequest, generated: Generated) -> Answer:
        text = decode(self.chat.tokenizer, generated.ids, skip_special_tokens=True)
        ends = [position for stop in self.decoder.stop_texts if (position := text.find(stop)) >= 0]
        return Answer(
            text[: min(ends, default=len(text))],
            finish_reason="stop" if generated.is_stopped else "length",
            model=self.name,
            prompt_tokens=len(request),
            completion_tokens=len(generated.ids),
            logprobs=tuple(generated.logprobs) if self.decoder.sampler.top_logprobs is not None else None,
        )

    def forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Return the largest logit after each prompt and some generated tokens, by which the layout is chosen."""
        reset_rope(self.model, self.rope)
        logits: list[float] = self.decoder.probe_logits(requests).max(-1).values.tolist()
        return logits

    def score_unbatched(self, request: TokenRequest) -> float:
        """Return the same for one prompt with batch size 1: the reference for every batch."""
        with reported(self.name, self.model.config, request):
            return self.forward([request])[0]
