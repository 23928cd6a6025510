"""The store on a Hub double, through the real huggingface_hub client."""

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
    found = [ItemScores(one.id, one.scores, tokens=(1, 1), texts=("a", "b")) for one in scores(SUITE, share, seed)]
    fingerprint = {"weights": {"sha256": name}}
    told = {"fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint)}
    return assemble(SUITE, name, "Seq. Classifier", found, told)


def files(server):
    repo = server.repos["org/results"]
    return sorted(repo.trees[repo.refs["main"]])


def test_a_result_goes_there_and_comes_back(hub):
    kept = open_store(WHERE)
    assert isinstance(kept, HubStore)
    assert kept.put(result("me/a"), SUITE) == "me/a"
    assert files(hub) == ["README.md", "me/a.json", "me/a.parquet"]
    back = open_store(WHERE).get("me/a")
    assert back.score == result("me/a").score
    assert [one.scores for one in back.items] == [one.scores for one in result("me/a").items]
    assert open_store(WHERE).list() == ["me/a"]


def test_the_same_model_takes_its_own_place_and_another_a_new_one(hub):
    kept = open_store(WHERE)
    assert kept.put(result("me/a"), SUITE) == "me/a"
    assert kept.put(result("me/a", 0.9), SUITE) == "me/a"
    other = result("me/a")
    told = {**other.manifest, "fingerprint_sha256": "other"}
    from dataclasses import replace

    assert kept.put(replace(other, manifest=told), SUITE).startswith("me/a.toy-")


def test_it_is_read_by_load_dataset(hub, tmp_path):
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
    told = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "other")}
    told |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    run = subprocess.run([sys.executable, "-c", child], env=os.environ | told, capture_output=True, text=True)
    assert run.stdout == f"['me/a']\n{len(SUITE.items)} True\n", run.stderr[-600:]


def test_writers_at_once_lose_nothing(hub):
    errors = []

    def write(n):
        try:
            open_store(WHERE).put(result(f"me/m{n}", seed=n), SUITE)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert errors == []
    assert open_store(WHERE).list() == [f"me/m{n}" for n in range(4)]
    assert sum(path.endswith("/commit/main") for _, path in hub.requests) > 4, "somebody had to begin anew"


def test_a_rename_and_a_deletion_are_commits(hub):
    kept = open_store(WHERE)
    kept.put(result("me/a"), SUITE)
    kept.put(result("me/b"), SUITE)
    for key in ("me/a", "me/b"):
        kept.save(f"verdicts/{key}.json", f'"{key}"'.encode())
    count = len(hub.repos["org/results"].trees)
    kept.rename("me/a", "me/c")
    kept.delete("me/b")
    assert files(hub) == ["README.md", "me/c.json", "me/c.parquet", "verdicts/me/c.json"]
    assert kept.load("verdicts/me/c.json").read_bytes() == b'"me/a"'
    assert len(hub.repos["org/results"].trees) == count + 2
    with pytest.raises(InputError, match="no result"):
        kept.delete("me/b")


def test_when_the_hub_is_down_the_last_rows_are_shown_with_their_age(hub):
    kept = open_store(WHERE)
    kept.put(result("me/a"), SUITE)
    rows = refresh(kept).rows
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
def test_each_failure_is_one_sentence(hub, fault, sentence):
    hub.fault = fault
    for ask in (lambda store_: store_.list(), lambda store_: store_.put(result("me/a"), SUITE)):
        with pytest.raises(InputError, match=sentence) as caught:
            ask(open_store(WHERE))
        assert "\n" not in str(caught.value)
    assert files(hub) == []


def test_a_file_that_breaks_off_is_one_sentence_and_is_not_kept(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)  # between its tries
    open_store(WHERE).put(result("me/a"), SUITE)
    hub.fault = "half"
    with pytest.raises(Unreachable):
        open_store(WHERE).get("me/a")
    hub.fault = None
    assert open_store(WHERE).get("me/a").model == "me/a"


def test_who_may_not_write_is_told(hub):
    hub.readonly = True
    with pytest.raises(InputError, match="HF_TOKEN"):
        open_store(WHERE).put(result("me/a"), SUITE)


