"""`rewardbench analyze scaling`: the mixed model of statsmodels, planted slopes, published scores, bad input."""

import csv
import json
from math import inf
from pathlib import Path

import numpy as np
import pytest

from rewardbench.analysis import scaling
from rewardbench.analysis.output import draw_report
from rewardbench.analysis.scaling.run import as_arrays
from rewardbench.analysis.scaling.selftest import SLOPE, simulate
from rewardbench.errors import InputError
from rewardbench.results.model_names import family_in_name, size_in_name
from rewardbench.types import Estimate, Result

PUBLISHED = Path(__file__).parents[3] / "shared" / "golden" / "published_scores.json"
HEADER = ("model", "parameters", "family", "accuracy", "n")


def write(path: Path, rows, header=HEADER) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def table(path: Path, models) -> str:
    return write(path, [(m.model, m.parameters, m.family, m.accuracy, m.n) for m in models])


def result(model: str, accuracy: float, manifest=None, revision: str = "r1") -> Result:
    estimate = Estimate("accuracy", 500, accuracy)
    return Result("toy", revision, model, "DPO", estimate, estimate, (), (), manifest=manifest or {})


@pytest.mark.parametrize("seed", range(3))
def test_the_mixed_model_equals_that_of_statsmodels(seed):
    from statsmodels.regression.mixed_linear_model import MixedLM

    random = np.random.default_rng(seed)
    family = np.repeat(np.arange(5), [3, 4, 5, 3, 6])
    x = random.uniform(8, 11, len(family))
    y = 0.4 * (x - 9) + random.normal(0, 0.5, 5)[family] + random.normal(0, 0.2, len(family))
    fit = scaling.fit_mixed(x, y, family)
    expected = MixedLM(y, np.stack([np.ones_like(x), x], axis=1), family).fit(reml=True, gtol=1e-10)
    assert [fit.intercept, fit.slope.value] == pytest.approx(expected.fe_params, rel=1e-4)
    assert fit.slope.error == pytest.approx(expected.bse_fe[1], rel=5e-3)
    assert fit.within**2 == pytest.approx(expected.scale, rel=1e-3)
    assert fit.between**2 == pytest.approx(expected.cov_re[0, 0], rel=5e-3)
    assert fit.effects == pytest.approx([float(v.iloc[0]) for v in expected.random_effects.values()], abs=1e-3)
    assert fit.errors(np.array([9.0]))[0] == pytest.approx(
        float(np.sqrt(np.array([1, 9]) @ expected.cov_params()[:2, :2] @ np.array([1, 9]))), rel=1e-3
    )


def test_the_slope_within_families_equals_least_squares_with_dummies():
    x, y, family, _ = as_arrays(simulate(0))
    design = np.column_stack([x, family[:, None] == np.arange(4)])
    coefficients, square, *_ = np.linalg.lstsq(design, y, rcond=None)
    slope = scaling.fit_within(x, y, family)
    assert slope.value == pytest.approx(coefficients[0])
    variance = square[0] / (len(x) - 5) * np.linalg.inv(design.T @ design)[0, 0]
    assert slope.error == pytest.approx(variance**0.5)
    assert slope.low < slope.value < slope.high


def test_logits_are_finite():
    shares = np.array([0.0, 0.5, 1.0, 1.0])
    values = scaling.logit(shares, np.array([99, 99, 99, inf]))
    assert values[:3] == pytest.approx([-np.log(199), 0, np.log(199)])
    assert np.isfinite(values).all()


def test_planted_and_shuffled_slopes():
    covered = 0
    for seed in range(10):
        x, y, family, _ = as_arrays(simulate(seed))
        assert abs(scaling.fit_mixed(x, y, family).slope.value - SLOPE) < 0.06
        slope = scaling.fit_mixed(np.random.default_rng(seed).permutation(x), y, family).slope
        covered += slope.low <= 0 <= slope.high
    assert covered >= 8


