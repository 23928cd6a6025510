"""The strength of labels in each format, and ties, which are scored and count in no accuracy."""

import json
from pathlib import Path

import pytest

from rewardbench import results
from rewardbench.comparison.compare import compare
from rewardbench.errors import InputError
from rewardbench.evaluation import evaluate
from rewardbench.lint.run import lint
from rewardbench.results import parquet
from rewardbench.results.scored import read_scored
from rewardbench.suites import load_suite

SIDES = {"prompt": "Which bus goes to Kisumu?", "response_a": "Number 12.", "response_b": "Ask the driver."}
PAIR = {"prompt": "Which bus goes to Kisumu?", "chosen": "Number 12.", "rejected": "Ask the driver."}
LIST = {"prompt": "Name a river.", "responses": ["The Tana.", "A lake.", "The Nile.", "No."]}


def load(tmp_path, *rows, **options):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_suite(str(path), **options)


def labels_of(suite):
    """Return whether the items have a preference, with the strength of their labels."""
    return [(item.has_preference, item.label_strength) for item in suite.items]


@pytest.mark.parametrize(
    ("label", "first", "strength"),
    [
        ({"preference_strength": -3}, True, 3),
        ({"preference_strength": 1}, False, 1),
        ({"overall_preference": "2"}, False, 2),
        ({"likert_8": 1}, True, 3.5),
        ({"likert_8": 5}, False, 0.5),
        ({"likert_7": 2}, True, 2),
        ({"likert_5": "5"}, False, 2),
        ({"soft_label": 0.875}, True, 0.75),
        ({"probability_a": 0.25}, False, 0.5),
        ({"score_a": 0.3, "score_b": 0.1}, True, 0.2),
        ({"rating_a": 2, "rating_b": 5}, False, 3),
        ({"winner": "A>>B"}, True, 2),
        ({"verdict": "b>a"}, False, 1),
        ({"label": "B-is-clearly-better"}, False, 2),
        ({"winner": "model_a"}, True, None),
        ({"winner": "model_b", "margin": 1.5}, False, 1.5),
    ],
)
def test_a_label_of_two_responses_has_a_strength(tmp_path, label, first, strength):
    (item,) = load(tmp_path, {**SIDES, **label}).items
    assert item.completions[0][0]["content"] == SIDES["response_a" if first else "response_b"]
    assert item.label_strength == (None if strength is None else pytest.approx(strength, abs=1e-9))
    assert item.has_preference


@pytest.mark.parametrize(
    "label",
    [
        {"preference_strength": 0},
        {"likert_7": 4},
        {"soft_label": 0.5},
        {"score_a": 3, "score_b": 3.0},
        {"winner": "tie"},
        {"winner": "A=B"},
        {"winner_model_a": 0, "winner_model_b": 0, "winner_tie": 1},
    ],
)
def test_a_tie_has_strength_0(tmp_path, label):
    suite = load(tmp_path, {**SIDES, **label})
    assert labels_of(suite) == [(False, 0.0)]
    assert "1 of 1 items are ties by their label" in suite.note


@pytest.mark.parametrize(
    ("columns", "strength"),
    [
        ({"margin": 0.5}, 0.5),
        ({"Margin": "2"}, 2),
        ({"preference_strength": -2}, 2),
        ({"score_chosen": 9.5, "score_rejected": 7}, 2.5),
        ({"chosen-rating": 5, "rejected-rating": 4}, 1),
        ({"chosen_prob": 0.75}, 0.5),
        ({"label_strength": 3, "margin": 9}, 3),
        ({"margin": None, "chosen_score": 2, "rejected_score": 1}, 1),
        ({"margin": "wide"}, None),
        ({"margin": 0}, 0),
        ({"chosen_prob": 1.5}, None),
        ({}, None),
    ],
)
def test_columns_beside_chosen_give_the_strength(tmp_path, columns, strength):
    suite = load(tmp_path, {**PAIR, **columns})
    assert labels_of(suite) == [(True, strength)]


