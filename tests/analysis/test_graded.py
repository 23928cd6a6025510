"""Margins against label strengths: hand-computed cases, planted truth, conversions of Likert scales, and bad input."""

import json

import numpy as np
import pytest
import synthetic
from scipy.stats import spearmanr
from terminal import run

from rewardbench import evaluate
from rewardbench.analysis import graded
from rewardbench.analysis.graded import likert, statistics
from rewardbench.errors import InputError
from rewardbench.types import Item, ItemScores, Message, Rule, Suite

OPTIONS = graded.GradedOptions(resamples=200)


def make_suite(strengths, ties=0, sections=("Chat",), group=0):
    """Return a suite of an item for each strength, in clusters of `group` items, and `ties` ties by their label."""
    items = []
    for n, strength in enumerate([*strengths, *[0.0] * ties]):
        is_tie = n >= len(strengths)
        item = Item(
            id=f"r{n}",
            subset=sections[n % len(sections)],
            prompt=(Message(role="user", content=f"Which ferry leaves pier {n}?"),),
            completions=tuple((Message(role="assistant", content=f"{word} {n}"),) for word in ("green", "red")),
            num_correct=0 if is_tie else 1,
            group=f"g{n // group}" if group else "",
            label_strength=strength,
        )
        items.append(item)
    return Suite("graded", "r1", tuple(items), {section: Rule(section) for section in sections})


def stored(folder, suite, margins, model="m"):
    item_scores = [ItemScores(item.id, (gap, 0.0)) for item, gap in zip(suite.items, margins, strict=True)]
    return synthetic.store(folder, suite, item_scores, model)


def planted(count, slope, seed, ties=0, **layout):
    """Return a suite with strengths from 1 to 3, and margins that grow by `slope` with the strength."""
    random = np.random.default_rng(seed)
    strengths = random.integers(1, 4, count).astype(float)
    margins = slope * strengths + random.normal(size=count)
    suite = make_suite(strengths.tolist(), ties, **layout)
    return suite, [*margins.tolist(), *random.normal(scale=0.5, size=ties).tolist()]


