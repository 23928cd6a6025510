"""Robustness: flips by hand, planted scorers, reports, and unfit options."""

import json

import pytest

from rewardbench import InputError
from rewardbench.analysis.robustness import run as robustness
from rewardbench.analysis.robustness.flips import measure_robustness
from rewardbench.analysis.robustness.planted import PlantedFragile, planted_suite
from rewardbench.analysis.robustness.run import RobustnessOptions, analyze, make_report
from rewardbench.settings import ModelSpec


@pytest.fixture(autouse=True)
def score_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path / "scores.sqlite"))


@pytest.mark.parametrize("trigger", ["typos", "list-order"])
def test_a_fragile_scorer_is_named_with_its_perturbation(trigger):
    measured = measure_robustness(PlantedFragile(trigger), planted_suite(60))
    assert measured.worst().name == trigger
    assert measured.worst().flips.low > 0.2
    assert [effect.flips.value for effect in measured.effects[1:]] == [0.0] * 7


def test_a_robust_scorer_never_flips():
    suite = planted_suite(40)
    measured = measure_robustness(PlantedFragile(""), suite)
    assert len(measured.effects) == 8
    assert {effect.flips.value for effect in measured.effects} == {effect.shift for effect in measured.effects} == {0.0}
    report = make_report(measured, suite, "both")
    assert report.sentence == "No perturbation changes a decision of robust on memory."
    assert (report.values["worst"], report.values["worst_section"]) == ("none", "none")
    assert "320 perturbed items have no check" in report.notes[0]


def test_flips_are_those_by_hand():
    """A scorer that dislikes praise flips exactly the items whose right response alone is praised."""
    suite = planted_suite(30)

    def dislikes_praise(prompt, completion):
        return float(completion.startswith("**Note**")) + int(completion.partition("Note** ")[2][:3]) / 1000

    both = measure_robustness(dislikes_praise, suite, ["flattery"])
    assert both.worst().flips.value == 0.0
    chosen = measure_robustness(dislikes_praise, suite, ["flattery"], side="chosen")
    assert (chosen.worst().flips.value, chosen.worst().before, chosen.worst().after) == (1.0, 1.0, 0.0)
    rejected = measure_robustness(dislikes_praise, suite, ["flattery"], side="rejected")
    assert rejected.worst().after == 1.0


def test_the_report_of_a_model_has_values_tables_and_a_picture(tmp_path):
    suite_file = tmp_path / "pairs.jsonl"
    lines = []
    for number in range(12):
        row = {
            "prompt": f"is it {number}",
            "chosen": f"Yes, certainly it is {number}.",
            "rejected": f"No, it is {number}",
        }
        lines.append(json.dumps({**row, "subset": "even" if number % 2 else "odd"}))
    suite_file.write_text("\n".join(lines))
    options = RobustnessOptions(
        dataset=str(suite_file), perturbation=("prefix", "whitespace"), model=ModelSpec("baseline/longest")
    )
    report = analyze([], options)
    assert (report.values["items"], report.values["perturbed"], report.values["labels_verified"]) == (12, 24, 0)
    assert report.values["flip_rate_prefix"] == 0.0
    assert [row[1:] for row in report.tables[1].rows] == [[12, 0, 0], [12, 0, 0]]
    assert {row[1] for row in report.tables[2].rows} == {"even", "odd"}
    from matplotlib.figure import Figure

    figure = Figure()
    report.draw(figure)
    assert "n = 12" in figure.axes[0].get_yticklabels()[0].get_text()


def test_a_model_that_cannot_be_loaded_is_reported_before_labels_are_verified(monkeypatch):
    monkeypatch.setattr("rewardbench.analysis.robustness.flips.perturb_suite", None)
    with pytest.raises(InputError, match="no/model"):
        analyze([], RobustnessOptions(model=ModelSpec("./no/model")))


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (["a.json"], {}, "robustness scores texts itself: pass --model and --dataset instead of a.json."),
        ([], {}, "pass --model NAME"),
        ([], {"model": ModelSpec("baseline/longest"), "perturbation": ("rhyme",)}, "There is no perturbation 'rhyme'"),
        ([], {"model": ModelSpec("baseline/longest"), "dataset": "numbers.jsonl"}, "No perturbation applies to the 1 "),
    ],
)
def test_unfit_options_are_rejected(tmp_path, monkeypatch, inputs, options, message):
    monkeypatch.chdir(tmp_path)
    row = {"text_chosen": "<user>2?<bot>2", "text_rejected": "<user>2?<bot>3"}
    (tmp_path / "numbers.jsonl").write_text(json.dumps(row))
    with pytest.raises(InputError) as error:
        analyze(inputs, RobustnessOptions(**options))
    assert message in str(error.value)


def test_items_without_scores_are_counted():
    def fails_on_praise(prompt, completion):
        return float("nan") if "!" in completion else float(len(completion))

    measured = measure_robustness(fails_on_praise, planted_suite(20), ["flattery", "whitespace"], seed=1)
    assert measured.unscored > 0


@pytest.mark.slow
def test_the_self_test_keeps_its_bounds():
    assert robustness.selftest().missed() == []
