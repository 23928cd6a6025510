"""Test that an index in a Hub dataset is checked against its files, a few rows at a time."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import WHERE
from synthetic import mirrors, scores, store

from rewardbench import results
from rewardbench.leaderboard import audit
from rewardbench.leaderboard.refresh import refresh
from rewardbench.results import PackedResult
from rewardbench.store import open_store
from rewardbench.store.verdicts import make_verdict

SUITE = mirrors(20)
MODELS = {"org/best": 0.99, "org/good": 0.8, "org/fair": 0.6, "org/worst": 0.3}


@pytest.fixture
def dataset(hub, tmp_path, monkeypatch):
    """Fill a Hub dataset with results and an honest index; what this machine knows of it is forgotten."""
    entries = []
    for n, (name, share) in enumerate(MODELS.items()):
        path = store(tmp_path / "local", SUITE, scores(SUITE, share, seed=n), name)
        summary = results.read_summary(path)
        rows = results.read_rows(path, summary)
        entries.append(results.pack_result(summary, rows))
    open_store(WHERE).add([PackedResult(*entry) for entry in entries])
    honest = refresh(open_store(WHERE))
    hub_store = open_store(WHERE)
    hub_store.save("index.parquet", hub_store.indexes()[0].read_bytes())
    forget(hub_store)
    return honest


def forget(hub_store):
    hub_store.refresh()
    for path in (hub_store._local_index(), hub_store.local_file("checked.json")):
        path.unlink(missing_ok=True)


def forge(key, change):
    """Change a row of the index in the dataset, as who may commit to it can."""
    hub_store = open_store(WHERE)
    table = pq.read_table(hub_store.load("index.parquet"))
    rows = table.to_pylist()
    for row in list(rows):
        if row["key"] == key:
            change(row, rows)
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), out)
    hub_store.save("index.parquet", out.getvalue())


def score(row, rows):
    row["score"] = json.dumps(json.loads(row["score"]) | {"value": 0.999, "low": 0.99, "high": 1.0})


def badge(row, rows):
    row["badge"] = "verified"


def credits(row, rows):
    row["parts"] = [1.0] * len(row["parts"])


def sections(row, rows):
    row["sections"] = json.dumps([figure | {"value": 1.0} for figure in json.loads(row["sections"])])


FORGERIES = [score, badge, credits, sections]


def test_honest_index_is_used_and_rows_are_checked_once(dataset, monkeypatch):
    computed = []
    compute = audit.compute_row
    monkeypatch.setattr(audit, "compute_row", lambda *row: computed.append(row[1]) or compute(*row))
    read = []
    board = refresh(open_store(WHERE), lambda key, total: read.append(key))
    assert [row.key for row in board.rows] == [row.key for row in dataset.rows]
    assert board.rows == dataset.rows
    assert (read, sorted(computed)) == ([], sorted(MODELS))
    refresh(open_store(WHERE))
    assert len(computed) == len(MODELS)


@pytest.mark.parametrize("change", FORGERIES)
def test_forged_row_of_the_index_is_not_shown(dataset, change, caplog):
    forge("org/worst", change)
    board = refresh(open_store(WHERE))
    assert board.rows == dataset.rows
    assert "does not follow from its files" in caplog.text
    assert refresh(open_store(WHERE)).rows == dataset.rows, "nor later"


def test_hidden_row_is_shown_again(dataset):
    """An index that calls a good result unreadable, with the mark of its files."""
    hub_store = open_store(WHERE)
    marks = hub_store.versions()
    table = pq.read_table(hub_store.load("index.parquet"))
    rows = [row for row in table.to_pylist() if row["key"] != "org/best"]
    skipped = json.dumps({"org/best": f"{marks['org/best']} it cannot be read"}).encode()
    schema = table.schema.with_metadata({**table.schema.metadata, b"skipped": skipped})
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out)
    hub_store.save("index.parquet", out.getvalue())
    assert refresh(open_store(WHERE)).rows == dataset.rows


def test_every_row_is_checked_after_some_refreshes(dataset, monkeypatch):
    monkeypatch.setattr(audit, "MOST_ROWS", 2)
    monkeypatch.setattr(audit, "LEADING", 1)
    forge("org/worst", score)
    for _ in range(len(MODELS)):
        board = refresh(open_store(WHERE))
    assert board.rows == dataset.rows


def test_true_verdict_in_the_index_is_believed(dataset):
    hub_store = open_store(WHERE)
    summary = results.read_summary(hub_store.path("org/good"))
    hub_store.save("verdicts/org/good.json", results.dump(make_verdict(summary, True, {})).encode())
    board = refresh(open_store(WHERE))
    assert {row.key: row.badge for row in board.rows}["org/good"] == "verified"
