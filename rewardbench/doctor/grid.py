"""One scorer, all the ways to compute its scores: batch sizes, orders, padding sides, layouts. It compares nothing.

The definition is the model's own forward on one unpadded text; the cells of the grid are what must equal it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

from rewardbench.engine.batching import size, traits
from rewardbench.engine.budget import bytes_per_token, free_memory
from rewardbench.models.failures import ModelFailure, first_sentence, out_of_memory
from rewardbench.models.load import release
from rewardbench.types import Request

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


def grid(scorer: Any) -> list[Cell]:
    """The cells that a scorer has: one that must be alone has no company, an encoder is not padded on the left."""
    from rewardbench.scorers.classifier import is_encoder

    packed, _, most = traits(scorer)
    sizes = (1,) if most == 1 else SIZES
    sides = ("right",) if most == 1 or is_encoder(scorer.model.config) else ("right", "left")
    layouts: list[Any] = [("padded", side) for side in sides] + ([("row", None)] if packed else [])
    orders: tuple[Any, ...] = ("as it comes", "shuffled")
    return [Cell(n, order, side, layout) for layout, side in layouts for n in sizes for order in orders]


def listen(scorer: Any, requests: Sequence[Request], watch: Watch, dtype: str, inject: str | None = None) -> Heard:
    """All a scorer says; its parts one after the other, each loaded once, and put together."""
    if not hasattr(scorer, "parts"):
        heard = _hear(scorer, requests, watch, f"examining in {dtype}", inject)
        most = max([1.0, *(abs(x) for x in heard.alone if math.isfinite(x))])
        return Heard(heard.alone, heard.cells, heard.failed, [1e-5 * most] * len(requests))
    said = []
    for part, name in zip(scorer.parts, ("policy", "reference"), strict=False):
        with part as one:
            said.append(_hear(one, requests, watch, f"examining the {name} in {dtype}", inject))
    alone = [heard.alone for heard in said]
    scale = max(1.0, abs(scorer.beta))
    return Heard(
        scorer.combine(alone),
        {cell: scorer.combine([heard.cells[cell] for heard in said]) for cell in _shared(said)},
        {cell: why for heard in said for cell, why in heard.failed.items()},
        # the rounding of log-probabilities grows with their sum
        [scale * (5e-8 * sum(map(abs, values)) + 1e-5) for values in zip(*alone, strict=True)],
    )


def _shared(said: Sequence[Heard]) -> list[Cell]:
    return [cell for cell in said[0].cells if all(cell in heard.cells for heard in said)]


def _hear(scorer: Any, requests: Sequence[Request], watch: Watch, what: str, inject: str | None) -> Heard:
    heard, cells = Heard(), grid(scorer)
    with watch(what, len(cells) + 1) as tick:
        heard.alone.extend(scorer.by_itself(request) for request in requests)
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


def run(scorer: Any, cell: Cell, requests: Sequence[Request], inject: str | None = None) -> Values:
    """All scores, computed as the cell says. Raises: MemoryError or RuntimeError where a batch is too large."""
    order = list(range(len(requests)))
    if cell.order == "shuffled":
        random.Random(0).shuffle(order)
    found = [math.nan] * len(requests)
    with _laid_out(scorer, cell), dropped_mask() if inject else nullcontext():
        for places in _batches(order, requests, cell.size, traits(scorer)[1]):
            batch = [requests[n] for n in places]
            _refuse_too_large(scorer, batch)
            for n, value in zip(places, scorer.run(batch), strict=True):
                found[n] = value
    return found


def _batches(
    order: Sequence[int], requests: Sequence[Request], most: int, company: Callable[[int], Hashable]
) -> Iterator[list[int]]:
    """Neighbours share a batch, except lengths that never may."""
    groups: dict[Hashable, list[int]] = {}
    for n in order:
        groups.setdefault(company(len(requests[n])), []).append(n)
    for group in groups.values():
        yield from (group[at : at + most] for at in range(0, len(group), most))


def _refuse_too_large(scorer: Any, batch: Sequence[Request]) -> None:
    """A GPU says when its memory ends; on a CPU the process would be killed."""
    if scorer.model.device.type == "cpu" and len(batch) > 1:
        needed = size(batch, scorer) * bytes_per_token(scorer.model, max(map(len, batch)))
        if needed > free_memory():
            raise MemoryError


@contextmanager
def _laid_out(scorer: Any, cell: Cell) -> Iterator[None]:
    before = scorer.packed, scorer.padding_side
    scorer.packed, scorer.padding_side = cell.layout == "row", cell.side or before[1]
    try:
        yield
    finally:
        scorer.packed, scorer.padding_side = before


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
