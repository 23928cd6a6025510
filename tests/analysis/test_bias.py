"""Bias: the regressions against statsmodels, planted effects of length, authorship and position, and unfit results."""

from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
import pytest
from groups import mirror, scored, suite_of
from synthetic import mirrors, scores, store

from rewardbench import InputError, evaluate
from rewardbench.analysis.bias import run as bias
from rewardbench.analysis.bias.planted import PlantedJudge, judge_position, measure_planted_bias
from rewardbench.analysis.bias.style_features import FEATURES, measure_style, response_texts
from rewardbench.analysis.bias.style_pairs import StylePairs, collect_pairs, fit_style
from rewardbench.stats.regression import fit_linear, fit_logistic, independent_columns
from rewardbench.types import Item, ItemScores, Message, Rule, Suite


def length_of(prompt, completion):
    return len(completion)


def clustered(seed, outcome):
    """Return a design, outcomes and clusters of two rows that share noise."""
    random = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(80), 2)
    design = np.column_stack([np.ones(160), random.normal(size=(160, 2))])
    signal = design @ [0.3, 0.5, -0.2] + np.repeat(random.normal(size=80), 2)
    return design, outcome(signal, random), clusters


def test_linear_regression_is_that_of_statsmodels():
    import statsmodels.api as sm

    design, response, clusters = clustered(0, lambda signal, random: signal + random.normal(size=160))
    weights = np.random.default_rng(1).uniform(0.5, 2, 160)
    expected = sm.WLS(response, design, weights).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    regression = fit_linear(design, response, clusters, weights)
    assert regression.coefficients == pytest.approx(expected.params)
    assert regression.errors == pytest.approx(np.sqrt(np.diag(expected.cov_params())))


def test_logistic_regression_is_that_of_statsmodels():
    import statsmodels.api as sm

    design, response, clusters = clustered(2, lambda signal, random: (signal > random.logistic(size=160)) * 1.0)
    expected = sm.Logit(response, design).fit(disp=0, cov_type="cluster", cov_kwds={"groups": clusters})
    regression = fit_logistic(design, response, clusters, penalty=0.0)
    assert regression.coefficients == pytest.approx(expected.params, abs=1e-5)
    assert regression.errors == pytest.approx(
        np.sqrt(np.diag(expected.cov_params())), rel=0.02
    )  # statsmodels has another correction for n


def test_a_column_that_others_determine_is_left_out():
    column = np.arange(6.0)
    design = np.column_stack([np.ones(6), column, 3 - 2 * column, np.zeros(6), column**2])
    assert independent_columns(design) == [0, 1, 4]


@pytest.mark.parametrize(
    ("text", "feature", "count"),
    [
        ("1. one\n2. two\n- three", "lists", 3),
        ("# Title\nuse **bold** and `code`", "markdown", 5),
        ("I’m sorry, but I can’t.", "refusal", 2),
        ("Perhaps; I'm not entirely sure. It might, I think.", "hedging", 4),
        ("What a great question! You're absolutely right.", "sycophancy", 2),
        ("I mightily agreed that the question is great.", "hedging", 0),
        ("naïve 東京 🙂", "length", 10),
    ],
)
def test_a_feature_counts(text, feature, count):
    assert measure_style([text])[0, list(FEATURES).index(feature)] == count


def test_features_of_a_rendered_text_are_those_of_its_response():
    prompt = "Sorry. A list, please:\n- **one**\n"
    replies = ["- I can not\n- do it", "- I can do it", "No."]
    rendered = [(Message(role="assistant", content=f"[INST] {prompt} [/INST] {reply}</s>"),) for reply in replies]
    style = measure_style(response_texts(Item("a", "s", (), tuple(rendered), rendered=True)))
    expected = measure_style(replies)
    assert (style - style[0]).tolist() == (expected - expected[0]).tolist()


def test_planted_biases_are_recovered():
    values = measure_planted_bias(1, pairs=600)
    assert values["lambda_max_abs_err"] < 0.04
    assert values["swap_inconsistency"] == pytest.approx(0.3, abs=0.06)
    assert values["length_only_raw_accuracy"] > 0.55
    assert values["length_only_accuracy"] == 0.5
    assert values["length_only_logistic"] == pytest.approx(0.5, abs=0.05)


def test_a_judge_without_position_bias_is_consistent(monkeypatch):
    monkeypatch.setattr("rewardbench.analysis.bias.planted.POSITION_SHARE", 0.0)
    biases, inconsistencies = judge_position(np.random.default_rng(0), 50)
    assert {*biases, *inconsistencies} == {0.0}


