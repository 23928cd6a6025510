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
from rewardbench.lint.arrays import Floats

FEWEST = 10
"""Smallest number of items on either side of a test."""


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
    for number, name in enumerate(annotations.annotators):
        members = annotations.annotator == number
        tests += _compare("annotator", name, annotations, values, usable, members)
        if annotations.time is not None:
            tests += _trend(name, values[usable & members], annotations.time[usable & members])
    if annotations.session is not None:
        for number, name in enumerate(annotations.sessions):
            tests += _compare("session", name, annotations, values, usable, annotations.session == number)
    return _adjusted(tests)


def _compare(
    kind: Literal["annotator", "session"],
    name: str,
    annotations: Annotations,
    values: Floats,
    usable: NDArray[np.bool_],
    members: NDArray[np.bool_],
) -> list[DriftTest]:
    """Compare the agreement of some annotations with that of all others by Welch's test; empty if there are too few."""
    from scipy.stats import ttest_ind

    inside = _item_means(annotations, values, usable & members)
    outside = _item_means(annotations, values, usable & ~members)
    if min(len(inside), len(outside)) < FEWEST:
        return []
    difference = float(inside.mean() - outside.mean())
    varies = inside.std() > 0 or outside.std() > 0
    p = float(ttest_ind(inside, outside, equal_var=False).pvalue) if varies else float(difference == 0)
    error = float(inside.std(ddof=1)) / len(inside) ** 0.5
    return [DriftTest(kind, name, len(inside), float(inside.mean()), error, difference, p)]


def _item_means(annotations: Annotations, values: Floats, members: NDArray[np.bool_]) -> Floats:
    """Average the values of some annotations over each item: [items that have one]."""
    item = annotations.item[members]
    counts = np.bincount(item)
    sums = np.bincount(item, values[members])
    return np.asarray(sums[counts > 0] / counts[counts > 0])


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
