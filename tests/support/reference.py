"""Scores by definition: a model run on one unpadded sequence at a time; and by every layout of the engine."""

import random
from dataclasses import replace
from typing import Any

import torch

from rewardbench.engine.loop import score
from rewardbench.types import Item, TokenRequest

DECODERS = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "gpt_neox", "gpt2", "opt"]


def one_by_one(model: Any, requests: list[TokenRequest]) -> list[float]:
    """The definition: the model's own forward on one unpadded sequence."""
    with torch.inference_mode():
        return [float(model(input_ids=torch.tensor([r.ids])).logits) for r in requests]


LAYOUTS = ("row", "whole row", "right", "left")
"""A row without padding, one whose last layer runs for all of its tokens, and padded batches."""


def lay_out(scorer: Any, layout: str) -> Any:
    side, last = "left" if layout == "left" else "right", None if layout == "whole row" else scorer.layout.last
    return scorer.with_layout(replace(scorer.layout, packed="row" in layout, side=side, last=last))


def every_layout(scorer: Any, items: list[Item], layouts: tuple[str, ...] = LAYOUTS) -> list[list[float]]:
    """All scores, item by item, in each layout, budget and order."""
    found = []
    for layout in layouts:
        variant = lay_out(scorer, layout)
        for budget, size in ((1, None), (300, None), (2048, None), (10**6, 3), (10**6, 64)):
            order = list(items)
            random.Random(budget).shuffle(order)
            scored = {s.id: s.scores for s in score(order, variant, batch_tokens=budget, batch_size=size).items}
            found.append([x for item in items for x in scored[item.id]])
    return found


def loaded(part: Any) -> Any:
    """The scorer of one model; tiny ones stay in memory."""
    with part as scorer:
        return scorer


def by_hand(model: Any, request: TokenRequest) -> torch.Tensor:
    """log p of each completion token, one at a time, from one unpadded forward."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([request.ids])).logits[0].double()
    return torch.stack(
        [
            logits[at - 1, request.ids[at]] - torch.logsumexp(logits[at - 1], 0)
            for at in range(request.start, request.end)
        ]
    )
