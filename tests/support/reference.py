"""Reference scores by a model's own forward on unpadded sequences, and scores in every layout of the engine."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from rewardbench.engine.loop import score
from rewardbench.engine.views import collect, expand
from rewardbench.scorers.base import ModelScorer
from rewardbench.scorers.dpo import Stage
from rewardbench.scorers.logprobs import LogProbs
from rewardbench.types import Item, Score, TokenRequest

DECODERS = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "gpt_neox", "gpt2", "opt"]

LAYOUTS = ("packed", "packed with full last layer", "padded right", "padded left")

BUDGETS = ((1, None), (300, None), (2048, None), (10**6, 3), (10**6, 64))
"""Maximum tokens and maximum texts of a batch."""


def prepare_all(scorer: ModelScorer, items: Sequence[Item]) -> list[TokenRequest]:
    """Return the requests of all completions, item by item."""
    requests = []
    for item in items:
        for completion in item.completions:
            requests.append(scorer.prepare(item.prompt, completion, False))
    return requests


def score_unbatched(model: PreTrainedModel, requests: Sequence[TokenRequest]) -> list[float]:
    """Return the reference scores: the model's own forward on one unpadded sequence at a time."""
    scores = []
    with torch.inference_mode():
        for request in requests:
            scores.append(float(model(input_ids=torch.tensor([request.ids])).logits))
    return scores


def score_calls_unbatched(scorer: ModelScorer, items: Sequence[Item]) -> list[float]:
    """Return the reference scores, item by item, of a scorer of any view; steps are aggregated."""
    scores: list[float] = []
    for item in items:
        values = []
        for call in expand(item, scorer.view):
            request = scorer.prepare(item.prompt, *call.completions(item), rendered=item.rendered)
            values.append(scorer.score_unbatched(request))
        scores += collect(item, "pairwise" if scorer.view == "pairwise" else "pointwise", values).scores
    return scores


def decisions(scores: Sequence[float]) -> list[bool]:
    """Return, for the scores of pairs, whether each first completion is preferred."""
    return [chosen > rejected for chosen, rejected in zip(scores[::2], scores[1::2], strict=True)]


def largest_difference(scores: Sequence[float], expected: Sequence[float]) -> float:
    """Return the largest absolute difference between scores of the same texts."""
    return max(abs(a - b) for a, b in zip(scores, expected, strict=True))


def with_layout(scorer: ModelScorer, layout: str) -> ModelScorer:
    """Return the scorer in one of LAYOUTS."""
    side = "left" if layout == "padded left" else "right"
    last_layer = None if layout == "packed with full last layer" else scorer.layout.last_layer
    packed = layout.startswith("packed")
    return scorer.with_layout(replace(scorer.layout, packed=packed, side=side, last_layer=last_layer))


def score_in_layouts(
    scorer: ModelScorer,
    items: Sequence[Item],
    layouts: Sequence[str] = LAYOUTS,
    budgets: Sequence[tuple[int, int | None]] = BUDGETS,
) -> list[list[float]]:
    """Return all scores, item by item, for each layout and budget; each time in another order."""
    all_scores = []
    for layout in layouts:
        variant = with_layout(scorer, layout)
        for batch_tokens, batch_size in budgets:
            shuffled = list(items)
            random.Random(f"{batch_tokens} {batch_size}").shuffle(shuffled)
            scored = score(shuffled, variant, batch_tokens=batch_tokens, batch_size=batch_size).items
            scores_by_id = {item_scores.id: item_scores.scores for item_scores in scored}
            scores: list[float] = []
            for item in items:
                scores += scores_by_id[item.id]
            all_scores.append(scores)
    return all_scores


def load_stage(stage: Stage) -> LogProbs:
    """Return the scorer of one stage of a DPO scorer; tiny models stay in memory."""
    with stage as scorer:
        return scorer


def log_probs_by_hand(model: PreTrainedModel, request: TokenRequest) -> torch.Tensor:
    """Return the log-probability of each completion token, in double precision from one unpadded forward."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([request.ids])).logits[0].double()
    positions = torch.arange(request.start, request.end)
    log_probs = logits[positions - 1] - torch.logsumexp(logits[positions - 1], 1, keepdim=True)
    return log_probs.gather(1, torch.tensor(request.ids)[positions, None])[:, 0]


@contextmanager
def interrupted(scorer: ModelScorer, batches: int) -> Iterator[None]:
    """Context manager: interrupt the scorer, as Ctrl-C does, when it has scored some batches."""
    run, remaining = scorer.run, [batches]

    def breaking(batch: Sequence[TokenRequest]) -> Sequence[Score]:
        remaining[0] -= 1
        if remaining[0] < 0:
            raise KeyboardInterrupt
        return run(batch)

    scorer.run = breaking
    with pytest.raises(KeyboardInterrupt):
        yield
    scorer.run = run
