"""Paired differences between two means over the same clusters: intervals and permutation tests.

A cluster (a mirror, or a single item) is a win or a loss for the first model by the sign of its contribution to the
difference. Wins and losses are shares, each with an interval that stays wide where there are few or none.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, inf, log, sqrt

import numpy as np

from rewardbench.stats.intervals import COVERAGE, NO_VARIANCE, Interval, Mean, normal, student, sum_of_squares, wilson
from rewardbench.stats.signs import sampled_p_value

POWER = 0.8
EXACT = 50_000
"""The largest sum of steps for which all signs are enumerated; beyond it signs are sampled at random."""
DRAWS = 20_000
MANY_STEPS = 5_000
"""Number of steps of a sign-flip test beyond which equal steps are grouped."""
RESIDUE = 1e-12
"""Contributions below this are rounding residues of 0."""
_CELLS = 10**7
"""Random numbers in memory at a time."""


@dataclass(frozen=True)
class PairedDifference:
    """One mean minus another, over the same clusters.

    Attributes:
        value: the difference.
        low: lower limit.
        high: upper limit.
        error: standard error, robust to correlation within clusters.
        contributions: what each cluster contributes to the difference; they sum to it.
        weights: the weight of each cluster; they sum to 1.
    """

    value: float
    low: float
    high: float
    error: float
    contributions: Mapping[Hashable, float]
    weights: Mapping[Hashable, float]

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return len(self.weights)

    @property
    def wins(self) -> int:
        """Number of clusters in which the first mean is higher."""
        return sum(step > 0 for step in self.steps())

    @property
    def losses(self) -> int:
        """Number of clusters in which the second mean is higher."""
        return sum(step < 0 for step in self.steps())

    def steps(self) -> list[float]:
        """Return the contributions; rounding residues of 0 become 0."""
        amounts = np.fromiter(self.contributions.values(), np.float64)
        amounts[np.abs(amounts) < RESIDUE] = 0.0
        steps: list[float] = amounts.tolist()
        return steps


def paired(first: Mean, second: Mean, coverage: float = COVERAGE) -> PairedDifference:
    """Compute `first` minus `second`, which have the same clusters with the same weights.

    The share of wins and the share of losses get Wilson's interval at the sample size that explains their variance
    between clusters; the limits of the difference are recovered from both, and from their correlation (the hybrid
    interval of Zou and Donner 2008, Tang et al. 2010). With many of both this is value ± t × error.

    >>> a, b = (Mean(v, 0, 1, {}, {c: v * c / 10 for c in (1, 2, 3, 4)}, {c: c / 10 for c in (1, 2, 3, 4)})
    ...     for v in (0.75, 0.5))
    >>> round(paired(a, b).value, 3)
    0.25

    Args:
        first: the mean to subtract from.
        second: the mean to subtract.
        coverage: coverage of the interval.

    Raises:
        ValueError: if the two means have different clusters.
    """
    if first.weights.keys() != second.weights.keys():
        raise ValueError("the two means are not over the same clusters")
    clusters = list(first.weights)
    weights = np.array(list(first.weights.values()))
    steps = np.array([first.contributions[cluster] - second.contributions[cluster] for cluster in clusters])
    value = first.value - second.value
    is_residue = np.abs(steps) < RESIDUE
    wins = np.where(is_residue, 0.0, np.maximum(steps, 0.0))
    losses = np.where(is_residue, 0.0, np.maximum(-steps, 0.0))
    gain, loss = float(wins.sum()), float(losses.sum())
    win_influences, loss_influences = wins - gain * weights, losses - loss * weights
    factor = len(clusters) / max(1, len(clusters) - 1)
    gain_variance = factor * float(win_influences @ win_influences)
    loss_variance = factor * float(loss_influences @ loss_influences)
    covariance = factor * float(win_influences @ loss_influences)
    size = 1 / float(weights @ weights)
    gain_low, gain_high = _limits(gain, gain_variance, size, len(clusters), coverage)
    loss_low, loss_high = _limits(loss, loss_variance, size, len(clusters), coverage)
    varies = min(gain_variance, loss_variance) > NO_VARIANCE
    correlation = covariance / sqrt(gain_variance * loss_variance) if varies else 0.0
    below = _recover_distance(gain - gain_low, loss_high - loss, correlation)
    above = _recover_distance(gain_high - gain, loss - loss_low, correlation)
    centred = steps - value * weights
    return PairedDifference(
        value=value,
        low=value - below,
        high=value + above,
        error=sqrt(factor * float(centred @ centred)),
        contributions=dict(zip(clusters, steps.tolist(), strict=True)),
        weights=dict(first.weights),
    )


def dependent_difference(first: Mean, second: Mean) -> Mean:
    """Compute `first` minus `second`, which may share clusters with other weights.

    The limits are recovered from theirs, and from the correlation of their influences on the shared clusters.

    >>> from rewardbench.stats.intervals import mean
    >>> wins = mean([1, 1, 0, 1], "abcd")
    >>> gap = dependent_difference(wins, wins)
    >>> gap.value, round(gap.high, 3)  # independent means would give 0.51
    (0.0, 0.245)
    """
    terms: list[float] = []
    for cluster in first.influences.keys() & second.influences.keys():
        terms.append(first.influences[cluster] * second.influences[cluster])
    squares = sum_of_squares(first.influences.values()) * sum_of_squares(second.influences.values())
    correlation = fsum(terms) / sqrt(squares) if squares > NO_VARIANCE**2 else 0.0
    value = first.value - second.value
    below = _recover_distance(first.value - first.low, second.high - second.value, correlation)
    above = _recover_distance(first.high - first.value, second.value - second.low, correlation)
    return Mean(value, value - below, value + above)


def bounds(estimate: Mean, coverage: float) -> Interval:
    """Compute the interval of a mean at another coverage; the ends of a 90 % interval are one-sided 95 % bounds.

    >>> from rewardbench.stats.intervals import mean
    >>> [round(limit, 3) for limit in bounds(mean([1, 1, 1, 0], "abcd"), 0.9)]
    [0.203, 0.972]
    """
    clusters = len(estimate.weights)
    factor = clusters / max(1, clusters - 1)
    variance = factor * sum_of_squares(estimate.influences.values())
    size = 1 / sum_of_squares(estimate.weights.values())
    return _limits(estimate.value, variance, size, clusters, coverage)


def _limits(share: float, variance: float, size: float, clusters: int, coverage: float) -> Interval:
    """Compute Wilson's interval of a share at the sample size that explains its variance, or else at `size`."""
    share = min(share, 1.0)
    if variance < NO_VARIANCE or share in (0.0, 1.0):
        return wilson(share * size, size, normal(coverage))
    size = share * (1 - share) / variance
    return wilson(share * size, size, student(clusters - 1, coverage))


