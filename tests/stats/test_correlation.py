"""Rank correlation: against scipy, the share of pairs in the same order, and the coverage of the interval."""

import numpy as np
import pytest
from scipy.stats import kendalltau, rankdata, spearmanr

from rewardbench.stats import correlation
from rewardbench.stats.correlation import correlate_ranks


@pytest.mark.parametrize("decimals", [0, 1, 8])
@pytest.mark.parametrize("n", [5, 12, 80])
def test_coefficient_equals_scipy_with_and_without_equal_values(n, decimals):
    random = np.random.default_rng(n + decimals + 100)
    x = random.normal(size=n).round(decimals)
    y = (x + random.normal(size=n)).round(decimals)
    measured = correlate_ranks(x, y)
    assert measured.value == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    assert measured.n == n
    assert measured.low <= measured.value <= measured.high


def test_share_of_pairs_in_the_same_order_follows_from_kendall():
    random = np.random.default_rng(3)
    x, y = random.normal(size=(2, 40))
    assert correlate_ranks(x, y).alike == pytest.approx((kendalltau(x, y).statistic + 1) / 2, abs=1e-12)
    assert correlate_ranks(x, -x).alike == 0.0


def test_a_resample_is_the_correlation_of_repeated_positions():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 15)).round(1)
    weights = np.random.default_rng(7).multinomial(15, np.full(15, 1 / 15), correlation.RESAMPLES)
    resampled = correlation._resample(correlation.code(x), correlation.code(y), np.random.default_rng(7))
    for n in range(50):
        rows = np.repeat(np.arange(15), weights[n])
        expected = spearmanr(rankdata(x[rows]), rankdata(y[rows])).statistic
        assert resampled[n] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("x", "y"), [([1, 2, 3, 4, 5], [2, 3, 5, 7, 11]), ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5])])
def test_one_order_and_constant_lists_have_no_interval(x, y):
    measured = correlate_ranks(np.array(x), np.array(y))
    assert np.isnan([measured.low, measured.high]).all()
    assert measured.value == 1.0 or np.isnan(measured.value)


def test_the_interval_covers_the_truth():
    """Of two normal variables with correlation r, Spearman's is 6 / pi asin(r / 2)."""
    random = np.random.default_rng(1)
    truth = 6 / np.pi * np.arcsin(0.7 / 2)
    covered = 0
    for seed in range(150):
        x, noise = random.normal(size=(2, 40))
        measured = correlate_ranks(x, 0.7 * x + np.sqrt(1 - 0.49) * noise, seed)
        covered += measured.low <= truth <= measured.high
    assert covered / 150 > 0.88