def test_a_negative_strength_is_left_out_with_a_note(tmp_path):
    suite = load(tmp_path, {**PAIR, "margin": -0.5}, {**PAIR, "margin": 0.5})
    assert labels_of(suite) == [(True, None), (True, 0.5)]
    assert "The strength of some labels is negative" in suite.note


def test_votes_of_comments_have_the_logarithm_of_their_ratio(tmp_path):
    row = {"history": "Why is bread sour?", "human_ref_A": "Yeast.", "human_ref_B": "Age.", "labels": 0}
    (item,) = load(tmp_path, {**row, "score_ratio": 8.0}).items
    assert (item.completions[0][0]["content"], item.label_strength) == ("Age.", 3.0)


@pytest.mark.parametrize(
    ("pairs", "strengths"), [("best-worst", [4.0]), ("best-of-n", [1.0]), ("all", [1.0, 3.0, 4.0, 2.0, 3.0, 1.0])]
)
def test_scored_completions_have_the_difference_of_their_scores(tmp_path, pairs, strengths):
    suite = load(tmp_path, {**LIST, "scores": [4, 2, 5, 1]}, pairs=pairs)
    assert [item.label_strength for item in suite.items] == strengths


def test_ratings_of_single_responses_keep_ties(tmp_path):
    ratings = (("Name a river.", "The Tana.", 4), ("Name a river.", "No.", 1), ("A lake?", "Turkana.", 3))
    rows = [{"prompt": prompt, "response": text, "helpfulness": rating} for prompt, text, rating in ratings]
    suite = load(tmp_path, *rows, {"prompt": "A lake?", "response": "Victoria.", "helpfulness": 3})
    assert labels_of(suite) == [(True, 3.0), (False, 0.0)]
    assert "left out" not in suite.note
    with pytest.raises(InputError, match="no prompt has two responses with different helpfulnesss"):
        load(tmp_path, rows[2], rows[2])


def test_columns_of_other_data_are_not_read_as_a_strength(tmp_path):
    rows = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "margin": 2}]
    assert load(tmp_path, *rows).items[0].label_strength is None
    assert load(tmp_path, {**PAIR, "label_strength": "strong"}).items[0].label_strength is None


def test_a_suite_file_maps_the_strength(tmp_path):
    load(tmp_path, {**PAIR, "how_much": 2})
    path = tmp_path / "suite.yaml"
    path.write_text("name: graded\ndataset: rows.jsonl\ncolumns: {label_strength: how_much}\n")
    assert load_suite(str(path)).items[0].label_strength == 2


def test_ties_change_no_accuracy():
    rows = []
    for n, strength in enumerate((-2, 0, 1, -1, 0, 3)):
        row = {"prompt": f"How does train {n} run?", "response_a": "slowly " * (n + 1), "response_b": "Fast."}
        rows.append({"id": n, **row, "preference_strength": strength})
    figures = []
    for data in (rows, [row for row in rows if row["preference_strength"]]):
        outcomes = [evaluate(f"baseline/{model}", data) for model in ("longest", "shortest")]
        comparison = compare(*outcomes)
        flips = [flip.item.id for flip in comparison.flips]
        accuracies = [(outcome.accuracy, outcome.score, outcome.sections) for outcome in outcomes]
        figures.append((comparison.score, comparison.sections, flips, accuracies, lint(outcomes[0].data).subsets))
        assert [len(outcome.items) for outcome in outcomes] == [len(data)] * 2
    assert figures[0] == figures[1]


def test_results_and_tables_store_the_strength(tmp_path):
    outcome = evaluate("baseline/longest", [{**SIDES, "likert_7": level} for level in (1, 4, 6)])
    path = outcome.save(tmp_path)
    assert [item.label_strength for item in read_scored(path).suite.items] == [3.0, 0.0, 2.0]
    table = tmp_path / "rows.parquet"
    table.write_bytes(parquet.encode_table(results.to_rows(outcome, outcome.data)))
    assert [row["label_strength"] for row in parquet.read_table(table)] == [3.0, 0.0, 2.0]
    lines = parquet.read_jsonl(results.outputs_path(Path(path)))
    assert [row["label_strength"] for row in lines] == [3.0, 0.0, 2.0]
