"""The report of graded labels: figures, sentence, tables and picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.figures import GREY, colour_and_mark, error_bars, label_axes, legend_name
from rewardbench.analysis.graded.statistics import (
    FEWEST_ITEMS,
    Estimated,
    GradedScores,
    Level,
    bootstrap_spearman,
    estimate_accuracy,
    estimate_spearman,
)
from rewardbench.analysis.report import Report, ReportTable, Value, source_of
from rewardbench.console.terminal import printable
from rewardbench.results.scored import ModelScores
from rewardbench.stats import percentile_interval
from rewardbench.stats.correlation import spearman

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class GradedModel:
    """A model with its figures."""

    result: ModelScores
    scores: GradedScores
    spearman: Estimated
    accuracy: Estimated
    levels: Sequence[Level]


def build_report(models: Sequence[GradedModel], resamples: int, seed: int) -> Report:
    """Build the report; models after the first have a number in their keys, and their difference to the first."""
    values: dict[str, Value] = {}
    level_details: list[dict[str, object]] = []
    for number, model in enumerate(models, 1):
        suffix = "" if number == 1 else f"_{number}"
        values |= _values(model, suffix)
        if number > 1:
            values |= _difference(models[0].scores, model.scores, resamples, seed, suffix)
        for level in model.levels:
            level_details.append({"model": model.scores.model, **asdict(level)})
    return Report(
        name="graded",
        values=values,
        sentence=_sentence(models),
        tables=[_section_table(models, resamples, seed), _level_table(models)],
        draw=lambda figure: draw(figure, models),
        size=(9.5, 4.6),
        details={"levels": level_details},
        notes=_notes([model.scores for model in models]),
        sources=[source_of(model.result) for model in models],
    )


def _values(model: GradedModel, suffix: str) -> dict[str, Value]:
    scores = model.scores
    values: dict[str, Value] = {
        "items": len(scores.margins),
        "ties": len(scores.tie_gaps),
        "levels": len(model.levels),
        "accuracy": model.accuracy.value,
        "accuracy_low": model.accuracy.low,
        "accuracy_high": model.accuracy.high,
        "spearman": model.spearman.value,
        "spearman_low": model.spearman.low,
        "spearman_high": model.spearman.high,
    }
    if len(scores.tie_gaps):
        gap = float(np.median(np.abs(scores.margins)))
        values["tie_gap_ratio"] = float(np.median(scores.tie_gaps)) / gap if gap else nan
    return {f"{name}{suffix}": value for name, value in values.items()}


def _difference(first: GradedScores, other: GradedScores, resamples: int, seed: int, suffix: str) -> dict[str, Value]:
    """Return the difference of two models' correlations; its interval needs the same scored items in both."""
    if not np.array_equal(first.strengths, other.strengths) or not np.array_equal(first.clusters, other.clusters):
        return {}
    resampled, first_resamples = bootstrap_spearman(other, resamples, seed), bootstrap_spearman(first, resamples, seed)
    low, high = percentile_interval(resampled - first_resamples)
    value = spearman(other.margins, other.strengths) - spearman(first.margins, first.strengths)
    name = f"spearman_difference{suffix}"
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _sentence(models: Sequence[GradedModel]) -> str:
    """Return what follows: of several models, for that whose margins follow the strengths best."""
    best = max(models, key=lambda model: -2 if isnan(model.spearman.value) else model.spearman.value)
    name, estimated = printable(best.scores.model), best.spearman
    if isnan(estimated.value):
        return f"{name} gives every pair the same margin, so its margins contain no information about strength."
    subject = f"The margins of {name}" + (f", the best of {len(models)} models," if len(models) > 1 else "")
    interval = f"Spearman {estimated.value:.2f} [{estimated.low:.2f}, {estimated.high:.2f}]"
    accuracy = f"accuracy {100 * best.accuracy.value:.1f} %, {len(best.scores.margins):,} items"
    if estimated.high < 0:
        return (
            f"{subject} decrease with the strength of the label ({interval}; {accuracy}): do not use them as weights "
            "or thresholds."
        )
    if isnan(estimated.low) or estimated.low <= 0:
        return (
            f"{subject} are not shown to increase with the strength of the label ({interval}; {accuracy}): do not use "
            "them as weights or thresholds."
        )
    weakest, strongest = best.levels[0].accuracy.value, best.levels[-1].accuracy.value
    degree = "barely " if estimated.value < 0.1 else "weakly " if estimated.value < 0.3 else ""
    return (
        f"{subject} {degree}increase with the strength of the label ({interval}; {accuracy}): the model prefers the "
        f"right response in {100 * weakest:.1f} % of the weakest preferences and in {100 * strongest:.1f} % of the "
        "strongest."
    )


