"""Two means over the same clusters in, what is known of their difference out.

A cluster (a mirror, or a single item) wins or loses for the one model against the other by its part of the
difference. Wins and losses are shares, each with an interval that keeps its doubt where there are few or none.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, inf, log, sqrt

import numpy as np

from rewardbench.stats.intervals import COVERAGE, NO_VARIANCE, Interval, Mean, normal, student, wilson

POWER = 0.8
EXACT = 50_000
"""The largest sum of steps that is enumerated; beyond it signs are drawn."""
DRAWS = 20_000
RESAMPLES = 10_000
MANY_STRATA = 1_000
"""Strata whose weighted sum is as good as normal."""
MANY_STEPS = 5_000
"""Steps of a sign-flip test beyond which equal ones are drawn, or counted, together."""
_CELLS = 10**7
"""Numbers that drawing holds at a time."""


@dataclass(frozen=True)
class Difference:
    """One mean less another. `parts` holds what each cluster adds to it, `mass` what each weighs; masses sum to 1."""

    value: float
    low: float
    high: float
    error: float
    """Standard error, robust to what happens within clusters."""
    parts: Mapping[Hashable, float]
    mass: Mapping[Hashable, float]

    @property
    def clusters(self) -> int:
        """How many clusters there are."""
        return len(self.mass)

    @property
    def wins(self) -> int:
        """Clusters that speak for the first mean."""
        return sum(part > 0 for part in self.steps())

    @property
    def losses(self) -> int:
        """Clusters that speak for the second."""
        return sum(part < 0 for part in self.steps())

    def steps(self) -> list[float]:
        """The parts, in which what rounding left of 0 is 0."""
        return [0.0 if abs(part) < 1e-12 else part for part in self.parts.values()]


def paired(one: Mean, other: Mean, coverage: float = COVERAGE) -> Difference:
    """`one` less `other`, which hold the same clusters with the same weights.

    The share of wins and the share of losses get Wilson's interval at the sample size that explains their variance
    between clusters; the limits of the difference are recovered from both, and from how the two vary together (the
    hybrid interval of Zou and Donner 2008, Tang et al. 2010). With many of both this is value ± t × error.

    >>> a, b = (Mean(v, 0, 1, {}, {c: v * c / 10 for c in (1, 2, 3, 4)}, {c: c / 10 for c in (1, 2, 3, 4)})
    ...     for v in (0.75, 0.5))
    >>> round(paired(a, b).value, 3)
    0.25
    """
    if one.mass.keys() != other.mass.keys():
        raise ValueError("the two means are not over the same clusters")
    keys = list(one.mass)
    mass = np.array([one.mass[key] for key in keys])
    parts = np.array([one.parts[key] - other.parts[key] for key in keys])
    value = one.value - other.value
    shares = [np.where(np.abs(parts) < 1e-12, 0.0, np.maximum(sign * parts, 0.0)) for sign in (1, -1)]
    (gain, loss), factor = (float(share.sum()) for share in shares), len(keys) / max(1, len(keys) - 1)
    pulls = [share - whole * mass for share, whole in zip(shares, (gain, loss), strict=True)]
    (both_gain, both), (_, both_loss) = factor * np.array([[float(p @ q) for q in pulls] for p in pulls])
    size = 1 / float(mass @ mass)
    gains, losses = (
        _limits(share, variance, size, len(keys), coverage)
        for share, variance in ((gain, both_gain), (loss, both_loss))
    )
    together = both / sqrt(both_gain * both_loss) if min(both_gain, both_loss) > NO_VARIANCE else 0.0
    below = _recovered(gain - gains[0], losses[1] - loss, together)
    above = _recovered(gains[1] - gain, loss - losses[0], together)
    centred = parts - value * mass
    return Difference(
        value,
        value - below,
        value + above,
        sqrt(factor * float(centred @ centred)),
        dict(zip(keys, parts.tolist(), strict=True)),
        dict(one.mass),
    )


def bounds(one: Mean, coverage: float) -> Interval:
    """The interval of a mean at another coverage; the ends of one of 90 % are one-sided bounds of 95 %.

    >>> from rewardbench.stats.intervals import mean
    >>> [round(limit, 3) for limit in bounds(mean([1, 1, 1, 0], "abcd"), 0.9)]
    [0.203, 0.972]
    """
    factor = len(one.mass) / max(1, len(one.mass) - 1)
    variance = factor * fsum(pull * pull for pull in one.pulls.values())
    size = 1 / fsum(mass * mass for mass in one.mass.values())
    return _limits(one.value, variance, size, len(one.mass), coverage)


def _limits(share: float, variance: float, size: float, clusters: int, coverage: float) -> Interval:
    """Wilson's interval of a share: at the size that explains its variance, else at that of clusters which differ."""
    share = min(share, 1.0)
    if variance < NO_VARIANCE or share in (0.0, 1.0):
        return wilson(share * size, size, normal(coverage))
    size = share * (1 - share) / variance
    return wilson(share * size, size, student(clusters - 1, coverage))


