"""Compute the ceiling from an agreement or from annotations, and the accuracy of models as a share of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np

from rewardbench import stats
from rewardbench.analysis.ceiling.annotations import Annotations, read_annotations
from rewardbench.analysis.ceiling.drift import DriftTest, find_drift
from rewardbench.analysis.ceiling.figure import draw_ceiling
from rewardbench.analysis.ceiling.noise import (
    DawidSkene,
    dawid_skene,
    flip_rate,
    flip_rates,
    krippendorff_alpha,
    majority_ceiling,
    pair_agreement,
)
from rewardbench.analysis.figures import legend_name, short_name
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value, source_of
from rewardbench.comparison.compare import ComparedResult, read_compared
from rewardbench.errors import InputError
from rewardbench.lint.arrays import Floats
from rewardbench.metrics import credit, is_scored, margin, rule_of
from rewardbench.metrics.grading import cluster_of
from rewardbench.results.scored import ModelScores

RESAMPLES = 1000
PREFERENCES = {"chosen", "rejected"}
"""Labels that say which response of a pair an annotator prefers, by the label of the suite."""
COMMON = 0.75
"""Share of one label above which Krippendorff's alpha is not a measure of noise."""
DRIFT_COLUMNS = ("test", "of", "items", "agreement", "difference", "p", "Holm p", "DS accuracy", "")
UNCERTAIN = 0.9
"""Probability of the other label above which a label of the suite is contested."""


@dataclass(frozen=True)
class CeilingOptions:
    """Options of the ceiling."""

    agreement: Annotated[
        float | None, OptionHelp("Pairwise agreement of annotators, instead of --annotations", min=0, max=1)
    ] = None
    annotations: Annotated[
        str | None, OptionHelp("File with the columns item, annotator and label; optional: time or session")
    ] = None
    labels: Annotated[int, OptionHelp("Number of label classes, with --agreement", min=2)] = 2
    seed: Annotated[int, OptionHelp("Random seed of the bootstrap", min=0)] = 0


@dataclass(frozen=True)
class Noise:
    """Label noise, with the resamples from which intervals are computed (one value if there are no annotations).

    Attributes:
        labels: number of different labels.
        agreement: share of agreeing pairs of annotators.
        agreements: the same of each resample of the items: [resamples].
    """

    labels: int
    agreement: float
    agreements: Floats

    @property
    def flip(self) -> float:
        """Return the share of wrong labels; an agreement below chance counts as chance."""
        return float(flip_rates(np.array([self.agreement]), self.labels)[0])

    @property
    def is_chance(self) -> bool:
        """Return True if annotators do not agree more often than annotators who guess."""
        return self.agreement <= 1 / self.labels

    @property
    def flips(self) -> Floats:
        """Return the share of wrong labels in each resample."""
        return flip_rates(self.agreements, self.labels)


@dataclass(frozen=True)
class CappedModel:
    """Accuracy of a model, and its share of the ceiling, each with its 95 % interval.

    `corrected` is the accuracy against true labels if the errors of model and labels are independent: (accuracy - e) /
    (1 - 2 e), clipped to 0 to 1; None with more than two labels.
    """

    model: str
    items: int
    accuracy: stats.Interval
    share: stats.Interval
    value: float
    share_value: float
    majority_share: float
    corrected: float | None
    dawid_skene: float | None


def analyze(inputs: Sequence[ComparedResult], options: CeilingOptions) -> Report:
    """Compute flip rate and ceilings, and the accuracy of results as a share of the ceiling.

    Args:
        inputs: results, or none.
        options: an agreement, or a file of annotations.

    Raises:
        InputError: if there is neither an agreement nor annotations or both, they are unfit, or a result has none of
            the annotated items.
    """
    if (options.agreement is None) == (options.annotations is None):
        raise InputError("The ceiling needs either --agreement, such as 0.70, or --annotations with a file of labels.")
    results = list(map(read_compared, inputs))
    annotations, estimate = None, None
    tests: list[DriftTest] = []
    if options.annotations is not None:
        annotations = read_annotations(options.annotations)
        estimate = dawid_skene(annotations, symmetric=set(annotations.labels) <= PREFERENCES)
        tests = find_drift(annotations)
        noise = _noise_of(annotations, options.seed)
    else:
        agreement = float(options.agreement or 0)
        flip_rate(agreement, options.labels)  # rejects one that no flip rate explains
        noise = Noise(options.labels, agreement, np.array([agreement]))
    models = [_capped(scored, noise, annotations, estimate, options.seed) for scored in results]
    values = _values(noise, models)
    if annotations and estimate:
        values |= _annotation_values(annotations, estimate, tests)
    return Report(
        name="ceiling",
        values=values,
        sentence=_sentence(noise, models, tests, annotations),
        tables=_tables(models, tests, annotations, estimate),
        draw=lambda figure: draw_ceiling(figure, noise.labels, _point(noise), _lines(models), tests),
        size=(10.0, 4.8) if tests else (7.0, 4.8),
        details={"models": list(map(asdict, models)), "tests": list(map(asdict, tests))},
        notes=_notes(noise, annotations, estimate, models),
        sources=list(map(source_of, results)),
    )


