"""Self-test of mt: half-widths of shares, intervals on planted ratings, and the answers of judges."""

from __future__ import annotations

import numpy as np

from rewardbench.analysis.chatbench.comparison import half_width
from rewardbench.analysis.mt.ratings import mean_rating, question_means, questions_needed
from rewardbench.analysis.mt.report import HIGH, LOW, TURNS, load_questions
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars

SEEDS = 1000
QUESTIONS = 80
PLANTED_MEAN, QUESTION_SD, TURN_SD = 6.0, 1.2, 1.0
"""Planted ratings: their mean, and the standard deviations of questions and of turns within a question."""
SHARE = 0.8
SIZES = {160: 0.062, 358: 0.041, 2985: 0.014}
"""Half-widths of the 95 % interval of a share of .8, by the number of ratings."""


def selftest(seeds: int | None = None) -> Report:
    """Check half-widths, intervals and power on planted ratings, and that ratings of a judge are read.

    Args:
        seeds: number of samples of planted ratings; None: 1,000.
    """
    count = SEEDS if seeds is None else seeds
    coverage, naive, power = _planted(count)
    values: dict[str, Value] = {
        "questions": len(load_questions()),
        "rating_read_errors": _read_errors(),
        "coverage": coverage,
        "coverage_if_turns_were_independent": naive,
        "power_at_detectable": power,
        "seeds": count,
    }
    rows: list[list[Value]] = []
    worst = 0.0
    for size, expected in SIZES.items():
        width = half_width(SHARE, size)
        values[f"half_width_{size}"] = width
        worst = max(worst, abs(width - expected))
        rows.append([size, width, expected])
    values["half_width_error"] = worst
    return Report(
        "mt",
        values,
        f"With 160 ratings a share of .8 is known to ±{100 * half_width(SHARE, 160):.1f} points, so that smaller "
        "differences of two models are noise.",
        [ReportTable("Half-widths of the 95 % interval of a share of .8", ("ratings", "half-width", "expected"), rows)],
        bars=parse_bars(
            "questions>=10 rating_read_errors<=0 half_width_error<=0.0005 coverage>=0.93 coverage<=0.97 "
            "power_at_detectable>=0.75 power_at_detectable<=0.84"
        ),
    )


def _planted(seeds: int) -> tuple[float, float, float]:
    """Return how often intervals cover the planted mean, by questions and by turns, and the power at `detectable`."""
    covered = covered_by_turns = hits = 0
    error = np.sqrt((QUESTION_SD**2 + TURN_SD**2 / TURNS) / QUESTIONS)
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        ratings = _ratings(random, 0.0)
        mean = mean_rating(question_means(ratings))
        by_turns = mean_rating(ratings.ravel())
        covered += mean.low <= PLANTED_MEAN <= mean.high
        covered_by_turns += by_turns.low <= PLANTED_MEAN <= by_turns.high
        gap = mean_rating(question_means(ratings)).detectable * error / mean.error
        better = mean_rating(question_means(_ratings(random, gap)) - question_means(ratings))
        hits += better.low > 0
    return covered / seeds, covered_by_turns / seeds, hits / seeds


def _ratings(random: np.random.Generator, shift: float) -> np.ndarray:
    """Return planted ratings of other replies: [questions, turns]."""
    questions = random.normal(PLANTED_MEAN + shift, QUESTION_SD, (QUESTIONS, 1))
    return questions + random.normal(0.0, TURN_SD, (QUESTIONS, TURNS))


def _read_errors() -> int:
    """Return the number of ratings from 1 to 10 that the protocol turn_rating reads wrong in an answer."""
    from rewardbench.scorers.judge.answers import Answer
    from rewardbench.scorers.judge.parse import read_answer
    from rewardbench.scorers.judge.protocols import load_protocol

    rule = load_protocol("turn_rating").answer
    errors = 0
    for level in range(int(LOW), int(HIGH) + 1):
        text = f"It keeps 2 of 3 wishes, and 1 is missing.\nRating: {level}"
        errors += read_answer(rule, Answer(text, finish_reason="stop"), 1).scores != (float(level),)
    return errors + (questions_needed(1.0, QUESTIONS, 0.0) != float("inf"))