def test_the_position_bias_of_a_judge_is_reported():
    rows = []
    for number in range(40):
        prompt = f"{'guess' if number % 4 == 0 else 'read'} {number}"
        rows.append({"prompt": prompt, "chosen": f"good {number}", "rejected": f"poor {number}"})
    values = bias.analyze([evaluate(PlantedJudge(), rows)], bias.BiasOptions()).values
    assert values["swap_inconsistency"] == pytest.approx(0.25)
    assert values["position_bias"] == pytest.approx(0.125)


def test_a_model_of_length_only_has_half_on_mirrors(tmp_path):
    groups = [mirror(f"g{n}", x="y" * (10 + n % 7), y="n" * (12 - n % 5)) for n in range(40)]
    suite = suite_of(*groups)
    path = store(tmp_path, suite, scored(suite, length_of), "by-length")
    report = bias.analyze([path], bias.BiasOptions())
    assert report.values["lambda_length"] == pytest.approx(1)
    assert report.values["style_controlled_accuracy"] == 0.5
    assert report.values["style_r2"] == pytest.approx(1)
    assert "rewards length (+1.00 sd" in report.sentence


def test_the_writer_of_a_response_has_an_effect():
    rows = []
    for number in range(60):
        models = ("ours-7b", "other-70b") if number % 3 else ("other-70b", "ours-7b")
        texts = [f"{'better' if name == 'ours-7b' else 'poorly'} put {number:03d}" for name in models]
        rows.append(dict(zip(("chosen_model", "rejected_model", "chosen", "rejected"), (*models, *texts), strict=True)))
        rows[-1]["prompt"] = f"question {number}"
    random = np.random.default_rng(0)
    noise = {row["prompt"]: random.normal() for row in rows}

    def prefers_ours(prompt, completion):
        return 2 * ("better" in completion) + 0.1 * noise[prompt] * len(completion) % 1

    pairs = collect_pairs(evaluate(prefers_ours, rows).to_model_scores())
    (effect,) = (effect for effect in fit_style(pairs).effects if effect.name.startswith("by "))
    assert pairs.names[-2:] == ("by other-70b", "by ours-7b")
    assert effect.name == "by other-70b"
    assert effect.slope == pytest.approx(-2, abs=0.2)


def test_several_models_have_keys_of_their_names_and_a_picture(tmp_path):
    suite = mirrors(20)
    paths = [store(tmp_path, suite, scores(suite, share, 1), name) for share, name in ((0.6, "a-1"), (0.9, "b/2"))]
    report = bias.analyze(paths, bias.BiasOptions())
    assert {"a_1_accuracy", "b_2_accuracy"} < report.values.keys()
    assert report.values["b_2_accuracy"] > report.values["a_1_accuracy"]
    from matplotlib.figure import Figure

    figure = Figure()
    report.draw(figure)
    assert [axes.get_xlabel() != "" for axes in figure.axes] == [True, True]
    assert "n = 80" in figure.axes[1].get_yticklabels()[0].get_text()


def test_equal_scores_have_no_effects():
    suite = mirrors(20)
    report = bias.analyze([result(suite, scored(suite, lambda prompt, text: 1.0))], bias.BiasOptions())
    assert report.values["accuracy"] == report.values["style_controlled_accuracy"] == 0.5
    assert report.values["style_r2"] == 0.0
    assert report.sentence.startswith("No effect of style on the margin is shown")


def texts_result(texts, item_scores):
    items = []
    for number, completions in enumerate(texts):
        replies = tuple((Message(role="assistant", content=text),) for text in completions)
        items.append(Item(f"i{number}", "a", (), replies))
    values = [ItemScores(item.id, tuple(map(float, row))) for item, row in zip(items, item_scores, strict=True)]
    return result(Suite("toy", "r1", tuple(items), {"a": Rule("A")}), values)


def test_a_constant_difference_of_length_changes_no_accuracy():
    random = np.random.default_rng(0)
    texts = [("x" * 27, "x" * 20, "x" * 20, "x" * 20) if number % 3 else ("x" * 27, "x" * 20) for number in range(60)]
    values = bias.analyze([texts_result(texts, [random.normal(size=len(row)) for row in texts])], bias.BiasOptions())
    assert values.values["length_controlled_accuracy"] == values.values["accuracy"]
    by_length = bias.analyze([texts_result(texts, [list(map(len, row)) for row in texts])], bias.BiasOptions())
    assert by_length.values["equal_style_margin"] == pytest.approx(7)
    assert "or others fix it: length, lists" in by_length.notes[0]


