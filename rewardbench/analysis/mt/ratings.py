"""Mean ratings of questions of two turns, with intervals; the questions are the sample, not the turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, nan, sqrt

import numpy as np

from rewardbench import stats
from rewardbench.stats.intervals import student


@dataclass(frozen=True)
class RatingMean:
    """A mean over questions with its 95 % interval.

    Attributes:
        value: the mean.
        low: lower limit, by Student's t.
        high: upper limit.
        error: standard error.
        questions: number of questions with a rating.
    """

    value: float
    low: float
    high: float
    error: float
    questions: int

    @property
    def detectable(self) -> float:
        """Difference of two models on other replies that this number of questions detects with 80 % power."""
        return stats.detectable(sqrt(2) * self.error)


def mean_rating(ratings: Sequence[float] | np.ndarray) -> RatingMean:
    """Compute the mean of one number per question, such as a rating or a difference; NaN is left out.

    >>> mean = mean_rating([6.0, 8.0, 7.0])
    >>> mean.value, round(mean.low, 2), round(mean.high, 2)
    (7.0, 4.52, 9.48)

    Args:
        ratings: one for each question: [questions].
    """
    values = np.asarray(ratings, dtype=float)
    values = values[np.isfinite(values)]
    n = len(values)
    if n == 0:
        return RatingMean(nan, nan, nan, nan, 0)
    mean = float(values.mean())
    if n == 1:
        return RatingMean(mean, nan, nan, nan, 1)
    error = float(values.std(ddof=1)) / sqrt(n)
    half = student(n - 1) * error
    return RatingMean(mean, mean - half, mean + half, error, n)


def question_means(ratings: np.ndarray) -> np.ndarray:
    """Return the mean of both turns of each question: [questions]; NaN if one of the turns has no rating.

    Args:
        ratings: rating of each reply, NaN if unrated: [questions, 2].
    """
    means: np.ndarray = ratings.mean(axis=1)
    return means


def questions_needed(error: float, questions: int, difference: float) -> float:
    """Return the number of questions that detect a difference of two models with 80 % power; infinite for 0.

    Args:
        error: standard error of the mean rating, or of the difference times 1/√2.
        questions: number of questions of that error.
        difference: to be detected.
    """
    if difference <= 0:
        return inf
    return ceil(questions * (stats.detectable(sqrt(2) * error) / difference) ** 2)
