import hashlib
import json
from dataclasses import asdict
from datetime import date
from math import inf, nan

import numpy as np
import pytest

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.metrics import completion_hashes, summarize
from rewardbench.types import Item, ItemScores, Result, Rule, Suite


def user(text):
    return ({"role": "user", "content": text},)


def answers(*texts):
    return tuple(({"role": "assistant", "content": text},) for text in texts)


SUITE = Suite(
    "toy",
    "r1",
    (
        Item("p1", "pairs", user("Hi?"), answers("yes", "no"), group="m1", meta={"source": "s", "id": 7, "scores": 9}),
        Item(
            "p2",
            "pairs",
            ({"role": "system", "content": "Be kind."}, *user("Again?")),
            answers("yes", ""),
            problem="empty response",
            meta={
                "day": date(2024, 5, 1),
                "odd": nan,
                "array": np.array([1.5, np.inf]),
                "tags": {"a"},
                "lone": "\ud83d",
            },
        ),
        Item("b1", "best", user("Which?"), answers("a", "b", "c", "d"), meta={"text_chosen": "theirs"}),
        Item("m1", "chat", user("Say."), answers("said"), num_correct=0),
    ),
    {"pairs": Rule("Chat"), "best": Rule("Best", "best_of_n"), "gone": Rule("Gone")},
)
SCORES = (
    ItemScores("p1", (1.5, 0.1 + 0.2), tokens=(3, 4), texts=("<u>Hi?<a>yes", "<u>Hi?<a>no"), truncated=True),
    ItemScores("p2", (nan, nan), reason="empty response"),
    ItemScores("b1", (2.0, 2.0, 1.0, 0.0), tokens=(1, 1, 1, 1), texts=("a", "b", "c", "d")),
    ItemScores("m1", (-0.25,), tokens=(2,), texts=("said",)),
)


def result_of(scores=SCORES, suite=SUITE, **manifest):
    estimates = summarize(suite, scores)
    manifest = {"fingerprint_sha256": "ab12", "notes": ["One."], **manifest}
    figures = (estimates.score, estimates.accuracy, estimates.sections, estimates.subsets, estimates.mirrors)
    return Result(suite.name, suite.revision, "org/model", "Seq. Classifier", *figures, tuple(scores), manifest)


def write(folder, result, suite=SUITE):
    path = folder / "model.json"
    rows = "".join(map(results.dump, results.to_rows(result, suite))).encode()
    results.outputs_path(path).write_bytes(rows)
    summary = results.to_summary(result) | {results.OUTPUTS_HASH: hashlib.sha256(rows).hexdigest()}
    path.write_text(results.dump(summary, indent=2))
    return path


def test_summary_has_all_fields_of_rewardbench_0_1():
    data = results.to_summary(result_of(model={"ref_model": None, "tokenizer": "tok", "chat_template": "own"}))
    theirs = ("accuracy", "num_prompts", "model", "ref_model", "tokenizer", "chat_template", "extra_results")
    assert {key: data[key] for key in theirs} == {
        "accuracy": 0.5,  # p1 earns 1, p2 nothing, b1 1/2, and m1 holds no preference
        "num_prompts": 4,
        "model": "org/model",
        "ref_model": None,
        "tokenizer": "tok",
        "chat_template": "own",
        "extra_results": {"pairs": 0.5, "best": 0.5},
    }


def test_summary_has_every_estimate_with_its_counts():
    data = results.to_summary(result_of())
    assert data["schema"] == 1
    assert (data["suite"], data["revision"], data["model_type"]) == ("toy", "r1", "Seq. Classifier")
    assert data["subsets"][0] | {"low": 0, "high": 0} == {
        "name": "pairs",
        "n": 2,
        "value": 0.5,
        "low": 0,
        "high": 0,
        "ties": 0,
        "unscored": 1,
        "truncated": 1,
        "section": "Chat",
    }
    assert [section["name"] for section in data["sections"]] == ["Chat", "Best", "Gone", "chat"]
    assert data["subsets"][2]["value"] is None
    assert 0 < data["score"]["low"] < data["score"]["value"] == 0.5 < data["score"]["high"] < 1
    assert data["mirrors"] == []
    assert data["manifest"]["notes"] == ["One."]


