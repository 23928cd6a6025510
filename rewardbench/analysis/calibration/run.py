"""Run the analysis of calibration, and its self-test on planted temperatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import NormalDist
from typing import Annotated

import numpy as np

from rewardbench.analysis.calibration.figure import draw_calibration
from rewardbench.analysis.calibration.reliability import Breakdown, GroupErrors, ModelCalibration, calibrate_model
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars, source_of, unique_keys
from rewardbench.comparison.compare import ComparedResult, read_compared
from rewardbench.errors import InputError
from rewardbench.metrics.calibration import (
    FEWEST,
    PairMargins,
    calibration_error,
    clustered_floor,
    confidences,
    noise_floor,
    pair_margins,
    width_bins,
)
from rewardbench.metrics.temperature import HIGHEST, LOWEST, FloatArray, IntArray, sigmoid
from rewardbench.types import CalibrationErrors

SEEDS = 20
PLANTED_TEMPERATURE, PLANTED_SPREAD, PLANTED_PAIRS = 2.5, 3.5, 20_000
FLOOR_SIZES = (500, 2_985, 10_000)
"""Numbers of pairs at which the noise floor is compared with direct simulation."""
SIMULATIONS = 1_000
MOST_RESULTS = 6
LARGEST = 1e300
"""Largest margin, so that sums of margins are floats."""
BARS = (
    "T_max_rel_err<=0.05 ece_before_min>=0.121 ece_before_max<=0.141 ece_after_max<=0.023 "
    "floor_max_rel_err<=0.10 clustered_floor_max_rel_err<=0.10"
)


@dataclass(frozen=True)
class CalibrationOptions:
    """Options of the analysis."""

    by: Annotated[Breakdown, OptionHelp("Groups for which calibration errors are reported")] = "section"
    seed: Annotated[int, OptionHelp("Random seed of the split into halves", min=0)] = 0


def analyze(inputs: Sequence[ComparedResult], options: CalibrationOptions) -> Report:
    """Measure the calibration of models on the pairs that they scored.

    Args:
        inputs: 1 to 6 results.
        options: breakdown and seed.

    Raises:
        InputError: if there is no result, or one has too few scored pairs.
    """
    if not 1 <= len(inputs) <= MOST_RESULTS:
        raise InputError(f"calibration reads 1 to {MOST_RESULTS} results, and got {len(inputs)}: pass results (.json).")
    models: list[ModelCalibration] = []
    notes: list[str] = []
    sources: list[Mapping[str, object]] = []
    for result in inputs:
        scored = read_compared(result)
        pairs = pair_margins(scored.suite, scored.items)
        if pairs.count and np.abs(pairs.margins).max() > LARGEST:
            raise InputError(f"{scored.path} has margins above {LARGEST:g}: rescale the scores.")
        if pairs.count < FEWEST or len(np.unique(pairs.clusters)) < 2:
            raise InputError(
                f"{scored.path} has {pairs.count} scored pairs with a preference; calibration needs at least {FEWEST} "
                "of two clusters. Score more data."
            )
        models.append(calibrate_model(scored.model, pairs, options.by, options.seed))
        sources.append(source_of(scored))
        if pairs.unscored:
            notes.append(f"{scored.model}: {pairs.unscored:,} unscored items were left out.")
        if pairs.without_pair:
            notes.append(
                f"{scored.model}: {pairs.without_pair:,} items were left out (Ties subsets, or no preference)."
            )
    return _report(models, options, notes, sources)


def _report(
    models: Sequence[ModelCalibration],
    options: CalibrationOptions,
    notes: Sequence[str],
    sources: Sequence[Mapping[str, object]],
) -> Report:
    """Build the report of one or several models."""
    values: dict[str, Value] = {}
    for model, key in zip(models, unique_keys([model.model.lower() for model in models]), strict=True):
        prefix = "" if len(models) == 1 else f"{key}."
        values |= {prefix + name: value for name, value in _values_of(model).items()}
    tables = [_model_table(models)] if len(models) > 1 else []
    limits = [
        "Each half of the clusters was scaled by the temperature that fits the other half.",
        "Confidence and scaled ECE are after temperature scaling. Chance 95 %: the ECE that 95 % of perfectly "
        "calibrated models do not exceed on as many pairs.",
        "Labels state which response is better, not how many annotators would agree.",
    ]
    for model in models:
        tables.append(_group_table(model, options.by))
        if model.small_groups:
            limits.append(f"Fewer than {FEWEST} pairs, so no errors: {', '.join(model.small_groups)}.")
    rows = 1 + len(models[0].groups) if len(models) == 1 else len(models)
    return Report(
        "calibration",
        values,
        _sentence(models[0]) if len(models) == 1 else _sentence_of_several(models),
        tables,
        partial(draw_calibration, models),
        size=(8.0, 5.6 + 0.24 * min(rows, 40)),
        details={"models": list(map(asdict, models))},
        notes=[*notes, *limits],
        sources=sources,
    )


def _values_of(model: ModelCalibration) -> dict[str, Value]:
    """Return the figures of a model by their keys."""
    figures = model.figures
    values: dict[str, Value] = {
        "n": figures.n,
        "accuracy": model.right,
        "temperature": figures.temperature,
        "temperature_low": figures.temperature_low,
        "temperature_high": figures.temperature_high,
        "relative_temperature": model.relative_temperature,
        "T_at_bound": int(figures.at_bound),
        "log_loss": model.log_loss[0],
        "log_loss_scaled": model.log_loss[1],
    }
    for suffix, errors in (("", figures.before), ("_scaled", figures.after)):
        values |= {f"{name}{suffix}": value for name, value in asdict(errors).items()}
    values["floor_independent_scaled"] = model.floor_independent
    return values


def _model_table(models: Sequence[ModelCalibration]) -> ReportTable:
    columns = ("model", "n", "accuracy", "T", "ECE", "scaled ECE", "chance 95 %", "Brier", "scaled Brier")
    rows: list[list[Value]] = []
    for model in models:
        figures = model.figures
        before, after = figures.before, figures.after
        errors = [before.ece, after.ece, after.floor_high, before.brier, after.brier]
        rows.append([model.model, figures.n, model.right, figures.temperature, *errors])
    return ReportTable("Models", columns, rows)


def _group_table(model: ModelCalibration, by: str) -> ReportTable:
    columns = (by, "n", "accuracy", "confidence", "ECE", "scaled ECE", "chance 95 %", "T")
    rows: list[list[Value]] = []
    for group in model.groups:
        after = group.after
        errors = [group.before.ece, after.ece, after.floor_high]
        rows.append([group.name, group.n, group.right, group.confidence, *errors, group.temperature])
    return ReportTable(f"{model.model} by {by}, at temperature {model.figures.temperature:.3g}", columns, rows)


def _sentence(model: ModelCalibration) -> str:
    """Say what follows for the user of one model."""
    figures, before, after = model.figures, model.figures.before, model.figures.after
    if figures.at_bound and LOWEST < model.relative_temperature < HIGHEST:
        return (
            f"The margins of {model.model} are too {'large' if figures.temperature == HIGHEST else 'small'} for a "
            f"temperature from {LOWEST:g} to {HIGHEST:g}: rescale its scores (a DPO policy: another --beta) first."
        )
    if figures.temperature == HIGHEST and model.right_high < 0.5:
        return (
            f"The scores of {model.model} are higher for the wrong response ({model.right:.0%} of {figures.n:,} pairs "
            "are right): check the labels and the sign of the score before you read its margins as probabilities."
        )
    if figures.temperature == HIGHEST:
        return (
            f"Do not read the margins of {model.model} as probabilities: the best temperature is at its bound of "
            f"{HIGHEST:g}, so a large margin is right about as often ({model.right:.0%}) as a small one."
        )
    if figures.temperature == LOWEST:
        return (
            f"{model.model} is right on {model.right:.0%} of {figures.n:,} pairs, and on all with a clear margin: this "
            "data is too easy for an estimate of the temperature."
        )
    if before.ece <= before.floor_high:
        return (
            f"The margins of {model.model} can be read as probabilities as they are: ECE {before.ece:.3f}, and chance "
            f"alone gives a perfectly calibrated model up to {before.floor_high:.3f} on these {figures.n:,} pairs"
            f"{_exception(model.groups)}."
        )
    if after.ece >= before.ece:
        return (
            f"No temperature calibrates the margins of {model.model}: the ECE is {before.ece:.3f} as is and "
            f"{after.ece:.3f} scaled, and chance explains up to {before.floor_high:.3f} on {figures.n:,} pairs."
        )
    advice = (
        f"Divide the margins of {model.model} by {figures.temperature:.2f} before you read them as probabilities: "
        f"the ECE falls from {before.ece:.3f} to {after.ece:.3f}"
    )
    if after.ece <= after.floor_high:
        advice += f", which chance alone explains (95 %: up to {after.floor_high:.3f} on {figures.n:,} pairs)"
    else:
        advice += f", still above the {after.floor_high:.3f} that chance explains on {figures.n:,} pairs"
    worst = max(model.groups, key=lambda group: group.after.ece - group.after.floor_high, default=None)
    if worst is None or not _exceeds_chance(worst.after, len(model.groups)):
        return f"{advice}."
    return f"{advice}; worst is {worst.name}: confidence {worst.confidence:.2f}, accuracy {worst.right:.2f}."


def _exception(groups: Sequence[GroupErrors]) -> str:
    """Name the group whose margins are the farthest from probabilities as they are; empty if chance explains all."""
    worst = max(groups, key=lambda group: group.before.ece - group.before.floor_high, default=None)
    if worst is None or not _exceeds_chance(worst.before, len(groups)):
        return ""
    errors = worst.before
    return f"; but those of {worst.name} cannot: ECE {errors.ece:.3f}, and chance gives {errors.floor_high:.3f}"


def _exceeds_chance(errors: CalibrationErrors, groups: int) -> bool:
    """Return True if the ECE of the worst of several groups is above what chance gives in 5 % of cases (Bonferroni)."""
    deviation = (errors.floor_high - errors.floor) / NormalDist().inv_cdf(0.95)
    return errors.ece > errors.floor + NormalDist().inv_cdf(1 - 0.05 / groups) * deviation


def _sentence_of_several(models: Sequence[ModelCalibration]) -> str:
    """Name the model with the lowest log-loss, and say how many are calibrated after scaling."""
    best = min(models, key=lambda model: model.log_loss[1])
    calibrated = sum(model.figures.after.ece <= model.figures.after.floor_high for model in models)
    return (
        f"After temperature scaling, the ECE of {calibrated} of {len(models)} models is no larger than chance alone "
        f"gives; {best.model} has the lowest log-loss ({best.log_loss[1]:.3f}; constant 50 % has 0.693)."
    )


# Planted truth


def simulate_margins(
    n: int, random: np.random.Generator, temperature: float = PLANTED_TEMPERATURE, spread: float = PLANTED_SPREAD
) -> FloatArray:
    """Draw margins of a model whose best temperature is known.

    Args:
        n: number of pairs.
        random: source of random numbers.
        temperature: the planted temperature: a pair is right with probability sigmoid(abs(margin) / temperature).
        spread: standard deviation of the normal margins.
    """
    sizes = np.abs(spread * random.standard_normal(n))
    is_right = random.random(n) < sigmoid(sizes / temperature)
    margins: FloatArray = np.where(is_right, sizes, -sizes)
    return margins


def selftest(seeds: int | None = None) -> Report:
    """Recover a planted temperature, and compare the noise floors with direct simulation."""
    temperature_errors: list[float] = []
    before: list[float] = []
    after: list[float] = []
    model: ModelCalibration | None = None
    for seed in range(seeds or SEEDS):
        margins = simulate_margins(PLANTED_PAIRS, np.random.default_rng(seed))
        zeros = np.zeros(PLANTED_PAIRS, dtype=np.int64)
        pairs = PairMargins(margins, np.arange(PLANTED_PAIRS), zeros, zeros, ("planted",), ("planted",), 0, 0)
        model = calibrate_model("planted", pairs, seed=seed)
        temperature_errors.append(abs(model.figures.temperature / PLANTED_TEMPERATURE - 1))
        before.append(model.figures.before.ece)
        after.append(model.figures.after.ece)
    assert model is not None
    floor_error, clustered_error = _compare_floors()
    values: dict[str, Value] = {
        "T_max_rel_err": max(temperature_errors),
        "ece_before": float(np.mean(before)),
        "ece_before_min": min(before),
        "ece_before_max": max(before),
        "ece_after": float(np.mean(after)),
        "ece_after_max": max(after),
        "floor": model.figures.after.floor,
        "floor_max_rel_err": floor_error,
        "clustered_floor_max_rel_err": clustered_error,
        "seeds": len(before),
    }
    sentence = f"The planted temperature of {PLANTED_TEMPERATURE} is recovered within {max(temperature_errors):.1%}."
    report = _report([model], CalibrationOptions(), (), ())
    return Report("calibration", values, sentence, draw=report.draw, size=report.size, bars=parse_bars(BARS))


def _compare_floors() -> tuple[float, float]:
    """Return the largest relative error of both noise floors, of their mean and quantile, against simulation."""
    random = np.random.default_rng(0)
    errors: list[float] = []
    clustered_errors: list[float] = []
    for size in FLOOR_SIZES:
        confidence = confidences(simulate_margins(size, random) / PLANTED_TEMPERATURE)
        index = width_bins(confidence)
        simulated = _simulate_floor(confidence, index, np.arange(size), random)
        errors += _relative_errors(noise_floor(confidence, index), simulated)
    clusters = np.arange(size) // 5
    confidence = np.repeat(confidence[::5], 5)
    index = width_bins(confidence)
    simulated = _simulate_floor(confidence, index, clusters, random)
    outcome = (random.random(size // 5)[clusters] < confidence).astype(np.float64)
    clustered_errors += _relative_errors(clustered_floor(confidence, outcome, index, clusters), simulated)
    return max(errors), max(clustered_errors)


def _simulate_floor(
    confidence: FloatArray, index: IntArray, clusters: IntArray, random: np.random.Generator
) -> tuple[float, float]:
    """Simulate perfectly calibrated models whose pairs share their luck within a cluster: mean and 95 % quantile."""
    errors: list[float] = []
    for _ in range(SIMULATIONS):
        luck = random.random(int(clusters.max()) + 1)[clusters]
        errors.append(calibration_error(confidence, (luck < confidence).astype(np.float64), index))
    return float(np.mean(errors)), float(np.quantile(errors, 0.95))


def _relative_errors(floor: tuple[float, float], simulated: tuple[float, float]) -> list[float]:
    return [abs(value / truth - 1) for value, truth in zip(floor, simulated, strict=True)]
