"""Robustness: how often a model changes its decision where a perturbation changes the text, but not its meaning."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from rewardbench import stats
from rewardbench.analysis.figures import BLUE, GREY, ORANGE, label_axes
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.perturbations import PERTURBATIONS
from rewardbench.analysis.perturbed_suite import PerturbedItem, PerturbedSuite, perturb_suite
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars
from rewardbench.comparison.compare import ComparedResult
from rewardbench.console.progress import StepBar
from rewardbench.console.terminal import make_console
from rewardbench.errors import InputError
from rewardbench.evaluation import run
from rewardbench.metrics import credit, is_scored, margin, rule_of
from rewardbench.metrics.grading import column_value
from rewardbench.scorers.in_memory import name_of, scorer_of
from rewardbench.settings import Model, ModelSpec, Settings
from rewardbench.suites import load_suite
from rewardbench.types import Item, ItemScores, Result, Suite

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
        tuple[str, ...], OptionHelp(f"Perturbation; repeat it for more [default: all: {', '.join(PERTURBATIONS)}]")
    ] = ()
    side: Annotated[Literal["chosen", "rejected", "both"], OptionHelp("Which responses are perturbed")] = "both"
    seed: Annotated[int, OptionHelp("Random seed of the perturbations")] = 0
    model: ModelSpec | None = None


@dataclass(frozen=True)
class Effect:
    """What a perturbation does to the decisions of a model on some items.

    Attributes:
        name: the perturbation.
        flips: share of items whose credit changes, with its 95 % interval.
        items: number of items.
        before: mean credit of the original items.
        after: mean credit of the perturbed items.
        shift: mean absolute change of the margin, in standard deviations of the original margins.
    """

    name: str
    flips: stats.Mean
    items: int
    before: float
    after: float
    shift: float


@dataclass(frozen=True)
class Robustness:
    """The effects of all perturbations on a model, overall and by section."""

    model: str
    effects: Sequence[Effect]
    """From the highest flip rate to the lowest."""
    sections: Mapping[tuple[str, str], Effect]
    """By perturbation and section."""
    labels: PerturbedSuite
    unscored: int

    def worst(self) -> Effect:
        """Return the perturbation with the highest lower limit of the flip rate, which few items cannot decide."""
        return max(self.effects, key=lambda effect: (effect.flips.low, effect.flips.value))

    def worst_section(self) -> str:
        """Return the section in which the worst perturbation flips most."""
        name = self.worst().name
        rates = {
            section: effect.flips for (perturbation, section), effect in self.sections.items() if perturbation == name
        }
        return max(rates, key=lambda section: (rates[section].low, rates[section].value))


def analyze(inputs: Sequence[ComparedResult], options: RobustnessOptions) -> Report:
    """Score a suite and its perturbed items, and count the decisions that change.

    Args:
        inputs: must be empty, since perturbed texts have no stored scores.
        options: options of the analysis; `model` is required.

    Raises:
        InputError: for unfit options, or if no perturbation applies to any item.
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
    from rewardbench.analysis.planted_robustness import BARS, measure_planted_robustness

    values = measure_planted_robustness(seeds or 3)
    sentence = (
        f"Of the scorers that lose their mind on one perturbation, {100 * float(values['named']):.0f} % are named with "
        f"it, a robust scorer flips {values['robust_flips']} decisions, and {values['labels_verified']} perturbed "
        "labels are verified."
    )
    return Report(NAME, values, sentence, bars=parse_bars(BARS))


def measure_robustness(
    model: ModelSpec | Model, suite: Suite, names: Sequence[str] = (), side: str = "both", seed: int = 0
) -> Robustness:
    """Measure the flip rate of each perturbation.

    Args:
        model: the specification of a model, or a model in memory, as in `evaluate`.
        suite: the items.
        names: the perturbations; all if empty.
        side: which responses are perturbed: `chosen`, `rejected` or `both`.
        seed: random seed of the perturbations.

    Raises:
        InputError: for an unknown perturbation, or if none applies to an item.
    """
    unknown = [name for name in names if name not in PERTURBATIONS]
    if unknown:
        raise InputError(f"There is no perturbation {unknown[0]!r}: it must be one of {', '.join(PERTURBATIONS)}.")
    with StepBar("verifying labels", None, make_console(stderr=True)) as tick:
        perturbed = perturb_suite(suite, tuple(dict.fromkeys(names)) or tuple(PERTURBATIONS), side, seed, tick)
    if not perturbed.items:
        raise InputError(
            f"No perturbation applies to the {len(suite.items):,} items of {suite.name}: they must have a preference "
            "and responses as text without a template."
        )
    result = _score(model, suite, perturbed)
    return _compare(result, suite, perturbed)


def _score(model: ModelSpec | Model, suite: Suite, perturbed: PerturbedSuite) -> Result:
    """Score the items and their perturbed versions in one run."""
    originals: dict[str, Item] = {}
    for candidate in perturbed.items:
        originals[candidate.original.id] = candidate.original
    items = (*originals.values(), *(candidate.item for candidate in perturbed.items))
    both = replace(
        suite, items=items, revision=f"{suite.revision}+perturbed", headline="accuracy", cluster_by="", breakdowns={}
    )
    if isinstance(model, ModelSpec):
        result, _ = run(Settings(model, suite.name, cache=True), suite=both)
        return result
    if isinstance(model, str):
        return _score(ModelSpec(model), suite, perturbed)
    spec = ModelSpec(name_of(model))
    with scorer_of(model, spec) as scorer:
        result, _ = run(Settings(spec, suite.name), suite=both, scorer=scorer)
    return result