def test_chance_effects_of_six_features_are_rarely_named():
    words = ["sorry, I can't. ", "perhaps ", "great question! ", "- item\n", "**b** ", "word "]
    alarms = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        texts = [["".join(random.choice(words, random.integers(3, 12))) for _ in range(2)] for _ in range(60)]
        fit = fit_style(collect_pairs(texts_result(texts, random.normal(size=(60, 2)))))
        alarms += any(effect.is_certain for effect in fit.effects)
    assert alarms <= 6


def test_labels_with_one_slug_keep_their_keys():
    suite = mirrors(20)
    results = [
        replace(result(suite, scores(suite, share, 1)), model=name) for share, name in ((0.6, "a-1"), (0.9, "a_1"))
    ]
    values = bias.analyze(results, bias.BiasOptions()).values
    assert values["a_1_accuracy"] < values["a_1_2_accuracy"]


def style_pairs(margins, items, differences=None):
    """Return pairs of items, which are clusters, with the differences of one feature."""
    differences = np.zeros((len(margins), 1)) if differences is None else differences[:, None]
    clusters = tuple(range(max(items) + 1))
    return StylePairs(("length",), differences, np.array(margins, float), np.array(items), clusters, ((), ()), 0)


def test_an_item_of_several_pairs_counts_once():
    pairs = style_pairs([2.0, 1.0, -1.0, 3.0], [0, 0, 0, 1])
    assert pairs.weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])
    assert pairs.accuracy(pairs.margins).value == pytest.approx((2 / 3 + 1) / 2)
    assert pairs.spread(pairs.margins) == pytest.approx(np.sqrt(np.cov(pairs.margins, aweights=pairs.weights, ddof=0)))


def test_the_explained_share_is_the_squared_correlation():
    random = np.random.default_rng(1)
    differences = random.normal(size=60)
    pairs = style_pairs(0.5 * differences + random.normal(size=60), range(60), differences)
    fit = fit_style(pairs)
    assert fit.explained == pytest.approx(np.corrcoef(differences, pairs.margins)[0, 1] ** 2)
    assert fit.effects[0].slope == pytest.approx(np.polyfit(differences, pairs.margins, 1)[0])


def test_unscored_items_are_left_out(tmp_path):
    suite = mirrors(20)
    item_scores = scores(suite, 0.8)
    item_scores[3] = replace(item_scores[3], scores=(nan, nan), reason="too long")
    report = bias.analyze([store(tmp_path, suite, item_scores, "m")], bias.BiasOptions())
    assert report.values["pairs"] == 79
    assert "m: 1 items without scores or texts are left out." in report.notes


def result(suite, item_scores):
    from rewardbench.results.scored import ModelScores

    return ModelScores("m", suite, tuple(item_scores), Path("m.json"))


def without_texts(suite):
    return replace(
        suite,
        items=[replace(item, completions=(({**item.completions[0][0], "content": ""},),) * 2) for item in suite.items],
    )


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (lambda suite: [], "bias needs at least one result"),
        (lambda suite: [result(suite, scores(suite, 0.5))] * 13, "at most 12 results, and there are 13"),
        (lambda suite: [result(without_texts(suite), scores(suite, 0.5))], "m.json has 0 scored pairs with texts (40 "),
        (
            lambda suite: [result(suite, scored(suite, lambda prompt, text: 1.7e308 if "right" in text else -1.7e308))],
            "rescale the scores",
        ),
    ],
)
def test_unfit_results_are_rejected(case, message):
    with pytest.raises(InputError) as error:
        bias.analyze(case(mirrors(20, ("Chat",))), bias.BiasOptions())
    assert message in str(error.value)


def test_other_data_than_the_scored_is_rejected(tmp_path):
    suite = mirrors(20)
    path = store(tmp_path, suite, scores(suite, 0.8), "m")
    (tmp_path / "other.jsonl").write_text('{"prompt": "1 + 1?", "chosen": "2", "rejected": "3"}\n')
    with pytest.raises(InputError, match="has other items than"):
        bias.analyze([path], bias.BiasOptions(dataset=str(tmp_path / "other.jsonl")))


@pytest.mark.slow
def test_the_self_test_keeps_its_bounds():
    report = bias.selftest()
    assert report.missed() == []


@pytest.mark.slow
def test_100_000_items_take_less_than_a_minute(tmp_path):
    import resource
    import time

    groups = [mirror(f"g{n}", x="yes " * (20 + n % 70), y="no, sorry " * (12 - n % 5)) for n in range(50_000)]
    suite = suite_of(*groups)
    random = np.random.default_rng(0)
    model = result(suite, scored(suite, lambda prompt, text: len(text) + random.normal()))
    start, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = bias.analyze([model], bias.BiasOptions())
    assert report.values["pairs"] == 100_000
    assert time.process_time() - start < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 2_000_000
