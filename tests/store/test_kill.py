"""Test that every result is complete and readable after a writer is killed at any moment."""

import random
import signal
import subprocess
import sys
import time

import pytest
from repository import ROOT

from rewardbench.leaderboard.refresh import refresh
from rewardbench.store import LocalStore

WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from synthetic import mirrors, scores
from rewardbench import results
from rewardbench.results import assemble, parquet
from rewardbench.store import LocalStore
from rewardbench.types import ItemScores
import hashlib
suite = mirrors(20)
store = LocalStore(sys.argv[1])
made = []
for n, share in enumerate((0.2, 0.9)):
    items = scores(suite, share, n)
    item_scores = [ItemScores(item.id, item.scores, tokens=(1, 1), texts=("a", "b")) for item in items]
    made.append(assemble(suite, "org/m", "DPO", item_scores, {"fingerprint_sha256": "same"}))
n = 0
while True:
    n += 1
    if n == 2:
        print("ready", flush=True)
    for result in made:
        store.put(result, suite)
        table = parquet.encode_table(results.to_rows(result, suite))
        summary = results.to_summary(result) | {"model": "org/packed"}
        summary[results.OUTPUTS_HASH] = hashlib.sha256(table).hexdigest()
        store.add([(summary, table)])
"""


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_results_survive_killed_writers(tmp_path, kills):
    chance, seen = random.Random(kills), set()
    folder = tmp_path / "results"
    for n in range(kills):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(ROOT / "tests" / "support")], stdout=subprocess.PIPE
        )
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(0.05 + 0.25 * chance.random())
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        store = LocalStore(folder)
        assert store.list() == ["org/m", "org/packed"], f"after {n + 1} kills"
        for key in store.list():
            result = store.get(key)
            assert len(result.items) == 80
            right = sum(item.scores[0] > item.scores[1] for item in result.items) / 80
            assert right == pytest.approx(result.accuracy.value), "scores and figures are of one writing"
            seen.add(round(right, 2))
        rows = refresh(store).rows
        assert [row.note for row in rows] == ["", ""]
    assert len(seen) == 2 or kills < 10
