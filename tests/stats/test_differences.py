"""Paired differences against statsmodels and scipy, and their coverage by simulation."""

from itertools import product
from math import comb, sqrt
from statistics import NormalDist

import numpy as np
import pytest

from rewardbench import stats
from rewardbench.stats import bootstrap, bounds, detectable, holm, items_needed, mean, paired, sign_flip
from rewardbench.stats.signs import sampled_p_value


def singles(first, second):
    """Return the difference of two lists of credits, each item a cluster."""
    return paired(mean(second, range(len(second))), mean(first, range(len(first))))


def case(seed, size=2):
    """Return the credits of two models on mirrors of `size` items, and the clusters."""
    random = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(random.integers(8, 14)), size)
    first = (random.random(len(clusters)) < 0.7).astype(float)
    second = np.where(random.random(len(clusters)) < 0.3, 1 - first, first)
    return first, second, clusters


@pytest.mark.parametrize("seed", range(20))
def test_sign_flip_of_single_items_is_mcnemars_exact_test(seed):
    from statsmodels.stats.contingency_tables import mcnemar

    random = np.random.default_rng(seed)
    first = (random.random(200) < 0.7).astype(float)
    second = np.where(random.random(200) < 0.15, 1 - first, first)
    table = [[((first == a) & (second == b)).sum() for b in (1, 0)] for a in (1, 0)]
    difference = singles(first, second)
    assert sign_flip(difference.steps()) == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)
    assert (difference.wins, difference.losses) == (table[1][0], table[0][1])


@pytest.mark.parametrize("seed", range(20))
def test_sign_flip_of_mirrors_is_scipys_permutation_test(seed):
    from scipy.stats import permutation_test

    first, second, clusters = case(seed)
    difference = paired(mean(second, clusters), mean(first, clusters))
    steps = np.array(difference.steps())
    expected = permutation_test((steps,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(difference.steps()) == pytest.approx(expected.pvalue, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_sampled_signs_agree_with_enumerated_signs(seed, monkeypatch):
    first, second, clusters = case(seed)
    steps = paired(mean(second, clusters), mean(first, clusters)).steps()
    exact = sign_flip(steps)
    monkeypatch.setattr("rewardbench.stats.differences.EXACT", 0)
    assert sign_flip(steps) == pytest.approx(exact, abs=4 * sqrt(0.25 / 20_000))
    assert sign_flip(steps) == sign_flip(steps), "the same seed, the same draw"


def test_sign_flip_samples_signs_of_real_valued_contributions():
    from scipy.stats import permutation_test

    contributions = np.random.default_rng(1).normal(0.3, 1, 12)
    expected = permutation_test((contributions,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip(contributions.tolist()) == pytest.approx(expected, abs=0.015)


def test_sign_flip_of_few_sizes_without_a_common_step():
    """The normal limit holds for 40 steps of each of three sizes."""
    random = np.random.default_rng(0)
    steps = np.repeat([1.0, 2**0.5, np.pi], 40) * random.choice([-1, 1], 120, p=[0.4, 0.6])
    z = abs(steps.sum()) / sqrt(float(steps @ steps))
    assert sign_flip(steps.tolist()) == pytest.approx(2 * (1 - NormalDist().cdf(z)), abs=0.012)
    assert sign_flip((1e-3 * steps).tolist()) == sign_flip(steps.tolist())


def test_sign_flip_enumerates_fractional_credits():
    sums = [abs(a / 3 + b / 3 + c / 2 + d / 2) for a, b, c, d in product((-1, 1), repeat=4)]
    assert sign_flip([1 / 3, 1 / 3, 1 / 2, -1 / 2]) == sum(total >= 2 / 3 - 1e-9 for total in sums) / 16


def test_sign_flip_of_many_equal_steps_is_binomial():
    assert sign_flip([1.0] * 1000 + [-1.0] * 900) == pytest.approx(
        2 * sum(comb(1900, k) for k in range(901)) / 2**1900, rel=1e-9
    )


@pytest.mark.parametrize("seed", range(20))
def test_bootstrap_agrees_with_scipy(seed):
    from scipy.stats import bootstrap as scipys

    random = np.random.default_rng(seed)
    first = (random.random(150) < 0.7).astype(float)
    second = np.where(random.random(150) < 0.3, 1 - first, first)
    difference = singles(first, second)
    low, high = bootstrap([difference], [1.0])
    data, generator = (np.array(difference.steps()) * 150,), np.random.default_rng(5)
    expected = scipys(data, np.mean, method="percentile", rng=generator, n_resamples=10_000).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.15 * (expected.high - expected.low) / 2)
    low_of_two, high_of_two = bootstrap([difference, difference], [1.0, 3.0])
    assert high_of_two - low_of_two < high - low


def test_interval_with_many_wins_and_losses_is_normal():
    first, second, _ = case(3)
    first, second = np.tile(first, 60), np.tile(second, 60)
    difference = singles(first, second)
    half = stats.normal(0.95) * difference.error
    assert (difference.low, difference.high) == pytest.approx(
        (difference.value - half, difference.value + half), abs=0.003
    )
    gains = second - first
    assert difference.value == pytest.approx(gains.mean())
    assert difference.error == pytest.approx(gains.std(ddof=1) / sqrt(len(gains)))


def test_equal_models_get_an_interval_of_positive_width():
    difference = singles(np.ones(100), np.ones(100))
    assert difference.value == 0
    assert difference.high == -difference.low == pytest.approx(stats.wilson(0, 100)[1])
    assert sign_flip(difference.steps()) == 1


def test_paired_rejects_means_over_different_clusters():
    with pytest.raises(ValueError, match="same clusters"):
        paired(mean([1, 0], "ab"), mean([1, 0], "ac"))


def test_holm_matches_hand_calculation():
    assert holm([0.04, 0.01, 0.5, 0.02]) == pytest.approx([0.08, 0.04, 0.5, 0.06])
    assert holm([]) == []


def test_bounds_are_wilsons():
    # variance of the mean .8 * .2 / 9, which ten single items explain as if they were nine; t(9) = 2.262157
    assert bounds(mean([1] * 8 + [0] * 2, range(10)), 0.95) == pytest.approx(stats.wilson(0.8 * 9, 9, 2.262157))


def test_detectable_and_items_needed_match_hand_calculation():
    assert detectable(0.01) == pytest.approx((1.959964 + 0.841621) * 0.01, rel=1e-5)
    assert items_needed(100, 0.02, 0.01) == pytest.approx(100 * (1.644854 * 2) ** 2, rel=1e-5)
    assert items_needed(100, 0.02, 0) == float("inf")


@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
def test_difference_intervals_have_95_percent_coverage(share):
    random = np.random.default_rng(int(share * 100))
    clusters, hits = np.arange(400) // 2, 0
    for _ in range(1000):
        first = random.random(400) < share
        # a tenth of all credits differ, as often either way
        differs = random.random(400) < 0.05 / np.where(first, share, 1 - share)
        second = first ^ differs
        estimate = paired(mean(second.astype(float), clusters), mean(first.astype(float), clusters))
        hits += estimate.low <= 0 <= estimate.high
    assert 0.93 <= hits / 1000 <= 0.975


def test_signs_are_counted_alike_with_numpy_1(monkeypatch):
    steps = np.repeat([0.3, 0.7, 1.1], 25)
    expected = sampled_p_value(steps, 8.0, 999, 0)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert sampled_p_value(steps, 8.0, 999, 0) == expected
