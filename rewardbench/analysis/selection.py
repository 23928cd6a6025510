"""Best-of-n selection: expected reward of the best of n candidates, its KL divergence and win rate.

The best of n is the candidate with the highest proxy score; equal scores are broken at random, which these functions
average exactly. Arrays are [prompts, candidates] or [prompts, points], `ns` are the values of n: [points].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rewardbench.stats import COVERAGE

RESAMPLES = 2_000
"""Number of resamples of the prompts."""
MOST_POINTS = 40
"""Maximum number of values of n of a curve."""
RESIDUE = 1e-12
"""Divergences below this are rounding residues of 0."""
_CELLS = 10**7
"""Numbers in memory at a time."""


def selection_weights(candidates: int, ns: np.ndarray) -> np.ndarray:
    """Compute how likely each candidate is the best of n that are drawn without replacement.

    The i-th lowest of N candidates is the best with probability C(i-1, n-1) / C(N, n): the unbiased estimator of Nakano
    et al. 2021 (arXiv 2112.09332) and Gao et al. 2023 (arXiv 2210.10760). The ratios of neighbours are multiplied,
    which is exact to 1e-12 for N in the thousands, and cannot overflow.

    >>> selection_weights(3, np.array([1, 2, 3])).round(4).tolist()
    [[0.3333, 0.3333, 0.3333], [0.0, 0.3333, 0.6667], [0.0, 0.0, 1.0]]

    Args:
        candidates: the number N of candidates of a prompt.
        ns: values of n, from 1 to N: [points].

    Returns:
        The probabilities by ascending score: [points, candidates].
    """
    ranks = np.arange(candidates, 1, -1.0)
    ratios = np.maximum(ranks - ns[:, None], 0) / (ranks - 1)
    highest = ns[:, None] / candidates
    descending = np.concatenate([highest, highest * np.cumprod(ratios, axis=1)], axis=1)
    return descending[:, ::-1]


def sort_with_ties(proxy: np.ndarray, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort each prompt's candidates by ascending proxy score, and average gold among equal scores.

    The result does not depend on the order of the candidates, to the last bit.

    Args:
        proxy: scores that select: [prompts, candidates].
        gold: gold rewards: [prompts, candidates].

    Returns:
        The sorted scores, the averaged gold rewards, and the run of equal scores that each candidate is in, numbered
        over all prompts; each [prompts, candidates].
    """
    order = np.lexsort((gold, proxy), axis=-1)
    proxy, gold = np.take_along_axis(proxy, order, axis=1), np.take_along_axis(gold, order, axis=1)
    starts = np.ones(proxy.shape, dtype=bool)
    starts[:, 1:] = proxy[:, 1:] != proxy[:, :-1]
    runs = np.cumsum(starts.ravel()).reshape(proxy.shape) - 1
    sizes = np.bincount(runs.ravel())
    means = np.bincount(runs.ravel(), weights=gold.ravel()) / sizes
    return proxy, np.where(sizes[runs] == 1, gold, means[runs]), runs


def best_of_n(proxy: np.ndarray, gold: np.ndarray, ns: np.ndarray) -> np.ndarray:
    """Estimate the expected gold reward of the best of n by proxy score, without bias, from N >= n candidates.

    >>> best_of_n(np.array([[1.0, 2.0, 2.0]]), np.array([[0.0, 1.0, 3.0]]), np.array([1, 3])).round(3).tolist()
    [[1.333, 2.0]]

    Args:
        proxy: scores that select: [prompts, candidates].
        gold: what is averaged: [prompts, candidates].
        ns: values of n: [points].

    Returns:
        The expectation for each prompt: [prompts, points].
    """
    averaged = sort_with_ties(proxy, gold)[1]
    return np.asarray(averaged @ selection_weights(proxy.shape[1], ns).T)


def kl_bound(ns: np.ndarray) -> np.ndarray:
    """Compute log n - (n-1)/n, the KL divergence of best-of-n from its base policy in nats: [points].

    It is exact if no two candidates have the same score, and an upper bound otherwise (Beirami et al. 2024, arXiv
    2401.01879).

    >>> kl_bound(np.array([1, 4, 256])).round(3).tolist()
    [0.0, 0.636, 4.549]
    """
    return np.asarray(np.log(ns) - (ns - 1) / ns)


