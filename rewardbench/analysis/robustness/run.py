"""Run the analysis of robustness, and its self-test on a planted fragile model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from rewardbench.analysis.figures import BLUE, GREY, ORANGE, error_bars, label_axes
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars
from rewardbench.analysis.robustness.flips import Robustness, measure_robustness
from rewardbench.analysis.robustness.perturbations import PERTURBATIONS
from rewardbench.analysis.robustness.planted import BARS, measure_planted_robustness
from rewardbench.analysis.robustness.suite import PerturbedSuite
from rewardbench.comparison.compare import ComparedResult
from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec
from rewardbench.suites import load_suite
from rewardbench.types import Suite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "robustness"
FEWEST = 10
"""Minimum number of items of a section for a rate in the picture."""


@dataclass(frozen=True)
class RobustnessOptions:
    """Options of the analysis."""

    dataset: Annotated[str, OptionHelp("Suite, Hub id, folder or file whose responses are perturbed")] = "core"
    subset: Annotated[str | None, OptionHelp("Only this subset")] = None
    limit: Annotated[int | None, OptionHelp("Number of items from the start", min=1)] = None
    perturbation: Annotated[
        tuple[str, ...],
        OptionHelp(f"Perturbation; repeat it for more; default: all, which are {', '.join(PERTURBATIONS)}"),
    ] = ()
    side: Annotated[Literal["chosen", "rejected", "both"], OptionHelp("Which responses are perturbed")] = "both"
    seed: Annotated[int, OptionHelp("Random seed of the perturbations")] = 0
    model: ModelSpec | None = None


def analyze(inputs: Sequence[ComparedResult], options: RobustnessOptions) -> Report:
    """Score a suite and its perturbed items, and count the decisions that change.

    Args:
        inputs: must be empty, since perturbed texts have no stored scores.
        options: options of the analysis; `model` is required.

    Raises:
        InputError: for unfit options, a model that cannot be loaded, or if no perturbation applies to any item.
    """
    if inputs:
        raise InputError(f"robustness scores texts itself: pass --model and --dataset instead of {inputs[0]}.")
    if options.model is None:
        raise InputError("robustness needs a model to score the perturbed texts: pass --model NAME.")
    suite = load_suite(options.dataset, subset=options.subset, limit=options.limit)
    robustness = measure_robustness(options.model, suite, options.perturbation, options.side, options.seed)
    return make_report(robustness, suite, options.side)


def selftest(seeds: int | None = None) -> Report:
    """Find planted fragile scorers by their perturbation, and no flips of a robust one; verify perturbed labels."""
    values = measure_planted_robustness(seeds or 3)
    sentence = (
        f"A share of {values['named']:.2f} of the scorers that fail on one perturbation are named with it, a robust "
        f"scorer changes {values['robust_flips']} decisions, and {values['labels_verified']} perturbed labels are "
        f"verified, of which {values['labels_failed']} fail."
    )
    return Report(NAME, values, sentence, bars=parse_bars(BARS))


def make_report(robustness: Robustness, suite: Suite, side: str) -> Report:
    """Return the report of a model."""
    worst, labels = robustness.worst(), robustness.labels
    originals = {candidate.original.id for candidate in labels.items}
    values: dict[str, Value] = {
        "items": len(originals),
        "perturbed": len(labels.items),
        "labels_verified": sum(labels.verified.values()),
        "left_out": sum(labels.left_out.values()),
        "unscored": robustness.unscored,
        "worst": worst.name if worst.flips.value else "none",
        "worst_flip_rate": worst.flips.value,
        "worst_section": robustness.worst_section() if worst.flips.value else "none",
    }
    for effect in robustness.effects:
        values[f"flip_rate_{effect.name.replace('-', '_')}"] = effect.flips.value
    return Report(
        name=NAME,
        values=values,
        sentence=_sentence(robustness, suite),
        tables=[_effect_table(robustness), _label_table(labels), _section_table(robustness)],
        draw=lambda figure: _draw(figure, robustness, suite.name, side),
        size=(10.0, 4.6),
        notes=_notes(labels, side),
        sources=[
            {"model": robustness.model, "suite": suite.name, "revision": suite.revision, "items": len(suite.items)}
        ],
    )


def _sentence(robustness: Robustness, suite: Suite) -> str:
    worst = robustness.worst()
    if worst.flips.value == 0:
        return f"No perturbation changes a decision of {robustness.model} on {suite.name}."
    low, high = 100 * worst.flips.low, 100 * worst.flips.high
    return (
        f"{worst.name} changes {100 * worst.flips.value:.1f} % ({low:.1f} to {high:.1f}) of the decisions of "
        f"{robustness.model} on {suite.name} without changing a meaning, most in {robustness.worst_section()}. It "
        f"changes the margin by {worst.shift:.2f} standard deviations on average: a smaller margin may depend on form."
    )


def _notes(labels: PerturbedSuite, side: str) -> list[str]:
    unverified = len(labels.items) - sum(labels.verified.values())
    notes = []
    if labels.left_out:
        notes.append(
            f"{sum(labels.left_out.values()):,} perturbed items are left out: their check fails on the new text, or "
            "their prompt asks for a form."
        )
    if unverified:
        notes.append(f"{unverified:,} perturbed items have no check: their label rests on the perturbation alone.")
    if side != "both":
        notes.append(f"Only {side} responses are perturbed, so that flips also show what the model likes or dislikes.")
    return notes


def _effect_table(robustness: Robustness) -> ReportTable:
    rows: list[list[Value]] = []
    for effect in robustness.effects:
        limits = [100 * effect.flips.value, 100 * effect.flips.low, 100 * effect.flips.high]
        rows.append([effect.name, effect.items, *limits, 100 * effect.before, 100 * effect.after, effect.shift])
    columns = ["perturbation", "n", "flips %", "low", "high", "before", "after", "shift"]
    title = "Decisions that change, accuracy before and after in percent, and shift of the margin in sd"
    return ReportTable(title, columns, rows)


def _label_table(labels: PerturbedSuite) -> ReportTable:
    counts = Counter(perturbed.name for perturbed in labels.items)
    rows: list[list[Value]] = []
    for name in PERTURBATIONS:
        if counts[name] or labels.left_out.get(name):
            rows.append([name, counts[name], labels.verified.get(name, 0), labels.left_out.get(name, 0)])
    return ReportTable("Labels of perturbed items", ["perturbation", "scored", "verified", "left out"], rows)


def _section_table(robustness: Robustness) -> ReportTable:
    rows: list[list[Value]] = []
    for (name, section), effect in robustness.sections.items():
        limits = [100 * effect.flips.value, 100 * effect.flips.low, 100 * effect.flips.high]
        rows.append([name, section, effect.items, *limits])
    return ReportTable("By section", ["perturbation", "section", "n", "flips %", "low", "high"], rows)


def _draw(figure: Figure, robustness: Robustness, suite: str, side: str) -> None:
    """Draw the flip rate of each perturbation with its interval, and the rates by section as a heat map."""
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1, 1])
    worst = robustness.worst().name
    names: list[str] = []
    for position, effect in enumerate(robustness.effects):
        mean = effect.flips
        errors = 100 * error_bars(mean.value, mean.low, mean.high)
        colour, mark = (ORANGE, "D") if effect.name == worst else (BLUE, "o")
        left.errorbar(100 * mean.value, position, xerr=errors, color=colour, marker=mark, markersize=6, capsize=3)
        names.append(f"{effect.name}\nn = {effect.items:,}")
    left.set_yticks(range(len(names)), names)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.set_xlim(left=min(0.0, left.get_xlim()[0]))
    left.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    label_axes(left, f"{robustness.model} on {suite}, perturbed: {side}", "changed decisions in % (95 % interval)", "")
    _draw_sections(right, robustness)


def _draw_sections(axes: Axes, robustness: Robustness) -> None:
    """Draw the flip rates by section, where there are enough items."""
    sections: list[str] = []
    for _, section in robustness.sections:
        if section not in sections:
            sections.append(section)
    rates = np.full((len(robustness.effects), len(sections)), np.nan)
    for row, effect in enumerate(robustness.effects):
        for column, section in enumerate(sections):
            cell = robustness.sections.get((effect.name, section))
            if cell is not None and cell.items >= FEWEST:
                rates[row, column] = 100 * cell.flips.value
    top = max(1.0, float(np.nanmax(rates))) if np.isfinite(rates).any() else 1.0
    axes.imshow(rates, cmap="Blues", vmin=0, vmax=1.4 * top, aspect="auto")
    for row, column in np.argwhere(np.isfinite(rates)).tolist():
        axes.text(column, row, f"{rates[row, column]:.1f}", ha="center", va="center", fontsize=9)
    axes.set_xticks(range(len(sections)), sections, rotation=25, ha="right", fontsize=9)
    label_axes(axes, f"by section in % (blank: n < {FEWEST})", "", "")
