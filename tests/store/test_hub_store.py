"""Test the Hub store through the real huggingface_hub client, against a fake Hub server."""

import json
import os
import subprocess
import sys
import threading

import pytest
from hub_server import WHERE
from synthetic import mirrors, scores, store

from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.hub import Unreachable
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.submissions import review
from rewardbench.leaderboard.submissions.package import pack_submission, pull_request_text
from rewardbench.models.fingerprint import digest
from rewardbench.results import assemble
from rewardbench.store import open_store
from rewardbench.store.hub import HubStore, pack_for_hub
from rewardbench.types import ItemScores

SUITE = mirrors(20)


def result(name, share=0.8, seed=0):
    item_scores = [
        ItemScores(item.id, item.scores, tokens=(1, 1), texts=("a", "b")) for item in scores(SUITE, share, seed)
    ]
    fingerprint = {"weights": {"sha256": name}}
    manifest = {"fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint)}
    return assemble(SUITE, name, "Seq. Classifier", item_scores, manifest)


def files(server):
    repo = server.repos["org/results"]
    return sorted(repo.trees[repo.refs["main"]])


def test_result_is_committed_and_read_back(hub):
    hub_store = open_store(WHERE)
    assert isinstance(hub_store, HubStore)
    assert hub_store.put(result("me/a"), SUITE) == "me/a"
    assert files(hub) == ["README.md", "me/a.json", "me/a.parquet"]
    back = open_store(WHERE).get("me/a")
    assert back.score == result("me/a").score
    assert [item.scores for item in back.items] == [item.scores for item in result("me/a").items]
    assert open_store(WHERE).list() == ["me/a"]


def test_same_model_replaces_its_result_and_another_gets_a_new_key(hub):
    hub_store = open_store(WHERE)
    assert hub_store.put(result("me/a"), SUITE) == "me/a"
    assert hub_store.put(result("me/a", 0.9), SUITE) == "me/a"
    other = result("me/a")
    manifest = {**other.manifest, "fingerprint_sha256": "other"}
    from dataclasses import replace

    assert hub_store.put(replace(other, manifest=manifest), SUITE).startswith("me/a.toy-")


def test_load_dataset_reads_the_store(hub, tmp_path):
    open_store(WHERE).put(result("me/a"), SUITE)
    store_ = open_store(WHERE)
    refresh(store_)
    store_.save("index.parquet", store_.indexes()[0].read_bytes())
    child = """
from datasets import load_dataset
print(load_dataset("org/results", "index", split="train")["model"][:])
items = load_dataset("org/results", "scores", split="train")
print(len(items), {"id", "subset", "scores"} <= set(items.column_names))
"""
    environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "other")}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    run = subprocess.run([sys.executable, "-c", child], env=os.environ | environment, capture_output=True, text=True)
    assert run.stdout == f"['me/a']\n{len(SUITE.items)} True\n", run.stderr[-600:]


def test_concurrent_commits_lose_no_result(hub):
    errors = []

    def write(n):
        try:
            open_store(WHERE).put(result(f"me/m{n}", seed=n), SUITE)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert open_store(WHERE).list() == [f"me/m{n}" for n in range(4)]
    assert sum(path.endswith("/commit/main") for _, path in hub.requests) > 4, "somebody had to begin anew"


def test_rename_and_delete_are_commits(hub):
    hub_store = open_store(WHERE)
    hub_store.put(result("me/a"), SUITE)
    hub_store.put(result("me/b"), SUITE)
    for key in ("me/a", "me/b"):
        hub_store.save(f"verdicts/{key}.json", f'"{key}"'.encode())
    count = len(hub.repos["org/results"].trees)
    hub_store.rename("me/a", "me/c")
    hub_store.delete("me/b")
    assert files(hub) == ["README.md", "me/c.json", "me/c.parquet", "verdicts/me/c.json"]
    assert hub_store.load("verdicts/me/c.json").read_bytes() == b'"me/a"'
    assert len(hub.repos["org/results"].trees) == count + 2
    with pytest.raises(InputError, match="no result"):
        hub_store.delete("me/b")


def test_last_rows_are_shown_with_their_age_if_the_hub_is_down(hub):
    hub_store = open_store(WHERE)
    hub_store.put(result("me/a"), SUITE)
    rows = refresh(hub_store).rows
    for fault in (500, "timeout"):
        hub.fault = fault
        board = refresh(open_store(WHERE))
        assert board.rows == rows
        assert "cannot be reached" in board.offline
    hub.fault = None
    assert refresh(open_store(WHERE)).offline == ""


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (500, "cannot be reached"),
        ("timeout", "cannot be reached"),
        (403, r"does not allow it \(403\)"),
        (404, "none of that name"),
        (429, "cannot be reached"),
    ],
)
def test_each_failure_is_a_one_line_error(hub, fault, sentence):
    hub.fault = fault
    for ask in (lambda store_: store_.list(), lambda store_: store_.put(result("me/a"), SUITE)):
        with pytest.raises(InputError, match=sentence) as caught:
            ask(open_store(WHERE))
        assert "\n" not in str(caught.value)
    assert files(hub) == []


def test_truncated_download_is_a_one_line_error_and_not_cached(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)  # between its tries
    open_store(WHERE).put(result("me/a"), SUITE)
    hub.fault = "half"
    with pytest.raises(Unreachable):
        open_store(WHERE).get("me/a")
    hub.fault = None
    assert open_store(WHERE).get("me/a").model == "me/a"


def test_missing_write_permission_is_reported(hub):
    hub.readonly = True
    with pytest.raises(InputError, match="HF_TOKEN"):
        open_store(WHERE).put(result("me/a"), SUITE)


