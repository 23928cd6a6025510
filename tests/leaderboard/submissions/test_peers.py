"""Test which stored results a submission is compared with: few, and those that it may be copied from."""

import json
import random
from dataclasses import replace

from submissions import SUITE, copied, result
from synthetic import changed

from rewardbench import results
from rewardbench.leaderboard.submissions import nearest, peers, read_submission
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


def test_source_of_a_copy_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "FEW", 2)
    monkeypatch.setattr(nearest, "COPIES", 1)
    monkeypatch.setattr(nearest, "SECTION_COPIES", 0)
    monkeypatch.setattr(nearest, "COMPONENTS", 1)
    for seed in range(4, 24):
        keep(tmp_path / "store", *result(f"org/m{seed}", seed=seed))
    keep(tmp_path / "store", *result())
    chance = random.Random(1)
    path = submission(tmp_path / "copy", *copied("bad/copy", lambda score: score + 0.05 * chance.gauss(0, 1)))
    read = [scored.model for scored in Peers(LocalStore(tmp_path / "store"), path).others(SUITE)]
    assert len(read) < 7
    assert "org/good" in read


def test_row_with_the_same_fingerprint_or_name_is_always_read(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "FEW", 1)
    monkeypatch.setattr(peers, "nearest_models", lambda *arguments: [])
    for seed in range(4, 9):
        keep(tmp_path / "store", *result(f"org/m{seed}", seed=seed))
    record, rows = result("org/m7", share=0.2, seed=1)
    path = submission(tmp_path / "other", record, rows)
    assert [scored.model for scored in Peers(LocalStore(tmp_path / "store"), path).others(SUITE)] == ["org/m7"]


def test_results_of_other_items_are_compared_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "FEW", 1)
    monkeypatch.setattr(peers, "MOST_UNLIKE", 2)
    shorter = replace(SUITE, items=SUITE.items[:40])
    for seed in range(4, 9):
        keep(tmp_path / "store", *result(f"org/m{seed}", seed=seed, suite=shorter))
    path = submission(tmp_path / "other", *result("org/other", share=0.2, seed=1))
    assert len(list(Peers(LocalStore(tmp_path / "store"), path).others(SUITE))) == 2


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
