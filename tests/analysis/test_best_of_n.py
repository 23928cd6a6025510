"""Best-of-n: the estimator, KL, win rates, stored results, notes and bad input."""

import json
from math import comb, log

import numpy as np
import pytest
from synthetic import store

from rewardbench.analysis import best_of_n
from rewardbench.analysis.best_of_n import BestOfNOptions, analyze, enumerate_best_of_n, selftest
from rewardbench.analysis.candidate_inputs import last_number
from rewardbench.analysis.output import write_report
from rewardbench.analysis.selection import (
    kl_bound,
    kl_of_pool,
    resample_curves,
    selection_weights,
    sort_with_ties,
    win_rates,
    within_prompt_correlation,
    within_prompt_variance,
)
from rewardbench.errors import InputError
from rewardbench.types import Item, ItemScores, Message, Rule, Suite


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def candidates(folder, prompts=30, size=8, gold=None, seed=0, **columns):
    """Write candidates whose gold reward is the score `good` and some noise, and whose score `noise` is random."""
    random = np.random.default_rng(seed)
    rows = []
    for prompt in range(prompts):
        for number in range(size):
            good, noise = random.normal(size=2)
            row = {"prompt_id": f"p{prompt}", "cand_id": number, "text": "", "score": {"good": good, "noise": noise}}
            rows.append({**row, "gold": good + 0.1 * random.normal() if gold is None else gold, **columns})
    return write(folder / "candidates.jsonl", rows)


def test_weights_are_those_of_the_formula():
    weights = selection_weights(7, np.array([1, 3, 7]))
    for row, n in zip(weights, (1, 3, 7), strict=True):
        np.testing.assert_allclose(row, [comb(i - 1, n - 1) / comb(7, n) for i in range(1, 8)], rtol=1e-13)


def test_weights_of_many_candidates_are_precise():
    size, n = 12_600, 40
    weights = selection_weights(size, np.array([n]))[0]
    for rank in (200, 6_000, 12_600):
        exact = comb(rank - 1, n - 1) * 10**60 // comb(size, n) / 10**60
        assert weights[rank - 1] == pytest.approx(exact, rel=1e-11)
    assert weights.sum() == pytest.approx(1, abs=1e-12)


def test_ties_are_averaged_in_any_order():
    proxy, gold = np.array([1.0, 2.0, 2.0, 0.0]), np.array([3.0, 0.0, 2.0, 1.0])
    expected = [6 / 4, (3 + 5 * 1) / 6]  # of the 6 pairs, 5 have a score of 2, whose gold is 1 on average
    assert [enumerate_best_of_n(proxy, gold, n) for n in (1, 2)] == expected
    for order in ([0, 1, 2, 3], [2, 1, 0, 3], [3, 2, 1, 0]):
        estimate = best_of_n.best_of_n(proxy[order][None], gold[order][None], np.array([1, 2]))[0]
        assert estimate.tolist() == expected


@pytest.mark.parametrize(("outcomes", "expected"), [(10**6, 4.549), (256, 4.508), (16, 2.7725), (2, 0.6931)])
def test_kl_of_few_outcomes_is_below_its_bound(outcomes, expected):
    runs = np.arange(outcomes)[None]
    assert kl_of_pool(runs, np.array([256]))[0, 0] == pytest.approx(expected, abs=1e-3)
    assert kl_bound(np.array([256]))[0] == pytest.approx(log(256) - 255 / 256)


def test_equal_scores_have_no_kl_and_win_half():
    proxy = np.ones((1, 6))
    gold = np.arange(6.0)[None]
    runs = sort_with_ties(proxy, gold)[2]
    assert kl_of_pool(runs, np.array([1, 5])).tolist() == [[0, 0]]
    assert win_rates(proxy, gold, np.array([4]))[0, 0] == pytest.approx(0.5)


def test_the_win_rate_of_a_perfect_proxy_nears_its_bound():
    gold = np.random.default_rng(0).normal(size=(1, 5_000))
    assert win_rates(gold, gold, np.array([4]))[0, 0] == pytest.approx(0.8, abs=1e-6)
    assert win_rates(-gold, gold, np.array([4]))[0, 0] == pytest.approx(0.2, abs=1e-6)


def test_spread_within_prompts_by_hand():
    prompts = [np.array([0, 1]), np.array([2, 3])]
    within, share = within_prompt_variance(prompts, np.array([0.0, 2.0, 10.0, 12.0]))
    assert (within, share) == (2, pytest.approx(2 / np.var([0, 2, 10, 12], ddof=1)))
    scores = np.array([0.0, 2.0, 10.0, 12.0])
    assert within_prompt_correlation(prompts, scores, np.array([1.0, 0.0, 1.0, 2.0])) == pytest.approx(0)
    assert np.isnan(within_prompt_correlation(prompts, np.ones(4), scores))


