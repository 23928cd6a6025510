"""General Preference Models: each completion is embedded by itself, and a skew-symmetric form compares two embeddings.

The embedding `v` is the unit vector of the head's outputs at the last token, which is replaced by EOS. Each pair of its
outputs is a block, weighed by a softmax over a second head on the last token of the first user turn:

    logit(a better than b) = sum over blocks k of weight[k] * (a[2k] * b[2k + 1] - a[2k + 1] * b[2k]) / temperature

The form changes its sign if the completions change places, so the order has no effect.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rewardbench.errors import InputError
from rewardbench.models.devices import input_device
from rewardbench.models.failures import reported
from rewardbench.models.limits import reject_unknown_tokens
from rewardbench.scorers.classifier import reset_rope
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.scorers.heads.spec import Embeddings
from rewardbench.types import Messages, TokenRequest, Tools

if TYPE_CHECKING:
    import torch


class PairEmbedder(HeadScorer):
    """Scores the probability that the first of two completions is better.

    A request holds the ids of both texts: the first ends at `end`. `start` counts the tokens up to the end of the first
    user turn, in the text that sorts first; the weights of the blocks are read there, whatever the order.
    """

    def prepare(self, prompt: Messages, *completions: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Render and tokenize two completions, each in its context.

        Raises:
            InputError: if the text is final, or the template cannot render it.
        """
        if rendered:
            raise InputError("A General Preference Model reads the end of the prompt, so it takes no final text.")
        first, second = (self._text(prompt, completion, tools) for completion in completions)
        opening = self.chat.request((), prompt[: 2 if prompt[0]["role"] == "system" else 1], tools=tools)
        source = min(first, second, key=_by_ids)
        cut = source.dropped if self.chat.truncation_side == "left" else 0
        start = min(max(len(opening) + opening.dropped - cut, 1), len(source))
        ids = first.ids + second.ids
        reject_unknown_tokens(ids, self.rows, self.chat.tokenizer)
        return TokenRequest(
            text=f"{first.text}\n{second.text}",
            completion=first.completion,
            ids=ids,
            start=start,
            end=len(first),
            dropped=first.dropped + second.dropped,
            pooled_token=str(self.chat.tokenizer.eos_token),
            notes=tuple(dict.fromkeys(first.notes + second.notes)),
        )

    def _text(self, prompt: Messages, completion: Messages, tools: Tools) -> TokenRequest:
        """Return a completion in its context, with its last token replaced by EOS."""
        eos = self.chat.tokenizer.eos_token_id
        if eos is None:
            raise InputError(
                f"The tokenizer of {self.name} has no EOS token, at which a General Preference Model reads."
            )
        request = self.chat.request(prompt, completion, tools=tools)
        return replace(request, ids=request.ids[:-1] + array("i", [eos]))

    def collate(self, requests: Sequence[TokenRequest]) -> Any:
        """Pack or pad the distinct texts of all requests, by their length buckets."""
        texts = dict.fromkeys(text for request in requests for text in split_pair(request))
        buckets: dict[object, list[TokenRequest]] = {}
        for text in texts:
            buckets.setdefault(self.rope.length_bucket(len(text)), []).append(text)
        return [(bucket, self._collate(bucket, list(map(_positions, bucket)))) for bucket in buckets.values()]

    def position_scores(self, requests: Sequence[TokenRequest]) -> list[list[float]]:
        """Return the probability of each request that its first completion is better; each text is run once."""
        import torch

        states: dict[TokenRequest, torch.Tensor] = {}
        with self.inputs(requests) as buckets, torch.inference_mode():
            for texts, inputs in buckets:
                states.update(zip(texts, self._states(inputs), strict=True))
            return [[self._compare(*split_pair(request), states)] for request in requests]

    def score_unbatched(self, request: TokenRequest) -> float:
        """Score one pair by the model's own forward on each text, which every batch must equal."""
        import torch

        states: dict[TokenRequest, torch.Tensor] = {}
        with torch.inference_mode(), reported(self.name, self.model.config, request):
            pair = split_pair(request)
            for text in pair:
                reset_rope(self.model, self.rope)
                ids = torch.tensor([text.ids], device=input_device(self.model))
                states[text] = self._outputs({"input_ids": ids})[0, _positions(text)]
            return self._compare(*pair, states)

    def _compare(self, first: TokenRequest, second: TokenRequest, states: dict[TokenRequest, torch.Tensor]) -> float:
        """Return the probability that the first text is better, from the states of both."""
        if not isinstance(self.spec.pair, Embeddings):
            raise InputError(f"The head spec {self.spec.name} does not compare embeddings.")
        source = min(first, second, key=_by_ids)
        logit = self.readout.preference(states[first][-1:], states[second][-1:], states[source][:1])
        return float((logit.double() / self.spec.pair.temperature).sigmoid())


def _by_ids(text: TokenRequest) -> array[int]:
    return text.ids


def split_pair(request: TokenRequest) -> tuple[TokenRequest, TokenRequest]:
    """Return the two texts of a request; `start` is 0 in the one whose prompt is not read."""
    first, second = request.ids[: request.end], request.ids[request.end :]
    starts = (request.start, 0) if first <= second else (0, request.start)
    texts = [TokenRequest("", "", ids, start, len(ids)) for ids, start in zip((first, second), starts, strict=True)]
    return texts[0], texts[1]


def _positions(text: TokenRequest) -> list[int]:
    """Return the positions that are read: the end of the prompt if it is read, then the last token."""
    return [*([text.start - 1] if text.start else []), len(text) - 1]