def win_rate_bound(ns: np.ndarray) -> np.ndarray:
    """Compute n/(n+1), the highest win rate of a best-of-n policy against its base policy: [points]."""
    return np.asarray(ns / (ns + 1))


def pick_probabilities(runs: np.ndarray, n: int) -> np.ndarray:
    """Compute how likely each candidate is the best of n that are drawn with replacement, ties broken at random.

    Args:
        runs: the run of equal scores of each candidate, by ascending score: [prompts, candidates].
        n: number of draws.

    Returns:
        The probabilities; each prompt's sum to 1: [prompts, candidates].
    """
    candidates = runs.shape[1]
    positions = np.broadcast_to(np.arange(candidates), runs.shape).ravel()
    flat = runs.ravel()
    sizes = np.bincount(flat)
    first = np.full(len(sizes), candidates)
    np.minimum.at(first, flat, positions)
    cumulative = ((first + sizes) / candidates) ** n - (first / candidates) ** n
    return np.asarray((cumulative / sizes)[runs])


def kl_of_pool(runs: np.ndarray, ns: np.ndarray) -> np.ndarray:
    """Compute the KL divergence of best-of-n from the uniform distribution over the candidates, in nats.

    This plug-in value, sum of q log(q N), is exact where the N candidates are all that the policy can say; equal scores
    make it smaller than `kl_bound`, down to log 2 for two outcomes.

    Args:
        runs: the run of equal scores of each candidate, by ascending score: [prompts, candidates].
        ns: values of n: [points].

    Returns:
        The divergence: [prompts, points].
    """
    divergences = np.empty((len(runs), len(ns)))
    for point, n in enumerate(ns):
        picks = pick_probabilities(runs, int(n))
        logs = np.log(np.where(picks > 0, picks, 1.0) * runs.shape[1])
        divergences[:, point] = (picks * logs).sum(1)
    return np.where(divergences < RESIDUE, 0.0, divergences)


def win_rates(proxy: np.ndarray, gold: np.ndarray, ns: np.ndarray) -> np.ndarray:
    """Compute how often the best of n by proxy has a higher gold reward than a random candidate; a tie counts half.

    The n draws are with replacement from the candidates, and so is the opponent. No proxy exceeds `win_rate_bound`.

    Args:
        proxy: scores that select: [prompts, candidates].
        gold: gold rewards: [prompts, candidates].
        ns: values of n: [points].

    Returns:
        The win rate: [prompts, points].
    """
    from scipy.stats import rankdata

    shares = (rankdata(gold, axis=1) - 0.5) / gold.shape[1]
    _, averaged, runs = sort_with_ties(proxy, shares)
    rates = np.empty((len(proxy), len(ns)))
    for point, n in enumerate(ns):
        rates[:, point] = (pick_probabilities(runs, int(n)) * averaged).sum(1)
    return rates


@dataclass(frozen=True)
class SelectionCurves:
    """Curves of best-of-n by one proxy, each [prompts, points]; n takes the values `ns`: [points].

    Attributes:
        ns: values of n.
        gold: expected gold reward of the best of n by proxy score.
        proxy: expected proxy score of the best of n.
        oracle: expected gold reward of the best of n by gold reward.
        kl: KL divergence over the candidates (`kl_of_pool`).
        wins: win rate by gold reward against a random candidate (`win_rates`).
    """

    ns: np.ndarray
    gold: np.ndarray
    proxy: np.ndarray
    oracle: np.ndarray
    kl: np.ndarray
    wins: np.ndarray


def measure_selection(
    prompts: Sequence[np.ndarray], proxy: np.ndarray, gold: np.ndarray, ns: np.ndarray
) -> SelectionCurves:
    """Compute the curves of best-of-n.

    Args:
        prompts: the indices of each prompt's candidates, at least max(ns) of them: [prompts].
        proxy: scores that select: [n].
        gold: gold rewards: [n].
        ns: values of n: [points].
    """
    shape = (len(prompts), len(ns))
    curves = SelectionCurves(ns, *(np.empty(shape) for _ in range(5)))
    for rows, indices in by_size(prompts):
        scores, rewards = proxy[indices], gold[indices]
        curves.gold[rows] = best_of_n(scores, rewards, ns)
        curves.proxy[rows] = best_of_n(scores, scores, ns)
        curves.oracle[rows] = best_of_n(rewards, rewards, ns)
        curves.kl[rows] = kl_of_pool(sort_with_ties(scores, rewards)[2], ns)
        curves.wins[rows] = win_rates(scores, rewards, ns)
    return curves


