"""Suites of solutions with labelled steps: reading, F1, results, commands; ProcessBench as its authors count it."""

import json
import re

import pytest
from head_models import make_headed, random_layers
from terminal import run

from rewardbench import compare, evaluate
from rewardbench.errors import InputError
from rewardbench.metrics.steps import best_threshold, finds_first_error, right_thresholds
from rewardbench.results.read import read_result
from rewardbench.results.scored import read_scored
from rewardbench.scorers import BaseScorer
from rewardbench.suites import load_suite, suite_of_rows
from rewardbench.types import Rule, TextRequest


class Reader(BaseScorer):
    """A process reward model whose score of a step is the number with which the step begins."""

    view = "stepwise"
    name = "org/reader"

    def __init__(self, shift=0.0):
        self.shift = shift

    def prepare(self, prompt, completion, rendered, tools=()):
        text = json.dumps(completion[-1]["steps"])
        return TextRequest(text, (text,))

    def run(self, requests):
        return [tuple(float(step.split()[0]) + self.shift for step in json.loads(r.text)) for r in requests]


def row(number, label, *scores, split="gsm8k"):
    """Return a row as ProcessBench has them; each step begins with the score that `Reader` gives it."""
    return {
        "id": f"{split}-{number}",
        "generator": "Qwen2-7B-Instruct",
        "problem": "How many apples are left?",
        "steps": [f"{score} and so on" for score in scores],
        "final_answer_correct": label < 0,
        "label": label,
    }


GSM8K = [
    row(0, 1, 0.9, 0.2, 0.1),  # found
    row(1, 0, 0.4, 0.9),  # found
    row(2, 2, 0.9, 0.8, 0.49),  # found
    row(3, 1, 0.3, 0.2),  # too early
    row(4, 1, 0.9, 0.8, 0.1),  # too late
    row(5, -1, 0.9, 0.8),
    row(6, -1, 0.5),  # at the threshold: right
    row(7, -1, 0.99, 0.98, 0.97),
    row(8, -1, 0.9, 0.1),  # a false alarm
]
MATH = [
    row(0, 0, 0.1, split="math"),
    row(1, 0, 0.9, 0.8, split="math"),
    row(2, -1, 0.9, split="math"),
    row(3, -1, 0.1, split="math"),
]


@pytest.fixture
def bench(tmp_path):
    path = tmp_path / "processbench.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in GSM8K + MATH))
    return path


def test_f1_is_the_harmonic_mean_of_both_accuracies_and_the_score_the_mean_of_splits(bench):
    result = evaluate(Reader(), str(bench), protocol="processbench")
    subsets = {estimate.name: (estimate.n, estimate.value) for estimate in result.subsets}
    assert subsets == {
        "gsm8k-error": (5, 0.6),
        "gsm8k-correct": (4, 0.75),
        "math-error": (2, 0.5),
        "math-correct": (2, 0.5),
    }
    sections = {estimate.name: estimate.value for estimate in result.sections}
    assert sections["gsm8k"] == pytest.approx(2 * 0.6 * 0.75 / 1.35)
    assert sections["math"] == pytest.approx(0.5)
    assert result.score.value == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert 0 <= result.score.low < result.score.value < result.score.high <= 1
    assert result.accuracy.value == pytest.approx(8 / 13)
    assert "--split" not in result.data.note
    rules = result.manifest["suite"]["rules"]
    assert rules["math-error"] == ["math", "first_error", None, 0.5]
    assert result.items[0].step_scores == ((0.9, 0.2, 0.1),)


