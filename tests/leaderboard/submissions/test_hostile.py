"""Test that every malformed submission is refused with a reason, and nothing is written."""

import os

import pytest
from submissions import FIELDS, ROWS, SUITE, files, result, rows_of, write
from synthetic import changed

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions import check, read_submission
from rewardbench.leaderboard.submissions.checks import verdict_of
from rewardbench.results.scored import read_scored

FILES = files()


def verdict_and_messages(path, **options):
    """Return the verdict and the messages of its findings."""
    try:
        findings = check(read_submission(path), SUITE, **options)
    except InputError as error:
        return "refused", str(error)
    return verdict_of(findings), " | ".join(finding.message for finding in findings)


def test_there_are_more_than_sixty_malformed_submissions():
    assert len(FIELDS) + len(ROWS) + len(FILES) > 60


def test_valid_submission_passes(tmp_path):
    assert verdict_and_messages(write(tmp_path, *result())) == ("passed", "")


def test_submission_is_parsed_once(tmp_path):
    """The checks do not read the summary file again."""
    submission = read_submission(write(tmp_path, *result()))
    submission.path.unlink()
    assert check(submission, SUITE) == []
    assert submission.summary.model == submission.scored.model == "org/good"


@pytest.mark.parametrize("name", FIELDS)
def test_malformed_field_is_refused(tmp_path, name):
    where, value, words = FIELDS[name]
    summary, rows = result()
    verdict, messages = verdict_and_messages(write(tmp_path, changed(summary, where, value), rows))
    assert verdict == "refused"
    assert words in messages
    assert messages.isascii()
    assert "<script" not in messages or len(messages) < 2000
    assert sorted(os.listdir(tmp_path)) == ["result.json", "result.parquet"]


@pytest.mark.parametrize("name", ROWS)
def test_malformed_rows_are_refused(tmp_path, name):
    summary, rows = result()
    verdict, messages = verdict_and_messages(write(tmp_path, summary, rows_of(name, rows)))
    assert verdict == "refused"
    assert ROWS[name] in messages


@pytest.mark.parametrize("name", FILES)
def test_malformed_file_is_refused_before_its_rows_are_read(tmp_path, name):
    import re

    content, table, words = FILES[name]
    path = write(tmp_path, content, result()[1], table)
    verdict, messages = verdict_and_messages(path)
    assert verdict == "refused"
    assert re.search(words, messages)


def test_rows_with_another_hash_are_refused(tmp_path):
    summary, rows = result()
    path = write(tmp_path, summary, rows)
    results.table_path(path).write_bytes(b"others")
    assert "do not have the outputs_sha256" in verdict_and_messages(path)[1]


@pytest.mark.parametrize("kind", ["same", "noise", "shifted", "curved"])
def test_copied_scores_are_flagged(tmp_path, kind):
    import math
    import random

    summary, rows = result()
    chance = random.Random(5)
    change = {
        "same": lambda x: x,
        "noise": lambda x: x + 0.01 * chance.gauss(0, 1),
        "shifted": lambda x: 3 * x + 7,
        "curved": lambda x: math.exp(x),
    }[kind]
    from submissions import copied

    (tmp_path / "theirs").mkdir()
    (tmp_path / "copy").mkdir()
    original = read_scored(write(tmp_path / "theirs", summary, rows))
    verdict, messages = verdict_and_messages(write(tmp_path / "copy", *copied("bad/copy", change)), others=[original])
    assert (verdict, "those of org/good" in messages) == ("flagged", True)


def test_other_model_passes_and_resubmission_is_flagged(tmp_path):
    (tmp_path / "other").mkdir()
    other = read_scored(write(tmp_path / "other", *result("org/other", seed=4)))
    (tmp_path / "again").mkdir()
    again = read_scored(write(tmp_path / "again", *result()))
    assert verdict_and_messages(write(tmp_path, *result()), others=[other]) == ("passed", "")
    assert "and the same scores" in verdict_and_messages(write(tmp_path, *result()), others=[again])[1]