def _notes(models: Sequence[GradedScores]) -> list[str]:
    notes: list[str] = []
    for scores in models:
        if scores.unscored:
            notes.append(f"{scores.unscored:,} items are unscored by {scores.model}, and left out.")
    first = models[0]
    if first.unknown:
        notes.append(f"{first.unknown:,} preferences have no strength, and were left out.")
    if len(first.tie_gaps):
        notes.append(
            f"{len(first.tie_gaps):,} ties by their label are in no correlation, since the sign of their margin is "
            "arbitrary; tie_gap_ratio is their median absolute margin by that of the preferences."
        )
    if len(set(first.sections.tolist())) > 1:
        notes.append("The correlation over all sections mixes their scales of strength: read it by section too.")
    return notes


def _section_table(models: Sequence[GradedModel], resamples: int, seed: int) -> ReportTable:
    rows: list[Sequence[Value]] = []
    for model in models:
        scores = model.scores
        sections = sorted(set(scores.sections.tolist()))
        for section in sections if len(sections) > 1 else ():
            members = scores.select(scores.sections == section)
            accuracy = estimate_accuracy(members)
            enough = len(members.margins) >= FEWEST_ITEMS
            estimated = estimate_spearman(members, resamples, seed) if enough else Estimated(nan, nan, nan)
            rows.append([scores.model, section, len(members.margins), *_cells(accuracy), *_cells(estimated)])
        rows.append([scores.model, "all", len(scores.margins), *_cells(model.accuracy), *_cells(model.spearman)])
    limits = ("accuracy", "low", "high", "spearman", "from", "to")
    return ReportTable("Margin against strength of the label", ("model", "section", "items", *limits), rows)


def _level_table(models: Sequence[GradedModel]) -> ReportTable:
    rows: list[Sequence[Value]] = []
    for model in models:
        for level in model.levels:
            rows.append(
                [model.scores.model, level.strength, level.items, *_cells(level.margin), *_cells(level.accuracy)]
            )
    columns = ("model", "strength", "items", "margin (sd)", "low", "high", "accuracy", "from", "to")
    return ReportTable("By level of strength; margins in standard deviations of the model's margins", columns, rows)


def _cells(estimated: Estimated) -> tuple[Value, Value, Value]:
    if isnan(estimated.value):
        return None, None, None
    return (estimated.value, None, None) if isnan(estimated.low) else (estimated.value, estimated.low, estimated.high)


def draw(figure: Figure, models: Sequence[GradedModel]) -> None:
    """Draw margin and accuracy by level of strength, each model with its mark."""
    left, right = figure.subplots(1, 2)
    for number, model in enumerate(models):
        shift = (number - (len(models) - 1) / 2) * 0.012 * _spread(models)
        name, estimated = legend_name(model.scores.model), model.spearman
        label = f"{name}: ρ = {estimated.value:.2f} [{estimated.low:.2f}, {estimated.high:.2f}]"
        colour, mark = colour_and_mark(number)
        x = np.array([level.strength for level in model.levels]) + shift
        _plot(left, x, [level.margin for level in model.levels], colour, mark, label)
        _plot(right, x, [level.accuracy for level in model.levels], colour, mark, label)
    left.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    right.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    right.set_ylim(0, 1.03)
    count = len(models[0].scores.margins)
    strength = "Strength of the label"
    label_axes(left, f"Margin by strength (n = {count:,}, bars: 95 %)", strength, "Mean margin (sd)")
    label_axes(right, "Accuracy by strength", strength, "Accuracy")
    columns = min(2, len(models))
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside lower center", fontsize=9, frameon=False, ncols=columns
    )


def _spread(models: Sequence[GradedModel]) -> float:
    """Return the range of the levels of strength."""
    strengths = [level.strength for level in models[0].levels]
    return max(strengths) - min(strengths)


def _plot(axes: Axes, x: np.ndarray, estimates: Sequence[Estimated], colour: str, mark: str, label: str) -> None:
    values = np.array([estimated.value for estimated in estimates])
    lows = [estimated.low for estimated in estimates]
    errors = error_bars(values, lows, [estimated.high for estimated in estimates])
    axes.errorbar(
        x, values, yerr=errors, color=colour, marker=mark, markersize=5, capsize=2, linewidth=1.2, label=label
    )