def test_the_threshold_is_an_option_and_the_best_one_of_the_first_split_a_note(bench):
    result = evaluate(Reader(), str(bench), protocol="processbench", step_threshold=0.3)
    assert {estimate.name: estimate.value for estimate in result.subsets}["gsm8k-error"] == 0.4
    assert result.manifest["suite"]["rules"]["gsm8k-error"][3] == 0.3
    (note,) = [note for note in result.manifest["notes"] if note.startswith("A step counts")]
    assert note.startswith("A step counts as wrong if its score is below 0.3. The F1 of gsm8k is highest, 0.667, with ")
    best = float(re.search(r"--step_threshold ([\d.]+):", note)[1])
    tuned = evaluate(Reader(), str(bench), protocol="processbench", step_threshold=best)
    assert tuned.sections[0].value == pytest.approx(2 / 3)
    pairs = [{"prompt": "Why?", "chosen": "a", "rejected": "b"}]
    plain = evaluate("baseline/longest", pairs, step_threshold=0.2)
    assert "--step_threshold 0.2 has no effect on memory, which labels no steps." in plain.manifest["notes"][0]


@pytest.mark.parametrize(
    ("labels", "first_error"),
    [([True, True], -1), ([1, 0], 1), (["-", "+"], 0), ([1.0, 1.0], -1)],
)
def test_a_label_for_each_step_gives_the_first_wrong_one(labels, first_error):
    suite = suite_of_rows([{"prompt": "How many?", "steps": ["a", "b"], "labels": labels}])
    (item,) = suite.items
    kind = "correct" if first_error < 0 else "error"
    assert (item.first_error, item.subset, item.num_correct) == (first_error, f"all-{kind}", 0)
    assert suite.rules == {f"all-{kind}": Rule("all", "first_error")}
    assert item.completions[0][0]["steps"] == ["a", "b"]
    assert item.is_labelled
    assert not item.has_preference


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"label": 2}, "label is 2, but the 2 steps have the indices 0 to 1"),
        ({"label": True}, "label is True, not the index"),
        ({"label": "first"}, "label is 'first', not the index"),
        ({"label": 0.5}, "label is 0.5, not the index"),
        ({"label": float("inf")}, "label is inf, not the index"),
        ({"labels": [1]}, "labels has 1 values, but there are 2 steps"),
        ({"labels": "++"}, "labels is text, not a list, but there are 2 steps"),
        ({"labels": [1, 2]}, "the label of step 2 is 2: it must be true or false"),
        ({"labels": [1, None]}, "the label of step 2 is None"),
        ({"steps": []}, "steps is an empty list"),
        ({"steps": "a\n\nb"}, "steps is text, not a list of texts"),
        ({"steps": ["a", 7]}, "step 2 is a number, not text"),
    ],
)
def test_a_row_with_bad_steps_says_what_is_wrong(fields, problem):
    rows = [{"prompt": "How many?", "steps": ["a", "b"], "label": 0}, {"prompt": "?", "steps": ["a", "b"], **fields}]
    suite = suite_of_rows(rows)
    assert suite.items[1].problem.startswith(problem)


def test_a_table_in_csv_holds_the_same_items(tmp_path):
    path = tmp_path / "steps.csv"
    path.write_text('prompt,steps,label\nHow many?,"[\'a\', \'b\']",1\nWhy?,"[""a""]",-1\n')
    rows = [{"prompt": "How many?", "steps": ["a", "b"], "label": 1}, {"prompt": "Why?", "steps": ["a"], "label": -1}]
    assert load_suite(str(path)).items == tuple(suite_of_rows(rows).items)


def test_steps_without_labels_are_scored_and_count_nowhere():
    suite = suite_of_rows([{"prompt": "How many?", "steps": ["0.25 a", "0.5 b"]}])
    assert (suite.items[0].first_error, suite.rules) == (None, {})
    result = evaluate(Reader(), [{"prompt": "How many?", "steps": ["0.25 a", "0.5 b"]}])
    assert (result.items[0].scores, result.score.value) == ((0.25,), None)


def test_a_conversation_may_name_its_steps():
    turns = [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "0.25 a\n\nb\n\n0.5 c"}]
    steps = ["0.25 a\n\nb", "0.5 c"]
    result = evaluate(Reader(), [{"messages": turns, "steps": steps}])
    assert result.items[0].step_scores == ((0.25, 0.5),)
    labelled = suite_of_rows([{"messages": turns, "steps": steps, "label": 1}])
    assert (labelled.items[0].first_error, labelled.items[0].subset) == (1, "all-error")
    other = suite_of_rows([{"messages": turns, "steps": ["another text"], "label": 0}])
    assert (other.items[0].first_error, "steps" in other.items[0].completions[0][0]) == (None, False)