def test_the_bootstrap_resamples_clusters():
    curves = np.array([[0.0], [0.0], [3.0], [3.0], [9.0]])
    means = resample_curves(curves, np.array([0, 0, 1, 1, 2]), np.random.default_rng(0))
    possible = set()
    for draw in np.ndindex(3, 3, 3):
        counts = np.bincount(draw, minlength=3)
        possible.add(round(float(counts @ [0, 6, 9] / (counts @ [2, 2, 1])), 9))
    assert set(means[:, 0].round(9)) == possible


def test_a_good_score_gains_and_noise_does_not(tmp_path):
    report = analyze([candidates(tmp_path)], BestOfNOptions())
    values = report.values
    assert (values["prompts"], values["candidates"], values["max_n"], values["best_score"]) == (30, 240, 8, "good")
    assert values["gold_gain_low"] > 0
    assert values["gold_gain"] == pytest.approx(values["gold_at_max"] - values["gold_at_1"])
    assert values["gain_share"] == pytest.approx(1, abs=0.05)
    assert values["win_rate"] < values["win_rate_upper"] == pytest.approx(8 / 9)
    assert values["kl_pool"] < values["kl_upper"] == pytest.approx(log(8) - 7 / 8)
    noise = report.details["curves"]["noise"]
    assert noise["gold_low"][-1] < noise["gold"][0] < noise["gold_high"][-1]
    files = write_report(report, tmp_path / "out", {})
    assert json.loads((tmp_path / "out" / "best_of_n.json").read_text())["values"]["max_n"] == 8
    assert files["figure"].endswith("best_of_n.png")
    again = analyze([tmp_path / "candidates.jsonl"], BestOfNOptions())
    assert again.to_json() == report.to_json()


def test_a_score_can_serve_as_gold(tmp_path):
    path = candidates(tmp_path, gold=0)
    report = analyze([path], BestOfNOptions(gold="noise", max_n=4))
    assert report.values["best_score"] == "good"
    assert report.details["gold"] == "score of noise"
    with pytest.raises(InputError, match="has no score 'noise': it has good"):
        analyze([path], BestOfNOptions(gold="noise", score=("noise",)))


def test_numbers_are_verified_exactly(tmp_path):
    texts = ["So 3/4 of 1,600 g is 1,200 g.", "It is 1200.0", "About 12", "None at all"]
    rows = []
    for number, text in enumerate(texts):
        rows.append({"prompt_id": 1, "cand_id": number, "text": text, "score": -number, "answer": "#### 1200"})
    report = analyze([write(tmp_path / "sums.jsonl", rows)], BestOfNOptions(reference="answer"))
    assert report.values["gold_at_1"] == 0.5
    assert report.values["gold_at_max"] == 1
    assert report.notes == ["There is one prompt (or cluster of prompts) only, so there are no intervals."]
    rows[0]["answer"] = "many"
    with pytest.raises(InputError, match="row 1: answer must hold a number, not 'many'"):
        analyze([write(tmp_path / "sums.jsonl", rows)], BestOfNOptions(reference="answer"))


@pytest.mark.parametrize(
    ("text", "number"), [("10-5", 5), ("it is -3.", -3), ("\u22122,000.5 kr", -2000.5), ("9" * 101, None), ("", None)]
)
def test_the_last_number_of_a_text(text, number):
    assert last_number(text) == number


def best_of_4(folder, scores, model):
    """Store a result of best-of-4 items, two of each prompt group; the first completion is right."""
    items, item_scores = [], []
    for number, row in enumerate(scores):
        prompt = (Message(role="user", content=f"Question {number}"),)
        completions = tuple((Message(role="assistant", content=f"answer {number}.{n}"),) for n in range(4))
        items.append(Item(f"q{number}", "facts", prompt, completions, group=f"g{number // 2}"))
        item_scores.append(ItemScores(f"q{number}", tuple(row), tokens=(1,) * 4, texts=("text",) * 4))
    suite = Suite("four", "r1", tuple(items), {"facts": Rule("Facts", "best_of_n")})
    return _store(folder, suite, item_scores, model)


def _store(folder, suite, item_scores, model):
    from rewardbench.results import assemble
    from rewardbench.store import LocalStore

    result = assemble(suite, model, "Seq. Classifier", item_scores, {"fingerprint_sha256": model})
    return LocalStore(folder).put(result, suite)


def test_stored_results_give_the_best_of_n_accuracy(tmp_path):
    first = best_of_4(tmp_path, [[3, 1, 2, 0], [1, 1, 0, 0], [0, 1, 2, 3], [5, 1, 1, 1]], "a")
    second = best_of_4(tmp_path, [[0, 1, 2, 3]] * 4, "b")
    report = analyze([first, second], BestOfNOptions())
    assert report.values["gold_at_1"] == 0.25
    assert report.values["gold_at_max"] == pytest.approx((1 + 0.5 + 0 + 1) / 4)  # as the credit best_of_n counts
    assert report.values["best_score"] == "a"
    assert report.details["curves"]["b"]["gold"] == [0.25, 0, 0, 0]
    assert [source["model"] for source in report.sources] == ["a", "b"]


