"""Which forged scores are told from which models, and how often an honest model is taken for a copy: never here."""

import numpy as np
import pytest
from repository import ROOT

from rewardbench.leaderboard.submissions import similarity
from rewardbench.leaderboard.submissions.similarity import correlation, find_mixture, margins_of, shared_mistakes
from rewardbench.results.scored import read_scored

DEMO = ROOT / "leaderboard" / "demo"
ITEMS = 2000


def as_margins(values):
    return {str(n): float(value) for n, value in enumerate(values)}


def verdict(own, others):
    """By what a model is flagged, if by anything."""
    found = []
    if max(correlation(own, other) for _, other in others) >= similarity.ALIKE:
        found.append("correlation")
    if max(shared_mistakes(own, other) for _, other in others) >= similarity.SAME_MISTAKES:
        found.append("mistakes")
    if find_mixture(own, others):
        found.append("mixture")
    return found


def board(seed, kinship, models=12, families=4, items=ITEMS):
    """Models of some families: margins share the items' difficulty with all, and with their family `kinship` of it."""
    chance = np.random.default_rng(seed)
    difficulty = chance.standard_normal(items)
    kin = [0.6 * difficulty + 0.8 * chance.standard_normal(items) for _ in range(families)]
    rows = []
    for n in range(models):
        own = chance.standard_t(5, items) / np.sqrt(5 / 3)
        margins = chance.uniform(0.3, 1.2) + np.sqrt(kinship) * kin[n % families] + np.sqrt(1 - kinship) * own
        rows.append((f"org/m{n}", as_margins(margins)))
    return rows


def test_honest_models_are_not_taken_for_copies_even_if_they_are_kin(capsys):
    counts = {}
    for kinship in (0.5, 0.9, 0.95, 0.97):
        flagged = total = 0
        for seed in range(2):
            rows = board(seed, kinship)
            for n, (_, own) in enumerate(rows):
                total += 1
                flagged += bool(verdict(own, rows[:n] + rows[n + 1 :]))
        counts[kinship] = f"{flagged}/{total}"
        assert flagged == 0, kinship
    with capsys.disabled():
        print("\nhonest models flagged, by kinship:", counts)


def test_no_model_of_the_demo_is_taken_for_a_copy():
    rows = [(str(path), margins_of(read_scored(path))) for path in sorted(DEMO.rglob("*.json"))]
    assert len(rows) == 13
    for n, (name, own) in enumerate(rows):
        assert verdict(own, rows[:n] + rows[n + 1 :]) == [], name


def mended(chance, values, share):
    """With a share of the mistakes turned."""
    wrong = np.flatnonzero(values <= 0)
    turned = values.copy()
    turned[chance.choice(wrong, round(share * len(wrong)), replace=False)] *= -1
    return turned


def forgeries():
    """By name: how to make scores of those of the two best."""

    def mean(one, other):
        return one / one.std() + other / other.std()

    return {
        "noise 1 %": lambda chance, one, other: one + 0.01 * one.std() * chance.standard_normal(len(one)),
        "noise 5 %": lambda chance, one, other: one + 0.05 * one.std() * chance.standard_normal(len(one)),
        "noise 10 %": lambda chance, one, other: one + 0.10 * one.std() * chance.standard_normal(len(one)),
        "each item times 10 %": lambda chance, one, other: one * np.exp(0.1 * chance.standard_normal(len(one))),
        "each item times 50 %": lambda chance, one, other: one * np.exp(0.5 * chance.standard_normal(len(one))),
        "decisions alone": lambda chance, one, other: np.sign(one) * chance.uniform(0.1, 1, len(one)),
        "mean of two": lambda chance, one, other: mean(one, other),
        "mean with noise": lambda chance, one, other: mean(one, other) + 0.1 * chance.standard_normal(len(one)),
        "unequal mean": lambda chance, one, other: 3 * one + other,
        "mean, a tenth mended": lambda chance, one, other: mended(chance, mean(one, other), 0.1),
        "a fifth mended": lambda chance, one, other: mended(chance, one, 0.2),
        "a fifth mended, noise": lambda chance, one, other: (
            mended(chance, one, 0.2) + 0.05 * one.std() * chance.standard_normal(len(one))
        ),
    }


@pytest.mark.parametrize("name", forgeries())
@pytest.mark.parametrize("kinship", [0.5, 0.9])
def test_a_forgery_is_flagged(name, kinship):
    for seed in range(3):
        rows = board(seed, kinship)
        best = sorted(rows, key=lambda row: -np.mean(np.array(list(row[1].values())) > 0))
        one, other = (np.array(list(margins.values())) for _, margins in best[:2])
        forged = forgeries()[name](np.random.default_rng(seed), one, other)
        assert verdict(as_margins(forged), rows), (name, seed)


def test_a_mixture_names_its_parts():
    rows = board(1, 0.5)
    one, other = (np.array(list(rows[n][1].values())) for n in (2, 7))
    found = find_mixture(as_margins(3 * one / one.std() + other / other.std()), rows)
    assert [name for name, _ in found.shares] == ["org/m2", "org/m7"]
    assert found.shares[0][1] == pytest.approx(0.75, abs=0.01)


def test_judges_that_agree_because_both_are_right_are_no_copies():
    chance = np.random.default_rng(3)
    rows = [(f"org/judge{n}", as_margins(np.where(chance.random(ITEMS) < 0.95, 1.0, -1.0))) for n in range(6)]
    for n, (_, own) in enumerate(rows):
        assert verdict(own, rows[:n] + rows[n + 1 :]) == []
    assert verdict(rows[0][1], [("org/same", rows[0][1])]) == ["correlation", "mistakes"]


def test_too_few_items_say_nothing():
    own = as_margins(np.linspace(-1, 1, 15))
    assert verdict(own, [("org/same", own)]) == []