def test_row_of_a_pair_has_all_columns():
    row = next(results.to_rows(result_of(), SUITE))
    assert row == {
        "id": "p1",
        "subset": "pairs",
        "group": "m1",
        "prompt": "Hi?",
        "results": 1,
        "credit": 1.0,
        "reason": None,
        "num_correct": 1,
        "scores": [1.5, 0.30000000000000004],
        "texts": ["<u>Hi?<a>yes", "<u>Hi?<a>no"],
        "tokens": [3, 4],
        "truncated": True,
        "scores_chosen": 1.5,
        "scores_rejected": 0.30000000000000004,
        "text_chosen": "<u>Hi?<a>yes",
        "text_rejected": "<u>Hi?<a>no",
        "completion_hashes": list(completion_hashes(SUITE.items[0])),
        "source": "s",
    }


def test_unscored_row_counts_as_wrong_with_a_reason():
    row = list(results.to_rows(result_of(), SUITE))[1]
    assert (row["results"], row["credit"], row["reason"]) == (0, 0.0, "empty response")
    assert (row["scores"], row["scores_chosen"], row["text_chosen"]) == ([None, None], None, None)
    assert row["prompt"] == "system: Be kind.\n\nuser: Again?"
    assert (row["day"], row["odd"], row["array"], row["tags"]) == ("2024-05-01", None, [1.5, None], ["a"])
    assert json.loads(results.dump(row))["lone"] == "\ud83d"


def test_other_rows_have_no_pair_columns():
    best, chat = list(results.to_rows(result_of(), SUITE))[2:]
    assert (best["results"], best["credit"], best["num_correct"]) == (0.5, 0.5, 1)
    assert "text_chosen" not in best
    assert (chat["results"], chat["credit"], chat["scores"]) == (None, None, [-0.25])


def test_a_score_that_is_not_finite_gets_a_reason():
    scores = (ItemScores("p1", (inf, 1.0)), ItemScores("p2", (1.0, nan)), *SCORES[2:])
    first, second, *_ = results.to_rows(result_of(scores), SUITE)
    assert (first["scores"], first["reason"]) == ([None, 1.0], "score is infinite")
    assert (second["scores"], second["reason"]) == ([1.0, None], "score is NaN")


def test_result_survives_writing_and_reading(tmp_path):
    result = result_of(batch={"tokens": 4096, "noise": 1e-3}, seed=0)
    assert repr(asdict(results.read_result(write(tmp_path, result)))) == repr(asdict(result))


def test_settings_that_are_not_finite_become_null(tmp_path):
    again = results.read_result(write(tmp_path, result_of(noise=nan)))
    assert again.manifest["noise"] is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not JSON"),
        ("[1]", "no schema number"),
        ('{"accuracy": 0.5}', "no schema number"),
        ('{"schema": 2}', "has schema 2"),
        ('{"schema": 1}', "not a valid result"),
        ('{"schema": 1, "suite": "s", "revision": "r", "model": "m", "manifest": {}}', "not a valid result"),
    ],
)
def test_invalid_files_get_a_one_line_error(tmp_path, content, sentence):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=sentence):
        results.read_result(path)


def test_missing_files_get_a_one_line_error(tmp_path):
    with pytest.raises(InputError, match=r"Cannot read a result from .*none\.json"):
        results.read_result(tmp_path / "none.json")
    path = write(tmp_path, result_of())
    results.outputs_path(path).unlink()
    with pytest.raises(InputError, match=r"Cannot read the per-item scores from .*model_outputs\.jsonl"):
        results.read_result(path)


def test_outputs_of_another_run_are_refused(tmp_path):
    path = write(tmp_path, result_of())
    with results.outputs_path(path).open("a") as file:
        file.write("{}\n")
    with pytest.raises(InputError, match="not the outputs file of its summary"):
        results.read_result(path)


def test_json_is_strict_and_ascii():
    assert results.dump({"score": nan, "margins": (inf, 1.5)}) == '{"score": null, "margins": [null, 1.5]}\n'
    assert results.dump({"text": "é\u2028"}) == '{"text": "\\u00e9\\u2028"}\n'


def test_identity_is_suite_revision_and_fingerprint():
    base = results.to_summary(result_of())
    same = results.to_summary(result_of(batch=1, notes=[]))
    assert results.identity(base) == results.identity(same)
    others = [base | {"suite": "x"}, base | {"revision": "r2"}, results.to_summary(result_of(fingerprint_sha256="cd"))]
    assert len({results.identity(summary) for summary in (base, *others)}) == 4


def test_without_a_fingerprint_the_model_is_its_name():
    base = results.to_summary(result_of(fingerprint_sha256=None))
    assert results.identity(base) != results.identity(base | {"model": "org/other"})
