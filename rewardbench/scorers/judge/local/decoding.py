"""Generate text in batches such that no answer depends on its batch.

Batching moves logits by rounding, so that a choice between two tokens of almost the same logit could be another one.
While a batch is generated, each choice is compared with the noise of the architecture; a sequence with a choice within
it is generated again with batch size 1. Sampling adds noise of a generator of each sequence (the Gumbel-max trick),
after which the largest logit is chosen as in greedy search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from rewardbench.forward.padding import choose_pad_id, pad_batch
from rewardbench.models.devices import input_device
from rewardbench.scorers.judge.answers import TokenLogprob
from rewardbench.scorers.judge.local.outcomes import decode
from rewardbench.types import TokenRequest

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SMALLEST_NOISE = 1e-5
"""Noise of logits that is assumed at least, relative to the largest: a short probe may show less than a long prompt."""
NUCLEUS_MARGIN = 1e-4
"""By how much `top_p` is moved to see whether rounding could change a choice at the edge of the nucleus."""
PROBE_TOKENS = 3
"""Tokens that are generated to measure noise."""


@dataclass(frozen=True)
class Sampler:
    """How the next token is chosen."""

    temperature: float = 0.0
    """0 is greedy search."""
    top_p: float = 1.0
    top_logprobs: int | None = None
    """Number of alternatives that are recorded of each token; None: no logprobs."""


@dataclass(frozen=True)
class GenerationRequest:
    """A prompt, with the limit of its answer and the seed of its sampling."""

    request: TokenRequest
    max_tokens: int
    seed: int = 0


@dataclass
class Generated:
    """A generated answer."""

    ids: list[int] = field(default_factory=list)
    """Without the token that ends it."""
    is_stopped: bool = False
    """False if it was cut at its maximum number of tokens."""
    is_uncertain: bool = False
    """True if rounding could have changed a choice."""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    is_finished: bool = False


class Decoder:
    """Generates answers with one model.

    Args:
        model: a causal model, in evaluation mode; its own generation settings are not used.
        tokenizer: of the model.
        sampler: how the next token is chosen.
        stop_ids: tokens that end an answer.
        stop_texts: texts that end an answer.
        tolerance: difference of two logits, relative to the largest one, within which a choice is uncertain; 0: none
            is, since the dtype is not exact.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        sampler: Sampler,
        stop_ids: Sequence[int],
        stop_texts: Sequence[str] = (),
        tolerance: float = 0.0,
    ) -> None:
        self.model, self.tokenizer, self.sampler = model, tokenizer, sampler
        self.stop_ids, self.stop_texts, self.tolerance = frozenset(stop_ids), tuple(stop_texts), tolerance
        self.repeated = 0
        """Sequences that were generated again with batch size 1."""

    def generate(self, prompts: Sequence[GenerationRequest]) -> list[Generated]:
        """Generate an answer to each prompt; a sequence of a batch with an uncertain choice is generated again."""
        generated = self._generate_batch(prompts, self.tolerance if len(prompts) > 1 else 0.0)
        for number, sequence in enumerate(generated):
            if sequence.is_uncertain:
                self.repeated += 1
                (generated[number],) = self._generate_batch([prompts[number]], 0.0)
        return generated

    def _generate_batch(self, prompts: Sequence[GenerationRequest], tolerance: float) -> list[Generated]:
        sequences = [Generated() for _ in prompts]
        choice = _Choice(self, prompts, sequences, tolerance)
        self._run(
            [prompt.request for prompt in prompts],
            max(prompt.max_tokens for prompt in prompts),
            choice,
            _Stop(self, prompts, sequences),
        )
        return sequences

    def _run(
        self,
        requests: Sequence[TokenRequest],
        max_tokens: int,
        processor: LogitsProcessor,
        stop: StoppingCriteria | None = None,
    ) -> None:
        """Run the model's own `generate` on a batch that is padded on the left."""
        pad_id = choose_pad_id(requests, None, self.model.config.get_text_config().vocab_size)
        inputs = pad_batch(requests, pad_id, "left", input_device(self.model))
        settings = GenerationConfig(max_new_tokens=max_tokens, pad_token_id=pad_id)  # type: ignore[no-untyped-call]
        self.model.generate(  # type: ignore[operator]
            inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            generation_config=settings,
            logits_processor=LogitsProcessorList([processor]),
            stopping_criteria=StoppingCriteriaList([stop] if stop else []),
        )

    def probe_logits(self, requests: Sequence[TokenRequest]) -> torch.Tensor:
        """Return the logits after each prompt and some of its own tokens: [requests, vocabulary]."""
        probe = _Probe(requests)
        self._run(requests, PROBE_TOKENS, probe)
        return probe.logits

    def measure_noise(self, requests: Sequence[TokenRequest]) -> float:
        """Return the largest difference of logits between a batch and batch size 1, relative to the largest logit."""
        noise = 0.0
        for request, batched in zip(requests, self.probe_logits(requests), strict=True):
            (unbatched,) = self.probe_logits([request])
            noise = max(noise, float((batched - unbatched).abs().max() / unbatched.abs().max()))
        return noise


class _Probe(LogitsProcessor):
    """Chooses tokens of each prompt in turn, so that all batches have the same texts, and records the last logits."""

    def __init__(self, requests: Sequence[TokenRequest]) -> None:
        self._requests, self._step = requests, 0
        self.logits: torch.Tensor

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.logits = scores
        chosen = scores.new_full(scores.shape, -float("inf"))
        for row, request in enumerate(self._requests):
            chosen[row, request.ids[self._step % len(request)]] = 0.0
        self._step += 1
        return chosen


