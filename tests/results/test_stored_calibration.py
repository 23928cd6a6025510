"""`--calibration`: what a result stores and prints, that it reads back, and what is rejected."""

import json
from pathlib import Path

import pytest
from synthetic import changed, scores, singles
from terminal import run

from rewardbench import evaluate
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions.checks import _check_figures
from rewardbench.leaderboard.submissions.fields import find_problems
from rewardbench.results import assemble, read_result, to_summary, with_calibration
from rewardbench.results.report import key_values
from rewardbench.results.scored import ModelScores

ROWS = [{"prompt": f"{n}?", "chosen": "x" * (5 + n % 7), "rejected": "x" * (6 + n % 3)} for n in range(60)]


@pytest.fixture(scope="module")
def suite():
    return singles(80)


@pytest.fixture(scope="module")
def measured(suite):
    item_scores = scores(suite, 0.7)
    return with_calibration(assemble(suite, "org/m", "Seq. Classifier", item_scores, {"fingerprint": {}}), suite)


def test_the_option_stores_and_prints_the_calibration(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    command = ("--model", "baseline/longest", "--dataset", "pairs.jsonl", "--no_cache")
    code, plain, _ = run(capsys, *command)
    assert code == 0
    assert "calibration" not in plain
    path = Path("results/baseline/longest.json")
    assert "calibration" not in json.loads(path.read_text())
    code, printed, _ = run(capsys, *command, "--calibration")
    assert code == 0
    stored = json.loads(path.read_text())
    assert "--calibration" in stored["manifest"]["command"]
    assert stored["calibration"]["n"] == 60
    calibration = read_result(path).calibration
    assert f"temperature={calibration.temperature:.4f}\n" in printed
    assert f"calibration.ece_scaled={calibration.after.ece:.4f}\n" in printed
    assert f"calibration: ECE {calibration.before.ece:.3f} as is" in " ".join(printed.split())


def test_python_users_pass_the_option(suite):
    result = evaluate("baseline/longest", ROWS, calibration=True)
    assert result.calibration.n == 60
    assert evaluate("baseline/longest", ROWS).calibration is None


def test_too_few_pairs_give_a_note():
    result = evaluate("baseline/longest", ROWS[:5], calibration=True)
    assert result.calibration is None
    note = "Calibration was not measured: it needs 20 scored pairs, and there are 5."
    assert note in result.manifest["notes"]


def test_margins_at_a_bound_are_printed_as_such(suite):
    item_scores = scores(suite, 1.0)
    result = with_calibration(assemble(suite, "org/m", "Seq. Classifier", item_scores, {}), suite)
    assert "temperature_at_bound=1" in list(key_values(result))


def test_a_submission_is_checked_by_its_items(suite, measured):
    record = to_summary(measured)
    scored = ModelScores("org/m", suite, measured.items, Path("m.json"))
    assert list(_check_figures(record, scored, suite)) == []
    spoiled = changed(record, ("calibration", "before", "ece"), 0.001)
    assert "calibration, before ece is stated as 0.001000" in next(_check_figures(spoiled, scored, suite))


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        (("calibration", "temperature"), "2", "calibration.temperature is '2', which is not a number"),
        (("calibration", "after", "ece"), 7.0, "calibration.after.ece is 7.0, which is not a share"),
        (("calibration", "n"), -1, "calibration.n is -1, which is not a count"),
        (("calibration", "before"), [], "calibration.before is [], which is not an object"),
    ],
)
def test_malformed_calibration_is_rejected(measured, where, value, words, tmp_path):
    record = changed(to_summary(measured), where, value)
    assert words in find_problems(record)
    path = tmp_path / "m.json"
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="is not a valid result"):
        read_result(path)