def _recovered(one: float, other: float, together: float) -> float:
    return sqrt(max(0.0, one * one + other * other - 2 * together * one * other))


def sign_flip(parts: Sequence[float], seed: int = 0) -> float:
    """Two-sided p-value of the sum of `parts`, each of whose signs might as well have been the other.

    Every assignment of signs is counted where the parts are multiples of one step (credits of 0 and 1); then, if
    all are equal, it is McNemar's exact test. Else signs are drawn.

    >>> sign_flip([1, 1, 1, 1, 1, -1, 0, 0])
    0.21875
    >>> sign_flip([0, 0]), sign_flip([])
    (1.0, 1.0)
    """
    steps = _steps(parts)
    if not len(steps):
        return 1.0
    whole = _whole(steps)
    if whole is None:
        return _drawn(steps, abs(fsum(parts)), seed)
    chances, single = _alike(whole) if len(whole) > MANY_STEPS else (np.ones(1), whole)
    for step in single:
        longer = np.zeros(len(chances) + step)
        longer[: len(chances)] += chances / 2
        longer[step:] += chances / 2
        chances = longer
    sums = np.abs(2 * np.arange(len(chances)) - int(whole.sum()))
    seen = round(abs(fsum(parts)) / float(steps.min()) * float(whole.min()))
    return min(1.0, float(chances[sums >= seen].sum()))


