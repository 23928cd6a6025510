from math import inf, sqrt

import numpy as np
import pytest

from rewardbench.stats import Mean, combine, interval, mean, weighted, wilson


def test_wilson_without_success_has_upper_limit_z2_over_n_plus_z2():
    low, high = wilson(0, 10)
    assert low == 0
    assert high == pytest.approx(1.959964**2 / (10 + 1.959964**2), abs=1e-6)  # .2775


def test_wilson_is_symmetric_and_takes_fractions():
    low, high = wilson(2.5, 4)
    assert (1 - high, 1 - low) == pytest.approx(wilson(1.5, 4))
    # centre (.625 + z²/8) / (1 + z²/4), half z / (1 + z²/4) * sqrt(.234375/4 + z²/64), with z² = 3.841459
    assert (low, high) == pytest.approx((0.563764 - 0.344336, 0.563764 + 0.344336), abs=1e-5)


def test_empty_input_is_rejected():
    with pytest.raises(ValueError, match="no trials"):
        wilson(0, 0)
    with pytest.raises(ValueError, match="no credits"):
        mean([], [])
    with pytest.raises(ValueError, match="argument"):
        mean([1, 0], ["a"])


def test_interval_of_single_items_is_wilsons():
    assert interval([1, 1, 1, 0], [1, 2, 3, 4]) == wilson(3, 4)


def test_interval_of_duplicated_items_has_the_size_of_clusters_minus_one():
    # G clusters of two equal items: variance G/(G-1) * sum((x - p)²) / G² = p(1-p) / (G-1), with t(4) = 2.776445
    credits = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert interval(credits, "aabbccddee") == pytest.approx(wilson(0.6 * 4, 4, z=2.776445), abs=1e-6)


def test_interval_of_unequal_clusters_matches_hand_calculation():
    # mean 3/5; pulls a (3 - 3*.6)/5 = .24, b (0 - 2*.6)/5 = -.24; variance 2 * .1152; t(1) = 12.7062
    estimate = mean([1, 1, 1, 0, 0], "aaabb")
    assert estimate.value == 0.6
    assert dict(estimate.influences) == pytest.approx({"a": 0.24, "b": -0.24})
    size = 0.24 / (2 * 0.1152)
    assert (estimate.low, estimate.high) == pytest.approx(wilson(0.6 * size, size, z=12.706205), abs=1e-6)


def test_identical_clusters_count_as_one_item_each():
    assert interval([1, 0] * 30, [k // 2 for k in range(60)]) == wilson(15, 30)
    assert interval([1, 1, 1, 1], "aabb") == wilson(2, 2)
    assert interval([1, 0, 1], "aaa") == pytest.approx(wilson(2 / 3, 1))


def test_weighted_adds_squared_distances_of_independent_means():
    estimate = weighted([Mean(0.9, 0.8, 0.95), Mean(0.5, 0.3, 0.7)], [3, 1])
    assert estimate.value == pytest.approx(0.8)
    assert estimate.low == pytest.approx(0.8 - sqrt(0.075**2 + 0.05**2))
    assert estimate.high == pytest.approx(0.8 + sqrt(0.0375**2 + 0.05**2))


def test_weighted_keeps_the_uncertainty_of_a_mean_of_1():
    all_right, half_right = mean([1] * 10, range(10)), mean([1, 0], ["x", "y"])
    estimate = weighted([all_right, half_right], [1, 1])
    assert estimate.value == 0.75
    assert estimate.high < 1
    assert estimate.value - estimate.low > (half_right.value - half_right.low) / 2


def test_weighted_means_that_share_clusters_equal_the_pooled_mean():
    first, second, mirrors = [1, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1], list("abcdef")
    combined = weighted([mean(first, mirrors), mean(second, mirrors)], [1, 1])
    pooled = mean(first + second, mirrors * 2)
    assert (combined.value, combined.low, combined.high) == pytest.approx((pooled.value, pooled.low, pooled.high))
    assert dict(combined.influences) == pytest.approx(dict(pooled.influences))


def test_nested_weighted_means_keep_their_clusters():
    x, y, z = (mean(credits, "abcd") for credits in ([1, 1, 0, 1], [1, 0, 0, 1], [0, 0, 1, 1]))
    nested = weighted([weighted([x, y], [1, 1]), z], [2, 1])
    flat = weighted([x, y, z], [1, 1, 1])
    assert (nested.low, nested.high) == pytest.approx((flat.low, flat.high))


def test_terms_of_weight_0_are_ignored():
    term = mean([1, 0, 1], "abc")
    estimate = weighted([term, mean([0, 0, 0], "abc")], [1, 0])
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((term.value, term.low, term.high))


def test_combined_value_above_1_is_in_its_interval():
    bonus = mean([1.0, 1.0], "ab")
    total = combine([bonus, bonus], [1.0, 0.01])
    assert total.value == pytest.approx(1.01)
    assert total.low < 1 < total.high == total.value


def independent(random, p):
    return (random.random((200, 2)) < p), np.arange(400)


def correlated(random, p):
    """Items of a cluster share its own chance of success."""
    return random.random((200, 2)) < random.beta(4 * p, 4 * (1 - p), (200, 1)), np.arange(400) // 2


def mirrored(random, p):
    """Halves of a mirror: both right with chance 2p - 1, else exactly one of them."""
    both, first = random.random(200) < 2 * p - 1, random.random(200) < 0.5
    return np.stack([both | first, both | ~first], 1), np.arange(400) // 2


@pytest.mark.parametrize("draw", [independent, correlated, mirrored])
@pytest.mark.parametrize("p", [0.6, 0.8, 0.95])
def test_intervals_have_95_percent_coverage(draw, p):
    random = np.random.default_rng([20, int(100 * p)])
    hits, widest = 0, -inf
    for _ in range(1000):
        credits, clusters = draw(random, p)
        low, high = interval(credits.ravel().astype(float).tolist(), clusters.tolist())
        hits += low <= p <= high
        widest = max(widest, high - low)
    assert 0.93 <= hits / 1000 <= 0.97
    assert widest < 0.2


def test_intervals_of_ten_clusters_near_1_have_95_percent_coverage():
    """Ten mirrors at .95, where value ± t * error covers 65 %."""
    random = np.random.default_rng(3)
    hits = 0
    for _ in range(1000):
        both, first = random.random(10) < 0.9, random.random(10) < 0.5
        credits = np.stack([both | first, both | ~first], 1).astype(float)
        low, high = interval(credits.ravel().tolist(), (np.arange(20) // 2).tolist())
        hits += low <= 0.95 <= high
    assert hits >= 950
