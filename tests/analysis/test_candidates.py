"""Reading candidates: columns, missing values, selection, texts, and untrusted rows."""

import json
import time

import numpy as np
import pytest

from rewardbench.analysis.candidates import read_candidates
from rewardbench.errors import InputError

ROWS = (
    {"prompt_id": "stew", "cand_id": 1, "text": "Add the okra last.", "score": {"a": 1, "b": -2.5}, "gold": True},
    {"prompt_id": 7, "cand_id": "x", "text": "Пиши", "score": {"b": 0.5, "a": 2.0}, "gold": 0.25, "human": 4},
    {"prompt_id": "stew", "cand_id": 2, "text": "Stir.\u2028Wait.", "score": {"a": None, "b": 1e400}, "gold": None},
)


def write(folder, rows=ROWS, name="candidates.jsonl"):
    path = folder / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_columns_follow_the_rows(tmp_path):
    pool = read_candidates(write(tmp_path))
    assert (pool.prompt_ids, pool.cand_ids, pool.prompts.tolist()) == (("stew", "7"), ("1", "x", "2"), [0, 1, 0])
    np.testing.assert_equal(pool.scores["a"], [1, 2, np.nan])
    np.testing.assert_equal(pool.scores["b"], [-2.5, 0.5, np.nan])
    np.testing.assert_equal(pool.gold, [1, 0.25, np.nan])
    assert [indices.tolist() for indices in pool.by_prompt()] == [[0, 2], [1]]
    assert pool.read_texts() == ["Add the okra last.", "Пиши", "Stir.\u2028Wait."]


def test_a_plain_number_is_a_score_and_gold_may_have_another_column(tmp_path):
    row = {"prompt_id": "a", "cand_id": "b", "score": 3, "human": 4}
    pool = read_candidates(write(tmp_path, [row]), gold_column="human")
    assert pool.scores["score"].tolist() == [3]
    assert pool.gold.tolist() == [4]
    with pytest.raises(InputError, match="row 1: text must be a text, not missing"):
        pool.read_texts()


def test_a_selection_has_its_own_prompts(tmp_path):
    pool = read_candidates(write(tmp_path)).select(np.array([False, True, False]))
    assert (pool.prompt_ids, pool.cand_ids, pool.prompts.tolist(), len(pool)) == (("7",), ("x",), [0], 1)
    assert pool.read_texts() == ["Пиши"]
    empty = pool.select(np.array([False]))
    assert (len(empty), empty.by_prompt(), empty.read_texts()) == (0, [], [])


def test_a_changed_file_is_noticed(tmp_path):
    pool = read_candidates(write(tmp_path))
    write(tmp_path, ROWS[:2])
    with pytest.raises(InputError, match="has changed since it was read"):
        pool.read_texts()


def test_an_unknown_score_is_rejected(tmp_path):
    pool = read_candidates(write(tmp_path))
    assert list(pool.choose_scores()) == ["a", "b"]
    assert list(pool.choose_scores(["b"])) == ["b"]
    with pytest.raises(InputError, match="has no score 'c': it has a, b"):
        pool.choose_scores(["c"])


GOOD = '{"prompt_id": "a", "cand_id": "b", "score": 1}'


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no candidates: give rows"),
        ([GOOD, GOOD], "row 2: candidate 'b' of prompt 'a' occurs twice"),
        (["[1]"], "line 1: a row must be a JSON object"),
        ([GOOD, '{"prompt_id": '], "line 2: this is not JSON"),
        (['{"cand_id": "b", "score": 1}'], "row 1: prompt_id must be a text or an integer, not missing"),
        (['{"prompt_id": "a", "cand_id": true, "score": 1}'], "row 1: cand_id must be a text or an integer, not True"),
        (['{"prompt_id": "a", "cand_id": "b"}'], 'row 1 has no score: add "score"'),
        (['{"prompt_id": "a", "cand_id": "b", "score": {}}'], "row 1: its scores must be those of row 1"),
        ([GOOD, '{"prompt_id": "a", "cand_id": "c", "score": {"x": 1}}'], "row 2: its scores must be those of row 1"),
        (['{"prompt_id": "a", "cand_id": "b", "score": {"": 1}}'], "row 1: the name of a score has 1 to 200"),
        (
            ['{"prompt_id": "a", "cand_id": "b", "score": "high"}'],
            r"row 1: score 'score' must be a number up to 1e\+100, not 'high'",
        ),
        (
            ['{"prompt_id": "a", "cand_id": "b", "score": 1, "gold": [1]}'],
            r"row 1: gold must be a number up to 1e\+100, not \[1\]",
        ),
        (['{"prompt_id": "a", "cand_id": "b", "score": 1' + "0" * 400 + "}"], "row 1: score 'score' must be a number"),
        (['{"prompt_id": "a", "cand_id": "b", "score": -1e200}'], "row 1: score 'score' must be a number up to 1e"),
        (["[" * 100_000], "line 1: this is not JSON"),
    ],
)
def test_unfit_rows_are_rejected_in_one_line(tmp_path, rows, message):
    with pytest.raises(InputError, match=message) as error:
        read_candidates(write(tmp_path, rows))
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_file_is_rejected(tmp_path):
    with pytest.raises(InputError, match=r"none\.jsonl cannot be read: No such file"):
        read_candidates(tmp_path / "none.jsonl")


@pytest.mark.slow
def test_100_000_candidates_are_read_within_seconds(tmp_path):
    scores = np.random.default_rng(0).normal(size=100_000).tolist()
    path = tmp_path / "many.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number, score in enumerate(scores):
            row = {"prompt_id": number // 16, "cand_id": number % 16, "text": "So be it. " * 50, "score": score}
            file.write(json.dumps({**row, "gold": -score}) + "\n")
    start = time.monotonic()
    pool = read_candidates(path)
    assert len(pool.read_texts()) == 100_000
    assert time.monotonic() - start < 30
    assert pool.scores["score"].tolist() == scores