def test_a_submission_is_a_pull_request_that_is_verified_and_merged(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)
    path = store(tmp_path, SUITE, [*result("me/a").items], "me/a")
    told = json.loads(path.read_bytes())
    told["manifest"].update(result("me/a").manifest)
    path.write_text(json.dumps(told))
    entry = pack_submission(path)
    kept = open_store(WHERE)
    assert kept.propose([entry], pull_request_text(entry)).endswith("/discussions/1")
    assert files(hub) == []
    with pytest.raises(SystemExit) as stop:
        main(["verify", f"{WHERE}@refs/pr/1", "--merge"])
    out = capsys.readouterr()
    assert stop.value.code == 0, out
    assert "verdict=passed" in out.out
    assert files(hub) == ["README.md", "index.parquet", "me/a.json", "me/a.parquet"]
    assert [row.model for row in refresh(open_store(WHERE)).rows] == ["me/a"]


def verdict(capsys, number, *more):
    with pytest.raises(SystemExit) as stop:
        main(["verify", f"{WHERE}@refs/pr/{number}", *more])
    told = capsys.readouterr()
    return stop.value.code, told.out + told.err


def proposed(tmp_path, name, seed):
    """A packed result that has all that a submission needs."""
    folder = tmp_path / name.replace("/", "-")
    path = store(folder, SUITE, [*result(name, seed=seed).items], name)
    told = json.loads(path.read_bytes())
    told["manifest"].update(result(name).manifest)
    path.write_text(json.dumps(told))
    return pack_submission(path)


def test_open_pull_requests_do_not_stand_in_each_others_way(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)
    kept = open_store(WHERE)
    seeds = sorted(range(3), key=lambda seed: -result("me/x", seed=seed).score.value)  # who would lead is flagged
    for seed, name in zip(seeds, ("me/a", "me/b", "me/c"), strict=True):
        kept.propose([proposed(tmp_path, name, seed)], "words")
    assert [verdict(capsys, n, "--merge")[0] for n in (1, 2, 3)] == [0, 0, 0]
    assert open_store(WHERE).list() == ["me/a", "me/b", "me/c"]
    assert hub.repos["org/results"].closed == {1, 2, 3}


def test_what_is_merged_is_what_was_verified(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)
    open_store(WHERE).propose([proposed(tmp_path, "me/a", 1)], "words")
    asked = review.SubmissionSource(f"{WHERE}@refs/pr/1")
    found = review.review_submission(asked)
    repo = hub.repos["org/results"]
    repo.commit("refs/pr/1", {"me/a.json": b"another", "me/a.parquet": b"thing"})
    review.merge(asked, found)
    assert repo.trees[repo.refs["main"]]["me/a.json"] != b"another"
    assert open_store(WHERE).get("me/a").model == "me/a"


def test_a_pull_request_does_not_take_anothers_place(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)
    kept = open_store(WHERE)
    kept.put(result("me/a"), SUITE)
    repo = hub.repos["org/results"]
    before = repo.trees[repo.refs["main"]]
    summary, table = proposed(tmp_path, "evil/x", 5)
    for key, told in (
        ("me/a", summary),
        ("me/a", {**summary, "model": "me/a"}),
        ("index", {**summary, "model": "index"}),
    ):
        files = {f"{key}.json": json.dumps(told).encode(), f"{key}.parquet": table}
        repo.commit("refs/pr/1", before | files)
        code, words = verdict(capsys, 1, "--merge")
        assert code == 2, words
        assert "does not belong" in words or "another model" in words or "its own files" in words
    assert repo.trees[repo.refs["main"]] == before


def test_two_results_of_one_name_in_one_commit_are_two(hub):
    from dataclasses import replace

    kept = open_store(WHERE)
    entries = [pack_for_hub(replace(result("me/a"), suite=suite), SUITE) for suite in ("toy", "other")]
    keys = kept.add(entries)
    assert len(set(keys)) == 2
    assert open_store(WHERE).list() == sorted(keys)


def test_a_hub_that_fails_while_results_are_read_costs_no_row(hub, monkeypatch):
    kept = open_store(WHERE)
    kept.put(result("me/a"), SUITE)
    refresh(kept)
    kept.put(result("me/b"), SUITE)
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
def test_a_pull_request_that_does_more_is_refused(hub, added, sentence, capsys):
    repo = hub.repos["org/results"]
    repo.commit("refs/pr/1", added)
    with pytest.raises(InputError, match=sentence):
        review.review_submission(review.SubmissionSource(f"{WHERE}@refs/pr/1"))
