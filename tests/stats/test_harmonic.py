"""The harmonic mean of two accuracies: value, interval, and the difference of two of them by cluster."""

import random

import pytest

from rewardbench.stats import harmonic, mean, pairable, paired


def accuracies(rng, shares, sizes, shared=False):
    """Return two means of random credits, over clusters that differ unless they are shared."""
    means = []
    for kind, share, size in zip("ec", shares, sizes, strict=True):
        credits = [float(rng.random() < share) for _ in range(size)]
        means.append(mean(credits, [(number if shared else (kind, number)) for number in range(size)]))
    return means


def test_the_value_is_the_f1_of_both_and_0_if_one_of_them_is():
    first, second = mean([1, 0, 1, 0], "abcd"), mean([1, 1, 1, 0], "efgh")
    assert harmonic(first, second).value == pytest.approx(0.6)
    nothing = mean([0, 0], "xy")
    for other in (second, nothing):
        f1 = harmonic(nothing, other)
        assert (f1.value, f1.low) == (0, 0)
        assert 0 < f1.high <= 1


@pytest.mark.parametrize("shares", [(0.6, 0.8), (0.1, 0.95)])
def test_the_interval_covers_the_truth_19_times_of_20(shares):
    rng = random.Random(0)
    truth = 2 * shares[0] * shares[1] / sum(shares)
    hits = 0
    for _ in range(400):
        f1 = harmonic(*accuracies(rng, shares, (120, 80)))
        assert sum(f1.contributions.values()) == pytest.approx(f1.value)
        assert sum(f1.weights.values()) == pytest.approx(1)
        hits += f1.low <= truth <= f1.high
    assert 0.91 <= hits / 400 <= 0.985


def test_the_difference_is_exactly_the_sum_of_what_differs():
    rng = random.Random(1)
    for shares in ((0.5, 0.8), (0.0, 0.5), (0.9, 0.0), (1.0, 1.0)):
        first = harmonic(*accuracies(rng, shares, (30, 20)))
        second = harmonic(*accuracies(rng, (0.6, 0.6), (30, 20)))
        for better, worse in ((first, second), (second, first), (first, first)):
            difference = paired(*pairable(better, worse))
            assert sum(difference.contributions.values()) == pytest.approx(better.value - worse.value, abs=1e-12)
            assert difference.low <= difference.value <= difference.high
            changed = {cluster for cluster, step in difference.contributions.items() if abs(step) > 1e-12}
            for cluster in changed:
                part = 0 if cluster[0] == "e" else 1
                assert better.parts[part].contributions[cluster] != worse.parts[part].contributions[cluster]


def test_shared_clusters_widen_by_their_covariance():
    first, second = accuracies(random.Random(2), (0.6, 0.7), (50, 50), shared=True)
    f1 = harmonic(first, second)
    assert len(f1.influences) == 50
    assert f1.low < f1.value < f1.high


def test_other_means_are_pairable_as_they_are():
    first, second = mean([1, 0], "ab"), mean([1, 1], "ab")
    assert pairable(first, second) == (first, second)
