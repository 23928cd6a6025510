"""Rounds of labels: policies at a stated KL divergence, the draw of pairs, the curve of Gao et al., a toy and files."""

import json
import math
from itertools import permutations, product

import numpy as np
import pytest
from scipy.stats import ttest_rel
from terminal import run

from rewardbench.analysis import iterate
from rewardbench.analysis.iterate import policy, pool, rounds, toy, view
from rewardbench.analysis.iterate.rounds import LabelBudget
from rewardbench.analysis.iterate.view import PairedGain
from rewardbench.analysis.linear_rewards import fit_linear
from rewardbench.analysis.overoptimization import GaoFit, fit_gao
from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec

TWO = policy.PromptSegments(np.array([0, 4]), np.array([4, 3]))
SCORES = np.array([0.0, 1.0, 1.0, 3.0, -2.0, 5.0, 4.0])
CITIES = ("Lima", "Accra", "Hanoi", "Oslo", "Suva", "Quito")


def test_tilting_is_a_softmax_of_each_prompt():
    weights = np.exp(0.7 * SCORES)
    expected = np.concatenate([weights[:4] / weights[:4].sum(), weights[4:] / weights[4:].sum()])
    assert policy.tilt(SCORES, TWO, 0.7) == pytest.approx(expected, abs=1e-15)
    divergence = (expected[:4] @ np.log(4 * expected[:4]) + expected[4:] @ np.log(3 * expected[4:])) / 2
    assert TWO.kl(expected) == pytest.approx(divergence, abs=1e-15)
    assert TWO.kl(TWO.uniform()) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_best_of_n_agrees_with_all_draws(n):
    expected = np.zeros(7)
    for start, size in ((0, 4), (4, 3)):
        for draws in product(range(start, start + size), repeat=n):
            best = max(SCORES[list(draws)])
            tied = [index for index in range(start, start + size) if SCORES[index] == best]
            expected[tied] += 1 / size**n / len(tied)
    assert policy.best_of(policy.rank_within(SCORES, TWO), n) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("name", ["tilt", "best-of-n"])
@pytest.mark.parametrize("kl", [0.05, 0.4, 0.9])
def test_a_policy_has_the_stated_divergence(name, kl):
    probabilities = policy.policy_at(SCORES, TWO, kl, name)
    assert np.add.reduceat(probabilities, TWO.starts) == pytest.approx([1, 1])
    assert TWO.kl(probabilities) == pytest.approx(kl, abs=1e-9)
    assert TWO.mean(SCORES, probabilities) > TWO.mean(SCORES, TWO.uniform())


def test_equal_scores_do_not_reach_a_divergence():
    with pytest.raises(
        InputError, match=r"No policy by these scores has a KL divergence of 0.5 nats: 0 is the nearest"
    ):
        policy.policy_at(np.zeros(7), TWO, 0.5, "tilt")
    assert policy.policy_at(np.zeros(7), TWO, 0.0, "tilt") == pytest.approx(TWO.uniform())


def test_pairs_are_two_draws_without_replacement():
    probabilities = np.array([0.5, 0.3, 0.2, 0.0, 0.1, 0.1, 0.8])
    first, second = rounds.draw_pairs(probabilities, TWO, 200_000, np.random.default_rng(0))
    assert (first != second).all()
    assert ((first < 4) == (second < 4)).all()
    counts = np.zeros((7, 7))
    np.add.at(counts, (first, second), 1 / len(first))
    expected = np.zeros((7, 7))
    for prompt in (range(4), range(4, 7)):
        for a, b in permutations(prompt, 2):
            expected[a, b] = 0.5 * probabilities[a] * probabilities[b] / (1 - probabilities[a])
    assert np.abs(counts - expected).max() < 0.003


def test_a_certain_policy_still_draws_two_candidates():
    first, second = rounds.draw_pairs(np.array([0, 1.0, 0, 0, 0, 0, 1.0]), TWO, 1000, np.random.default_rng(1))
    assert set(first.tolist()) == {1, 6}
    assert (first != second).all()
    assert ((first < 4) == (second < 4)).all()


def test_labels_follow_the_gold_reward_with_noise():
    random = np.random.default_rng(2)
    assert rounds.label_pairs(np.full(50_000, 1.0), 2.0, random).mean() == pytest.approx(
        1 / (1 + math.exp(-0.5)), abs=0.01
    )
    assert rounds.label_pairs(np.array([3.0, -3.0]), 0.001, random).tolist() == [1.0, 0.0]


def test_a_linear_reward_model_is_the_optimum_of_its_loss():
    random = np.random.default_rng(3)
    features, labels = random.normal(size=(80, 3)), random.random(80)
    weights = fit_linear(features, labels, 0.5)
    predicted = 1 / (1 + np.exp(-features @ weights))
    assert features.T @ (predicted - labels) + 0.5 * weights == pytest.approx(np.zeros(3), abs=1e-6)


