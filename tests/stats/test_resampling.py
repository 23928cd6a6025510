"""The cluster bootstrap: shared counts of clusters, and their agreement with multinomial draws."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from rewardbench import stats
from rewardbench.stats import resampling


def stratum(seed, clusters=100, items=300):
    random = np.random.default_rng(seed)
    members = [f"{seed}-{n}" for n in random.integers(clusters, size=items)]
    return stats.mean((random.random(items) < 0.7).astype(float).tolist(), members)


def test_counts_are_those_of_draws_with_replacement():
    counts = resampling.draw_counts(50, 0, 3)
    assert counts.shape == (10_000, 50)
    assert (counts.sum(1) == 50).all()
    assert counts.mean(0) == pytest.approx(1.0, abs=0.05)
    assert counts.var(0) == pytest.approx(1 - 1 / 50, abs=0.08)
    others = resampling.draw_counts(50, 0, 4)
    assert abs(np.corrcoef(counts[:, 0], others[:, 0])[0, 1]) < 0.05, "strata of one size are independent"


def test_interval_does_not_depend_on_the_order_of_clusters():
    first = stratum(0)
    clusters = list(first.weights)[::-1]
    contributions = {cluster: first.contributions[cluster] for cluster in clusters}
    backwards = SimpleNamespace(contributions=contributions, weights={name: first.weights[name] for name in clusters})
    assert stats.bootstrap([backwards], [1.0]) == stats.bootstrap([first], [1.0])


def test_few_clusters_have_the_interval_of_multinomial_draws(monkeypatch):
    strata = [stratum(seed) for seed in range(4)]
    interval = stats.bootstrap(strata, [1.0] * 4)
    monkeypatch.setattr("rewardbench.stats.resampling.FEW_CLUSTERS", 0)
    multinomial = stats.bootstrap(strata, [1.0] * 4)
    width = multinomial[1] - multinomial[0]
    assert interval != multinomial
    assert interval == pytest.approx(multinomial, abs=0.05 * width)
