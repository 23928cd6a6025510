"""Test the store in a bucket through the real S3 client, against a local server with injected faults."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from bucket_server import KEY, SECRET
from repository import ROOT
from synthetic import mirrors, scores
from terminal import run

from rewardbench.errors import InputError, Unreachable
from rewardbench.leaderboard.refresh import refresh
from rewardbench.paths.objects import TRIES, Bucket
from rewardbench.results import assemble
from rewardbench.results.scored import read_scored
from rewardbench.store import open_run_store, open_store
from rewardbench.store.hub import pack_for_hub
from rewardbench.store.objects import ObjectStore
from rewardbench.types import ItemScores

SUITE = mirrors(10)
WHERE = "s3://bucket/team/results"


def result(name, share=0.8, seed=0, fingerprint=None):
    item_scores = [
        ItemScores(item.id, item.scores, tokens=(1, 1), texts=("a", "b")) for item in scores(SUITE, share, seed)
    ]
    return assemble(SUITE, name, "Seq. Classifier", item_scores, {"fingerprint_sha256": fingerprint or name})


def names():
    """Return the names of all objects of the store, without the hashes in them."""
    objects = (name for name in Bucket(WHERE).list() if name[0] != ".")
    return sorted(re.sub(r"\.[0-9a-f]{16}\.", ".", name) for name in objects)


def go_to_another_machine(monkeypatch, tmp_path, name="other"):
    """Continue without the local copies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))


def is_consistent(stored):
    """Return True if scores and figures are of one writing."""
    right = sum(item.scores[0] > item.scores[1] for item in stored.items) / len(stored.items)
    return right == pytest.approx(stored.accuracy.value)


def test_result_is_written_with_its_rows_and_read_on_another_machine(bucket, monkeypatch, tmp_path):
    assert open_store(WHERE).put(result("me/a"), SUITE) == f"{WHERE}/me/a.json"
    assert names() == ["me/a.json", "me/a_outputs.jsonl"]
    go_to_another_machine(monkeypatch, tmp_path)
    store = open_store(WHERE)
    back = store.get("me/a")
    assert back.score == result("me/a").score
    assert [item.scores for item in back.items] == [item.scores for item in result("me/a").items]
    assert back.items[0].texts == ("a", "b")
    assert store.list() == ["me/a"]
    with pytest.raises(InputError, match="no result 'me/b' in s3://bucket/team/results"):
        store.get("me/b")


def test_summary_is_written_last(bucket):
    open_store(WHERE).put(result("me/a"), SUITE)
    written = [path.rpartition("/")[2].partition(".")[0] for method, path in bucket.requests if method == "PUT"]
    assert written[-2:] == ["a_outputs", "a"]


def test_packed_results_are_added_renamed_and_deleted(bucket):
    store = open_store(WHERE)
    assert store.add([pack_for_hub(result("me/a"), SUITE)]) == ["me/a"]
    store.save("verdicts/me/a.json", b"{}")
    with pytest.raises(InputError, match="is in s3://bucket/team/results already"):
        store.add([pack_for_hub(result("me/a", 0.5), SUITE)], replace=False)
    store.add([pack_for_hub(result("me/b"), SUITE)])
    with pytest.raises(InputError, match="There is a result 'me/b'"):
        store.rename("me/a", "me/b")
    store.delete("me/b")
    store.rename("me/a", "you/c")
    assert names() == ["verdicts/you/c.json", "you/c.json", "you/c.parquet"]
    assert store.get("you/c").score == result("me/a").score
    assert store.load("verdicts/you/c.json").read_bytes() == b"{}"
    assert store.load("verdicts/me/a.json") is None
    with pytest.raises(InputError, match="no result 'me/a'"):
        store.delete("me/a")


