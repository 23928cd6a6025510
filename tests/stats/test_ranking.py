"""Significance tests among several models: by hand, against the exact test, and their false positive rate."""

import numpy as np
import pytest

from rewardbench import stats
from rewardbench.stats.ranking import LEVEL


def sample_contributions(random, shares, clusters=200):
    """Return the contributions of clusters to models with these accuracies: [models, clusters]."""
    return (random.random((len(shares), clusters)) < np.array(shares)[:, None]) / clusters


def test_three_models_match_hand_calculation():
    better, worse = [1 / 8] * 8, [0.0] * 8
    middle = [1 / 8] * 4 + [0.0] * 4
    # p of the first pair: 2 / 2^8 = .0078; of the others 2 / 2^4 = .125
    matrix = stats.significantly_worse([better, worse, middle])
    assert matrix.tolist() == [
        [False, False, False],
        [True, False, False],
        [False, False, False],
    ]
    assert stats.rank_ranges(matrix) == [(1, 2), (2, 3), (1, 3)]


def test_equal_models_and_a_single_model_have_no_significant_difference():
    assert not stats.significantly_worse([[0.5, 0.0]] * 3).any()
    assert stats.significantly_worse([[0.5, 0.5]]).tolist() == [[False]]
    assert stats.rank_ranges(stats.significantly_worse([[0.5, 0.0]] * 3)) == [(1, 3)] * 3


def enumerated_p_value(steps):
    steps = steps[steps != 0]
    signs = 2 * (np.arange(2 ** len(steps))[:, None] >> np.arange(len(steps)) & 1) - 1
    return (np.abs(signs @ np.abs(steps)) >= abs(steps.sum()) * (1 - 1e-9)).mean()


@pytest.mark.parametrize("spread", [0.0, 0.5, 3.0])
def test_few_clusters_of_any_weights_are_tested_exactly(spread):
    """With a spread of 3, one cluster may weigh a thousand times another."""
    random = np.random.default_rng(7)
    significant = 0
    for clusters in (5, 6, 7, 9, 12, 13):
        weights = np.exp(spread * random.standard_normal(clusters))
        credits = (random.random((30, clusters)) < np.linspace(0.1, 0.9, 30)[:, None]) * weights
        worse = stats.significantly_worse(credits)
        for a in range(30):
            for b in range(30):
                steps = credits[b] - credits[a]
                assert worse[a, b] == (steps.sum() > 0 and enumerated_p_value(steps) < LEVEL)
        significant += worse.sum()
    assert significant > 10


@pytest.mark.parametrize("clusters", [24, 60, 200])
def test_normal_limit_agrees_with_the_sign_flip_test(clusters):
    random = np.random.default_rng(clusters)
    weights = random.choice([0.5, 0.8, 1.0, 1.7], clusters)
    credits = sample_contributions(random, np.linspace(0.3, 0.9, 40), clusters) * weights
    worse = stats.significantly_worse(credits)
    p_values = {}
    for a, b in zip(*np.triu_indices(40, 1), strict=True):
        p_values[a, b] = stats.sign_flip((credits[b] - credits[a]).tolist())
    differing = [p for pair, p in p_values.items() if (p < LEVEL) != (worse[pair] or worse[pair[::-1]])]
    assert worse.sum() > 100
    assert len(differing) <= 12
    assert all(0.7 * LEVEL < p < 1.4 * LEVEL for p in differing), "only near the level"


def test_a_pair_does_not_depend_on_other_models_or_their_order():
    random = np.random.default_rng(3)
    base = random.random(300) < 0.8
    copies = (base ^ (random.random((20, 300)) < 0.03)) / 300  # near copies are tested exactly, the others not
    credits = np.concatenate([copies, sample_contributions(random, np.linspace(0.5, 0.9, 40), 300)])
    worse = stats.significantly_worse(credits)
    order = random.permutation(len(credits))
    assert (stats.significantly_worse(credits[order]) == worse[np.ix_(order, order)]).all()
    for a, b in random.integers(0, len(credits), (100, 2)):
        assert stats.significantly_worse(credits[[a, b]])[0, 1] == (a != b and worse[a, b])


@pytest.mark.parametrize("clusters", [15, 40, 300])
def test_false_positive_rate_of_a_pair_is_at_most_5_percent(clusters):
    random = np.random.default_rng(1)
    rates = []
    for _ in range(60):
        worse = stats.significantly_worse(sample_contributions(random, [0.7] * 20, clusters))
        rates.append(worse.sum() / (20 * 19 / 2))
    assert 0.01 < np.mean(rates) <= 0.06