def _recover_distance(first: float, second: float, correlation: float) -> float:
    """Combine the distances from two values to their limits into that of the difference."""
    return sqrt(max(0.0, first * first + second * second - 2 * correlation * first * second))


def sign_flip(contributions: Sequence[float], seed: int = 0) -> float:
    """Compute the two-sided p-value of a sum by the sign-flip permutation test.

    All sign assignments are enumerated where the contributions are multiples of one step (credits of 0 and 1); if
    they are all equal, this is McNemar's exact test. Otherwise signs are sampled at random.

    >>> sign_flip([1, 1, 1, 1, 1, -1, 0, 0])
    0.21875
    >>> sign_flip([0, 0]), sign_flip([])
    (1.0, 1.0)

    Args:
        contributions: what each cluster contributes to the difference: [clusters].
        seed: seed of the random signs.
    """
    steps = _step_sizes(contributions)
    if not len(steps):
        return 1.0
    multiples = _enumerable_multiples(steps)
    if multiples is None:
        return sampled_p_value(steps, abs(fsum(contributions)), DRAWS, seed)
    probabilities, remaining = np.ones(1), multiples
    if len(multiples) > MANY_STEPS:
        probabilities, remaining = _convolve_commonest(multiples)
    for step in remaining:
        convolved = np.zeros(len(probabilities) + step)
        convolved[: len(probabilities)] += probabilities / 2
        convolved[step:] += probabilities / 2
        probabilities = convolved
    sums = np.abs(2 * np.arange(len(probabilities)) - int(multiples.sum()))
    observed = round(abs(fsum(contributions)) / float(steps.min()) * float(multiples.min()))
    return min(1.0, float(probabilities[sums >= observed].sum()))


def _convolve_commonest(multiples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convolve all copies of the commonest step at once; one step at a time takes quadratic time.

    Returns:
        The probability of each sum (in units, from 0 up), and the other steps.
    """
    from scipy.special import gammaln

    steps, counts = np.unique(multiples, return_counts=True)
    step, count = int(steps[counts.argmax()]), int(counts.max())
    positives = np.arange(count + 1)
    log_choices = gammaln(count + 1) - gammaln(positives + 1) - gammaln(count - positives + 1)
    probabilities = np.zeros(count * step + 1)
    probabilities[::step] = np.exp(log_choices - count * log(2))
    return probabilities, multiples[multiples != step]


def is_enumerable(contributions: Sequence[float]) -> bool:
    """Return True if `sign_flip` enumerates all sign assignments of these contributions."""
    steps = _step_sizes(contributions)
    return not len(steps) or _enumerable_multiples(steps) is not None


def _step_sizes(contributions: Sequence[float]) -> np.ndarray:
    """Return the absolute values of the contributions that are not 0."""
    sizes = np.abs(np.array(contributions, dtype=np.float64))
    return sizes[sizes >= RESIDUE]


def _enumerable_multiples(steps: np.ndarray) -> np.ndarray | None:
    """Return the steps as integers if their signs can be enumerated, else None."""
    multiples = _multiples(steps)
    return None if multiples is None or multiples.sum() > EXACT else multiples


def _multiples(steps: np.ndarray) -> np.ndarray | None:
    """Express the steps as integer multiples of the smallest or of a fraction of it; None if there is no such unit."""
    for divisor in (1, 2, 3, 4, 6, 12):  # a pick among k equal scores has credit 1/k
        scaled = steps / steps.min() * divisor
        multiples: np.ndarray = np.rint(scaled).astype(np.int64)
        if np.allclose(scaled, multiples, rtol=0, atol=1e-6):
            return multiples
    return None


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of several tests by Holm's method, which bounds the chance of any false positive (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    ascending = sorted(range(len(p_values)), key=lambda test: p_values[test])
    for rank, test in enumerate(ascending):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[test]))
        adjusted[test] = highest
    return adjusted


def detectable(error: float) -> float:
    """Compute the minimum detectable effect of a two-sided 5 % test at 80 % power.

    >>> round(detectable(0.01), 4)
    0.028
    """
    return (normal(COVERAGE) + normal(2 * POWER - 1)) * error


def items_needed(items: int, error: float, distance: float) -> float:
    """Estimate how many items bring the one-sided 95 % bound within `distance` of the difference.

    >>> round(items_needed(2000, 0.01, 0.005))
    21644
    """
    return inf if distance == 0 else items * (normal(2 * COVERAGE - 1) * error / distance) ** 2
