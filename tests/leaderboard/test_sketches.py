"""Test sketches: what they keep, when they are computed again, and which stored models they choose."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from repository import ROOT
from submissions import result

from rewardbench import results
from rewardbench.leaderboard import sketches
from rewardbench.leaderboard.profiles import Profile, layout_of
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.sketches import (
    SketchTable,
    encode_sketches,
    publish_sketches,
    read_sketches,
    sketch_of,
    table_of,
    update_sketches,
)
from rewardbench.leaderboard.submissions.nearest import nearest_models
from rewardbench.store import LocalStore
from rewardbench.store.hub import HubStore
from rewardbench.suites import load_embedded

LAYOUT = layout_of(load_embedded("core"))


def random_profiles(count, seed=0):
    chance = np.random.default_rng(seed)
    shared = chance.standard_normal(len(LAYOUT.item_of))
    profiles = []
    for n in range(count):
        values = 0.7 * shared + 0.7 * chance.standard_normal(len(shared)) + 0.8 * LAYOUT.is_right
        profiles.append(Profile(f"org/m{n}", LAYOUT, values))
    return profiles


def table(profiles):
    return SketchTable([profile.name for profile in profiles], list(map(sketch_of, profiles)), LAYOUT)


@pytest.fixture
def store(tmp_path):
    """Return a folder with three results, and count which results are read."""
    folder = LocalStore(tmp_path / "store")
    for seed in range(3):
        folder.add([results.pack_result(*result(f"org/m{seed}", seed=seed))])
    return folder


@pytest.fixture
def reads(monkeypatch):
    """Record the keys of the results that are read for a sketch."""
    keys = []
    compute = sketches._compute

    def record(store, row):
        keys.append(row.key)
        return compute(store, row)

    monkeypatch.setattr(sketches, "_compute", record)
    return keys


def test_sketch_keeps_decisions_and_nearly_all_of_the_contrasts():
    (profile,) = random_profiles(1)
    stored = table([profile])
    assert (stored.decisions([0])[0] == profile.decisions).all()
    assert np.corrcoef(stored.contrasts([0])[0], profile.contrasts)[0, 1] > 0.9998
    assert (stored.right_counts == (profile.decisions > 0)).all()
    assert stored.nbytes < 4300


def change_table(path, column, change):
    """Replace the values of a column of a table, and the hash in its summary."""
    place = results.table_path(path)
    stored = pq.read_table(place)
    field = stored.schema.field(column)
    values = pa.array(change(stored[column].to_pylist()), type=field.type)
    pq.write_table(stored.set_column(stored.schema.get_field_index(column), field, values), place)
    record = json.loads(path.read_bytes()) | {results.OUTPUTS_HASH: results.sha256_of(place)}
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("column", "change", "is_fast"),
    [
        ("scores", lambda rows: rows, True),
        ("scores", lambda rows: [[None, float("inf")], *rows[1:]], True),
        ("scores", lambda rows: [[*rows[0], 1.0], *rows[1:]], False),
        ("scores", lambda rows: [None, *rows[1:]], False),
        ("id", lambda rows: ["of-no-item", *rows[1:]], False),
        ("id", lambda rows: [None, *rows[1:]], False),
        ("num_correct", lambda rows: [2, *rows[1:]], False),
    ],
)
def test_scores_that_are_read_as_arrays_have_the_same_sketch(tmp_path, column, change, is_fast):
    folder = LocalStore(tmp_path / "store")
    summary, content = (ROOT / "leaderboard/demo/demo" / f"bert-64.{end}" for end in ("json", "parquet"))
    folder.add([(json.loads(summary.read_bytes()), content.read_bytes())])
    (row,) = refresh(folder).rows
    path = folder.path(row.key)
    change_table(path, column, change)
    profile = sketches._read_profile(path, row)
    assert (profile is not None) == is_fast
    if profile:
        parsed = sketches._parse_profile(path, row)
        assert (sketch_of(profile), profile.layout.digest) == (sketch_of(parsed), parsed.layout.digest)


def test_table_that_is_not_that_of_its_summary_has_no_sketch(tmp_path):
    folder = LocalStore(tmp_path / "store")
    summary, content = (ROOT / "leaderboard/demo/demo" / f"bert-64.{end}" for end in ("json", "parquet"))
    folder.add([(json.loads(summary.read_bytes()), content.read_bytes())])
    (row,) = refresh(folder).rows
    results.table_path(folder.path(row.key)).write_bytes(b"PAR1")
    assert sketches._compute(folder, row) is None


def test_sources_are_among_the_nearest_of_three_hundred():
    profiles = random_profiles(300)
    stored = table(profiles)
    chance = np.random.default_rng(1)
    factors = np.exp(chance.standard_normal(len(LAYOUT.items)))[LAYOUT.item_of]
    copy = Profile("", LAYOUT, np.exp(profiles[7].values) * factors)
    mixture = Profile(
        "", LAYOUT, sum(w * profiles[n].values for w, n in ((0.5, 3), (0.3, 90), (0.15, 200), (0.1, 250)))
    )
    votes = sum(profiles[n].decisions for n in (11, 22, 33))
    order = np.where(LAYOUT.is_right, votes[LAYOUT.item_of], 0) + 0.1 * chance.random(len(LAYOUT.item_of))
    for target, sources in ((copy, [7]), (mixture, [3, 90, 200, 250]), (Profile("", LAYOUT, order), [11, 22, 33])):
        nearest = nearest_models(target, stored)
        assert {f"org/m{n}" for n in sources} <= set(nearest)
        assert len(nearest) <= 60
    assert "org/m7" not in nearest_models(copy, stored, ["org/m7"])
    assert nearest_models(copy, stored, stored.keys) == []


def test_only_new_and_changed_results_are_read(store, reads):
    rows = refresh(store).rows
    assert len(update_sketches(store, rows)) == 3
    assert sorted(reads) == ["org/m0", "org/m1", "org/m2"]
    reads.clear()
    store.add([results.pack_result(*result("org/m0", share=0.6, seed=9))])
    store.add([results.pack_result(*result("org/new", seed=8))])
    rows = refresh(store).rows
    changed = {row.key for row in rows} - {"org/m1", "org/m2"}
    assert len(update_sketches(store, rows)) == len(rows)
    assert set(reads) == changed


@pytest.mark.parametrize("damage", ["cut", "overwritten", "another version", "missing"])
def test_damaged_file_is_computed_again(store, reads, damage, monkeypatch):
    rows = refresh(store).rows
    expected = update_sketches(store, rows)
    path = store.machine_path(sketches.FILE)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "overwritten":
        middle = len(content) // 3
        path.write_bytes(content[:middle] + bytes(200) + content[middle + 200 :])
    elif damage == "another version":
        with monkeypatch.context() as patch:
            patch.setattr(sketches, "VERSION", "0")
            path.write_bytes(encode_sketches(expected))
    else:
        path.unlink()
    reads.clear()
    assert update_sketches(store, rows) == expected
    assert len(reads) == 3
    assert read_sketches(path) == expected


def test_file_of_sketches_in_a_folder_is_not_trusted(store, reads):
    rows = refresh(store).rows
    expected = update_sketches(store, rows)
    store.machine_path(sketches.FILE).unlink()
    other = expected[0]
    forged = [sketches.StoredSketch(row.key, row.mark, other.layout, other.sketch) for row in rows]
    (store.root / sketches.FILE).write_bytes(encode_sketches(forged))
    reads.clear()
    assert update_sketches(store, rows) == expected
    assert len(reads) == 3


def test_unreadable_result_has_no_sketch(store):
    rows = refresh(store).rows
    results.table_path(store.path("org/m1")).write_bytes(b"PAR1")
    assert {stored.key for stored in update_sketches(store, rows)} == {"org/m0", "org/m2"}


def test_sketch_of_another_size_is_left_out(store):
    rows = refresh(store).rows
    stored = update_sketches(store, rows)
    assert table_of(stored, LAYOUT).keys == []
    short = sketches.Sketch(b"12", b"1", b"1")
    assert SketchTable(["a"], [short], LAYOUT).keys == []


def test_published_sketches_are_read_on_another_machine(hub, reads):
    store = HubStore("org/results")
    store.add([results.pack_result(*result("org/m0", seed=1)), results.pack_result(*result("org/m1", seed=2))])
    rows = refresh(store).rows
    publish_sketches(store, rows)
    commit = store.refresh()
    publish_sketches(store, rows)
    assert store.refresh() == commit
    store.machine_path(sketches.FILE).unlink()
    reads.clear()
    assert len(update_sketches(HubStore("org/results"), rows)) == 2
    assert reads == []
