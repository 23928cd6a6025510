"""Over-optimisation: Gao's fit, ensembles, candidates with a planted cliff, the toy, and bad input."""

import json

import numpy as np
import pytest

from rewardbench.analysis.output import write_report
from rewardbench.analysis.overoptimization import run as overoptimization
from rewardbench.analysis.overoptimization.run import (
    OveroptimizationOptions,
    analyze,
    combine_scores,
    fit_gao,
    measure_toy,
    selftest,
    standardize,
)
from rewardbench.errors import InputError


def write_candidates(path, prompts=40, size=32, proxies=3, cliff=2.0, seed=0):
    """Write candidates whose gold reward falls by 12 where a proxy's own error exceeds a cliff."""
    random = np.random.default_rng(seed)
    rows = []
    for prompt in range(prompts):
        quality, errors = random.normal(size=size), random.normal(size=(proxies, size))
        gold = quality - 12 * (errors > cliff).sum(0)
        for number in range(size):
            scores = {f"rm{proxy}": quality[number] + errors[proxy, number] for proxy in range(proxies)}
            row = {"prompt_id": prompt, "cand_id": number, "text": "", "score": scores, "gold": gold[number]}
            rows.append(json.dumps(row) + "\n")
    path.write_text("".join(rows), encoding="utf-8")
    return path


def test_both_forms_are_recovered():
    d = np.linspace(0, 3, 20)
    bon = fit_gao(d, d * (1.2 - 0.3 * d))
    assert (bon.alpha, bon.beta, bon.peak, bon.r_squared) == pytest.approx((1.2, 0.3, 2.0, 1.0))
    positive = np.where(d > 0, d, 1)
    rl = fit_gao(d, d * (1.2 - 0.8 * np.log(positive)), "rl")
    assert (rl.alpha, rl.beta, rl.peak, rl.r_squared) == pytest.approx((1.2, 0.8, np.exp(0.5), 1.0))
    assert d[np.argmax(d * (1.2 - 0.8 * np.log(positive)))] == pytest.approx(rl.peak, abs=0.1)


@pytest.mark.parametrize(
    ("prompts", "gold", "words"),
    [
        (1, [0, 1, 2, 3, 4, 0], "its fall by 2.000 at n = 6 is uncertain"),
        (6, [0, 0, 0, 0, 0, 1], "There is no over-optimisation up to n = 6"),
        (6, None, "no gain in gold reward is shown at n = 2, since the interval contains 0"),
    ],
)
def test_what_the_sentence_says(tmp_path, prompts, gold, words):
    rows = []
    for prompt in range(prompts):
        rewards = gold or ([0, 1] if prompt else [0, -2])
        for number, reward in enumerate(rewards):
            rows.append({"prompt_id": prompt, "cand_id": number, "score": number, "gold": reward})
    path = tmp_path / "c.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert words in analyze([path], OveroptimizationOptions()).sentence


def test_a_curve_that_rises_or_is_flat_has_no_peak():
    d = np.linspace(0, 3, 20)
    assert fit_gao(d, d + d * d).peak == np.inf
    assert np.isnan(fit_gao(d, np.zeros(20)).r_squared)


def test_ensembles_by_hand():
    scores = np.array([[1.0, -1.0], [3.0, 0.0]])
    combined = combine_scores(scores, variance_weight=2.0)
    assert combined["mean"].tolist() == [2, -0.5]
    assert combined["wco"].tolist() == [1, -1]
    assert combined["uwo"].tolist() == [2 - 2 * 1, -0.5 - 2 * 0.25]
    scaled = standardize(np.array([[1.0, 3.0], [5.0, 5.0]]))
    assert scaled.tolist() == [[-1, 1], [0, 0]]


def test_a_planted_cliff_is_noticed_and_ensembles_gain(tmp_path):
    path = write_candidates(tmp_path / "c.jsonl")
    report = analyze([path], OveroptimizationOptions())
    values = report.values
    assert values["single_peak_n"] < 32
    assert values["single_drop_low"] > 0
    assert values["wco_gain_at_max"] > 0.5
    assert report.sentence.startswith(f"Stop at n = {values['single_peak_n']} with a single score")
    names = [row[0] for row in report.tables[0].rows]
    assert names == ["single", "rm0", "rm1", "rm2", "ensemble: mean", "ensemble: wco", "ensemble: uwo"]
    singles = [report.details["curves"][name]["gold"] for name in ("rm0", "rm1", "rm2")]
    np.testing.assert_allclose(np.mean(singles, axis=0), report.details["curves"]["single"]["gold"])
    write_report(report, tmp_path / "out", {})
    assert (tmp_path / "out" / "overoptimization.png").is_file()
    assert analyze([path], OveroptimizationOptions()).to_json() == report.to_json()


def test_one_score_and_one_prompt(tmp_path):
    path = write_candidates(tmp_path / "c.jsonl", prompts=1, proxies=1, cliff=9)
    report = analyze([path], OveroptimizationOptions())
    assert [row[0] for row in report.tables[0].rows] == ["rm0"]
    assert "wco_at_max" not in report.values
    assert "There is one prompt (or cluster of prompts) only, so there are no intervals." in report.notes
    write_report(report, tmp_path / "out", {})


def test_equal_gold_rewards_give_a_flat_curve(tmp_path):
    path = tmp_path / "c.jsonl"
    rows = [{"prompt_id": n // 4, "cand_id": n, "score": n, "gold": 0} for n in range(16)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = analyze([path], OveroptimizationOptions())
    assert report.values["single_drop"] == 0
    assert report.sentence == "Choosing by score gains no gold reward at any n up to 4."
    write_report(report, tmp_path / "out", {})


def test_the_toy_reads_no_file():
    with pytest.raises(InputError, match=r"--toy makes its own candidates: leave out c\.jsonl"):
        analyze(["c.jsonl"], OveroptimizationOptions(toy=True))


def test_small_toys_show_the_ensemble_gain(monkeypatch):
    monkeypatch.setattr(overoptimization, "TOY_PROMPTS", 3)
    single, *ensembles = measure_toy(4, candidates=500)
    assert [curve.name for curve in ensembles] == ["ensemble: mean", "ensemble: wco", "ensemble: uwo"]
    for curve in ensembles:
        assert curve.gold[-1] > single.gold[-1] + 0.3
        assert curve.proxy[-1] < single.proxy[-1]  # members disagree, so the combined score varies less


@pytest.mark.slow
def test_the_self_test_passes():
    assert selftest().missed() == []


@pytest.mark.slow
def test_100_000_candidates_take_less_than_a_minute(tmp_path):
    import time

    path = write_candidates(tmp_path / "c.jsonl", prompts=3_125)
    start = time.monotonic()
    assert analyze([path], OveroptimizationOptions()).values["max_n"] == 32
    assert time.monotonic() - start < 60