def test_a_model_of_whole_responses_is_rejected_before_it_scores():
    with pytest.raises(InputError, match="labels the steps of solutions, and baseline/longest gives one score per"):
        evaluate("baseline/longest", GSM8K)


def test_labels_and_steps_are_part_of_the_revision():
    revision = suite_of_rows(GSM8K).revision
    assert suite_of_rows([{**GSM8K[0], "label": 2}, *GSM8K[1:]]).revision != revision
    assert suite_of_rows([{**GSM8K[0], "steps": ["0.9", "0.2 0.1", "x"]}, *GSM8K[1:]]).revision != revision


def test_results_are_stored_read_and_compared(bench, tmp_path):
    before = evaluate(Reader(), str(bench), protocol="processbench")
    after = evaluate(Reader(-0.45), str(bench), protocol="processbench", step_threshold=0.3)
    path = before.save(tmp_path / "before")
    assert read_result(path).items == tuple(before.items)
    scored = read_scored(path)
    assert [item.first_error for item in scored.suite.items] == [line["label"] for line in GSM8K + MATH]
    rows = [json.loads(line) for line in (tmp_path / "before/org/reader_outputs.jsonl").read_text().splitlines()]
    assert rows[3]["first_error"] == 1
    assert rows[3]["credit"] == 0.0
    assert rows[3]["step_scores"] == [[0.3, 0.2]]
    comparison = compare(path, after.save(tmp_path / "after"))
    assert comparison.score.difference == pytest.approx(after.score.value - before.score.value)
    assert comparison.score.low <= comparison.score.difference <= comparison.score.high
    credits = [(a, b) for a, b in zip(before.to_pandas()["credit"], after.to_pandas()["credit"], strict=True) if a != b]
    assert len(comparison.flips) == comparison.score.wins + comparison.score.losses == len(credits) > 0
    same = compare(path, path)
    assert (same.score.difference, same.score.wins, same.score.losses) == (0, 0, 0)


def test_a_result_of_steps_is_not_published(bench, tmp_path, capsys):
    path = evaluate(Reader(), str(bench), protocol="processbench").save(tmp_path / "results")
    code, _, error = run(capsys, "submit", path, "--store", tmp_path / "board", "--license", "mit")
    assert (code, error.count("\n")) == (2, 1)
    assert "cannot be published: its figures follow from the scores of steps" in error
    assert not (tmp_path / "board").exists()


def test_the_margin_is_how_far_the_threshold_is_from_another_prediction(bench):
    frame = evaluate(Reader(), str(bench), protocol="processbench").to_pandas()
    assert frame["margin"].tolist()[:5] == pytest.approx([0.3, 0.1, 0.01, -0.2, -0.3])
    assert [value > 0 for value in frame["margin"]][:6] == [True, True, True, False, False, True]


