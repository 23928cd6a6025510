"""Compare chat models turn by turn: shares with intervals, McNemar's test, and the minimum detectable difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, nan, sqrt
from operator import attrgetter

import numpy as np

from rewardbench import stats
from rewardbench.analysis.chatbench.verify import VerifiedTurn, longest_prefix
from rewardbench.stats import COVERAGE

_PASSES, _CHAIN = attrgetter("passes"), attrgetter("chain")


@dataclass(frozen=True)
class ChainScore:
    """Figures of one run.

    Attributes:
        model: name of the chat model.
        passed: number of turns that pass.
        turns: number of turns.
        share: share of turns that pass; chains are clusters.
        prefix: mean over chains of the turns before the first failure, as a share of the chain's turns.
        prefixes: turns before the first failure, and turns, of each chain.
        error: standard error of the share; NaN with one chain.
    """

    model: str
    passed: int
    turns: int
    share: stats.Mean
    prefix: stats.Mean
    prefixes: tuple[tuple[int, int], ...]
    error: float


@dataclass(frozen=True)
class RunDifference:
    """The second run minus the first, in the share of turns that pass.

    Attributes:
        value: the difference.
        low: lower limit of the 95 % interval; chains are clusters.
        high: upper limit.
        bootstrap: 95 % percentile interval of a bootstrap of chains.
        gains: turns that only the second passes.
        losses: turns that only the first passes.
        mcnemar_p: p-value of McNemar's exact test, which takes turns as independent.
        chain_p: p-value of the sign-flip test over chains, which does not.
        detectable: minimum detectable difference at 80 % power.
    """

    value: float
    low: float
    high: float
    bootstrap: tuple[float, float]
    gains: int
    losses: int
    mcnemar_p: float
    chain_p: float
    detectable: float


def half_width(share: float, n: int) -> float:
    """Return the half-width of the 95 % interval of a share of n independent turns.

    >>> [round(100 * half_width(0.8, n), 1) for n in (160, 358, 2985)]
    [6.2, 4.1, 1.4]
    """
    return stats.normal(COVERAGE) * sqrt(share * (1 - share) / n)


def score_run(model: str, verified: Sequence[VerifiedTurn]) -> ChainScore:
    """Compute the figures of a run from its verified turns."""
    passes: dict[str, list[bool]] = {}
    for turn in verified:
        passes.setdefault(turn.chain, []).append(turn.passes)
    share = _share(verified)
    prefixes: list[tuple[int, int]] = []
    prefix_shares: list[float] = []
    for outcomes in passes.values():
        prefixes.append((longest_prefix(outcomes), len(outcomes)))
        prefix_shares.append(prefixes[-1][0] / prefixes[-1][1])
    prefix = stats.mean(prefix_shares, list(passes))
    chains = len(passes)
    factor = chains / (chains - 1) if chains > 1 else nan
    variance = factor * stats.sum_of_squares(share.influences.values())
    passed = sum(map(_PASSES, verified))
    return ChainScore(model, passed, len(verified), share, prefix, tuple(prefixes), sqrt(variance))


def _share(verified: Sequence[VerifiedTurn]) -> stats.Mean:
    """Return the share of turns that pass, with chains as clusters."""
    return stats.mean(list(map(float, map(_PASSES, verified))), list(map(_CHAIN, verified)))


def compare_runs(first: Sequence[VerifiedTurn], second: Sequence[VerifiedTurn], seed: int = 0) -> RunDifference:
    """Compare two runs of the same chains.

    Args:
        first: verified turns of a run.
        second: verified turns of the other, in the same order.
        seed: seed of the bootstrap.
    """
    difference = stats.paired(_share(second), _share(first))
    gains = losses = 0
    for before, after in zip(first, second, strict=True):
        gains += after.passes and not before.passes
        losses += before.passes and not after.passes
    return RunDifference(
        value=difference.value,
        low=difference.low,
        high=difference.high,
        bootstrap=stats.bootstrap([difference], [1.0], seed),
        gains=gains,
        losses=losses,
        mcnemar_p=mcnemar(gains, losses),
        chain_p=stats.sign_flip(list(difference.contributions.values())),
        detectable=stats.detectable(difference.error),
    )


def mcnemar(gains: int, losses: int) -> float:
    """Return the p-value of McNemar's exact test (McNemar 1947): gains and losses are equally likely.

    >>> round(mcnemar(8, 2), 4)
    0.1094
    """
    from scipy.stats import binomtest

    return float(binomtest(gains, gains + losses).pvalue) if gains + losses else 1.0


def survival(prefixes: Sequence[tuple[int, int]]) -> list[stats.Mean]:
    """Estimate the share of chains without a failure up to each turn (Kaplan and Meier 1958).

    Chains that end without a failure are censored, so that chains of different lengths count. Intervals are those of
    Greenwood on the log-log scale; Wilson's where nothing has failed.

    >>> [round(share.value, 3) for share in survival([(0, 4), (4, 4), (1, 3), (3, 3)])]
    [0.75, 0.5, 0.5, 0.5]

    Args:
        prefixes: turns before the first failure, and turns, of each chain.

    Returns:
        The share after each turn.
    """
    shares: list[stats.Mean] = []
    share, variance, highest = 1.0, 0.0, 1.0
    reached, lengths = np.array(prefixes).T
    for turn in range(int(lengths.max())):
        at_risk = int(((reached >= turn) & (lengths > turn)).sum())
        failures = int(((reached == turn) & (lengths > turn)).sum())
        if at_risk:
            share *= 1 - failures / at_risk
            variance += failures / (at_risk * (at_risk - failures)) if failures < at_risk else 0.0
        if share == 1.0:
            low, high = stats.wilson(at_risk, at_risk)
        elif share == 0.0:
            low, high = 0.0, highest
        else:
            power = exp(stats.normal(COVERAGE) * sqrt(variance) / log(share))
            low, high = share ** (1 / power), share**power
        highest = high
        shares.append(stats.Mean(share, low, high))
    return shares
