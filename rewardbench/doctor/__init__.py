"""Examine a model before its scores are trusted: does batching or dtype change them, and what does the model read?

Every text is first scored by the model's own forward in float32, unbatched and unpadded: the reference. Then all texts
are scored with each combination of batch size, order, padding side, layout and dtype, and differences are counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import pstdev

from rich.console import Console

from rewardbench.console.progress import StepBar
from rewardbench.console.terminal import make_console
from rewardbench.doctor.explanation import doubt_sign, explain
from rewardbench.doctor.findings import failed_cells, find_problems
from rewardbench.doctor.grid import Fault, GridScores, score_grid
from rewardbench.doctor.model_input import ModelInput, describe_input
from rewardbench.doctor.report import (
    DoctorFinding,
    DoctorReport,
    DtypeDeviations,
    Explanation,
    PreferencePair,
    measure_deviations,
)
from rewardbench.engine.batching import spread
from rewardbench.engine.loop import Prepared, distinct, prepare
from rewardbench.engine.notes import request_notes
from rewardbench.errors import InputError
from rewardbench.hub import cache_only
from rewardbench.models.adapters import find_adapter
from rewardbench.models.devices import release
from rewardbench.models.spec import resolve
from rewardbench.models.weight_files import config_fields
from rewardbench.models.weights import locate_model
from rewardbench.scorers import load_scorer
from rewardbench.scorers.base import BaseScorer
from rewardbench.settings import Dtype, Inputs, ModelSpec, check_at_least_one
from rewardbench.suites import load_inputs
from rewardbench.types import Item, Suite, TokenRequest

__all__ = ["DoctorFinding", "DoctorReport", "DoctorSettings", "DtypeDeviations", "examine"]

OTHER_DTYPES: dict[str, Dtype] = {"float16": "float16", "bfloat16": "bfloat16", "float64": "float64"}
"""Dtypes of a checkpoint that are examined besides float32."""


@dataclass(frozen=True)
class DoctorSettings(Inputs):
    """Settings of an examination: a model, and the data from which a sample is scored."""

    sample: int = 100
    """Number of items."""
    inject: Fault | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_one(self, "sample")


@dataclass(frozen=True)
class _Examination:
    """One model in one dtype: its requests and scores."""

    name: str
    model_type: str
    prepared: list[Prepared]
    requests: int
    pairs: list[PreferencePair]
    model_input: ModelInput
    scores: GridScores
    notes: list[str]
    explanation: Explanation | None


def examine(settings: DoctorSettings, console: Console | None = None) -> DoctorReport:
    """Score a sample with every combination of batch size, order, padding side, layout and dtype, and compare.

    Args:
        settings: the model and the data.
        console: where progress bars are drawn; stderr by default.

    Raises:
        InputError: for bad input: a head that would be random, a scorer that reads no tokens, no item to score.
    """
    console = console or make_console(stderr=True)
    suite = load_inputs(settings)
    items = spread(suite.items, settings.sample)
    exact = _examine(items, settings, "float32", console)
    deviations = [measure_deviations("float32", exact.scores.cells, exact.scores, exact.pairs)]
    findings = list(find_problems(deviations[0], exact.scores, exact.pairs, exact.model_input))
    findings += doubt_sign(exact.explanation)
    with cache_only():
        dtype = other_dtype(settings.model)
    release()
    if dtype:
        try:
            with cache_only():
                scores = _examine(items, settings, dtype, console).scores
            deviations.append(measure_deviations(dtype, scores.cells, exact.scores, exact.pairs))
            findings += failed_cells(dtype, scores)
        except InputError as error:
            findings.append(DoctorFinding(f"No score could be computed in {dtype}: {error}"))
    return _make_report(exact, suite, deviations, findings)


def _make_report(
    examination: _Examination, suite: Suite, deviations: list[DtypeDeviations], findings: list[DoctorFinding]
) -> DoctorReport:
    notes = [suite.note] if suite.note else []
    scored, reasons = [], []
    for item in examination.prepared:
        if item.requests:
            scored.append(item)
        if item.reason is not None:
            reasons.append(item.reason)
    if reasons:
        notes.append(f"{len(reasons)} of {len(examination.prepared)} items cannot be scored; the first: {reasons[0]}")
    finite_scores = list(filter(math.isfinite, examination.scores.reference))
    return DoctorReport(
        model=examination.name,
        model_type=examination.model_type,
        suite=suite.name,
        revision=suite.revision,
        items=len(scored),
        pairs=len(examination.pairs),
        requests=examination.requests,
        truncated=sum(map(_is_truncated, scored)),
        score_sd=pstdev(finite_scores) if finite_scores else math.nan,
        deviations=tuple(deviations),
        model_input=examination.model_input,
        findings=tuple(findings),
        notes=(*notes, *examination.notes),
        explanation=examination.explanation,
    )


def _is_truncated(item: Prepared) -> bool:
    return any(request.dropped for request in item.requests)


def other_dtype(spec: ModelSpec) -> Dtype | None:
    """Return the dtype to examine besides float32: the one in `spec`, else the checkpoint's, else bfloat16.

    Returns:
        The name of the dtype; None if `spec` names float32.
    """
    if spec.dtype != "auto":
        return None if spec.dtype == "float32" else spec.dtype
    spec = resolve(spec)
    folder = locate_model(spec)
    adapter = find_adapter(folder, spec)
    fields = config_fields(adapter.base if adapter else folder)
    return OTHER_DTYPES.get(str(fields.get("dtype") or fields.get("torch_dtype")), "bfloat16")


def _examine(items: Sequence[Item], settings: DoctorSettings, dtype: Dtype, console: Console) -> _Examination:
    """Load the model in a dtype, and score the items in every grid cell; the weights are freed afterwards.

    Raises:
        InputError: if the scorer reads no tokens, or no item can be scored.
    """
    scorer = load_scorer(replace(settings.model, dtype=dtype))
    if scorer.chat is None:
        raise InputError(f"{scorer.name} reads text, not tokens: it has no batches, padding or dtype to examine.")
    prepared = [prepare(item, scorer) for item in items]
    requests = _token_requests(prepared)
    if not requests:
        raise InputError(f"None of the {len(items)} sampled items can be scored; the first: {prepared[0].reason}")
    model_input = _describe_first(scorer, prepared)
    explanation = explain(scorer) if dtype == "float32" else None

    def progress(description: str, steps: int) -> StepBar:
        return StepBar(description, steps, console)

    scores = score_grid(scorer, requests, progress, dtype, settings.inject)
    return _Examination(
        scorer.name,
        scorer.model_type,
        prepared,
        len(requests),
        _preference_pairs(prepared, requests),
        model_input,
        scores,
        [*request_notes(requests), *scorer.report().notes, *_tf32_notes(dtype)],
        explanation,
    )


def _token_requests(prepared: Sequence[Prepared]) -> list[TokenRequest]:
    """Return the distinct requests of all items."""
    requests = []
    for group in distinct(prepared):
        for request in group:
            assert isinstance(request, TokenRequest)
            requests.append(request)
    return requests


def _describe_first(scorer: BaseScorer, prepared: Sequence[Prepared]) -> ModelInput:
    """Describe the model input of the first item that can be scored."""
    first = next(item for item in prepared if item.requests)
    request = first.by_completion[0]
    assert isinstance(request, TokenRequest)
    return describe_input(scorer, first.item, request)


def _preference_pairs(prepared: Sequence[Prepared], requests: Sequence[TokenRequest]) -> list[PreferencePair]:
    """Return the items with a preference, with the indices of their completions in `requests`."""
    indices = {request.key: index for index, request in enumerate(requests)}
    pairs = []
    for item in prepared:
        if item.requests and item.item.has_preference:
            positions = tuple(indices[request.key] for request in item.by_completion)
            pairs.append(PreferencePair(positions, item.item.num_correct))
    return pairs


def _tf32_notes(dtype: str) -> list[str]:
    """Return a note if torch multiplies float32 matrices with reduced precision."""
    import torch

    if dtype != "float32" or torch.get_float32_matmul_precision() == "highest":
        return []
    return ["torch multiplies float32 matrices in TF32 on this machine, so that float32 scores are rounded."]