def test_spearman_agrees_with_scipy_also_on_repeated_items():
    random = np.random.default_rng(3)
    x, y = random.integers(0, 5, 60).astype(float), random.normal(size=60)
    y[:20] = x[:20]
    assert statistics.spearman(x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    weights = random.integers(0, 4, 60)
    repeated = spearmanr(np.repeat(x, weights), np.repeat(y, weights)).statistic
    assert statistics.spearman(x, y, weights.astype(float)) == pytest.approx(repeated, abs=1e-12)
    assert np.isnan(statistics.spearman(x, np.zeros(60)))


def test_a_hand_computed_report(tmp_path):
    strengths, margins = [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3], [-1, 1, 2, -2, 1, 2, 3, -1, 3, 4, 5, 6]
    report = graded.analyze([stored(tmp_path, make_suite(strengths), margins)], OPTIONS)
    assert report.values["items"] == 12
    assert report.values["levels"] == 3
    assert report.values["accuracy"] == pytest.approx(9 / 12)
    assert report.values["spearman"] == pytest.approx(spearmanr(strengths, margins).statistic)
    levels = report.details["levels"]
    spread = np.std(margins)
    assert [level["accuracy"]["value"] for level in levels] == [0.5, 0.75, 1.0]
    assert [level["margin"]["value"] * spread for level in levels] == pytest.approx([0.0, 1.25, 4.5])
    assert (
        "prefers the right response in 50.0 % of the weakest preferences and in 100.0 % of the str" in report.sentence
    )


def test_a_planted_slope_is_measured_and_ties_stay_out(tmp_path):
    suite, margins = planted(600, 0.8, 0, ties=40)
    report = graded.analyze([stored(tmp_path, suite, margins)], OPTIONS)
    values = report.values
    expected = spearmanr([item.label_strength for item in suite.items[:600]], margins[:600]).statistic
    assert (values["items"], values["ties"]) == (600, 40)
    assert values["spearman"] == pytest.approx(expected)
    assert values["spearman_low"] < expected < values["spearman_high"]
    assert values["tie_gap_ratio"] < 0.4
    assert any("40 ties by their label" in note for note in report.notes)


def test_without_a_slope_the_interval_covers_0(tmp_path):
    suite, margins = planted(400, 0.0, 1)
    report = graded.analyze([stored(tmp_path, suite, margins)], OPTIONS)
    assert report.values["spearman_low"] < 0 < report.values["spearman_high"]
    assert "do not use them as weights" in report.sentence


def test_the_interval_is_wider_where_items_share_clusters(tmp_path):
    suite, margins = planted(400, 0.5, 2)
    repeated = [gap for gap in margins[:100] for _ in range(4)]
    strengths = [item.label_strength for item in suite.items[:100] for _ in range(4)]
    widths = []
    for name, group in (("items", 0), ("clusters", 4)):
        path = stored(tmp_path / name, make_suite(strengths, group=group), repeated)
        values = graded.analyze([path], OPTIONS).values
        widths.append(values["spearman_high"] - values["spearman_low"])
    assert widths[1] > 1.6 * widths[0]


def test_the_interval_covers_the_truth_as_often_as_it_says():
    truth = statistics.spearman(*sample(200_000, 99))
    covered = 0
    for seed in range(60):
        strengths, margins = sample(150, seed)
        clusters = np.arange(150)
        scores = statistics.GradedScores(
            "m", margins, strengths, margins > 0, np.full(150, "all"), clusters, np.empty(0), 0, 0
        )
        interval = statistics.estimate_spearman(scores, 200, seed)
        covered += interval.low <= truth <= interval.high
    assert covered >= 52


def sample(count, seed):
    random = np.random.default_rng(seed)
    strengths = random.integers(1, 4, count).astype(float)
    return strengths, strengths + 2 * random.normal(size=count)


def test_a_mean_margin_has_the_error_of_its_clusters():
    margins = np.random.default_rng(7).normal(1.0, 2.0, 40)
    parts = (margins, np.ones(40), margins > 0, np.full(40, "all"))
    for size in (1, 4):
        clusters = np.arange(40) // size
        mean = statistics.estimate_margin(statistics.GradedScores("m", *parts, clusters, np.empty(0), 0, 0))
        error = np.std([margins[clusters == cluster].mean() for cluster in set(clusters.tolist())], ddof=1)
        assert mean.value == pytest.approx(margins.mean())
        assert mean.high - mean.value == pytest.approx(1.959964 * error / (40 / size) ** 0.5)


def test_models_are_compared_on_the_same_resamples(tmp_path):
    suite, margins = planted(300, 0.8, 4)
    noise = np.random.default_rng(5).normal(scale=2, size=300)
    noisy = (np.array(margins) + noise).tolist()
    paths = [stored(tmp_path, suite, gaps, name) for gaps, name in ((noisy, "noisy"), (margins, "clear"))]
    values = graded.analyze(paths, OPTIONS).values
    assert values["spearman_difference_2"] == pytest.approx(values["spearman_2"] - values["spearman"])
    assert 0 < values["spearman_difference_2_low"] < values["spearman_difference_2"]
    same = graded.analyze([paths[0], paths[0]], OPTIONS).values
    assert (same["spearman_difference_2_low"], same["spearman_difference_2_high"]) == (0, 0)


def test_sections_levels_and_unscored_items_are_reported(tmp_path):
    suite, margins = planted(200, 1.0, 6, sections=("Chat", "Code"))
    margins[0] = float("nan")
    report = graded.analyze([stored(tmp_path, suite, margins)], graded.GradedOptions(resamples=200, levels=2))
    assert [row[1:3] for row in report.tables[0].rows] == [["Chat", 99], ["Code", 100], ["all", 199]]
    assert report.values["levels"] == 2
    assert any("1 items are unscored by m" in note for note in report.notes)


def test_equal_margins_have_no_correlation(tmp_path):
    report = graded.analyze([stored(tmp_path, make_suite([1, 2, 3] * 5), [1.0] * 15)], OPTIONS)
    assert np.isnan(report.values["spearman"])
    assert "gives every pair the same margin" in report.sentence


@pytest.mark.parametrize(
    ("strengths", "message"),
    [
        ([1.0] * 20, "all labels have the strength 1, so it orders nothing"),
        ([1.0, 2.0] * 2, "has 4 scored preferences with a label strength, and the correlation needs 10"),
        ([None] * 20, "has 0 scored preferences with a label strength.*; 20 preferences have none"),
    ],
)
def test_unfit_results_are_rejected(tmp_path, strengths, message):
    path = stored(tmp_path, make_suite(strengths), [1.0] * len(strengths))
    with pytest.raises(InputError, match=message):
        graded.analyze([path], OPTIONS)


def test_no_result_is_rejected():
    with pytest.raises(InputError, match="graded reads results"):
        graded.analyze([], OPTIONS)


def test_the_command_reads_strengths_from_the_data(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = []
    for n in range(24):
        row = {"id": f"q{n}", "prompt": f"How long is route {n}?", "response_a": "long " * (n + 2), "response_b": "It"}
        rows.append({**row, "likert_7": 1 + n % 3})
    (tmp_path / "graded.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    unlabelled = [{**row, "winner": "model_a"} for row in rows]
    path = evaluate("baseline/longest", unlabelled).save(tmp_path)
    code, _, error = run(capsys, "analyze", "graded", path)
    assert (code, "24 preferences have none" in error) == (2, True)
    code, output, _ = run(capsys, "analyze", "graded", path, "--dataset", "graded.jsonl", "--resamples", 100)
    assert code == 0
    assert "items=24\n" in output
    assert (tmp_path / "analysis" / "graded.png").is_file()
    (tmp_path / "other.jsonl").write_text(json.dumps({**rows[0], "id": "z"}) + "\n")
    code, _, error = run(capsys, "analyze", "graded", path, "--dataset", "other.jsonl")
    assert (code, "has none of the items" in error) == (2, True)


@pytest.mark.parametrize("points", range(2, 12))
def test_points_of_a_scale_survive_conversions(points):
    probabilities = [likert.likert_to_probability(point, points) for point in range(1, points + 1)]
    assert sorted(probabilities, reverse=True) == probabilities
    assert np.mean(probabilities) == pytest.approx(0.5)
    assert 0 < probabilities[-1] < probabilities[0] < 1
    assert [likert.probability_to_likert(value, points) for value in probabilities] == list(range(1, points + 1))


@pytest.mark.parametrize(
    ("convert", "arguments"),
    [
        (likert.likert_to_probability, (0, 7)),
        (likert.likert_to_probability, (8, 7)),
        (likert.likert_to_probability, (1, 1)),
        (likert.probability_to_likert, (1.5, 7)),
    ],
)
def test_values_beyond_a_scale_are_rejected(convert, arguments):
    with pytest.raises(InputError):
        convert(*arguments)


def test_the_self_test_reaches_its_bounds():
    report = graded.selftest()
    assert report.missed() == []
    assert report.values["seeds"] == 20
    assert report.values["spearman_pm1"] < report.values["spearman_levels"] < report.values["spearman_soft"]
    assert report.values["accuracy_pm1"] < report.values["accuracy_soft"]


@pytest.mark.slow
def test_100_000_items_take_less_than_a_minute(tmp_path):
    import time

    suite, margins = planted(100_000, 0.3, 7, ties=1000, sections=("Chat", "Code", "Math"))
    path = stored(tmp_path, suite, margins)
    start = time.perf_counter()
    report = graded.analyze([path], graded.GradedOptions())
    assert report.values["items"] == 100_000
    assert time.perf_counter() - start < 60