def test_a_submission_is_a_pull_request_that_is_verified_and_merged(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)
    path = store(tmp_path, SUITE, [*result("me/a").items], "me/a")
    summary = json.loads(path.read_bytes())
    summary["manifest"].update(result("me/a").manifest)
    path.write_text(json.dumps(summary))
    entry = pack_submission(path)
    hub_store = open_store(WHERE)
    assert hub_store.propose([entry], pull_request_text(entry)).endswith("/discussions/1")
    assert files(hub) == []
    with pytest.raises(SystemExit) as stop:
        main(["verify", f"{WHERE}@refs/pr/1", "--merge"])
    out = capsys.readouterr()
    assert stop.value.code == 0, out
    assert "verdict=passed" in out.out
    assert files(hub) == ["README.md", "index.parquet", "me/a.json", "me/a.parquet", "sketches.parquet"]
    assert [row.model for row in refresh(open_store(WHERE)).rows] == ["me/a"]


def verdict(capsys, number, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["verify", f"{WHERE}@refs/pr/{number}", *arguments])
    output = capsys.readouterr()
    return stop.value.code, output.out + output.err


def proposed(tmp_path, name, seed):
    """Return a packed result with everything that a submission needs."""
    folder = tmp_path / name.replace("/", "-")
    path = store(folder, SUITE, [*result(name, seed=seed).items], name)
    summary = json.loads(path.read_bytes())
    summary["manifest"].update(result(name).manifest)
    path.write_text(json.dumps(summary))
    return pack_submission(path)


def test_open_pull_requests_do_not_block_each_other(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)
    hub_store = open_store(WHERE)
    seeds = sorted(range(3), key=lambda seed: -result("me/x", seed=seed).score.value)  # who would lead is flagged
    for seed, name in zip(seeds, ("me/a", "me/b", "me/c"), strict=True):
        hub_store.propose([proposed(tmp_path, name, seed)], "words")
    assert [verdict(capsys, n, "--merge")[0] for n in (1, 2, 3)] == [0, 0, 0]
    assert open_store(WHERE).list() == ["me/a", "me/b", "me/c"]
    assert hub.repos["org/results"].closed == {1, 2, 3}


def test_merged_result_is_the_verified_one(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)
    open_store(WHERE).propose([proposed(tmp_path, "me/a", 1)], "words")
    source = review.SubmissionSource(f"{WHERE}@refs/pr/1")
    checked = review.review_submission(source)
    repo = hub.repos["org/results"]
    repo.commit("refs/pr/1", {"me/a.json": b"another", "me/a.parquet": b"thing"})
    review.merge(source, checked)
    assert repo.trees[repo.refs["main"]]["me/a.json"] != b"another"
    assert open_store(WHERE).get("me/a").model == "me/a"


def test_pull_request_cannot_replace_another_model(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)
    hub_store = open_store(WHERE)
    hub_store.put(result("me/a"), SUITE)
    repo = hub.repos["org/results"]
    before = repo.trees[repo.refs["main"]]
    summary, table, _ = proposed(tmp_path, "evil/x", 5)
    for key, changed_summary in (
        ("me/a", summary),
        ("me/a", {**summary, "model": "me/a"}),
        ("index", {**summary, "model": "index"}),
    ):
        files = {f"{key}.json": json.dumps(changed_summary).encode(), f"{key}.parquet": table}
        repo.commit("refs/pr/1", before | files)
        code, words = verdict(capsys, 1, "--merge")
        assert code == 2, words
        assert "does not belong" in words or "another model" in words or "its own files" in words
    assert repo.trees[repo.refs["main"]] == before


def test_two_results_of_one_name_in_one_commit_get_two_keys(hub):
    from dataclasses import replace

    hub_store = open_store(WHERE)
    entries = [pack_for_hub(replace(result("me/a"), suite=suite), SUITE) for suite in ("toy", "other")]
    keys = hub_store.add(entries)
    assert len(set(keys)) == 2
    assert open_store(WHERE).list() == sorted(keys)


def test_hub_failure_while_reading_loses_no_row(hub, monkeypatch):
    hub_store = open_store(WHERE)
    hub_store.put(result("me/a"), SUITE)
    refresh(hub_store)
    hub_store.put(result("me/b"), SUITE)
    fetch = HubStore._fetch

    def fails(self, name):
        if name == "me/b.json":
            raise Unreachable("a timeout")
        return fetch(self, name)

    monkeypatch.setattr(HubStore, "_fetch", fails)
    board = refresh(open_store(WHERE))
    assert ([row.key for row in board.rows], board.offline) == (["me/a"], "a timeout")
    monkeypatch.undo()
    monkeypatch.setenv("HF_TOKEN", "hf_fake")


@pytest.mark.parametrize(
    ("added", "sentence"),
    [
        ({"verdicts/me/a.json": b"{}"}, "change nothing else"),
        ({"README.md": b"x", "me/a.json": b"{}", "me/a.parquet": b"x"}, "change nothing else"),
        ({"me/a.json": b"{}"}, "change nothing else"),
        ({"me/../a.json": b"{}", "me/../a.parquet": b"x"}, "but a result is org/model.json"),
        ({"me/a.json": b" " * 5_000_000, "me/a.parquet": b"x"}, "5,000,000 bytes"),
    ],
)
def test_pull_request_with_other_changes_is_refused(hub, added, sentence, capsys):
    repo = hub.repos["org/results"]
    repo.commit("refs/pr/1", added)
    with pytest.raises(InputError, match=sentence):
        review.review_submission(review.SubmissionSource(f"{WHERE}@refs/pr/1"))
