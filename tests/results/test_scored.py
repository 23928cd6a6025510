"""Test reading stored scores of this version and of rewardbench 0.1."""

import json
from math import isnan

import pytest
import synthetic

from rewardbench.errors import InputError
from rewardbench.metrics import measure, summarize
from rewardbench.results.scored import read_scored


def test_our_files_give_the_same_scores(tmp_path):
    suite = synthetic.mirrors(20)
    item_scores = synthetic.scores(suite, 0.7)
    path = synthetic.store(tmp_path, suite, item_scores, "org/model")
    for name in (path, path.with_name("model_outputs.jsonl")):
        read = read_scored(name)
        assert (read.model, read.suite.name, read.suite.revision) == ("org/model", "toy", "r1")
        assert [item.scores for item in read.items] == [item.scores for item in item_scores]
        assert summarize(read.suite, read.items) == summarize(suite, item_scores)


def test_rows_with_another_hash_are_rejected(tmp_path):
    suite = synthetic.mirrors(3)
    path = synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.7), "model")
    outputs = path.with_name("model_outputs.jsonl")
    outputs.write_text(outputs.read_text().replace('"right 1"', '"other 1"') + "\n")
    with pytest.raises(InputError, match="not the outputs file of its summary"):
        read_scored(path)


def rows(path, *records):
    path.write_text("".join(json.dumps(row) + "\n" for row in records))
    return path


def pair(chosen, rejected, **columns):
    return {"prompt": "p", "results": 1, "scores_chosen": chosen, "scores_rejected": rejected, **columns}


def test_files_of_the_0_1_command_line_are_read(tmp_path):
    summary = {"accuracy": 0.5, "num_prompts": 2, "model": "org/m", "extra_results": {}}
    (tmp_path / "m.json").write_text(json.dumps(summary))
    records = (pair([1.5], [0.5], subset="xstest-should-refuse"), pair(0.1, 0.2, subset="hep-go"))
    rows(tmp_path / "m_outputs.jsonl", *records)
    for name in ("m.json", "m_outputs.jsonl"):
        read = read_scored(tmp_path / name)
        assert read.model == "org/m"
        assert [item.scores for item in read.items] == [(1.5, 0.5), (0.1, 0.2)]
        assert read.suite.name == "reward-bench", "by its subsets"
        assert {name: mean.value for name, mean in measure(read.suite, read.items).section_means("pair").items()} == {
            "Safety": 1.0,
            "Reasoning": 0.0,
        }


def test_column_files_of_0_1_results_repositories_are_read(tmp_path):
    columns = {
        "model": "org/m",
        "model_type": "Seq. Classifier",
        "id": [3, 4],
        "subset": ["alpacaeval-easy", "mt-bench-easy"],
        "text_chosen": ["a", "b"],
        "text_rejected": ["c", "d"],
        "results": [1, 0],
        "scores_chosen": [[2.0], [0.0]],
        "scores_rejected": [[1.0], [1.0]],
    }
    (tmp_path / "m.json").write_text(json.dumps(columns))
    read = read_scored(tmp_path / "m.json")
    assert [item.id for item in read.suite.items] == ["3", "4"]
    assert [item.completions[1][0]["content"] for item in read.suite.items] == ["c", "d"]
    assert [item.scores for item in read.items] == [(2.0, 1.0), (0.0, 1.0)]


def test_rewardbench_2_columns_with_ties_and_best_of_4_are_read(tmp_path):
    columns = {
        "id": ["0", "ref:1", "tied:1"],
        "subset": ["Math", "Ties", "Ties"],
        "scores": [[2, 2, 0, 1], [1, 0], [5, 4, 1]],
        "num_correct": [1, 1, 2],
        "text": [["a", "b", "c", "d"], ["a", "b"], ["a", "b", "c"]],
    }
    (tmp_path / "m.json").write_text(json.dumps(columns))
    read = read_scored(tmp_path / "m.json")
    means = measure(read.suite, read.items).section_means("pair")
    assert read.suite.name == "reward-bench-2"
    assert means["Math"].value == 0.5
    assert means["Ties"].value == pytest.approx(0.3 + 0.3 + 0.2 * 1 + 0.2 * 0 + 0.01 * 0)


def test_verdicts_without_scores_and_missing_scores_are_read(tmp_path):
    path = rows(tmp_path / "judge.jsonl", {"results": 1}, {"results": 0}, {"results": 0.5}, pair(None, 1.0))
    read = read_scored(path)
    assert [item.scores for item in read.items[:3]] == [(1, 0), (0, 1), (0.5, 0.5)]
    assert isnan(read.items[3].scores[0])
    assert measure(read.suite, read.items).total("pair").value == 0.25
    assert read.model == "judge"


def test_verdicts_of_a_judge_with_null_scores_are_read(tmp_path):
    """rewardbench 0.1 writes them for generative judges, as rows and as columns."""
    verdicts = [1, 0, 0.5, 1.0]
    records = [pair(None, None, results=verdict, id=str(n)) for n, verdict in enumerate(verdicts)]
    for row, verdict in zip(records, verdicts, strict=True):
        row["results"] = verdict
    columns = {name: [row[name] for row in records] for name in records[0]} | {"scores_chosen": [[None]] * 4}
    (tmp_path / "columns.json").write_text(json.dumps(columns))
    for path in (rows(tmp_path / "rows.jsonl", *records), tmp_path / "columns.json"):
        read = read_scored(path)
        assert [item.scores for item in read.items] == [(1, 0), (0, 1), (0.5, 0.5), (1, 0)]
        assert measure(read.suite, read.items).total("pair").value == 0.5
    unscored = rows(tmp_path / "unscored.jsonl", pair(None, None, reason="too long"))
    assert isnan(read_scored(unscored).items[0].scores[0]), "that is no verdict"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "has no per-item scores"),
        ('{"results": 7}', "row 1, has no scores"),
        ("[1]", "not a JSON object"),
        ("{", "line 1, is not JSON"),
        ('{"prompt": "p"}', "row 1, has no scores"),
        ('{"scores": ["a", 1]}', "row 1, has no scores"),
        ('{"scores_chosen": [1, 2], "scores_rejected": 0}', "row 1, has no scores"),
        ('{"id": 1, "results": 1}\n{"id": 1, "results": 0}', "contains item '1' twice"),
    ],
)
def test_invalid_rows_get_a_one_line_error(tmp_path, content, complaint):
    path = tmp_path / "scores.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=complaint):
        read_scored(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ("[]", "not a JSON object"),
        ('{"accuracy": 1}', "no per-item scores, and there is no x_outputs.jsonl next to it"),
        ('{"results": [1, 0], "subset": ["a"]}', "columns of different lengths"),
        ('{"schema": 99}', "reads schema 1: upgrade"),
    ],
)
def test_invalid_summaries_get_a_one_line_error(tmp_path, content, complaint):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=complaint):
        read_scored(tmp_path / "x.json")


def test_missing_file_is_reported(tmp_path):
    for name in ("x.json", "x.jsonl"):
        with pytest.raises(InputError, match=r"Cannot read .*No such file"):
            read_scored(tmp_path / name)