@pytest.mark.parametrize(
    ("name", "stored_name"),
    [("org/rn-M", "org/m-m"), ("org/m0del", "org/model"), ("org/mode1", "org/model"), ("Org/Model", "org/model")],
)
def test_lookalike_name_is_flagged(tmp_path, name, stored_name):
    verdict, messages = verdict_and_messages(write(tmp_path, *result(name)), names=[stored_name])
    assert (verdict, "looks like" in messages) == ("flagged", True)


def test_a_size_that_does_not_fit_the_name_is_flagged(tmp_path):
    summary, rows = result("org/RM-7B")
    about = summary["manifest"]["model"]
    for count, verdict in ((7_300_000_000, "passed"), (999_000_000_000, "flagged"), (50_000, "flagged")):
        path = write(tmp_path, changed(summary, ("manifest", "model"), {**about, "parameters": count}), rows)
        assert verdict_and_messages(path)[0] == verdict


@pytest.mark.parametrize("name", ["baseline/longest", "baseline/random", "org/mine"])
def test_a_baseline_passes_only_with_its_own_scores(tmp_path, name):
    from rewardbench.engine.loop import score
    from rewardbench.metrics import rule_of
    from rewardbench.models.fingerprint import digest
    from rewardbench.results import assemble
    from rewardbench.scorers.baselines import Baseline
    from rewardbench.types import ItemScores

    kind = "baseline/random" if name == "org/mine" else name
    item_scores = [ItemScores(item.id, item.scores, tokens=(0, 0)) for item in score(SUITE.items, Baseline(kind)).items]
    fingerprint = {"kind": kind, "seed": 0}
    manifest = {"fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint)}

    def submission(item_scores):
        rows = [results.to_row(i, f, rule_of(SUITE, i.subset)) for i, f in zip(SUITE.items, item_scores, strict=True)]
        return results.to_summary(assemble(SUITE, name, "Baseline", item_scores, manifest)), rows

    flat = name == "baseline/longest"  # on this suite all completions of an item are equally long
    assert verdict_and_messages(write(tmp_path, *submission(item_scores)))[0] == ("refused" if flat else "passed")
    oracle = [ItemScores(item.id, (1.0 + n, float(n)), tokens=(0, 0)) for n, item in enumerate(item_scores)]
    verdict, messages = verdict_and_messages(write(tmp_path, *submission(oracle)))
    assert (verdict, f"other scores than {kind}" in messages) == ("refused", True)


def test_consistent_gap_passes(tmp_path):
    from dataclasses import asdict, replace

    from synthetic import scores

    from rewardbench.metrics import gap

    built = replace(SUITE, items=tuple(replace(item, meta={"origin": "built"}) for item in SUITE.items))
    summary, rows = result()
    item_scores = read_scored(write(tmp_path, summary, rows)).items
    figures = [asdict(estimate) for estimate in gap(built, item_scores, built, scores(built, 0.6, 1))]

    def findings():
        return check(read_submission(write(tmp_path, {**summary, "gap": figures}, rows)), built)

    assert findings() == []
    figures[1] |= {"value": figures[0]["value"], "low": 0.0, "high": 1.0}
    figures[2] |= {"value": 0.0, "low": -0.1, "high": 0.1}
    assert findings() == [], "fresh scores are not published"
    honest = [dict(figure) for figure in figures]
    for number, change, words in (
        (2, {"value": 0.1}, "not core minus fresh"),
        (2, {"low": 0.05}, "gap, gap, is outside its interval"),
        (1, {"high": 0.01}, "gap, fresh, is outside its interval"),
        (1, {"n": 10**6}, "different numbers of mirrors"),
        (0, {"n": 10**6}, "gap, core, n"),
        (0, {"low": 0.0}, "gap, core, low"),
        (0, {"high": 1.0}, "gap, core, high"),
        (0, {"truncated": 5}, "gap, core, truncated"),
    ):
        figures[:] = [{**figure, **(change if n == number else {})} for n, figure in enumerate(honest)]
        assert words in findings()[0].message, change
