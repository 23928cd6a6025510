"""The report of rounds: paired differences, the curve of Gao et al. with its prediction for k rounds, and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from rewardbench import stats
from rewardbench.analysis.figures import BLUE, GREY, ORANGE, colour_and_mark, error_bars, label_axes
from rewardbench.analysis.iterate.rounds import LabelBudget, RoundsOutcome, gao_curve
from rewardbench.analysis.overoptimization import GaoFit, fit_gao
from rewardbench.analysis.report import Report, ReportTable, Value
from rewardbench.stats.intervals import student

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DECIMALS = 12
"""Decimals to which differences are rounded, so that rounding residues are 0."""
PLOTTED = 100
"""Points of a drawn curve."""


@dataclass(frozen=True)
class SeedOutcome:
    """The outcomes of one seed.

    Attributes:
        rounds: the outcome of each number of rounds.
        curve: gold reward of the reward model of one round at several distances d = sqrt(KL): [distances].
    """

    rounds: Mapping[int, RoundsOutcome]
    curve: np.ndarray


@dataclass(frozen=True)
class PairedGain:
    """Gold reward of k rounds minus that of one round, paired by seed."""

    rounds: int
    gold: float
    difference: float
    error: float
    low: float
    high: float
    wins: int

    @property
    def t(self) -> float:
        """Return the difference by its standard error; NaN if it is unknown."""
        return self.difference / self.error if self.error > 0 else nan


@dataclass(frozen=True)
class RoundCurve:
    """The curve of one round, fitted to its mean over seeds at distances d: [distances]."""

    distances: np.ndarray
    rewards: np.ndarray
    fit: GaoFit


def compare_rounds(outcomes: Sequence[SeedOutcome]) -> list[PairedGain]:
    """Compare each number of rounds with one round, paired by seed; intervals are Student's t."""
    gains: list[PairedGain] = []
    first = np.array([outcome.rounds[1].gold[-1] for outcome in outcomes])
    for rounds in outcomes[0].rounds:
        gold = np.array([outcome.rounds[rounds].gold[-1] for outcome in outcomes])
        differences = np.round(gold - first, DECIMALS)
        count = len(differences)
        error = float(differences.std(ddof=1)) / sqrt(count) if count > 1 else nan
        half = student(count - 1) * error if count > 1 else nan
        value = float(differences.mean())
        wins = int((differences > 0).sum())
        gains.append(PairedGain(rounds, float(gold.mean()), value, error, value - half, value + half, wins))
    return gains


def fit_curve(outcomes: Sequence[SeedOutcome], distances: np.ndarray) -> RoundCurve:
    """Fit the curve of Gao et al. to the mean over seeds."""
    rewards = np.mean([outcome.curve for outcome in outcomes], axis=0)
    return RoundCurve(distances, rewards, fit_gao(distances, rewards, "rl"))


def build_report(
    outcomes: Sequence[SeedOutcome],
    budget: LabelBudget,
    distances: np.ndarray,
    source: str,
    sources: Sequence[Mapping[str, object]],
    notes: Sequence[str],
) -> Report:
    """Build the report.

    Args:
        outcomes: one for each seed, with the same numbers of rounds.
        budget: the budget.
        distances: distances of the curves: [distances].
        source: what the candidates are, for the title.
        sources: where they come from.
        notes: what a reader must know of them.
    """
    gains, curve = compare_rounds(outcomes), fit_curve(outcomes, distances)
    last = gains[-1]
    values: dict[str, Value] = {"seeds": len(outcomes), "labels": budget.labels, "kl": budget.kl, "rounds": last.rounds}
    for gain in gains:
        values[f"gold_k{gain.rounds}"] = gain.gold
    distance = np.array([sqrt(budget.kl)])
    predicted = gao_curve(distance, curve.fit, last.rounds) - gao_curve(distance, curve.fit, 1)
    values |= {
        "paired_diff": last.difference,
        "paired_diff_low": last.low,
        "paired_diff_high": last.high,
        "se": last.error,
        "t": last.t,
        "wins": last.wins,
        "gao_alpha": curve.fit.alpha,
        "gao_beta": curve.fit.beta,
        "gao_r2": curve.fit.r_squared,
        "gao_predicted_diff": float(predicted[0]),
        "max_kl_error": _largest_error(outcomes, budget),
        "label_difference": _label_difference(outcomes, budget),
    }
    rows = [(gain.rounds, gain.gold, gain.difference, gain.low, gain.high, gain.t, gain.wins) for gain in gains[1:]]
    table = ReportTable(
        f"Gold reward (sd) after k rounds: {budget.labels:,} labels and a KL divergence of {budget.kl:.3g} nats in all",
        ("k", "gold", "minus k = 1", "low", "high", "t", "seeds won"),
        [(1, gains[0].gold, None, None, None, None, None), *rows],
    )
    return Report(
        name="iterate",
        values=values,
        sentence=_sentence(last, budget, len(outcomes)),
        tables=[table],
        draw=lambda figure: draw(figure, outcomes, budget, gains, curve, source),
        size=(10.0, 4.8),
        details=_details(outcomes, curve),
        notes=list(notes),
        sources=sources,
    )


def _largest_error(outcomes: Sequence[SeedOutcome], budget: LabelBudget) -> float:
    """Return the largest difference of a final KL divergence from the stated one."""
    errors: list[float] = []
    for outcome in outcomes:
        errors += [abs(float(rounds.kl[-1]) - budget.kl) for rounds in outcome.rounds.values()]
    return max(errors)


