"""The analysis `ties`: likelihoods, planted parameters, an independent check, readers, and bad input."""

import gzip
import json
import time
from pathlib import Path

import numpy as np
import pytest

from rewardbench.analysis.ties import fit as tie_fit
from rewardbench.analysis.ties import models as tie_models
from rewardbench.analysis.ties import run as ties
from rewardbench.analysis.ties.data import read_comparisons
from rewardbench.analysis.ties.models import LabelledPairs
from rewardbench.analysis.ties.run import TiesOptions, analyze, selftest, simulate_comparisons
from rewardbench.console.pictures import open_figure
from rewardbench.errors import InputError
from rewardbench.results.scored import ModelScores
from rewardbench.types import Item, ItemScores, Rule, Suite

MODELS = {
    "davidson": (tie_models.davidson_likelihood, tie_models.davidson_probabilities),
    "rao_kupper": (tie_models.rao_kupper_likelihood, tie_models.rao_kupper_probabilities),
}


def pairs_of(n=4_000, seed=0, model="davidson"):
    return simulate_comparisons(n, np.random.default_rng(seed), model)[0]


def swapped(pairs):
    return LabelledPairs(pairs.scores[:, ::-1], -pairs.outcomes, pairs.clusters)


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_sum_to_1_and_swap_with_the_order(name):
    _, probabilities = MODELS[name]
    differences = np.linspace(-30, 30, 41)
    shares = probabilities(differences, 0.7, 1.8)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert shares[::-1, ::-1] == pytest.approx(shares)
    assert (shares >= 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_derivatives_equal_finite_differences(name):
    likelihood, probabilities = MODELS[name]
    pairs = pairs_of(300, model=name)
    arguments, step = (pairs.differences, pairs.columns), 1e-5
    value = likelihood(*arguments, 0.6, 0.5)
    shares = probabilities(pairs.differences, 0.6, np.exp(0.5))
    assert value.total == pytest.approx(-tie_models.log_losses(shares, pairs.columns).sum())
    for axis, change in enumerate(((step, 0), (0, step))):
        above = likelihood(*arguments, 0.6 + change[0], 0.5 + change[1])
        below = likelihood(*arguments, 0.6 - change[0], 0.5 - change[1])
        slope = (above.total - below.total) / (2 * step)
        assert value.scores[:, axis].sum() == pytest.approx(slope, rel=1e-5)
        curvature = (below.scores - above.scores).sum(axis=0) / (2 * step)
        assert value.information[axis] == pytest.approx(curvature, rel=1e-5)


def test_one_difference_has_the_fit_of_the_counts():
    """Of 100 pairs with difference 1, 50 first, 30 tied, 20 second: both models reproduce the shares exactly."""
    outcomes = np.repeat([1, 0, -1], [50, 30, 20])
    pairs = LabelledPairs(np.tile([1.0, 0.0], (100, 1)), outcomes, np.arange(100))
    davidson, rao_kupper = tie_models.fit_davidson(pairs), tie_models.fit_rao_kupper(pairs)
    assert davidson.beta == pytest.approx(np.log(50 / 20), rel=1e-5)
    assert davidson.tie == pytest.approx(30 / np.sqrt(50 * 20), rel=1e-5)
    shares = tie_models.rao_kupper_probabilities(np.ones(1), rao_kupper.beta, rao_kupper.tie)
    assert shares[0] == pytest.approx([0.5, 0.3, 0.2], rel=1e-5)
    assert davidson.beta_error == pytest.approx(np.sqrt(1 / 50 + 1 / 20), rel=1e-4)


def test_the_order_of_a_pair_does_not_matter():
    pairs = pairs_of(500)
    assert tie_models.fit_davidson(swapped(pairs)).beta == pytest.approx(tie_models.fit_davidson(pairs).beta, rel=1e-5)
    losses, other = tie_fit.held_out_losses(pairs), tie_fit.held_out_losses(swapped(pairs))
    for name in tie_models.PREDICTORS:
        assert other[name] == pytest.approx(losses[name], rel=1e-3), name


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_scale_of_scores_moves_beta_only(scale):
    pairs = pairs_of(1_000)
    fit = tie_models.fit_davidson(pairs)
    scaled = tie_models.fit_davidson(LabelledPairs(pairs.scores * scale, pairs.outcomes, pairs.clusters))
    assert (scaled.beta * scale, scaled.tie) == pytest.approx((fit.beta, fit.tie), rel=1e-4)
    assert scaled.beta_error * scale == pytest.approx(fit.beta_error, rel=1e-3)


def test_repeated_pairs_of_one_cluster_do_not_narrow_the_interval():
    pairs = pairs_of(1_000)
    copies = LabelledPairs(np.tile(pairs.scores, (4, 1)), np.tile(pairs.outcomes, 4), np.tile(pairs.clusters, 4))
    fit, copied = tie_models.fit_davidson(pairs), tie_models.fit_davidson(copies)
    assert copied.beta_interval == pytest.approx(fit.beta_interval, rel=1e-4)
    assert copied.beta_error == pytest.approx(fit.beta_error / 2, rel=1e-3)


def test_the_robust_interval_of_independent_pairs_is_that_of_the_information():
    fit = tie_models.fit_davidson(pairs_of(4_000))
    assert fit.beta_interval[1] - fit.beta == pytest.approx(1.96 * fit.beta_error, rel=0.05)
    assert np.log(fit.tie_interval[1] / fit.tie) == pytest.approx(1.96 * fit.tie_error / fit.tie, rel=0.05)


def test_each_half_is_predicted_from_the_other():
    pairs = pairs_of(400)
    losses, is_tie = tie_fit.held_out_losses(pairs)["prior"], pairs.outcomes == 0
    shares = np.where(is_tie, np.exp(-losses), 1 - 2 * np.exp(-losses)).round(12)
    for share, other in (np.unique(shares), np.unique(shares)[::-1]):
        members = is_tie[shares == share]
        assert (members.sum() + 1) / (len(members) + 2) == pytest.approx(other)


def test_a_difference_of_losses_has_the_error_of_clusters():
    gaps = np.random.default_rng(8).normal(size=60)
    loss = tie_fit.summarize_loss("davidson", gaps + 2, np.full(60, 2.0), np.arange(60) // 3)
    error = gaps.reshape(20, 3).mean(axis=1).std(ddof=1) / 20**0.5
    assert loss.difference == pytest.approx(gaps.mean())
    assert loss.high - loss.difference == pytest.approx(1.959964 * error)


def test_rao_kupper_equals_the_ordered_logit_of_statsmodels():
    pytest.importorskip("statsmodels")
    assert ties.compare_with_statsmodels(pairs_of(1_500, model="rao_kupper")) < 1e-4


def test_both_high_finds_a_planted_threshold():
    random = np.random.default_rng(0)
    scores = random.uniform(0, 1, (2_000, 2))
    high = scores.min(axis=1) > 0.6
    outcomes = np.where(random.random(2_000) < np.where(high, 0.9, 0.1), 0, 1)
    shares = tie_models.predict(*[LabelledPairs(scores, outcomes, np.arange(2_000))] * 2)["both_high"][
        :, tie_models.TIE
    ]
    assert shares[high].mean() > 0.75
    assert shares[~high].mean() < 0.15


def result(rows, rules=None):
    """Return a result of (subset, scores, num_correct, label_strength) rows."""
    items, scores = [], []
    for number, (subset, values, num_correct, strength) in enumerate(rows):
        completions = ((),) * len(values)
        items.append(Item(f"i{number}", subset, (), completions, num_correct, label_strength=strength))
        scores.append(ItemScores(f"i{number}", values))
    suite = Suite("toy", "r1", tuple(items), rules or {})
    return ModelScores("org/m", suite, tuple(scores), Path("m.json"))


def test_labelled_ties_of_a_result_are_read_with_its_pairs():
    rows = [("a", (1.0, 0.5), 1, None)] * 25 + [("a", (0.2, 0.3), 0, 0.0)] * 20
    rows += [("a", (0.2, 0.3), 0, None), ("a", (1.0, 2.0, 3.0), 1, None), ("a", (float("nan"), 1.0), 1, None)]
    data = read_comparisons(result(rows), ("score_a", "score_b"))
    assert np.bincount(data.pairs.outcomes).tolist() == [20, 25]
    assert data.notes == ["1 unscored items were left out."]


def test_ties_subsets_give_ties_of_right_answers():
    rows = [("ties", (3.0, 2.0, 0.0, 1.0), 2, None)] * 20 + [("other", (1.0, 0.0), 1, None)]
    data = read_comparisons(result(rows, {"ties": Rule("Ties", "ties")}), ("score_a", "score_b"))
    assert np.bincount(data.pairs.outcomes).tolist() == [20, 80]
    assert data.pairs.differences[:5].tolist() == [1, 3, 2, 2, 1]
    assert len(set(data.pairs.clusters)) == 20


def write_battles(path, pairs, flags=True):
    columns = ["id", "prompt", "score_a", "score_b", "winner_model_a", "winner_model_b", "winner_tie"]
    lines = [",".join(columns if flags else [*columns[:4], "winner"])]
    words = {1: "model_a", -1: "model_b", 0: "tie (bothbad)"}
    for n, ((first, second), outcome) in enumerate(zip(pairs.scores, pairs.outcomes, strict=True)):
        label = [int(outcome == sign) for sign in (1, -1, 0)] if flags else [words[int(outcome)]]
        lines.append(",".join(map(str, [n, f"prompt {n // 2}", first, second, *label])))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize("flags", [True, False])
def test_a_table_of_battles_is_read(tmp_path, flags):
    pairs = pairs_of(100)
    data = read_comparisons(write_battles(tmp_path / "arena.csv", pairs, flags), ("score_a", "score_b"))
    assert data.model == "arena"
    assert data.pairs.scores == pytest.approx(pairs.scores)
    assert (data.pairs.outcomes == pairs.outcomes).all()
    assert (data.pairs.clusters == np.arange(100) // 2).all()


def test_battles_are_read_from_other_formats_and_labels(tmp_path):
    words = {1: "gpt-j", -1: "opt", 0: "tie (bothbad)"}
    points = {1: 2, -1: 7, 0: 4}
    battles = []
    expected = pairs_of(90)
    for n, ((first, second), outcome) in enumerate(zip(expected.scores, expected.outcomes, strict=True)):
        battle = {"question_id": n // 3, "model_a": "gpt-j", "model_b": "opt", "score_a": first, "score_b": second}
        battles.append({**battle, "winner": words[int(outcome)], "likert_7": points[int(outcome)]})
    lines = "\n".join(map(json.dumps, battles))
    (tmp_path / "arena.jsonl").write_text(lines)
    (tmp_path / "arena.json").write_text("\ufeff " + json.dumps(battles))
    with gzip.open(tmp_path / "arena.jsonl.gz", "wt") as file:
        file.write(lines.replace('"winner"', '"judge"'))
    for name in ("arena.jsonl", "arena.json", "arena.jsonl.gz"):
        pairs = read_comparisons(tmp_path / name, ("score_a", "score_b")).pairs
        assert (pairs.outcomes == expected.outcomes).all(), name
        assert (pairs.scores == expected.scores).all()
        assert (pairs.clusters == np.arange(90) // 3).all()


@pytest.mark.parametrize("spread", [20, 200])
def test_wide_scores_do_not_stop_the_fit(spread):
    pairs = simulate_comparisons(20_000, np.random.default_rng(0), spread=spread)[0]
    fit = tie_models.fit_davidson(pairs)
    assert not fit.at_bound
    assert abs(fit.tie - ties.PLANTED_NU) < 3 * fit.tie_error < 2
    assert abs(fit.beta - ties.PLANTED_BETA) < 3 * fit.beta_error < 0.3


def test_scores_that_separate_the_outcomes_are_noted():
    differences = np.where(np.arange(90) % 3 == 0, 0.0, np.where(np.arange(90) % 2, 1.0, -2.0))
    pairs = LabelledPairs(
        np.stack([differences, 0 * differences], 1), np.sign(differences).astype(np.int64), np.arange(90)
    )
    assert tie_models.fit_davidson(pairs).at_bound
    report = analyze([to_result(pairs)], TiesOptions())
    assert any(note.startswith("A parameter is at its bound") for note in report.notes)
    assert "predict ties" in report.sentence


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("score_b", "score", "has no column 'score_b': a table of battles has score_a and score_b"),
        ("winner_model_b", "loser", "has no column 'winner'"),
        ("\n3,prompt 1,", "\n3,prompt 1,abc", "row 4, score_a, is 'abc"),
        (",1,0,0\n", ",1,1,0\n", "row [0-9]+: of winner_model_a, winner_model_b and winner_tie not exactly one is 1"),
    ],
)
def test_an_unfit_table_is_rejected(tmp_path, old, new, words):
    path = Path(write_battles(tmp_path / "arena.csv", pairs_of(60)))
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=words):
        analyze([str(path)], TiesOptions())


def test_empty_scores_are_left_out_and_an_unknown_winner_is_rejected(tmp_path):
    lines = ["score_a,score_b,winner", ",1,tie", "nan,1,model_b", *["1,0,model_a", "0.2,0.1,tie"] * 30]
    path = tmp_path / "arena.csv"
    path.write_text("\n".join(lines))
    data = read_comparisons(str(path), ("score_a", "score_b"))
    assert data.notes == ["2 rows without two finite scores were left out."]
    path.write_text("score_a,score_b,winner\n1,2,Zoë\n")
    with pytest.raises(InputError, match="row 1: winner is 'Zoë', which names neither of the two responses, nor a tie"):
        read_comparisons(str(path), ("score_a", "score_b"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("a", (1.0, 0.0), 1, None)] * 50, r"m\.json has 0 scored ties and 0 scored preferences"),
        ([("a", (1.0, 0.0), 0, 0.0)] * 50, "has 50 scored ties and 0 scored preferences"),
        ([("a", (1.0, 1.0), 0, 0.0), ("a", (1.0, 1.0), 1, None)] * 30, "the same score for both responses"),
        ([("a", (1.0, 1.0), 0, 0.0), ("a", (1.7e308, -1.7e308), 1, None)] * 30, "too large for a float: rescale"),
    ],
)
def test_data_without_ties_preferences_or_scores_is_rejected(rows, words):
    with pytest.raises(InputError, match=words):
        analyze([result(rows)], TiesOptions())


