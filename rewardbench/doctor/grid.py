"""Score the same texts with every combination of batch size, order, padding side and layout.

The reference is the model's own forward on each text, unbatched and unpadded. Nothing is compared here.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from rewardbench.engine.batching import count_tokens
from rewardbench.engine.budget import bytes_per_token, free_memory
from rewardbench.forward.padding import PaddingSide
from rewardbench.models.devices import input_device, release
from rewardbench.models.failures import ModelFailure, first_sentence, out_of_memory
from rewardbench.scorers.base import BaseScorer, ModelScorer
from rewardbench.scorers.dpo import Dpo
from rewardbench.types import TokenRequest

if TYPE_CHECKING:
    import torch

BATCH_SIZES = (1, 3, 8, 64)

Fault = Literal["drop-mask", "drop-positions"]
"""A fault to inject: padded batches without attention mask and position ids, or without position ids alone."""
CellOrder = Literal["original", "shuffled"]
CellLayout = Literal["padded", "packed"]

ORDERS: tuple[CellOrder, ...] = ("original", "shuffled")

ScoreList = list[float]
"""One score per request, in the order of the requests."""
ProgressFactory = Callable[[str, int], AbstractContextManager[Callable[[], object]]]
"""Takes a description and the number of steps; its context yields a function to call after each step."""


@dataclass(frozen=True)
class GridCell:
    """A combination of batch size, order of the requests, padding side (None if packed), and layout."""

    size: int
    order: CellOrder
    side: PaddingSide | None
    layout: CellLayout


@dataclass(frozen=True)
class GridScores:
    """Scores of the same requests, unbatched and for each grid cell."""

    reference: ScoreList = field(default_factory=list)
    """Scores of the model's own forward on each text, unbatched and unpadded."""
    cells: dict[GridCell, ScoreList] = field(default_factory=dict)
    errors: dict[GridCell, str] = field(default_factory=dict)
    """Why a cell could not be computed."""
    tolerances: ScoreList = field(default_factory=list)
    """Largest accepted difference from the reference in float32, per request."""

    @property
    def largest(self) -> float:
        """Return the largest absolute reference score that is finite, or 1 if that is larger."""
        largest = 1.0
        for score in self.reference:
            if math.isfinite(score):
                largest = max(largest, abs(score))
        return largest


def make_grid(scorer: ModelScorer) -> list[GridCell]:
    """Return all combinations that a scorer supports.

    A scorer without batching has batch size 1 only; an encoder is padded on the right only.
    """
    from rewardbench.models.layers import is_encoder

    traits = scorer.traits
    is_unbatched = traits.max_batch_size == 1
    layouts: list[tuple[CellLayout, PaddingSide | None]] = [("padded", "right")]
    if not (is_unbatched or is_encoder(scorer.model.config)):
        layouts.append(("padded", "left"))
    if traits.packed:
        layouts.append(("packed", None))
    cells = []
    for layout, side in layouts:
        for batch_size in (1,) if is_unbatched else BATCH_SIZES:
            for order in ORDERS:
                cells.append(GridCell(batch_size, order, side, layout))
    return cells


def score_grid(
    scorer: BaseScorer, requests: Sequence[TokenRequest], progress: ProgressFactory, dtype: str, fault: Fault | None
) -> GridScores:
    """Score all requests in every grid cell.

    Args:
        scorer: a ModelScorer, or a Dpo scorer, whose stages are loaded and scored one after the other.
        requests: the texts as token ids.
        progress: makes the progress bar of a stage.
        dtype: dtype of the weights, for the progress bar.
        fault: a fault to inject into padded batches.

    Returns:
        The scores, with tolerances for float32.
    """
    if isinstance(scorer, ModelScorer):
        scores = _score_stage(scorer, requests, progress, f"examining in {dtype}", fault)
        return replace(scores, tolerances=[1e-5 * scores.largest] * len(requests))
    assert isinstance(scorer, Dpo)
    stages = []
    for stage, name in zip(scorer.stages, ("policy", "reference"), strict=False):
        with stage as stage_scorer:
            stages.append(_score_stage(stage_scorer, requests, progress, f"examining the {name} in {dtype}", fault))
    return _combine(scorer, stages)


def _combine(scorer: Dpo, stages: Sequence[GridScores]) -> GridScores:
    """Combine the log-probabilities of policy and reference model to rewards, cell by cell."""
    references = [stage.reference for stage in stages]
    combined = GridScores(scorer.combine(references), tolerances=_dpo_tolerances(scorer.beta, references))
    for stage in stages:
        combined.errors.update(stage.errors)
    for cell in stages[0].cells:
        stage_scores = [stage.cells[cell] for stage in stages if cell in stage.cells]
        if len(stage_scores) == len(stages):  # the stages may support different cells
            combined.cells[cell] = scorer.combine(stage_scores)
    return combined


