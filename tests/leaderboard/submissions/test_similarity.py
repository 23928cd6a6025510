"""Test which forged scores are flagged, and that no honest model is, on the items of core."""

import importlib

import numpy as np
import pytest
from repository import ROOT

from rewardbench.leaderboard.profiles import Profile, layout_of, profile_of
from rewardbench.leaderboard.submissions import mixtures
from rewardbench.leaderboard.submissions.consistency import LEAST_CONSISTENT, consistency
from rewardbench.leaderboard.submissions.copies import likenesses_of
from rewardbench.leaderboard.submissions.mixtures import find_mixture
from rewardbench.leaderboard.submissions.similarity import difficulty_of
from rewardbench.results.scored import ModelScores, read_scored
from rewardbench.suites import load_embedded
from rewardbench.types import ItemScores

SUITE = load_embedded("core")
LAYOUT = layout_of(SUITE)


@pytest.fixture(scope="module")
def scripts():
    """Return the modules of scripts/copy_detection that make honest models and forge results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        yield importlib.import_module("copy_boards"), importlib.import_module("copy_attacks")


@pytest.fixture(scope="module")
def board(scripts):
    models = [*scripts[0].simulated_models(LAYOUT, 1), *scripts[0].demo_models(LAYOUT)]
    return scripts[0].Board(LAYOUT, models)


@pytest.fixture(scope="module")
def attacks(scripts):
    return scripts[1]


def forged(board, forge, seed, count):
    """Return forged scores, and the names of the models that they are made from."""
    chance = np.random.default_rng(seed)
    names = [name for name in board.profiles if not name.startswith("baseline")]
    picked = [str(name) for name in chance.choice(names, count, replace=False)]
    values = forge(chance, LAYOUT, [board.profiles[name].values for name in picked])
    return Profile("forger/forged", LAYOUT, values), picked


def sources(board, target):
    """Return the names of the models that a result resembles."""
    return {name for likeness in board.likenesses(target) for name in likeness.names}


COPIES = [
    *("identity", "scale", "shift", "exp", "log-sigmoid", "cube", "rank", "clip", "8 levels", "noise 1%", "noise 3%"),
    *("noise 5%", "noise 10%", "factor per item", "affine per section", "map per section", "map per item"),
    "near ties swapped",
]
MIXTURES = [
    *("scores", "z-scores", "ranks", "noise 3%", "exp of the sum", "sum of exp", "ranks of the sum", "majority"),
    "per section",
]


def test_every_attack_is_listed(attacks):
    assert list(attacks.COPIES) == COPIES
    assert list(attacks.MIXTURES) == MIXTURES


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_flagged(board, attacks, name):
    target, (source,) = forged(board, attacks.COPIES[name], len(name), 1)
    assert source in sources(board, target), source


@pytest.mark.parametrize("name", MIXTURES)
def test_mixtures_are_flagged(board, attacks, name):
    count = 2 + MIXTURES.index(name) % 3
    target, picked = forged(board, attacks.MIXTURES[name], len(name), count)
    assert sources(board, target) & set(picked), picked


def test_corrected_mistakes_are_flagged(board, attacks):
    flagged = total = 0
    for name, forge in attacks.TURNED.items():
        target, picked = forged(board, forge, len(name), 3)
        total += 1
        flagged += bool(sources(board, target) & set(picked))
    assert flagged >= total - 1


def test_honest_models_are_not_flagged(board):
    for name, profile in board.profiles.items():
        assert board.likenesses(profile) == [], name


@pytest.mark.slow
@pytest.mark.parametrize(("suite", "count"), [("core-style", 5), ("core-hard", 5)])
def test_demo_models_of_other_suites_are_not_flagged(scripts, suite, count):
    layout = layout_of(load_embedded(suite))
    models = list(scripts[0].demo_models(layout, suite))
    assert len(models) == count
    for model in models:
        others = [other for other in models if other is not model]
        assert likenesses_of(model, others, difficulty_of(others, layout)) == [], model.name


def test_unscored_mistakes_do_not_hide_a_copy(board, attacks):
    source = board.profiles["simulated1/modelc"]
    values = source.values.copy()
    wrong = np.flatnonzero(source.decisions < 0)
    values[np.isin(LAYOUT.item_of, wrong[: len(wrong) // 2])] = np.nan
    assert source.name in sources(board, Profile("forger/forged", LAYOUT, values))


def test_scores_that_depend_on_no_text_are_flagged(board, attacks):
    for name in ("labels", "labels, 10% wrong", "noise"):
        target, _ = forged(board, attacks.NO_MODEL[name], 3, 1)
        assert consistency(target) < LEAST_CONSISTENT, name
    for profile in board.profiles.values():
        if profile.name != "baseline/random":
            assert consistency(profile) > 1.6 * LEAST_CONSISTENT, profile.name


def test_pairwise_scores_have_no_consistency(board):
    shares = 1 / (1 + np.exp(-board.profiles["simulated1/modela"].values))
    totals = np.bincount(LAYOUT.item_of, shares)[LAYOUT.item_of]
    counts = np.bincount(LAYOUT.item_of)[LAYOUT.item_of]
    centred = shares - totals / counts
    assert consistency(Profile("org/judge", LAYOUT, np.where(centred > 0, 1.0, -1.0) * (counts == 2))) is None


def test_mixture_names_its_components(board):
    first, second = (board.profiles[name] for name in ("simulated0/modelb", "simulated2/modelc"))
    values = 3 * first.values / first.values.std() + second.values / second.values.std()
    mixture = find_mixture(Profile("forger/forged", LAYOUT, values), list(board.profiles.values()))
    assert [name for name, _ in mixture.shares] == [first.name, second.name]
    assert mixture.shares[0][1] == pytest.approx(0.75, abs=0.02)


def test_a_fit_that_does_not_converge_is_no_mixture(board, monkeypatch):
    def nnls(*arguments):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr(mixtures, "nnls", nnls)
    models = list(board.profiles.values())
    assert find_mixture(models[0], models[1:]) is None


def test_a_sum_plus_something_that_depends_on_the_text_is_another_model(board):
    first, second = (board.profiles[name].values for name in ("simulated0/modelb", "simulated2/modelc"))
    texts = {}
    for item in LAYOUT.items:
        for completion in item.completions:
            texts.setdefault(str(completion[-1]["content"]), len(texts))
    text_of = [texts[str(completion[-1]["content"])] for item in LAYOUT.items for completion in item.completions]
    chance = np.random.default_rng(0)
    from_text, noise = chance.standard_normal(len(texts))[text_of], chance.standard_normal(len(text_of))
    for addition, is_flagged in ((from_text, False), (noise, True)):
        values = first / first.std() + second / second.std() + 0.15 * addition
        assert bool(sources(board, Profile("org/model", LAYOUT, values))) == is_flagged


def test_unscored_items_do_not_hide_a_mixture_with_noise(board, attacks):
    for seed in range(3):
        target, picked = forged(board, attacks.MORE_MIXTURES["noise 20%"], seed, 3)
        unscored = np.random.default_rng(seed).random(len(LAYOUT.items)) < 1 / 3
        values = np.where(unscored[LAYOUT.item_of], np.nan, target.values)
        assert sources(board, Profile("forger/forged", LAYOUT, values)) & set(picked), picked


def test_accurate_judges_are_not_flagged_as_copies():
    chance = np.random.default_rng(3)
    judges = []
    for n in range(6):
        right = chance.random(len(LAYOUT.items)) < 0.95
        values = np.where(LAYOUT.is_right == right[LAYOUT.item_of], 1.0, 0.0)
        judges.append(Profile(f"org/judge{n}", LAYOUT, values))
    for judge in judges:
        others = [other for other in judges if other is not judge]
        assert likenesses_of(judge, others, difficulty_of(others, LAYOUT)) == []
    copy = Profile("lab/copy", LAYOUT, judges[0].values)
    (likeness,) = likenesses_of(copy, judges, difficulty_of(judges, LAYOUT))
    assert likeness.names == ("org/judge0",)


def test_ratings_of_judges_are_not_flagged_as_copies():
    chance = np.random.default_rng(5)
    merit = 1.5 * LAYOUT.is_right + chance.standard_normal(len(LAYOUT.item_of))
    judges = []
    for n in range(6):
        ratings = np.clip(np.round(5 + 2 * merit + chance.standard_normal(len(merit))), 1, 10)
        judges.append(Profile(f"org{n}/judge", LAYOUT, ratings))
    for judge in judges:
        others = [other for other in judges if other is not judge]
        assert likenesses_of(judge, others, difficulty_of(others, LAYOUT)) == []


def test_too_few_items_are_never_flagged():
    scored = read_scored(ROOT / "leaderboard" / "demo" / "tiny-rm.json")
    items = scored.suite.items[:15]
    layout = layout_of(type(scored.suite)("few", "1", items, {}))
    values = np.concatenate([item_scores.scores for item_scores in scored.items[:15]])
    few = Profile("org/few", layout, values)
    assert likenesses_of(few, [Profile("org/same", layout, values)], difficulty_of([few], layout)) == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["constant", "unknown", "one known", "infinite", "huge", "two values", "few known"])
def test_degenerate_scores_are_compared_without_an_error(board, kind):
    chance = np.random.default_rng(0)
    size = len(LAYOUT.item_of)
    scores = {
        "constant": np.ones(size),
        "unknown": np.full(size, np.nan),
        "one known": np.where(np.arange(size) == 5, 1.0, np.nan),
        "infinite": np.where(chance.random(size) < 0.5, np.inf, -np.inf),
        "huge": 1e300 * chance.standard_normal(size),
        "two values": np.round(chance.random(size)),
        "few known": np.where(np.arange(size) < 100, chance.random(size), np.nan),
    }[kind]
    ends = np.append(LAYOUT.starts[1:], size)
    items = []
    for item, start, end in zip(LAYOUT.items, LAYOUT.starts, ends, strict=True):
        items.append(ItemScores(item.id, tuple(map(float, scores[start:end]))))
    target = profile_of(ModelScores("forger/forged", SUITE, tuple(items), ROOT), LAYOUT)
    assert [likeness for likeness in board.likenesses(target) if likeness.names] == []
