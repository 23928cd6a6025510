"""Decisions of a model on items and on their perturbed versions, and how often they differ."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rewardbench import stats
from rewardbench.analysis.robustness.suite import PerturbedItem, PerturbedSuite, check_names, perturb_suite
from rewardbench.console.progress import StepBar
from rewardbench.console.terminal import make_console
from rewardbench.errors import InputError
from rewardbench.evaluation import run
from rewardbench.metrics import credit, is_scored, margin, rule_of
from rewardbench.metrics.grading import column_value
from rewardbench.scorers import load_scorer
from rewardbench.scorers.in_memory import name_of, scorer_of
from rewardbench.settings import Model, ModelSpec, Settings
from rewardbench.types import Item, ItemScores, Result, Suite


@dataclass(frozen=True)
class DecisionEffect:
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
    effects: Sequence[DecisionEffect]
    """From the highest flip rate to the lowest."""
    sections: Mapping[tuple[str, str], DecisionEffect]
    """By perturbation and section."""
    labels: PerturbedSuite
    unscored: int

    def worst(self) -> DecisionEffect:
        """Return the perturbation with the highest lower limit of the flip rate, which few items cannot decide."""
        return max(self.effects, key=lambda effect: (effect.flips.low, effect.flips.value))

    def worst_section(self) -> str:
        """Return the section in which the worst perturbation flips most."""
        worst = self.worst().name
        worst_section, highest = "", (-1.0, -1.0)
        for (name, section), effect in self.sections.items():
            rate = (effect.flips.low, effect.flips.value)
            if name == worst and rate > highest:
                worst_section, highest = section, rate
        return worst_section


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
        InputError: if the model cannot be loaded, for an unknown perturbation, or if none applies to an item.
    """
    check_names(names)
    model = ModelSpec(model) if isinstance(model, str) else model
    loaded = load_scorer(model) if isinstance(model, ModelSpec) else None  # before the labels, which take a minute
    with StepBar("verifying labels", None, make_console(stderr=True)) as tick:
        perturbed = perturb_suite(suite, names, side, seed, tick)
    both = _with_originals(suite, perturbed)
    if isinstance(model, ModelSpec):
        result, _ = run(Settings(model, suite.name, cache=True), suite=both, loaded=loaded)
        return _compare(result, suite, perturbed)
    spec = ModelSpec(name_of(model))
    with scorer_of(model, spec) as scorer:
        result, _ = run(Settings(spec, suite.name), suite=both, scorer=scorer)
        return _compare(result, suite, perturbed)


def _with_originals(suite: Suite, perturbed: PerturbedSuite) -> Suite:
    """Return the items and their perturbed versions as one suite."""
    originals: dict[str, Item] = {}
    for candidate in perturbed.items:
        originals[candidate.original.id] = candidate.original
    items = (*originals.values(), *(candidate.item for candidate in perturbed.items))
    return replace(
        suite, items=items, revision=f"{suite.revision}+perturbed", headline="accuracy", cluster_by="", breakdowns={}
    )


def _compare(result: Result, suite: Suite, perturbed: PerturbedSuite) -> Robustness:
    """Compare the decisions on perturbed items with those on their originals."""
    by_id: dict[str, ItemScores] = {}
    for item_scores in result.items:
        by_id[item_scores.id] = item_scores
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
    if not rows:
        raise InputError(f"{result.model} has scores for no item and its perturbed version.")
    effects = sorted(itertools.starmap(_effect, rows.items()), key=lambda effect: -effect.flips.value)
    sections: dict[tuple[str, str], DecisionEffect] = {}
    for (name, section), section_rows in by_section.items():
        sections[name, section] = _effect(name, section_rows)
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


def _effect(name: str, rows: Sequence[_Row]) -> DecisionEffect:
    clusters: list[Hashable] = []
    pairs: list[tuple[float, ...]] = []
    for row in rows:
        clusters.append(row.cluster)
        pairs.append((*row.credits, *row.margins))
    credits, margins = np.split(np.array(pairs), 2, axis=1)
    flips = (credits[:, 0] != credits[:, 1]).astype(float)
    spread = float(margins[:, 0].std()) or 1.0
    return DecisionEffect(
        name=name,
        flips=stats.mean(flips.tolist(), clusters),
        items=len(rows),
        before=float(credits[:, 0].mean()),
        after=float(credits[:, 1].mean()),
        shift=float(np.abs(margins[:, 1] - margins[:, 0]).mean()) / spread,
    )
