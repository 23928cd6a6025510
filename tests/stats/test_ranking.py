"""Who is better than whom: by hand, in the limit of many models, and how often chance makes a word of it."""

import numpy as np
import pytest

from rewardbench import stats
from rewardbench.stats import ranking


def earned(random, shares, clusters=200):
    """What each cluster adds to models that are right with these chances, on items of one difficulty."""
    return (random.random((len(shares), clusters)) < np.array(shares)[:, None]) / clusters


def test_by_hand_three_models():
    better, worse = [1 / 8] * 8, [0.0] * 8
    middle = [1 / 8] * 4 + [0.0] * 4
    # p of the first pair: 2 / 2^8 = .0078, Holm x 3 = .023; of the others 2 / 2^4 = .125
    assert stats.significantly_worse([better, worse, middle]).tolist() == [
        [False, False, False],
        [True, False, False],
        [False, False, False],
    ]


def test_equal_models_and_a_single_one_beat_nobody():
    assert not stats.significantly_worse([[0.5, 0.0]] * 3).any()
    assert stats.significantly_worse([[0.5, 0.5]]).tolist() == [[False]]


def test_the_limit_of_many_models_is_the_test_itself(monkeypatch):
    random = np.random.default_rng(0)
    parts = earned(random, np.linspace(0.5, 0.9, 20))
    exact = stats.significantly_worse(parts)
    monkeypatch.setattr(ranking, "EXACT_PAIRS", 0)
    limit = stats.significantly_worse(parts)
    assert exact.sum() > 50
    assert (exact != limit).sum() <= 4, "near the bound they may differ"


@pytest.mark.parametrize("pairs", [10_000, 0])
def test_chance_seldom_makes_one_of_many_equal_models_better(monkeypatch, pairs):
    monkeypatch.setattr(ranking, "EXACT_PAIRS", pairs)
    random = np.random.default_rng(1)
    alarms = sum(stats.significantly_worse(earned(random, [0.7] * 8, 100)).any() for _ in range(200))
    assert alarms <= 200 * 0.08