def test_same_model_replaces_its_result_and_another_gets_a_new_key(bucket):
    store = open_store(WHERE)
    store.put(result("me/a"), SUITE)
    store.put(result("me/a", 0.4), SUITE)
    assert store.list() == ["me/a"]
    assert store.get("me/a").score == result("me/a", 0.4).score
    assert "me/a.toy-" in store.put(result("me/a", fingerprint="other"), SUITE)
    Bucket(WHERE).write("me/note.json", b"{}")
    assert "me/note.toy-" in store.put(result("me/note"), SUITE)


def test_leaderboard_index_and_marks(bucket, monkeypatch, tmp_path, capsys):
    def scores_of_rows():
        return {row.key: row.score.value for row in refresh(open_store(WHERE)).rows}

    store = open_store(WHERE)
    expected = {}
    for name, share in (("me/a", 0.1), ("me/b", 0.9)):
        store.put(result(name, share), SUITE)
        expected[name] = result(name, share).score.value
    assert scores_of_rows() == expected
    code, out, _ = run(capsys, "index", WHERE)
    assert code == 0
    assert "rows=2" in out
    go_to_another_machine(monkeypatch, tmp_path)
    bucket.requests.clear()
    assert scores_of_rows() == expected
    assert [path for _, path in bucket.requests if path.endswith("index.parquet")], "the index in the bucket is read"
    store.put(result("me/a", 1.0), SUITE)
    assert scores_of_rows() == {**expected, "me/a": 1.0}


def test_commands_read_results_in_a_bucket(bucket, capsys, tmp_path, monkeypatch):
    store = open_store(WHERE)
    before, after = (store.put(result(name, share), SUITE) for name, share in (("me/a", 0.6), ("me/b", 1.0)))
    go_to_another_machine(monkeypatch, tmp_path)
    for arguments, expected in (
        (["compare", before, after], "second=1.0000"),
        (["gate", "--baseline", before, "--candidate", after], "verdict=pass"),
        (["show", before, "--errors", "--limit", "1"], "items="),
        (["analyze", "calibration", before, "--output_dir", tmp_path / "analysis"], "calibration.json"),
        (["ensemble", before, after, "--output_dir", WHERE, "--name", "me/both"], f"results={WHERE}/me/both"),
    ):
        code, out, err = run(capsys, *arguments)
        assert code == 0, err
        assert expected in out
    assert store.get("me/both").model == "me/both"
    code, _, err = run(capsys, "show", f"{WHERE}/me/a")
    assert code == 2
    assert "must end with .json" in err


def test_folder_that_was_copied_into_a_bucket_is_read(bucket, tmp_path):
    open_run_store(tmp_path / "results").put(result("me/a"), SUITE)
    for path in (tmp_path / "results" / "me").iterdir():
        Bucket(WHERE).upload(path, f"me/{path.name}")
    assert read_scored(f"{WHERE}/me/a.json").model == "me/a"
    assert open_store(WHERE).get("me/a").score == result("me/a").score


def test_run_writes_to_a_bucket(bucket, capsys):
    code, out, _ = run(capsys, "--model", "baseline/longest", "--dataset", "core", "--limit", 20, "--output_dir", WHERE)
    assert code == 0
    assert f"results={WHERE}/baseline/longest.json" in out
    assert len(open_store(WHERE).get("baseline/longest").items) == 20


def test_unwritable_bucket_is_reported_before_scoring(bucket, capsys, monkeypatch):
    monkeypatch.setattr("rewardbench.evaluation.runs.run", lambda *_, **__: pytest.fail("scored first"))
    code, _, err = run(capsys, "--model", "baseline/longest", "--output_dir", "s3://nobody/results")
    assert code == 2
    assert "There is no bucket nobody: create it" in err


# Faults


def test_temporary_errors_are_retried(bucket):
    bucket.faults = [503, 429, "dropped", "lost", 500]
    open_store(WHERE).put(result("me/a"), SUITE)
    assert bucket.faults == []
    bucket.faults = [503, "dropped", 429]
    assert open_store(WHERE).get("me/a").score == result("me/a").score