def test_a_table_is_analyzed(tmp_path):
    report = scaling.analyze([table(tmp_path / "t.csv", simulate(1))], scaling.ScalingOptions())
    values = report.values
    assert (values["families"], values["models"]) == (4, 20)
    assert values["slope_low"] < values["slope"] < values["slope_high"]
    assert values["lowest_slope_left_out"] <= values["slope"] <= values["highest_slope_left_out"]
    assert report.sentence.startswith("Ten times the parameters change an accuracy of")
    json.dumps(report.to_json(), allow_nan=False)
    draw_report(report, tmp_path / "scaling.png")


def test_one_family_and_unknown_n_are_enough(tmp_path):
    rows = [("a", "1B", "f", 0.6), ("b", "7 B", "f", 0.7), ("c", "70e9", "f", 0.75)]
    report = scaling.analyze([write(tmp_path / "t.csv", rows, HEADER[:4])], scaling.ScalingOptions())
    assert report.values["sampling_sd"] is None
    assert report.values["prediction_error"] is None
    assert report.values["sd_between_families"] == 0
    assert "1 family" in report.sentence
    draw_report(report, tmp_path / "scaling.png")


@pytest.mark.parametrize("accuracy", [0, 1])
def test_an_accuracy_without_a_logit_needs_its_number_of_items(tmp_path, accuracy):
    rows = [("a", "1B", "f", 0.6), ("b", "7B", "f", accuracy), ("c", "70B", "f", 0.7)]
    with pytest.raises(InputError, match=rf"row 2: an accuracy of {accuracy} has no logit unless"):
        scaling.analyze([write(tmp_path / "t.csv", rows, HEADER[:4])], scaling.ScalingOptions())
    counted = [(*row, 50) for row in rows]
    report = scaling.analyze([write(tmp_path / "n.csv", counted)], scaling.ScalingOptions())
    assert abs(report.values["slope"]) < 5


def test_equal_accuracies_have_no_slope(tmp_path):
    rows = [(f"{family}{size}", size, family, 0.5, 100) for family in "ab" for size in ("1B", "7B", "70B")]
    report = scaling.analyze([write(tmp_path / "t.csv", rows)], scaling.ScalingOptions())
    assert report.values["slope"] == pytest.approx(0, abs=1e-9)
    assert report.values["sampling_sd"] == pytest.approx((1 / (100 * 0.5 * 0.5)) ** 0.5)
    draw_report(report, tmp_path / "scaling.png")


def test_an_exact_line_gives_the_gain_and_the_errors_of_prediction(tmp_path):
    """The odds grow threefold by ten times the parameters; family b is one logit above family a."""
    rows = []
    for family, level in (("a", 0.0), ("b", 1.0)):
        for power, size in enumerate(("1B", "10B", "100B"), -1):
            logits = np.log(3) * power + level
            rows.append((f"{family}{size}", size, family, 1 / (1 + np.exp(-logits))))
    report = scaling.analyze([write(tmp_path / "t.csv", rows, HEADER[:4])], scaling.ScalingOptions())
    assert report.values["odds_ratio"] == pytest.approx(3)
    middle = 1 / (1 + np.exp(-0.5))
    gain = 100 * (1 / (1 + np.exp(-0.5) / 3) - middle)
    assert f"change an accuracy of {middle:.0%} by {gain:+.1f} points" in report.sentence
    accuracies = np.array([row[3] for row in rows]).reshape(2, 3)
    assert report.values["prediction_error"] == pytest.approx(np.abs(accuracies[0] - accuracies[1]).mean())


def test_results_state_their_sizes_or_have_them_in_their_names():
    results = [
        result("org/rm-1B", 0.6, {"model": {"parameters": 1_100_000_000}}),
        result("org/rm-7B", 0.7),
        result("org/rm-70B", 0.8, {"model": {"parameters": True}}),
    ]
    models, _ = scaling.read_models(results)
    assert [model.parameters for model in models] == [1.1e9, 7e9, 70e9]
    assert {model.family for model in models} == {"org/rm-*"}
    report = scaling.analyze(results, scaling.ScalingOptions())
    assert "The sizes of 2 models were read from their names." in report.notes