class _Choice(LogitsProcessor):
    """Makes the next token of each sequence the largest of the returned scores, and marks uncertain choices."""

    def __init__(
        self, decoder: Decoder, prompts: Sequence[GenerationRequest], sequences: Sequence[Generated], tolerance: float
    ) -> None:
        import torch

        self._decoder, self._sampler, self._sequences, self._tolerance = decoder, decoder.sampler, sequences, tolerance
        self._generators = [torch.Generator().manual_seed(prompt.seed) for prompt in prompts]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        sampler = self._sampler
        noise = scores.abs().max(-1).values * self._tolerance
        chosen, uncertain = scores, None
        if sampler.temperature > 0:
            noise = noise / sampler.temperature
            noisy = scores / sampler.temperature + self._gumbel(scores)
            chosen = _within_nucleus(scores / sampler.temperature, noisy, sampler.top_p)
            uncertain = self._is_at_edge(scores, noisy)
        if self._tolerance > 0:
            largest = chosen.topk(2).values
            near = largest[:, 0] - largest[:, 1] <= noise
            near = near if uncertain is None else near | uncertain
            for sequence, is_near in zip(self._sequences, near.tolist(), strict=True):
                sequence.is_uncertain |= is_near and not sequence.is_finished
        if sampler.top_logprobs is not None:
            self._record(scores, chosen.argmax(-1).tolist())
        return chosen

    def _gumbel(self, scores: torch.Tensor) -> torch.Tensor:
        """Return Gumbel noise for each logit; that of a sequence depends on its seed and step only."""
        import torch

        rows: list[torch.Tensor] = []
        for generator, sequence in zip(self._generators, self._sequences, strict=True):
            if sequence.is_finished:
                rows.append(torch.zeros(scores.shape[-1]))
            else:
                rows.append(-torch.empty(scores.shape[-1]).exponential_(generator=generator).log())
        return torch.stack(rows).to(scores.device)

    def _is_at_edge(self, scores: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
        """Return for each sequence whether a slightly smaller or larger nucleus has another choice."""
        import torch

        top_p = self._sampler.top_p
        if top_p >= 1:
            return torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
        scaled = scores / self._sampler.temperature
        inner = _within_nucleus(scaled, noisy, top_p - NUCLEUS_MARGIN).argmax(-1)
        outer = _within_nucleus(scaled, noisy, top_p + NUCLEUS_MARGIN).argmax(-1)
        return inner != outer

    def _record(self, scores: torch.Tensor, chosen: Sequence[int]) -> None:
        """Record the log-probability of each chosen token, and the most probable ones."""
        log_probs = scores.log_softmax(-1)
        top = log_probs.topk(min(self._sampler.top_logprobs or 1, log_probs.shape[-1]))
        tokenizer = self._decoder.tokenizer
        rows = zip(self._sequences, chosen, top.indices.tolist(), top.values.tolist(), strict=True)
        for row, (sequence, token_id, ids, values) in enumerate(rows):
            if sequence.is_finished:
                continue
            pairs: list[tuple[str, float]] = []
            for alternative, value in zip(ids, values, strict=True):
                pairs.append((decode(tokenizer, [alternative]), value))
            logprob = float(log_probs[row, token_id])
            sequence.logprobs.append(TokenLogprob(decode(tokenizer, [token_id]), logprob, tuple(pairs)))


def _within_nucleus(scaled: torch.Tensor, noisy: torch.Tensor, top_p: float) -> torch.Tensor:
    """Return noisy logits, without those outside the smallest set of tokens whose probability is at least `top_p`.

    Args:
        scaled: [sequences, vocabulary], logits by which the set is found.
        noisy: [sequences, vocabulary].
        top_p: probability of the set; 1 or more keeps all tokens.
    """
    if top_p >= 1:
        return noisy
    ordered, order = scaled.softmax(-1).sort(dim=-1, descending=True, stable=True)
    is_outside = ordered.cumsum(-1) - ordered >= top_p
    is_outside[:, 0] = False
    return noisy.masked_fill(is_outside.scatter(-1, order, is_outside), -float("inf"))


class _Stop(StoppingCriteria):
    """Ends each sequence at a stop token, a stop text or its limit, and as soon as a choice is uncertain."""

    def __init__(self, decoder: Decoder, prompts: Sequence[GenerationRequest], sequences: Sequence[Generated]) -> None:
        self._decoder, self._prompts, self._sequences = decoder, prompts, sequences
        self.eos_token_id = sorted(decoder.stop_ids)
        """Tells `generate` to fill up finished sequences with the pad token."""
        longest = max((len(text.encode()) for text in decoder.stop_texts), default=0)
        self._window = longest + 4
        """Tokens that contain a stop text which just ended: a token has at least one byte."""

    def __call__(self, input_ids: torch.Tensor, scores: object, **options: object) -> torch.Tensor:
        import torch

        for prompt, sequence, token_id in zip(self._prompts, self._sequences, input_ids[:, -1].tolist(), strict=True):
            if not sequence.is_finished:
                self._add(prompt, sequence, token_id)
        finished = [sequence.is_finished for sequence in self._sequences]
        return torch.tensor(finished, device=input_ids.device)

    def _add(self, prompt: GenerationRequest, sequence: Generated, token_id: int) -> None:
        """Add a token to a sequence, and see whether that finishes it."""
        if token_id in self._decoder.stop_ids:
            sequence.is_stopped = True
            del sequence.logprobs[len(sequence.ids) :]  # of the stop token
        else:
            sequence.ids.append(token_id)
            if self._decoder.stop_texts:
                end = decode(self._decoder.tokenizer, sequence.ids[-self._window :])
                sequence.is_stopped = any(text in end for text in self._decoder.stop_texts)
        is_full = len(sequence.ids) >= prompt.max_tokens
        sequence.is_finished = sequence.is_stopped or sequence.is_uncertain or is_full