def test_commands_take_a_process_reward_model_and_labelled_steps(bench, tmp_path, capsys):
    head = random_layers("v_head.summary", 32, 1)
    model = make_headed(tmp_path / "prm", head, architectures=["Qwen2ForPrmModel"], arch="qwen2")
    arguments = ["--model", model, "--dataset", bench, "--protocol", "processbench", "--output_dir", tmp_path / "r"]
    code, out, _ = run(capsys, *arguments, "--step_aggregation", "product", "--step_threshold", "0.99")
    assert code == 0
    lines = dict(line.split("=", 1) for line in out.splitlines() if "=" in line and ":" not in line)
    assert {"score", "section.gsm8k", "section.math", "accuracy"} <= lines.keys()
    assert "F1, acc. %" in out
    stored = json.loads((tmp_path / "r/prm.json").read_text())
    assert stored["manifest"]["run"]["step_aggregation"] == "product"
    assert "--step_aggregation product" in stored["manifest"]["command"]
    assert f"{stored['score']['value']:.4f}" == lines["score"]
    code, shown, _ = run(capsys, "show", tmp_path / "r/prm.json", "--errors", "--limit", "1")
    assert code == 0
    assert "solution [" in shown
    assert "first wrong step" in shown or "no step is wrong" in shown
    _, as_json, _ = run(capsys, "show", tmp_path / "r/prm.json", "--json", "--limit", "1")
    assert len(json.loads(as_json)["shown"][0]["step_scores"]) >= 1
    assert run(capsys, "show", tmp_path / "r/prm.json", "--html", tmp_path / "a.html")[0] == 0
    assert 'class="solution"' in (tmp_path / "a.html").read_text()
    code, compared, _ = run(capsys, "compare", tmp_path / "r/prm.json", tmp_path / "r/prm.json")
    assert (code, "difference=0.0000" in compared) == (0, True)
    code, _, error = run(capsys, "--model", "baseline/longest", "--dataset", bench)
    assert (code, error.count("\n")) == (2, 1)


def test_a_scorer_with_another_number_of_steps_is_an_error(bench):
    class Short(Reader):
        def run(self, requests):
            return [scores[:1] for scores in super().run(requests)]

    with pytest.raises(InputError, match="returned 1 scores for 3 steps"):
        evaluate(Short(), str(bench))


def test_a_part_without_one_of_the_kinds_has_no_f1(bench):
    result = evaluate(Reader(), [line for line in GSM8K if line["label"] >= 0])
    assert (result.score.value, result.accuracy.value) == (None, 0.6)


def test_an_unscored_solution_counts_as_not_found():
    result = evaluate(Reader(), [*GSM8K, row(9, 0, "nan")])
    estimates = {estimate.name: estimate for estimate in result.subsets}
    assert (estimates["all-error"].n, estimates["all-error"].value, estimates["all-error"].unscored) == (6, 0.5, 1)


def test_thresholds_at_which_a_prediction_is_right():
    assert right_thresholds([], 0) == right_thresholds([0.5], 3)
    for label, scores in [(0, (0.2, 0.9)), (1, (0.9, 0.2)), (-1, (0.9, 0.7)), (1, (0.2, 0.9))]:
        for threshold in (0.1, 0.2, 0.5, 0.7, 0.71, 0.95):
            wrong = next((n for n, score in enumerate(scores) if score < threshold), -1)
            assert finds_first_error(scores, label, threshold) == (wrong == label)


def test_the_best_threshold_is_the_best_of_a_grid():
    solutions = [([float(step.split()[0]) for step in line["steps"]], line["label"]) for line in GSM8K]
    threshold, value = best_threshold(solutions)

    def f1(at):
        hits = [(label, finds_first_error(scores, label, at)) for scores, label in solutions]
        errors = [hit for label, hit in hits if label >= 0]
        corrects = [hit for label, hit in hits if label < 0]
        a, b = sum(errors) / len(errors), sum(corrects) / len(corrects)
        return 2 * a * b / (a + b) if a + b else 0.0

    assert f1(threshold) == pytest.approx(value) == max(f1(at / 1000) for at in range(1000))
    assert best_threshold([([0.5], -1)]) is None


def test_a_suite_file_maps_columns_and_sections(tmp_path):
    path = tmp_path / "mine.jsonl"
    lines = [{"q": "How many?", "parts": ["0.9", "0.1"], "label": 1}, {"q": "Why?", "parts": ["0.8"], "label": -1}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    spec = tmp_path / "mine.yaml"
    spec.write_text(
        "name: mine\ndataset: mine.jsonl\ncolumns: {prompt: q, steps: parts}\n"
        "sections: {Maths: [all-error, all-correct]}\n"
    )
    assert load_suite(str(spec)).rules["all-error"] == Rule("Maths", "first_error")
    result = evaluate(Reader(), str(spec))
    assert [(section.name, section.value) for section in result.sections] == [("Maths", 1.0)]