def _compare(result: Result, suite: Suite, perturbed: PerturbedSuite) -> Robustness:
    """Compare the decisions on perturbed items with those on their originals."""
    by_id = {item_scores.id: item_scores for item_scores in result.items}
    rows: dict[str, list[_Row]] = {}
    by_section: dict[tuple[str, str], list[_Row]] = {}
    unscored = 0
    for candidate in perturbed.items:
        before, after = by_id[candidate.original.id], by_id[candidate.item.id]
        if not (is_scored(before.scores) and is_scored(after.scores)):
            unscored += 1
            continue
        row = _row(suite, candidate, before, after)
        rows.setdefault(candidate.name, []).append(row)
        section = rule_of(suite, candidate.original.subset).section
        by_section.setdefault((candidate.name, section), []).append(row)
    effects = [_effect(name, of_name) for name, of_name in rows.items()]
    if not effects:
        raise InputError(f"{result.model} has scores for no item and its perturbed version.")
    effects.sort(key=lambda effect: -effect.flips.value)
    sections = {key: _effect(key[0], of_section) for key, of_section in by_section.items()}
    return Robustness(result.model, effects, sections, perturbed, unscored)


@dataclass(frozen=True)
class _Row:
    """The decisions on an item and on its perturbed version."""

    cluster: Hashable
    credits: tuple[float, float]
    margins: tuple[float, float]


def _row(suite: Suite, candidate: PerturbedItem, before: ItemScores, after: ItemScores) -> _Row:
    item, rule = candidate.original, rule_of(suite, candidate.original.subset)
    cluster = column_value(item.meta, suite.cluster_by) or item.group or item.id
    credits = credit(item, before.scores, rule), credit(item, after.scores, rule)
    return _Row(cluster, credits, (margin(item, before.scores), margin(item, after.scores)))


def _effect(name: str, rows: Sequence[_Row]) -> Effect:
    credits = np.array([row.credits for row in rows])
    margins = np.array([row.margins for row in rows])
    flips = (credits[:, 0] != credits[:, 1]).astype(float)
    spread = float(margins[:, 0].std()) or 1.0
    return Effect(
        name=name,
        flips=stats.mean(flips.tolist(), [row.cluster for row in rows]),
        items=len(rows),
        before=float(credits[:, 0].mean()),
        after=float(credits[:, 1].mean()),
        shift=float(np.abs(margins[:, 1] - margins[:, 0]).mean()) / spread,
    )


def make_report(robustness: Robustness, suite: Suite, side: str) -> Report:
    """Return the report of a model."""
    worst, labels = robustness.worst(), robustness.labels
    values: dict[str, Value] = {
        "items": len({candidate.original.id for candidate in labels.items}),
        "perturbed": len(labels.items),
        "labels_verified": sum(labels.verified.values()),
        "labels_failed": labels.failed,
        "left_out": sum(labels.left_out.values()),
        "unscored": robustness.unscored,
        "worst": worst.name,
        "worst_flip_rate": worst.flips.value,
        "worst_section": robustness.worst_section(),
    }
    for effect in robustness.effects:
        values[f"flip_rate_{effect.name.replace('-', '_')}"] = effect.flips.value
    return Report(
        name=NAME,
        values=values,
        sentence=_sentence(robustness, suite),
        tables=[_effect_table(robustness), _section_table(robustness)],
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
        f"{robustness.model} on {suite.name} without changing a meaning, most in {robustness.worst_section()}: "
        "do not trust a comparison of two responses that differ in it."
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
    labels, rows = robustness.labels, []
    for effect in robustness.effects:
        limits = [100 * effect.flips.value, 100 * effect.flips.low, 100 * effect.flips.high]
        counts = [labels.verified.get(effect.name, 0), labels.left_out.get(effect.name, 0)]
        rows.append(
            [effect.name, effect.items, *limits, 100 * effect.before, 100 * effect.after, effect.shift, *counts]
        )
    columns = ["perturbation", "n", "flips %", "low", "high", "accuracy before", "after", "shift (sd)"]
    return ReportTable("Decisions that change", [*columns, "labels verified", "left out"], rows)


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
    for position, effect in enumerate(robustness.effects):
        mean = effect.flips
        errors = [[100 * (mean.value - mean.low)], [100 * (mean.high - mean.value)]]
        colour, mark = (ORANGE, "D") if effect.name == worst else (BLUE, "o")
        left.errorbar(100 * mean.value, position, xerr=errors, color=colour, marker=mark, markersize=6, capsize=3)
    left.set_yticks(
        range(len(robustness.effects)), [f"{effect.name}\nn = {effect.items:,}" for effect in robustness.effects]
    )
    left.set_ylim(len(robustness.effects) - 0.5, -0.5)
    left.set_xlim(left=min(0.0, left.get_xlim()[0]))
    left.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    label_axes(left, f"{robustness.model} on {suite}, {side} perturbed", "changed decisions in % (95 % interval)", "")
    _draw_sections(right, robustness)


def _draw_sections(axes: Axes, robustness: Robustness) -> None:
    """Draw the flip rates by section, where there are enough items."""
    sections = list(dict.fromkeys(section for _, section in robustness.sections))
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