def _noise_of(annotations: Annotations, seed: int) -> Noise:
    """Compute the agreement, and that of each resample of items."""
    agreeing, pairs = pair_agreement(annotations.counts())
    resampled = stats.resample(np.stack([agreeing, pairs], axis=1)[pairs > 0], np.random.default_rng(seed), RESAMPLES)
    return Noise(max(2, len(annotations.labels)), float(agreeing.sum() / pairs.sum()), resampled)


def _capped(
    scored: ModelScores, noise: Noise, annotations: Annotations | None, estimate: DawidSkene | None, seed: int
) -> CappedModel:
    """Compute the accuracy of a result, on the annotated items if there are annotations, and its share of the ceiling.

    The interval of the share combines the resamples of the agreement with independent resamples of the accuracy.
    """
    suite = scored.suite
    names = set(annotations.items) if annotations else None
    credits: list[float] = []
    clusters: list[tuple[str, str]] = []
    for item, item_scores in zip(suite.items, scored.items, strict=True):
        if item.is_labelled and (names is None or item.id in names):
            credits.append(credit(item, item_scores.scores, rule_of(suite, item.subset), item_scores.step_scores))
            clusters.append(cluster_of(item, suite))
    if not credits:
        raise InputError(f"{scored.path} has none of the annotated items: name annotations of its items, by their ids.")
    mean = stats.mean(credits, clusters)
    pairs = np.stack([list(mean.contributions.values()), list(mean.weights.values())], axis=1)
    accuracies = stats.resample(pairs, np.random.default_rng(seed + 1), RESAMPLES)
    return CappedModel(
        model=scored.model,
        items=len(credits),
        accuracy=(mean.low, mean.high),
        share=stats.percentile_interval(accuracies / (1 - noise.flips)),
        value=mean.value,
        share_value=mean.value / (1 - noise.flip),
        majority_share=mean.value / majority_ceiling(noise.flip, noise.labels),
        corrected=_corrected(mean.value, noise),
        dawid_skene=_agreement_with_truth(scored, annotations, estimate) if annotations and estimate else None,
    )


def _agreement_with_truth(scored: ModelScores, annotations: Annotations, estimate: DawidSkene) -> float | None:
    """Return the mean probability that the preferred response has the true label; None unless labels are preferences.

    A tie, or an unscored item, agrees with no label.
    """
    if not set(annotations.labels) <= PREFERENCES:
        return None
    numbers = {name: number for number, name in enumerate(annotations.items)}
    columns = {label: column for column, label in enumerate(annotations.labels)}
    agreements: list[float] = []
    for item, item_scores in zip(scored.suite.items, scored.items, strict=True):
        if item.id not in numbers or not item.has_preference:
            continue
        gap = margin(item, item_scores.scores) if is_scored(item_scores.scores) else 0.0
        column = columns.get("chosen" if gap > 0 else "rejected") if gap else None
        agreements.append(0.0 if column is None else float(estimate.posterior[numbers[item.id], column]))
    return float(np.mean(agreements)) if agreements else None


def _corrected(accuracy: float, noise: Noise) -> float | None:
    """Return the accuracy against true labels, from 0 to 1; None if it cannot be recovered."""
    if noise.labels > 2 or noise.flip >= 0.5:
        return None
    return min(1.0, max(0.0, (accuracy - noise.flip) / (1 - 2 * noise.flip)))


def _values(noise: Noise, models: Sequence[CappedModel]) -> dict[str, Value]:
    values: dict[str, Value] = {
        "agreement": noise.agreement,
        "flip": noise.flip,
        "ceiling": 1 - noise.flip,
        "ceiling_majority3": majority_ceiling(noise.flip, noise.labels),
    }
    if len(noise.agreements) > 1:
        values["agreement_low"], values["agreement_high"] = stats.percentile_interval(noise.agreements)
        values["ceiling_low"], values["ceiling_high"] = stats.percentile_interval(1 - noise.flips)
    if models:
        best = max(models, key=lambda model: model.value)
        values |= {
            "model": best.model,
            "items": best.items,
            "accuracy": best.value,
            "share_of_ceiling": best.share_value,
        }
        values["share_of_ceiling_low"], values["share_of_ceiling_high"] = best.share
        values["share_of_majority3"] = best.majority_share
        values["corrected_accuracy"] = best.corrected
    return values


def _annotation_values(annotations: Annotations, estimate: DawidSkene, tests: Sequence[DriftTest]) -> dict[str, Value]:
    """Return the figures that need annotations."""
    counts = annotations.counts()
    votes = counts == counts.max(axis=1, keepdims=True)
    in_majority = votes[np.arange(len(votes)), estimate.labels]
    values: dict[str, Value] = {
        "annotations": len(annotations.item),
        "missing_labels": annotations.missing,
        "annotated_items": len(annotations.items),
        "annotators": len(annotations.annotators),
        "alpha": krippendorff_alpha(counts),
        "annotator_accuracy": float(estimate.accuracies.mean()),
        "lowest_annotator_accuracy": float(estimate.accuracies.min()),
        "labels_against_majority": int((~in_majority).sum()),
        "tests": len(tests),
    }
    for kind in ("annotator", "session", "trend"):
        values[f"flagged_{kind}s"] = sum(test.flagged and test.kind == kind for test in tests)
    if set(annotations.labels) == PREFERENCES:
        rejected = estimate.posterior[:, list(annotations.labels).index("rejected")]
        values["contested_labels"] = int((rejected >= UNCERTAIN).sum())
    return values


