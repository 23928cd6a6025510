"""Judge by the logits of the first token of the answer: one forward pass per request, and no text is generated."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, fsum, inf
from typing import TYPE_CHECKING, Any

from rewardbench.errors import InputError
from rewardbench.forward.packed import apply_head, collate_packed, hidden_states
from rewardbench.forward.padding import choose_pad_id, filter_inputs, pad_batch
from rewardbench.models.devices import input_device
from rewardbench.models.failures import reported
from rewardbench.scorers.classifier import reset_rope
from rewardbench.scorers.judge.answers import Answer, Failure, TokenLogprob
from rewardbench.scorers.judge.local.base import LocalJudge
from rewardbench.scorers.judge.local.outcomes import find_outcomes
from rewardbench.scorers.judge.local.prompt_chat import PromptChat
from rewardbench.scorers.judge.protocols import JudgeProtocol
from rewardbench.scorers.logprobs import log_normalizers
from rewardbench.types import Messages, Score, ScorerReport, TokenRequest

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


LOW_SHARE = 0.5
"""Probability of all outcomes together below which a note warns that the answer is usually another."""


class LogitJudge(LocalJudge):
    """A judge whose answer is the probability of each outcome's tokens at the first position of the answer.

    See `LocalJudge` for the arguments.

    Raises:
        InputError: if an outcome is no single token, or the view cannot have such scores.
    """

    method = "logits"

    def __init__(
        self,
        model: PreTrainedModel,
        chat: PromptChat,
        name: str,
        protocol: JudgeProtocol,
        identity: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(model, chat, name, protocol, identity)
        rule = protocol.answer
        allowed = {"pointwise": rule.read, "pairwise": "probability or difference", "listwise": "probability"}
        if rule.read not in allowed[self.view]:
            raise InputError(
                f"The judge protocol {protocol.name} is not valid: answer.read must be {allowed[self.view]} in the "
                f"{self.view} view, not {rule.read}."
            )
        self._shares: dict[bytes, float] = {}
        """Probability of all outcomes together at the first token, by the key of the request."""
        self._max_shown = len(rule.tokens.keys() - set(rule.tie)) if rule.read == "probability" else None
        """Completions that the outcomes distinguish; None: no limit."""
        self.outcomes = find_outcomes(protocol.answer.tokens, chat, self.probe("It is short."))
        self.load_notes = self.outcomes.notes

    def prepare(self, prompt: Messages, *completions: Messages, **options: Any) -> TokenRequest:
        """Render and tokenize the prompt of the judge; see `LocalJudge.prepare`.

        Raises:
            InputError: if there are more completions than outcomes, too.
        """
        if self._max_shown is not None and len(completions) > self._max_shown:
            raise InputError(
                f"The judge protocol {self.protocol.name} has tokens for {self._max_shown} responses, and this item "
                f"has {len(completions)}: use another one."
            )
        return super().prepare(prompt, *completions, **options)

    def _read(self, request: TokenRequest, answers: Sequence[Answer]) -> tuple[Score, Failure | None]:
        """Return the score that answers give; record the call and the probability of its outcomes."""
        (token,) = answers[0].logprobs or (TokenLogprob("", -inf),)
        self._shares[request.key] = fsum(exp(logprob) for _, logprob in token.top)
        return super()._read(request, answers)

    def report(self) -> ScorerReport:
        """Return the report of a local judge, with the probability of all outcomes together, on average."""
        report = super().report()
        if not self._shares:
            return report
        share = fsum(self._shares.values()) / len(self._shares)
        judge = {**report.details["judge"], "outcome_probability": share}
        notes = report.notes
        if share < LOW_SHARE:
            notes += (
                f"The outcomes of the protocol {self.protocol.name} have {100 * share:.1f} % of the probability at the "
                "first token: the judge would usually write something else.",
            )
        return replace(report, notes=notes, details={"judge": judge})

    def answer_batch(self, requests: Sequence[TokenRequest]) -> list[list[Answer]]:
        """Return for each request one answer, which has the log-probabilities of the outcomes' tokens."""
        return [[answer] for answer in self._to_answers(self._batch_logits(requests), requests)]

    def forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Return by how much the log-probability of the first outcome exceeds that of the second."""
        return self._margins(self._batch_logits(requests))

    def score_unbatched(self, request: TokenRequest) -> float:
        """Return the same for one prompt, by the model's own forward pass: the reference for every batch."""
        import torch

        with torch.inference_mode(), reported(self.name, self.model.config, request):
            reset_rope(self.model, self.rope)
            ids = torch.tensor([request.ids], device=input_device(self.model))
            return self._margins(self.model(**filter_inputs(self.model, {"input_ids": ids})).logits[:, -1])[0]

    def _margins(self, logits: torch.Tensor) -> list[float]:
        first, second, *_ = [logits[:, list(ids)].double().logsumexp(-1) for ids in self.outcomes.ids]
        margins: list[float] = (first - second).tolist()
        return margins

    def _batch_logits(self, requests: Sequence[TokenRequest]) -> torch.Tensor:
        """Return the logits of the first token of each answer: [requests, vocabulary]."""
        import torch

        reset_rope(self.model, self.rope)
        with torch.inference_mode():
            return self._packed_logits(requests) if self.layout.packed else self._padded_logits(requests)

    def _packed_logits(self, requests: Sequence[TokenRequest]) -> torch.Tensor:
        """Compute each distinct prefix once, and the vocabulary head at the last position of each prompt."""
        positions = [[len(request) - 1] for request in requests]
        reads = collate_packed(self.model, [request.ids for request in requests], positions, self.layout.last_layer)
        hidden = hidden_states(self.model, reads.batch, self.layout.last_layer)[reads.states]
        return apply_head(self.model, hidden[:, None], reads.input_ids.to(hidden.device)[:, None])[:, 0]

    def _padded_logits(self, requests: Sequence[TokenRequest]) -> torch.Tensor:
        """Run a batch that is padded on the right; the vocabulary head runs for the last positions only, if it can."""
        import torch

        pad_id = choose_pad_id(requests, None, self.model.config.get_text_config().vocab_size)
        inputs = filter_inputs(self.model, pad_batch(requests, pad_id, "right", input_device(self.model)))
        lasts = torch.tensor([len(request) - 1 for request in requests], device=input_device(self.model))
        positions, columns = torch.unique(lasts, return_inverse=True)
        if "logits_to_keep" in inspect.signature(self.model.forward).parameters:
            logits = self.model(**inputs, logits_to_keep=positions).logits
        else:
            logits, columns = self.model(**inputs).logits, lasts
        last_logits: torch.Tensor = logits[torch.arange(len(requests), device=logits.device), columns]
        return last_logits

    def _to_answers(self, logits: torch.Tensor, requests: Sequence[TokenRequest]) -> list[Answer]:
        """Return for each row of logits [requests, vocabulary] an answer of the likeliest token among the outcomes."""
        normalizers = log_normalizers(logits)
        log_probs = logits[:, list(self.outcomes.texts)].double() - normalizers[:, None]
        texts = list(self.outcomes.texts.values())
        answers: list[Answer] = []
        for request, values in zip(requests, log_probs.tolist(), strict=True):
            top = sorted(zip(texts, values, strict=True), key=lambda pair: -pair[1])
            token = TokenLogprob(*top[0], tuple(top))
            answers.append(Answer(token.token, model=self.name, prompt_tokens=len(request), logprobs=(token,)))
        return answers