def test_more_than_one_input_is_rejected():
    with pytest.raises(InputError, match="reads one result or csv, and got 2"):
        analyze(["a.json", "b.json"], TiesOptions())


def to_result(pairs):
    rows = []
    for (first, second), outcome in zip(pairs.scores, pairs.outcomes, strict=True):
        right, wrong = (first, second) if outcome >= 0 else (second, first)
        rows.append(("a", (float(right), float(wrong)), abs(int(outcome)), None if outcome else 0.0))
    return result(rows)


def test_the_report_names_the_threshold_and_draws(tmp_path):
    report = analyze([to_result(pairs_of(3_000))], TiesOptions())
    threshold = 2 * np.log(report.values["davidson_nu"]) / report.values["davidson_beta"]
    assert report.values["tie_likeliest_below"] == pytest.approx(threshold)
    assert f"differ by less than {threshold:.3g}." in report.sentence
    assert report.values["log_loss_davidson"] < report.values["log_loss_bt_constant"] < report.values["log_loss_prior"]
    assert report.values["davidson_minus_bt_high"] < 0
    json.dumps(report.to_json(), allow_nan=False)
    with open_figure(str(tmp_path / "t.png"), *report.size) as figure:
        report.draw(figure)
        assert figure.axes[0].get_ylabel() == "share of ties"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda scores: scores * 0 + np.random.default_rng(6).random(scores.shape),
            "are not shown to predict preferences",
        ),
        (lambda scores: -scores, "check the labels and the sign of the score"),
    ],
)
def test_what_the_sentence_says(change, words):
    pairs = pairs_of(1_000)
    changed_pairs = LabelledPairs(change(pairs.scores), pairs.outcomes, pairs.clusters)
    assert words in analyze([to_result(changed_pairs)], TiesOptions()).sentence


def test_two_seeds_of_the_self_test(monkeypatch):
    monkeypatch.setattr(ties, "PLANTED_PAIRS", 2_000)
    monkeypatch.setattr(ties, "find_spec", lambda name: None)
    report = selftest(2)
    assert report.values["davidson_beta_max_rel_err"] < 0.15
    assert {bar.key for bar in report.bars} <= set(report.values)
    assert "statsmodels is not installed" in report.notes[0]


@pytest.mark.slow
def test_the_self_test_keeps_its_bounds():
    pytest.importorskip("statsmodels")
    assert selftest().missed() == []


@pytest.mark.slow
def test_a_hundred_thousand_pairs_take_seconds():
    data = to_result(pairs_of(100_000))
    start = time.perf_counter()
    analyze([data], TiesOptions())
    assert time.perf_counter() - start < 60
