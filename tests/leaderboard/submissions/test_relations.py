"""Test which relations of models explain that their scores are alike: noted, not flagged."""

import random
from dataclasses import replace

import pytest
from submissions import SUITE, copied, result
from synthetic import singles

from rewardbench import results
from rewardbench.leaderboard.submissions import check, read_submission, verdict_of
from rewardbench.leaderboard.submissions.relations import are_variants
from rewardbench.results.scored import read_scored


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("org/rm-7b", "org/rm-7b-bf16"),
        ("org/rm-step100", "org/rm-step-200"),
        ("org/rm_ckpt-3", "Org/RM_final"),
        ("org/rm-8b-seed1", "org/rm-8b-seed2"),
        ("org/rm-1.5B-v0.1", "org/rm-7B-v0.2"),
        ("org/rm-int8", "org/rm-GPTQ-4bit"),
        ("rm-q4_k_m", "rm-fp16"),
    ],
)
def test_variants_are_recognized_by_their_names(name, other):
    assert are_variants(name, other)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("org/rm", "lab/rm"),
        ("org/rm", "org/judge"),
        ("org/7b", "org/8b"),
        ("org/good-rm", "org/better-rm"),
        ("a/x", "x"),
    ],
)
def test_other_models_are_no_variants(name, other):
    assert not are_variants(name, other)


def write(folder, record, rows):
    folder.mkdir()
    summary, table, _ = results.pack_result(record, rows)
    path = folder / "result.json"
    path.write_text(results.dump(summary))
    results.table_path(path).write_bytes(table)
    return path


def noisy(seed):
    chance = random.Random(seed)
    return lambda score: score + 0.005 * chance.gauss(0, 1)


@pytest.mark.parametrize(("name", "verdict"), [("org/good-bf16", "passed"), ("lab/good-bf16", "flagged")])
def test_quantisation_is_noted_within_its_organization_only(tmp_path, name, verdict):
    stored = read_scored(write(tmp_path / "stored", *result()))
    findings = check(read_submission(write(tmp_path / "new", *copied(name, noisy(1)))), SUITE, [stored])
    assert verdict_of(findings) == verdict
    (finding,) = findings
    assert "its scores are those of org/good plus noise" in finding.message
    assert ("variants of one model by their names" in finding.message) == (verdict == "passed")


def test_stated_base_model_and_weights_are_relations(tmp_path):
    stored = read_scored(write(tmp_path / "stored", *result()))
    record, rows = copied("org/other", noisy(2))
    model = {**record["manifest"]["model"], "base_model": "meta/base"}
    record["manifest"]["model"] = model
    new = read_submission(write(tmp_path / "new", record, rows))
    for base, verdict in (("meta/base", "passed"), ("meta/other", "flagged")):
        assert verdict_of(check(new, SUITE, [replace(stored, base_model=base)])) == verdict
    assert verdict_of(check(new, SUITE, [replace(stored, weights=new.scored.weights)])) == "passed"


def test_no_relation_explains_corrected_mistakes(tmp_path):
    suite = singles(400)
    record, rows = result(share=0.6, suite=suite)
    stored = read_scored(write(tmp_path / "stored", record, rows))
    values = {row["id"]: row["scores"] for row in rows}
    wrong = [id for id, scores in values.items() if scores[0] <= scores[1]]
    for id in wrong[: len(wrong) // 5]:
        values[id] = values[id][::-1]
    forged = write(tmp_path / "new", *result("org/good-bf16", suite=suite, values=values))
    findings = check(read_submission(forged), suite, [stored])
    assert [finding.kind for finding in findings] == ["flagged"]
    assert "its mistakes are those of org/good except for" in findings[0].message
