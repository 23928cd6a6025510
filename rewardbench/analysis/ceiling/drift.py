"""Drift: annotators and sessions that agree with others less (or more) often, and annotators who change over time.

The value of an annotation is the share of the other annotators of its item who gave the same label. Values of one item
are averaged before a test, since they are not independent. Items must have been assigned without regard to difficulty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rewardbench import stats
from rewardbench.analysis.ceiling.annotations import Annotations
from rewardbench.lint.arrays import Floats, Indices

FEWEST = 10
"""Smallest number of items on either side of a test."""
RESIDUE = 1e-12
"""Variances and differences below this are rounding residues of 0."""


@dataclass(frozen=True)
class DriftTest:
    """A test of one annotator or session.

    Attributes:
        kind: `annotator` and `session` compare the agreement with that of all others; `trend` tests whether the
            agreement of an annotator changes over time.
        name: name of the annotator or session.
        items: number of its items.
        agreement: mean agreement with the other annotators of its items.
        error: standard error of `agreement`.
        difference: agreement minus that of all others; of a trend, the change from the first to the last annotation.
        p: p-value of Welch's test, or of the slope of a linear regression on the rank in time.
        adjusted: p by Holm's correction over all tests.
    """

    kind: Literal["annotator", "session", "trend"]
    name: str
    items: int
    agreement: float
    error: float
    difference: float
    p: float
    adjusted: float = 1.0

    @property
    def flagged(self) -> bool:
        """Return True if the test is significant at 5 % after correction."""
        return self.adjusted < 0.05


def find_drift(annotations: Annotations) -> list[DriftTest]:
    """Test each annotator, each session, and each annotator over time; the most significant first."""
    counts = annotations.counts()
    sizes = counts.sum(axis=1)[annotations.item]
    usable = sizes >= 2
    values = (counts[annotations.item, annotations.label] - 1) / np.maximum(sizes - 1, 1)
    tests: list[DriftTest] = []
    totals = _ItemTotals.of(annotations.item[usable], values[usable], len(annotations.items))
    by_annotator = _split(annotations.annotator, len(annotations.annotators), usable)
    for name, members in zip(annotations.annotators, by_annotator, strict=True):
        tests += _compare("annotator", name, totals, annotations.item[members], values[members])
        if annotations.time is not None:
            tests += _trend(name, values[members], annotations.time[members])
    if annotations.session is not None:
        by_session = _split(annotations.session, len(annotations.sessions), usable)
        for name, members in zip(annotations.sessions, by_session, strict=True):
            tests += _compare("session", name, totals, annotations.item[members], values[members])
    return _adjusted(tests)


def _split(numbers: Indices, size: int, usable: NDArray[np.bool_]) -> list[Indices]:
    """Return the indices of the usable annotations of each annotator or session, by the number that each has.

    Args:
        numbers: number of the annotator or session of each annotation: [annotations].
        size: number of annotators or sessions.
        usable: True for annotations of items with two or more: [annotations].
    """
    order = np.argsort(numbers, kind="stable")
    order = order[usable[order]]
    counts = np.bincount(numbers[order], minlength=size)
    return np.split(order, np.cumsum(counts)[:-1])


@dataclass(frozen=True)
class _ItemTotals:
    """Values of all annotations by item, from which those of some annotators can be subtracted.

    Attributes:
        sums: sum of the values of each item: [items].
        counts: number of its annotations: [items].
        number: number of items with an annotation.
        total: sum of the means of items.
        squares: sum of their squares.
    """

    sums: Floats
    counts: Indices
    number: int
    total: float
    squares: float

    @classmethod
    def of(cls, item: Indices, values: Floats, items: int) -> _ItemTotals:
        """Add the values of annotations by item."""
        sums, counts = np.bincount(item, values, items).astype(float), np.bincount(item, minlength=items)
        means = sums[counts > 0] / counts[counts > 0]
        return cls(sums, counts, len(means), float(means.sum()), float(means @ means))

    def without(self, item: Indices, sums: Floats, counts: Indices) -> tuple[int, float, float]:
        """Return number, mean and variance of the means of items without some annotations.

        Args:
            item: the items of these annotations: [members].
            sums: sum of their values by item: [members].
            counts: number of them by item: [members].
        """
        before = self.sums[item] / self.counts[item]
        others = self.counts[item] - counts
        after = (self.sums[item] - sums)[others > 0] / others[others > 0]
        number = self.number - len(item) + len(after)
        mean = (self.total - float(before.sum()) + float(after.sum())) / max(number, 1)
        squares = self.squares - float(before @ before) + float(after @ after)
        variance = max(squares - number * mean**2, 0.0) / max(number - 1, 1)
        return number, mean, variance if variance > RESIDUE else 0.0


def _compare(
    kind: Literal["annotator", "session"], name: str, totals: _ItemTotals, item: Indices, values: Floats
) -> list[DriftTest]:
    """Compare the agreement of some annotations with that of all others by Welch's test; empty if there are too few.

    Time and memory are linear in these annotations, whatever the number of the others.
    """
    from scipy.stats import ttest_ind_from_stats

    items, places = np.unique(item, return_inverse=True)
    if len(items) < FEWEST:
        return []
    sums, counts = np.bincount(places, values).astype(float), np.bincount(places)
    inside = sums / counts
    number, mean, variance = totals.without(items, sums, counts)
    if number < FEWEST:
        return []
    agreement, spread = float(inside.mean()), float(inside.std(ddof=1))
    difference = agreement - mean
    if spread > 0 or variance > 0:
        test = ttest_ind_from_stats(agreement, spread, len(items), mean, variance**0.5, number, equal_var=False)
        p = float(test.pvalue)
    else:
        p = float(abs(difference) < RESIDUE)
    return [DriftTest(kind, name, len(items), agreement, spread / len(items) ** 0.5, difference, p)]


def _trend(name: str, values: Floats, time: Floats) -> list[DriftTest]:
    """Test the slope of an annotator's agreement on the rank in time; empty if it cannot be tested."""
    from scipy.stats import linregress, rankdata

    if len(values) < FEWEST or values.std() == 0 or np.ptp(time) == 0:
        return []
    ranks = (rankdata(time) - 1) / (len(time) - 1)
    line = linregress(ranks, values)
    error = float(values.std(ddof=1)) / len(values) ** 0.5
    return [DriftTest("trend", name, len(values), float(values.mean()), error, float(line.slope), float(line.pvalue))]


def _adjusted(tests: Sequence[DriftTest]) -> list[DriftTest]:
    """Return the tests with Holm's correction, the most significant first; of equal ones the largest fall first."""
    adjusted = stats.holm([test.p for test in tests])
    corrected = [replace(test, adjusted=p) for test, p in zip(tests, adjusted, strict=True)]
    return sorted(corrected, key=lambda test: (test.adjusted, test.p, test.difference))
