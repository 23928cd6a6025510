"""Test the score cache in a bucket: machines share scores, and lose none when they are killed or run together."""

import math
import os
import signal
import struct
import subprocess
import sys
import threading

import pytest
from bucket_server import KEY, SECRET
from random_models import pairs
from terminal import run

from rewardbench.engine import shared_cache
from rewardbench.engine.cache import Cache, default_path
from rewardbench.engine.loop import score
from rewardbench.engine.shared_cache import FOLDER, SharedCache, open_cache
from rewardbench.errors import InputError
from rewardbench.paths.objects import TRIES, Bucket
from rewardbench.scorers.classifier import load_classifier
from rewardbench.settings import ModelSpec

WHERE = "s3://bucket/team/cache"
SCORES = [0.1, -0.0, math.nan, math.inf, (1.5, -0.0), (2.0,)]


def key(number, machine=0):
    return struct.pack("<4I", machine, number, 0, 0)


def segments():
    return sorted(Bucket(WHERE).list(FOLDER))


def fill(opened, numbers, machine=0, scorer="aa"):
    opened.register(scorer, f"org/{scorer}", {"dtype": "float32"})
    opened.store(scorer, {key(number, machine): float(number) for number in numbers})


@pytest.fixture
def machines(bucket, monkeypatch, tmp_path):
    """Return a function that opens the cache on the machine with a name."""
    monkeypatch.setenv("REWARDBENCH_CACHE", WHERE)

    def open_on(name):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        return open_cache()

    return open_on


def test_scores_reach_another_machine_bit_for_bit(machines):
    with machines("one") as opened:
        assert isinstance(opened, SharedCache)
        opened.register("aa", "org/model", {"dtype": "float32"})
        opened.store("aa", {key(n): value for n, value in enumerate(SCORES)})
        assert segments() == []
        opened.flush()
        assert len(segments()) == 1
    assert len(segments()) == 1, "nothing new to upload at the end"
    with machines("two") as opened:
        stored = opened.lookup("aa", [key(n) for n in range(len(SCORES))])
        assert list(map(repr, (stored[key(n)] for n in range(len(SCORES))))) == list(map(repr, SCORES))
        (entry,) = opened.entries()
        assert (entry.model, entry.scores, entry.facts) == ("org/model", 6, {"dtype": "float32"})
        assert opened.pending() == 0


def test_segments_are_read_once(machines, bucket):
    with machines("one") as opened:
        fill(opened, range(3))
    machines("two").close()
    bucket.requests.clear()
    machines("two").close()
    assert [method for method, path in bucket.requests if "parquet" in path] == []


def test_run_on_another_machine_computes_nothing(machines, model_folder):
    items, scorer = pairs(6, 20), load_classifier(ModelSpec(str(model_folder()), device="cpu"))
    with machines("one") as opened:
        first = score(items, scorer, cache=opened)
        assert len(segments()) == 1, "uploaded after the window"
    with machines("two") as opened:
        again = score(items, scorer, cache=opened)
    assert (first.computed, again.computed) == (12, 0)
    assert [item.scores for item in again.items] == [item.scores for item in first.items]


CHILD = """
import sys
sys.path[:0] = sys.argv[1:3]
from test_shared_cache import fill, open_cache
opened = open_cache()
fill(opened, range(10))
opened.flush()
fill(opened, range(10, 15))
print("ready", flush=True)
sys.stdin.read()
"""


def test_killed_process_loses_nothing_on_its_machine_and_one_window_on_others(machines):
    machines("one").close()
    paths = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "support")]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
    )
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdin.close()
    child.stdout.close()
    keys = [key(n) for n in range(15)]
    with machines("two") as opened:
        assert len(opened.lookup("aa", keys)) == 10
    with machines("one") as opened:
        assert len(opened.lookup("aa", keys)) == 15
        assert opened.pending() == 5
    with machines("two") as opened:
        assert opened.lookup("aa", keys) == {key(n): float(n) for n in range(15)}


