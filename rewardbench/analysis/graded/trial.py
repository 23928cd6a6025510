"""Planted truth: a small linear reward model that is trained on ±1, soft and 7-level labels of the same pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.figures import GREY, ORANGE, label_axes
from rewardbench.analysis.graded.likert import likert_to_probability, probability_to_likert
from rewardbench.analysis.linear_rewards import fit_linear
from rewardbench.analysis.report import Bar, Report, ReportTable, Value
from rewardbench.metrics.temperature import sigmoid
from rewardbench.stats.correlation import spearman

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAIRS = 300
TEST_PAIRS = 2000
FEATURES = 20
TRUE_SPREAD = 2.0
"""Standard deviation of the true margins, in logits."""
NOISE = 0.5
"""Standard deviation of the annotators' noise, in logits."""
RIDGE = 1.0
POINTS = 7
KINDS = ("pm1", "soft", "levels")
"""Labels: which response is better, the probability, and the probability that a 7-point scale stands for."""


@dataclass(frozen=True)
class LabelTrial:
    """One seed: Spearman's correlation of margin and true strength, and accuracy, by kind of label: [KINDS] each."""

    spearman: np.ndarray
    accuracy: np.ndarray


def run_trial(seed: int) -> LabelTrial:
    """Train on each kind of label of `PAIRS` pairs, and measure on `TEST_PAIRS` further pairs."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=FEATURES)
    truth *= TRUE_SPREAD / np.linalg.norm(truth)
    features, test_features = random.normal(size=(PAIRS, FEATURES)), random.normal(size=(TEST_PAIRS, FEATURES))
    judged = features @ truth + NOISE * random.normal(size=PAIRS)
    soft = sigmoid(judged)
    levels = np.empty(PAIRS)
    for pair, probability in enumerate(soft.tolist()):
        levels[pair] = likert_to_probability(probability_to_likert(probability, POINTS), POINTS)
    true_margins = test_features @ truth
    trial = LabelTrial(np.empty(len(KINDS)), np.empty(len(KINDS)))
    for kind, labels in enumerate(((judged > 0).astype(np.float64), soft, levels)):
        margins = test_features @ fit_linear(features, labels, RIDGE)
        trial.spearman[kind] = spearman(margins, true_margins)
        trial.accuracy[kind] = ((margins > 0) == (true_margins > 0)).mean()
    return trial


def build_trial_report(trials: Sequence[LabelTrial], conversion_errors: int, bars: Sequence[Bar]) -> Report:
    """Build the report of the self-test: means over the seeds, and soft labels minus ±1, paired by seed."""
    values: dict[str, Value] = {"seeds": len(trials)}
    rows: list[Sequence[Value]] = []
    correlations = np.stack([trial.spearman for trial in trials])
    accuracies = np.stack([trial.accuracy for trial in trials])
    for kind, correlation, accuracy in zip(
        KINDS, correlations.mean(axis=0).tolist(), accuracies.mean(axis=0).tolist(), strict=True
    ):
        values |= {f"spearman_{kind}": correlation, f"accuracy_{kind}": accuracy}
        rows.append([kind, correlation, accuracy])
    differences = correlations[:, KINDS.index("soft")] - correlations[:, KINDS.index("pm1")]
    values["spearman_soft_minus_pm1"] = float(differences.mean())
    values["seeds_with_gain"] = int((differences > 0).sum())
    values["likert_round_trip_errors"] = conversion_errors
    sentence = (
        f"Trained on {PAIRS} pairs, soft labels order margins better than ±1 by {differences.mean():.4f} in Spearman's "
        f"correlation, in {(differences > 0).sum()} of {len(trials)} seeds."
    )
    return Report(
        "graded",
        values,
        sentence,
        [ReportTable("Labels of the same pairs", ("labels", "spearman", "accuracy"), rows)],
        lambda figure: draw_trials(figure, correlations),
        details={"labels": list(KINDS), "spearman": correlations.tolist(), "accuracy": accuracies.tolist()},
        bars=bars,
    )


def draw_trials(figure: Figure, correlations: np.ndarray) -> None:
    """Draw the correlation of each seed by kind of label: [seeds, KINDS]."""
    axes = figure.subplots()
    axes.plot(correlations.T, color=GREY, linewidth=0.6, alpha=0.6)
    axes.plot(correlations.mean(axis=0), "o", color=ORANGE, markersize=8, label=f"mean of {len(correlations)} seeds")
    axes.plot([], [], color=GREY, linewidth=0.8, label="one seed")
    axes.set_xticks(range(len(KINDS)), ("±1", "probability", f"{POINTS} levels"))
    axes.set_xlim(-0.4, len(KINDS) - 0.6)
    title = f"A linear reward model trained on {PAIRS} pairs ({TEST_PAIRS:,} test pairs)"
    label_axes(axes, title, "Labels of the training pairs", "Spearman of margin and true strength")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
