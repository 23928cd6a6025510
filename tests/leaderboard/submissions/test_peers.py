"""Test which stored results a submission is compared with: few, and those that it may be copied from."""

import json
import random

from submissions import SUITE, copied, result
from synthetic import changed

from rewardbench import results
from rewardbench.leaderboard.submissions import peers, read_submission
from rewardbench.leaderboard.submissions.peers import Peers
from rewardbench.store import LocalStore


def keep(folder, record, rows):
    """Store a result, and return its key."""
    return LocalStore(folder).add([results.pack_result(record, rows)])[0]


def submission(folder, record, rows):
    """Write and read a submission."""
    folder.mkdir()
    summary, table, _ = results.pack_result(record, rows)
    path = folder / "result.json"
    path.write_text(results.dump(summary))
    results.table_path(path).write_bytes(table)
    return read_submission(path)


def test_row_with_the_same_mistakes_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "NEAREST", 2)
    for seed in range(4, 12):
        keep(tmp_path / "store", *result(f"org/m{seed}", seed=seed))
    keep(tmp_path / "store", *result())
    chance = random.Random(1)
    path = submission(tmp_path / "copy", *copied("bad/copy", lambda score: score + 0.05 * chance.gauss(0, 1)))
    read = [scored.model for scored in Peers(LocalStore(tmp_path / "store"), path).others(SUITE)]
    assert len(read) == 2
    assert "org/good" in read


def test_row_with_the_same_fingerprint_or_name_is_always_read(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "NEAREST", 1)
    for seed in range(4, 9):
        keep(tmp_path / "store", *result(f"org/m{seed}", seed=seed))
    record, rows = result("org/m7", share=0.2, seed=1)
    path = submission(tmp_path / "other", record, rows)
    read = [scored.model for scored in Peers(LocalStore(tmp_path / "store"), path).others(SUITE)]
    assert "org/m7" in read
    assert len(read) <= 2


def test_unreadable_stored_file_is_not_replaced(tmp_path):
    folder = tmp_path / "store"
    key = keep(folder, *result())
    place = folder / f"{key}.json"
    place.write_text(json.dumps(changed(json.loads(place.read_bytes()), ("suite",), 7)))
    path = submission(tmp_path / "again", *result())
    (finding,) = Peers(LocalStore(folder), path).changes(key)
    assert finding.kind == "flagged"
    assert "cannot be read" in finding.message
    other = submission(tmp_path / "lookalike", *result("Org/G0od"))
    assert any("looks like" in finding.message for finding in Peers(LocalStore(folder), other).changes("Org/G0od"))
