"""Significance tests among several models: by hand, in the normal limit, and their false positive rate."""

import numpy as np
import pytest

from rewardbench import stats
from rewardbench.stats import ranking


def sample_contributions(random, shares, clusters=200):
    """Return the contributions of clusters to models with these accuracies: [models, clusters]."""
    return (random.random((len(shares), clusters)) < np.array(shares)[:, None]) / clusters


def test_three_models_match_hand_calculation():
    better, worse = [1 / 8] * 8, [0.0] * 8
    middle = [1 / 8] * 4 + [0.0] * 4
    # p of the first pair: 2 / 2^8 = .0078, Holm x 3 = .023; of the others 2 / 2^4 = .125
    assert stats.significantly_worse([better, worse, middle]).tolist() == [
        [False, False, False],
        [True, False, False],
        [False, False, False],
    ]


def test_equal_models_and_a_single_model_have_no_significant_difference():
    assert not stats.significantly_worse([[0.5, 0.0]] * 3).any()
    assert stats.significantly_worse([[0.5, 0.5]]).tolist() == [[False]]


def test_normal_limit_agrees_with_the_exact_test(monkeypatch):
    random = np.random.default_rng(0)
    contributions = sample_contributions(random, np.linspace(0.5, 0.9, 20))
    exact = stats.significantly_worse(contributions)
    monkeypatch.setattr(ranking, "EXACT_PAIRS", 0)
    limit = stats.significantly_worse(contributions)
    assert exact.sum() > 50
    assert (exact != limit).sum() <= 4, "near the bound they may differ"


@pytest.mark.parametrize("pairs", [10_000, 0])
def test_false_positive_rate_among_equal_models_is_5_percent(monkeypatch, pairs):
    monkeypatch.setattr(ranking, "EXACT_PAIRS", pairs)
    random = np.random.default_rng(1)
    alarms = sum(stats.significantly_worse(sample_contributions(random, [0.7] * 8, 100)).any() for _ in range(200))
    assert alarms <= 200 * 0.08