def _label_difference(outcomes: Sequence[SeedOutcome], budget: LabelBudget) -> int:
    """Return the largest difference of a number of labels from the budget."""
    return max(abs(rounds.labels - budget.labels) for outcome in outcomes for rounds in outcome.rounds.values())


def _sentence(gain: PairedGain, budget: LabelBudget, seeds: int) -> str:
    lead = f"With {budget.labels:,} labels and a KL divergence of {budget.kl:.3g} nats"
    if isnan(gain.error):
        difference = f"{gain.rounds} rounds and one differ by {gain.difference:+.2f} sd of gold reward"
        return f"{lead}, {difference} in the only seed, which shows nothing: raise --seeds."
    if gain.low > 0:
        size = f"{gain.difference:.2f} sd [{gain.low:.2f}, {gain.high:.2f}]"
        return (
            f"{lead}, {gain.rounds} rounds reach {size} more gold reward than one, and more in {gain.wins} of {seeds} "
            "seeds: spread the labels over rounds."
        )
    if gain.high < 0:
        size = f"{-gain.difference:.2f} sd [{-gain.high:.2f}, {-gain.low:.2f}]"
        return f"{lead}, {gain.rounds} rounds reach {size} less gold reward than one: label all pairs at the start."
    return (
        f"{lead}, {gain.rounds} rounds and one differ by {gain.difference:+.2f} sd of gold reward "
        f"[{gain.low:+.2f}, {gain.high:+.2f}], which {seeds} seeds cannot distinguish from 0: rounds are not worth "
        "their delay here, or need more seeds to show it."
    )


def _details(outcomes: Sequence[SeedOutcome], curve: RoundCurve) -> dict[str, object]:
    by_seed: list[dict[str, object]] = []
    for outcome in outcomes:
        rounds: dict[str, object] = {}
        for number, result in outcome.rounds.items():
            rounds[str(number)] = {"gold": result.gold.tolist(), "kl": result.kl.tolist()}
        by_seed.append(rounds)
    return {
        "seeds": by_seed,
        "one_round": {"distance": curve.distances.tolist(), "gold": curve.rewards.tolist()},
    }


def draw(
    figure: Figure,
    outcomes: Sequence[SeedOutcome],
    budget: LabelBudget,
    gains: Sequence[PairedGain],
    curve: RoundCurve,
    source: str,
) -> None:
    """Draw gold reward against distance with the curves of Gao et al., and the differences of the seeds."""
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_curves(left, outcomes, budget, curve)
    label_axes(left, source, "Distance d = √KL (√nats)", "Gold reward (sd above the start)")
    left.legend(frameon=False, fontsize=8, loc="best")
    _draw_gains(right, outcomes, gains)
    title = f"Gain over one round ({len(outcomes)} seeds)"
    label_axes(right, title, "Rounds k", "Gold reward minus that of k = 1 (sd)")


def _draw_curves(axes: Axes, outcomes: Sequence[SeedOutcome], budget: LabelBudget, curve: RoundCurve) -> None:
    axes.plot(curve.distances, curve.rewards, "o", color=GREY, markersize=4, label="one round, stopped early")
    drawn = np.linspace(curve.distances[0] / 2, sqrt(budget.kl), PLOTTED)
    for index, rounds in enumerate(outcomes[0].rounds):
        colour, mark = colour_and_mark(index)
        label = f"k = {rounds}: d(α − β log d + β log k)" if index else "k = 1: fit of d(α − β log d)"
        predicted = gao_curve(drawn, curve.fit, rounds)
        axes.plot(drawn, predicted, color=colour, linewidth=1.2, linestyle="-" if rounds == 1 else "--", label=label)
        reached = np.array([outcome.rounds[rounds].gold for outcome in outcomes])
        divergences = np.mean([outcome.rounds[rounds].kl for outcome in outcomes], axis=0)
        errors = reached.std(axis=0, ddof=1) / sqrt(len(outcomes)) if len(outcomes) > 1 else np.zeros(rounds)
        half = stats.normal(stats.COVERAGE) * errors
        axes.errorbar(
            *(np.sqrt(divergences), reached.mean(axis=0), half),
            fmt=mark, color=colour, markersize=6, capsize=2, label=f"k = {rounds}: measured, each round",
        )  # fmt: skip


def _draw_gains(axes: Axes, outcomes: Sequence[SeedOutcome], gains: Sequence[PairedGain]) -> None:
    axes.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    for position, gain in enumerate(gains[1:]):
        differences = [outcome.rounds[gain.rounds].gold[-1] - outcome.rounds[1].gold[-1] for outcome in outcomes]
        offsets = np.linspace(-0.16, 0.16, len(differences))
        axes.plot(position + offsets, sorted(differences), ".", color=BLUE, markersize=4, alpha=0.5)
        half = error_bars(gain.difference, gain.low, gain.high)
        axes.errorbar([position + 0.28], [gain.difference], yerr=half, fmt="D", color=ORANGE, markersize=6, capsize=3)
    axes.plot([], [], ".", color=BLUE, label="a seed, sorted")
    axes.plot([], [], "D", color=ORANGE, label="mean with 95 % interval")
    axes.set_xticks(range(len(gains) - 1), [str(gain.rounds) for gain in gains[1:]])
    axes.set_xlim(-0.5, len(gains) - 1.5)
    axes.legend(frameon=False, fontsize=8, loc="best")
