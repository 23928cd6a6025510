"""One scorer, all the ways to compute its scores: batch sizes, orders, padding sides, layouts. It compares nothing.

The definition is the model's own forward on one unpadded text; the cells of the grid are what must equal it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rewardbench.engine.batching import count_tokens
from rewardbench.engine.budget import bytes_per_token, free_memory
from rewardbench.models.devices import release
from rewardbench.models.failures import ModelFailure, first_sentence, out_of_memory
from rewardbench.scorers.base import BaseScorer, ModelScorer
from rewardbench.scorers.dpo import Dpo
from rewardbench.types import TokenRequest

SIZES = (1, 3, 8, 64)

Values = list[float]
"""One a request, in the order of the requests."""
Watch = Callable[[str, int], Any]
"""Given what is done and how many pieces it has, a context that is called at each piece."""


@dataclass(frozen=True)
class Cell:
    """One way to compute all scores: requests a batch, their order, where it is filled up (a row is not), layout."""

    size: int
    order: Literal["as it comes", "shuffled"]
    side: Literal["left", "right"] | None
    layout: Literal["padded", "row"]


@dataclass(frozen=True)
class Heard:
    """What a scorer, or one part of it, said of each text alone, and in each cell; or why a cell could not be had."""

    alone: Values = field(default_factory=list)
    cells: dict[Cell, Values] = field(default_factory=dict)
    failed: dict[Cell, str] = field(default_factory=dict)
    allowed: Values = field(default_factory=list)
    """How far each score may be from the definition in float32."""


def grid(scorer: ModelScorer) -> list[Cell]:
    """Return the cells that a scorer has: one of batch size 1 has no others, an encoder is not padded on the left."""
    from rewardbench.models.layers import is_encoder

    traits = scorer.traits
    sizes = (1,) if traits.max_batch_size == 1 else SIZES
    sides = ("right",) if traits.max_batch_size == 1 or is_encoder(scorer.model.config) else ("right", "left")
    layouts: list[Any] = [("padded", side) for side in sides] + ([("row", None)] if traits.packed else [])
    orders: tuple[Any, ...] = ("as it comes", "shuffled")
    return [Cell(n, order, side, layout) for layout, side in layouts for n in sizes for order in orders]


def listen(scorer: BaseScorer, requests: Sequence[Any], watch: Watch, dtype: str, inject: str | None = None) -> Heard:
    """Return all scores of a scorer; its stages run one after the other, each loaded once, and are combined."""
    if isinstance(scorer, ModelScorer):
        heard = _hear(scorer, requests, watch, f"examining in {dtype}", inject)
        most = max([1.0, *(abs(x) for x in heard.alone if math.isfinite(x))])
        return Heard(heard.alone, heard.cells, heard.failed, [1e-5 * most] * len(requests))
    assert isinstance(scorer, Dpo)
    stages = []
    for stage, name in zip(scorer.stages, ("policy", "reference"), strict=False):
        with stage as stage_scorer:
            stages.append(_hear(stage_scorer, requests, watch, f"examining the {name} in {dtype}", inject))
    alone = [heard.alone for heard in stages]
    scale = max(1.0, abs(scorer.beta))
    return Heard(
        scorer.combine(alone),
        {cell: scorer.combine([heard.cells[cell] for heard in stages]) for cell in _shared(stages)},
        {cell: why for heard in stages for cell, why in heard.failed.items()},
        # the rounding of log-probabilities grows with their sum
        [scale * (5e-8 * sum(map(abs, values)) + 1e-5) for values in zip(*alone, strict=True)],
    )


def _shared(said: Sequence[Heard]) -> list[Cell]:
    return [cell for cell in said[0].cells if all(cell in heard.cells for heard in said)]


def _hear(scorer: ModelScorer, requests: Sequence[TokenRequest], watch: Watch, what: str, inject: str | None) -> Heard:
    heard, cells = Heard(), grid(scorer)
    with watch(what, len(cells) + 1) as tick:
        heard.alone.extend(scorer.score_unbatched(request) for request in requests)
        tick()
        for cell in cells:
            full = False
            try:
                heard.cells[cell] = run(scorer, cell, requests, inject)
            except (RuntimeError, MemoryError, ModelFailure) as error:
                full = out_of_memory(error)
                lacks = full or isinstance(error, MemoryError)
                heard.failed[cell] = "it does not fit into memory" if lacks else first_sentence(error)
            if full:
                release()  # once the error, which holds tensors, is gone
            tick()
    return heard


def run(scorer: ModelScorer, cell: Cell, requests: Sequence[TokenRequest], inject: str | None = None) -> Values:
    """Return all scores, computed as the cell says. Raises: MemoryError or RuntimeError if a batch is too large."""
    order = list(range(len(requests)))
    if cell.order == "shuffled":
        random.Random(0).shuffle(order)
    variant = laid_out(scorer, cell)
    scores = [math.nan] * len(requests)
    with dropped_mask() if inject else nullcontext():
        for places in _batches(order, requests, cell.size, variant.traits.length_bucket):
            batch = [requests[n] for n in places]
            _refuse_too_large(variant, batch)
            for n, value in zip(places, variant.run(batch), strict=True):
                scores[n] = value
    return scores


def laid_out(scorer: ModelScorer, cell: Cell) -> ModelScorer:
    """Return the scorer in the layout of a cell; the scorer itself stays as it is."""
    layout = replace(scorer.layout, packed=cell.layout == "row", side=cell.side or scorer.layout.side)
    return scorer.with_layout(layout)


def _batches(
    order: Sequence[int], requests: Sequence[TokenRequest], most: int, length_bucket: Callable[[int], Hashable]
) -> Iterator[list[int]]:
    """Neighbours share a batch, except lengths that never may."""
    groups: dict[Hashable, list[int]] = {}
    for n in order:
        groups.setdefault(length_bucket(len(requests[n])), []).append(n)
    for group in groups.values():
        yield from (group[at : at + most] for at in range(0, len(group), most))


def _refuse_too_large(scorer: ModelScorer, batch: Sequence[TokenRequest]) -> None:
    """A GPU says when its memory ends; on a CPU the process would be killed."""
    if scorer.model.device.type == "cpu" and len(batch) > 1:
        needed = count_tokens(batch, scorer.traits) * bytes_per_token(scorer.model, max(map(len, batch)))
        if needed > free_memory():
            raise MemoryError


@contextmanager
def dropped_mask() -> Iterator[None]:
    """Within, padded batches are given as if they held no padding: a mask of ones, and no position ids."""
    from rewardbench.forward import padding
    from rewardbench.scorers import classifier, logprobs

    def pad_batch(*arguments: Any) -> dict[str, Any]:
        ids = padding.pad_batch(*arguments)["input_ids"]
        return {"input_ids": ids, "attention_mask": ids.new_ones(ids.shape)}

    name, users = "pad_batch", (classifier, logprobs)
    kept = [getattr(user, name) for user in users]
    try:
        for user in users:
            setattr(user, name, pad_batch)
        yield
    finally:
        for user, own in zip(users, kept, strict=True):
            setattr(user, name, own)
