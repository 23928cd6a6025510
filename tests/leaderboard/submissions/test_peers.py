"""What a submission is held against: few results are read, and those are the ones that it may be made from."""

import json
import random

from submissions import SUITE, copied, result
from synthetic import changed

from rewardbench import results
from rewardbench.leaderboard.submissions import peers, read_submission
from rewardbench.leaderboard.submissions.peers import Peers
from rewardbench.store import LocalStore


def keep(folder, told, rows):
    """A result in a store; returns its key."""
    return LocalStore(folder).add([results.pack_result(told, rows)])[0]


def submission(folder, told, rows):
    """A submission, read from its two files."""
    folder.mkdir()
    summary, table = results.pack_result(told, rows)
    path = folder / "result.json"
    path.write_text(results.dump(summary))
    results.table_path(path).write_bytes(table)
    return read_submission(path)


def test_of_many_rows_the_one_with_the_same_mistakes_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "NEAREST", 2)
    for seed in range(4, 12):
        keep(tmp_path / "store", *result(f"org/m{seed}", seed=seed))
    keep(tmp_path / "store", *result())
    chance = random.Random(1)
    path = submission(tmp_path / "copy", *copied("bad/copy", lambda score: score + 0.05 * chance.gauss(0, 1)))
    read = [scored.model for scored in Peers(LocalStore(tmp_path / "store"), path).others(SUITE)]
    assert len(read) == 2
    assert "org/good" in read


def test_a_row_of_the_same_fingerprint_or_name_is_read_whatever_its_mistakes(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "NEAREST", 1)
    for seed in range(4, 9):
        keep(tmp_path / "store", *result(f"org/m{seed}", seed=seed))
    told, rows = result("org/m7", share=0.2, seed=1)
    path = submission(tmp_path / "other", told, rows)
    read = [scored.model for scored in Peers(LocalStore(tmp_path / "store"), path).others(SUITE)]
    assert "org/m7" in read
    assert len(read) <= 2


def test_a_file_without_a_row_still_holds_its_place(tmp_path):
    folder = tmp_path / "store"
    key = keep(folder, *result())
    place = folder / f"{key}.json"
    place.write_text(json.dumps(changed(json.loads(place.read_bytes()), ("suite",), 7)))
    path = submission(tmp_path / "again", *result())
    (found,) = Peers(LocalStore(folder), path).changes(key)
    assert found.kind == "flagged"
    assert "cannot be read" in found.message
    other = submission(tmp_path / "lookalike", *result("Org/G0od"))
    assert any("looks like" in one.message for one in Peers(LocalStore(folder), other).changes("Org/G0od"))
