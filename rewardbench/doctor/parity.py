"""Compare the scores of a reward model behind a server with those of the transformers model, on the same items."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from rich.console import Console

from rewardbench.console.progress import ScoringBar
from rewardbench.console.strict_json import to_plain
from rewardbench.console.terminal import make_console
from rewardbench.doctor.agreement import ScoreAgreement, measure_agreement
from rewardbench.doctor.published import PairedRow
from rewardbench.engine.batching import spread
from rewardbench.engine.loop import ScoringRun, score
from rewardbench.errors import InputError
from rewardbench.models.devices import release
from rewardbench.scorers import load_scorer
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.http.probes import SIGMOID_TOLERANCE
from rewardbench.settings import Inputs
from rewardbench.suites import load_inputs
from rewardbench.types import Item

TOLERANCE = 0.01
"""Largest difference of a score that counts as equal: above the rounding of float32, below that of bfloat16."""


@dataclass(frozen=True)
class ParityReport:
    """How far a server agrees with the transformers model."""

    model: str
    suite: str
    revision: str
    unscored: int
    """Items without a score of one of the two."""
    agreement: ScoreAgreement
    figures: dict[str, object]
    """Figures of the server: version, requests, batch effect."""
    findings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """Return 1 if a preference differs or the scores are those of another function, else 0."""
        return int(bool(self.findings))

    def key_values(self) -> dict[str, object]:
        """Return figures by name."""
        return {
            **self.agreement.key_values(),
            "unscored": self.unscored,
            **self.figures,
            "findings": len(self.findings),
        }

    def to_json(self) -> object:
        """Return everything as plain JSON values; null for a number that is not finite."""
        fields = {"model": self.model, "suite": self.suite, "revision": self.revision, **self.key_values()}
        return to_plain({**fields, "problems": list(self.findings), "notes": list(self.notes)})


def compare_with_server(settings: Inputs, sample: int, console: Console | None = None) -> ParityReport:
    """Score a sample of items behind the server and by the transformers model in float32, and compare.

    Args:
        settings: the model, with its server, and the data.
        sample: number of items, spread over the data.
        console: where progress bars are drawn; stderr by default.

    Raises:
        InputError: for bad input, or if no item has a score of both.
    """
    console = console or make_console(stderr=True)
    suite = load_inputs(settings)
    items = spread(suite.items, sample)
    remote = load_scorer(settings.model)
    server_run = _score(items, remote, console)
    limit = remote.chat.max_length if remote.chat else None
    spec = replace(settings.model, server=None, dtype="float32", max_length=limit)
    local_run = _score(items, load_scorer(spec), console)
    release()
    rows: list[PairedRow] = []
    scores: list[tuple[float, ...]] = []
    for item, server_scores, local_scores in zip(items, server_run.items, local_run.items, strict=True):
        if all(map(math.isfinite, (*server_scores.scores, *local_scores.scores))):
            rows.append(PairedRow(item, local_scores.scores))
            scores.append(server_scores.scores)
    if not rows:
        reasons = [scored.reason for scored in (*server_run.items, *local_run.items) if scored.reason]
        raise InputError(f"None of the {len(items)} sampled items has both scores; the first reason: {reasons[0]}")
    agreement = measure_agreement(rows, scores, TOLERANCE)
    report = remote.report()
    return ParityReport(
        model=remote.name,
        suite=suite.name,
        revision=suite.revision,
        unscored=len(items) - len(rows),
        agreement=agreement,
        figures=dict(report.details.get("server", {})),
        findings=tuple(_find_problems(agreement, rows, scores)),
        notes=(*([suite.note] if suite.note else []), *server_run.notes, *report.notes),
    )


def _score(items: list[Item], scorer: BaseScorer, console: Console) -> ScoringRun:
    with ScoringBar(console, scorer.status) as bar:
        return score(items, scorer, bar)


def _find_problems(agreement: ScoreAgreement, rows: list[PairedRow], scores: list[tuple[float, ...]]) -> list[str]:
    """Return what is wrong with the server's scores, one sentence each."""
    problems: list[str] = []
    flips = agreement.decisions - agreement.equal_decisions
    if flips:
        problems.append(f"The server and the transformers model prefer different responses in {flips} items.")
    if agreement.max_abs_diff > TOLERANCE and _is_sigmoid(rows, scores):
        problems.append("The server returns the sigmoid of the scores of the transformers model.")
    return problems


def _is_sigmoid(rows: list[PairedRow], scores: list[tuple[float, ...]]) -> bool:
    """Return True if the server's scores are the sigmoids of the others."""
    for row, values in zip(rows, scores, strict=True):
        for expected, value in zip(row.scores, values, strict=True):
            if abs(0.5 + 0.5 * math.tanh(expected / 2) - value) > SIGMOID_TOLERANCE:
                return False
    return True
