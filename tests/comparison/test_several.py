"""Test that several models are compared pair by pair as two are, with a correction over the pairs."""

from dataclasses import replace

import pytest
from synthetic import mirrors, scores, store

from rewardbench import stats
from rewardbench.comparison.compare import compare
from rewardbench.comparison.several import compare_all
from rewardbench.errors import InputError
from rewardbench.results.scored import read_scored

SUITE = mirrors(60)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    shares = (0.9, 0.86, 0.82, 0.7)
    return [read_scored(store(folder, SUITE, scores(SUITE, share, n), f"org/m{n}")) for n, share in enumerate(shares)]


@pytest.mark.parametrize("metric", [None, "pair", "mirror"])
def test_each_pair_has_the_figures_of_a_comparison_of_two(models, metric):
    pairs = compare_all(models, metric)
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for pair in pairs:
        alone = compare(models[pair.first], models[pair.second], metric).score
        assert replace(pair.score, adjusted=alone.adjusted) == alone
    adjusted = stats.holm([pair.score.p for pair in pairs])
    assert [pair.score.adjusted for pair in pairs] == adjusted
    assert any(pair.score.p < 0.05 <= pair.score.adjusted for pair in pairs) or min(adjusted) < 0.05


def test_two_models_have_one_pair_without_correction(models):
    (pair,) = compare_all(models[:2])
    assert pair.score == compare(*models[:2]).score


def test_models_of_other_items_and_judges_of_other_protocols_are_rejected(models, tmp_path):
    other = read_scored(store(tmp_path, mirrors(50), scores(mirrors(50), 0.8), "org/other"))
    with pytest.raises(InputError, match="cannot be paired"):
        compare_all([*models, other])
    judges = [replace(model, protocol=name) for model, name in zip(models, "aabb", strict=True)]
    assert len(compare_all(judges[:2])) == 1
    with pytest.raises(InputError, match="different protocols"):
        compare_all(judges)