def by_size(prompts: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield prompts with the same number of candidates together, at most `_CELLS` candidates at a time.

    Args:
        prompts: the indices of each prompt's candidates: [prompts].

    Yields:
        The numbers of some prompts, [rows], and the indices of their candidates, [rows, candidates].
    """
    sizes = np.array(list(map(len, prompts)))
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        step = max(1, _CELLS // max(1, int(size)))
        for first in range(0, len(rows), step):
            chunk = rows[first : first + step]
            yield chunk, np.stack([prompts[row] for row in chunk])


def choose_ns(largest: int) -> np.ndarray:
    """Choose the values of n of a curve, at most `MOST_POINTS`: all up to 16, then geometric, and the powers of 2.

    >>> choose_ns(5).tolist(), choose_ns(100)[-4:].tolist()
    ([1, 2, 3, 4, 5], [77, 84, 92, 100])
    """
    small = np.arange(1, min(largest, 16) + 1)
    if largest <= 16:
        return small
    powers = 2 ** np.arange(5, int(np.log2(largest)) + 1)
    points = MOST_POINTS - len(small) - len(powers)
    spaced = np.rint(np.geomspace(16, largest, points)).astype(int)
    return np.unique(np.concatenate([small, powers, spaced]))


def resample_curves(curves: np.ndarray, clusters: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Resample clusters of prompts with replacement, and compute the mean curve of each resample.

    Args:
        curves: [prompts, points].
        clusters: the cluster of each prompt, numbered from 0: [prompts].
        random: the source of random numbers.

    Returns:
        The mean curves: [RESAMPLES, points].
    """
    count = int(clusters.max()) + 1
    sums = np.zeros((count, curves.shape[1]))
    np.add.at(sums, clusters, curves)
    sizes = np.bincount(clusters, minlength=count)
    means = np.empty((RESAMPLES, curves.shape[1]))
    step = max(1, _CELLS // count)
    for first in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - first)
        draws = np.empty((rows, count))
        for row in range(rows):
            draws[row] = np.bincount(random.integers(count, size=count), minlength=count)
        means[first : first + rows] = (draws @ sums) / (draws @ sizes)[:, None]
    return means


def limits(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % percentile limits of resampled values, along the first axis."""
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=0)
    return low, high


def within_prompt_variance(prompts: Sequence[np.ndarray], values: np.ndarray) -> tuple[float, float]:
    """Compute the variance of values among the candidates of one prompt, averaged over prompts.

    A reward that hardly varies within a prompt gives a policy little to learn from, however accurate it is (Razin et
    al. 2025, arXiv 2503.15477).

    Args:
        prompts: the indices of each prompt's candidates, at least two: [prompts].
        values: [n].

    Returns:
        The variance within prompts, and its share of the variance over all candidates (NaN if that is 0).
    """
    variances = [np.var(values[indices], axis=1, ddof=1) for _, indices in by_size(prompts)]
    within = float(np.concatenate(variances).mean())
    total = float(np.var(values[np.concatenate(prompts)], ddof=1))
    return within, within / total if total > 0 else float("nan")


def within_prompt_correlation(prompts: Sequence[np.ndarray], proxy: np.ndarray, gold: np.ndarray) -> float:
    """Compute Spearman's correlation of proxy and gold within each prompt, averaged; NaN if no prompt has any spread.

    Args:
        prompts: the indices of each prompt's candidates: [prompts].
        proxy: [n].
        gold: [n].
    """
    from scipy.stats import rankdata

    correlations: list[np.ndarray] = []
    for _, indices in by_size(prompts):
        middle = (indices.shape[1] + 1) / 2  # the mean of the ranks
        first, second = rankdata(proxy[indices], axis=1) - middle, rankdata(gold[indices], axis=1) - middle
        spread = np.sqrt((first**2).sum(1) * (second**2).sum(1))
        correlations.append((first * second).sum(1)[spread > 0] / spread[spread > 0])
    values = np.concatenate(correlations)
    return float(values.mean()) if len(values) else float("nan")
