"""Test which relations of models explain that their scores are alike: noted, not flagged, without a rank."""

import random
from dataclasses import replace

import numpy as np
import pytest
from submissions import SUITE, copied, result
from synthetic import singles

from rewardbench import results
from rewardbench.leaderboard.submissions import check, read_submission, verdict_of
from rewardbench.results.scored import read_scored


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


def find(tmp_path, name, stored, base="", seed=1):
    """Check a noisy copy of org/good under a name; return the verdict and its only finding."""
    record, rows = copied(name, noisy(seed))
    record["manifest"]["model"] = {**record["manifest"]["model"], "base_model": base}
    path = write(tmp_path / f"{name}{seed}{base}".replace("/", "_"), record, rows)
    findings = [finding for finding in check(read_submission(path), SUITE, stored) if "name" not in finding.message]
    assert len(findings) == 1, findings
    return verdict_of(findings), findings[0]


@pytest.fixture
def good(tmp_path):
    """Return the scores of org/good."""
    return read_scored(write(tmp_path / "stored", *result()))


@pytest.mark.parametrize(
    ("name", "base", "verdict"),
    [
        ("org/another-name", "", "passed"),
        ("Org/rm-8bit", "", "passed"),
        ("lab/good-bf16", "", "flagged"),
        ("lab/good-bf16", "org/good", "passed"),
        ("lab/good-GPTQ", "Org/Good", "passed"),
        ("lab/good-seed2", "meta/base", "flagged"),
        ("good-int8", "", "flagged"),
    ],
)
def test_copy_is_noted_if_it_names_its_source_or_is_of_its_organization(tmp_path, good, name, base, verdict):
    outcome, finding = find(tmp_path, name, [replace(good, base_model="meta/base")], base)
    assert outcome == verdict
    assert "its scores are those of org/good plus noise" in finding.message
    assert finding.alike == ("org/good",)  # whatever is stated, it has no rank of its own


def test_names_without_an_organization_are_unrelated(tmp_path, good):
    assert find(tmp_path, "good-bf16", [replace(good, model="good")])[0] == "flagged"


@pytest.mark.parametrize("shared", ["weights", "base_model"])
def test_claims_that_do_not_name_the_source_explain_nothing(tmp_path, good, shared):
    path = write(tmp_path / "new", *copied("lab/other", noisy(2)))
    submission = read_submission(path)
    victim = replace(good, base_model="meta/base", weights=submission.scored.weights)
    outcome, _ = find(tmp_path, "lab/other", [victim], "meta/base" if shared == "base_model" else "", seed=2)
    assert outcome == "flagged"


def test_two_quantisations_of_a_stored_model_by_others_are_noted(tmp_path, good):
    derived = replace(good, model="quants/good-GPTQ", base_model="org/good", fingerprint="2")
    for stored, verdict in (([good, derived], "passed"), ([derived], "flagged")):
        record, rows = copied("others/good-AWQ", noisy(3))
        record["manifest"]["model"] = {**record["manifest"]["model"], "base_model": "org/good"}
        findings = check(read_submission(write(tmp_path / verdict, record, rows)), SUITE, stored)
        assert verdict_of(findings) == verdict, findings
        assert {name for finding in findings for name in finding.alike} == {other.model for other in stored}


@pytest.mark.parametrize(("share", "verdict"), [(0.8, "passed"), (0.4, "flagged")])
def test_mixture_with_a_model_of_another_organization_is_flagged(tmp_path, share, verdict):
    suite = singles(600)
    rows = {name: result(name, suite=suite, seed=n, share=0.7) for n, name in enumerate(("org/a", "org/b", "lab/best"))}
    stored = [read_scored(write(tmp_path / name.replace("/", "_"), *row)) for name, row in rows.items()]
    weights = np.array([0.6 * share, 0.4 * share, 1 - share])
    mixed = {}
    for entries in zip(*(row for _, row in rows.values()), strict=True):
        scores = np.array([entry["scores"] for entry in entries])
        mixed[entries[0]["id"]] = [float(score) for score in weights @ scores]
    forged = read_submission(write(tmp_path / "new", *result("org/c", suite=suite, values=mixed)))
    findings = check(forged, suite, stored)
    assert verdict_of(findings) == verdict, findings
    assert "lab/best" in findings[0].message
    assert "lab/best" in findings[0].alike


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