def _dpo_tolerances(beta: float, references: Sequence[ScoreList]) -> ScoreList:
    """Return the tolerance of each reward; the rounding error of log-probabilities grows with their sum."""
    scale = max(1.0, abs(beta))
    tolerances = []
    for logprobs in zip(*references, strict=True):
        tolerances.append(scale * (5e-8 * sum(map(abs, logprobs)) + 1e-5))
    return tolerances


def _score_stage(
    scorer: ModelScorer,
    requests: Sequence[TokenRequest],
    progress: ProgressFactory,
    description: str,
    fault: Fault | None,
) -> GridScores:
    """Score all requests in every grid cell with one model."""
    scores, cells = GridScores(), make_grid(scorer)
    with progress(description, len(cells) + 1) as tick:
        scores.reference.extend(map(scorer.score_unbatched, requests))
        tick()
        for cell in cells:
            is_out_of_memory = False
            try:
                scores.cells[cell] = score_cell(scorer, cell, requests, fault)
            except (RuntimeError, MemoryError, ModelFailure) as error:
                is_out_of_memory = out_of_memory(error)
                lacks_memory = is_out_of_memory or isinstance(error, MemoryError)
                scores.errors[cell] = "out of memory" if lacks_memory else first_sentence(error)
            if is_out_of_memory:
                release()  # after the except block, since the error holds tensors
            tick()
    return scores


def score_cell(
    scorer: ModelScorer, cell: GridCell, requests: Sequence[TokenRequest], fault: Fault | None = None
) -> ScoreList:
    """Score all requests in one grid cell.

    Raises:
        MemoryError, RuntimeError: if a batch does not fit in memory.
    """
    order = list(range(len(requests)))
    if cell.order == "shuffled":
        random.Random(0).shuffle(order)
    variant = with_cell_layout(scorer, cell)
    scores = [math.nan] * len(requests)
    with dropped_inputs(fault) if fault else nullcontext():
        for indices in _batches(order, requests, cell.size, variant.traits.length_bucket):
            batch = [requests[index] for index in indices]
            _check_memory(variant, batch)
            for index, score in zip(indices, variant.run_forward(batch), strict=True):
                scores[index] = score
    return scores


def with_cell_layout(scorer: ModelScorer, cell: GridCell) -> ModelScorer:
    """Return a copy of the scorer with the layout of a grid cell."""
    layout = replace(scorer.layout, packed=cell.layout == "packed", side=cell.side or scorer.layout.side)
    return scorer.with_layout(layout)


def _batches(
    order: Sequence[int],
    requests: Sequence[TokenRequest],
    batch_size: int,
    length_bucket: Callable[[int], Hashable],
) -> Iterator[list[int]]:
    """Yield the request indices of each batch: consecutive ones whose lengths fall in the same bucket."""
    buckets: dict[Hashable, list[int]] = {}
    for index in order:
        buckets.setdefault(length_bucket(len(requests[index])), []).append(index)
    for indices in buckets.values():
        for start in range(0, len(indices), batch_size):
            yield indices[start : start + batch_size]


def _check_memory(scorer: ModelScorer, batch: Sequence[TokenRequest]) -> None:
    """Check that a batch fits in the memory of a CPU, where the process would be killed; a GPU raises an error.

    Raises:
        MemoryError: if it does not.
    """
    if input_device(scorer.model).type == "cpu" and len(batch) > 1:
        needed = count_tokens(batch, scorer.traits) * bytes_per_token(scorer.model, max(map(len, batch)))
        if needed > free_memory():
            raise MemoryError


@contextmanager
def dropped_inputs(fault: Fault) -> Iterator[None]:
    """Context manager: pass padded batches without position ids, and for drop-mask with an attention mask of ones."""
    from rewardbench.forward import padding
    from rewardbench.scorers import classifier, logprobs
    from rewardbench.scorers.heads import scorer

    def pad_batch(
        requests: Sequence[TokenRequest], fill: int, side: PaddingSide, device: torch.device
    ) -> Mapping[str, torch.Tensor]:
        inputs = padding.pad_batch(requests, fill, side, device)
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        return {"input_ids": ids, "attention_mask": mask.new_ones(mask.shape) if fault == "drop-mask" else mask}

    modules = (classifier, logprobs, scorer)
    originals = [vars(module)["pad_batch"] for module in modules]
    try:
        for module in modules:
            vars(module)["pad_batch"] = pad_batch
        yield
    finally:
        for module, original in zip(modules, originals, strict=True):
            vars(module)["pad_batch"] = original