def test_the_curve_of_gao_is_fitted_and_predicts_rounds():
    distances = np.linspace(0.2, 2.5, 12)
    planted = GaoFit(1.1, 0.3, 1.0, math.nan)
    fit = fit_gao(distances, rounds.gao_curve(distances, planted, 1), "rl")
    assert [fit.alpha, fit.beta, fit.r_squared] == pytest.approx([1.1, 0.3, 1.0])
    # k rounds of distance d/k each, of which every one follows the curve of one round
    k, d = 4, np.array([2.0])
    assert rounds.gao_curve(d, planted, k) == pytest.approx(k * rounds.gao_curve(d / k, planted, 1))


def test_a_gain_is_paired_by_seed():
    outcomes = []
    for first, second in ((1.0, 1.5), (0.0, 1.0), (2.0, 1.9)):
        results = {}
        for number, gold in ((1, first), (2, second)):
            results[number] = rounds.RoundsOutcome(np.array([gold]), np.array([1.0]), 10, np.zeros(1))
        outcomes.append(view.SeedOutcome(results, np.zeros(1)))
    gain = view.compare_rounds(outcomes)[1]
    expected = ttest_rel([1.5, 1.0, 1.9], [1.0, 0.0, 2.0])
    assert (gain.difference, gain.t, gain.wins) == pytest.approx((1.4 / 3, expected.statistic, 2))
    assert (gain.low, gain.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_rounds_share_budget_and_divergence():
    world = toy.make_toy(0)
    for k in (1, 3, 4):
        outcome = rounds.run_rounds(world, k, rounds.LabelBudget(200, 4.0, 1.0, "tilt"), np.random.default_rng(k))
        assert outcome.labels == 200
        assert outcome.kl == pytest.approx([4.0 * (j / k) ** 2 for j in range(1, k + 1)], abs=1e-8)


@pytest.mark.parametrize(
    ("difference", "low", "high", "words"),
    [
        (0.3, 0.1, 0.5, "4 rounds reach 0.30 sd [0.10, 0.50] more gold reward than one, and more in 9 of 12 seeds"),
        (-0.3, -0.5, -0.1, "4 rounds reach 0.30 sd [0.10, 0.50] less gold reward than one: label all pairs"),
        (-0.3, -0.7, 0.1, "differ by -0.30 sd of gold reward [-0.70, +0.10], which 12 seeds cannot distinguish from 0"),
    ],
)
def test_the_sentence_is_that_of_the_interval(difference, low, high, words):
    gain = PairedGain(4, 1.0, difference, 0.1, low, high, 9)
    assert words in view._sentence(gain, LabelBudget(800, 6.0, 1.0, "tilt"), 12)


def test_the_toy_shows_the_gain_of_rounds_and_repeats_itself():
    options = iterate.IterateOptions(toy=True, seeds=12)
    report = iterate.analyze([], options)
    assert report.values["paired_diff"] > 0
    assert report.values["t"] > 2
    assert report.values["gao_beta"] > 0
    predicted = report.values["kl"] ** 0.5 * report.values["gao_beta"] * math.log(4)
    assert report.values["gao_predicted_diff"] == pytest.approx(predicted)
    assert report.values["max_kl_error"] < 1e-8
    assert "spread the labels over rounds" in report.sentence
    again = iterate.analyze([], iterate.IterateOptions(toy=True, seeds=1))
    assert again.details["seeds"] == report.details["seeds"][:1]
    assert np.isnan(again.values["t"])
    assert "in the only seed, which shows nothing: raise --seeds" in again.sentence


def test_without_noise_in_the_features_rounds_gain_nothing(tmp_path):
    path = write(tmp_path / "c.jsonl", gold=lambda length: length, score=True)
    report = iterate.analyze([path], iterate.IterateOptions(features="scores", labels=200, seeds=6))
    assert abs(report.values["paired_diff"]) < 0.05
    assert report.values["gold_k1"] > 0.5


def write(path, gold, prompts=12, candidates=6, score=False):
    """Write candidates whose text has a random number of words, and whose gold reward is a function of it."""
    random = np.random.default_rng(5)
    rows = []
    for prompt in range(prompts):
        for number in range(candidates):
            length = int(random.integers(1, 40))
            text = " ".join(CITIES[(prompt + word) % 6] for word in range(length))
            row = {"prompt_id": prompt, "cand_id": number, "prompt": f"List cities, {prompt}.", "text": text}
            rows.append({**row, "score": float(length) if score else float(number), "gold": gold(length)})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_texts_teach_the_reward_model(tmp_path):
    path = write(tmp_path / "c.jsonl", gold=lambda length: length)
    options = iterate.IterateOptions(labels=200, seeds=3, rounds=2, policy="best-of-n")
    report = iterate.analyze([path], options)
    assert report.values["kl"] == pytest.approx(0.5 * math.log(6))
    assert report.values["gold_k1"] > 0.5
    assert [source["candidates"] for source in report.sources] == [72]


def test_a_model_can_be_the_gold_reward(tmp_path):
    path = write(tmp_path / "c.jsonl", gold=lambda length: 0.0)
    world, _ = pool.read_world(path, "gold", ModelSpec("baseline/longest"), "scores", 0)
    texts = [json.loads(line)["text"] for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    lengths = np.array(list(map(len, texts)), dtype=float).reshape(12, 6)
    centred = lengths - lengths.mean(axis=1, keepdims=True)
    assert world.gold == pytest.approx((centred / centred.std()).ravel())
    assert world.segments.sizes.tolist() == [6] * 12
    (tmp_path / "c.jsonl").write_text((tmp_path / "c.jsonl").read_text().replace('"prompt"', '"question"'))
    with pytest.raises(InputError, match="row 1: a gold model reads the text of the prompt: add a column prompt"):
        pool.read_world(path, "gold", ModelSpec("baseline/longest"), "scores", 0)


def test_candidates_without_gold_and_single_ones_are_left_out(tmp_path):
    path = write(tmp_path / "c.jsonl", gold=lambda length: None if length % 3 == 0 else length)
    with (tmp_path / "c.jsonl").open("a") as file:
        file.write(json.dumps({"prompt_id": "z", "cand_id": 1, "text": "Suva 🌊", "score": 1.0, "gold": 1.0}) + "\n")
    world, left_out = pool.read_world(path, "gold", None, "both", 0)
    assert left_out == 0
    rows = list(map(json.loads, (tmp_path / "c.jsonl").read_text().splitlines()))
    assert len(world.gold) == sum(row["gold"] is not None for row in rows) - 1
    assert world.features.shape == (len(world.gold), pool.TEXT_FEATURES + 2)
    assert np.isfinite(world.features).all()


def test_prompts_of_many_candidates_are_sampled(tmp_path, monkeypatch):
    path = write(tmp_path / "c.jsonl", gold=lambda length: length)
    monkeypatch.setattr(pool, "MOST", 40)
    world, left_out = pool.read_world(path, "gold", None, "scores", 0)
    assert (world.segments.sizes.tolist(), left_out) == ([6] * 6, 36)


def test_unfit_input_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "c.jsonl", gold=lambda length: length)
    same = write(tmp_path / "same.jsonl", gold=lambda length: 1.0)
    cases = [
        ([], "iterate reads one file of candidates (.jsonl), or pass --toy."),
        ([path, path], "iterate reads one file of candidates (.jsonl), or pass --toy."),
        ([path, "--toy"], "--toy makes its own candidates and gold reward: leave out the file and --model."),
        ([path, "--kl", 3], "a KL divergence of 3 nats is beyond these candidates, whose largest is 1.79"),
        (["--toy", "--kl", 9], "--kl 9 is beyond the toy, whose 4000 candidates allow 8.29 nats."),
        ([path, "--labels", 30], "30 labels make less than 10 for each of 4 rounds: raise --labels or lower --rounds."),
        ([path, "--gold_column", "truth"], "has 0 candidates with a truth whose prompt has two or more"),
        ([same], "all candidates of a prompt have the same gold: there is nothing to learn."),
        (["--toy", "--seeds", 0], "--seeds"),
        ([tmp_path / "none.jsonl"], "none.jsonl"),
    ]
    for arguments, message in cases:
        code, _, error = run(capsys, "analyze", "iterate", *arguments)
        assert (code, message in error, error.count("\n")) == (2, True, 1), error
    assert not (tmp_path / "analysis").exists()


def test_the_command_takes_seeds(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output, _ = run(capsys, "analyze", "iterate", "--toy", "--seeds", 2, "--labels", 40, "--json")
    assert code == 0
    assert json.loads(output)["values"]["seeds"] == 2
    written = json.loads((tmp_path / "analysis" / "iterate.json").read_text())
    assert (written["settings"]["seeds"], written["settings"]["toy"]) == (2, True)
    assert (tmp_path / "analysis" / "iterate.png").is_file()


@pytest.mark.slow
def test_the_self_test_reaches_its_bounds():
    assert iterate.selftest().missed() == []


@pytest.mark.slow
def test_100_000_candidates_take_less_than_a_minute(tmp_path):
    import time

    path = write(tmp_path / "c.jsonl", gold=lambda length: length, prompts=10_000, candidates=10)
    start = time.perf_counter()
    report = iterate.analyze([path], iterate.IterateOptions())
    assert report.values["gold_k1"] > 0.3
    assert time.perf_counter() - start < 60
