"""The analysis `calibration`: planted temperatures, breakdowns, sentences, bad input, and speed."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rewardbench.analysis.calibration import reliability_bins
from rewardbench.analysis.calibration import run as calibration
from rewardbench.analysis.calibration.run import CalibrationOptions, analyze, selftest, simulate_margins
from rewardbench.console.pictures import open_figure
from rewardbench.errors import InputError
from rewardbench.metrics.calibration import calibrate
from rewardbench.results.scored import ModelScores
from rewardbench.types import Item, ItemScores, Rule, Suite


def scored(margins, model="org/model", sections=("Chat", "Safety"), group_size=1):
    """Return a result in memory whose items have these margins."""
    items, scores = [], []
    for number, margin in enumerate(margins):
        subset = f"{sections[number % len(sections)].lower()}-sub"
        group = f"g{number // group_size}" if group_size > 1 else ""
        items.append(Item(f"i{number}", subset, (), ((), ()), 1, group))
        scores.append(ItemScores(f"i{number}", (float(margin), 0.0)))
    rules = {f"{section.lower()}-sub": Rule(section) for section in sections}
    return ModelScores(model, Suite("toy", "r1", tuple(items), rules), tuple(scores), Path("m.json"))


def planted(n=3_000, temperature=2.5, seed=0):
    return simulate_margins(n, np.random.default_rng(seed), temperature)


def test_a_planted_temperature_is_recovered_and_named():
    report = analyze([scored(planted())], CalibrationOptions())
    assert report.values["temperature"] == pytest.approx(2.5, rel=0.12)
    assert report.values["temperature_low"] < 2.5 < report.values["temperature_high"]
    assert report.values["ece"] == pytest.approx(0.131, abs=0.025)
    assert report.values["ece_scaled"] < report.values["floor_high_scaled"]
    assert report.sentence.startswith("Divide the margins of org/model by 2.")
    assert report.sentence.endswith("pairs).")  # no section is worse than chance explains
    assert "which chance alone explains" in report.sentence
    assert report.values["log_loss_scaled"] < report.values["log_loss"]
    assert [row[:2] for row in report.tables[0].rows] == [["Chat", 1_500], ["Safety", 1_500]]
    json.dumps(report.to_json(), allow_nan=False)


def test_a_bin_by_hand():
    margins = np.array([0.1, 0.1, 0.1, -0.1, 4.0])
    first, last = reliability_bins(margins, np.arange(5))
    confidence = 1 / (1 + np.exp(-0.1))
    assert (first.n, first.right, first.confidence) == (4, 0.75, pytest.approx(confidence))
    assert first.chance == pytest.approx(1.959964 * (confidence * (1 - confidence) / 4) ** 0.5)
    assert first.low < 0.75 < first.high
    assert (last.n, last.right) == (1, 1.0)


def test_the_same_seed_gives_the_same_report():
    first, second = (analyze([scored(planted())], CalibrationOptions(seed=3)).to_json() for _ in range(2))
    assert first == second
    other = analyze([scored(planted())], CalibrationOptions(seed=4))
    assert other.values["ece_scaled"] != first["values"]["ece_scaled"]


def test_a_section_that_needs_another_temperature_is_named():
    margins = planted(4_000)
    margins[1::2] = -np.abs(margins[1::2]) * np.sign(np.random.default_rng(1).random(2_000) - 0.5)
    report = analyze([scored(margins)], CalibrationOptions())
    assert "worst is Chat: confidence 0.60, accuracy 0.73" in report.sentence
    assert report.tables[0].rows[1][-1] > 3 * report.tables[0].rows[0][-1]


def test_a_section_that_is_an_exception_is_named():
    sizes = np.abs(planted(4_000))
    confidence = calibration.sigmoid(sizes)
    chances = confidence + np.where(np.arange(4_000) % 2, -0.9, 0.9) * (1 - confidence)
    margins = np.where(np.random.default_rng(5).random(4_000) < chances, sizes, -sizes)
    sentence = analyze([scored(margins)], CalibrationOptions()).sentence
    assert "can be read as probabilities as they are" in sentence
    assert re.search(r"; but those of (Chat|Safety) cannot: ECE 0\.\d+, and chance gives 0\.0", sentence)


@pytest.mark.parametrize(
    ("margins", "words"),
    [
        (planted(temperature=1.0), "can be read as probabilities as they are"),
        (np.tile([1.0, -1.0], 100), "Do not read the margins"),
        (np.abs(planted(300)), "is too easy"),
        (planted() * 1e-4, "are too small for a temperature"),
        (planted() * 1e4, "are too large for a temperature"),
        (np.zeros(100), "Do not read the margins"),
        (-planted(300), "are higher for the wrong response"),
        (
            np.where(np.arange(300) % 5, np.abs(planted(300)), 0.0),
            "right on 90% of 300 pairs, and on all with a clear m",
        ),
        (np.tile(np.repeat([1.0, -1, 5, -5], [9, 1, 8, 2]), 30), "No temperature calibrates the margins"),
    ],
)
def test_what_the_sentence_says(margins, words):
    assert words in analyze([scored(margins)], CalibrationOptions()).sentence


def test_one_prompt_in_many_styles_raises_the_floor():
    margins = np.repeat(planted(200), 10)
    values = analyze([scored(margins, group_size=10)], CalibrationOptions()).values
    assert values["floor_scaled"] > 2.5 * values["floor_independent_scaled"]


def test_several_models_have_their_own_keys_rows_and_picture(tmp_path):
    models = [
        scored(planted(800, temperature), name) for temperature, name in ((2, "org/a"), (9, "org/b"), (2, "org/a"))
    ]
    report = analyze(models, CalibrationOptions(by="subset"))
    assert report.values["org_a.temperature"] == report.values["org_a_3.temperature"]
    assert report.values["org_b.temperature"] > 6
    assert "org/a has the lowest log-loss" in report.sentence
    assert [row[0] for row in report.tables[0].rows] == ["org/a", "org/b", "org/a"]
    assert [row[0] for row in report.tables[2].rows] == ["chat-sub", "safety-sub"]
    with open_figure(str(tmp_path / "c.png"), *report.size) as figure:
        report.draw(figure)
        texts = [text.get_text() for text in figure.axes[-1].get_yticklabels()]
    assert texts == ["org/a (n 800)", "org/b (n 800)", "org/a (n 800)"]


def test_small_sections_are_named_and_left_out():
    names = ["Chat", "Odd"]
    result = scored(planted(60), sections=("Chat",))
    items = tuple(replace(item, subset="odd") if n < 5 else item for n, item in enumerate(result.suite.items))
    suite = replace(result.suite, items=items, rules={**result.suite.rules, "odd": Rule("Odd")})
    report = analyze([replace(result, suite=suite)], CalibrationOptions())
    assert [row[0] for row in report.tables[0].rows] == names[:1]
    assert any("no errors: Odd" in note for note in report.notes)


def test_unfit_input_is_rejected():
    nothing = scored(np.full(30, np.nan))
    with pytest.raises(InputError, match=r"m\.json has 0 scored pairs with a preference; calibration needs at least"):
        analyze([nothing], CalibrationOptions())
    with pytest.raises(InputError, match="reads 1 to 6 results, and got 0"):
        analyze([], CalibrationOptions())


def test_margins_without_a_sum_are_rejected():
    with pytest.raises(InputError, match=r"m\.json has margins above 1e\+300: rescale the scores"):
        analyze([scored(np.tile([1e307, -1e307], 20))], CalibrationOptions())


def test_the_interval_at_the_lower_bound_contains_a_small_temperature():
    covered = 0
    for seed in range(40):
        margins = simulate_margins(50, np.random.default_rng(seed), 0.2)
        temperature = calibrate(margins, np.arange(50))
        covered += temperature.temperature_low <= 0.2 <= temperature.temperature_high
    assert covered >= 34


def test_unscored_items_are_counted():
    margins = planted(100)
    margins[:7] = np.nan
    report = analyze([scored(margins)], CalibrationOptions())
    assert report.values["n"] == 93
    assert "org/model: 7 unscored items were left out." in report.notes


def test_a_few_seeds_of_the_self_test_and_its_keys(monkeypatch):
    monkeypatch.setattr(calibration, "FLOOR_SIZES", (500,))
    monkeypatch.setattr(calibration, "SIMULATIONS", 300)
    report = selftest(2)
    assert report.values["T_max_rel_err"] < 0.08
    assert report.values["seeds"] == 2
    assert {bar.key for bar in report.bars} <= set(report.values)


@pytest.mark.slow
def test_the_self_test_keeps_its_bounds():
    assert selftest().missed() == []


@pytest.mark.slow
def test_a_hundred_thousand_items_take_seconds():
    result = scored(planted(100_000), group_size=2)
    start = time.perf_counter()
    analyze([result], CalibrationOptions())
    assert time.perf_counter() - start < 60
