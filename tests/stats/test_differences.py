"""Paired differences against statsmodels and scipy, and their coverage by simulation."""

from itertools import product
from math import comb, sqrt

import numpy as np
import pytest

from rewardbench import stats
from rewardbench.stats import bootstrap, bounds, detectable, holm, items_needed, mean, paired, sign_flip


def singles(first, second):
    """The difference of two rows of credits over items of their own."""
    return paired(mean(second, range(len(second))), mean(first, range(len(first))))


def case(seed, size=2):
    """Two models' credits on mirrors of `size` items, and their clusters."""
    random = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(random.integers(8, 14)), size)
    first = (random.random(len(clusters)) < 0.7).astype(float)
    second = np.where(random.random(len(clusters)) < 0.3, 1 - first, first)
    return first, second, clusters


@pytest.mark.parametrize("seed", range(20))
def test_single_items_get_mcnemars_exact_test(seed):
    from statsmodels.stats.contingency_tables import mcnemar

    random = np.random.default_rng(seed)
    first = (random.random(200) < 0.7).astype(float)
    second = np.where(random.random(200) < 0.15, 1 - first, first)
    table = [[((first == a) & (second == b)).sum() for b in (1, 0)] for a in (1, 0)]
    apart = singles(first, second)
    assert sign_flip(apart.steps()) == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)
    assert (apart.wins, apart.losses) == (table[1][0], table[0][1])


@pytest.mark.parametrize("seed", range(20))
def test_mirrors_get_scipys_permutation_test(seed):
    from scipy.stats import permutation_test

    first, second, clusters = case(seed)
    apart = paired(mean(second, clusters), mean(first, clusters))
    steps = np.array(apart.steps())
    wanted = permutation_test((steps,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(apart.steps()) == pytest.approx(wanted.pvalue, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_drawn_signs_agree_with_counted_ones(seed, monkeypatch):
    first, second, clusters = case(seed)
    steps = paired(mean(second, clusters), mean(first, clusters)).steps()
    exact = sign_flip(steps)
    monkeypatch.setattr("rewardbench.stats.differences.EXACT", 0)
    assert sign_flip(steps) == pytest.approx(exact, abs=4 * sqrt(0.25 / 20_000))
    assert sign_flip(steps) == sign_flip(steps), "the same seed, the same draw"


def test_signs_of_unlike_parts_are_sampled():
    from scipy.stats import permutation_test

    parts = np.random.default_rng(1).normal(0.3, 1, 12)
    wanted = permutation_test((parts,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip(parts.tolist()) == pytest.approx(wanted, abs=0.015)


def test_thirds_of_a_credit_are_counted():
    sums = [abs(a / 3 + b / 3 + c / 2 + d / 2) for a, b, c, d in product((-1, 1), repeat=4)]
    assert sign_flip([1 / 3, 1 / 3, 1 / 2, -1 / 2]) == sum(one >= 2 / 3 - 1e-9 for one in sums) / 16


def test_large_counts_are_no_trouble():
    assert sign_flip([1.0] * 1000 + [-1.0] * 900) == pytest.approx(
        2 * sum(comb(1900, k) for k in range(901)) / 2**1900, rel=1e-9
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_interval_of_a_total_is_scipys_bootstrap(seed):
    from scipy.stats import bootstrap as scipys

    random = np.random.default_rng(seed)
    first = (random.random(150) < 0.7).astype(float)
    second = np.where(random.random(150) < 0.3, 1 - first, first)
    apart = singles(first, second)
    low, high = bootstrap([apart], [1.0])
    data, generator = (np.array(apart.steps()) * 150,), np.random.default_rng(5)
    wanted = scipys(data, np.mean, method="percentile", rng=generator, n_resamples=10_000).confidence_interval
    assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=0.15 * (wanted.high - wanted.low) / 2)
    assert bootstrap([apart, apart], [1.0, 3.0])[1] - bootstrap([apart, apart], [1.0, 3.0])[0] < high - low


def test_with_many_wins_and_losses_the_interval_is_value_and_t_errors():
    first, second, _ = case(3)
    first, second = np.tile(first, 60), np.tile(second, 60)
    apart = singles(first, second)
    half = stats.normal(0.95) * apart.error
    assert (apart.low, apart.high) == pytest.approx((apart.value - half, apart.value + half), abs=0.003)
    gains = second - first
    assert apart.value == pytest.approx(gains.mean())
    assert apart.error == pytest.approx(gains.std(ddof=1) / sqrt(len(gains)))


def test_models_that_agree_everywhere_may_still_differ_elsewhere():
    apart = singles(np.ones(100), np.ones(100))
    assert apart.value == 0
    assert apart.high == -apart.low == pytest.approx(stats.wilson(0, 100)[1])
    assert sign_flip(apart.steps()) == 1


def test_means_over_other_clusters_are_not_paired():
    with pytest.raises(ValueError, match="same clusters"):
        paired(mean([1, 0], "ab"), mean([1, 0], "ac"))


def test_holm_by_hand():
    assert holm([0.04, 0.01, 0.5, 0.02]) == pytest.approx([0.08, 0.04, 0.5, 0.06])
    assert holm([]) == []


def test_bounds_at_another_coverage_are_wilsons():
    # variance of the mean .8 * .2 / 9, which ten single items explain as if they were nine; t(9) = 2.262157
    assert bounds(mean([1] * 8 + [0] * 2, range(10)), 0.95) == pytest.approx(stats.wilson(0.8 * 9, 9, 2.262157))


def test_power_by_hand():
    assert detectable(0.01) == pytest.approx((1.959964 + 0.841621) * 0.01, rel=1e-5)
    assert items_needed(100, 0.02, 0.01) == pytest.approx(100 * (1.644854 * 2) ** 2, rel=1e-5)
    assert items_needed(100, 0.02, 0) == float("inf")


@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
def test_intervals_of_a_difference_cover_it(share):
    random = np.random.default_rng(int(share * 100))
    clusters, hits = np.arange(400) // 2, 0
    for _ in range(1000):
        first = random.random(400) < share
        apart = random.random(400) < 0.05 / np.where(first, share, 1 - share)  # a tenth of all, as often either way
        second = first ^ apart
        found = paired(mean(second.astype(float), clusters), mean(first.astype(float), clusters))
        hits += found.low <= 0 <= found.high
    assert 0.93 <= hits / 1000 <= 0.975
