"""Run the analysis of bias, and its self-test on planted biases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any

from rewardbench import stats
from rewardbench.analysis.bias.planted import BARS, measure_planted_bias
from rewardbench.analysis.bias.style_pairs import StyleEffect, StyleFit, StylePairs, collect_pairs, fit_style
from rewardbench.analysis.figures import GREY, colour_and_mark, error_bars, label_axes, legend_name
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars, source_of, unique_keys
from rewardbench.comparison.compare import ComparedResult, read_compared, with_suite
from rewardbench.errors import InputError
from rewardbench.results.scored import ModelScores, hash_of_ids
from rewardbench.suites import load_suite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "bias"
MOST_MODELS = 12
"""Maximum number of results in one picture."""
STRONG = 0.1
"""Effect, in standard deviations of the margin, from which the report advises to control for a feature."""


@dataclass(frozen=True)
class BiasOptions:
    """Options of the analysis."""

    min_pairs: Annotated[int, OptionHelp("Minimum number of pairs that differ in a feature", min=2)] = 10
    dataset: Annotated[
        str | None,
        OptionHelp("Dataset that was scored, for its columns chosen_model and rejected_model (response writers)"),
    ] = None


@dataclass(frozen=True)
class ModelBias:
    """The biases of one model."""

    label: str
    scored: ModelScores
    pairs: StylePairs
    fit: StyleFit

    @property
    def position(self) -> tuple[stats.Mean, float] | None:
        """Return the swap inconsistency and the mean position bias; None if the model is not pairwise."""
        biases, inconsistencies = self.pairs.position
        if not inconsistencies:
            return None
        swap = stats.mean(inconsistencies, range(len(inconsistencies)))
        return swap, sum(biases) / len(biases) if biases else 0.0

    def strongest(self) -> StyleEffect | None:
        """Return the largest of the effects that are certain."""
        certain = [effect for effect in self.fit.effects if effect.is_certain]
        return max(certain, key=lambda effect: abs(effect.value), default=None)


def analyze(inputs: Sequence[ComparedResult], options: BiasOptions) -> Report:
    """Measure the biases of one or several models from their stored scores.

    Args:
        inputs: results, each of a model on a suite; they need not have the same items.
        options: options of the analysis.

    Raises:
        InputError: if a result cannot be read, or has too few pairs.
    """
    if not inputs:
        raise InputError("bias needs at least one result: pass a file such as results/tiny-rm.json.")
    if len(inputs) > MOST_MODELS:
        raise InputError(f"bias compares at most {MOST_MODELS} results, and there are {len(inputs)}: pass fewer.")
    results = list(map(read_compared, inputs))
    if options.dataset:
        results = [_with_columns(scored, options.dataset) for scored in results]
    models: list[ModelBias] = []
    for scored, label in zip(results, _labels(results), strict=True):
        pairs = collect_pairs(scored)
        models.append(ModelBias(label, scored, pairs, fit_style(pairs, options.min_pairs)))
    values: dict[str, Value] = {}
    for model, key in zip(models, unique_keys([model.label.lower() for model in models]), strict=True):
        prefix = "" if len(models) == 1 else f"{key}_"
        values |= {f"{prefix}{key}": value for key, value in _values(model).items()}
    return Report(
        name=NAME,
        values=values,
        sentence=_sentence(models),
        tables=[_effect_table(models), _accuracy_table(models)],
        draw=lambda figure: _draw(figure, models),
        size=(10.0, 4.2 + 0.35 * len(models)),
        notes=_notes(models),
        sources=[source_of(model.scored) for model in models],
    )


def selftest(seeds: int | None = None) -> Report:
    """Recover planted biases: of length 0, .5 and 1 on the margin, of position .3, and a model of length only."""
    values = measure_planted_bias(seeds or 20)
    sentence = (
        f"Planted effects of length are recovered with an error of at most {values['lambda_max_abs_err']:.3f}, and a "
        f"model that scores by length only has {100 * values['length_only_accuracy']:.1f} % at equal length."
    )
    return Report(NAME, values, sentence, bars=parse_bars(BARS))


def _with_columns(scored: ModelScores, dataset: str) -> ModelScores:
    """Return a result with the items of the data that was scored.

    Raises:
        InputError: if the data has other items.
    """
    suite = load_suite(dataset)
    if hash_of_ids(suite.items) != hash_of_ids(scored.suite.items):
        raise InputError(f"{dataset} has other items than {scored.path}: pass the data that was scored.")
    return with_suite(scored, replace(suite, rules=scored.suite.rules))


def _labels(results: Sequence[ModelScores]) -> list[str]:
    """Name each result by its model, and by its suite or file where models repeat."""
    labels = [scored.model for scored in results]
    for other in ([f"{scored.model} on {scored.suite.name}" for scored in results], [str(r.path) for r in results]):
        counts = Counter(labels)
        labels = [label if counts[label] == 1 else longer for label, longer in zip(labels, other, strict=True)]
    return labels


def _values(model: ModelBias) -> dict[str, Value]:
    """Return the figures of a model."""
    fit = model.fit
    values: dict[str, Value] = {
        "pairs": len(model.pairs.margins),
        "accuracy": fit.accuracy.value,
        "length_controlled_accuracy": fit.length_controlled.value,
        "style_controlled_accuracy": fit.style_controlled.value,
        "logistic_accuracy": fit.logistic.value,
        "equal_style_margin": fit.intercept.value,
        "style_r2": fit.explained,
    }
    keys = unique_keys([effect.name.lower() for effect in fit.effects])
    values |= {f"lambda_{key}": effect.value for key, effect in zip(keys, fit.effects, strict=True)}
    if model.position:
        swap, bias = model.position
        values |= {"swap_inconsistency": swap.value, "position_bias": bias}
    return values


def _effect_table(models: Sequence[ModelBias]) -> ReportTable:
    rows: list[list[Value]] = []
    for model in models:
        for effect in model.fit.effects:
            estimate = [effect.value, effect.low, effect.high]
            rows.append([model.label, effect.name, *map(_limit, estimate), effect.slope, effect.spread])
    columns = ["model", "feature", "lambda", "low", "high", "score per unit", "sd of the difference"]
    return ReportTable("Effect on the margin, in sd of the margin per sd of the difference", columns, rows)


def _limit(value: float) -> float | None:
    return None if isnan(value) else value


def _accuracy_table(models: Sequence[ModelBias]) -> ReportTable:
    rows: list[list[Value]] = []
    for model in models:
        fit = model.fit
        for name, mean in (
            ("as scored", fit.accuracy),
            ("length-controlled", fit.length_controlled),
            ("style-controlled", fit.style_controlled),
            ("logistic, at equal style", fit.logistic),
        ):
            limits = (_limit(100 * mean.low), _limit(100 * mean.high))
            rows.append([model.label, name, len(model.pairs.clusters), 100 * mean.value, *limits])
    return ReportTable("Accuracy, in percent", ["model", "accuracy", "n", "%", "low", "high"], rows)


def _notes(models: Sequence[ModelBias]) -> list[str]:
    notes: list[str] = []
    for model in models:
        features = [name for name in model.fit.dropped if not name.startswith("by ")]
        if features:
            names = ", ".join(features)
            notes.append(
                f"{model.label}: not measured, since too few pairs differ (--min_pairs), or others fix it: {names}."
            )
        if model.pairs.unscored:
            notes.append(f"{model.label}: {model.pairs.unscored} items without scores or texts are left out.")
    if any(model.scored.suite.headline == "mirror" for model in models):
        notes.append("In a mirror each response is right once, so style moves the margin but hardly the accuracy.")
    if any(name.startswith("by ") for model in models for name in model.pairs.names):
        notes.append("The effect of a response writer is relative to the writers without a row.")
    notes.append("Effects are linear; phrases of refusal, hedging and praise are recognised in English only.")
    return notes


def _sentence(models: Sequence[ModelBias]) -> str:
    """Return what follows from the strongest effect."""
    certain = [(model, effect) for model in models if (effect := model.strongest()) is not None]
    if not certain:
        return (
            "No effect of style on the margin is shown by these pairs: each interval, widened for their number, has 0."
        )
    model, effect = max(certain, key=lambda pair: abs(pair[1].value))
    fit = model.fit
    if abs(effect.value) < STRONG:
        return (
            f"Style has little effect on the margin: the largest is that of {effect.name} on {model.label} "
            f"({effect.value:+.2f} sd), and the accuracy at equal style is {100 * fit.style_controlled.value:.1f} %."
        )
    direction = ("rewards", "more") if effect.value > 0 else ("penalises", "less")
    return (
        f"{model.label} {direction[0]} {effect.name} ({effect.value:+.2f} sd of the margin per sd of the difference), "
        f"and style explains {100 * fit.explained:.0f} % of the variance of its margin: a policy trained on it will "
        f"tend to {direction[1]} of this feature. Its accuracy is {100 * fit.accuracy.value:.1f} % as scored and "
        f"{100 * fit.style_controlled.value:.1f} % at equal style."
    )


def _draw(figure: Figure, models: Sequence[ModelBias]) -> None:
    """Draw the effects with their intervals, and the accuracies as scored and at equal style."""
    names: list[str] = []
    for model in models:
        names += [effect.name for effect in model.fit.effects if effect.name not in names]
    names = names or ["none measured"]
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    for number, model in enumerate(models):
        offset = 0.7 * ((number + 0.5) / len(models) - 0.5)
        style = _marker(number)
        for effect in model.fit.effects:
            position = names.index(effect.name) + offset
            errors = error_bars(effect.value, effect.low, effect.high)
            left.errorbar(effect.value, position, xerr=errors, markersize=5, capsize=2, **style)
        _draw_accuracy(right, number, model.fit, style)
    left.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    left.set_yticks(range(len(names)), names)
    left.set_ylim(len(names) - 0.5, -0.5)
    for boundary in range(1, len(names)):
        left.axhline(boundary - 0.5, color="#dddddd", linewidth=0.6, zorder=0)
    suites = ", ".join(sorted({model.scored.suite.name for model in models}))
    label_axes(
        left,
        f"Effect of style on the margin, {suites}",
        "sd of the margin per sd of the difference (95 % interval)",
        "",
    )
    right.axvline(50, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    right.set_yticks(
        range(len(models)), [f"{legend_name(model.label)}\nn = {len(model.pairs.clusters):,}" for model in models]
    )
    right.set_ylim(len(models) - 0.5, -0.5)
    right.tick_params(axis="y", labelsize=8)
    label_axes(right, "Hollow: as scored\nFilled: at equal style", "accuracy in % (95 % interval)", "")


def _marker(number: int) -> dict[str, Any]:
    """Return how a model is drawn."""
    colour, mark = colour_and_mark(number)
    return {"color": colour, "marker": mark, "linestyle": "none"}


def _draw_accuracy(axes: Axes, number: int, fit: StyleFit, style: Mapping[str, Any]) -> None:
    """Draw the accuracy of a model as scored (hollow) above that at equal style (filled)."""
    for mean, offset, fill in ((fit.accuracy, -0.13, "white"), (fit.style_controlled, 0.13, style["color"])):
        errors = 100 * error_bars(mean.value, mean.low, mean.high)
        axes.errorbar(
            100 * mean.value, number + offset, xerr=errors, markersize=6, capsize=2, markerfacecolor=fill, **style
        )
