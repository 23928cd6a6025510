"""Each of the hostile submissions is refused, with the reason, and writes nothing."""

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


def look(path, **more):
    """The verdict and all words of it."""
    try:
        found = check(read_submission(path), SUITE, **more)
    except InputError as error:
        return "refused", str(error)
    return verdict_of(found), " | ".join(one.message for one in found)


def test_there_are_more_than_forty():
    assert len(FIELDS) + len(ROWS) + len(FILES) > 60


def test_a_good_one_passes(tmp_path):
    assert look(write(tmp_path, *result())) == ("passed", "")


def test_a_submission_is_parsed_once(tmp_path):
    """The checks use the value that was read, and never its summary file again."""
    submission = read_submission(write(tmp_path, *result()))
    submission.path.unlink()
    assert check(submission, SUITE) == []
    assert submission.summary.model == submission.scored.model == "org/good"


@pytest.mark.parametrize("name", FIELDS)
def test_a_spoiled_field_is_refused(tmp_path, name):
    where, value, words = FIELDS[name]
    told, rows = result()
    verdict, said = look(write(tmp_path, changed(told, where, value), rows))
    assert verdict == "refused"
    assert words in said
    assert said.isascii()
    assert "<script" not in said or len(said) < 2000
    assert sorted(os.listdir(tmp_path)) == ["result.json", "result.parquet"]


@pytest.mark.parametrize("name", ROWS)
def test_spoiled_rows_are_refused(tmp_path, name):
    told, rows = result()
    verdict, said = look(write(tmp_path, told, rows_of(name, rows)))
    assert verdict == "refused"
    assert ROWS[name] in said


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_refused_before_it_is_read(tmp_path, name):
    import re

    told, table, words = FILES[name]
    path = write(tmp_path, told, result()[1], table)
    verdict, said = look(path)
    assert verdict == "refused"
    assert re.search(words, said)


def test_other_rows_than_the_summary_names_are_refused(tmp_path):
    told, rows = result()
    path = write(tmp_path, told, rows)
    results.table_path(path).write_bytes(b"others")
    assert "do not have the outputs_sha256" in look(path)[1]


@pytest.mark.parametrize("kind", ["same", "noise", "shifted", "curved"])
def test_a_copy_is_flagged(tmp_path, kind):
    import math
    import random

    told, rows = result()
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
    original = read_scored(write(tmp_path / "theirs", told, rows))
    verdict, said = look(write(tmp_path / "copy", *copied("bad/copy", change)), others=[original])
    assert (verdict, "those of org/good" in said) == ("flagged", True)


def test_another_model_is_no_copy_and_one_that_is_there_already_is_flagged(tmp_path):
    (tmp_path / "other").mkdir()
    other = read_scored(write(tmp_path / "other", *result("org/other", seed=4)))
    (tmp_path / "again").mkdir()
    again = read_scored(write(tmp_path / "again", *result()))
    assert look(write(tmp_path, *result()), others=[other]) == ("passed", "")
    assert "and the same scores" in look(write(tmp_path, *result()), others=[again])[1]


@pytest.mark.parametrize(
    ("name", "there"),
    [("org/rn-M", "org/m-m"), ("org/m0del", "org/model"), ("org/mode1", "org/model"), ("Org/Model", "org/model")],
)
def test_a_name_that_the_eye_takes_for_anothers_is_flagged(tmp_path, name, there):
    verdict, said = look(write(tmp_path, *result(name)), names=[there])
    assert (verdict, "looks like" in said) == ("flagged", True)


def test_a_size_that_does_not_fit_the_name_is_flagged(tmp_path):
    told, rows = result("org/RM-7B")
    about = told["manifest"]["model"]
    for count, verdict in ((7_300_000_000, "passed"), (999_000_000_000, "flagged"), (50_000, "flagged")):
        path = write(tmp_path, changed(told, ("manifest", "model"), {**about, "parameters": count}), rows)
        assert look(path)[0] == verdict


@pytest.mark.parametrize("name", ["baseline/longest", "baseline/random", "org/mine"])
def test_a_baseline_passes_only_with_its_own_scores(tmp_path, name):
    from rewardbench.engine.loop import score
    from rewardbench.metrics import rule_of
    from rewardbench.models.fingerprint import digest
    from rewardbench.results import assemble
    from rewardbench.scorers.baselines import Baseline
    from rewardbench.types import ItemScores

    kind = "baseline/random" if name == "org/mine" else name
    found = [ItemScores(one.id, one.scores, tokens=(0, 0)) for one in score(SUITE.items, Baseline(kind)).items]
    fingerprint = {"kind": kind, "seed": 0}
    manifest = {"fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint)}

    def submission(found):
        rows = [results.to_row(i, f, rule_of(SUITE, i.subset)) for i, f in zip(SUITE.items, found, strict=True)]
        return results.to_summary(assemble(SUITE, name, "Baseline", found, manifest)), rows

    flat = name == "baseline/longest"  # on this suite all completions of an item are equally long
    assert look(write(tmp_path, *submission(found)))[0] == ("refused" if flat else "passed")
    oracle = [ItemScores(one.id, (1.0 + n, float(n)), tokens=(0, 0)) for n, one in enumerate(found)]
    verdict, said = look(write(tmp_path, *submission(oracle)))
    assert (verdict, f"other scores than {kind}" in said) == ("refused", True)


def test_the_gap_that_a_run_gives_passes(tmp_path):
    from dataclasses import asdict, replace

    from synthetic import scores

    from rewardbench.metrics import gap

    built = replace(SUITE, items=tuple(replace(item, meta={"origin": "built"}) for item in SUITE.items))
    told, rows = result()
    own = read_scored(write(tmp_path, told, rows)).items
    figures = [asdict(one) for one in gap(built, own, built, scores(built, 0.6, 1))]

    def findings():
        return check(read_submission(write(tmp_path, {**told, "gap": figures}, rows)), built)

    assert findings() == []
    figures[1]["value"], figures[2]["value"] = figures[0]["value"], 0.0
    assert findings() == [], "fresh scores are not published"
    figures[2]["value"] = 0.1
    assert "not core minus fresh" in findings()[0].message
