"""Test that added rows do not move the rank ranges of others, and exactly when they do.

The credits of models are correlated: each mirror has a difficulty that they share.
"""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import mirrors, scores, store, verify

from rewardbench import stats
from rewardbench.leaderboard.ranking import rank_rows
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.types import Credits, Figure, LeaderboardRow
from rewardbench.stats import ranking
from rewardbench.store import LocalStore

MIRRORS = 1_115
"""Number of mirrors of core."""
ACCURACIES = (0.92, 0.89, 0.885, 0.86, 0.83, 0.83, 0.82, 0.78, 0.76, 0.75, 0.72, 0.70)
JUNK = {
    "random scorers": lambda random, count: np.full(count, 0.5),
    "weak models": lambda random, count: random.uniform(0.5, 0.6, count),
    "worse than the weakest": lambda random, count: random.uniform(0.02, 0.5, count),
}


def draw_credits(random, accuracies, shared=0.5, mirrors=MIRRORS):
    """Draw whether each model is right on each mirror: [models, mirrors].

    Args:
        random: the source of random numbers.
        accuracies: probability that a model is right: [models].
        shared: share of the variance of a model's margin that is due to the difficulty of the mirror.
        mirrors: number of mirrors.
    """
    from scipy.special import ndtri

    ease = np.sqrt(shared) * random.standard_normal(mirrors)
    noise = np.sqrt(1 - shared) * random.standard_normal((len(accuracies), mirrors))
    return (ndtri(np.asarray(accuracies))[:, None] + ease + noise > 0) / mirrors


def make_rows(credits, name, badge="verified", **fields):
    """Return a row for each model, and its credits."""
    rows = []
    for n, model in enumerate(credits):
        key = f"{name}-{n}"
        score = Figure("score", float(model.sum()), n=len(model))
        row = LeaderboardRow(key, "1", key, "Seq. Classifier", "core", "2", "items", "mirror", score, (), (), (), badge)
        rows.append((replace(row, **fields), Credits(tuple(model.tolist()))))
    return rows


def ranges(*groups):
    """Return the rank ranges of the rows of all groups, by key."""
    rows = [row for group in groups for row, _ in group]
    credits = {row.key: credit for group in groups for row, credit in group}
    return {row.key: row.rank_range for row in rank_rows(rows, credits)}


def of(all_ranges, group):
    return [all_ranges[row.key] for row, _ in group]


@pytest.fixture(params=range(3))
def random(request):
    return np.random.default_rng(request.param)