def test_short_prompts_and_missing_values_are_left_out_with_a_note(tmp_path):
    path = candidates(tmp_path, prompts=20, size=4)
    short = {"prompt_id": "short", "cand_id": 0, "text": "", "score": {"good": 1, "noise": 1}, "gold": 1}
    missing = {**short, "cand_id": 1, "gold": None}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(short) + "\n" + json.dumps(missing) + "\n")
    report = analyze([path], BestOfNOptions())
    assert report.values["prompts"] == 20
    assert report.notes[:2] == [
        "1 of 82 candidates lack a gold reward or a score, and are left out.",
        "1 of 21 prompts have fewer than 4 candidates, and are left out.",
    ]


def test_nine_of_ten_prompts_have_enough_candidates(tmp_path):
    path = candidates(tmp_path, prompts=20, size=8)
    rows = list(map(json.loads, path.read_text().splitlines()))
    write(path, [row for row in rows if row["cand_id"] < 4 or row["prompt_id"] not in ("p0", "p1", "p2")])
    report = analyze([path], BestOfNOptions())
    assert (report.values["max_n"], report.values["prompts"]) == (4, 20)


def test_prompts_of_different_sizes_are_averaged(tmp_path):
    prompts = [np.array([0, 1]), np.array([2, 3, 4])]
    scores = np.array([0.0, 2.0, 1.0, 2.0, 6.0])
    within, _ = within_prompt_variance(prompts, scores)
    assert within == pytest.approx((np.var([0, 2], ddof=1) + np.var([1, 2, 6], ddof=1)) / 2)
    gold = np.array([1.0, 0.0, 1.0, 3.0, 2.0])
    assert within_prompt_correlation(prompts, scores, gold) == pytest.approx((-1 + 0.5) / 2)


def test_equal_scores_and_equal_gold_are_named(tmp_path):
    rows = [{"prompt_id": n // 4, "cand_id": n, "text": "", "score": 0.5, "gold": 1} for n in range(16)]
    report = analyze([write(tmp_path / "same.jsonl", rows)], BestOfNOptions())
    assert report.sentence.startswith("All candidates of a prompt have the same gold reward")
    assert report.notes[-1] == "score gives all candidates of a prompt the same score: it chooses at random."
    assert report.values["kl_pool"] == 0
    write_report(report, tmp_path / "out", {})


def test_a_reversed_score_is_named_and_few_prompts_are_noted(tmp_path):
    rows = []
    for number in range(24):
        rows.append({"prompt_id": number // 4, "cand_id": number, "score": -(number % 4), "gold": number % 4})
    report = analyze([write(tmp_path / "reversed.jsonl", rows)], BestOfNOptions())
    assert report.sentence.endswith("A random choice is better: check the sign of the score.")
    assert report.notes == ["With 6 prompts (or clusters) the bootstrap intervals are too narrow: add prompts."]


def test_unfit_input_is_rejected_in_one_line(tmp_path):
    with pytest.raises(InputError, match="There is nothing to analyze"):
        analyze([], BestOfNOptions())
    path = candidates(tmp_path)
    with pytest.raises(InputError, match="has no gold reward in 'human'"):
        analyze([path], BestOfNOptions(gold="human"))
    with pytest.raises(InputError, match="has at most 8 candidates per prompt, and the largest n is 9"):
        analyze([path], BestOfNOptions(max_n=9))
    with pytest.raises(InputError, match="holds candidates: give it alone"):
        analyze([path, path], BestOfNOptions())
    single = write(tmp_path / "single.jsonl", [{"prompt_id": 1, "cand_id": 1, "score": 1, "gold": 1}])
    with pytest.raises(InputError, match="has at most 1 candidates per prompt"):
        analyze([single], BestOfNOptions())
    with pytest.raises(InputError, match="has the score 'score' only"):
        analyze([single], BestOfNOptions(gold="score"))


def test_pairs_alone_are_rejected(tmp_path):
    from synthetic import mirrors, scores

    suite = mirrors(5)
    path = store(tmp_path, suite, scores(suite, 0.7), "pairs")
    with pytest.raises(InputError, match="has no scored item with 3 completions or more"):
        analyze([path], BestOfNOptions())


def test_the_self_test_passes():
    report = selftest(3)
    assert report.missed() == []
    assert report.values["tie_order_diff"] == 0


@pytest.mark.slow
def test_the_full_self_test_passes():
    assert selftest().missed() == []


@pytest.mark.slow
def test_100_000_candidates_take_less_than_a_minute(tmp_path):
    import time

    path = candidates(tmp_path, prompts=6_250, size=16)
    start = time.monotonic()
    report = analyze([path], BestOfNOptions())
    assert report.values["candidates"] == 100_000
    assert time.monotonic() - start < 60
