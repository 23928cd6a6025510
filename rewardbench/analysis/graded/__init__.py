"""Correlate margins with the strength of graded labels, and report accuracy by level of strength.

Accuracy reads a label as ±1. A label that states how strongly a response is preferred (a Likert scale, a score
difference, a probability) contains more: a reward model whose margins are used as weights, thresholds or rewards should
have larger margins where the preference is stronger. Spearman's correlation measures that without assuming a
scale. Strengths as training signals: Touvron et al. 2023 (Llama 2, arXiv 2307.09288), Wang et al. 2024
(HelpSteer2-Preference, arXiv 2410.01257).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from rewardbench.analysis.graded.likert import round_trip_errors
from rewardbench.analysis.graded.statistics import collect, describe_levels, estimate_accuracy, estimate_spearman
from rewardbench.analysis.graded.trial import build_trial_report, run_trial
from rewardbench.analysis.graded.view import GradedModel, build_report
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, parse_bars
from rewardbench.comparison.compare import ComparedResult, align, read_compared
from rewardbench.errors import InputError
from rewardbench.results.scored import ModelScores
from rewardbench.suites import load_suite
from rewardbench.types import Item

BARS = "spearman_soft_minus_pm1>=0.008 likert_round_trip_errors<=0"
SEEDS = 20


@dataclass(frozen=True)
class GradedOptions:
    """Options of the analysis of graded labels."""

    dataset: Annotated[
        str | None, OptionHelp("Dataset that was scored, for results that do not store the strength of labels")
    ] = None
    levels: Annotated[int, OptionHelp("Maximum levels of strength to show; more are binned", min=2, max=20)] = 8
    resamples: Annotated[int, OptionHelp("Number of bootstrap resamples", min=100, max=100_000)] = 1000
    seed: Annotated[int, OptionHelp("Random seed of the bootstrap", min=0)] = 0


def analyze(inputs: Sequence[ComparedResult], options: GradedOptions) -> Report:
    """Relate the margins of one or several models to the strength of the labels.

    Args:
        inputs: results of the same items, whose labels have a strength.
        options: the options.

    Raises:
        InputError: if there is no result, the items differ, or too few labels have a strength.
    """
    if not inputs:
        raise InputError("graded reads results: pass results/NAME.json of data whose labels have a strength.")
    results = list(map(read_compared, inputs))
    results = [results[0], *(align(results[0], other)[1] for other in results[1:])]
    if options.dataset is not None:
        strengths = read_strengths(options.dataset)
        results = [with_strengths(scored, strengths, options.dataset) for scored in results]
    models: list[GradedModel] = []
    for scored in results:
        scores = collect(scored)
        models.append(
            GradedModel(
                result=scored,
                scores=scores,
                spearman=estimate_spearman(scores, options.resamples, options.seed),
                accuracy=estimate_accuracy(scores),
                levels=describe_levels(scores, options.levels),
            )
        )
    return build_report(models, options.resamples, options.seed)


def read_strengths(dataset: str) -> dict[str, float | None]:
    """Return the strength of the label of each item of a dataset by its id."""
    return {item.id: item.label_strength for item in load_suite(dataset).items}


def with_strengths(scored: ModelScores, strengths: Mapping[str, float | None], dataset: str) -> ModelScores:
    """Return a result whose items have the strengths of a dataset.

    Raises:
        InputError: if the dataset has none of its items.
    """
    items: list[Item] = []
    matches = 0
    for item in scored.suite.items:
        matches += item.id in strengths
        items.append(replace(item, label_strength=strengths.get(item.id, item.label_strength)))
    if not matches:
        raise InputError(f"{dataset} has none of the items of {scored.path}: pass the data that was scored.")
    return replace(scored, suite=replace(scored.suite, items=tuple(items)))


def selftest(seeds: int | None = None) -> Report:
    """Train a linear reward model on ±1, soft and 7-level labels of the same pairs, and convert every Likert point."""
    trials = list(map(run_trial, range(seeds or SEEDS)))
    return build_trial_report(trials, round_trip_errors(), parse_bars(BARS))