@pytest.mark.parametrize("fault", ["lost", "dropped", 503])
@pytest.mark.parametrize("stored", [False, True])
def test_write_whose_answer_is_lost_is_not_taken_for_that_of_another_writer(bucket, fault, stored):
    objects = Bucket(WHERE)
    if stored:
        objects.write("me/a.json", b"old")
    mark = objects.info("me/a.json").mark if stored else None
    bucket.faults = [fault]
    assert objects.replace("me/a.json", b"new", mark)
    assert objects.read("me/a.json") == b"new"
    assert not objects.replace("me/a.json", b"newer", mark)
    assert objects.read("me/a.json") == b"new"


def test_slow_answer_is_a_timeout_that_is_retried(bucket, monkeypatch):
    monkeypatch.setattr("rewardbench.paths.objects.READ_TIMEOUT", 0.2)
    bucket.faults, bucket.patience = ["slow"], 0.6
    Bucket(WHERE).write("note", b"1")
    assert Bucket(WHERE).read("note") == b"1"


def test_server_that_keeps_failing_is_unreachable(bucket, monkeypatch):
    bucket.faults = [503] * TRIES
    with pytest.raises(Unreachable, match=r"^s3://bucket/team/results cannot be reached \(503, 6 attempts\)"):
        Bucket(WHERE).read("note")
    assert bucket.faults == []


def test_leaderboard_shows_local_rows_while_the_bucket_is_unreachable(bucket, monkeypatch):
    store = open_store(WHERE)
    store.put(result("me/a"), SUITE)
    refresh(store)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    board = refresh(open_store(WHERE))
    assert [row.key for row in board.rows] == ["me/a"]
    assert "cannot be reached (EndpointConnectionError" in board.offline


@pytest.mark.parametrize("command", [["index", WHERE], ["show", f"{WHERE}/me/a.json"], ["--model", "baseline/longest"]])
def test_wrong_key_is_one_sentence_without_the_key(bucket, capsys, command):
    if command[0] == "--model":
        command = [*command, "--dataset", "core-hard", "--limit", "2", "--output_dir", WHERE]
    with bucket.checking_keys():
        code, out, err = run(capsys, *command)
    assert code == 2
    assert err.count("\n") == 1
    for part in ("credentials", "not accepted", "set AWS_ACCESS_KEY_ID"):
        assert part in err
    for secret in (KEY, SECRET):
        assert secret not in out + err


def test_missing_credentials_and_right_are_named(bucket, monkeypatch):
    bucket.faults = [403]
    with pytest.raises(InputError, match=r"not accepted, or lack the right to read s3://bucket/team/results \(403\)"):
        Bucket(WHERE).info("note")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InputError, match="no credentials for s3://bucket/team/results"):
        open_store(WHERE).list()


def test_wrong_addresses(bucket, monkeypatch):
    for address, reason in (("s3://", "name of a bucket"), ("s3://AKIA:secret@bucket/x", "without a key")):
        with pytest.raises(InputError, match=reason) as error:
            open_store(address)
        assert "secret" not in str(error.value)
    with pytest.raises(InputError, match="not a valid address"):
        open_store("s3://a bucket/x").list()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs s3fs. Run pip install 'rewardbench\[s3\]'"):
        open_store(WHERE)
    with pytest.raises(InputError, match=r"needs gcsfs\. Run pip install gcsfs"):
        open_store("gs://bucket/x")
    with pytest.raises(InputError, match="A run writes to a folder or a bucket, not to hf://datasets/me/a"):
        open_run_store("hf://datasets/me/a")


# Several writers


def test_writers_of_different_models_under_one_name_lose_nothing(bucket):
    """All of them want the key me/a; every one of them gets a key."""
    errors = []

    def write(n):
        try:
            open_store(WHERE).put(result("me/a", 0.5, n, fingerprint=str(n)), SUITE)
        except Exception as error:
            errors.append(error)

    run_together([lambda n=n: write(n) for n in range(4)])
    assert errors == []
    store = open_store(WHERE)
    stored = [store.get(key) for key in store.list()]
    assert sorted(back.manifest["fingerprint_sha256"] for back in stored) == ["0", "1", "2", "3"]
    assert all(map(is_consistent, stored))