@pytest.mark.parametrize("count", [10, 100, pytest.param(1_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", JUNK)
def test_verified_junk_changes_no_range_of_better_models(random, kind, count):
    credits = draw_credits(random, [*ACCURACIES, *JUNK[kind](random, count)])
    models, junk = make_rows(credits[: len(ACCURACIES)], "org/m"), make_rows(credits[len(ACCURACIES) :], "x/junk")
    before = ranges(models)
    assert len(set(before.values())) > 4
    assert of(ranges(models, junk), models) == of(before, models)
    assert of(ranges(junk, models), models) == of(before, models)


@pytest.mark.parametrize("count", [10, 100, pytest.param(1_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "fields",
    [
        {"badge": "recomputed"},
        {"badge": "self-reported"},
        {"badge": "published"},
        {"model_type": "Baseline"},
        {"protocol": "choice@1#" + "c" * 16},
        {"ids": "other items", "revision": "3"},
        {"suite": "core-hard"},
    ],
)
def test_rows_that_are_not_ranked_together_change_no_range_whatever_their_scores(random, fields, count):
    credits = draw_credits(random, [*ACCURACIES, *random.uniform(0.02, 0.99, count)])
    credits[-3:] = [credits[0], np.full(MIRRORS, 1 / MIRRORS), np.zeros(MIRRORS)]
    models = make_rows(credits[: len(ACCURACIES)], "org/m")
    others = make_rows(credits[len(ACCURACIES) :], "x/other", **fields)
    before = ranges(models)
    assert of(ranges(models, others), models) == of(before, models)
    if "badge" in fields or "model_type" in fields:
        assert set(of(ranges(models, others), others)) == {None}


def test_an_added_model_moves_only_the_ranges_of_models_that_are_not_significantly_better(random):
    """A model in the middle of the field: whom it moves, and by how much, is decided by its test against each."""
    credits = draw_credits(random, [*ACCURACIES, *random.uniform(0.6, 0.95, 25)])
    models, added = make_rows(credits[: len(ACCURACIES)], "org/m"), make_rows(credits[len(ACCURACIES) :], "org/added")
    before, after = ranges(models), ranges(models, added)
    moved = 0
    for n, (row, _) in enumerate(models):
        better = worse = 0
        for other in credits[len(ACCURACIES) :]:
            matrix = stats.significantly_worse([credits[n], other])
            better += int(matrix[0, 1])
            worse += int(matrix[1, 0])
        best, worst = before[row.key]
        assert after[row.key] == (best + better, worst + len(added) - worse)
        moved += after[row.key] != before[row.key]
    assert moved > 6


@pytest.mark.parametrize("count", [10, 100])
def test_models_in_the_middle_do_not_move_the_leader(random, count):
    credits = draw_credits(random, [*ACCURACIES, *random.uniform(0.7, 0.84, count)])
    models, middle = make_rows(credits[: len(ACCURACIES)], "org/m"), make_rows(credits[len(ACCURACIES) :], "x/middle")
    before, after = ranges(models), ranges(models, middle)
    leader, weakest = models[0][0].key, models[-1][0].key
    assert after[leader] == before[leader]
    assert after[weakest][0] > before[weakest][0]


def leading(random, accuracy, count, lead=0.03, density=2_000):
    """Return the credits of a leader and `count` models, whose scores are at least `lead` below its own.

    Their accuracies decrease evenly, by 1 / density from one to the next.
    """
    accuracies = accuracy - lead - np.arange(2 * count) / density
    credits = draw_credits(random, [accuracy, *np.maximum(accuracies, 0.05)])
    scores = credits.sum(1)
    others = np.flatnonzero(scores <= scores[0] - lead)
    return credits[[0, *others[:count]]]


def test_leader_of_100_models_with_a_lead_of_3_points_has_at_most_rank_5(random):
    rows = make_rows(leading(random, 0.8, 99), "org/m")
    assert ranges(rows)["org/m-0"][1] <= 5


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", [0.9, 0.8])
def test_leader_of_1000_models_with_a_lead_of_3_points_has_at_most_rank_5(random, accuracy, monkeypatch):
    credits = leading(random, accuracy, 999)
    rows = make_rows(credits, "org/m")
    assert len(rows) == 1_000
    assert np.corrcoef(credits[:20])[0, 1:].mean() < 0.4, "models that agree more are easier to tell apart"
    assert ranges(rows)["org/m-0"][0] == 1
    assert ranges(rows)["org/m-0"][1] <= 5
    if accuracy == 0.8:
        monkeypatch.setattr(ranking, "LEVEL", 0.01)
        assert ranges(rows)["org/m-0"][1] > 5


def test_results_of_weak_models_in_a_store_change_no_range(tmp_path):
    suite = mirrors()
    shares = {"org/best": 0.99, "org/a": 0.85, "org/b": 0.85}
    for n, (name, share) in enumerate(shares.items()):
        store(tmp_path, suite, scores(suite, share, seed=n), name)
    verify(tmp_path)
    before = {row.key: row.rank_range for row in refresh(LocalStore(tmp_path)).rows}
    assert before == {"org/best": (1, 1), "org/a": (2, 3), "org/b": (2, 3)}
    for n in range(10):
        store(tmp_path, suite, scores(suite, 0.3, seed=n), f"x/junk-{n}")
    for verified in (False, True):
        if verified:
            verify(tmp_path)
        board = refresh(LocalStore(tmp_path))
        assert {row.key: row.rank_range for row in board.rows if row.key in shares} == before
        assert sum(row.rank_range is not None for row in board.rows) == (13 if verified else 3)