def _tables(
    models: Sequence[CappedModel],
    tests: Sequence[DriftTest],
    annotations: Annotations | None,
    estimate: DawidSkene | None,
) -> list[ReportTable]:
    tables: list[ReportTable] = []
    if models:
        columns = ("model", "items", "accuracy", "share of ceiling", "low", "high", "corrected", "DS accuracy")
        rows: list[tuple[Value, ...]] = []
        for model in models:
            shares = (model.share_value, *model.share)
            rows.append((model.model, model.items, model.value, *shares, model.corrected, model.dawid_skene))
        tables.append(ReportTable("Accuracy and its share of the ceiling of one annotator", columns, rows))
    if annotations and estimate:
        accuracies = dict(zip(annotations.annotators, estimate.accuracies.tolist(), strict=True))
        rows = []
        for test in tests:
            accuracy = None if test.kind == "session" else accuracies[test.name]
            figures = (test.agreement, test.difference, test.p, test.adjusted, accuracy)
            rows.append((test.kind, test.name, test.items, *figures, "drift" if test.flagged else ""))
        title = "Agreement of annotators and sessions with all others, and over time"
        tables.append(ReportTable(title, DRIFT_COLUMNS, rows))
    return tables


def _point(noise: Noise) -> tuple[float, float, float]:
    """Return the agreement with its limits."""
    return (noise.agreement, *stats.percentile_interval(noise.agreements))


def _lines(models: Sequence[CappedModel]) -> list[tuple[str, float]]:
    """Return the name and the accuracy of each model."""
    return [(f"{legend_name(short_name(model.model))} (n {model.items:,})", model.value) for model in models]


def _sentence(
    noise: Noise, models: Sequence[CappedModel], tests: Sequence[DriftTest], annotations: Annotations | None
) -> str:
    """Return what the noise means for the user."""
    if noise.is_chance:
        sentence = (
            f"Labels of annotators agree in {noise.agreement:.0%} of comparisons, no more often than by chance, so "
            "that an accuracy against them says nothing"
        )
    else:
        sentence = (
            f"Annotators whose labels agree in {noise.agreement:.0%} of comparisons mislabel {noise.flip:.1%} of items "
            f"each, so a perfect model scores about {1 - noise.flip:.1%} against one of them and "
            f"{majority_ceiling(noise.flip, noise.labels):.1%} against the majority of three"
        )
    if models and not noise.is_chance:
        best = max(models, key=lambda model: model.value)
        low, high = best.share
        sentence += (
            f"; {short_name(best.model)} reaches {best.value:.1%}, which is {best.share_value:.0%} of the ceiling of "
            f"one annotator (95 % interval {low:.0%} to {high:.0%})"
        )
    flagged = [test for test in tests if test.flagged]
    if flagged:
        test = next((test for test in flagged if test.difference < 0), flagged[0])
        what = {"annotator": "annotator", "session": "session", "trend": "the trend of annotator"}[test.kind]
        sentence += f"; look at {what} {test.name} first (significant differences: {len(flagged)})"
        if test.kind == "trend" and annotations and len(annotations.annotators) == 2:
            sentence += ", or at the other annotator: of two, both have the same agreement"
    return f"{sentence}."


def _notes(
    noise: Noise, annotations: Annotations | None, estimate: DawidSkene | None, models: Sequence[CappedModel]
) -> list[str]:
    """Return the limits of this run."""
    notes = ["The flip rate assumes that annotators err independently, and alike on all items and labels."]
    if not noise.is_chance and stats.percentile_interval(noise.agreements)[0] <= 1 / noise.labels:
        notes.append("The interval of the agreement includes chance, so the ceiling is hardly known.")
    if models:
        notes.append("The share of the ceiling assumes that the labels of the results are those of one such annotator.")
        if max(model.share_value for model in models) > 1:
            notes.append(
                "A share above 100 % means that model and labels share errors, or that the labels are cleaner."
            )
    if annotations and estimate:
        names = [
            name
            for name, accuracy in zip(annotations.annotators, estimate.accuracies.tolist(), strict=True)
            if accuracy < 1 / noise.labels
        ]
        if names:
            notes.append(f"Right less often than chance, so perhaps with reversed labels: {', '.join(names)}.")
        if annotations.missing:
            notes.append(f"{annotations.missing:,} rows without a label were left out.")
    if annotations:
        if np.bincount(annotations.label).max() > COMMON * len(annotations.label):
            notes.append("Most labels are the same, so Krippendorff's alpha is low whatever the agreement.")
        notes.append("DS accuracy is estimated by the model of Dawid and Skene, from the annotations alone.")
        notes.append("Drift tests assume that items were assigned to annotators and sessions at random.")
    return notes