def test_small_families_are_rejected_or_left_out(tmp_path):
    rows = [
        ("a", "1B", "big", 0.6, 9),
        ("b", "7B", "big", 0.7, 9),
        ("c", "70B", "big", 0.8, 9),
        ("d", "1B", "two", 1, 9),
    ]
    path = write(tmp_path / "t.csv", [*rows, ("e", "1B", "two", 0.4, 9)])
    with pytest.raises(InputError, match="needs at least 3 sizes in each family, and two has fewer"):
        scaling.analyze([path], scaling.ScalingOptions())
    report = scaling.analyze([path], scaling.ScalingOptions(drop_small=True))
    assert report.values["models"] == 3
    assert "Left out, with fewer than three sizes: two." in report.notes
    path = write(tmp_path / "t.csv", rows[:2])
    with pytest.raises(InputError, match="and big has fewer"):
        scaling.analyze([path], scaling.ScalingOptions(drop_small=True))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", "B", "f", 0.6, 9), "row 1: 'B' is not a number of parameters"),
        (("a", "-7B", "f", 0.6, 9), "row 1: '-7B' is not a number of parameters"),
        (("a", "inf", "f", 0.6, 9), "row 1: 'inf' is not a number of parameters"),
        (("a", "7B", "f", 60, 9), "row 1: '60' is not an accuracy from 0 to 1"),
        (("a", "7B", "f", "nan", 9), "row 1: 'nan' is not an accuracy"),
        (("a", "7B", "f", 0.6, 0), "row 1: n is 0, but an accuracy has at least one item"),
        (("a", "7B", "f", 0.6, "many"), "row 1: 'many' is not a number of items"),
        (("", "7B", "f", 0.6, 9), "row 1 has no model"),
        (("a", "7B", " ", 0.6, 9), "row 1 has no family"),
    ],
)
def test_unfit_rows_are_rejected(tmp_path, row, message):
    with pytest.raises(InputError, match=message):
        scaling.read_models([write(tmp_path / "t.csv", [row])])


def test_unfit_inputs_are_rejected(tmp_path):
    with pytest.raises(InputError, match="needs results, or one table"):
        scaling.read_models([])
    with pytest.raises(InputError, match="has no rows"):
        scaling.read_models([write(tmp_path / "t.csv", [])])
    with pytest.raises(InputError, match="has no column 'family'"):
        scaling.read_models([write(tmp_path / "t.csv", [("a", "7B")], HEADER[:2])])
    with pytest.raises(InputError, match="is a table: name it alone"):
        scaling.read_models([write(tmp_path / "t.csv", []), "b.json"])
    with pytest.raises(InputError, match="states no number of parameters"):
        scaling.read_models([result("org/rm", 0.6)])
    with pytest.raises(InputError, match="compare results of one suite"):
        scaling.read_models([result("rm-1B", 0.6), result("rm-2B", 0.6, revision="r2")])


def test_too_many_families_are_rejected(tmp_path):
    rows = [(f"{n}-{size}", size, f"family {n}", 0.5, 9) for n in range(201) for size in ("1B", "7B", "70B")]
    with pytest.raises(InputError, match="There are 201 families of models, and scaling compares at most 200"):
        scaling.read_models([write(tmp_path / "t.csv", rows)])


def test_published_scores_grow_with_size(tmp_path):
    """Families of RewardBench 1 with three sizes and more."""
    if not PUBLISHED.is_file():
        pytest.skip("no published scores")
    rows = []
    for model, _, scores in json.loads(PUBLISHED.read_text())["v1"]:
        size = size_in_name(model)
        if size:
            rows.append((model, size.parameters, family_in_name(model), scores["Score"], 2985))
    report = scaling.analyze([write(tmp_path / "t.csv", rows)], scaling.ScalingOptions(drop_small=True))
    assert report.values["families"] >= 4
    assert 0.2 < report.values["slope"] < 0.7
    assert report.values["slope_low"] > 0


@pytest.mark.slow
def test_the_selftest_reaches_its_bars():
    assert scaling.selftest().missed() == []
