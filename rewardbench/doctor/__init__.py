"""What to know before one trusts a score: whether anything moves it that must not, and what the model reads.

Every text is first scored by the definition: the model's own forward on it alone, unpadded, in float32. Then all are
scored again in batches of each size, order, padding side, layout and number format, and what differs is counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import pstdev
from typing import Literal

from rich.console import Console

from rewardbench.console.progress import Ticks
from rewardbench.console.terminal import make_console
from rewardbench.doctor.checkup import Checkup, Figures, Finding, Pair, compare, failures, findings
from rewardbench.doctor.grid import Heard, listen
from rewardbench.doctor.reading import Reading, read
from rewardbench.engine.batching import spread
from rewardbench.engine.loop import Prepared, distinct, prepare
from rewardbench.engine.notes import request_notes
from rewardbench.errors import InputError
from rewardbench.models.devices import release
from rewardbench.models.load import open_checkpoint
from rewardbench.models.spec import resolve
from rewardbench.scorers import load_scorer
from rewardbench.settings import Inputs, ModelSpec, refuse_less_than_one
from rewardbench.suites import load_inputs
from rewardbench.types import Item

__all__ = ["Checkup", "Figures", "Finding", "Settings", "examine"]


@dataclass(frozen=True)
class Settings(Inputs):
    """One examination: a model, and the data of which a sample is scored."""

    sample: int = 100
    inject: Literal["drop-mask"] | None = None
    """A fault to plant, so that a test sees it found."""

    def __post_init__(self) -> None:
        refuse_less_than_one(self, "sample")
        if self.inject not in (None, "drop-mask"):
            raise InputError(f"inject is {self.inject!r}: it must be None or drop-mask.")


@dataclass(frozen=True)
class _Look:
    """What is kept of a scorer that was run in one number format."""

    name: str
    model_type: str
    prepared: list[Prepared]
    requests: int
    pairs: list[Pair]
    reading: Reading
    heard: Heard
    notes: list[str]


def examine(settings: Settings, console: Console | None = None) -> Checkup:
    """Score a sample in every way there is, and compare; the console (stderr by default) carries progress bars.

    Raises: InputError for bad input: a head that would be random, a scorer that reads no tokens, no item to score.
    """
    suite = load_inputs(settings)
    items, console = spread(suite.items, settings.sample), console or make_console(stderr=True)
    first = _look(items, settings, "float32", console)
    truth, exact = first.heard, compare("float32", first.heard.cells, first.heard, first.pairs)
    figures, found = [exact], list(findings(exact, truth, first.pairs, first.reading))
    other = other_dtype(settings.model)
    release()
    if other:
        try:
            heard = _look(items, settings, other, console).heard
            figures.append(compare(other, heard.cells, truth, first.pairs))
            found += failures(other, heard)
        except InputError as error:
            found.append(Finding(f"In {other} there is no score: {error}"))
    return _checkup(first, suite.name, suite.revision, figures, found, [suite.note] if suite.note else [])


def _checkup(
    look: _Look, suite: str, revision: str, figures: list[Figures], found: list[Finding], notes: list[str]
) -> Checkup:
    scored = [prepared for prepared in look.prepared if prepared.requests]
    finite = [value for value in look.heard.alone if math.isfinite(value)]
    reasons = [str(prepared.reason) for prepared in look.prepared if prepared.reason is not None]
    if reasons:
        notes.append(f"{len(reasons)} of {len(look.prepared)} items cannot be scored; the first: {reasons[0]}")
    return Checkup(
        model=look.name,
        model_type=look.model_type,
        suite=suite,
        revision=revision,
        items=len(scored),
        pairs=len(look.pairs),
        requests=look.requests,
        truncated=sum(any(request.dropped for request in prepared.requests) for prepared in scored),
        score_sd=pstdev(finite) if finite else math.nan,
        figures=tuple(figures),
        reading=look.reading,
        findings=tuple(found),
        notes=(*notes, *look.notes),
    )


def other_dtype(spec: ModelSpec) -> str | None:
    """The number format to look at besides float32: what was asked for, else the checkpoint's own, else bfloat16."""
    if spec.dtype != "auto":
        return None if spec.dtype == "float32" else spec.dtype
    own = open_checkpoint(resolve(spec)).dtype
    return own if own in ("float16", "bfloat16", "float64") else "bfloat16"


def _look(items: Sequence[Item], settings: Settings, dtype: str, console: Console) -> _Look:
    """Load, prepare, read the first item, and run every cell. The weights are gone when it returns."""
    scorer = load_scorer(replace(settings.model, dtype=dtype))
    if scorer.chat is None:
        raise InputError(
            f"{scorer.name} reads text, not tokens: it has no batches, padding or number format to examine."
        )
    prepared = [prepare(item, scorer) for item in items]
    requests = [request for family in distinct(prepared) for request in family]
    if not requests:
        raise InputError(f"None of the {len(items)} sampled items can be scored; the first: {prepared[0].reason}")
    place = {request.key: n for n, request in enumerate(requests)}
    pairs = [
        Pair(tuple(place[request.key] for request in one.by_completion), one.item.num_correct)
        for one in prepared
        if one.requests and one.item.has_preference
    ]
    first = next(one for one in prepared if one.requests)
    reading = read(scorer, first.item, first.by_completion[0])
    heard = listen(scorer, requests, lambda what, total: Ticks(what, total, console), dtype, settings.inject)
    return _Look(
        scorer.name,
        scorer.model_type,
        prepared,
        len(requests),
        pairs,
        reading,
        heard,
        [*request_notes(requests), *scorer.report().notes, *_tf32(dtype)],
    )


def _tf32(dtype: str) -> list[str]:
    import torch

    shorter = dtype == "float32" and torch.get_float32_matmul_precision() != "highest"
    return ["Here torch multiplies float32 matrices in TF32, which is no exact format."] if shorter else []
