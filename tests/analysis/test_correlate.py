"""Correlate: coefficients by hand, groups, range restriction, influence, joins, results, and unfit tables."""

import json
from pathlib import Path

import numpy as np
import pytest
from repository import ROOT
from scipy import stats
from synthetic import mirrors, scores, store

from rewardbench.analysis.correlate import correlation
from rewardbench.analysis.correlate.correlation import (
    bootstrap_coefficients,
    coefficient,
    correlate,
    fisher_interval,
    leave_one_out,
    within_groups,
)
from rewardbench.analysis.correlate.run import CorrelateOptions, analyze, selftest
from rewardbench.analysis.output import write_report
from rewardbench.analysis.report import format_value
from rewardbench.errors import InputError

FIGURE_4 = ROOT.parent / "shared" / "golden" / "rb2_fig4.json"
TEAS = """model,bench,arena,lineage
assam,80,71,black
darjeeling,75,74,black
keemun,70,77,black
sencha,60,50,green
gyokuro,55,53,green
matcha,50,56,green
rooibos,20,,herb
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.skipif(not FIGURE_4.is_file(), reason="the table of RewardBench 2's Figure 4 is not here")
def test_figure_4_of_rewardbench_2():
    values = analyze([FIGURE_4], CorrelateOptions()).values
    expected = json.loads(FIGURE_4.read_text())["expected"]
    for name, value in expected.items():
        assert format_value(values[name]) == f"{value:.4f}"


def test_a_table_by_hand(tmp_path):
    path = write(tmp_path / "teas.csv", TEAS)
    report = analyze([path], CorrelateOptions(group="lineage"))
    values = report.values
    assert (values["rows"], values["above"]) == (6, 45)
    x, y = [80, 75, 70, 60, 55, 50], [71, 74, 77, 50, 53, 56]
    assert values["arena_pearson"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert values["arena_spearman"] == pytest.approx(stats.spearmanr(x, y)[0])
    assert values["arena_kendall"] == pytest.approx((9 - 6) / 15)
    for kind in ("pearson", "spearman", "kendall"):
        assert values[f"arena_{kind}_within"] == pytest.approx(-1)
    assert "arena: 1 of 7 rows lack a number and are left out." in report.notes
    assert ["arena", "spearman", "group black", 3, pytest.approx(-1), None, None] in report.tables[0].rows
    assert report.details["downstream"]["arena"]["labels"][0] == "assam"
    write_report(report, tmp_path / "out", {})
    assert (tmp_path / "out" / "correlate.png").is_file()


def test_the_range_restriction_uses_the_scale_of_the_scores(tmp_path):
    rows = [[x / 100, y] for x, y in zip([10, 20, 50, 60, 70], [0, 1, 9, 8, 7], strict=True)]
    path = write(tmp_path / "t.json", json.dumps({"columns": ["score", "ppo"], "rows": rows}))
    report = analyze([path], CorrelateOptions())
    assert report.values["above"] == 0.45
    assert report.values["ppo_pearson_above0.45"] == pytest.approx(-1)
    assert report.sentence.startswith("Do not choose among the better models by score for ppo: over all 5 models")
    lower = analyze([path], CorrelateOptions(above=0.05))
    assert lower.values["ppo_pearson_above0.05"] == lower.values["ppo_pearson"]
    higher = analyze([path], CorrelateOptions(above=0.65))
    assert np.isnan(higher.values["ppo_pearson_above0.65"])
    assert "ppo: 1 rows have a score above 0.65, too few to correlate: pass --above." in higher.notes


def test_json_of_columns_or_of_rows_is_a_table(tmp_path):
    columns = write(tmp_path / "c.json", '{"score": [1, 2, 3], "ppo": [1, 2, 4]}')
    rows = write(tmp_path / "r.json", '[{"score": 1, "ppo": 1}, {"score": 2, "ppo": 2}, {"score": 3, "ppo": 4}]')
    for path in (columns, rows):
        assert analyze([path], CorrelateOptions()).values["ppo_spearman"] == pytest.approx(1)


def test_columns_are_chosen_by_name(tmp_path):
    path = write(tmp_path / "t.csv", "a,b,c\n1,2,3\n2,4,1\n3,5,2\n4,9,0\n")
    report = analyze([path], CorrelateOptions(x="c", y=("b",)))
    assert report.details["x"] == "c"
    assert report.values["b_spearman"] == pytest.approx(-0.8)
    assert "a_pearson" not in report.values
    assert report.tables[1].rows[0][1].startswith("row ")


def test_two_tables_are_joined_by_the_model(tmp_path):
    bench = write(tmp_path / "bench.csv", "model,score\na,1\nb,2\nc,3\nd,4\n")
    downstream = write(tmp_path / "down.tsv", "model\tscore\tppo\nd\t9\t4\nb\t8\t2\nc\t7\t3\nx\t6\t1\na\t5\t1\n")
    report = analyze([bench, downstream], CorrelateOptions(y=("ppo", "score.2")))
    assert report.values["rows"] == 4
    assert report.values["ppo_pearson"] == pytest.approx(1)
    assert report.values["score_2_pearson"] == pytest.approx(np.corrcoef([1, 2, 3, 4], [5, 8, 7, 9])[0, 1])
    assert "1 rows have no partner in the other table, and are left out." in report.notes


def test_results_are_joined_with_downstream_figures(tmp_path):
    suite = mirrors(20)
    paths = []
    for number, share in enumerate((0.5, 0.7, 0.8, 0.95)):
        paths.append(store(tmp_path / f"r{number}", suite, scores(suite, share, number), f"m{number}"))
    downstream = write(tmp_path / "down.csv", "model,ppo\nm0,10\nm1,20\nm2,30\nm3,40\n")
    report = analyze([*paths, downstream], CorrelateOptions())
    assert report.details["x"] == "toy"
    assert report.values["ppo_spearman"] == pytest.approx(1)
    with pytest.raises(InputError, match="Results hold no downstream performance"):
        analyze(paths, CorrelateOptions())
    with pytest.raises(InputError, match="Two results are of m0 on toy"):
        analyze([paths[0], paths[0], downstream], CorrelateOptions())


@pytest.mark.parametrize("kind", ["pearson", "spearman", "kendall"])
def test_resampled_coefficients_are_those_of_scipy(kind, monkeypatch):
    monkeypatch.setattr(correlation, "RESAMPLES", 50)
    random = np.random.default_rng(0)
    x, y = random.integers(6, size=(2, 12)).astype(float)
    resampled = bootstrap_coefficients(kind, x, y, np.random.default_rng(1))
    draws = np.random.default_rng(1).integers(12, size=(50, 12))
    expected = [coefficient(kind, x[draw], y[draw]) for draw in draws]
    np.testing.assert_allclose(resampled, expected, atol=1e-12)


@pytest.mark.parametrize("rows", [10, 17])
def test_the_interval_of_few_rows_covers_the_truth(rows):
    covered = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        x = random.normal(size=rows)
        pearson = correlate("pearson", x, 0.6 * x + 0.8 * random.normal(size=rows), seed)
        covered += pearson.low <= 0.6 <= pearson.high
    assert covered >= 55


def test_columns_with_one_key_keep_their_values(tmp_path):
    path = write(tmp_path / "t.csv", "score,ppo-1,ppo_1\n1,1,3\n2,2,2\n3,3,1\n")
    values = analyze([path], CorrelateOptions()).values
    assert (values["ppo_1_pearson"], values["ppo_1_2_pearson"]) == (pytest.approx(1), pytest.approx(-1))


def test_the_sentence_states_the_intervals(tmp_path):
    random = np.random.default_rng(3)
    rows = [f"{50 + n},{random.normal()}" for n in range(12)]
    report = analyze([write(tmp_path / "t.csv", "\n".join(["score,ppo", *rows]))], CorrelateOptions(above=55))
    assert report.values["ppo_pearson_low"] < 0 < report.values["ppo_pearson_high"]
    assert "interval over all contains 0" in report.sentence or report.sentence.startswith("Do not choose")


def test_many_rows_get_fishers_interval():
    random = np.random.default_rng(0)
    x = random.normal(size=100_000)
    y = x + random.normal(size=100_000)
    for kind in ("pearson", "spearman", "kendall"):
        result = correlate(kind, x, y)
        assert result.high - result.low < 0.01
        assert result.low < result.value < result.high
    assert fisher_interval("pearson", 1.0, 50)[1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("kind", "variance"), [("pearson", 1 / 97), ("spearman", (1 + 0.5**2 / 2) / 97), ("kendall", 0.437 / 96)]
)
def test_fishers_interval_has_the_variances_of_bonett_and_wright(kind, variance):
    low, high = fisher_interval(kind, 0.5, 100)
    for limit, sign in ((low, -1), (high, 1)):
        assert np.arctanh(limit) == pytest.approx(np.arctanh(0.5) + sign * 1.959964 * variance**0.5)


def test_ranks_within_groups_are_those_of_each_group():
    x, y = np.array([1.0, 2, 3, 10, 20, 30, 40]), np.array([1.0, 2, 100, 9, 8, 3, 4])
    groups = ["a"] * 3 + ["b"] * 4
    ranks_x, ranks_y = np.array([-1, 0, 1, -1.5, -0.5, 0.5, 1.5]), np.array([-1, 0, 1, 1.5, 0.5, -1.5, -0.5])
    expected = ranks_x @ ranks_y / (ranks_x @ ranks_x)
    assert within_groups("spearman", x, y, groups) == pytest.approx(expected)
    assert within_groups("kendall", x, y, groups) == pytest.approx((3 - 4) / 9)


def test_columns_whose_keys_are_alike_have_values_of_their_own(tmp_path):
    path = write(tmp_path / "t.csv", "score,a b,a-b\n1,1,3\n2,2,2\n3,3,1\n")
    values = analyze([path], CorrelateOptions()).values
    assert (values["a_b_pearson"], values["a_b_2_pearson"]) == pytest.approx((1, -1))


def test_many_groups_are_drawn_as_one(tmp_path):
    lines = ["score,ppo,lineage", *[f"{n},{n % 7},group {n}" for n in range(40)]]
    report = analyze([write(tmp_path / "t.csv", "\n".join(lines))], CorrelateOptions(group="lineage"))
    from matplotlib.figure import Figure

    figure = Figure()
    report.draw(figure)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [*(f"group {n}" for n in range(12)), "28 other groups"]


def test_influence_and_undefined_coefficients():
    x, y = np.array([1.0, 2, 3, 4, 10]), np.array([4.0, 3, 2, 1, 10])
    assert leave_one_out("pearson", x, y)[4] == pytest.approx(-1)
    assert np.isnan(coefficient("pearson", x, np.ones(5)))
    assert np.isnan(correlate("kendall", x[:2], y[:2]).low)
    assert np.isnan(within_groups("pearson", x, y, list("abcde")))


def test_a_column_without_spread_is_named(tmp_path):
    path = write(tmp_path / "t.csv", "model,score,ppo\na,1,5\nb,2,5\nc,3,5\n")
    report = analyze([path], CorrelateOptions())
    assert report.sentence == "score or ppo is the same for all models: no correlation is defined."
    write_report(report, tmp_path / "out", {})


@pytest.mark.slow
def test_100_000_rows_take_less_than_a_minute(tmp_path):
    import time

    random = np.random.default_rng(0)
    lines = ["score,ppo,lineage"]
    lines += [f"{a},{b},{n % 3}" for n, (a, b) in enumerate(random.normal(size=(100_000, 2)))]
    path = write(tmp_path / "many.csv", "\n".join(lines))
    start = time.monotonic()
    report = analyze([path], CorrelateOptions(group="lineage", above=0))
    assert abs(report.values["ppo_pearson"]) < 0.02
    assert abs(report.values["ppo_pearson_within"]) < 0.02
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("model,score\na,1\nb,2\nc,3\n", {}, "has 1 columns of numbers"),
        ("model,score,ppo\n", {}, "has no rows"),
        ("model,score,ppo\na,1,2\nb,2,\nc,nan,3\n", {}, "has 1 rows with both score and ppo"),
        ("model,score,ppo\na,1,2\nb,2,1\nc,3,3\n", {"x": "bench"}, "has no column 'bench': it has score, ppo, model"),
        ("model,score,ppo\na,1,2\nb,2,1\nc,3,3\n", {"y": ("model",)}, "the column 'model' holds text, not numbers"),
        ("model,score,ppo\na,1,2\nb,2,1\nc,3,3\n", {"group": "lineage"}, "has no column 'lineage'"),
        ("model,score,ppo\na,1\n", {}, "line 2 has 2 fields"),
    ],
)
def test_unfit_tables_are_rejected_in_one_line(tmp_path, text, options, message):
    path = write(tmp_path / "table.csv", text)
    with pytest.raises(InputError, match=message) as error:
        analyze([path], CorrelateOptions(**options))
    assert len(str(error.value).splitlines()) == 1


def test_unfit_joins_and_json_are_rejected(tmp_path):
    with pytest.raises(InputError, match="There is nothing to correlate"):
        analyze([], CorrelateOptions())
    first = write(tmp_path / "a.csv", "model,score\na,1\na,2\n")
    second = write(tmp_path / "b.csv", "model,ppo\nx,1\ny,2\n")
    with pytest.raises(InputError, match="'a' occurs twice in the column 'model'"):
        analyze([first, second], CorrelateOptions())
    write(first, "model,score\na,1\nb,2\n")
    with pytest.raises(InputError, match="have no model in common"):
        analyze([first, second], CorrelateOptions())
    ragged = write(tmp_path / "r.json", '{"columns": ["a", "b"], "rows": [[1, 2], [3]]}')
    with pytest.raises(InputError, match="row 2: there must be 2 cells"):
        analyze([ragged], CorrelateOptions())


@pytest.mark.parametrize("seeds", [1, 3, 20])
def test_the_self_test_passes(seeds):
    assert selftest(seeds).missed() == []


@pytest.mark.slow
def test_the_full_self_test_passes():
    assert selftest().missed() == []