def test_writers_of_one_model_and_readers(bucket):
    """The last writer stays; readers see complete results all the time."""
    open_store(WHERE).put(result("me/a", 0.1), SUITE)
    seen, errors = [], []

    def write(share):
        for n in range(4):
            open_store(WHERE).put(result("me/a", share, n), SUITE)

    def read():
        try:
            for _ in range(8):
                seen.append(is_consistent(open_store(WHERE).get("me/a")))
        except Exception as error:
            errors.append(error)

    run_together([lambda: write(0.3), lambda: write(0.9), read])
    assert errors == []
    assert set(seen) == {True}
    assert open_store(WHERE).list() == ["me/a"]


def run_together(functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_files_of_killed_writers_are_deleted_later(bucket, monkeypatch):
    store = open_store(WHERE)
    Bucket(WHERE).write("me/a_outputs.0123456789abcdef.jsonl", b"of a writer that was killed")
    Bucket(WHERE).write("me/a.b_outputs.0123456789abcdef.jsonl", b"of another model")
    store.put(result("me/a"), SUITE)
    assert len(names()) == 4, "a recent file may belong to another writer"
    monkeypatch.setattr("rewardbench.store.objects.ABANDONED", -1.0)
    store.put(result("me/a", 0.5), SUITE)
    assert names() == ["me/a.b_outputs.jsonl", "me/a.json", "me/a_outputs.jsonl"]
    assert store.get("me/a").score == result("me/a", 0.5).score


WRITER = """
import sys
sys.path[:0] = sys.argv[2:]
from test_objects import SUITE, WHERE, pack_for_hub, result
from rewardbench.store import open_store
store = open_store(WHERE)
made = [result("org/m", share, n, "same") for n, share in enumerate((0.2, 0.9))]
n = 0
while True:
    n += 1
    if n == 2:
        print("ready", flush=True)
    for stored in made:
        store.put(stored, SUITE)
        entry = pack_for_hub(stored, SUITE)
        store.add([entry._replace(summary={**entry.summary, "model": "org/packed"})])
"""


@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.slow)])
def test_results_survive_killed_writers(bucket, kills):
    chance = random.Random(kills)
    paths = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "store")]
    for n in range(kills):
        command = [sys.executable, "-c", WRITER, WHERE, *paths]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ)
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(0.02 + 0.2 * chance.random())
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        store = open_store(WHERE)
        assert store.list() == ["org/m", "org/packed"], f"after {n + 1} kills"
        assert all(is_consistent(store.get(key)) for key in store.list())
        assert [row.note for row in refresh(store).rows] == ["", ""]


# Buckets without conditional writes


class PlainBucket(Bucket):
    """A bucket of a server that ignores conditions."""

    def __init__(self, address):
        super().__init__(address)
        self.is_conditional = False


def test_without_conditions_a_change_is_noticed_before_and_after_the_write(bucket):
    plain = PlainBucket(WHERE)
    assert plain.replace("me/a.json", b"1", None)
    assert not plain.replace("me/a.json", b"2", None)
    mark = plain.info("me/a.json").mark
    assert plain.replace("me/a.json", b"3", mark)
    assert not plain.replace("me/a.json", b"4", mark)
    store = ObjectStore(PlainBucket(WHERE))
    store.put(result("me/b"), SUITE)
    store.put(result("me/b", fingerprint="other"), SUITE)
    assert len(store.list()) == 3


def test_buckets_of_other_file_systems(monkeypatch, tmp_path):
    """The store uses nothing but fsspec: it works on a file system in memory."""
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    objects = Bucket("gs://bucket/results", MemoryFileSystem())
    store = ObjectStore(objects)
    key = store.add([pack_for_hub(result("me/a"), SUITE)])[0]
    assert store.get(key).score == result("me/a").score
    store.rename(key, "me/b")
    assert store.list() == ["me/b"]
    assert json.loads(objects.read("me/b.json"))["model"] == "me/a"
    objects.delete(objects.list())
