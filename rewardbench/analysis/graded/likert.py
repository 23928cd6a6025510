"""Convert graded labels: a Likert scale, and the probability that the first response is better.

A scale of n points goes from 1 (the first response is much better) to n (the second is). Point v becomes the
probability (n + 1/2 - v) / n: the middles of n equal parts of the interval from 0 to 1, so that its ends stay below
certainty, and the middle of an odd scale is 1/2, a tie. The loss for a soft label p is the cross-entropy
-p log σ(m) - (1 - p) log σ(-m) of the margin m (the Bradley-Terry model with expected labels).
"""

from __future__ import annotations

from rewardbench.errors import InputError
from rewardbench.suites.labels import LABEL_READERS, LIKERT_POINTS


def likert_to_probability(point: int, points: int) -> float:
    """Return the probability that the first response is better.

    >>> likert_to_probability(1, 8), likert_to_probability(4, 7), likert_to_probability(8, 8)
    (0.9375, 0.5, 0.0625)

    Raises:
        InputError: if the point is not on the scale.
    """
    _check(point, points)
    return (points + 0.5 - point) / points


def probability_to_likert(probability: float, points: int) -> int:
    """Return the nearest point of a scale; of two equally near ones that which prefers the second response.

    >>> [probability_to_likert(likert_to_probability(point, 7), 7) for point in (1, 4, 7)]
    [1, 4, 7]
    >>> probability_to_likert(1.0, 7), probability_to_likert(0.0, 7)
    (1, 7)

    Raises:
        InputError: if it is not a probability.
    """
    if not 0 <= probability <= 1:
        raise InputError(f"{probability} is not a probability: it must be from 0 to 1.")
    _check(1, points)
    position = points + 0.5 - probability * points
    return min(points, max(1, int(position + 0.5 + 1e-9)))


def round_trip_errors() -> int:
    """Return how many points of all scales are not restored from the label that loaders read, or from a probability."""
    readers = {reader.columns[0]: reader.read for reader in LABEL_READERS}
    errors = 0
    for points in LIKERT_POINTS:
        column = f"likert_{points}"
        for point in range(1, points + 1):
            label = readers[column]({column: point})
            errors += (points + 1) / 2 - label.sign * (label.strength or 0.0) != point
            errors += probability_to_likert(likert_to_probability(point, points), points) != point
    return errors


def _check(point: int, points: int) -> None:
    if not 2 <= points <= 1000 or not 1 <= point <= points:
        raise InputError(f"{point} is not a point of a scale from 1 to {points}.")