def test_writers_at_once_lose_nothing(machines, tmp_path):
    """Four machines store scores of their own and scores that all of them have."""
    opened = [machines(f"machine {n}") for n in range(4)]

    def write(cache, machine):
        for start in range(0, 30, 10):
            fill(cache, range(start, start + 10), machine)
            fill(cache, range(start, start + 10), 9)
            cache.flush()

    threads = [threading.Thread(target=write, args=(cache, n)) for n, cache in enumerate(opened)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for cache in opened:
        cache.close()
    with machines("last") as cache:
        for machine in (0, 1, 2, 3, 9):
            keys = [key(n, machine) for n in range(30)]
            assert cache.lookup("aa", keys) == {key(n, machine): float(n) for n in range(30)}


def test_scores_are_uploaded_each_minute(machines, bucket):
    seconds = [0.0]
    machines("one").close()
    with SharedCache(Bucket(WHERE), lambda: seconds[0]) as opened:
        fill(opened, range(3))
        assert segments() == []
        seconds[0] = 61.0
        fill(opened, range(3, 5))
        assert len(segments()) == 1
        assert opened.pending() == 0


def test_many_small_segments_are_merged(machines, monkeypatch):
    for n in range(6):
        with machines("one") as opened:
            fill(opened, [n])
    assert len(segments()) == 6
    monkeypatch.setattr(shared_cache, "MOST_SMALL", 3)
    late = machines("late")  # merges
    assert len(segments()) == 1
    with machines("two") as opened:
        assert len(opened.lookup("aa", [key(n) for n in range(6)])) == 6
    fill(late, [6])
    late.close()
    with machines("one") as opened:
        assert len(opened.lookup("aa", [key(n) for n in range(7)])) == 7


def test_segment_that_another_machine_merges_meanwhile(machines, monkeypatch):
    for n in range(4):
        with machines("one") as opened:
            fill(opened, [n])
    monkeypatch.setattr(shared_cache, "MOST_SMALL", 3)
    listing, read = Bucket.list, Bucket.read
    merged = []

    def read_late(bucket, name):
        if not merged:
            merged.append(True)
            machine = os.environ["XDG_CACHE_HOME"]
            machines("merger").close()
            monkeypatch.setenv("XDG_CACHE_HOME", machine)
        return read(bucket, name)

    monkeypatch.setattr(Bucket, "read", read_late)
    with machines("two") as opened:
        assert len(opened.lookup("aa", [key(n) for n in range(4)])) == 4
    assert len(listing(Bucket(WHERE), FOLDER)) == 1


def test_outage_during_a_run_leaves_scores_pending(machines, bucket, capsys, monkeypatch):
    opened = machines("one")
    fill(opened, range(3))
    bucket.faults = [503] * 2 * TRIES
    opened.flush()
    assert opened.pending() == 3
    opened.close()
    note = capsys.readouterr().err
    assert note.startswith("note: 3 scores were not uploaded; the next run on this machine uploads them. s3://bucket/")
    with machines("one") as opened:
        assert opened.pending() == 3
    with machines("two") as opened:
        assert len(opened.lookup("aa", [key(n) for n in range(3)])) == 3


def test_prune_deletes_scores_in_the_bucket(machines, capsys):
    with machines("one") as opened:
        fill(opened, range(4), scorer="aa")
        fill(opened, range(5), scorer="bb")
    code, out, _ = run(capsys, "cache", "prune", "--model", "org/aa")
    assert (code, out) == (0, "pruned=4\n")
    with machines("two") as opened:
        assert [(entry.model, entry.scores) for entry in opened.entries()] == [("org/bb", 5)]
    code, out, _ = run(capsys, "cache")
    assert code == 0
    assert f"bucket={WHERE}\nsegments=1\npending=0\n" in out
    run(capsys, "cache", "prune", "--all")
    assert segments() == []


def test_damaged_segment_and_other_version_are_named(machines):
    Bucket(WHERE).write(f"{FOLDER}/0.parquet", b"no parquet")
    with pytest.raises(InputError, match=r"s3://bucket/team/cache/segments/0.parquet is not a segment .* delete it"):
        machines("one")


def test_wrong_key_and_missing_bucket_are_one_sentence(machines, bucket, capsys, monkeypatch, tmp_path):
    """They are reported before the model is loaded."""
    monkeypatch.setattr("rewardbench.evaluation.runs.load_scorer", lambda *_, **__: pytest.fail("loaded first"))
    arguments = ["--model", "tiny-rm", "--limit", "4", "--output_dir", str(tmp_path / "out")]
    with bucket.checking_keys():
        code, out, err = run(capsys, *arguments)
    assert code == 2
    assert "The credentials for s3://bucket/team/cache are not accepted" in err.splitlines()[-1]
    assert KEY not in out + err
    assert SECRET not in out + err
    monkeypatch.setenv("REWARDBENCH_CACHE", "s3://nobody/cache")
    code, _, err = run(capsys, *arguments)
    assert (code, err.splitlines()[-1]) == (
        2,
        "rewardbench: There is no bucket nobody: create it, or check its name and endpoint.",
    )


def test_cache_of_this_machine_is_unchanged(tmp_path, monkeypatch):
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path / "scores.sqlite"))
    with open_cache() as opened:
        assert type(opened) is Cache
        assert opened.path == default_path() == tmp_path / "scores.sqlite"
        assert opened.shared() == {}
