"""Fit accuracy against parameters, with intervals and without each family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import exp, isfinite
from typing import Annotated

import numpy as np

from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value
from rewardbench.analysis.scaling.figure import count_families, draw_scaling, size_label
from rewardbench.analysis.scaling.fit import MixedFit, Slope, fit_mixed, fit_within, logit
from rewardbench.analysis.scaling.table import SizedModel, read_models
from rewardbench.comparison.compare import ComparedResult
from rewardbench.lint.arrays import Floats, Indices
from rewardbench.metrics.temperature import sigmoid


@dataclass(frozen=True)
class ScalingOptions:
    """Options of the scaling analysis."""

    drop_small: Annotated[bool, OptionHelp("Leave out families with fewer than three sizes")] = False


@dataclass(frozen=True)
class LeftOut:
    """A family: its models, the slope without it, and the mean error of predicting its accuracies from the others."""

    family: str
    models: int
    smallest: float
    largest: float
    slope_inside: Slope
    slope: Slope | None
    prediction_error: float | None


def analyze(inputs: Sequence[ComparedResult], options: ScalingOptions) -> Report:
    """Fit logit accuracy against log10 parameters by family.

    Args:
        inputs: results of one suite, or one table of models.
        options: the options.

    Raises:
        InputError: if a size is unknown, or a family has fewer than three sizes.
    """
    models, small = read_models(inputs, options.drop_small)
    x, y, family, names = as_arrays(models)
    fit, within = fit_mixed(x, y, family), fit_within(x, y, family)
    left_out = leave_family_out(models)
    slopes: list[tuple[str, Slope]] = [("all families", fit.slope), ("within families", within)]
    for row in left_out:
        if row.slope:
            slopes.append((f"without {row.family}", row.slope))
    return Report(
        name="scaling",
        values=_values(models, len(names), fit, within, left_out),
        sentence=_sentence(models, len(names), fit),
        tables=(_family_table(left_out),),
        draw=lambda figure: draw_scaling(figure, models, fit, slopes),
        size=(10.5, 5.0),
        details={
            "models": [_model_details(model) for model in models],
            "intercept": fit.intercept,
            "covariance": fit.covariance.tolist(),
            "family_effects": dict(zip(names, fit.effects.tolist(), strict=True)),
            "families": list(map(asdict, left_out)),
        },
        notes=_notes(models, small, len(names)),
        sources=[{"path": str(path)} for path in inputs if isinstance(path, str)],
    )


def as_arrays(models: Sequence[SizedModel]) -> tuple[Floats, Floats, Indices, list[str]]:
    """Return log10 parameters, logit accuracy and number of the family, all [models], and the names of the families."""
    numbers: dict[str, int] = {}
    x: list[float] = []
    accuracies: list[float] = []
    items: list[float] = []
    family: list[int] = []
    for model in models:
        x.append(model.parameters)
        accuracies.append(model.accuracy)
        items.append(model.n)
        family.append(numbers.setdefault(model.family, len(numbers)))
    y = logit(np.array(accuracies), np.array(items, dtype=float))
    return np.log10(x), y, np.array(family, dtype=np.int64), list(numbers)


def leave_family_out(models: Sequence[SizedModel]) -> list[LeftOut]:
    """Fit the slope without each family, and predict the accuracies of the family from the others."""
    x, y, family, names = as_arrays(models)
    rows: list[LeftOut] = []
    for number, name in enumerate(names):
        inside = family == number
        slope = error = None
        if len(names) > 1:
            _, others = np.unique(family[~inside], return_inverse=True)
            fit = fit_mixed(x[~inside], y[~inside], others.astype(np.int64))
            slope = fit.slope
            error = float(np.abs(sigmoid(fit.predict(x[inside])) - sigmoid(y[inside])).mean())
        sizes = 10 ** x[inside]
        slope_inside = fit_within(x[inside], y[inside], np.zeros(int(inside.sum()), dtype=np.int64))
        rows.append(
            LeftOut(name, int(inside.sum()), float(sizes.min()), float(sizes.max()), slope_inside, slope, error)
        )
    return rows


def _values(
    models: Sequence[SizedModel], families: int, fit: MixedFit, within: Slope, left_out: Sequence[LeftOut]
) -> dict[str, Value]:
    slopes: list[float] = []
    errors: list[float] = []
    for row in left_out:
        if row.slope is not None and row.prediction_error is not None:
            slopes.append(row.slope.value)
            errors.append(row.prediction_error)
    return {
        "families": families,
        "models": len(models),
        "slope": fit.slope.value,
        "slope_low": fit.slope.low,
        "slope_high": fit.slope.high,
        "slope_within": within.value,
        "slope_within_low": within.low,
        "slope_within_high": within.high,
        "odds_ratio": exp(fit.slope.value),
        "sd_between_families": fit.between,
        "sd_within_families": fit.within,
        "sampling_sd": _sampling_sd(models),
        "lowest_slope_left_out": min(slopes) if slopes else None,
        "highest_slope_left_out": max(slopes) if slopes else None,
        "prediction_error": float(np.mean(errors)) if errors else None,
    }


def _sampling_sd(models: Sequence[SizedModel]) -> float | None:
    """Return the standard deviation of logit accuracy that the numbers of items explain; None if they are unknown."""
    variances: list[float] = []
    for model in models:
        share = min(max(model.accuracy, 1e-3), 1 - 1e-3)
        if isfinite(model.n):
            variances.append(1 / (model.n * share * (1 - share)))
    return float(np.mean(variances)) ** 0.5 if variances else None


def _family_table(rows: Sequence[LeftOut]) -> ReportTable:
    columns = (
        "family",
        "models",
        "smallest",
        "largest",
        "own slope",
        "slope without it",
        "low",
        "high",
        "error, points",
    )
    cells: list[tuple[Value, ...]] = []
    for row in rows:
        without = (row.slope.value, row.slope.low, row.slope.high) if row.slope else (None, None, None)
        error = None if row.prediction_error is None else 100 * row.prediction_error
        sizes = (size_label(row.smallest), size_label(row.largest))
        cells.append((row.family, row.models, *sizes, row.slope_inside.value, *without, error))
    return ReportTable(
        "Slope of each family and without it, and error of predicting it from the others", columns, cells
    )


def _model_details(model: SizedModel) -> dict[str, object]:
    return {**asdict(model), "n": model.n if isfinite(model.n) else None}


def _sentence(models: Sequence[SizedModel], families: int, fit: MixedFit) -> str:
    """Return what ten times the parameters gain."""
    slope = fit.slope
    x, *_ = as_arrays(models)
    middle = float(sigmoid(fit.predict(x.mean(keepdims=True)))[0])
    if not slope.low <= 0 <= slope.high:
        points: list[float] = []
        for limit in (slope.value, slope.low, slope.high):
            points.append(100 * (_moved(middle, limit) - middle))
        return (
            f"Ten times the parameters change an accuracy of {middle:.0%} by {points[0]:+.1f} points (95 % interval "
            f"{points[1]:+.1f} to {points[2]:+.1f}; {count_families(families)}, {len(models)} models)."
        )
    return (
        f"With {count_families(families)} and {len(models)} models, accuracy is not shown to depend on size: ten times "
        f"the parameters change the odds by a factor of {exp(slope.value):.2f}, and the 95 % interval includes 1."
    )


def _moved(share: float, logits: float) -> float:
    return float(sigmoid(np.array([np.log(share / (1 - share)) + logits]))[0])


def _notes(models: Sequence[SizedModel], small: Sequence[str], families: int) -> list[str]:
    """Return the limits of this run."""
    notes = ["Models of one family also differ in data and training, so the slope is no effect of size alone."]
    if families == 1:
        notes.append("One family has no variation between families: its slope need not hold for others.")
    if small:
        notes.append(f"Left out, with fewer than three sizes: {', '.join(small)}.")
    named = sum(model.size_from_name for model in models)
    if named:
        notes.append(f"The sizes of {named} models were read from their names.")
    return notes
