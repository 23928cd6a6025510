"""Score fresh mirrors, and measure how much better a submission is on the mirrors of its suite."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace

from rewardbench.engine.loop import score
from rewardbench.leaderboard.submissions.checks import ReviewFinding
from rewardbench.metrics import gap
from rewardbench.results.scored import ModelScores
from rewardbench.suites import load_suite
from rewardbench.suites.fresh import FRESH_SUITES
from rewardbench.types import Estimate, Scorer, Suite


def measure_gap(suite: Suite, submitted: ModelScores, scorer: Scorer, items: int, seed: int) -> tuple[Estimate, ...]:
    """Score a random part of a fresh draw, and compare it with the submitted scores.

    Args:
        suite: the suite, complete.
        submitted: the submitted scores.
        scorer: the model.
        items: number of fresh items to score; at least one mirror is.
        seed: seed of the draw, which must be unknown when results are submitted.

    Returns:
        The estimates of `metrics.gap`; empty if the suite has no generators.
    """
    if suite.name not in FRESH_SUITES:
        return ()
    part = draw_mirrors(_load_draw(suite.name, seed), items, seed)
    return gap(suite, submitted.items, part, score(part.items, scorer).items)


def _load_draw(name: str, seed: int) -> Suite:
    """Build the fresh draw of a suite, load it, and remove its files."""
    from rewardbench.builders.style import fresh_draw_of_any

    folder = fresh_draw_of_any(name, seed)
    try:
        return load_suite(str(folder), protocol=name)
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)


def draw_mirrors(suite: Suite, items: int, seed: int) -> Suite:
    """Return random mirrors of a suite with about this number of items, at least one; other items are left out."""
    sizes: dict[str, int] = {}
    for item in suite.items:
        if item.group:
            sizes[item.group] = sizes.get(item.group, 0) + 1
    groups = sorted(sizes)
    random.Random(seed).shuffle(groups)
    drawn: set[str] = set()
    count = 0
    for group in groups:
        if drawn and count + sizes[group] > items:
            break
        drawn.add(group)
        count += sizes[group]
    return replace(suite, items=tuple(item for item in suite.items if item.group in drawn))


def find_gap(estimates: tuple[Estimate, ...]) -> list[ReviewFinding]:
    """Return a finding if the interval of the gap is above 0."""
    if not estimates:
        return []
    core, fresh, difference = estimates
    if difference.low is None or difference.low <= 0 or core.value is None or fresh.value is None:
        return []
    shares = f"{100 * core.value:.1f}% on the mirrors of the suite and {100 * fresh.value:.1f}% on {fresh.n} fresh ones"
    return [ReviewFinding("flagged", f"it has {shares}, so it may have been trained on the suite")]


def gap_figures(estimates: tuple[Estimate, ...]) -> dict[str, object]:
    """Return the gap, with the names by which `rewardbench --fresh` prints it."""
    figures: dict[str, object] = {}
    for estimate in estimates:
        figures[f"built.{estimate.name}"] = _decimal(estimate.value)
    for estimate in estimates[2:]:
        figures["built.gap_low"], figures["built.gap_high"] = _decimal(estimate.low), _decimal(estimate.high)
        figures["built.fresh_mirrors"] = estimate.n
    return figures


def _decimal(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
