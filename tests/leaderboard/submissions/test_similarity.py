"""Test which forged scores are flagged, and that no honest model is flagged as a copy."""

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


def verdict(margins, others):
    """Return the tests that flag a model."""
    signs = []
    if max(correlation(margins, known) for _, known in others) >= similarity.ALIKE:
        signs.append("correlation")
    if max(shared_mistakes(margins, known) for _, known in others) >= similarity.SAME_MISTAKES:
        signs.append("mistakes")
    if find_mixture(margins, others):
        signs.append("mixture")
    return signs


def board(seed, kinship, models=12, families=4, items=ITEMS):
    """Return margins of models in families: all share the difficulty of items, families also `kinship` of the rest."""
    chance = np.random.default_rng(seed)
    difficulty = chance.standard_normal(items)
    kin = [0.6 * difficulty + 0.8 * chance.standard_normal(items) for _ in range(families)]
    rows = []
    for n in range(models):
        individual = chance.standard_t(5, items) / np.sqrt(5 / 3)
        margins = chance.uniform(0.3, 1.2) + np.sqrt(kinship) * kin[n % families] + np.sqrt(1 - kinship) * individual
        rows.append((f"org/m{n}", as_margins(margins)))
    return rows


def test_honest_models_are_not_flagged_even_from_one_family(capsys):
    counts = {}
    for kinship in (0.5, 0.9, 0.95, 0.97):
        flagged = total = 0
        for seed in range(2):
            rows = board(seed, kinship)
            for n, (_, margins) in enumerate(rows):
                total += 1
                flagged += bool(verdict(margins, rows[:n] + rows[n + 1 :]))
        counts[kinship] = f"{flagged}/{total}"
        assert flagged == 0, kinship
    with capsys.disabled():
        print("\nhonest models flagged, by kinship:", counts)


def test_demo_models_are_not_flagged_as_copies():
    scored = list(map(read_scored, sorted(DEMO.rglob("*.json"))))
    counts = {}
    for suite in ("core", "core-style", "core-hard"):
        rows = [(result.model, margins_of(result)) for result in scored if result.suite.name == suite]
        counts[suite] = len(rows)
        for n, (name, margins) in enumerate(rows):
            assert verdict(margins, rows[:n] + rows[n + 1 :]) == [], name
    assert counts == {"core": 13, "core-style": 5, "core-hard": 5}


def mended(chance, values, share):
    """Return margins with a share of the mistakes corrected."""
    wrong = np.flatnonzero(values <= 0)
    turned = values.copy()
    turned[chance.choice(wrong, round(share * len(wrong)), replace=False)] *= -1
    return turned


def forgeries():
    """Return, by name, functions that forge scores from those of the two best models."""

    def mean(first, second):
        return first / first.std() + second / second.std()

    return {
        "noise 1 %": lambda chance, first, second: first + 0.01 * first.std() * chance.standard_normal(len(first)),
        "noise 5 %": lambda chance, first, second: first + 0.05 * first.std() * chance.standard_normal(len(first)),
        "noise 10 %": lambda chance, first, second: first + 0.10 * first.std() * chance.standard_normal(len(first)),
        "each item times 10 %": lambda chance, first, second: first * np.exp(0.1 * chance.standard_normal(len(first))),
        "each item times 50 %": lambda chance, first, second: first * np.exp(0.5 * chance.standard_normal(len(first))),
        "decisions alone": lambda chance, first, second: np.sign(first) * chance.uniform(0.1, 1, len(first)),
        "mean of two": lambda chance, first, second: mean(first, second),
        "mean with noise": lambda chance, first, second: mean(first, second) + 0.1 * chance.standard_normal(len(first)),
        "unequal mean": lambda chance, first, second: 3 * first + second,
        "mean, a tenth mended": lambda chance, first, second: mended(chance, mean(first, second), 0.1),
        "a fifth mended": lambda chance, first, second: mended(chance, first, 0.2),
        "a fifth mended, noise": lambda chance, first, second: (
            mended(chance, first, 0.2) + 0.05 * first.std() * chance.standard_normal(len(first))
        ),
    }


@pytest.mark.parametrize("name", forgeries())
@pytest.mark.parametrize("kinship", [0.5, 0.9])
def test_forged_scores_are_flagged(name, kinship):
    for seed in range(3):
        rows = board(seed, kinship)
        best = sorted(rows, key=lambda row: -np.mean(np.array(list(row[1].values())) > 0))
        first, second = (np.array(list(margins.values())) for _, margins in best[:2])
        forged = forgeries()[name](np.random.default_rng(seed), first, second)
        assert verdict(as_margins(forged), rows), (name, seed)


def test_mixture_names_its_components():
    rows = board(1, 0.5)
    first, second = (np.array(list(rows[n][1].values())) for n in (2, 7))
    mixture = find_mixture(as_margins(3 * first / first.std() + second / second.std()), rows)
    assert [name for name, _ in mixture.shares] == ["org/m2", "org/m7"]
    assert mixture.shares[0][1] == pytest.approx(0.75, abs=0.01)


def test_accurate_judges_are_not_flagged_as_copies():
    chance = np.random.default_rng(3)
    rows = [(f"org/judge{n}", as_margins(np.where(chance.random(ITEMS) < 0.95, 1.0, -1.0))) for n in range(6)]
    for n, (_, margins) in enumerate(rows):
        assert verdict(margins, rows[:n] + rows[n + 1 :]) == []
    assert verdict(rows[0][1], [("org/same", rows[0][1])]) == ["correlation", "mistakes"]


def test_too_few_items_are_never_flagged():
    margins = as_margins(np.linspace(-1, 1, 15))
    assert verdict(margins, [("org/same", margins)]) == []
