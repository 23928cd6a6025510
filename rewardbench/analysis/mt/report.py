"""The analysis mt: ratings of two turns by a judge, with intervals and the minimum detectable difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from rewardbench import stats
from rewardbench.analysis.chatbench.chains import Chain, read_chains, reject_repeated
from rewardbench.analysis.chatbench.judging import ScoredReplies, score_replies
from rewardbench.analysis.chatbench.options import ChatOptions
from rewardbench.analysis.chatbench.play import ChatRun, read_runs
from rewardbench.analysis.figures import colour_and_mark, error_bars, label_axes, legend_name, short_name
from rewardbench.analysis.mt.ratings import RatingMean, mean_rating, question_means, questions_needed
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value
from rewardbench.comparison.compare import ComparedResult
from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTIONS = Path(__file__).with_name("questions.yaml")
TURNS = 2
LOW, HIGH = 1.0, 10.0
"""Scale of the protocol turn_rating."""
GOAL = 0.5
"""Difference of two models, in points, for which the number of questions is stated."""


@dataclass(frozen=True, kw_only=True)
class MtOptions(ChatOptions):
    """Options of the analysis mt."""

    questions: Annotated[
        str | None, OptionHelp("YAML file with two-turn questions; default: the 14 of the package")
    ] = None
    judge_protocol: Annotated[str, OptionHelp("Pointwise protocol by which --judge rates a reply")] = "turn_rating"


@dataclass(frozen=True)
class RatedRun:
    """A run with the rating of each reply.

    Attributes:
        run: the replies.
        ratings: of each turn, NaN where the judge gave none: [questions, 2].
        scored: what the judge reports.
    """

    run: ChatRun
    ratings: np.ndarray
    scored: ScoredReplies

    @property
    def means(self) -> tuple[RatingMean, RatingMean, RatingMean]:
        """Mean ratings of both turns together, of the first turn, and of the second."""
        both = mean_rating(question_means(self.ratings))
        return both, mean_rating(self.ratings[:, 0]), mean_rating(self.ratings[:, 1])


def load_questions(path: str | Path | None = None) -> list[Chain]:
    """Load the questions of a YAML file, or those of this package.

    Raises:
        InputError: if it cannot be read, or a question does not have two turns.
    """
    questions = read_chains(Path(path or QUESTIONS).expanduser(), TURNS, TURNS)
    reject_repeated(questions, "questions")
    return questions


def analyze(inputs: Sequence[ComparedResult], options: MtOptions) -> Report:
    """Ask questions of two turns or read the replies, and have a judge rate each reply.

    Args:
        inputs: files of replies (.jsonl) of earlier runs; two are compared.
        options: the chat model, the questions, and the judge.

    Raises:
        InputError: if there are no replies or no judge, or a file has replies to other questions.
    """
    questions = load_questions(options.questions)
    spec = options.judge_spec(options.judge_protocol)
    if spec is None:
        raise InputError("mt needs a judge: pass --judge, and --judge_url if it is behind a server.")
    played = options.hold(questions, "mt")
    runs = [played] if played else []
    runs += read_runs(inputs, questions, "mt", "questions", "--questions")
    if not runs:
        raise InputError("There are no replies to rate: pass --chat_model, or files of replies.")
    rated: list[RatedRun] = []
    for run in runs:
        rated.append(rate_run(run, questions, spec))
    return report_ratings(rated, questions, short_name(spec.model))


def rate_run(run: ChatRun, questions: Sequence[Chain], spec: ModelSpec) -> RatedRun:
    """Have a judge rate each reply of a run in its conversation.

    Raises:
        InputError: if its protocol does not rate from 1 to 10.
    """
    scored = score_replies(spec, questions, run.replies)
    rated = scored.scores[np.isfinite(scored.scores)]
    if len(rated) and (rated.min() < LOW or rated.max() > HIGH):
        raise InputError(
            f"The judge's scores are from {rated.min():.3g} to {rated.max():.3g}, not ratings from 1 to 10: pass "
            "--judge_protocol turn_rating, rating or rating_logprob."
        )
    return RatedRun(run, scored.scores.reshape(len(questions), TURNS), scored)


def report_ratings(rated: Sequence[RatedRun], questions: Sequence[Chain], judge: str) -> Report:
    """Return the report of rated runs.

    Args:
        rated: one or more runs; the second is compared with the first.
        questions: the questions.
        judge: name of the judge.

    Raises:
        InputError: if no question of the first run has ratings of both turns.
    """
    first = rated[0]
    both, first_turn, second_turn = first.means
    if both.questions == 0:
        raise InputError(f"{judge} rated both turns of no question: look at its answers, or use another judge.")
    difference = None
    if len(rated) > 1:
        difference = mean_rating(question_means(rated[1].ratings) - question_means(first.ratings))
    values: dict[str, Value] = {
        "rating": both.value,
        "rating_low": both.low,
        "rating_high": both.high,
        "first_turn": first_turn.value,
        "second_turn": second_turn.value,
        "questions": both.questions,
        "unrated": int(np.isnan(first.ratings).sum()),
        "half_width": (both.high - both.low) / 2,
        "detectable_difference": both.detectable if difference is None else stats.detectable(difference.error),
        "questions_for_half_a_point": _needed(both, difference),
        "judge": judge,
        "protocol": first.scored.protocol,
    }
    if difference:
        values |= _difference_values(difference, rated)
    return Report(
        name="mt",
        values=values,
        sentence=_sentence(rated, difference, judge),
        tables=[_mean_table(rated), _question_table(rated, questions)],
        draw=lambda figure: draw_ratings(figure, rated, judge),
        size=(10.0, 4.6),
        details={"ratings": [{"model": entry.run.model, "ratings": entry.ratings.tolist()} for entry in rated]},
        notes=_notes(rated),
        sources=[dict(entry.run.settings) for entry in rated],
    )


def _needed(both: RatingMean, difference: RatingMean | None) -> int | None:
    """Return the number of questions that detect half a point."""
    error, count = (both.error, both.questions) if difference is None else (difference.error, difference.questions)
    if not error > 0:
        return None
    needed = questions_needed(error if difference is None else error / sqrt(2), count, GOAL)
    return int(needed)


def _difference_values(difference: RatingMean, rated: Sequence[RatedRun]) -> dict[str, Value]:
    steps = question_means(rated[1].ratings) - question_means(rated[0].ratings)
    return {
        "second_rating": rated[1].means[0].value,
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "paired_questions": difference.questions,
        "sign_flip_p": stats.sign_flip(steps[np.isfinite(steps)].tolist()),
    }


def _sentence(rated: Sequence[RatedRun], difference: RatingMean | None, judge: str) -> str:
    both = rated[0].means[0]
    sentence = f"{judge} rates {rated[0].run.model} {both.value:.2f} of 10"
    if both.questions > 1:
        sentence += f" ({both.low:.2f} to {both.high:.2f}, {both.questions} questions)"
    if both.questions == 1:
        return f"{sentence}; with one question nothing is known about its error."
    if difference is None and both.error == 0:
        return f"{sentence}; all ratings are equal, so nothing is known of the difference that can be detected."
    if difference is None or not isfinite(difference.error):
        return (
            f"{sentence}; a difference to another model below {both.detectable:.2f} points is not detected with 80 % "
            "power."
        )
    verdict = "higher" if difference.low > 0 else "lower" if difference.high < 0 else "not distinguishably different"
    interval = f"{difference.low:.2f} to {difference.high:.2f}"
    sentence += f", and {rated[1].run.model} is {verdict}, at {difference.value:+.2f} points ({interval})"
    if difference.error == 0:
        return f"{sentence}, the same for every question."
    return f"{sentence}, where {stats.detectable(difference.error):.2f} points are detected with 80 % power."


def _mean_table(rated: Sequence[RatedRun]) -> ReportTable:
    rows: list[list[Value]] = []
    for entry in rated:
        for name, mean in zip(("both turns", "first turn", "second turn"), entry.means, strict=True):
            rows.append([entry.run.model, name, mean.value, mean.low, mean.high, mean.questions])
    return ReportTable(
        "Mean ratings, 95 % intervals over questions", ("model", "turns", "mean", "low", "high", "n"), rows
    )


def _question_table(rated: Sequence[RatedRun], questions: Sequence[Chain]) -> ReportTable:
    rows: list[list[Value]] = []
    for number, question in enumerate(questions):
        row: list[Value] = [question.id]
        for entry in rated:
            row += [float(rating) for rating in entry.ratings[number]]
        rows.append(row)
    columns = ["question"]
    for number, _ in enumerate(rated, 1):
        columns += [f"model {number}, turn 1", f"model {number}, turn 2"]
    return ReportTable("Ratings", columns, rows)


def _notes(rated: Sequence[RatedRun]) -> list[str]:
    notes = ["The interval is over questions like these, with the same judge; it does not include a bias of the judge."]
    for entry in rated:
        for reason in entry.scored.reasons:
            notes.append(f"Some replies of {entry.run.model} are unrated: {reason.rstrip('.')}.")
        missing = entry.ratings.size - sum(map(len, entry.run.replies.values()))
        if missing > 0:
            notes.append(f"{entry.run.model} has no reply to {missing} turns, which are unrated.")
    return notes


def draw_ratings(figure: Figure, rated: Sequence[RatedRun], judge: str) -> None:
    """Draw the ratings of both turns, and their means with intervals."""
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    levels = np.arange(LOW, HIGH + 1)
    width = 0.8 / (TURNS * len(rated))
    for number, entry in enumerate(rated):
        colour, _ = colour_and_mark(number)
        for turn in range(TURNS):
            counts = [int((np.round(entry.ratings[:, turn]) == level).sum()) for level in levels]
            shift = width * (TURNS * number + turn - (TURNS * len(rated) - 1) / 2)
            left.bar(levels + shift, counts, width, color=colour, alpha=1.0 if turn else 0.55,
                     hatch="//" if turn else "", edgecolor="white",
                     label=f"{legend_name(entry.run.model)}, turn {turn + 1}")  # fmt: skip
    left.set_xticks(levels)
    left.yaxis.get_major_locator().set_params(integer=True)
    questions = len(rated[0].ratings)
    label_axes(
        left,
        f"Ratings by {legend_name(judge)}, n = {questions} questions of 2 turns",
        "Rating, 1 to 10",
        "Number of replies",
    )
    for number, entry in enumerate(rated):
        means = entry.means
        places = np.arange(3) + 0.14 * (number - (len(rated) - 1) / 2)
        values = [mean.value for mean in means]
        errors = error_bars(values, [mean.low for mean in means], [mean.high for mean in means])
        colour, mark = colour_and_mark(number)
        right.errorbar(places, values, yerr=errors, capsize=3, ms=7, ls="", marker=mark, color=colour)
    right.set_xticks(range(3), ["both turns", "turn 1", "turn 2"])
    right.set_xlim(-0.5, 2.5)
    right.set_ylim(LOW - 0.3, HIGH + 0.3)
    label_axes(right, "Means with 95 % intervals", "", "Mean rating, 1 to 10")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=9, frameon=False, loc="outside lower center", ncols=2)