def _alike(whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the most frequent step at once: the chances of its sums (in units, from none up), and the other steps.

    One step at a time takes the square of their number.
    """
    from scipy.special import gammaln

    steps, counts = np.unique(whole, return_counts=True)
    step, count = int(steps[counts.argmax()]), int(counts.max())
    taken = np.arange(count + 1)
    chances = np.zeros(count * step + 1)
    chances[::step] = np.exp(gammaln(count + 1) - gammaln(taken + 1) - gammaln(count - taken + 1) - count * log(2))
    return chances, whole[whole != step]


def is_enumerable(parts: Sequence[float]) -> bool:
    """Whether `sign_flip` counts every assignment of signs of these, rather than drawing some."""
    steps = _steps(parts)
    return not len(steps) or _whole(steps) is not None


def _steps(parts: Sequence[float]) -> np.ndarray:
    return np.array([abs(part) for part in parts if abs(part) >= 1e-12])


def _whole(steps: np.ndarray) -> np.ndarray | None:
    whole = _multiples(steps)
    return None if whole is None or whole.sum() > EXACT else whole


def _multiples(steps: np.ndarray) -> np.ndarray | None:
    """The steps as whole numbers, in units of the smallest or of a part of it; None where there is no such unit."""
    for part in (1, 2, 3, 4, 6, 12):  # a pick among k equal scores earns 1/k
        scaled = steps / steps.min() * part
        whole: np.ndarray = np.rint(scaled).astype(np.int64)
        if np.allclose(scaled, whole, rtol=0, atol=1e-6):
            return whole
    return None


def _drawn(steps: np.ndarray, seen: float, seed: int) -> float:
    """The same by drawing signs; the assignment that was seen is one of them, so that p is never 0."""
    random = np.random.default_rng(seed)
    kinds, counts = np.unique(steps.round(12 - int(np.ceil(np.log10(steps.max())))), return_counts=True)
    together = len(steps) > MANY_STEPS and 4 * len(kinds) < len(steps)
    rows = max(1, _CELLS // (len(kinds) if together else len(steps)))
    beyond, left = 0, DRAWS
    while left:
        some = min(rows, left)
        if together:
            sums = (2.0 * random.binomial(counts, 0.5, (some, len(kinds))) - counts) @ kinds
        else:
            sums = (random.integers(0, 2, (some, len(steps)), dtype=np.int8) * 2.0 - 1.0) @ steps
        beyond += int((np.abs(sums) >= seen * (1 - 1e-9)).sum())
        left -= some
    return (beyond + 1) / (DRAWS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several tests, adjusted so that any false alarm among them has the stated chance (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, n in enumerate(sorted(range(len(p_values)), key=lambda n: p_values[n])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[n]))
        adjusted[n] = least
    return adjusted


def bootstrap(strata: Sequence[Difference | Mean], weights: Sequence[float], seed: int = 0) -> Interval:
    """The 95 % percentile interval of a weighted mean of means or differences, clusters drawn anew within each.

    Args:
        strata: means or differences that share no cluster.
        weights: theirs, of any sum above 0.

    The sum over very many strata is normal, and its interval follows from their variances.
    """
    if len(strata) > MANY_STRATA:
        return _normal_interval(strata, weights)
    random = np.random.default_rng(seed)
    total = fsum(weights)
    sums = np.zeros(RESAMPLES)
    for stratum, weight in zip(strata, weights, strict=True):
        pairs = np.array([(stratum.parts[key], mass) for key, mass in stratum.mass.items()])
        sums += weight / total * resampled(pairs, random) * float(pairs[:, 1].sum())
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(sums, [tail, 1 - tail])
    return float(low), float(high)


def _normal_interval(strata: Sequence[Difference | Mean], weights: Sequence[float]) -> Interval:
    """Return what `bootstrap` tends to as strata become many."""
    total = fsum(weights)
    value, variance = 0.0, 0.0
    for stratum, weight in zip(strata, weights, strict=True):
        mass = fsum(stratum.mass.values())
        mean = fsum(stratum.parts[key] for key in stratum.mass)
        pulls = [stratum.parts[key] - mean / mass * share for key, share in stratum.mass.items()]
        value += weight / total * mean
        variance += (weight / total) ** 2 * fsum(pull * pull for pull in pulls)
    reach = normal(COVERAGE) * sqrt(variance)
    return value - reach, value + reach


def resampled(pairs: np.ndarray, random: np.random.Generator, resamples: int = RESAMPLES) -> np.ndarray:
    """Draw ratio means over resamples of clusters, each given by its part and its mass, [clusters, 2]: [resamples].

    Clusters that are alike are drawn together: how often, is multinomial. Memory is bounded: so many cells at a time.
    """
    kinds, counts = np.unique(pairs, axis=0, return_counts=True)
    if len(kinds) == 1:
        return np.full(resamples, kinds[0, 0] / kinds[0, 1])
    means = []
    rows = max(1, _CELLS // len(kinds))
    for first in range(0, resamples, rows):
        drawn = random.multinomial(len(pairs), counts / len(pairs), min(rows, resamples - first))
        means.append((drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1]))
    return np.concatenate(means)


def detectable(error: float) -> float:
    """The smallest true difference that such an error finds (two-sided, 5 %) four times of five.

    >>> round(detectable(0.01), 4)
    0.028
    """
    return (normal(COVERAGE) + normal(2 * POWER - 1)) * error


def items_needed(items: int, error: float, distance: float) -> float:
    """How many items such as these would bring the one-sided 95 % bound within `distance` of the difference.

    >>> round(items_needed(2000, 0.01, 0.005))
    21644
    """
    return inf if distance == 0 else items * (normal(2 * COVERAGE - 1) * error / distance) ** 2
