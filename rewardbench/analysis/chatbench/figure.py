"""Picture of chatbench: how long chains go without a failure, and which rules are followed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.chatbench.comparison import ChainScore, survival
from rewardbench.analysis.chatbench.judging import ScoreJudgement
from rewardbench.analysis.chatbench.verify import VerifiedTurn, passes_of
from rewardbench.analysis.figures import GREEN, GREY, ORANGE, colour_and_mark, error_bars, label_axes, legend_name
from rewardbench.stats import wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_RULES = 14
"""Rules in the figure, the most frequent ones."""


def rule_shares(verified: Sequence[VerifiedTurn]) -> dict[str, tuple[int, int]]:
    """Return for each rule the number of replies that follow it, and of all; the most frequent rule first."""
    totals: Counter[str] = Counter()
    followed: Counter[str] = Counter()
    for turn in verified:
        for name, holds in turn.outcomes.items():
            totals[name] += 1
            followed[name] += holds
    return {name: (followed[name], total) for name, total in totals.most_common()}


@dataclass(frozen=True)
class ScoreCurve:
    """Scores of the replies of the first run: [replies], with the model that gave them, and its threshold."""

    model: str
    scores: np.ndarray
    judgement: ScoreJudgement


def draw_runs(
    figure: Figure,
    scores: Sequence[ChainScore],
    runs: Sequence[Sequence[VerifiedTurn]],
    curve: ScoreCurve | None = None,
) -> None:
    """Draw the share of chains without a failure up to each turn, and the share of replies that follow each rule.

    Args:
        figure: an empty figure.
        scores: figures of each run.
        runs: verified turns of each run.
        curve: scores of the replies of the first run, which become a third plot.
    """
    left, right, *others = figure.subplots(1, 3 if curve else 2)
    if curve:
        _draw_scores(others[0], curve, passes_of(runs[0]))
    for number, score in enumerate(scores):
        _draw_prefix(left, score, number, len(scores))
    left.set_ylim(-0.03, 1.03)
    chains = len(scores[0].prefixes)
    label_axes(left, f"Chains without a failure so far, n = {chains} chains", "Turn of the chain",
               "Share of chains (Kaplan-Meier, 95 % intervals)")  # fmt: skip
    replies = {name: total for name, (_, total) in rule_shares(runs[0]).items()}
    names = list(replies)[:MOST_RULES]
    for number, verified in enumerate(runs):
        _draw_rules(right, verified, names, number, len(runs))
    right.set_yticks(range(len(names)), [f"{name} ({replies[name]})" for name in names], fontsize=8)
    right.invert_yaxis()
    right.set_xlim(-0.03, 1.03)
    label_axes(right, f"Rules, n = {scores[0].turns} replies", "Share of replies that follow it, 95 % intervals",
               "Rule (replies)")  # fmt: skip
    handles, texts = left.get_legend_handles_labels()
    figure.legend(handles, texts, fontsize=9, frameon=False, loc="outside lower center", ncols=2)


def _draw_scores(axes: Axes, curve: ScoreCurve, passes: np.ndarray) -> None:
    """Draw the distribution functions of the scores of replies that pass the verifier, and of those that fail."""
    is_scored = np.isfinite(curve.scores)
    for name, is_shown, color, dashes in (("pass", passes, GREEN, "-"), ("fail", ~passes, ORANGE, "--")):
        values = np.sort(curve.scores[is_scored & is_shown])
        if len(values):
            shares = np.arange(1, len(values) + 1) / len(values)
            axes.step(values, shares, where="post", color=color, ls=dashes, label=f"verifier: {name} ({len(values)})")
    judgement = curve.judgement
    axes.axvline(judgement.threshold, color=GREY, lw=1, ls=":", label="threshold")
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    axes.locator_params("x", nbins=5)
    title = f"AUC {judgement.auc:.2f} ({judgement.low:.2f} to {judgement.high:.2f})"
    label_axes(axes, title, f"Score of {legend_name(curve.model)}", "Share of replies with at most this score")


def _draw_prefix(axes: Axes, score: ChainScore, number: int, count: int) -> None:
    shares = survival(score.prefixes)
    turns = np.arange(1, len(shares) + 1)
    values = np.array([share.value for share in shares])
    lows, highs = np.array([[share.low, share.high] for share in shares]).T
    colour, mark = colour_and_mark(number)
    axes.errorbar(
        turns + 0.12 * (number - (count - 1) / 2),
        values,
        yerr=error_bars(values, lows, highs),
        color=colour,
        marker=mark,
        capsize=2,
        ms=5,
        label=f"{legend_name(score.model)}: {score.passed}/{score.turns} turns",
    )
    axes.set_xticks(turns)


def _draw_rules(axes: Axes, verified: Sequence[VerifiedTurn], names: Sequence[str], number: int, count: int) -> None:
    shares = rule_shares(verified)
    colour, mark = colour_and_mark(number)
    for row, name in enumerate(names):
        followed, total = shares[name]
        low, high = wilson(followed, total)
        value = followed / total
        axes.errorbar(
            value,
            row + 0.24 * (number - (count - 1) / 2),
            xerr=error_bars(value, low, high),
            color=colour,
            marker=mark,
            ms=5,
            capsize=2,
        )
